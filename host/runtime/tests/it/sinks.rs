//! Sink tasks: what is put, what is committed, what goes to the dead letter queue.

use cofferdam_api::{State, TargetState};

use crate::bench::{Bench, Rec};

const SINK: (&str, &str) = ("connector.class", "test.Sink");
const FILE_SINK: (&str, &str) = ("connector.class", "FileStreamSink");
const JSON: (&str, &str) = ("value.converter", "org.apache.kafka.connect.json.JsonConverter");
const TOLERANT: (&str, &str) = ("errors.tolerance", "all");
const DLQ: [(&str, &str); 3] = [
    ("errors.deadletterqueue.topic.name", "dead"),
    ("errors.deadletterqueue.topic.replication.factor", "1"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];

/// With a dead letter queue and an output file.
fn dlq<'a>(base: &[(&'a str, &'a str)], file: &'a str) -> Vec<(&'a str, &'a str)> {
    base.iter().copied().chain(DLQ).chain([("topics", "in"), ("file", file)]).collect()
}

fn json(text: &str) -> String {
    format!("{{\"schema\":{{\"type\":\"string\",\"optional\":false}},\"payload\":\"{text}\"}}")
}

fn context<'a>(record: &'a Rec, name: &str) -> &'a str {
    let name = format!("__connect.errors.{name}");
    let header = record.headers.iter().find(|(key, _)| *key == name);
    header.and_then(|(_, value)| value.as_deref()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_reach_the_sink_once_across_a_restart() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    let sink = [SINK, ("topics", "in"), ("file", file.as_str())];
    bench.produce("in", &[(None, Some("a")), (Some("k"), Some("b"))]).await;
    let id = bench.start("k", &sink).await;
    bench.until_file(&file, "a\nb\n").await;
    bench.stop(&id).await;
    assert_eq!(bench.heard.states(&id), [State::Running, State::Unassigned]);
    assert_eq!(bench.heard.topics(), ["in"]);
    bench.produce("in", &[(None, Some("c"))]).await;
    bench.start("k", &sink).await;
    bench.until_file(&file, "a\nb\nc\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_record_goes_to_the_dead_letter_queue_with_its_circumstances() {
    let bench = Bench::shipped().await;
    let original = Rec {
        topic: "in".into(),
        key: Some("k2".into()),
        value: Some("{not json".into()),
        headers: vec![("h1".into(), Some("v1".into())), ("h2".into(), None)],
        timestamp: Some(1_700_000_000_123),
    };
    let good = |text: &str| Rec { value: Some(json(text)), headers: Vec::new(), ..original.clone() };
    bench.produce_all(&[good("one"), original.clone(), good("two")]).await;
    let file = bench.path("out");
    let id = bench.start("k", &dlq(&[FILE_SINK, JSON, TOLERANT], &file)).await;
    bench.until_file(&file, "one\ntwo\n").await;
    let dead = bench.consume("dead", 1).await.remove(0);
    assert_eq!(
        (&dead.key, &dead.value, dead.timestamp),
        (&original.key, &original.value, original.timestamp)
    );
    assert_eq!(dead.headers[..2], original.headers);
    let names: Vec<&str> = dead.headers[2..].iter().map(|(key, _)| key.as_str()).collect();
    let expected = [
        "topic",
        "partition",
        "offset",
        "connector.name",
        "task.id",
        "stage",
        "class.name",
        "exception.class.name",
        "exception.message",
        "exception.stacktrace",
    ];
    assert_eq!(names, expected.map(|name| format!("__connect.errors.{name}")));
    for (name, value) in [
        ("topic", "in"),
        ("partition", "0"),
        ("offset", "1"),
        ("connector.name", "k"),
        ("task.id", "0"),
        ("stage", "VALUE_CONVERTER"),
        ("class.name", "org.apache.kafka.connect.json.JsonConverter"),
        ("exception.class.name", "org.apache.kafka.connect.errors.DataException"),
        ("exception.message", "Converting byte[] to Kafka Connect data failed due to serialization error: "),
    ] {
        assert_eq!(context(&dead, name), value, "{name}");
    }
    let trace = context(&dead, "exception.stacktrace");
    assert!(
        trace.contains("\nCaused by: org.apache.kafka.common.errors.SerializationException: "),
        "{trace}"
    );
    bench.stop(&id).await;
    // The dead letter counts as dealt with: nothing comes again.
    bench.produce_all(&[good("three")]).await;
    bench.start("k", &dlq(&[FILE_SINK, JSON, TOLERANT], &file)).await;
    bench.until_file(&file, "one\ntwo\nthree\n").await;
    bench.consume("dead", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tolerance_the_task_fails_and_the_record_is_in_the_queue_all_the_same() {
    let bench = Bench::shipped().await;
    let file = bench.path("out");
    bench
        .produce("in", &[(None, Some(&json("fine"))), (Some("k"), Some("{\"a\":1}")), (None, Some("worse"))])
        .await;
    let id = bench.start("k", &dlq(&[FILE_SINK, JSON], &file)).await;
    bench.until(&id, State::Failed).await;
    let trace = bench.heard.trace(&id);
    let head = "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
                Caused by: org.apache.kafka.connect.errors.DataException: JsonConverter with schemas.enable requires";
    assert!(trace.starts_with(head), "{trace}");
    let dead = bench.consume("dead", 1).await.remove(0);
    assert_eq!(dead.value.as_deref(), Some("{\"a\":1}"));
    // As in Kafka Connect, nothing of a batch is put when a record of it fails.
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_a_transform_leads_one_record_to_the_queue() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    let values: Vec<String> = (0..50).map(|n| format!("v{n}.")).collect();
    let records: Vec<_> = values.iter().map(|value| (None, Some(value.as_str()))).collect();
    bench.produce("in", &records).await;
    let transform =
        [("transforms", "t"), ("transforms.t.type", "test.Transform"), ("transforms.t.trap.on", "v7.")];
    bench.start("k", &dlq(&[&[SINK, TOLERANT], &transform[..]].concat(), &file)).await;
    let dead = bench.consume("dead", 1).await.remove(0);
    assert_eq!(dead.value.as_deref(), Some("v7."));
    assert_eq!(context(&dead, "stage"), "TRANSFORMATION");
    assert_eq!(context(&dead, "class.name"), "test.Transform");
    assert_eq!(context(&dead, "exception.class.name"), "org.apache.kafka.connect.errors.ConnectException");
    let trace = context(&dead, "exception.stacktrace");
    assert!(trace.contains("the plugin crashed in apply") && trace.contains("misbehaving.wasm"), "{trace}");
    let expected: String =
        values.iter().filter(|value| *value != "v7.").map(|value| format!("{value}\n")).collect();
    bench.until_file(&file, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_asks_for_the_batch_again_gets_it_before_anything_else() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    bench.produce("in", &[(None, Some("a")), (None, Some("b"))]).await;
    let retry = [
        SINK,
        ("topics", "in"),
        ("file", file.as_str()),
        ("fault.put", "retriable=300"),
        ("fault.until", "2"),
    ];
    bench.start("k", &retry).await;
    bench.until_metric("kafka_connect_task_error_total_retries", "k", "1").await;
    bench.produce("in", &[(None, Some("c"))]).await;
    bench.until_file(&file, "a\nb\nc\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_sink_rejects_is_dead_lettered_at_put() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    bench.produce("in", &[(None, Some("good")), (None, Some("bad"))]).await;
    let id = bench.start("k", &dlq(&[SINK, TOLERANT, ("reject", "bad")], &file)).await;
    let dead = bench.consume("dead", 1).await.remove(0);
    assert_eq!(context(&dead, "stage"), "TASK_PUT");
    assert_eq!(context(&dead, "class.name"), "org.apache.kafka.connect.sink.SinkTask");
    assert_eq!(context(&dead, "exception.message"), "rejected");
    bench.stop(&id).await;
    let id = bench.start("k2", &dlq(&[SINK, ("reject", "bad")], &file)).await;
    bench.until(&id, State::Failed).await;
    assert!(
        bench.heard.trace(&id).contains("Tolerance exceeded in error handler"),
        "{}",
        bench.heard.trace(&id)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_cannot_say_what_is_safe_is_given_everything_again() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    bench.produce("in", &[(None, Some("a"))]).await;
    let faulty = [
        SINK,
        ("topics", "in"),
        ("file", file.as_str()),
        ("fault.pre_commit", "fatal"),
        ("fault.until", "9"),
    ];
    let id = bench.start("k", &faulty).await;
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    crate::bench::wait(
        || async { read().starts_with("a\na\n") },
        || format!("a to come twice: {:?}", read()),
    )
    .await;
    assert_eq!(bench.heard.states(&id), [State::Running]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_put_fails_the_task_with_its_backtrace_and_commits_nothing() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    bench.produce("in", &[(None, Some("a"))]).await;
    let id = bench.start("k", &[SINK, ("topics", "in"), ("file", &file), ("fault.put", "trap")]).await;
    bench.until(&id, State::Failed).await;
    let trace = bench.heard.trace(&id);
    let head = "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.\n\
                Caused by: org.apache.kafka.connect.errors.ConnectException: the plugin crashed in put";
    assert!(trace.starts_with(head) && trace.contains("misbehaving.wasm"), "{trace}");
    bench.stop(&id).await;
    bench.start("k", &[SINK, ("topics", "in"), ("file", &file)]).await;
    bench.until_file(&file, "a\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_go_while_a_batch_waits_to_be_put_again_lose_nothing() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    let values: Vec<String> = (0..40).map(|n| format!("v{n}.")).collect();
    let records: Vec<_> = values.iter().map(|value| (Some(value.as_str()), Some(value.as_str()))).collect();
    bench.produce("in", &records).await;
    let retry = [
        SINK,
        ("topics", "in"),
        ("file", file.as_str()),
        ("fault.put", "retriable=200"),
        ("fault.until", "30"),
    ];
    let first = bench.start("k", &retry).await;
    bench.until_metric("kafka_connect_task_error_total_retries", "k", "1").await;
    // A second member takes partitions away while the first holds their records back.
    let second =
        bench.start_number("k", 1, &[SINK, ("topics", "in"), ("file", &file)], TargetState::Started).await;
    let missing = || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        values.iter().filter(|value| !text.lines().any(|line| line == *value)).cloned().collect::<Vec<_>>()
    };
    crate::bench::wait(|| async { missing().is_empty() }, || format!("all lines; missing {:?}", missing()))
        .await;
    assert_eq!(bench.heard.states(&first), [State::Running]);
    bench.stop(&first).await;
    bench.stop(&second).await;
    // What was put was committed: only what comes now is new.
    std::fs::remove_file(&file).unwrap();
    bench.produce("in", &[(None, Some("new"))]).await;
    bench.start("k", &[SINK, ("topics", "in"), ("file", &file)]).await;
    bench.until_file(&file, "new\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_is_slow_for_longer_than_a_consumer_may_be_keeps_its_partitions() {
    let bench = Bench::new().await;
    // Longer than the consumer may be silent, which is six seconds.
    let slow: [&[(&str, &str)]; 4] = [
        &[("fault.put", "nap=8000"), ("fault.until", "1")],
        &[("fault.pre_commit", "nap=8000"), ("fault.until", "1")],
        &[("fault.open", "nap=8000"), ("fault.until", "1")],
        &[
            ("transforms", "t"),
            ("transforms.t.type", "test.Transform"),
            ("transforms.t.fault.apply", "nap=8000"),
            ("transforms.t.fault.until", "1"),
        ],
    ];
    let names = ["put", "commit", "open", "transform"];
    bench.produce("in", &[(None, Some("a"))]).await;
    let files = names.map(|name| bench.path(name));
    for ((name, file), slow) in names.iter().zip(&files).zip(slow) {
        let mut sink = vec![
            SINK,
            ("topics", "in"),
            ("file", file.as_str()),
            ("consumer.override.max.poll.interval.ms", "6000"),
            ("consumer.override.session.timeout.ms", "6000"),
        ];
        sink.extend(slow);
        bench.start(name, &sink).await;
    }
    for file in &files {
        bench.until_file(file, "a\n").await;
    }
    bench.produce("in", &[(None, Some("b"))]).await;
    for file in &files {
        bench.until_file(file, "a\nb\n").await;
    }
    // What was put is committed, by the same member.
    for (name, file) in names.iter().zip(&files) {
        let id = crate::bench::task(name);
        bench.stop(&id).await;
        assert_eq!(bench.heard.states(&id), [State::Running, State::Unassigned]);
        bench.produce("in", &[(None, Some(name))]).await;
        bench.start(name, &[SINK, ("topics", "in"), ("file", file)]).await;
    }
    for (at, file) in files.iter().enumerate() {
        let new: String = names.iter().skip(at).map(|name| format!("{name}\n")).collect();
        crate::bench::wait(
            || async { std::fs::read_to_string(file).unwrap_or_default().ends_with(&new) },
            || format!("{new:?} in {file}"),
        )
        .await;
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text.lines().filter(|line| *line == "a" || *line == "b").count(), 2, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_goes_back_is_given_everything_from_there_again() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    bench.produce("in", &[(None, Some("a")), (None, Some("b"))]).await;
    let rewind = [SINK, ("topics", "in"), ("file", file.as_str()), ("ask", "rewind-once")];
    let id = bench.start("k", &rewind).await;
    bench.until_file(&file, "a\nb\na\nb\n").await;
    bench.produce("in", &[(None, Some("c"))]).await;
    bench.until_file(&file, "a\nb\na\nb\nc\n").await;
    bench.stop(&id).await;
    bench.produce("in", &[(None, Some("d"))]).await;
    bench.start("k", &[SINK, ("topics", "in"), ("file", &file)]).await;
    bench.until_file(&file, "a\nb\na\nb\nc\nd\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_asks_for_a_commit_need_not_wait_for_the_interval() {
    let bench = Bench::configured(&[("offset.flush.interval.ms", "3600000")]).await;
    let file = bench.path("out");
    bench.produce("in", &[(None, Some("a"))]).await;
    bench.start("patient", &[SINK, ("topics", "in"), ("file", &bench.path("patient"))]).await;
    bench.start("k", &[SINK, ("topics", "in"), ("file", &file), ("ask", "commit")]).await;
    bench.until_file(&bench.path("patient"), "a\n").await;
    let commits = "kafka_connect_sink_task_offset_commit_completion_total";
    bench.until_metric(commits, "k", "1").await;
    bench.until_metric(commits, "patient", "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_holds_its_partitions_is_called_without_records_until_it_lets_them_go() {
    let bench = Bench::new().await;
    let file = bench.path("out");
    bench.produce("in", &[(None, Some("a"))]).await;
    bench.start("k", &[SINK, ("topics", "in"), ("file", &file), ("ask", "rest")]).await;
    bench.until_file(&file, "a\n").await;
    bench.produce("in", &[(None, Some("b"))]).await;
    bench.until_file(&file, "a\nb\n").await;
}
