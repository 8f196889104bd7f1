//! From a file to a topic to a file, through the guests that are shipped.

use std::fmt::Write as _;

use cofferdam_api::State;

use crate::bench::{Bench, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_go_from_file_to_topic_to_file() {
    let bench = Bench::shipped().await;
    let (from, to) = (bench.path("from"), bench.path("to"));
    let mut lines = String::new();
    for n in 0..5_000 {
        writeln!(lines, "line {n} ä").unwrap();
    }
    std::fs::write(&from, &lines).unwrap();
    let transforms =
        [("transforms", "t"), ("transforms.t.type", "test.Transform"), ("transforms.t.suffix", "-routed")];
    let source = [("connector.class", "FileStreamSource"), ("topic", "lines"), ("file", from.as_str())];
    let id = bench.start("source", &[&source[..], &transforms].concat()).await;
    let sink = [("connector.class", "FileStreamSink"), ("topics", "lines-routed"), ("file", to.as_str())];
    bench.start("sink", &sink).await;
    bench.until_file(&to, &lines).await;
    bench.stop(&id).await;
    let position = format!("{{\"position\":{}}}", lines.len());
    assert_eq!(bench.offset("source").await, Some(position));
    // What is added while nobody looks is read after the restart, and nothing else.
    lines.push_str("one more\n");
    std::fs::write(&from, &lines).unwrap();
    bench.start("source", &[&source[..], &transforms].concat()).await;
    bench.until_file(&to, &lines).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_transforms_and_the_json_converter_shape_records() {
    let bench = Bench::shipped().await;
    let from = bench.path("from");
    std::fs::write(&from, "a\nb\n").unwrap();
    let source = [
        ("connector.class", "org.apache.kafka.connect.file.FileStreamSourceConnector"),
        ("topic", "raw"),
        ("file", &from),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("transforms", "hoist,insert,route"),
        ("transforms.hoist.type", "org.apache.kafka.connect.transforms.HoistField$Value"),
        ("transforms.hoist.field", "line"),
        ("transforms.insert.type", "org.apache.kafka.connect.transforms.InsertField$Value"),
        ("transforms.insert.static.field", "site"),
        ("transforms.insert.static.value", "x"),
        ("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter"),
        ("transforms.route.regex", "raw"),
        ("transforms.route.replacement", "shaped"),
    ];
    bench.start("source", &source).await;
    let expected = ["{\"line\":\"a\",\"site\":\"x\"}", "{\"line\":\"b\",\"site\":\"x\"}"];
    assert_eq!(bench.values("shaped", 2).await, expected);
    // Back again: JSON is read, one field taken out, and the rest of the record is as it was.
    let to = bench.path("to");
    let sink = [
        ("connector.class", "org.apache.kafka.connect.file.FileStreamSinkConnector"),
        ("topics", "shaped"),
        ("file", &to),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("transforms", "take"),
        ("transforms.take.type", "org.apache.kafka.connect.transforms.ExtractField$Value"),
        ("transforms.take.field", "line"),
    ];
    bench.start("sink", &sink).await;
    bench.until_file(&to, "a\nb\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_line_is_ended_before_the_next_record() {
    let bench = Bench::shipped().await;
    let to = bench.path("to.txt");
    std::fs::write(&to, "one\ntw").unwrap();
    bench.produce("in", &[(None, Some("two"))]).await;
    let sink = [
        ("connector.class", "FileStreamSink"),
        ("topics", "in"),
        ("file", to.as_str()),
        ("value.converter", "StringConverter"),
    ];
    bench.start("sink", &sink).await;
    bench.until_file(&to, "one\ntw\ntwo\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_predicate_of_another_artifact_decides_record_by_record() {
    let bench = Bench::shipped().await;
    let source = [
        ("connector.class", "test.Source"),
        ("topic", "out"),
        ("records", "5"),
        ("transforms", "route"),
        ("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter"),
        ("transforms.route.regex", ".*"),
        ("transforms.route.replacement", "picked"),
        ("transforms.route.predicate", "p"),
        ("predicates", "p"),
        ("predicates.p.type", "test.Predicate"),
        ("predicates.p.contains", "3"),
    ];
    bench.start("source", &source).await;
    assert_eq!(bench.values("picked", 1).await, ["line-3"]);
    assert_eq!(bench.values("out", 4).await, ["line-0", "line-1", "line-2", "line-4"]);
}

/// Lines of all visible segments of the partition 0 of a topic, in order.
fn visible(folder: &str, topic: &str) -> String {
    let entries = std::fs::read_dir(format!("{folder}/{topic}-0")).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "txt"));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_say_where_to_go_on_whatever_kafka_has_committed() {
    let bench = Bench::shipped().await;
    let folder = bench.path("out");
    std::fs::create_dir(&folder).unwrap();
    let sink = [("connector.class", "FileSegmentSink"), ("topics", "in"), ("directory", folder.as_str())];
    let until = async |content: &str| {
        wait(|| async { visible(&folder, "in") == content }, || format!("{:?}", visible(&folder, "in")))
            .await;
    };
    let mut lines = String::new();
    // A group of each name has nothing committed: it begins with the topic, unless the folder says otherwise.
    for name in ["first", "second", "third"] {
        let values: Vec<String> = (0..3_000).map(|n| format!("{name} {n}")).collect();
        let records: Vec<_> = values.iter().map(|value| (None, Some(value.as_str()))).collect();
        bench.produce("in", &records).await;
        values.iter().for_each(|value| writeln!(lines, "{value}").unwrap());
        let id = bench.start(name, &sink).await;
        until(&lines).await;
        bench.stop(&id).await;
        assert_eq!(
            bench.heard.states(&id),
            [State::Running, State::Unassigned],
            "{}",
            bench.heard.trace(&id)
        );
    }
    // What is committed while nothing more comes, and what a stop leaves to be published.
    bench.produce("in", &[(None, Some("last"))]).await;
    lines.push_str("last\n");
    let id = bench.start("third", &[&sink[..], &[("segment.max.records", "1")]].concat()).await;
    until(&lines).await;
    bench.stop(&id).await;
    assert_eq!(visible(&folder, "in"), lines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_record_is_in_no_segment_and_comes_again() {
    let bench = Bench::shipped().await;
    let folder = bench.path("out");
    std::fs::create_dir(&folder).unwrap();
    let sink = [
        ("connector.class", "FileSegmentSink"),
        ("topics", "in"),
        ("directory", folder.as_str()),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
    ];
    bench.produce("in", &[(None, Some("1")), (None, Some("{broken")), (None, Some("3"))]).await;
    let id = bench.start("k", &sink).await;
    bench.until(&id, State::Failed).await;
    assert_eq!(visible(&folder, "in"), "");
    bench.stop(&id).await;
    let tolerant = [&sink[..], &[("errors.tolerance", "all")]].concat();
    bench.start("k", &tolerant).await;
    wait(|| async { visible(&folder, "in") == "1\n3\n" }, || visible(&folder, "in")).await;
}
