//! `/metrics` as a scraper reads it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;
use crate::task::GuestUsage;

/// The samples of the page that mention `what`, without those of the process itself.
fn samples(metrics: &Metrics, what: &str) -> String {
    let page = metrics.render();
    assert!(page.ends_with("# EOF\n"), "{page}");
    assert!(!page.contains("NaN"), "{page}");
    let lines = page.lines().filter(|line| !line.starts_with('#') && line.contains(what));
    lines.fold(String::new(), |out, line| out + line + "\n")
}

fn check(metrics: &Metrics, what: &str, expected: &Expect) {
    expected.assert_eq(&samples(metrics, what));
}

#[tokio::test(start_paused = true)]
async fn a_source_task_shows_what_dashboards_look_for() {
    let metrics = Metrics::new();
    let task = metrics.task("orders", 0, TaskKind::Source);
    task.state("RUNNING");
    task.polled(3, 300, Duration::from_millis(2));
    task.written(1, 100);
    task.dropped(1);
    task.record_errors(2);
    task.commit_succeeded(Duration::from_millis(8));
    task.watch_guest(|| GuestUsage {
        cpu: Duration::from_millis(1500),
        memory_bytes: 65536,
        memory_peak_bytes: 131_072,
    });
    tokio::time::advance(Duration::from_secs(10)).await;
    task.state("PAUSED");
    tokio::time::advance(Duration::from_secs(10)).await;

    check(
        &metrics,
        "source_task",
        &expect![[r#"
        kafka_connect_source_task_source_record_poll_total{connector="orders",task="0"} 3
        kafka_connect_source_task_source_record_poll_rate{connector="orders",task="0"} 0.1
        kafka_connect_source_task_source_record_write_total{connector="orders",task="0"} 1
        kafka_connect_source_task_source_record_write_rate{connector="orders",task="0"} 0.03333333333333333
        kafka_connect_source_task_source_record_active_count{connector="orders",task="0"} 1
        kafka_connect_source_task_poll_batch_avg_time_ms{connector="orders",task="0"} 2.0
        kafka_connect_source_task_poll_batch_max_time_ms{connector="orders",task="0"} 2.0
    "#]],
    );
    check(
        &metrics,
        "connector_task",
        &expect![[r#"
        kafka_connect_connector_task_status{connector="orders",task="0",status="paused"} 1
        kafka_connect_connector_task_batch_size_avg{connector="orders",task="0"} 3.0
        kafka_connect_connector_task_batch_size_max{connector="orders",task="0"} 3.0
        kafka_connect_connector_task_offset_commit_avg_time_ms{connector="orders",task="0"} 8.0
        kafka_connect_connector_task_offset_commit_max_time_ms{connector="orders",task="0"} 8.0
        kafka_connect_connector_task_running_ratio{connector="orders",task="0"} 0.5
        kafka_connect_connector_task_pause_ratio{connector="orders",task="0"} 0.5
    "#]],
    );
    check(
        &metrics,
        "total_record_errors",
        &expect![[r#"
        kafka_connect_task_error_total_record_errors{connector="orders",task="0"} 2
    "#]],
    );
    check(
        &metrics,
        "cofferdam_guest",
        &expect![[r#"
        cofferdam_guest_cpu_seconds_total{connector="orders",task="0"} 1.5
        cofferdam_guest_memory_bytes{connector="orders",task="0"} 65536
        cofferdam_guest_memory_peak_bytes{connector="orders",task="0"} 131072
    "#]],
    );
    check(&metrics, "sink", &expect![[""]]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_task_shows_its_lag_by_partition() {
    let metrics = Metrics::new();
    let task = metrics.task("out", 1, TaskKind::Sink);
    task.assigned(2);
    task.lag("t", 0, Some(17));
    task.lag("t", 1, Some(4));
    task.lag("t", 1, None);
    task.read(5, 500);
    task.sent(4, 400, Duration::from_millis(20));
    task.active(4);
    assert_eq!((task.commit_started(), task.commit_started()), (1, 2));
    task.commit_skipped();

    check(
        &metrics,
        "sink_task",
        &expect![[r#"
        kafka_connect_sink_task_sink_record_read_total{connector="out",task="1"} 5
        kafka_connect_sink_task_sink_record_read_rate{connector="out",task="1"} 0.16666666666666667
        kafka_connect_sink_task_sink_record_send_total{connector="out",task="1"} 4
        kafka_connect_sink_task_sink_record_send_rate{connector="out",task="1"} 0.13333333333333334
        kafka_connect_sink_task_sink_record_active_count{connector="out",task="1"} 4
        kafka_connect_sink_task_partition_count{connector="out",task="1"} 2
        kafka_connect_sink_task_put_batch_avg_time_ms{connector="out",task="1"} 20.0
        kafka_connect_sink_task_put_batch_max_time_ms{connector="out",task="1"} 20.0
        kafka_connect_sink_task_offset_commit_completion_total{connector="out",task="1"} 0
        kafka_connect_sink_task_offset_commit_skip_total{connector="out",task="1"} 1
        kafka_connect_sink_task_offset_commit_seq_no{connector="out",task="1"} 2
    "#]],
    );
    check(
        &metrics,
        "cofferdam_sink_lag",
        &expect![[r#"
        cofferdam_sink_lag_records{connector="out",task="1",topic="t",partition="0"} 17
    "#]],
    );
    check(
        &metrics,
        "cofferdam_put_seconds",
        &expect![[r#"
        cofferdam_put_seconds_sum{connector="out",task="1"} 0.02
        cofferdam_put_seconds_count{connector="out",task="1"} 1
        cofferdam_put_seconds_bucket{le="0.0001",connector="out",task="1"} 0
        cofferdam_put_seconds_bucket{le="0.0005",connector="out",task="1"} 0
        cofferdam_put_seconds_bucket{le="0.0025",connector="out",task="1"} 0
        cofferdam_put_seconds_bucket{le="0.01",connector="out",task="1"} 0
        cofferdam_put_seconds_bucket{le="0.05",connector="out",task="1"} 1
        cofferdam_put_seconds_bucket{le="0.25",connector="out",task="1"} 1
        cofferdam_put_seconds_bucket{le="1.0",connector="out",task="1"} 1
        cofferdam_put_seconds_bucket{le="5.0",connector="out",task="1"} 1
        cofferdam_put_seconds_bucket{le="30.0",connector="out",task="1"} 1
        cofferdam_put_seconds_bucket{le="+Inf",connector="out",task="1"} 1
    "#]],
    );

    task.assigned(0);
    check(&metrics, "cofferdam_sink_lag", &expect![[""]]);
}

#[tokio::test(start_paused = true)]
async fn series_live_as_long_as_the_last_handle_of_their_task() {
    let metrics = Metrics::new();
    let first = metrics.task("c", 0, TaskKind::Source);
    first.polled(9, 9, Duration::ZERO);
    let again = first.clone();
    drop(first);
    check(
        &metrics,
        "record_poll_total",
        &expect![[r#"
        kafka_connect_source_task_source_record_poll_total{connector="c",task="0"} 9
    "#]],
    );

    let second = metrics.task("c", 0, TaskKind::Source);
    check(
        &metrics,
        "record_poll_total",
        &expect![[r#"
        kafka_connect_source_task_source_record_poll_total{connector="c",task="0"} 0
    "#]],
    );
    drop(again);
    assert_ne!(samples(&metrics, "record_poll_total"), "");
    drop(second);
    assert_eq!(samples(&metrics, "connector=\"c\""), "");
}

#[tokio::test(start_paused = true)]
async fn the_worker_counts_its_connectors_tasks_and_starts() {
    let metrics = Metrics::new();
    let connector = metrics.connector("a \"b\"", "org.Sink", "sink", "1.0");
    connector.state("RUNNING");
    let tasks = [metrics.task("a \"b\"", 0, TaskKind::Sink), metrics.task("a \"b\"", 1, TaskKind::Sink)];
    tasks[0].state("RUNNING");
    tasks[1].state("FAILED");
    metrics.connector_started(true);
    metrics.task_started(true);
    metrics.task_started(false);
    check(
        &metrics,
        "kafka_connect_worker",
        &expect![[r#"
        kafka_connect_worker_connector_count 1
        kafka_connect_worker_task_count 2
        kafka_connect_worker_connector_startup_attempts_total 1
        kafka_connect_worker_connector_startup_success_total 1
        kafka_connect_worker_connector_startup_failure_total 0
        kafka_connect_worker_task_startup_attempts_total 2
        kafka_connect_worker_task_startup_success_total 1
        kafka_connect_worker_task_startup_failure_total 1
        kafka_connect_worker_connector_total_task_count{connector="a \"b\""} 2
        kafka_connect_worker_connector_running_task_count{connector="a \"b\""} 1
        kafka_connect_worker_connector_paused_task_count{connector="a \"b\""} 0
        kafka_connect_worker_connector_failed_task_count{connector="a \"b\""} 1
        kafka_connect_worker_connector_unassigned_task_count{connector="a \"b\""} 0
        kafka_connect_worker_connector_restarting_task_count{connector="a \"b\""} 0
    "#]],
    );
    check(
        &metrics,
        "kafka_connect_connector_status",
        &expect![[r#"
        kafka_connect_connector_status{connector="a \"b\"",status="running"} 1
    "#]],
    );
    drop(connector);
    check(
        &metrics,
        "kafka_connect_connector_",
        &expect![[r#"
        kafka_connect_connector_task_status{connector="a \"b\"",task="0",status="running"} 1
        kafka_connect_connector_task_status{connector="a \"b\"",task="1",status="failed"} 1
        kafka_connect_connector_task_running_ratio{connector="a \"b\"",task="0"} 0.0
        kafka_connect_connector_task_running_ratio{connector="a \"b\"",task="1"} 0.0
        kafka_connect_connector_task_pause_ratio{connector="a \"b\"",task="0"} 0.0
        kafka_connect_connector_task_pause_ratio{connector="a \"b\"",task="1"} 0.0
    "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn a_plugin_makes_few_series_and_no_nan() {
    let metrics = Metrics::new();
    let task = metrics.task("c", 0, TaskKind::Source);
    assert!(task.plugin_count("requests", 2) && task.plugin_count("requests", 3));
    assert!(task.plugin_gauge("depth", 0.5));
    assert!(!task.plugin_gauge("nothing", f64::NAN));
    check(
        &metrics,
        "cofferdam_plugin",
        &expect![[r#"
        cofferdam_plugin_count_total{connector="c",task="0",name="requests"} 5
        cofferdam_plugin_value{connector="c",task="0",name="depth"} 0.5
    "#]],
    );
    let made = (0..1_000).filter(|n| task.plugin_count(&format!("n{n}"), 1)).count();
    assert_eq!(made, 63);
    assert!(!task.plugin_gauge(&"x".repeat(1_000), 1.0));
}

#[test]
fn the_process_says_what_it_uses() {
    let metrics = Metrics::new();
    if cfg!(target_os = "linux") {
        assert!(samples(&metrics, "process_resident_memory_bytes ").len() > 32);
        assert!(samples(&metrics, "process_cpu_seconds_total ").len() > 27);
    }
    assert!(samples(&metrics, "cofferdam_build_info").contains(env!("CARGO_PKG_VERSION")));
}
