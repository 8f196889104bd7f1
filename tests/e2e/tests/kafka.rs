//! The main job against a real Kafka: a million numbered lines, four sink tasks, kill -9, a broker that
//! goes away.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::path::Path;

use cofferdam_e2e::{
    Broker, Topics, Worker, checksum, count_lines, eventually, lines_of, skip_without_kafka, write_lines,
};
use serde_json::{Value, json};

const MILLION: u64 = 1_000_000;

fn source(file: &Path, topic: &str) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1", "file": file, "topic": topic,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    })
}

/// The source's lines go through RegexRouter to `<topic>-routed`.
fn routed_source(file: &Path, topic: &str) -> Value {
    let mut config = source(file, topic);
    config["transforms"] = json!("route");
    config["transforms.route.type"] = json!("org.apache.kafka.connect.transforms.RegexRouter");
    config["transforms.route.regex"] = json!("(.*)");
    config["transforms.route.replacement"] = json!("$1-routed");
    config
}

fn sink(file: &Path, topic: &str, tasks: u32) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "tasks.max": tasks.to_string(), "topics": topic, "file": file,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    })
}

/// A million lines written once for all tests of this process.
fn million() -> anyhow::Result<&'static Path> {
    static FILE: std::sync::OnceLock<Result<tempfile::TempDir, String>> = std::sync::OnceLock::new();
    static PATH: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    let dir = FILE.get_or_init(|| {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        write_lines(&dir.path().join("million.txt"), 0..MILLION).map_err(|error| error.to_string())?;
        Ok(dir)
    });
    let dir = dir.as_ref().map_err(|error| anyhow::anyhow!(error.clone()))?;
    Ok(PATH.get_or_init(|| dir.path().join("million.txt")))
}

fn await_lines(what: &str, file: &Path, n: u64) -> anyhow::Result<()> {
    eventually(what, || match count_lines(file) {
        lines if lines >= n => Ok(()),
        lines => Err(format!("{lines} of {n} lines")),
    })
}

#[test]
fn a_million_lines_arrive_once_and_in_order() -> anyhow::Result<()> {
    if skip_without_kafka("a_million_lines_arrive_once_and_in_order") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    Topics::new(broker.bootstrap()).create("once-routed", 1)?;
    let dir = tempfile::tempdir()?;
    let worker = Worker::distributed(
        dir.path(),
        broker.bootstrap(),
        "group.id=once\nconfig.storage.topic=once-configs\noffset.storage.topic=once-offsets\nstatus.storage.topic=once-status",
    )?;
    let out = dir.path().join("out.txt");
    worker.create("once-source", &routed_source(million()?, "once"))?;
    worker.create("once-sink", &sink(&out, "once-routed", 1))?;
    await_lines("a million lines", &out, MILLION)?;
    assert_eq!(count_lines(&out), MILLION);
    assert_eq!(checksum(&out)?, checksum(million()?)?);
    worker.stop()
}

#[test]
fn insert_field_wraps_every_line_of_a_million() -> anyhow::Result<()> {
    if skip_without_kafka("insert_field_wraps_every_line_of_a_million") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    Topics::new(broker.bootstrap()).create("fields-routed", 1)?;
    let dir = tempfile::tempdir()?;
    let worker = Worker::distributed(
        dir.path(),
        broker.bootstrap(),
        "group.id=fields\nconfig.storage.topic=fields-configs\noffset.storage.topic=fields-offsets\nstatus.storage.topic=fields-status",
    )?;
    let out = dir.path().join("out.txt");
    let mut from = routed_source(million()?, "fields");
    from["value.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
    from["value.converter.schemas.enable"] = json!("false");
    from["transforms"] = json!("route,hoist,insert");
    from["transforms.hoist.type"] = json!("org.apache.kafka.connect.transforms.HoistField$Value");
    from["transforms.hoist.field"] = json!("line");
    from["transforms.insert.type"] = json!("org.apache.kafka.connect.transforms.InsertField$Value");
    from["transforms.insert.static.field"] = json!("origin");
    from["transforms.insert.static.value"] = json!("e2e");
    let mut to = sink(&out, "fields-routed", 1);
    to["value.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
    to["value.converter.schemas.enable"] = json!("false");
    worker.create("fields-source", &from)?;
    worker.create("fields-sink", &to)?;
    await_lines("a million lines", &out, MILLION)?;
    let expected = dir.path().join("expected.txt");
    let wrapped: String = std::fs::read_to_string(million()?)?
        .lines()
        .flat_map(|line| ["{line=", line, ", origin=e2e}\n"])
        .collect();
    std::fs::write(&expected, wrapped)?;
    assert_eq!(count_lines(&out), MILLION);
    assert_eq!(checksum(&out)?, checksum(&expected)?);
    worker.stop()
}

#[test]
fn topics_are_made_as_the_connector_says() -> anyhow::Result<()> {
    if skip_without_kafka("topics_are_made_as_the_connector_says") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    let dir = tempfile::tempdir()?;
    let worker = Worker::distributed(
        dir.path(),
        broker.bootstrap(),
        "group.id=made\nconfig.storage.topic=made-configs\noffset.storage.topic=made-offsets\nstatus.storage.topic=made-status",
    )?;
    let file = dir.path().join("in.txt");
    write_lines(&file, 0..10)?;
    let config = |topic: &str| {
        let mut config = routed_source(&file, topic);
        config["topic.creation.groups"] = json!("brief");
        config["topic.creation.default.replication.factor"] = json!("1");
        config["topic.creation.default.partitions"] = json!("3");
        config["topic.creation.brief.include"] = json!("made-b.*-routed");
        config["topic.creation.brief.partitions"] = json!("2");
        config["topic.creation.brief.retention.ms"] = json!("7200000");
        config
    };
    worker.create("plain", &config("made-plain"))?;
    worker.create("brief", &config("made-brief"))?;
    for (topic, partitions, retention) in
        [("made-plain-routed", 3, "604800000"), ("made-brief-routed", 2, "7200000")]
    {
        assert_eq!(topics.read(topic, 10)?.len(), 10);
        assert_eq!(topics.describe(topic, "retention.ms")?, (partitions, Some(retention.to_owned())));
    }

    // What the broker refuses ends the task with the way out.
    let mut refused = config("made-refused");
    refused["topic.creation.default.replication.factor"] = json!("7");
    worker.post("/connectors", &json!({"name": "refused", "config": refused}))?;
    let trace = eventually("the task fails", || match worker.get("/connectors/refused/status") {
        Ok(answer) if answer.body["tasks"][0]["state"] == "FAILED" => {
            Ok(answer.body["tasks"][0]["trace"].to_string())
        }
        other => Err(format!("{other:?}")),
    })?;
    assert!(trace.contains("Task failed to create new topic made-refused-routed. Ensure that"), "{trace}");
    worker.stop()
}

#[test]
fn four_sink_tasks_share_four_partitions() -> anyhow::Result<()> {
    if skip_without_kafka("four_sink_tasks_share_four_partitions") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    Topics::new(broker.bootstrap()).create("four", 4)?;
    let dir = tempfile::tempdir()?;
    let worker = Worker::distributed(
        dir.path(),
        broker.bootstrap(),
        "group.id=four\nconfig.storage.topic=four-configs\noffset.storage.topic=four-offsets\nstatus.storage.topic=four-status",
    )?;
    let out = dir.path().join("out.txt");
    worker.create("four-sink", &sink(&out, "four", 4))?;
    worker.create("four-source", &source(million()?, "four"))?;
    await_lines("a million lines", &out, MILLION)?;
    let seen = lines_of(&[&out])?;
    assert_eq!(seen.len() as u64, MILLION);
    assert_eq!(seen.values().filter(|times| **times != 1).count(), 0, "lines that came twice");
    let committed = eventually("all four partitions are committed", || {
        let offsets = Topics::new(broker.bootstrap()).committed("connect-four-sink", "four", 4);
        let offsets = offsets.map_err(|error| error.to_string())?;
        let sum: i64 = offsets.iter().flatten().sum();
        if sum == MILLION as i64 { Ok(offsets) } else { Err(format!("{offsets:?}")) }
    })?;
    assert!(committed.iter().all(|offset| offset.is_some_and(|offset| offset > 0)), "{committed:?}");
    worker.stop()
}

#[test]
fn kill_dash_nine_loses_nothing() -> anyhow::Result<()> {
    if skip_without_kafka("kill_dash_nine_loses_nothing") {
        return Ok(());
    }
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("killed", 4)?;
    let dir = tempfile::tempdir()?;
    // A killed worker's members are missed sooner than after the default of 45 s.
    let group = "consumer.session.timeout.ms=6000\ngroup.id=killed\nconfig.storage.topic=killed-configs\noffset.storage.topic=killed-offsets\nstatus.storage.topic=killed-status";
    let out = dir.path().join("out.txt");
    let start = || Worker::distributed(dir.path(), broker.bootstrap(), group);
    let worker = start()?;
    worker.create("killed-source", &source(million()?, "killed"))?;
    worker.create("killed-sink", &sink(&out, "killed", 2))?;
    // Twice in the middle, once when nearly all is there.
    let mut worker = worker;
    for n in [MILLION / 10, MILLION / 3, MILLION * 9 / 10] {
        await_lines("lines before the kill", &out, n)?;
        worker.kill()?;
        worker = start()?;
    }
    let missing =
        || -> anyhow::Result<u64> { Ok(MILLION - lines_of(&[&out])?.len().min(MILLION as usize) as u64) };
    eventually("every line arrives", || match missing() {
        Ok(0) => Ok(()),
        Ok(n) => Err(format!("{n} lines are missing")),
        Err(error) => Err(error.to_string()),
    })?;
    worker.await_state("killed-sink", "RUNNING", "RUNNING")?;
    let seen = lines_of(&[&out])?;
    let twice: u32 = seen.values().map(|times| times - 1).sum();
    println!("{MILLION} lines, three kills: 0 lost, {twice} delivered again");
    worker.stop()
}

#[test]
fn a_broker_that_goes_away_is_waited_for() -> anyhow::Result<()> {
    if skip_without_kafka("a_broker_that_goes_away_is_waited_for") {
        return Ok(());
    }
    let broker = Broker::start("")?;
    let topics = Topics::new(broker.bootstrap());
    topics.create("gone", 1)?;
    let dir = tempfile::tempdir()?;
    let worker = Worker::distributed(dir.path(), broker.bootstrap(), "")?;
    let (from, out) = (dir.path().join("in.txt"), dir.path().join("out.txt"));
    write_lines(&from, 0..1000)?;
    worker.create("gone-source", &source(&from, "gone"))?;
    worker.create("gone-sink", &sink(&out, "gone", 1))?;
    await_lines("a thousand lines", &out, 1000)?;
    broker.kill()?;
    write_lines(&from, 1000..2000)?;
    // The API answers while the broker is away.
    assert_eq!(worker.get("/connectors/gone-source/status")?.status, 200);
    broker.restart()?;
    await_lines("the other thousand", &out, 2000)?;
    let seen = lines_of(&[&out])?;
    assert_eq!(seen.len(), 2000, "lines are missing");
    worker.await_state("gone-source", "RUNNING", "RUNNING")?;
    worker.await_state("gone-sink", "RUNNING", "RUNNING")?;
    worker.stop()
}
