//! Source tasks.

use cofferdam_api::State;

use crate::bench::Bench;

fn lines(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("line-{n}")).collect()
}

const SOURCE: (&str, &str) = ("connector.class", "test.Source");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_reach_the_topic_and_a_restart_goes_on_behind_them() {
    let bench = Bench::new().await;
    let id = bench.start("s", &[SOURCE, ("topic", "out"), ("records", "10")]).await;
    assert_eq!(bench.values("out", 10).await, lines(0..10));
    bench.stop(&id).await;
    assert_eq!(bench.heard.states(&id), [State::Running, State::Unassigned]);
    // The stop has committed: nothing had to wait for the interval.
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":10}"));
    assert_eq!(bench.heard.topics(), ["out"]);
    bench.start("s", &[SOURCE, ("topic", "out"), ("records", "15")]).await;
    assert_eq!(bench.values("out", 15).await, lines(0..15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_records_stay_in_order_and_are_all_committed() {
    let bench = Bench::new().await;
    let id = bench.start("s", &[SOURCE, ("topic", "out"), ("records", "100000")]).await;
    assert_eq!(bench.values("out", 100_000).await, lines(0..100_000));
    bench.until_metric("kafka_connect_source_task_source_record_write_total", "s", "100000").await;
    bench.stop(&id).await;
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":100000}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transforms_route_and_drop_and_the_offsets_of_dropped_records_count() {
    let bench = Bench::new().await;
    let transforms = [
        SOURCE,
        ("topic", "out"),
        ("records", "10"),
        ("transforms", "route,none"),
        ("transforms.route.type", "test.Transform"),
        ("transforms.route.suffix", "-routed"),
        ("transforms.none.type", "test.Transform"),
        ("transforms.none.drop", "line-9"),
    ];
    let id = bench.start("s", &transforms).await;
    assert_eq!(bench.values("out-routed", 9).await, lines(0..9));
    bench.stop(&id).await;
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":10}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_a_transform_costs_one_record_when_errors_are_tolerated() {
    let bench = Bench::new().await;
    let poison = [
        SOURCE,
        ("topic", "out"),
        ("records", "100"),
        ("errors.tolerance", "all"),
        ("errors.log.enable", "true"),
        ("transforms", "t"),
        ("transforms.t.type", "test.Transform"),
        ("transforms.t.trap.on", "line-37"),
    ];
    let id = bench.start("s", &poison).await;
    let mut expected = lines(0..100);
    expected.remove(37);
    assert_eq!(bench.values("out", 99).await, expected);
    bench.until_metric("kafka_connect_task_error_total_records_skipped", "s", "1").await;
    bench.stop(&id).await;
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":100}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tolerance_what_is_before_the_failing_record_goes_its_way() {
    let bench = Bench::new().await;
    let reject = [
        SOURCE,
        ("topic", "out"),
        ("records", "10"),
        ("transforms", "t"),
        ("transforms.t.type", "test.Transform"),
        ("transforms.t.reject", "line-4"),
    ];
    let id = bench.start("s", &reject).await;
    bench.until(&id, State::Failed).await;
    let trace = bench.heard.trace(&id);
    let head = "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
                Caused by: org.apache.kafka.connect.errors.DataException: rejected\n";
    assert_eq!(trace, head);
    assert_eq!(bench.values("out", 4).await, lines(0..4));
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":4}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_asks_to_be_tried_again_is() {
    let bench = Bench::new().await;
    let retry =
        [SOURCE, ("topic", "out"), ("records", "3"), ("fault.poll", "retriable=20"), ("fault.until", "2")];
    let id = bench.start("s", &retry).await;
    assert_eq!(bench.values("out", 3).await, lines(0..3));
    assert_eq!(bench.heard.states(&id), [State::Running]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_source_cannot_write_is_dead_lettered_before_its_offset_is_stored() {
    let bench = Bench::shipped().await;
    let file = bench.path("in.txt");
    std::fs::write(&file, "one\ntwo\n").unwrap();
    let source = [
        ("connector.class", "FileStreamSource"),
        ("file", file.as_str()),
        ("topic", "out"),
        ("value.converter", "org.apache.kafka.connect.converters.IntegerConverter"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    let id = bench.start("s", &source).await;
    let dead = bench.consume("dead", 2).await;
    let values: Vec<_> = dead.iter().filter_map(|record| record.value.as_deref()).collect();
    assert_eq!(values, ["one", "two"]);
    let names: Vec<&str> = dead[1].headers.iter().map(|(key, _)| key.as_str()).collect();
    let expected = [
        "topic",
        "source.partition",
        "source.offset",
        "connector.name",
        "task.id",
        "stage",
        "class.name",
        "exception.class.name",
        "exception.message",
        "exception.stacktrace",
    ];
    assert_eq!(names, expected.map(|name| format!("__connect.errors.{name}")));
    let header = |name: &str| {
        let name = format!("__connect.errors.{name}");
        dead[1]
            .headers
            .iter()
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    assert_eq!(header("topic"), "out");
    assert_eq!(header("stage"), "VALUE_CONVERTER");
    assert!(header("source.partition").contains("in.txt"), "{}", header("source.partition"));
    assert!(header("source.offset").contains("8"), "{}", header("source.offset"));
    bench.stop(&id).await;
    assert!(bench.offset("s").await.is_some_and(|offset| offset.contains('8')));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_of_a_source_has_what_was_polled_and_not_what_became_of_it() {
    let bench = Bench::shipped().await;
    let file = bench.path("in.txt");
    std::fs::write(&file, "1\ntwo\n3\n").unwrap();
    let source = [
        ("connector.class", "FileStreamSource"),
        ("file", file.as_str()),
        ("topic", "out"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("transforms", "hoist,cast"),
        ("transforms.hoist.type", "org.apache.kafka.connect.transforms.HoistField$Value"),
        ("transforms.hoist.field", "n"),
        ("transforms.cast.type", "org.apache.kafka.connect.transforms.Cast$Value"),
        ("transforms.cast.spec", "n:int32"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
    ];
    bench.start("s", &source).await;
    assert_eq!(bench.values("out", 2).await, ["{\"n\":1}", "{\"n\":3}"]);
    let dead = bench.consume("dead", 1).await.remove(0);
    assert_eq!((dead.value.as_deref(), dead.headers), (Some("two"), Vec::new()));
}
