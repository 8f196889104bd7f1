//! kill -9 of the worker at random moments.
//!
//! After each kill the stored offset is read: all below it must have arrived, and only what lies behind it may
//! come again.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use cofferdam_e2e::{Broker, Message, Tail, Topics, line, write_lines};
use rdkafka::message::Message as _;
use serde_json::Value;

use crate::numbers::{Lines, Segments, Tally, moments};
use crate::rig::{QUIET, Random, Rig, await_file, file_sink, file_source, last, segment_sink, until};
use crate::{Outcome, Scale};

/// A moment comes up to so many ms after its record.
const JITTER_MS: u64 = 150;
const LINE_BYTES: u64 = 100;
const PARTITIONS: usize = 4;

pub(crate) fn source(scale: Scale) -> anyhow::Result<Outcome> {
    run_source("kill-source", "", scale)
}

/// As [`source`], with transactions: the reader sees what is committed, and each line once.
pub(crate) fn source_exactly_once(scale: Scale) -> anyhow::Result<Outcome> {
    let outcome = run_source("kill-eos", "exactly.once.source.support=enabled", scale)?;
    Ok(Outcome { duplicates_max: 0, ..outcome })
}

fn run_source(name: &str, properties: &str, scale: Scale) -> anyhow::Result<Outcome> {
    let (kills, n) = scale.pick((20, 1_000_000), (3, 100_000));
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create(name, 1)?;
    let mut rig = Rig::start(name, broker.bootstrap(), properties)?;
    let from = rig.path("in.txt");
    write_lines(&from, 0..n)?;
    rig.worker()?.create(name, &file_source(&from, name))?;
    let (tail, mut tally) = (topics.tail(name)?, Tally::new(n));
    let (stored_tail, mut stored) = (topics.tail(&format!("{name}-offsets"))?, 0);
    let mut random = Random::new(5);
    let mut again = 0;
    for moment in moments(&mut random, kills, n) {
        until("records before the kill", || {
            tally.read(&tail, Duration::from_millis(1))?;
            Ok(if tally.end(0, 1) > moment {
                Ok(())
            } else {
                Err(format!("{} of {moment}", tally.end(0, 1)))
            })
        })?;
        last(Duration::from_millis(random.below(JITTER_MS)));
        rig.kill()?;
        // What the worker had sent is in the topic a moment later.
        tally.read(&tail, QUIET)?;
        stored = stored_lines(&stored_tail, name)?.unwrap_or(stored);
        ensure!(
            tally.has_all_below(stored, 0, 1),
            "an offset is stored of records that are not in the topic"
        );
        again += tally.end(0, 1) - stored;
        rig.restart()?;
    }
    until("all records arrive", || {
        tally.read(&tail, Duration::from_millis(20))?;
        Ok(if tally.arrived() == n { Ok(()) } else { Err(format!("{} of {n}", tally.arrived())) })
    })?;
    until("the last offset is stored", || {
        stored = stored_lines(&stored_tail, name)?.unwrap_or(stored);
        Ok(if stored == n { Ok(()) } else { Err(format!("{stored} of {n}")) })
    })?;
    tally.read(&tail, QUIET)?;
    rig.stop()?;
    Ok(Outcome {
        runs: kills,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: again,
        note: format!("{again} lay behind the stored offsets"),
    })
}

/// Lines before the position that was stored last; none if there is nothing new.
fn stored_lines(tail: &Tail, connector: &str) -> anyhow::Result<Option<u64>> {
    let mut newest = None;
    tail.read(QUIET, |record| {
        let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
        if key.contains(connector) {
            newest = record.payload().map(<[u8]>::to_vec);
        }
    })?;
    let Some(newest) = newest else { return Ok(None) };
    let offset: Value = serde_json::from_slice(&newest)?;
    let position = offset.get("position").and_then(Value::as_u64).context("no position is stored")?;
    ensure!(position % LINE_BYTES == 0, "the position {position} is not the end of a line");
    Ok(Some(position / LINE_BYTES))
}

pub(crate) fn sink(scale: Scale) -> anyhow::Result<Outcome> {
    let (kills, n) = scale.pick((20, 1_000_000), (3, 100_000));
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("kill-sink", PARTITIONS as i32)?;
    topics.send_messages("kill-sink", numbered(0..n, PARTITIONS))?;
    let mut rig = Rig::start("kill-sink", broker.bootstrap(), "")?;
    let out = rig.path("out.txt");
    rig.worker()?.create("kill-sink", &file_sink(&out, "kill-sink", 2))?;
    let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
    tally.allow_torn(kills);
    let mut random = Random::new(55);
    let mut again = 0;
    for moment in moments(&mut random, kills, n) {
        await_file(&mut lines, &mut tally, moment)?;
        last(Duration::from_millis(random.below(JITTER_MS)));
        rig.kill()?;
        lines.read(|line| tally.line(line))?;
        let committed = topics.committed("connect-kill-sink", "kill-sink", PARTITIONS as i32)?;
        for (partition, committed) in committed.into_iter().enumerate() {
            // Record i of a partition is line i * PARTITIONS + partition.
            let committed = committed.unwrap_or(0) as u64 * PARTITIONS as u64 + partition as u64;
            ensure!(
                tally.has_all_below(committed, partition, PARTITIONS),
                "an offset of partition {partition} is committed of records that were not written"
            );
            let end = tally.end(partition, PARTITIONS);
            again += end.saturating_sub(committed).div_ceil(PARTITIONS as u64);
        }
        rig.restart()?;
    }
    await_file(&mut lines, &mut tally, n)?;
    until("all is committed", || {
        let committed = topics.committed("connect-kill-sink", "kill-sink", PARTITIONS as i32)?;
        let sum: i64 = committed.iter().flatten().sum();
        Ok(if sum as u64 == n { Ok(()) } else { Err(format!("{sum} of {n}")) })
    })?;
    rig.halt()?;
    lines.read(|line| tally.line(line))?;
    Ok(Outcome {
        runs: kills,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: again,
        note: format!("{again} lay behind the committed offsets; {} lines torn", tally.damaged),
    })
}

/// Into segments, which carry their offsets: readers see each line once, and what Kafka has as committed is
/// visible.
pub(crate) fn sink_exactly_once(scale: Scale) -> anyhow::Result<Outcome> {
    let (kills, n) = scale.pick((20, 1_000_000), (3, 100_000));
    let (broker, name) = (Broker::shared()?, "kill-segments");
    let topics = Topics::new(broker.bootstrap());
    topics.create(name, PARTITIONS as i32)?;
    topics.send_messages(name, numbered(0..n, PARTITIONS))?;
    let mut rig = Rig::start(name, broker.bootstrap(), "")?;
    let out = rig.path("out");
    std::fs::create_dir(&out)?;
    rig.worker()?.create(name, &segment_sink(&out, name, 2))?;
    let (mut segments, mut tally) = (Segments::new(&out), Tally::new(n));
    let mut random = Random::new(555);
    let mut ahead = 0;
    for moment in moments(&mut random, kills, n) {
        await_segments(&mut segments, &mut tally, moment)?;
        last(Duration::from_millis(random.below(JITTER_MS)));
        rig.kill()?;
        segments.read(|line| tally.line(line))?;
        let committed = topics.committed(&format!("connect-{name}"), name, PARTITIONS as i32)?;
        for (partition, committed) in committed.into_iter().enumerate() {
            let committed = committed.unwrap_or(0) as u64 * PARTITIONS as u64 + partition as u64;
            ensure!(
                tally.has_all_below(committed, partition, PARTITIONS),
                "an offset of partition {partition} is committed of records that are not visible"
            );
            let end = tally.end(partition, PARTITIONS);
            ahead += end.saturating_sub(committed).div_ceil(PARTITIONS as u64);
        }
        rig.restart()?;
    }
    await_segments(&mut segments, &mut tally, n)?;
    rig.halt()?;
    segments.read(|line| tally.line(line))?;
    Ok(Outcome {
        runs: kills,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: 0,
        note: format!("{ahead} were visible and not committed in Kafka"),
    })
}

fn await_segments(segments: &mut Segments, tally: &mut Tally, n: u64) -> anyhow::Result<()> {
    until("all lines are visible", || {
        segments.read(|line| tally.line(line))?;
        Ok(if tally.arrived() >= n { Ok(()) } else { Err(format!("{} of {n}", tally.arrived())) })
    })
}

/// Numbered lines, dealt out to the partitions in turn.
pub(crate) fn numbered(numbers: std::ops::Range<u64>, partitions: usize) -> impl Iterator<Item = Message> {
    numbers.map(move |number| Message {
        partition: (number % partitions as u64) as i32,
        value: Some(line(number).into_bytes()),
        ..Message::default()
    })
}
