//! Every series of a task, one line each: its name, what it says, how it is read.
//!
//! The names that begin with `kafka_connect_` are those under which dashboards for Kafka Connect
//! know these numbers (the rules that Strimzi ships for the JMX exporter); ours begin with
//! `cofferdam_`.

use std::sync::atomic::Ordering::Relaxed;

use crate::task::{TaskKind, TaskSeries, lock, real};

/// A value as it is printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Whole(u64),
    Real(f64),
}

/// How a series behaves; a counter's name is written without its `_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Counter,
    Gauge,
}

/// One series of each task of a kind.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) shape: Shape,
    pub(crate) of: Option<TaskKind>,
    /// None where there is nothing to show yet.
    pub(crate) read: fn(&TaskSeries) -> Option<Number>,
}

macro_rules! series {
    ($($shape:ident $of:expr, $name:literal, $help:literal, $read:expr;)*) => {
        &[$(Series { name: $name, help: $help, shape: Shape::$shape, of: $of, read: $read }),*]
    };
}

macro_rules! whole {
    ($field:ident) => {
        |task| Some(Number::Whole(task.$field.load(Relaxed)))
    };
}

const SOURCE: Option<TaskKind> = Some(TaskKind::Source);
const SINK: Option<TaskKind> = Some(TaskKind::Sink);
const BOTH: Option<TaskKind> = None;

pub(crate) const TASK_SERIES: &[Series] = series! {
    Counter SOURCE, "kafka_connect_source_task_source_record_poll", "Records polled from the plugin", whole!(records_in);
    Gauge SOURCE, "kafka_connect_source_task_source_record_poll_rate", "Records polled per second", |t| Some(Number::Real(t.batch_in.rate()));
    Counter SOURCE, "kafka_connect_source_task_source_record_write", "Records acknowledged by Kafka", whole!(records_out);
    Gauge SOURCE, "kafka_connect_source_task_source_record_write_rate", "Records acknowledged by Kafka per second", |t| Some(Number::Real(t.batch_out.rate()));
    Gauge SOURCE, "kafka_connect_source_task_source_record_active_count", "Records polled and neither written nor dropped yet", active;
    Gauge SOURCE, "kafka_connect_source_task_poll_batch_avg_time_ms", "Mean time of a poll", |t| t.batch_ms.sample().average().map(Number::Real);
    Gauge SOURCE, "kafka_connect_source_task_poll_batch_max_time_ms", "Longest poll", |t| t.batch_ms.sample().maximum().map(Number::Real);

    Counter SINK, "kafka_connect_sink_task_sink_record_read", "Records read from Kafka", whole!(records_in);
    Gauge SINK, "kafka_connect_sink_task_sink_record_read_rate", "Records read from Kafka per second", |t| Some(Number::Real(t.batch_in.rate()));
    Counter SINK, "kafka_connect_sink_task_sink_record_send", "Records handed to the plugin", whole!(records_out);
    Gauge SINK, "kafka_connect_sink_task_sink_record_send_rate", "Records handed to the plugin per second", |t| Some(Number::Real(t.batch_out.rate()));
    Gauge SINK, "kafka_connect_sink_task_sink_record_active_count", "Records handed to the plugin and not committed yet", active;
    Gauge SINK, "kafka_connect_sink_task_partition_count", "Partitions assigned to the task", whole!(partitions);
    Gauge SINK, "kafka_connect_sink_task_put_batch_avg_time_ms", "Mean time of a put", |t| t.batch_ms.sample().average().map(Number::Real);
    Gauge SINK, "kafka_connect_sink_task_put_batch_max_time_ms", "Longest put", |t| t.batch_ms.sample().maximum().map(Number::Real);
    Counter SINK, "kafka_connect_sink_task_offset_commit_completion", "Offset commits completed", whole!(commits);
    Counter SINK, "kafka_connect_sink_task_offset_commit_skip", "Offset commits answered after a newer one", whole!(commit_skips);
    Gauge SINK, "kafka_connect_sink_task_offset_commit_seq_no", "Number of the newest offset commit", whole!(commit_seq);

    Gauge BOTH, "kafka_connect_connector_task_batch_size_avg", "Mean size of a batch", |t| sizes(t).sample().average().map(Number::Real);
    Gauge BOTH, "kafka_connect_connector_task_batch_size_max", "Size of the largest batch", |t| sizes(t).sample().maximum().map(Number::Real);
    Gauge BOTH, "kafka_connect_connector_task_offset_commit_avg_time_ms", "Mean time of an offset commit", |t| t.commit_ms.sample().average().map(Number::Real);
    Gauge BOTH, "kafka_connect_connector_task_offset_commit_max_time_ms", "Longest offset commit", |t| t.commit_ms.sample().maximum().map(Number::Real);
    Gauge BOTH, "kafka_connect_connector_task_running_ratio", "Share of its life that the task was running", |t| Some(Number::Real(lock(&t.state).ratios().0));
    Gauge BOTH, "kafka_connect_connector_task_pause_ratio", "Share of its life that the task was paused", |t| Some(Number::Real(lock(&t.state).ratios().1));

    Gauge BOTH, "kafka_connect_task_error_total_record_errors", "Failed attempts at a record, those tried again included", whole!(record_errors);
    Gauge BOTH, "kafka_connect_task_error_total_record_failures", "Records that failed for good, tolerated or not", whole!(record_failures);
    Gauge BOTH, "kafka_connect_task_error_total_records_skipped", "Records left out because errors are tolerated", whole!(skipped);
    Gauge BOTH, "kafka_connect_task_error_total_retries", "Operations tried again", whole!(retries);
    Gauge BOTH, "kafka_connect_task_error_total_errors_logged", "Errors written to the log", whole!(errors_logged);
    Gauge BOTH, "kafka_connect_task_error_deadletterqueue_produce_requests", "Records sent to the dead letter queue", whole!(dlq_requests);
    Gauge BOTH, "kafka_connect_task_error_deadletterqueue_produce_failures", "Records that the dead letter queue did not take", whole!(dlq_failures);
    Gauge BOTH, "kafka_connect_task_error_last_error_timestamp", "Time of the last error in ms since 1970, 0 for never", |t| Some(at(t.last_error_ms.load(Relaxed)));

    Counter BOTH, "cofferdam_task_in_bytes", "Bytes of keys, values and headers taken in: polled, or read from Kafka", whole!(bytes_in);
    Counter BOTH, "cofferdam_task_out_bytes", "Bytes of keys, values and headers handed on: to Kafka, or to the plugin", whole!(bytes_out);
    Counter BOTH, "cofferdam_task_offset_commit_failures", "Offset commits that failed", whole!(commit_failures);
    Counter BOTH, "cofferdam_task_restarts", "Times the task was started again after a failure, by restart.policy", whole!(restarts);
    Gauge BOTH, "cofferdam_task_last_commit_timestamp_seconds", "Time of the last offset commit, in seconds since 1970", last_commit;
    Counter BOTH, "cofferdam_guest_cpu_seconds", "Processor time of the task's guests", |t| t.guest_usage().map(|usage| Number::Real(usage.cpu.as_secs_f64()));
    Gauge BOTH, "cofferdam_guest_memory_bytes", "Memory that the task's guests hold", |t| t.guest_usage().map(|usage| Number::Whole(usage.memory_bytes));
    Gauge BOTH, "cofferdam_guest_memory_peak_bytes", "Most memory that the task's guests held", |t| t.guest_usage().map(|usage| Number::Whole(usage.memory_peak_bytes));
};

fn active(task: &TaskSeries) -> Option<Number> {
    Some(at(task.active.load(Relaxed)))
}

/// Batches as Kafka Connect counts them: a source's as polled, a sink's as put.
fn sizes(task: &TaskSeries) -> &crate::window::Window {
    match task.kind {
        TaskKind::Source => &task.batch_in,
        TaskKind::Sink => &task.batch_out,
    }
}

fn last_commit(task: &TaskSeries) -> Option<Number> {
    let ms = u64::try_from(task.last_commit_ms.load(Relaxed)).ok().filter(|ms| *ms > 0)?;
    Some(Number::Real(real(ms) / 1e3))
}

/// A count that may have slipped below nothing while two threads updated it.
fn at(n: i64) -> Number {
    Number::Whole(u64::try_from(n).unwrap_or(0))
}
