//! One broker, and on it one contestant after the other.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use cofferdam_e2e::{Broker, Topics, Worker};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tempfile::TempDir;

use crate::bare::Bare;
use crate::case::{Case, Way, cases};
use crate::contestant::Contestant;
use crate::data::{Form, Sum, write_file};
use crate::machine::touch_memory;
use crate::sample::{Metric, Samples};
use crate::usage::{cpu_seconds, peak_kib, resident_kib};
use crate::{crowd, latency};

/// Settings of the broker that keep it from being what is measured.
const BROKER: &str = "num.network.threads=2\nlog.retention.ms=-1\ntransaction.state.log.num.partitions=5\n\
                      offsets.topic.num.partitions=5";
/// Between two looks at how far they are.
const LOOK: Duration = Duration::from_millis(20);
/// Nothing more comes.
const STALL: Duration = Duration::from_secs(90);
/// A topic of transactions that has not grown for so long has all of them.
const SETTLED: Duration = Duration::from_millis(1500);
/// How long a worker is left alone before its memory at rest is looked at.
const REST: Duration = Duration::from_secs(3);

/// How much there is to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Records.
    pub records: u64,
    /// Bytes of a text, without the end of its line.
    pub bytes: usize,
    /// Partitions of the topic.
    pub partitions: i32,
}

/// Cases that are measured with records of one size.
#[derive(Clone, Debug)]
pub struct Cell {
    /// How much they move.
    pub size: Size,
    /// What is done.
    pub cases: Vec<Case>,
}

/// What is measured in a round.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who takes part, in the order of their turns.
    pub contestants: Vec<Contestant>,
    /// Work that moves records.
    pub cells: Vec<Cell>,
    /// Records of each case that every worker moves before it is measured, for code that is compiled as it runs.
    pub warm_up: u64,
    /// How many connectors at once; each number has workers of its own.
    pub crowds: Vec<usize>,
    /// The same, in the first round only: Kafka Connect takes minutes. Who fails at it has no figures.
    pub crowds_once: Vec<usize>,
    /// How long records come at a fixed rate, for the time that they take.
    pub latency: Option<Duration>,
}

/// The broker and what lies ready on it.
#[derive(Debug)]
pub struct Bench {
    broker: Broker,
    topics: Topics,
    dir: TempDir,
    files: HashSet<Size>,
    filled: HashSet<(Form, Size)>,
    /// What the first contestant made of a case whose outcome is not known beforehand.
    outcomes: HashMap<(&'static str, Size), Sum>,
}

/// Who does the work of a case.
enum Doer<'a> {
    Worker(&'a Worker),
    Bare,
}

impl Bench {
    /// Starts a broker, and makes the machine ready where `plan` warms up.
    ///
    /// # Errors
    /// When there is no Kafka.
    pub fn new(plan: &Plan) -> anyhow::Result<Self> {
        if plan.warm_up > 0 {
            touch_memory();
        }
        let broker = Broker::start(BROKER)?;
        let topics = Topics::new(broker.bootstrap());
        let dir = tempfile::tempdir()?;
        let (files, filled, outcomes) = (HashSet::new(), HashSet::new(), HashMap::new());
        Ok(Self { broker, topics, dir, files, filled, outcomes })
    }

    /// Has every contestant do its turn, and then a program without any worker, where there is one.
    ///
    /// # Errors
    /// When one does not come to an end, or what arrived is not what was sent.
    pub fn round(&mut self, plan: &Plan, round: usize, samples: &mut Samples) -> anyhow::Result<()> {
        for contestant in &plan.contestants {
            eprintln!("round {round}: {}", contestant.name());
            self.turn(*contestant, plan, round, samples)
                .with_context(|| format!("round {round}, {}", contestant.name()))?;
        }
        eprintln!("round {round}: {}", Contestant::Bare.name());
        for cell in &plan.cells {
            for case in cell.cases.iter().filter(|case| case.has_bare) {
                let name = format!("bare-{round}-{}-{}", cell.size.bytes, cell.size.partitions);
                let place = (cell.size, case.name, Contestant::Bare);
                self.run(&Doer::Bare, case, cell.size, &name)?.note(place, samples);
            }
        }
        Ok(())
    }

    /// Has `contestant` do everything, with a worker for what is delivered exactly once and one for the rest.
    fn turn(
        &mut self,
        contestant: Contestant,
        plan: &Plan,
        round: usize,
        samples: &mut Samples,
    ) -> anyhow::Result<()> {
        for exactly_once in [false, true] {
            let of_kind = |case: &&Case| case.exactly_once == exactly_once;
            let wanted: Vec<(Size, &Case)> = plan
                .cells
                .iter()
                .flat_map(|cell| cell.cases.iter().filter(of_kind).map(|case| (cell.size, case)))
                .collect();
            let latency = plan.latency.filter(|_| !exactly_once);
            if wanted.is_empty() && latency.is_none() {
                continue;
            }
            let name = format!("bench-{}-{round}-{exactly_once}", contestant.name());
            let dir = tempfile::tempdir()?;
            let (worker, start) = self.start(contestant, &dir, &name, exactly_once, samples)?;
            if !exactly_once {
                rest(REST);
                samples.of_worker(contestant, Metric::Start, start);
                samples.of_worker(contestant, Metric::Idle, mib(resident_kib(worker.pid())?));
            }
            self.warm_up(&worker, plan.warm_up, exactly_once, &name)?;
            for (size, case) in wanted {
                let tag = format!("{name}-{}-{}", size.bytes, size.partitions);
                let done = self.run(&Doer::Worker(&worker), case, size, &tag);
                let done = done.with_context(|| format!("case {}", case.name))?;
                done.note((size, case.name, contestant), samples);
            }
            samples.of_worker(contestant, Metric::Peak(exactly_once), mib(peak_kib(worker.pid())?));
            if let Some(span) = latency {
                latency::measure(&worker, &self.topics, dir.path(), &name, span, contestant, samples)?;
            }
            contestant.end(worker)?;
        }
        let once = if round == 1 { plan.crowds_once.as_slice() } else { &[] };
        for n in plan.crowds.iter().chain(once) {
            let name = format!("bench-{}-{round}-{n}", contestant.name());
            let dir = tempfile::tempdir()?;
            let (worker, _) = self.start(contestant, &dir, &name, false, samples)?;
            rest(REST);
            if let Err(error) =
                crowd::deploy(&worker, &self.topics, dir.path(), &name, *n, contestant, samples)
            {
                eprintln!("{} with {n} connectors has no figures: {error:#}", contestant.name());
            }
            contestant.end(worker)?;
        }
        Ok(())
    }

    /// Starts a worker; answers the seconds until its REST answered as well.
    fn start(
        &self,
        contestant: Contestant,
        dir: &TempDir,
        name: &str,
        exactly_once: bool,
        samples: &mut Samples,
    ) -> anyhow::Result<(Worker, f64)> {
        if contestant == Contestant::Cofferdam {
            self.compile(dir, samples)?;
        }
        let began = now();
        let worker = contestant.start(dir.path(), self.broker.bootstrap(), name, exactly_once)?;
        Ok((worker, began.elapsed().as_secs_f64()))
    }

    /// The first start compiles the guests, which is done once per machine and is a figure of its own.
    fn compile(&self, dir: &TempDir, samples: &mut Samples) -> anyhow::Result<()> {
        let cache = self.dir.path().join("cache");
        if !cache.exists() {
            std::fs::create_dir(&cache)?;
        }
        std::fs::create_dir(dir.path().join("data"))?;
        std::os::unix::fs::symlink(&cache, dir.path().join("data/cache"))?;
        if std::fs::read_dir(&cache)?.next().is_none() {
            let (name, began) = ("bench-compile", now());
            let worker = Contestant::Cofferdam.start(dir.path(), self.broker.bootstrap(), name, false)?;
            samples.of_worker(Contestant::Cofferdam, Metric::FirstStart, began.elapsed().as_secs_f64());
            worker.stop()?;
        }
        Ok(())
    }

    /// Moves some records through each case of a kind. Nothing of it is measured.
    fn warm_up(
        &mut self,
        worker: &Worker,
        records: u64,
        exactly_once: bool,
        name: &str,
    ) -> anyhow::Result<()> {
        if records == 0 {
            return Ok(());
        }
        let size = Size { records, bytes: 99, partitions: 1 };
        for case in cases().iter().filter(|case| case.exactly_once == exactly_once) {
            self.run(&Doer::Worker(worker), case, size, &format!("{name}-warm"))?;
        }
        Ok(())
    }

    fn run(&mut self, doer: &Doer<'_>, case: &Case, size: Size, tag: &str) -> anyhow::Result<Done> {
        let Size { records, bytes, partitions } = size;
        let (connector, mut topic) = (format!("{tag}-{}", case.name), format!("{tag}-{}", case.name));
        let output = self.dir.path().join(&connector);
        let mut input = self.input(size)?;
        let expected = match case.way {
            Way::Source => {
                self.topics.create(&topic, partitions)?;
                records
            }
            Way::Sink => {
                topic = self.filled(case.form, size)?;
                input.clone_from(&output);
                case.form.good(records) * (bytes as u64 + 1)
            }
        };
        let watched = Watched::new(&self.topics, &topic, partitions)?;
        let progress = || match case.way {
            Way::Source => watched.end(),
            Way::Sink => Ok(std::fs::metadata(&output).map_or(0, |metadata| metadata.len())),
        };
        let (cpu, pace) = match doer {
            Doer::Worker(worker) => {
                let config = case.config(&connector, &input.display().to_string(), &topic);
                let before = cpu_seconds(worker.pid())?;
                let created =
                    worker.post("/connectors", &serde_json::json!({"name": connector, "config": config}))?;
                ensure!(created.status == 201, "{created:?}");
                let pace = await_end(progress, expected, case.exactly_once).with_context(|| {
                    let status = worker.get(&format!("/connectors/{connector}/status"));
                    format!("{:?}", status.map(|answer| answer.body.to_string()))
                })?;
                let cpu = cpu_seconds(worker.pid())? - before;
                let deleted = worker.delete(&format!("/connectors/{connector}"))?;
                ensure!(deleted.status == 204, "{deleted:?}");
                (cpu, pace)
            }
            Doer::Bare => {
                let bare = Bare::start(case.way, &input, self.broker.bootstrap(), &topic)?;
                let pace = await_end(progress, expected, false)?;
                (cpu_seconds(bare.pid())?, pace)
            }
        };
        self.check(case, size, &connector, &topic, &output)?;
        Ok(Done { records, cpu, pace })
    }

    /// Whether what arrived is what was sent; what a sink has written is removed.
    fn check(
        &mut self,
        case: &Case,
        size: Size,
        connector: &str,
        topic: &str,
        output: &Path,
    ) -> anyhow::Result<()> {
        let Size { records, bytes, .. } = size;
        let sum = match case.way {
            Way::Source => Sum::of_topic(&self.topics, topic)?,
            Way::Sink => Sum::of_file(output)?,
        };
        let wanted = match case.way {
            Way::Sink => Sum::of_good(case.form, records, bytes),
            Way::Source if case.changes_records => *self.outcomes.entry((case.name, size)).or_insert(sum),
            Way::Source => Sum::of_good(Form::Text, records, bytes),
        };
        ensure!(sum == wanted, "what arrived is not what was sent: {sum:?}, not {wanted:?}");
        ensure!(sum.records == case.form.good(records), "{} records", sum.records);
        if case.form == Form::JsonOneInAHundredBad {
            let dead = Sum::of_topic(&self.topics, &case.dead_letters(connector))?.records;
            ensure!(dead == records - case.form.good(records), "{dead} dead letters");
        }
        if case.way == Way::Sink {
            std::fs::remove_file(output)?;
        }
        Ok(())
    }

    /// The topic of this form, filled when it is asked for first.
    fn filled(&mut self, form: Form, size: Size) -> anyhow::Result<String> {
        let Size { records, bytes, partitions } = size;
        let topic = format!("bench-{form:?}-{records}-{bytes}-{partitions}").to_lowercase();
        if self.filled.insert((form, size)) {
            self.topics.create(&topic, partitions)?;
            form.fill(&self.topics, &topic, records, bytes, partitions)?;
        }
        Ok(topic)
    }

    /// The file of the sources, written when it is asked for first.
    fn input(&mut self, size: Size) -> anyhow::Result<PathBuf> {
        let size = Size { partitions: 1, ..size };
        let file = self.dir.path().join(format!("in-{}-{}.txt", size.records, size.bytes));
        if self.files.insert(size) {
            write_file(&file, size.records, size.bytes)?;
        }
        Ok(file)
    }
}

/// What a case took.
struct Done {
    records: u64,
    /// Seconds of processor time, from the creation of the connector on.
    cpu: f64,
    /// Shares of the whole a second, by the clock.
    pace: Option<f64>,
}

impl Done {
    fn note(&self, (size, case, who): (Size, &'static str, Contestant), samples: &mut Samples) {
        samples.of_case(size, case, who, Metric::PerCpuSecond, self.records as f64 / self.cpu);
        if let Some(pace) = self.pace {
            samples.of_case(size, case, who, Metric::PerSecond, self.records as f64 * pace);
        }
    }
}

/// A topic whose end is looked at.
struct Watched<'a> {
    consumer: BaseConsumer,
    topic: &'a str,
    partitions: i32,
}

impl<'a> Watched<'a> {
    fn new(topics: &Topics, topic: &'a str, partitions: i32) -> anyhow::Result<Self> {
        Ok(Self { consumer: topics.config().create()?, topic, partitions })
    }

    /// Offsets of all partitions together.
    fn end(&self) -> anyhow::Result<u64> {
        (0..self.partitions).try_fold(0, |sum, partition| {
            let (_, high) = self.consumer.fetch_watermarks(self.topic, partition, Duration::from_secs(30))?;
            Ok(sum + u64::try_from(high).unwrap_or(0))
        })
    }
}

/// Waits for `expected`, and with `markers` among what is counted until nothing more comes. Answers what share of the
/// whole came each second between the first look that saw some of it and the one that saw the last, or nothing if
/// too little came between these two to tell.
fn await_end(
    progress: impl Fn() -> anyhow::Result<u64>,
    expected: u64,
    markers: bool,
) -> anyhow::Result<Option<f64>> {
    let (mut first, mut last, mut seen) = (None, now(), 0);
    loop {
        let at = progress()?;
        if at != seen {
            (seen, last) = (at, now());
            first.get_or_insert((last, seen));
        }
        let is_there = if markers { seen > expected && last.elapsed() > SETTLED } else { seen >= expected };
        match first {
            Some((first, had)) if is_there => {
                let share = (seen - had) as f64 / seen as f64;
                return Ok((share > 0.5).then(|| share / last.duration_since(first).as_secs_f64()));
            }
            _ if last.elapsed() > STALL => bail!("{seen} of {expected}, and nothing more comes"),
            _ => rest(LOOK),
        }
    }
}

/// KiB as MiB.
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[allow(clippy::disallowed_methods, reason = "measures other processes by the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "waits for other processes; there is nothing to be notified by")]
pub(crate) fn rest(pause: Duration) {
    std::thread::sleep(pause);
}
