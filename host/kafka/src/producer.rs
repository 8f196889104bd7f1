//! The producer: frames in, acknowledgements counted.
//!
//! Records of one call stay in order for each partition. librdkafka's queue is the only buffer; when
//! it is full, [`Producer::send`] waits for room, everything else is an error.

use std::collections::HashMap;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_frame::{Frame, Record};

use crate::error::{Cause, Error, Result};
use crate::native::{Client, Kind, Outgoing};
use crate::{ClientConfig, Delivery, Role, events};

/// Records handed over between two chances for other tasks.
const RUN_MAX: usize = 1000;
/// What librdkafka refuses beyond, when nothing is said.
const MESSAGE_MAX_BYTES: u64 = 1_000_000;

/// A producer; clones share one client. The last one to be dropped cancels what is still pending;
/// [`Producer::flush`] first if that matters.
#[derive(Clone)]
pub struct Producer {
    client: Arc<Client>,
    message_max_bytes: usize,
}

/// A record that could not be handed over. All records before it were, it and those after it were
/// not and are not counted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("handing over record {index}")]
pub struct SendError {
    /// Position of the record in the frame.
    pub index: usize,
    /// Why.
    #[source]
    pub error: Error,
}

impl Producer {
    /// Starts a producer. It connects by itself, now or later. Must be called within tokio.
    ///
    /// # Errors
    /// Settings that contradict each other, or files they name that cannot be read.
    pub fn new(config: &ClientConfig) -> Result<Self> {
        debug_assert!(matches!(config.role(), Role::Producer | Role::Log), "{:?}", config.role());
        let client = Client::new(Kind::Producer, config)?;
        events::serve(&client);
        let message_max_bytes = config.number("message.max.bytes").unwrap_or(MESSAGE_MAX_BYTES);
        Ok(Self { client, message_max_bytes: usize::try_from(message_max_bytes).unwrap_or(usize::MAX) })
    }

    /// Hands every record of `frame` over: to its own topic, and partition and timestamp if it has
    /// them, with key, value and header values as they lie in the frame.
    ///
    /// Record *i* counts on `deliveries[delivery_of[i]]`, or nowhere if there is no such entry. All
    /// are counted before the first is handed over, so a delivery does not end half-way. Waits for
    /// room as long as it takes. Not cancel-safe: dropped while waiting, it leaves the records that
    /// were not handed over pending for ever.
    ///
    /// # Errors
    /// The first record that is refused, and why.
    pub async fn send(
        &self,
        frame: &Frame<'_>,
        deliveries: &[Arc<Delivery>],
        delivery_of: &[u32],
    ) -> Result<(), SendError> {
        self.send_range(frame, 0..frame.len(), deliveries, delivery_of).await
    }

    /// As [`Producer::send`], for the records in `range`. `delivery_of` and the error's index count
    /// from the first record of the frame.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn send_range(
        &self,
        frame: &Frame<'_>,
        range: Range<usize>,
        deliveries: &[Arc<Delivery>],
        delivery_of: &[u32],
    ) -> Result<(), SendError> {
        let delivery = |index: usize| deliveries.get(usize::try_from(*delivery_of.get(index)?).ok()?);
        let end = range.end.min(frame.len());
        count(range.start..end, delivery, Delivery::add);
        let mut at = range.start;
        while at < end {
            // Listening starts before the attempt, so that no sign of room is missed.
            let mut room = pin!(self.client.shared.room.notified());
            room.as_mut().enable();
            let (taken, refused) = self.run(frame, at..end, &delivery);
            at += taken;
            match refused {
                None => tokio::task::consume_budget().await,
                Some(cause) if cause.is_full() => room.await,
                Some(cause) => {
                    count(at..end, delivery, Delivery::settle);
                    let topic = frame.get(at).map_or("", |record| record.topic()).to_owned();
                    return Err(SendError { index: at, error: Error::Produce { topic, cause } });
                }
            }
        }
        Ok(())
    }

    /// Waits until everything that was handed over is settled, whether it succeeded or failed.
    ///
    /// # Errors
    /// When that takes longer than `timeout`; says how many records are left.
    pub async fn flush(&self, timeout: Duration) -> Result<()> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let client = Arc::clone(&self.client);
        let flushed = tokio::task::spawn_blocking(move || client.flush(timeout_ms)).await;
        flushed.unwrap_or_else(|_| Err(Cause::bug("the worker is shutting down"))).map_err(|cause| {
            Error::Flush { left: self.client.outstanding(), cause: self.client.explain(cause) }
        })
    }

    pub(crate) const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// What is wrong with the connection, for status pages.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.client.shared.trouble()
    }

    /// Hands over as many records as are alike, at most [`RUN_MAX`]. Says how many were taken.
    fn run<'a>(
        &self,
        frame: &Frame<'_>,
        range: Range<usize>,
        delivery: &impl Fn(usize) -> Option<&'a Arc<Delivery>>,
    ) -> (usize, Option<Cause>) {
        let Some(first) = frame.get(range.start) else { return (range.len(), None) };
        let is_batched = |record: &Record<'_>| is_plain(record) && !self.is_too_large(record);
        let batched = is_batched(&first);
        let run = range.clone().zip(frame.iter().skip(range.start)).take(RUN_MAX);
        let run = run
            .take_while(|(_, record)| {
                record.entry.topic == first.entry.topic && is_batched(record) == batched
            })
            .map(|(index, record)| Outgoing {
                partition: record.entry.partition,
                timestamp: record.entry.timestamp,
                headers: record.headers(),
                key: record.key(),
                value: record.value(),
                delivery: delivery(index),
            });
        if batched {
            self.client.produce_batch(first.topic(), run)
        } else {
            self.client.produce(first.topic(), run)
        }
    }

    /// A batch call would go on after such a record; by itself it is refused with the right error.
    fn is_too_large(&self, record: &Record<'_>) -> bool {
        let len = record.key().unwrap_or_default().len() + record.value().unwrap_or_default().len();
        len > self.message_max_bytes
    }
}

/// Whether the batch call can carry the record: it knows no headers and timestamps, and reports a
/// partition that does not exist too late.
const fn is_plain(record: &Record<'_>) -> bool {
    record.entry.n_headers == 0 && record.entry.timestamp.is_none() && record.entry.partition.is_none()
}

/// Tells each delivery of `range` how many records it is about.
fn count<'a>(
    range: Range<usize>,
    delivery: impl Fn(usize) -> Option<&'a Arc<Delivery>>,
    tell: impl Fn(&Delivery, u32),
) {
    let mut counts: HashMap<*const Delivery, (&Arc<Delivery>, u32)> = HashMap::new();
    let mut last: Option<(&Arc<Delivery>, u32)> = None;
    for delivery in range.filter_map(delivery) {
        // Records of one delivery come in runs.
        match &mut last {
            Some((known, count)) if Arc::ptr_eq(known, delivery) => *count += 1,
            _ => {
                flush_count(&mut counts, last.replace((delivery, 1)));
            }
        }
    }
    flush_count(&mut counts, last);
    for (delivery, count) in counts.into_values() {
        tell(delivery, count);
    }
}

fn flush_count<'a>(
    counts: &mut HashMap<*const Delivery, (&'a Arc<Delivery>, u32)>,
    run: Option<(&'a Arc<Delivery>, u32)>,
) {
    if let Some((delivery, count)) = run {
        counts.entry(Arc::as_ptr(delivery)).or_insert((delivery, 0)).1 += count;
    }
}
