//! Brokers that go away, stand still, or hand a partition to another.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use cofferdam_e2e::{Broker, Topics, write_lines};
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::numbers::{Lines, Tally};
use crate::rig::{QUIET, Rig, await_file, file_sink, file_source, last, until};
use crate::{Outcome, Scale};

/// Copies of everything where there are several nodes.
const COPIES: &str = "config.storage.replication.factor=3\noffset.storage.replication.factor=3\nstatus.storage.replication.factor=3";

pub(crate) fn killed(scale: Scale) -> anyhow::Result<Outcome> {
    let broker = Broker::start("")?;
    let times = scale.pick(3, 1);
    through("broker-killed", &broker, "", 1, scale, times, |_| {
        broker.kill()?;
        broker.restart()?;
        Ok(())
    })
}

/// The controller takes the broker out for its silence, and back when it hears of it, which is seldom here: in
/// between the broker says that there is no broker.
const HEARD_OF_SELDOM: &str = "broker.heartbeat.interval.ms=8000\nbroker.session.timeout.ms=9000";

pub(crate) fn paused(scale: Scale) -> anyhow::Result<Outcome> {
    let broker = Broker::start(HEARD_OF_SELDOM)?;
    let pause = Duration::from_secs(scale.pick(30, 8));
    let times = scale.pick(4, 1);
    let outcome = through("broker-paused", &broker, "", 1, scale, times, |_| {
        broker.node("freeze", 1)?;
        last(pause);
        broker.node("thaw", 1)
    })?;
    Ok(Outcome { note: format!("for {} s; {}", pause.as_secs(), outcome.note), ..outcome })
}

pub(crate) fn leader_moved(scale: Scale) -> anyhow::Result<Outcome> {
    let broker = Broker::cluster(3, "min.insync.replicas=2")?;
    let topics = Topics::new(broker.bootstrap());
    let moved = |topic: &str| {
        let before = leader(&topics, topic)?;
        broker.node("kill", before)?;
        until("another node leads", || {
            let now = leader(&topics, topic)?;
            Ok(if now != before && now > 0 { Ok(()) } else { Err(format!("node {now} leads")) })
        })?;
        broker.node("start", before)?;
        // The preferred leader leads again once it has caught up.
        let arguments = ["--election-type", "preferred", "--all-topic-partitions"];
        until("the preferred node leads", || {
            let answer = broker.tool("org.apache.kafka.tools.LeaderElectionCommand", &arguments);
            let now = leader(&topics, topic)?;
            Ok(if now == before { Ok(()) } else { Err(format!("node {now} leads: {answer:?}")) })
        })
    };
    through("leader-moved", &broker, COPIES, 3, scale, scale.pick(2, 1), moved)
}

/// File to topic to file, with the fault in the middle of it.
fn through(
    name: &str,
    broker: &Broker,
    properties: &str,
    copies: i32,
    scale: Scale,
    times: u64,
    fault: impl Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let n = scale.pick(1_000_000, 100_000);
    let topics = Topics::new(broker.bootstrap());
    topics.create_with(name, 1, copies, &[])?;
    let rig = Rig::start(name, broker.bootstrap(), properties)?;
    let (from, to) = (rig.path("in.txt"), rig.path("out.txt"));
    let (mut lines, mut tally) = (Lines::new(&to), Tally::new(n));
    write_lines(&from, 0..0)?;
    rig.worker()?.create("into", &file_source(&from, name))?;
    rig.worker()?.create("out-of", &file_sink(&to, name, 1))?;
    let mut behind = 0;
    // Each time the fault comes while a share of the records is on its way.
    for time in 0..times {
        let share = n / times;
        let end = if time + 1 == times { n } else { (time + 1) * share };
        write_lines(&from, time * share..end)?;
        await_file(&mut lines, &mut tally, time * share + share / 3)?;
        let committed = topics.committed("connect-out-of", name, 1)?;
        fault(name)?;
        lines.read(|line| tally.line(line))?;
        let committed = committed.into_iter().flatten().next().unwrap_or(0) as u64;
        behind += tally.end(0, 1).saturating_sub(committed);
        await_file(&mut lines, &mut tally, end)?;
    }
    for connector in ["into", "out-of"] {
        rig.worker()?.await_state(connector, "RUNNING", "RUNNING")?;
    }
    let mut topic = Tally::new(n);
    topic.read(&topics.tail(name)?, QUIET)?;
    ensure!(topic.lost() == 0, "{} records are not in the topic", topic.lost());
    rig.stop()?;
    lines.read(|line| tally.line(line))?;
    Ok(Outcome {
        runs: times,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        // The sink is given again what it had not committed; and what is twice in the topic, since a producer
        // sends again what was not acknowledged (it is not idempotent unless told so, as in Kafka Connect).
        duplicates_max: behind + topic.duplicated() * (times + 1),
        note: format!(
            "source and sink; no task failed; {} twice in the topic, {behind} not committed",
            topic.duplicated()
        ),
    })
}

fn leader(topics: &Topics, topic: &str) -> anyhow::Result<u32> {
    let consumer: BaseConsumer = topics.config().create()?;
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30))?;
    let row = metadata.topics().first().context("no such topic")?;
    let leader = row.partitions().first().context("no partition")?.leader();
    Ok(u32::try_from(leader).unwrap_or(0))
}
