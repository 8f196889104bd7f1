//! What was measured: plain figures, each with what it is of.

use crate::contestant::Contestant;
use crate::run::Size;

/// What a figure tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Records for each second of processor time of the worker.
    PerCpuSecond,
    /// Records a second by the clock.
    PerSecond,
    /// Seconds until REST answered.
    Start,
    /// The same, with guests that were never compiled on this machine.
    FirstStart,
    /// MiB of memory before there is a connector.
    Idle,
    /// MiB of memory at most, of a worker that delivers exactly once (`true`) or not.
    Peak(bool),
    /// Seconds from the first request until so many connectors were running.
    Running(usize),
    /// MiB of memory with so many connectors at rest.
    CrowdMemory(usize),
    /// Processor time with so many connectors at rest, in percent of one processor.
    CrowdCpu(usize),
    /// Milliseconds for a list of so many connectors with status and configuration.
    Listing(usize),
    /// Milliseconds from a line in a file to its record in a topic: the median.
    ToTopicP50,
    /// The same, of the slowest in a hundred.
    ToTopicP99,
    /// Milliseconds from a line in a file through a topic into another file: the median.
    ToFileP50,
    /// The same, of the slowest in a hundred.
    ToFileP99,
}

impl Metric {
    /// Whether more of it is better.
    #[must_use]
    pub const fn more_is_better(self) -> bool {
        matches!(self, Self::PerCpuSecond | Self::PerSecond)
    }

    /// As tables show it.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Self::PerCpuSecond => "records per CPU-second".to_owned(),
            Self::PerSecond => "records per second".to_owned(),
            Self::Start => "start until REST answers, s".to_owned(),
            Self::FirstStart => "the same, the first time ever on a machine, s".to_owned(),
            Self::Idle => "memory without connectors, MiB".to_owned(),
            Self::Peak(false) => "most memory, sources and sinks, MiB".to_owned(),
            Self::Peak(true) => "most memory, exactly-once source, MiB".to_owned(),
            Self::Running(n) => format!("{n} connectors until all run, s"),
            Self::CrowdMemory(n) => format!("{n} connectors at rest, memory, MiB"),
            Self::CrowdCpu(n) => format!("{n} connectors at rest, % of a processor"),
            Self::Listing(n) => format!("{n} connectors listed with status and configuration, ms"),
            Self::ToTopicP50 => "file to topic, median, ms".to_owned(),
            Self::ToTopicP99 => "file to topic, 99th percentile, ms".to_owned(),
            Self::ToFileP50 => "file to topic to file, median, ms".to_owned(),
            Self::ToFileP99 => "file to topic to file, 99th percentile, ms".to_owned(),
        }
    }
}

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Size and case, where it belongs to a case.
    pub of: Option<(Size, &'static str)>,
    /// Whose it is.
    pub contestant: Contestant,
    /// What it tells.
    pub metric: Metric,
    /// The figure.
    pub value: f64,
}

/// All figures, in the order in which they were measured: those of a contestant in the order of the rounds.
#[derive(Debug, Default)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    /// Notes a figure of a case.
    pub fn of_case(
        &mut self,
        size: Size,
        case: &'static str,
        contestant: Contestant,
        metric: Metric,
        value: f64,
    ) {
        self.0.push(Sample { of: Some((size, case)), contestant, metric, value });
    }

    /// Notes a figure of a worker.
    pub fn of_worker(&mut self, contestant: Contestant, metric: Metric, value: f64) {
        self.0.push(Sample { of: None, contestant, metric, value });
    }

    /// The figures of a contestant, round by round.
    #[must_use]
    pub fn series(&self, of: Option<(Size, &str)>, contestant: Contestant, metric: Metric) -> Vec<f64> {
        let wanted = |it: &&Sample| it.of == of && it.contestant == contestant && it.metric == metric;
        self.0.iter().filter(wanted).map(|it| it.value).collect()
    }

    /// The metrics of workers that there are figures of, in order.
    #[must_use]
    pub fn worker_metrics(&self) -> Vec<Metric> {
        let mut all: Vec<Metric> = self.0.iter().filter(|it| it.of.is_none()).map(|it| it.metric).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
