//! Asking a source for records, and checking what it answers.

use std::time::Duration;

use cofferdam_frame::Frame;
use cofferdam_plugins::{CallError, GuestError, SourceInstance, TransactionEnd, TransactionEnds};
use cofferdam_stdx::{Backoff, time::now};
use cofferdam_telemetry::TaskMetrics;

use crate::Error;
use crate::batch::{Batch, check_topic};
use crate::chain::Layout;

/// Most records of one poll.
const RECORDS_MAX: u32 = 2_000;
/// About the most bytes of one poll.
const BYTES_MAX: u32 = 1 << 20;
/// How long a guest may wait for records inside a poll. A task is stopped between two polls.
const WAIT: Duration = Duration::from_millis(500);
/// First pause after a poll that gave nothing; doubled each time, up to [`IDLE_MAX`]. A source that
/// has just been busy so answers new records within a millisecond or two, an idle one costs a call
/// a second.
const IDLE_FIRST: Duration = Duration::from_millis(1);
/// Longest pause between two polls; as long as Kafka Connect's FileStreamSource waits between two looks.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// The guest of a source task.
pub(crate) struct Poll {
    pub(crate) instance: SourceInstance,
    class: String,
    layout: Layout,
    idle: Backoff,
}

/// What a poll gave.
pub(crate) enum Polled {
    /// Records, and where in them the guest ends transactions.
    Records(Batch, TransactionEnds),
    /// Nothing now: ask again after this. The guest may end a transaction all the same.
    Nothing(Duration, Option<TransactionEnd>),
}

impl Poll {
    /// A guest that was started.
    pub(crate) fn new(instance: SourceInstance) -> Self {
        let class = instance.info().class.clone();
        let layout = Layout::of(instance.info());
        Self { instance, class, layout, idle: Backoff::new(IDLE_FIRST, IDLE_MAX) }
    }

    /// Asks for records.
    pub(crate) async fn poll(&mut self, metrics: &TaskMetrics) -> Result<Polled, Error> {
        let began = now();
        match self.instance.poll(RECORDS_MAX, BYTES_MAX, WAIT).await {
            Ok(frame) => {
                let ends = self.instance.take_transaction_ends();
                let n_bytes = frame.len();
                let batch = Batch::new(frame, self.layout.key, self.layout.value, self.layout.value);
                if batch.is_empty() {
                    return Ok(Polled::Nothing(self.idle.next_delay(), ends.behind_batch()));
                }
                check(batch.frame()).map_err(Error::UnusableBatch)?;
                self.idle.reset();
                metrics.polled(batch.len() as u64, n_bytes as u64, began.elapsed());
                Ok(Polled::Records(batch, ends))
            }
            // Kafka Connect polls again at once; a source whose system is down would then spin.
            Err(CallError::Guest(GuestError::Retriable { message, backoff })) => {
                let pause = backoff
                    .map_or_else(|| self.idle.next_delay(), |asked| asked.min(Duration::from_secs(60)));
                tracing::warn!("the source asks to be polled again in {} ms: {message}", pause.as_millis());
                metrics.retried();
                Ok(Polled::Nothing(pause, None))
            }
            Err(error) => Err(Error::Guest { class: self.class.clone(), call: "poll", error }),
        }
    }
}

/// Checks what a frame's layout alone does not guarantee.
fn check(frame: Frame<'_>) -> Result<(), String> {
    for index in 0..frame.n_topics() as u16 {
        check_topic(frame.topic(index).unwrap_or_default())?;
    }
    for index in 0..frame.n_source_partitions() as u16 {
        check_object("source partition", frame.source_partition(index).unwrap_or_default())?;
    }
    for (index, record) in frame.iter().enumerate() {
        if record.topic().is_empty() {
            return Err(format!("record {index} has no topic"));
        }
        if let Some(timestamp) = record.entry.timestamp.filter(|timestamp| *timestamp < -1) {
            return Err(format!("record {index}: Invalid record timestamp {timestamp}"));
        }
    }
    Ok(())
}

/// Checks that `json` is the text of an object.
pub(crate) fn check_object(what: &str, json: &str) -> Result<(), String> {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the {what} {json:.200} is not a JSON object: {error}")),
    }
}
