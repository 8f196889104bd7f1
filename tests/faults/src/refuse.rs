//! Writes and reads that the broker refuses.

use std::io::Write as _;

use anyhow::ensure;
use cofferdam_e2e::{Broker, Message, Topics, eventually, line, write_lines};
use rdkafka::message::Message as _;
use serde_json::{Value, json};

use crate::kill::numbered;
use crate::numbers::{Lines, Tally};
use crate::rig::{QUIET, Rig, await_file, file_sink, file_source, until, with};
use crate::{Outcome, Scale};

/// Bytes of a record that is too large.
const LARGE: usize = 5_000;
/// Most records that a source has on their way.
const IN_FLIGHT_MAX: u64 = 50_000;

/// A dead letter queue that takes no record of this size.
pub(crate) fn dead_letters(scale: Scale) -> anyhow::Result<Outcome> {
    let broker = Broker::shared()?;
    let refuse = |topics: &Topics, dlq: &str| topics.set(dlq, "max.message.bytes", "100");
    let allow = |topics: &Topics, dlq: &str| topics.set(dlq, "max.message.bytes", "1000000");
    let class = "org.apache.kafka.common.errors.RecordTooLargeException";
    refused_queue("dlq-refused", broker, class, scale, refuse, allow)
}

/// A dead letter queue that may not be written.
pub(crate) fn denied_dead_letters(scale: Scale) -> anyhow::Result<Outcome> {
    let broker = Broker::start(AUTHORIZER)?;
    let refuse = |_: &Topics, dlq: &str| only(&broker, "--topic", dlq, &["Read", "Describe"]);
    let allow = |_: &Topics, dlq: &str| anything(&broker, "--topic", dlq);
    let class = "org.apache.kafka.common.errors.TopicAuthorizationException";
    refused_queue("dlq-denied", &broker, class, scale, refuse, allow)
}

/// The task fails, nothing is committed over the record, and once the queue takes it both the dead letter and
/// all the rest arrive.
fn refused_queue(
    name: &str,
    broker: &Broker,
    class: &str,
    scale: Scale,
    refuse: impl Fn(&Topics, &str) -> anyhow::Result<()>,
    allow: impl Fn(&Topics, &str) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let n = scale.pick(100_000, 10_000);
    let poison = n / 2;
    let topics = Topics::new(broker.bootstrap());
    let dlq = format!("{name}-dlq");
    topics.create(name, 1)?;
    topics.create(&dlq, 1)?;
    refuse(&topics, &dlq)?;
    topics.send(name, json_lines(0..poison))?;
    topics.send(name, [line(poison).into_bytes()])?;
    topics.send(name, json_lines(poison + 1..n))?;
    let rig = Rig::start(name, broker.bootstrap(), "")?;
    let out = rig.path("out.txt");
    rig.submit(name, &with(file_sink(&out, name, 1), &to_queue(&dlq)))?;
    let trace = rig.worker()?.await_failure(name)?;
    ensure!(trace.contains(&dlq) && trace.contains(class), "neither queue nor class in the trace: {trace}");
    let committed = topics.committed(&format!("connect-{name}"), name, 1)?;
    let committed = committed.into_iter().flatten().next().unwrap_or(0) as u64;
    ensure!(committed <= poison, "offset {committed} is committed over the record {poison}");

    // The batch was put before its dead letters were refused: it comes again.
    let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
    lines.read(|line| tally.line(line))?;
    let again = tally.end(0, 1).saturating_sub(committed);

    allow(&topics, &dlq)?;
    // Again if need be: a broker that has heard of a change acts by it a moment later.
    until("all lines arrive", || {
        rig.worker()?.restart(name, true)?;
        lines.read(|line| tally.line(line))?;
        Ok(if tally.arrived() == n - 1 { Ok(()) } else { Err(format!("{} of {n}", tally.arrived())) })
    })?;
    let (tail, mut dead) = (topics.tail(&dlq)?, Tally::new(n));
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
        note: format!("FAILED, {committed} committed below {poison}; with the queue open all is there"),
    })
}

/// The broker's disk has no room for the dead letters: the broker goes away with its disk, and when it is back
/// with room every record and every dead letter arrives.
pub(crate) fn dead_letters_without_room(scale: Scale) -> anyhow::Result<Outcome> {
    const DLQ: &str = "dlq-disk-dlq";
    /// One record in so many is a dead letter.
    const EACH: u64 = 5;
    let n = scale.pick(50_000, 10_000);
    let broker = Broker::start("log.index.size.max.bytes=65536")?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("dlq-disk", 4)?;
    topics.create(DLQ, 1)?;
    let records = (0..n).map(|number| {
        let text = line(number);
        let value = if number % EACH == 0 { text.into_bytes() } else { format!("\"{text}\"").into_bytes() };
        Message { partition: (number % 4) as i32, value: Some(value), ..Message::default() }
    });
    topics.send_messages("dlq-disk", records)?;
    // More than a partition of the records takes, less than the dead letters with their headers.
    broker.limit_files(n * 60)?;
    let rig = Rig::start("dlq-disk", broker.bootstrap(), "")?;
    let out = rig.path("out.txt");
    rig.submit("dlq-disk", &with(file_sink(&out, "dlq-disk", 1), &to_queue(DLQ)))?;
    until("the disk is full", || {
        Ok(if broker.is_running()? { Err("the broker still runs".to_owned()) } else { Ok(()) })
    })?;
    let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
    lines.read(|line| tally.line(line))?;
    let put = tally.arrived();
    broker.restart()?;
    let (tail, mut dead) = (topics.tail(DLQ)?, Tally::new(n));
    until("all records and dead letters arrive", || {
        lines.read(|line| tally.line(line))?;
        tail.read(QUIET, |record| dead.line(record.payload().unwrap_or_default()))?;
        let (arrived, letters) = (tally.arrived(), dead.arrived());
        let all = arrived + letters == n;
        Ok(if all { Ok(()) } else { Err(format!("{arrived} and {letters} dead letters of {n}")) })
    })?;
    rig.worker()?.await_state("dlq-disk", "RUNNING", "RUNNING")?;
    rig.stop()?;
    lines.read(|line| tally.line(line))?;
    Ok(Outcome {
        runs: 1,
        records: n,
        lost: (tally.lost() + dead.lost()).saturating_sub(n),
        duplicated: tally.duplicated() + dead.duplicated(),
        // What was put or sent before the broker went may not have been committed or acknowledged.
        duplicates_max: put + n / EACH,
        note: format!(
            "the broker went after {put} records were put; {} dead letters twice",
            dead.duplicated()
        ),
    })
}

/// Lines that the JSON converter can read.
fn json_lines(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Vec<u8>> {
    numbers.map(|n| format!("\"{}\"", line(n)).into_bytes())
}

/// Reads JSON; what is none goes to `dlq`.
fn to_queue(dlq: &str) -> Value {
    json!({
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dlq,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
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
    until("all records arrive", || {
        rig.worker()?.restart("too-large", true)?;
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

/// Only the records that are too large are skipped; they are counted, and in the dead letter queue.
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
    let more = json!({
        "errors.tolerance": "all",
        "errors.log.enable": "true",
        "errors.deadletterqueue.topic.name": "too-large-dead",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
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
    let letters = topics.read("too-large-dead", 10)?;
    for letter in &letters {
        let header = |name: &str| {
            let of_it =
                letter.headers.iter().find(|(key, _)| key.strip_prefix("__connect.errors.") == Some(name));
            String::from_utf8_lossy(of_it.and_then(|(_, value)| value.as_deref()).unwrap_or_default())
                .into_owned()
        };
        ensure!(
            letter.value.as_deref() == Some(&[b'x'; LARGE]),
            "another record is in the dead letter queue"
        );
        ensure!(
            header("stage") == "KAFKA_PRODUCE" && header("topic") == "too-large-all",
            "another stage or topic"
        );
        let class = header("exception.class.name");
        ensure!(class == "org.apache.kafka.common.errors.RecordTooLargeException", "another class: {class}");
    }
    Ok(Outcome {
        runs: 10,
        records: n + 10,
        lost: tally.lost() + 10_u64.saturating_sub(letters.len() as u64),
        duplicated: tally.duplicated(),
        // What was on its way when the first one was refused comes again, in a request for each record.
        duplicates_max: if tally.most() > 2 { 0 } else { IN_FLIGHT_MAX },
        note: format!("{skipped} too large ones skipped, counted, logged and in the dead letter queue"),
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
    file.write_all(&[b'x'; LARGE])?;
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
