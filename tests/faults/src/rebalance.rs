//! Partitions that change hands while records flow: what was put is committed before they are given away.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use cofferdam_e2e::{Broker, Topics, Worker, program};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::{Value, json};

use crate::kill::numbered;
use crate::numbers::{Lines, Tally};
use crate::rig::{Rig, await_file, file_sink, last, until, with};
use crate::{Outcome, Scale};

const PARTITIONS: usize = 8;
const TASKS: u32 = 4;
/// Records of one piece of the load.
const PIECE: u64 = 2_000;

/// A sink of four tasks under load, and what arrives of it in one file or more.
struct Case {
    topics: Topics,
    rig: Rig,
    name: &'static str,
    n: u64,
    sent: AtomicU64,
    outs: Vec<Lines>,
    tally: Tally,
}

impl Case {
    fn start(name: &'static str, n: u64, properties: &str) -> anyhow::Result<Self> {
        let broker = Broker::shared()?;
        let topics = Topics::new(broker.bootstrap());
        topics.create(name, PARTITIONS as i32)?;
        let rig = Rig::start(name, broker.bootstrap(), properties)?;
        let out = rig.path("out.txt");
        rig.worker()?.create(name, &file_sink(&out, name, TASKS))?;
        let outs = vec![Lines::new(&out)];
        Ok(Self { topics, rig, name, n, sent: AtomicU64::new(0), outs, tally: Tally::new(n) })
    }

    /// Sends all records, piece by piece, on a thread of its own while `fault` runs.
    fn under_load<T>(&mut self, fault: impl FnOnce(&mut Load<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let Self { topics, rig, name, n, sent, outs, tally } = self;
        let (topics, sent, n, name) = (&*topics, &*sent, *n, *name);
        std::thread::scope(|scope| {
            let load = scope.spawn(move || -> anyhow::Result<()> {
                for from in (0..n).step_by(PIECE as usize) {
                    let to = n.min(from + PIECE);
                    topics.send_messages(name, numbered(from..to, PARTITIONS))?;
                    sent.store(to, Ordering::Relaxed);
                    // A steady flow, so that each change of hands meets records on their way.
                    last(Duration::from_millis(15));
                }
                Ok(())
            });
            let result = fault(&mut Load { rig, topics, outs, tally });
            load.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
            result
        })
    }

    fn finish(mut self, runs: u64, note: &str) -> anyhow::Result<Outcome> {
        let Self { outs, tally, n, .. } = &mut self;
        until("all lines arrive", || {
            read_all(outs, tally)?;
            Ok(if tally.arrived() >= *n { Ok(()) } else { Err(format!("{} of {n}", tally.arrived())) })
        })?;
        let group = format!("connect-{}", self.name);
        until("all is committed", || {
            let committed = self.topics.committed(&group, self.name, PARTITIONS as i32)?;
            let sum: i64 = committed.iter().flatten().sum();
            Ok(if sum as u64 == self.n { Ok(()) } else { Err(format!("{committed:?}")) })
        })?;
        self.rig.worker()?.await_state(self.name, "RUNNING", "RUNNING")?;
        self.rig.stop()?;
        read_all(&mut self.outs, &mut self.tally)?;
        Ok(Outcome {
            runs,
            records: self.n,
            lost: self.tally.lost(),
            duplicated: self.tally.duplicated(),
            duplicates_max: 0,
            note: note.to_owned(),
        })
    }
}

/// What a fault sees of a case while it is under load.
struct Load<'a> {
    rig: &'a Rig,
    topics: &'a Topics,
    outs: &'a mut Vec<Lines>,
    tally: &'a mut Tally,
}

impl Load<'_> {
    /// Waits until so many more have arrived, so that the next change of hands meets a running sink.
    fn flow(&mut self, more: u64) -> anyhow::Result<()> {
        let wanted = (self.tally.arrived() + more).min(self.tally.len());
        until("records flow", || {
            read_all(self.outs, self.tally)?;
            let arrived = self.tally.arrived();
            Ok(if arrived >= wanted { Ok(()) } else { Err(format!("{arrived} of {wanted}")) })
        })
    }
}

impl Load<'_> {
    /// How many records arrived that are not committed.
    fn behind(&mut self, name: &str) -> anyhow::Result<u64> {
        let committed = self.topics.committed(&format!("connect-{name}"), name, PARTITIONS as i32)?;
        read_all(self.outs, self.tally)?;
        let behind = committed.into_iter().enumerate().map(|(partition, committed)| {
            // Record i of a partition is line i * PARTITIONS + partition.
            let committed = committed.unwrap_or(0) as u64 * PARTITIONS as u64 + partition as u64;
            self.tally.end(partition, PARTITIONS).saturating_sub(committed).div_ceil(PARTITIONS as u64)
        });
        Ok(behind.sum())
    }
}

fn read_all(outs: &mut [Lines], tally: &mut Tally) -> anyhow::Result<()> {
    outs.iter_mut().try_for_each(|lines| lines.read(|line| tally.line(line)))
}

pub(crate) fn tasks_restarted(scale: Scale) -> anyhow::Result<Outcome> {
    let (runs, n) = scale.pick((12, 400_000), (4, 100_000));
    let mut case = Case::start("tasks-restarted", n, "")?;
    case.under_load(|load| {
        for run in 0..runs {
            load.flow(PIECE)?;
            let path = format!("/connectors/tasks-restarted/tasks/{}/restart", run % u64::from(TASKS));
            let answer = load.rig.worker()?.post(&path, &Value::Null)?;
            ensure!((200..300).contains(&answer.status), "{path}: {answer:?}");
        }
        Ok(())
    })?;
    case.finish(runs, "committed before partitions are given away")
}

/// An ordinary consumer joins the group, is given partitions, takes nothing and leaves.
pub(crate) fn member_comes_and_goes(scale: Scale) -> anyhow::Result<Outcome> {
    let (runs, n) = scale.pick((6, 400_000), (2, 100_000));
    let mut total =
        Outcome { runs: 0, records: 0, lost: 0, duplicated: 0, duplicates_max: 0, note: String::new() };
    for (name, strategy, class) in [
        ("member-eager", "range,roundrobin", ""),
        (
            "member-cooperative",
            "cooperative-sticky",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        ),
    ] {
        let properties = match class {
            "" => String::new(),
            class => format!("consumer.partition.assignment.strategy={class}"),
        };
        let mut case = Case::start(name, n / 2, &properties)?;
        case.under_load(|load| {
            for _ in 0..runs / 2 {
                load.flow(PIECE)?;
                let guest: BaseConsumer = load
                    .topics
                    .config()
                    .set("group.id", format!("connect-{name}"))
                    .set("partition.assignment.strategy", strategy)
                    .set("enable.auto.commit", "false")
                    .set("auto.offset.reset", "earliest")
                    .set("session.timeout.ms", "6000")
                    .create()?;
                guest.subscribe(&[name])?;
                until("the other member is given partitions", || {
                    _ = guest.poll(Duration::from_millis(50));
                    let n = guest.assignment()?.count();
                    Ok(if n > 0 { Ok(()) } else { Err("none yet".to_owned()) })
                })?;
                load.flow(PIECE / 4)?;
                drop(guest);
            }
            Ok(())
        })?;
        let outcome = case.finish(runs / 2, "")?;
        total.runs += outcome.runs;
        total.records += outcome.records;
        total.lost += outcome.lost;
        total.duplicated += outcome.duplicated;
    }
    total.note = "eager and cooperative; committed before partitions are given away".to_owned();
    Ok(total)
}

pub(crate) fn second_worker(scale: Scale) -> anyhow::Result<Outcome> {
    let (runs, n) = scale.pick((4, 400_000), (2, 100_000));
    let note = "eight tasks, then four again; committed before partitions are given away";
    second_worker_ended("two-workers", (runs, 0), n, note, Worker::stop).map(|(outcome, _)| outcome)
}

/// As [`second_worker`], but it is killed, so that its partitions are given away when its session ends.
pub(crate) fn second_worker_killed(scale: Scale) -> anyhow::Result<Outcome> {
    let (runs, n) = scale.pick((4, 400_000), (2, 100_000));
    let note = "eight tasks, then four again; what was not committed comes again";
    let (outcome, again) = second_worker_ended("two-workers-kill", (runs, runs), n, note, Worker::kill)?;
    Ok(Outcome { duplicates_max: again, note: format!("{}; {again} lay behind", outcome.note), ..outcome })
}

/// A second worker runs a connector of the same name, so that its tasks are members of the same group, and is
/// ended so many times, which may tear so many lines. Also answers how many records lay behind the committed
/// offsets then.
fn second_worker_ended(
    name: &'static str,
    (runs, torn): (u64, u64),
    n: u64,
    note: &str,
    end: fn(Worker) -> anyhow::Result<()>,
) -> anyhow::Result<(Outcome, u64)> {
    let mut case = Case::start(name, n, "")?;
    case.tally.allow_torn(torn);
    let other_dir = tempfile::tempdir()?;
    let out = other_dir.path().join("out.txt");
    case.outs.push(Lines::new(&out));
    let bootstrap = Broker::shared()?.bootstrap();
    let properties = format!(
        "group.id={name}-b\nconfig.storage.topic={name}-b-configs\noffset.storage.topic={name}-b-offsets\n\
         status.storage.topic={name}-b-status\noffset.flush.interval.ms=100\n\
         consumer.session.timeout.ms=6000\nconsumer.heartbeat.interval.ms=500"
    );
    let again = case.under_load(|load| {
        let (mut made, mut again) = (false, 0);
        for _ in 0..runs {
            load.flow(PIECE)?;
            let other = Worker::distributed(other_dir.path(), bootstrap, &properties)?;
            if !std::mem::replace(&mut made, true) {
                other.create(name, &file_sink(&out, name, TASKS))?;
            }
            other.await_state(name, "RUNNING", "RUNNING")?;
            load.flow(PIECE)?;
            end(other)?;
            again += load.behind(name)?;
        }
        Ok(again)
    })?;
    Ok((case.finish(runs, note)?, again))
}

/// The first put takes ten minutes, twice as long as a consumer may be silent: the partition stays, and nothing comes
/// twice.
pub(crate) fn slow_put(scale: Scale) -> anyhow::Result<Outcome> {
    let (nap, silence) = scale.pick((600, 300), (15, 6));
    let n = 10_000;
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("slow-put", 1)?;
    topics.send_messages("slow-put", numbered(0..n, 1))?;
    let properties =
        format!("cofferdam.guest.call.timeout.ms=900000\nconsumer.max.poll.interval.ms={silence}000");
    let rig = Rig::start("slow-put", broker.bootstrap(), &properties)?;
    ensure!(rig.worker()?.upload(&program("misbehaving"))?.status == 201, "upload");
    let out = rig.path("out.txt");
    let slow = json!({
        "connector.class": "test.Sink", "fault.put": format!("nap={nap}000"), "fault.until": "1",
    });
    rig.worker()?.create("slow-put", &with(file_sink(&out, "slow-put", 1), &slow))?;
    last(Duration::from_secs(nap));
    let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
    await_file(&mut lines, &mut tally, n)?;
    until("all is committed", || {
        let committed = topics.committed("connect-slow-put", "slow-put", 1)?;
        Ok(if committed == [Some(n as i64)] { Ok(()) } else { Err(format!("{committed:?}")) })
    })?;
    let log = rig.worker()?.log();
    ensure!(!log.contains("partitions were revoked"), "the partition was given away");
    rig.stop()?;
    lines.read(|line| tally.line(line))?;
    Ok(Outcome {
        runs: 1,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: 0,
        note: format!("a put of {nap} s, max.poll.interval.ms of {silence} s; the partition stays"),
    })
}
