//! Bad input: a clear answer, a reason in the status, and everything else goes on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::path::Path;

use cofferdam_e2e::{Answer, Topics, Worker, count_lines, eventually, program};
use serde_json::{Value, json};

/// A connector that must not notice what happens beside it.
struct Neighbour {
    topics: Topics,
    file: std::path::PathBuf,
    sent: u64,
}

impl Neighbour {
    fn start(worker: &Worker, dir: &Path) -> anyhow::Result<Self> {
        let topics = Topics::new(worker.bootstrap());
        topics.create("neighbour", 1)?;
        let file = dir.join("neighbour.txt");
        worker.create(
            "neighbour",
            &json!({
                "connector.class": "FileStreamSink", "topics": "neighbour", "file": file,
                "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            }),
        )?;
        Ok(Self { topics, file, sent: 0 })
    }

    /// Sends a record and waits until it arrived.
    fn must_work(&mut self) -> anyhow::Result<()> {
        self.topics.send("neighbour", [format!("{}", self.sent)])?;
        self.sent += 1;
        eventually("the neighbour goes on", || match count_lines(&self.file) {
            n if n == self.sent => Ok(()),
            n => Err(format!("{n} of {} lines", self.sent)),
        })
    }
}

fn create(worker: &Worker, name: &str, config: Value) -> anyhow::Result<Answer> {
    worker.post("/connectors", &json!({"name": name, "config": config}))
}

#[test]
fn a_refused_configuration_says_why_and_changes_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let mut neighbour = Neighbour::start(&worker, dir.path())?;
    let file = dir.path().join("x.txt");
    let cases = [
        (
            json!({"connector.class": "NoSuchConnector"}),
            "Failed to find any class that implements Connector and which name matches NoSuchConnector",
        ),
        (
            json!({"connector.class": "FileStreamSource", "file": file}),
            "Missing required configuration \"topic\" which has no default value.",
        ),
        (
            json!({"connector.class": "FileStreamSource", "file": file, "topic": "t", "tasks.max": "many"}),
            "Invalid value many for configuration tasks.max: Not a number of type INT",
        ),
        (
            json!({"connector.class": "FileStreamSource", "file": file, "topic": "t", "transforms": "a", "transforms.a.type": "zzz"}),
            "Invalid value zzz for configuration transforms.a.type: Class zzz could not be found.",
        ),
        (
            json!({"connector.class": "FileStreamSink", "file": file}),
            "Must configure one of topics or topics.regex",
        ),
        (
            json!({"connector.class": "FileStreamSink", "file": file, "topics": "a", "errors.tolerance": "some"}),
            "Invalid value some for configuration errors.tolerance: String must be one of: none, all",
        ),
        (json!({}), "contains no connector type"),
    ];
    for (config, expected) in cases {
        let answer = create(&worker, "bad", config.clone())?;
        assert_eq!(answer.status, 400, "{config}: {answer:?}");
        assert!(answer.message().contains(expected), "{config}: {}", answer.message());
    }
    let malformed = worker.post("/connectors", &json!(["no", "object"]))?;
    assert_eq!(malformed.status, 400, "{malformed:?}");
    assert_eq!(worker.get("/connectors")?.body, json!(["neighbour"]));
    assert_eq!(worker.get("/connectors/bad/status")?.status, 404);
    neighbour.must_work()
}

#[test]
fn an_upload_that_is_no_plugin_is_named_for_what_it_is() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let before = worker.get("/connector-plugins?connectorsOnly=false")?.body;
    let other_contract = wat::parse_str(
        r#"(component
            (component $inner)
            (instance $empty (instantiate $inner))
            (export "cofferdam:connect/plugin-api@0.2.0" (instance $empty)))"#,
    )?;
    let real = program("shop");
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("no wasm", b"PK\x03\x04 a zip, perhaps".to_vec(), "not WebAssembly"),
        ("nothing", Vec::new(), "nothing at all"),
        ("core module", wat::parse_str("(module)")?, "core WebAssembly module"),
        ("foreign component", wat::parse_str("(component)")?, "cofferdam:connect/plugin-api@0.1.0"),
        ("other contract", other_contract, "0.2.0"),
        ("cut short", real[..real.len() / 2].to_vec(), ""),
    ];
    for (name, bytes, expected) in cases {
        let answer = worker.upload(&bytes)?;
        assert!((400..500).contains(&answer.status), "{name}: {answer:?}");
        assert!(!answer.message().is_empty() && answer.message().contains(expected), "{name}: {answer:?}");
    }
    assert_eq!(worker.get("/connector-plugins?connectorsOnly=false")?.body, before, "something was kept");
    Ok(())
}

#[test]
fn a_guest_that_traps_fails_its_task_with_a_trace_and_no_other() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let mut neighbour = Neighbour::start(&worker, dir.path())?;
    let uploaded = worker.upload(&program("misbehaving"))?;
    assert_eq!(uploaded.status, 201, "{uploaded:?}");
    let topics = Topics::new(worker.bootstrap());
    topics.create("victims", 1)?;
    topics.send("victims", ["a", "b"])?;

    for (name, call, kind) in [
        ("trap-in-start", "start", "trap"),
        ("trap-in-poll", "poll", "unreachable"),
        ("overflow-in-poll", "poll", "overflow"),
    ] {
        let config = json!({"connector.class": "test.Source", "topic": "t", format!("fault.{call}"): kind});
        assert_eq!(create(&worker, name, config)?.status, 201);
        let trace = worker.await_failure(name)?;
        assert!(trace.contains("wasm") && trace.contains("misbehaving"), "{name}: {trace}");
        neighbour.must_work()?;
    }
    let sink = json!({
        "connector.class": "test.Sink", "topics": "victims", "fault.put": "trap",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    assert_eq!(create(&worker, "trap-in-put", sink)?.status, 201);
    let trace = worker.await_failure("trap-in-put")?;
    assert!(trace.contains("wasm") && trace.contains("misbehaving"), "{trace}");
    let committed = topics.committed("connect-trap-in-put", "victims", 1)?;
    assert_eq!(committed, [None], "an offset was committed over a trap");
    neighbour.must_work()
}

#[test]
fn a_guest_that_loops_or_hogs_memory_hurts_itself_only() -> anyhow::Result<()> {
    let broker_dir = tempfile::tempdir()?;
    let broker = Worker::dev(broker_dir.path())?;
    let dir = tempfile::tempdir()?;
    let limits = "cofferdam.guest.call.timeout.ms=2000\ncofferdam.guest.memory.max=32MiB";
    let worker = Worker::distributed(dir.path(), broker.bootstrap(), limits)?;
    let mut neighbour = Neighbour::start(&worker, dir.path())?;
    assert_eq!(worker.upload(&program("misbehaving"))?.status, 201);
    for (fault, expected) in [
        ("loop", "cofferdam.guest.call.timeout.ms"),
        ("sleep", "cofferdam.guest.call.timeout.ms"),
        ("grow", "32 MiB"),
    ] {
        let config = json!({"connector.class": "test.Source", "topic": "t", "fault.poll": fault});
        assert_eq!(create(&worker, fault, config)?.status, 201);
        neighbour.must_work()?;
        let trace = worker.await_failure(fault)?;
        assert!(trace.contains(expected), "{fault}: {trace}");
        neighbour.must_work()?;
    }
    Ok(())
}

#[test]
fn what_lies_outside_the_grant_is_refused_by_name() -> anyhow::Result<()> {
    let broker_dir = tempfile::tempdir()?;
    let broker = Worker::dev(broker_dir.path())?;
    let dir = tempfile::tempdir()?;
    let allowed = dir.path().join("allowed");
    std::fs::create_dir(&allowed)?;
    let roots = format!("cofferdam.file.roots={}", allowed.display());
    let worker = Worker::distributed(dir.path(), broker.bootstrap(), &roots)?;
    let source = |file: &Path| json!({"connector.class": "FileStreamSource", "file": file, "topic": "t"});

    assert_eq!(create(&worker, "outside", source(Path::new("/etc/passwd")))?.status, 201);
    let trace = worker.await_failure("outside")?;
    assert!(trace.contains("/etc") && trace.contains("cofferdam.file.roots"), "{trace}");

    assert_eq!(create(&worker, "dotdot", source(&allowed.join("../secret.txt")))?.status, 201);
    assert!(worker.await_failure("dotdot")?.contains("cofferdam.file.roots"));

    std::os::unix::fs::symlink("/etc/passwd", allowed.join("link"))?;
    assert_eq!(create(&worker, "link", source(&allowed.join("link")))?.status, 201);
    let trace = worker.await_failure("link")?;
    assert!(trace.contains("link"), "{trace}");

    assert_eq!(create(&worker, "nowhere", source(&allowed.join("no/such/folder/in.txt")))?.status, 201);
    assert!(worker.await_failure("nowhere")?.contains("no/such/folder"));

    // A file that is not there yet is waited for, as the original does.
    let late = allowed.join("late.txt");
    worker.create("late", &source(&late))?;
    std::fs::write(&late, "here\n")?;
    assert_eq!(Topics::new(broker.bootstrap()).read("t", 1)?[0].text(), "here");
    Ok(())
}

#[test]
fn a_topic_that_kafka_refuses_fails_the_task() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let mut neighbour = Neighbour::start(&worker, dir.path())?;
    let file = dir.path().join("in.txt");
    std::fs::write(&file, "a\n")?;
    let config = json!({"connector.class": "FileStreamSource", "file": file, "topic": "not a topic/!"});
    assert_eq!(create(&worker, "refused", config)?.status, 201);
    let trace = worker.await_failure("refused")?;
    assert!(trace.contains("not a topic/!"), "{trace}");
    neighbour.must_work()
}

#[test]
fn a_full_disk_fails_the_sink_and_loses_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let mut neighbour = Neighbour::start(&worker, dir.path())?;
    let topics = Topics::new(worker.bootstrap());
    topics.create("full", 1)?;
    topics.send("full", ["a", "b"])?;
    // The device that is always full.
    let sink = |file: &str| {
        json!({
            "connector.class": "FileStreamSink", "topics": "full", "file": file,
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        })
    };
    assert_eq!(create(&worker, "full", sink("/dev/full"))?.status, 201);
    let trace = worker.await_failure("full")?;
    assert!(trace.contains("/dev/full") && trace.contains("the disk may be full"), "{trace}");
    neighbour.must_work()?;
    assert_eq!(topics.committed("connect-full", "full", 1)?, [None]);

    // Room again: nothing was lost.
    let file = dir.path().join("room.txt");
    assert_eq!(worker.put("/connectors/full/config", &sink(&file.display().to_string()))?.status, 200);
    eventually("both records arrive", || match std::fs::read_to_string(&file).unwrap_or_default() {
        text if text == "a\nb\n" => Ok(()),
        text => Err(text),
    })
}

#[test]
fn without_a_broker_the_worker_says_so_and_ends() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let properties = "request.timeout.ms=2000\ndefault.api.timeout.ms=2000";
    let error = Worker::distributed(dir.path(), "127.0.0.1:1", properties).map(|worker| worker.log());
    let text = format!("{:#}", error.unwrap_err());
    assert!(text.contains("exit status: 1"), "{text}");
    assert!(text.contains("Failed to connect to and describe Kafka cluster"), "{text}");
    assert!(text.contains("127.0.0.1:1"), "{text}");
    Ok(())
}
