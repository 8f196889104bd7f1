//! One broker, and on it one contestant after the other.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use cofferdam_e2e::{Broker, Topics, Worker};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tempfile::TempDir;

use crate::Contestant;
use crate::case::{Case, Way};
use crate::data::{Form, Sum, write_file};
use crate::usage::{cpu_seconds, peak_kib, resident_kib};

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

/// What one contestant needed for one case.
#[derive(Clone, Copy, Debug)]
pub struct Result {
    /// The case.
    pub case: &'static str,
    /// Who.
    pub contestant: Contestant,
    /// Records moved.
    pub records: u64,
    /// Seconds of processor time of the worker, from the creation of the connector on.
    pub cpu: f64,
    /// Seconds from the first record to the last.
    pub wall: f64,
}

/// What a contestant needed besides.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep {
    /// Who.
    pub contestant: Contestant,
    /// Seconds until REST answered.
    pub start: f64,
    /// KiB without a connector.
    pub idle: u64,
    /// KiB at most, in all of the cases.
    pub peak: u64,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// Of cases.
    pub results: Vec<Result>,
    /// Of workers.
    pub upkeep: Vec<Upkeep>,
}

/// The broker and what lies ready on it.
#[derive(Debug)]
pub struct Bench {
    broker: Broker,
    topics: Topics,
    dir: TempDir,
    size: Size,
    filled: HashSet<Form>,
    /// What the first contestant made of a case whose outcome is not known beforehand.
    outcomes: HashMap<&'static str, Sum>,
}

impl Bench {
    /// Starts a broker and writes the file of the sources.
    ///
    /// # Errors
    /// When there is no Kafka, or no room.
    pub fn new(size: Size) -> anyhow::Result<Self> {
        let broker = Broker::start(BROKER)?;
        let topics = Topics::new(broker.bootstrap());
        let dir = tempfile::tempdir()?;
        let bench = Self { broker, topics, dir, size, filled: HashSet::new(), outcomes: HashMap::new() };
        write_file(&bench.input(), size.records, size.bytes)?;
        Ok(bench)
    }

    /// Has `contestant` do all `cases`, with a worker for those that deliver exactly once and one for the others.
    ///
    /// # Errors
    /// When it does not come to an end, or what arrived is not what was sent.
    pub fn turn(
        &mut self,
        contestant: Contestant,
        round: usize,
        cases: &[Case],
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        for exactly_once in [false, true] {
            let cases: Vec<&Case> = cases.iter().filter(|case| case.exactly_once == exactly_once).collect();
            if cases.is_empty() {
                continue;
            }
            let name = format!("bench-{}-{round}-{exactly_once}", contestant.name());
            let dir = tempfile::tempdir()?;
            if contestant == Contestant::Cofferdam {
                self.compile(&dir)?;
            }
            let began = now();
            let worker = contestant.start(dir.path(), self.broker.bootstrap(), &name, exactly_once)?;
            let start = began.elapsed().as_secs_f64();
            rest(REST);
            let idle = resident_kib(worker.pid())?;
            for case in cases {
                let done = self.run(&worker, case, &name);
                let result = done.with_context(|| format!("case {}, {}", case.name, contestant.name()))?;
                measured.results.push(Result { contestant, ..result });
            }
            let peak = peak_kib(worker.pid())?;
            measured.upkeep.push(Upkeep { contestant, start, idle, peak });
            match contestant {
                Contestant::Cofferdam => worker.stop()?,
                // A JVM that is told to end says that a signal ended it.
                Contestant::Connect | Contestant::Tuned => worker.kill()?,
            }
        }
        Ok(())
    }

    /// The first start compiles the guests, which is done once per machine and not what is compared.
    fn compile(&self, dir: &TempDir) -> anyhow::Result<()> {
        let cache = self.dir.path().join("cache");
        if !cache.exists() {
            std::fs::create_dir(&cache)?;
        }
        std::fs::create_dir(dir.path().join("data"))?;
        std::os::unix::fs::symlink(&cache, dir.path().join("data/cache"))?;
        if std::fs::read_dir(&cache)?.next().is_none() {
            Contestant::Cofferdam
                .start(dir.path(), self.broker.bootstrap(), "bench-compile", false)?
                .stop()?;
        }
        Ok(())
    }

    fn run(&mut self, worker: &Worker, case: &Case, tag: &str) -> anyhow::Result<Result> {
        let Size { records, bytes, partitions } = self.size;
        let (connector, mut topic) = (format!("{tag}-{}", case.name), format!("{tag}-{}", case.name));
        let output = self.dir.path().join(&connector);
        let mut input = self.input();
        let expected = match case.way {
            Way::Source => {
                self.topics.create(&topic, partitions)?;
                records
            }
            Way::Sink => {
                topic = self.filled(case.form)?;
                input.clone_from(&output);
                case.form.good(records) * (bytes as u64 + 1)
            }
        };
        let mut config = case.config(&input.display().to_string(), &topic);
        if let Some(dead) = config.get_mut("errors.deadletterqueue.topic.name") {
            *dead = format!("{connector}-dead").into();
        }
        let watched = Watched::new(&self.topics, &topic, partitions)?;
        let progress = || match case.way {
            Way::Source => watched.end(),
            Way::Sink => Ok(std::fs::metadata(&output).map_or(0, |metadata| metadata.len())),
        };
        let before = cpu_seconds(worker.pid())?;
        let created =
            worker.post("/connectors", &serde_json::json!({"name": connector, "config": config}))?;
        ensure!(created.status == 201, "{created:?}");
        let wall = await_end(progress, expected, case.exactly_once).with_context(|| {
            let status = worker.get(&format!("/connectors/{connector}/status"));
            format!("{:?}", status.map(|answer| answer.body.to_string()))
        })?;
        let cpu = cpu_seconds(worker.pid())? - before;
        let deleted = worker.delete(&format!("/connectors/{connector}"))?;
        ensure!(deleted.status == 204, "{deleted:?}");
        let sum = match case.way {
            Way::Source => Sum::of_topic(&self.topics, &topic)?,
            Way::Sink => Sum::of_file(&output)?,
        };
        let wanted = match case.way {
            Way::Sink => Sum::of_good(case.form, records, bytes),
            Way::Source if case.name == "c" => *self.outcomes.entry(case.name).or_insert(sum),
            Way::Source => Sum::of_good(Form::Text, records, bytes),
        };
        ensure!(sum == wanted, "what arrived is not what was sent: {sum:?}, not {wanted:?}");
        if case.form == Form::JsonOneInAHundredBad {
            let dead = Sum::of_topic(&self.topics, &format!("{connector}-dead"))?.records;
            ensure!(dead == records - case.form.good(records), "{dead} dead letters");
        }
        if case.way == Way::Sink {
            std::fs::remove_file(&output)?;
        }
        Ok(Result { case: case.name, contestant: Contestant::Cofferdam, records, cpu, wall })
    }

    /// The topic of this form, filled when it is asked for first.
    fn filled(&mut self, form: Form) -> anyhow::Result<String> {
        let topic = format!("bench-{form:?}").to_lowercase();
        if self.filled.insert(form) {
            self.topics.create(&topic, self.size.partitions)?;
            form.fill(&self.topics, &topic, self.size.records, self.size.bytes, self.size.partitions)?;
        }
        Ok(topic)
    }

    fn input(&self) -> PathBuf {
        self.dir.path().join("in.txt")
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

/// Waits for `expected`, and with `markers` among what is counted until nothing more comes. Answers the seconds
/// from the first sign of progress to the last.
fn await_end(
    progress: impl Fn() -> anyhow::Result<u64>,
    expected: u64,
    markers: bool,
) -> anyhow::Result<f64> {
    let (mut first, mut last, mut seen) = (None, now(), 0);
    loop {
        let at = progress()?;
        if at != seen {
            (seen, last) = (at, now());
            first.get_or_insert(last);
        }
        let is_there = if markers { seen > expected && last.elapsed() > SETTLED } else { seen >= expected };
        match first {
            Some(first) if is_there => return Ok(last.duration_since(first).as_secs_f64()),
            _ if last.elapsed() > STALL => bail!("{seen} of {expected}, and nothing more comes"),
            _ => rest(LOOK),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "measures other processes by the clock")]
fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "waits for other processes; there is nothing to be notified by")]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}
