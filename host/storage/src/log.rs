//! What stores are built on: a log of keyed records that hands every record to one reader, in order.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::Error;

/// A key and its value; none is a tombstone.
pub type KeyValue = (Vec<u8>, Option<Vec<u8>>);

/// A record as its reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp in milliseconds since the epoch.
    pub timestamp: i64,
    /// Its key.
    pub key: &'a [u8],
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A log that is written and followed.
#[async_trait]
pub trait RecordLog: Send + Sync + 'static {
    /// Appends records in this order; all are kept when it returns.
    async fn send(&self, records: Vec<KeyValue>) -> Result<(), Error>;

    /// As [`RecordLog::send`], and returns when the reader has seen them.
    async fn send_and_read(&self, records: Vec<KeyValue>) -> Result<(), Error>;

    /// Returns when the reader has seen all that was in the log when this was called.
    async fn read_to_end(&self) -> Result<(), Error>;

    /// Where others can write records for this log; none when nobody else can.
    fn topic(&self) -> Option<&str> {
        None
    }
}

/// A log that forgets its records once they are read: what they did to the reader's state stays.
pub struct MemoryLog(Mutex<Inner>);

struct Inner {
    next: i64,
    reader: Box<dyn FnMut(Record<'_>) + Send>,
}

impl MemoryLog {
    /// An empty log with its reader.
    #[must_use]
    pub fn new(reader: impl FnMut(Record<'_>) + Send + 'static) -> Self {
        Self(Mutex::new(Inner { next: 0, reader: Box::new(reader) }))
    }
}

#[async_trait]
impl RecordLog for MemoryLog {
    async fn send(&self, records: Vec<KeyValue>) -> Result<(), Error> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in &records {
            let timestamp = cofferdam_stdx::time::wall_ms();
            let record = Record { offset: inner.next, timestamp, key, value: value.as_deref() };
            (inner.reader)(record);
            inner.next += 1;
        }
        Ok(())
    }

    async fn send_and_read(&self, records: Vec<KeyValue>) -> Result<(), Error> {
        self.send(records).await
    }

    async fn read_to_end(&self) -> Result<(), Error> {
        Ok(())
    }
}
