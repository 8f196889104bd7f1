//! Counting what became of records that were handed to a producer: one counter for a batch of them,
//! never a future for each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_api::Class;
use tokio::sync::Notify;

use crate::error::Cause;

/// A record that the broker did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// Topic it was for.
    pub topic: String,
    /// Partition it was for; −1 when none was chosen.
    pub partition: i32,
    /// What librdkafka or the broker said.
    pub error: String,
    /// What can be done about it.
    pub class: Class,
    /// The record as it was handed over, where it may be at fault itself ([`Class::Data`]).
    pub record: Option<Arc<RefusedRecord>>,
}

/// Copy of a record that the broker did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// Headers in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Counts the acknowledgements of a group of records.
///
/// [`Producer::send`](crate::Producer::send) counts the records; nobody else does.
#[derive(Debug)]
pub struct Delivery {
    pending: AtomicU32,
    failures: Mutex<Vec<DeliveryFailure>>,
    cause: Mutex<Option<Cause>>,
    done: Arc<Notify>,
    /// Offset behind the last record of each partition, where that is of interest.
    ends: Option<Mutex<BTreeMap<i32, i64>>>,
}

impl Delivery {
    /// Nothing sent yet. `done` is notified each time the last pending record is settled.
    #[must_use]
    pub fn new(done: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self::with(done, None))
    }

    /// As [`Delivery::new`], for records of one topic; keeps where they went.
    pub(crate) fn with_ends() -> Arc<Self> {
        Arc::new(Self::with(Arc::default(), Some(Mutex::default())))
    }

    fn with(done: Arc<Notify>, ends: Option<Mutex<BTreeMap<i32, i64>>>) -> Self {
        Self { pending: AtomicU32::new(0), failures: Mutex::default(), cause: Mutex::default(), done, ends }
    }

    /// Records handed over and not yet settled.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.pending.load(Ordering::Acquire)
    }

    /// The records that failed so far.
    #[must_use]
    pub fn failures(&self) -> Vec<DeliveryFailure> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until nothing is pending. For one waiter that shares `done` with nobody.
    pub async fn settled(&self) {
        while self.pending() > 0 {
            self.done.notified().await;
        }
    }

    /// Why the first failed record did, with all that is known.
    pub(crate) fn first_cause(&self) -> Option<Cause> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Offset behind the last record of each partition that arrived.
    pub(crate) fn ends(&self) -> BTreeMap<i32, i64> {
        let ends = self.ends.as_ref().map(|ends| ends.lock().unwrap_or_else(PoisonError::into_inner).clone());
        ends.unwrap_or_default()
    }

    /// Notes where a record went; comes before its `settle`.
    pub(crate) fn arrived(&self, partition: i32, offset: i64) {
        if let Some(ends) = &self.ends {
            let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
            let end = ends.entry(partition).or_default();
            *end = (*end).max(offset + 1);
        }
    }

    /// Counts records before they are handed over.
    pub(crate) fn add(&self, records: u32) {
        self.pending.fetch_add(records, Ordering::AcqRel);
    }

    /// Counts records down: acknowledged, failed, or not handed over after all.
    pub(crate) fn settle(&self, records: u32) {
        if records > 0 && self.pending.fetch_sub(records, Ordering::AcqRel) == records {
            self.done.notify_one();
        }
    }

    /// Notes a failure; comes before its `settle`.
    pub(crate) fn fail(
        &self,
        topic: String,
        partition: i32,
        cause: &Cause,
        record: impl FnOnce() -> RefusedRecord,
    ) {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| cause.clone());
        // A broker that is away has thousands fail: what is not at fault is not copied.
        let record = (cause.class == Class::Data).then(|| Arc::new(record()));
        let failure =
            DeliveryFailure { topic, partition, error: cause.text.clone(), class: cause.class, record };
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_settled_record_ends_the_wait() {
        let delivery = Delivery::new(Arc::default());
        delivery.add(3);
        delivery.settle(1);
        assert_eq!(delivery.pending(), 2);
        let late = tokio::time::timeout(std::time::Duration::from_millis(1), delivery.settled()).await;
        assert!(late.is_err());
        delivery.settle(2);
        delivery.settled().await;
        assert_eq!(delivery.pending(), 0);
    }
}
