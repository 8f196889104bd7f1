//! Source tasks that write in transactions.

use cofferdam_api::State;

use crate::bench::Bench;

fn lines(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("line-{n}")).collect()
}

const SOURCE: (&str, &str) = ("connector.class", "test.Source");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_in_the_topic_with_their_records_and_a_restart_goes_on_behind_them() {
    let bench = Bench::exactly_once().await;
    let id = bench.start("s", &[SOURCE, ("topic", "out"), ("records", "10")]).await;
    assert_eq!(bench.values("out", 10).await, lines(0..10));
    bench.stop(&id).await;
    assert_eq!(bench.heard.states(&id), [State::Running, State::Unassigned]);
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":10}"));
    bench.start("s", &[SOURCE, ("topic", "out"), ("records", "15")]).await;
    assert_eq!(bench.values("out", 15).await, lines(0..15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_commits_what_an_interval_has_not() {
    let bench = Bench::exactly_once().await;
    let interval = [
        SOURCE,
        ("topic", "out"),
        ("records", "10"),
        ("transaction.boundary", "interval"),
        ("transaction.boundary.interval.ms", "600000"),
    ];
    let id = bench.start("s", &interval).await;
    bench.until(&id, State::Running).await;
    bench.until_metric("kafka_connect_source_task_source_record_poll_total", "s", "10").await;
    bench.stop(&id).await;
    assert_eq!(bench.values("out", 10).await, lines(0..10));
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":10}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_dropped_and_tolerated_records_go_with_the_transaction() {
    let bench = Bench::exactly_once().await;
    let transforms = [
        SOURCE,
        ("topic", "out"),
        ("records", "10"),
        ("errors.tolerance", "all"),
        ("transforms", "drop,reject"),
        ("transforms.drop.type", "test.Transform"),
        ("transforms.drop.drop", "line-9"),
        ("transforms.reject.type", "test.Transform"),
        ("transforms.reject.reject", "line-8"),
    ];
    let id = bench.start("s", &transforms).await;
    assert_eq!(bench.values("out", 8).await, lines(0..8));
    bench.stop(&id).await;
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":10}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_fails_aborts_its_transaction_and_the_offsets_in_it() {
    let bench = Bench::exactly_once().await;
    let reject = [
        SOURCE,
        ("topic", "out"),
        ("records", "10"),
        ("transforms", "t"),
        ("transforms.t.type", "test.Transform"),
        ("transforms.t.reject", "line-4"),
        ("transaction.boundary", "interval"),
        ("transaction.boundary.interval.ms", "600000"),
    ];
    let id = bench.start("s", &reject).await;
    bench.until(&id, State::Failed).await;
    assert!(bench.heard.trace(&id).contains("Tolerance exceeded"), "{}", bench.heard.trace(&id));
    assert_eq!(bench.offset("s").await, None);
    // It is as if nothing had been polled.
    bench.start("s", &[SOURCE, ("topic", "out"), ("records", "10")]).await;
    bench.until_metric("kafka_connect_source_task_source_record_poll_total", "s", "10").await;
    assert_eq!(bench.values("out", 10).await, lines(0..10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_a_connector_would_define_are_refused() {
    let bench = Bench::exactly_once().await;
    let id = bench.start("s", &[SOURCE, ("topic", "out"), ("transaction.boundary", "connector")]).await;
    bench.until(&id, State::Failed).await;
    assert!(bench.heard.trace(&id).contains("use poll or interval"), "{}", bench.heard.trace(&id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_may_not_write_to_the_topic_of_its_offsets() {
    let bench = Bench::exactly_once().await;
    let id = bench.start("s", &[SOURCE, ("topic", "offsets"), ("records", "1")]).await;
    bench.until(&id, State::Failed).await;
    let trace = bench.heard.trace(&id);
    assert!(trace.contains("Source tasks may not produce to their own offsets topics"), "{trace}");
}
