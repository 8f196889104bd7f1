//! From a file to a topic to a file, through the guests that are shipped.

use std::fmt::Write as _;

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_go_from_file_to_topic_to_file() {
    let bench = Bench::with(&["file-stream"]).await;
    let (from, to) = (bench.path("from"), bench.path("to"));
    let mut lines = String::new();
    for n in 0..5_000 {
        writeln!(lines, "line {n} ä").unwrap();
    }
    std::fs::write(&from, &lines).unwrap();
    let transforms = [("transforms", "t"), ("transforms.t.type", "test.Transform"), ("transforms.t.suffix", "-routed")];
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
