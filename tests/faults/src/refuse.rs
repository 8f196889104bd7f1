//! Writes and reads that the broker refuses.

use std::io::Write as _;

use anyhow::ensure;
use cofferdam_e2e::{Broker, Topics, eventually, line, write_lines};
use rdkafka::message::Message as _;
use serde_json::json;

use crate::kill::numbered;
use crate::numbers::{Lines, Tally};
use crate::rig::{QUIET, Rig, await_file, file_sink, file_source, until, with};
use crate::{Outcome, Scale};

/// A dead letter queue that takes no record of this size: the task fails, nothing is committed over the record,
/// and once there is room both the dead letter and all the rest arrive.
pub(crate) fn dead_letters(scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(100_000, 10_000);
    let poison = n / 2;
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("dlq-refused", 1)?;
    topics.create_with("dlq-refused-dlq", 1, 1, &[("max.message.bytes", "100")])?;
    let values = |numbers: std::ops::Range<u64>| numbers.map(|n| format!("\"{}\"", line(n)).into_bytes());
    topics.send("dlq-refused", values(0..poison))?;
    topics.send("dlq-refused", [line(poison).into_bytes()])?;
    topics.send("dlq-refused", values(poison + 1..n))?;
    let rig = Rig::start("dlq-refused", broker.bootstrap(), "")?;
    let out = rig.path("out.txt");
    let more = json!({
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "dlq-refused-dlq",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    rig.submit("dlq-refused", &with(file_sink(&out, "dlq-refused", 1), &more))?;
    let trace = rig.worker()?.await_failure("dlq-refused")?;
    ensure!(trace.contains("dlq-refused-dlq"), "the trace does not name the queue: {trace}");
    let committed = topics.committed("connect-dlq-refused", "dlq-refused", 1)?;
    let committed = committed.into_iter().flatten().next().unwrap_or(0) as u64;
    ensure!(committed <= poison, "offset {committed} is committed over the record {poison}");

    // The batch was put before its dead letters were refused: it comes again.
    let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
    lines.read(|line| tally.line(line))?;
    let again = tally.end(0, 1).saturating_sub(committed);

    topics.set("dlq-refused-dlq", "max.message.bytes", "1000000")?;
    rig.worker()?.restart("dlq-refused", true)?;
    await_file(&mut lines, &mut tally, n - 1)?;
    let (tail, mut dead) = (topics.tail("dlq-refused-dlq")?, Tally::new(n));
    until("the dead letter arrives", || {
        tail.read(QUIET, |record| {
            tally.line(record.payload().unwrap_or_default());
            dead.line(record.payload().unwrap_or_default());
        })?;
        Ok(if dead.arrived() == 1 { Ok(()) } else { Err(format!("{} dead letters", dead.arrived())) })
    })?;
    ensure!(dead.end(0, 1) == poison + 1, "another record is in the dead letter queue");
    rig.stop()?;
    lines.read(|line| tally.line(line))?;
    Ok(Outcome {
        runs: 1,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: again,
        note: format!("FAILED, {committed} committed below {poison}; with room again all is there"),
    })
}

pub(crate) fn too_large(scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(100_000, 10_000);
    let large = n / 2;
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create_with("too-large", 1, 1, &[("max.message.bytes", "2000")])?;
    let rig = Rig::start("too-large", broker.bootstrap(), "")?;
    let from = rig.path("in.txt");
    write_lines(&from, 0..large)?;
    append_large(&from)?;
    write_lines(&from, large..n)?;
    rig.submit("too-large", &file_source(&from, "too-large"))?;
    let trace = rig.worker()?.await_failure("too-large")?;
    ensure!(
        trace.contains("org.apache.kafka.common.errors.RecordTooLargeException"),
        "another class: {trace}"
    );
    ensure!(trace.contains("Unrecoverable exception from producer send callback"), "another text: {trace}");
    let (tail, mut tally) = (topics.tail("too-large")?, Tally::new(n));
    tally.read(&tail, QUIET)?;
    // What had arrived behind the last commit comes again, once.
    let again = tally.duplicated() + tally.arrived();
    // Room for it: it goes, and the rest.
    topics.set("too-large", "max.message.bytes", "1000000")?;
    rig.worker()?.restart("too-large", true)?;
    until("all records arrive", || {
        tally.read(&tail, QUIET)?;
        Ok(if tally.arrived() == n { Ok(()) } else { Err(format!("{} of {n}", tally.arrived())) })
    })?;
    rig.stop()?;
    ensure!(tally.damaged > 0, "the large record itself did not arrive");
    Ok(Outcome {
        runs: 1,
        records: n + 1,
        lost: tally.lost() - tally.damaged,
        duplicated: tally.duplicated(),
        duplicates_max: again,
        note: "FAILED as RecordTooLargeException; with room again all is there".to_owned(),
    })
}

/// Only the records that are too large are skipped, and they are counted.
pub(crate) fn too_large_tolerated(scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(100_000, 10_000);
    let each = n / 10;
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create_with("too-large-all", 1, 1, &[("max.message.bytes", "2000")])?;
    let rig = Rig::start("too-large-all", broker.bootstrap(), "")?;
    let from = rig.path("in.txt");
    for run in 0..10 {
        write_lines(&from, run * each..(run + 1) * each)?;
        append_large(&from)?;
    }
    let more = json!({"errors.tolerance": "all", "errors.log.enable": "true"});
    rig.worker()?.create("too-large-all", &with(file_source(&from, "too-large-all"), &more))?;
    let skipped = eventually("ten records are skipped", || {
        let metrics =
            rig.worker().and_then(|worker| worker.get("/metrics")).map_err(|error| error.to_string())?;
        let skipped =
            metric(metrics.body.as_str().unwrap_or_default(), "total_records_skipped", "too-large-all");
        if skipped >= 10 { Ok(skipped) } else { Err(format!("{skipped} skipped")) }
    })?;
    let (tail, mut tally) = (topics.tail("too-large-all")?, Tally::new(n));
    until("the source has read all", || {
        tally.read(&tail, QUIET)?;
        Ok(if tally.end(0, 1) == n || skipped > 10 {
            Ok(())
        } else {
            Err(format!("{} of {n}", tally.end(0, 1)))
        })
    })?;
    tally.read(&tail, QUIET)?;
    rig.worker()?.await_state("too-large-all", "RUNNING", "RUNNING")?;
    let is_logged = rig.worker()?.log().contains("RecordTooLargeException");
    ensure!(is_logged || tally.lost() > 0, "the records that were skipped are not in the log");
    rig.stop()?;
    Ok(Outcome {
        runs: 10,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: 0,
        note: format!("{skipped} too large ones skipped, counted and logged"),
    })
}

/// Sum of a counter of a connector.
fn metric(metrics: &str, name: &str, connector: &str) -> u64 {
    let of_it = format!("connector=\"{connector}\"");
    let rows =
        metrics.lines().filter(|row| !row.starts_with('#') && row.contains(name) && row.contains(&of_it));
    rows.filter_map(|row| row.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

fn append_large(file: &std::path::Path) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(&[b'x'; 5_000])?;
    file.write_all(b"\n")?;
    Ok(())
}

const AUTHORIZER: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nallow.everyone.if.no.acl.found=true";

/// Whoever has no name may do to a topic or group only this.
fn only(broker: &Broker, kind: &str, name: &str, operations: &[&str]) -> anyhow::Result<()> {
    let mut arguments = vec!["--add", "--allow-principal", "User:ANONYMOUS", kind, name];
    arguments.extend(operations.iter().flat_map(|operation| ["--operation", operation]));
    broker.tool("org.apache.kafka.tools.AclCommand", &arguments).map(drop)
}

/// Takes back what [`only`] said.
fn anything(broker: &Broker, kind: &str, name: &str) -> anyhow::Result<()> {
    broker.tool("org.apache.kafka.tools.AclCommand", &["--remove", "--force", kind, name]).map(drop)
}

pub(crate) fn denied_write(scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(100_000, 10_000);
    let broker = Broker::start(AUTHORIZER)?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("denied", 1)?;
    only(&broker, "--topic", "denied", &["Read", "Describe"])?;
    let rig = Rig::start("denied-write", broker.bootstrap(), "")?;
    let from = rig.path("in.txt");
    write_lines(&from, 0..n)?;
    // Tolerance is about records; a topic that may not be written is not a fault of theirs.
    for (name, tolerance) in [("strict", "none"), ("lenient", "all")] {
        rig.submit(name, &with(file_source(&from, "denied"), &json!({"errors.tolerance": tolerance})))?;
        let trace = rig.worker()?.await_failure(name)?;
        ensure!(
            trace.contains("org.apache.kafka.common.errors.TopicAuthorizationException")
                && trace.contains("denied"),
            "{name}: another class: {trace}"
        );
        if tolerance == "all" {
            ensure!(rig.worker()?.delete("/connectors/lenient")?.status == 204, "delete");
        }
    }
    anything(&broker, "--topic", "denied")?;
    rig.worker()?.restart("strict", true)?;
    let (tail, mut tally) = (topics.tail("denied")?, Tally::new(n));
    until("all records arrive", || {
        tally.read(&tail, QUIET)?;
        Ok(if tally.arrived() == n { Ok(()) } else { Err(format!("{} of {n}", tally.arrived())) })
    })?;
    rig.stop()?;
    Ok(Outcome {
        runs: 2,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: 0,
        note: "FAILED as TopicAuthorizationException; once allowed all is there".to_owned(),
    })
}

pub(crate) fn denied_read(scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(100_000, 10_000);
    let broker = Broker::start(AUTHORIZER)?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("denied", 1)?;
    topics.send_messages("denied", numbered(0..n, 1))?;
    let rig = Rig::start("denied-read", broker.bootstrap(), "")?;
    let out = rig.path("out.txt");
    only(&broker, "--topic", "denied", &["Write", "Describe"])?;
    rig.submit("reader", &file_sink(&out, "denied", 1))?;
    let trace = rig.worker()?.await_failure("reader")?;
    ensure!(
        trace.contains("org.apache.kafka.common.errors.TopicAuthorizationException")
            && trace.contains("denied"),
        "another class: {trace}"
    );
    anything(&broker, "--topic", "denied")?;
    only(&broker, "--group", "connect-reader", &["Describe"])?;
    rig.worker()?.restart("reader", true)?;
    until("the group is refused", || {
        let trace = rig.worker()?.await_failure("reader")?;
        let class = "org.apache.kafka.common.errors.GroupAuthorizationException";
        Ok(if trace.contains(class) { Ok(()) } else { Err(trace) })
    })?;
    anything(&broker, "--group", "connect-reader")?;
    rig.worker()?.restart("reader", true)?;
    let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
    await_file(&mut lines, &mut tally, n)?;
    rig.stop()?;
    lines.read(|line| tally.line(line))?;
    Ok(Outcome {
        runs: 2,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: 0,
        note: "FAILED as Topic- and GroupAuthorizationException; once allowed all is there".to_owned(),
    })
}
