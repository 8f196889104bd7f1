//! Exactly once against a real Kafka. Sources: kill -9, fencing, refused records. Sinks: kill -9, offsets in Kafka
//! that are lost or wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::path::Path;

use anyhow::Context as _;
use cofferdam_e2e::{
    Broker, Message, Topics, Worker, eventually, line, number_of, program, skip_without_kafka, write_lines,
};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};

const WAIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Settings of a cluster of its own with exactly-once sources.
fn cluster(name: &str) -> String {
    format!(
        "group.id={name}\nconfig.storage.topic={name}-configs\noffset.storage.topic={name}-offsets\n\
         status.storage.topic={name}-status\nexactly.once.source.support=enabled"
    )
}

fn source(file: &Path, topic: &str) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1", "file": file, "topic": topic, "exactly.once.support": "required",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    })
}

/// Numbers of the lines that readers of committed records see.
fn numbers(broker: &Broker, topic: &str, n: usize) -> anyhow::Result<Vec<u64>> {
    let records = Topics::new(broker.bootstrap()).read(topic, n)?;
    records.iter().map(|record| Ok(record.text()[5..17].parse()?)).collect()
}

fn kill_and_count(name: &str, lines: u64, kills: u64, extra: &[(&str, &str)]) -> anyhow::Result<()> {
    let broker = Broker::shared()?;
    Topics::new(broker.bootstrap()).create(name, 1)?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("in.txt");
    let mut config = source(&file, name);
    for (key, value) in extra {
        config[*key] = json!(value);
    }
    let mut worker = Worker::distributed(dir.path(), broker.bootstrap(), &cluster(name))?;
    write_lines(&file, 0..lines / (kills + 1))?;
    worker.create(name, &config)?;
    for kill in 1..=kills {
        // Killed while it is at work: some of what is there now is behind it, some is not.
        let before = lines / (kills + 1) * kill;
        write_lines(&file, before..before + lines / (kills + 1))?;
        eventually("something of it has arrived", || {
            let (_, high) = watermarks(broker, name).map_err(|error| error.to_string())?;
            let enough = i64::try_from(before - before / (kill + 7)).unwrap();
            if high > enough { Ok(()) } else { Err(format!("{high} of {enough} records")) }
        })?;
        worker.kill()?;
        worker = Worker::distributed(dir.path(), broker.bootstrap(), &cluster(name))?;
    }
    worker.await_state(name, "RUNNING", "RUNNING")?;
    let expected: Vec<u64> = (0..lines / (kills + 1) * (kills + 1)).collect();
    let seen = numbers(broker, name, expected.len())?;
    assert_eq!(seen.len(), expected.len(), "records");
    assert!(seen == expected, "each once and in order");
    worker.stop()
}

fn watermarks(broker: &Broker, topic: &str) -> anyhow::Result<(i64, i64)> {
    let client: BaseProducer = ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create()?;
    Ok(client.client().fetch_watermarks(topic, 0, WAIT)?)
}

#[test]
fn every_line_is_seen_once_although_the_worker_is_killed_again_and_again() -> anyhow::Result<()> {
    if skip_without_kafka("every_line_is_seen_once_although_the_worker_is_killed_again_and_again") {
        return Ok(());
    }
    kill_and_count("eos-poll", 200_000, 5, &[])
}

#[test]
fn every_line_is_seen_once_when_transactions_span_polls() -> anyhow::Result<()> {
    if skip_without_kafka("every_line_is_seen_once_when_transactions_span_polls") {
        return Ok(());
    }
    let interval = [("transaction.boundary", "interval"), ("transaction.boundary.interval.ms", "300")];
    kill_and_count("eos-interval", 100_000, 3, &interval)
}

#[test]
fn what_is_polled_during_a_commit_goes_into_the_next_transaction_up_to_what_fails() -> anyhow::Result<()> {
    const GOOD: u64 = 2_000;
    const BATCH: u64 = 10;
    if skip_without_kafka("what_is_polled_during_a_commit_goes_into_the_next_transaction_up_to_what_fails") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    Topics::new(broker.bootstrap()).create("eos-ahead", 1)?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("in.txt");
    let lines: Vec<String> = (0..GOOD).map(|n| n.to_string()).collect();
    std::fs::write(&file, format!("{}\nno number\n7\n", lines.join("\n")))?;
    let worker = Worker::distributed(dir.path(), broker.bootstrap(), &cluster("eos-a"))?;
    let mut config = source(&file, "eos-ahead");
    config["batch.size"] = json!(BATCH.to_string());
    config["transforms"] = json!("cast");
    config["transforms.cast.type"] = json!("org.apache.kafka.connect.transforms.Cast$Value");
    config["transforms.cast.spec"] = json!("int64");
    worker.create("ahead", &config)?;
    let status = worker.await_state("ahead", "RUNNING", "FAILED")?;
    assert!(status.to_string().contains("Tolerance exceeded"), "{status}");
    // Every batch before the one that failed is committed, and nothing of that one.
    let seen = Topics::new(broker.bootstrap()).read("eos-ahead", GOOD as usize)?;
    assert!(seen.iter().map(Message::text).eq(lines), "{} records", seen.len());
    // Behind each transaction stands its marker.
    let (_, high) = watermarks(broker, "eos-ahead")?;
    let n_transactions = u64::try_from(high)? - GOOD;
    assert!((1..GOOD / BATCH).contains(&n_transactions), "{n_transactions} transactions");
    worker.stop()
}

#[test]
fn a_connector_that_ends_its_transactions_has_them_seen_as_it_says_whatever_is_killed() -> anyhow::Result<()>
{
    const RECORDS: u64 = 24_000;
    const EACH: u64 = 40;
    const ABORTED: u64 = 3;
    const KILLS: i64 = 4;
    if skip_without_kafka(
        "a_connector_that_ends_its_transactions_has_them_seen_as_it_says_whatever_is_killed",
    ) {
        return Ok(());
    }
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("eos-own", 1)?;
    let dir = tempfile::tempdir()?;
    let mut worker = Worker::distributed(dir.path(), broker.bootstrap(), &cluster("eos-o"))?;
    assert_eq!(worker.upload(&program("misbehaving"))?.status, 201);
    let mut config = json!({
        "connector.class": "test.Source", "tasks.max": "1", "topic": "eos-own",
        "exactly.once.support": "required", "transaction.boundary": "connector",
        "records": RECORDS.to_string(), "commit.each": EACH.to_string(), "abort.each": ABORTED.to_string(),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    let refused = worker.post("/connectors", &json!({"name": "own", "config": config}))?;
    let text = "The connector does not support connector-defined transaction boundaries with the given configuration.";
    assert!(refused.status == 400 && refused.message().contains(text), "{refused:?}");
    config["connector.class"] = json!("test.TransactionalSource");
    worker.create("own", &config)?;
    for kill in 1..=KILLS {
        let enough = i64::try_from(RECORDS)? / (KILLS + 1) * kill;
        eventually("something of it has arrived", || {
            let (_, high) = watermarks(broker, "eos-own").map_err(|error| error.to_string())?;
            if high > enough { Ok(()) } else { Err(format!("{high} of {enough} records")) }
        })?;
        worker.kill()?;
        worker = Worker::distributed(dir.path(), broker.bootstrap(), &cluster("eos-o"))?;
    }
    worker.await_state("own", "RUNNING", "RUNNING")?;
    let expected: Vec<String> = (0..RECORDS)
        .filter(|n| !(n / EACH + 1).is_multiple_of(ABORTED))
        .map(|n| format!("line-{n}"))
        .collect();
    let records = topics.read("eos-own", expected.len())?;
    let seen: Vec<String> = records.iter().map(|record| record.text()).collect();
    assert_eq!(seen.len(), expected.len(), "records");
    assert!(seen == expected, "each that was not aborted, once and in order");
    worker.stop()
}

/// For a table in the notes: `cargo test -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn a_million_lines_survive_twenty_kills() -> anyhow::Result<()> {
    if skip_without_kafka("a_million_lines_survive_twenty_kills") {
        return Ok(());
    }
    kill_and_count("eos-million", 1_000_000, 20, &[])
}

/// A producer that writes as a task of an earlier generation would.
fn zombie(broker: &Broker, id: &str, topic: &str, text: &str) -> anyhow::Result<BaseProducer> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("transactional.id", id)
        .create()?;
    producer.init_transactions(WAIT)?;
    producer.begin_transaction()?;
    producer.send(BaseRecord::<(), str>::to(topic).payload(text)).map_err(|(error, _)| error)?;
    producer.flush(WAIT)?;
    Ok(producer)
}

#[test]
fn tasks_of_earlier_generations_are_fenced() -> anyhow::Result<()> {
    if skip_without_kafka("tasks_of_earlier_generations_are_fenced") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("eos-zombie", 1)?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("in.txt");
    write_lines(&file, 0..10)?;
    let worker = Worker::distributed(dir.path(), broker.bootstrap(), &cluster("eos-z"))?;
    // Its task takes over the id of a task that an earlier worker left behind.
    let before = zombie(broker, "eos-z-lines-0", "eos-zombie", "line 999999999999 zombie")?;
    worker.create("lines", &source(&file, "eos-zombie"))?;
    assert_eq!(numbers(broker, "eos-zombie", 10)?, (0..10).collect::<Vec<_>>());
    let error = before.commit_transaction(WAIT).err().map(|error| error.to_string());
    assert!(error.as_deref().is_some_and(|text| text.contains("fenced")), "{error:?}");

    // Whoever takes over the id of the running task fences that one: it fails, and says why.
    let heir = zombie(broker, "eos-z-lines-0", "eos-zombie", "line 888888888888 zombie")?;
    write_lines(&file, 10..20)?;
    let status = worker.await_state("lines", "RUNNING", "FAILED")?;
    let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
    assert!(trace.contains("fenced") && trace.contains("ProducerFencedException"), "{trace}");
    // A restart takes it back; what the other one had not committed is not seen.
    assert_eq!(worker.post("/connectors/lines/tasks/0/restart", &Value::Null)?.status, 204);
    assert_eq!(numbers(broker, "eos-zombie", 20)?, (0..20).collect::<Vec<_>>());
    drop(heir);
    worker.stop()
}

#[test]
fn a_refused_record_aborts_its_transaction_even_where_errors_are_tolerated() -> anyhow::Result<()> {
    if skip_without_kafka("a_refused_record_aborts_its_transaction_even_where_errors_are_tolerated") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("eos-refused", 1)?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("in.txt");
    let short = "line 000000000000 short";
    std::fs::write(&file, format!("{short}\n{}\n{short}\n", "x".repeat(2_000_000)))?;
    let worker = Worker::distributed(dir.path(), broker.bootstrap(), &cluster("eos-r"))?;
    let mut config = source(&file, "eos-refused");
    config["errors.tolerance"] = json!("all");
    let created = worker.post("/connectors", &json!({"name": "refused", "config": config}))?;
    assert_eq!(created.status, 201, "{created:?}");
    let status = worker.await_state("refused", "RUNNING", "FAILED")?;
    let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
    assert!(trace.to_lowercase().contains("too large"), "{trace}");
    // Nothing of the batch is seen: neither the record before the refused one, nor an offset.
    assert_eq!(numbers(broker, "eos-refused", 0)?, Vec::<u64>::new());
    // With room for the record the same batch goes, from its beginning.
    config["producer.override.max.request.size"] = json!("3000000");
    config["producer.override.compression.type"] = json!("gzip");
    assert_eq!(worker.put("/connectors/refused/config", &config)?.status, 200);
    let records = topics.read("eos-refused", 3)?;
    assert_eq!(records.len(), 3);
    worker.stop()
}

#[test]
fn required_support_is_checked_when_a_connector_is_created() -> anyhow::Result<()> {
    if skip_without_kafka("required_support_is_checked_when_a_connector_is_created") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("in.txt");
    let settings = cluster("eos-p").replace("=enabled", "=preparing");
    let worker = Worker::distributed(dir.path(), broker.bootstrap(), &settings)?;
    let refused =
        worker.post("/connectors", &json!({"name": "p", "config": source(&file, "eos-preparing")}))?;
    assert_eq!(refused.status, 400);
    assert!(
        refused.message().contains("This worker does not have exactly-once source support enabled."),
        "{refused:?}"
    );
    worker.stop()
}

/// Numbers of the lines in the visible segments under `folder`, partition by partition.
fn visible(folder: &Path) -> anyhow::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut partitions: Vec<_> = std::fs::read_dir(folder)?.map(|entry| entry.unwrap().path()).collect();
    partitions.sort();
    for partition in partitions {
        let mut segments: Vec<_> = std::fs::read_dir(partition)?.map(|entry| entry.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|it| it == "txt"));
        segments.sort();
        for segment in segments {
            let text = std::fs::read(segment)?;
            assert!(text.ends_with(b"\n"), "a visible segment is complete");
            let lines = text.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n');
            for line in lines {
                numbers.push(number_of(line).context("a line is not as it was sent")?);
            }
        }
    }
    Ok(numbers)
}

#[test]
fn segments_hold_each_line_once_although_the_worker_is_killed_and_kafka_forgets_offsets() -> anyhow::Result<()>
{
    if skip_without_kafka(
        "segments_hold_each_line_once_although_the_worker_is_killed_and_kafka_forgets_offsets",
    ) {
        return Ok(());
    }
    const PARTITIONS: u64 = 3;
    const LINES: u64 = 120_000;
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("segments", PARTITIONS as i32)?;
    let send = |from: u64, to: u64| {
        let messages = (from..to).map(|number| Message {
            partition: (number % PARTITIONS) as i32,
            value: Some(line(number).into_bytes()),
            ..Message::default()
        });
        topics.send_messages("segments", messages)
    };
    let dir = tempfile::tempdir()?;
    let folder = dir.path().join("out");
    std::fs::create_dir(&folder)?;
    let settings = "group.id=segments\nconfig.storage.topic=segments-configs\n\
         offset.storage.topic=segments-offsets\nstatus.storage.topic=segments-status\n\
         offset.flush.interval.ms=100\nconsumer.session.timeout.ms=6000\nconsumer.heartbeat.interval.ms=500";
    let start = || Worker::distributed(dir.path(), broker.bootstrap(), settings);
    let reach = |n: u64| {
        eventually("lines are visible", || {
            let seen = visible(&folder).map_err(|error| error.to_string())?.len() as u64;
            if seen >= n { Ok(()) } else { Err(format!("{seen} of {n}")) }
        })
    };
    // Kafka's own tool refuses while the group has members; those of a killed worker fade away.
    let groups = |arguments: &[&str]| {
        eventually("the group is changed", || {
            let all = [&["--group", "connect-segments"], arguments].concat();
            let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
            match broker.tool(class, &all) {
                Ok(text) if !text.contains("Error") => Ok(()),
                Ok(text) => Err(text),
                Err(error) => Err(error.to_string()),
            }
        })
    };
    let config = json!({
        "connector.class": "FileSegmentSink", "tasks.max": "2", "topics": "segments", "directory": folder,
    });

    send(0, LINES / 3)?;
    let worker = start()?;
    worker.create("segments", &config)?;
    reach(1)?;
    worker.kill()?;
    // Offsets are gone: without the folder's all would come again.
    groups(&["--delete"])?;
    send(LINES / 3, LINES / 3 * 2)?;
    let worker = start()?;
    reach(LINES / 3 * 2)?;
    worker.kill()?;
    // Offsets are too far, in partitions that all are in the folder: without it what comes now would be skipped.
    send(LINES / 3 * 2, LINES)?;
    groups(&["--reset-offsets", "--to-latest", "--topic", "segments", "--execute"])?;
    let worker = start()?;
    reach(LINES)?;
    worker.stop()?;
    let expected = (0..PARTITIONS).flat_map(|first| (first..LINES).step_by(PARTITIONS as usize));
    assert!(visible(&folder)? == expected.collect::<Vec<_>>(), "each once and in order");
    Ok(())
}
