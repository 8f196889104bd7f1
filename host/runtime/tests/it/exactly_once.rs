//! Source tasks that write in transactions.

use cofferdam_api::{State, TargetState};
use cofferdam_worker_api::Worker as _;

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
async fn a_connector_that_cannot_define_transactions_is_refused() {
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

/// A connector that ends its transactions itself, with these settings more.
fn by_connector<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        ("connector.class", "test.TransactionalSource"),
        ("topic", "out"),
        ("records", "10"),
        ("transaction.boundary", "connector"),
    ];
    all.extend(more);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_connector_has_not_ended_is_not_committed_by_time_pause_or_stop() {
    let bench = Bench::exactly_once().await;
    let id = bench.start("s", &by_connector(&[("commit.each", "4")])).await;
    // The last two records stay open; reading takes longer than offset.flush.interval.ms.
    bench.until_metric("kafka_connect_source_task_source_record_poll_total", "s", "10").await;
    assert_eq!(bench.values("out", 8).await, lines(0..8));
    bench.worker.set_target_state(&"s".into(), TargetState::Paused).await;
    bench.until(&id, State::Paused).await;
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":8}"));
    bench.stop(&id).await;
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":8}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_aborted_records_are_stored() {
    let bench = Bench::exactly_once().await;
    // The transaction behind record 6 is aborted, the last one is committed with its batch.
    let ends = by_connector(&[("commit.each", "3"), ("abort.each", "2"), ("end.batch", "abort")]);
    let id = bench.start("s", &ends).await;
    bench.until_offset("s", "{\"n\":10}").await;
    bench.stop(&id).await;
    assert_eq!(bench.heard.states(&id), [State::Running, State::Unassigned]);
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":10}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_committed_or_aborted_but_not_both() {
    let bench = Bench::exactly_once().await;
    let id = bench.start("s", &by_connector(&[("end.batch", "both")])).await;
    bench.until(&id, State::Failed).await;
    let trace = bench.heard.trace(&id);
    assert!(trace.contains("Connector requested both commit and abort of same transaction"), "{trace}");
    assert_eq!(bench.offset("s").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_hears_that_other_boundaries_are_not_its_own() {
    let bench = Bench::exactly_once().await;
    let poll = [("transaction.boundary", "poll"), ("commit.each", "4"), ("end.batch", "both")];
    let id = bench.start("s", &by_connector(&poll)).await;
    assert_eq!(bench.values("out", 10).await, lines(0..10));
    bench.stop(&id).await;
    assert_eq!(bench.offset("s").await.as_deref(), Some("{\"n\":10}"));
}
