//! The offset store over a log.

pub(crate) mod json;
pub(crate) mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cofferdam_api::JsonText;

use crate::log::{MemoryLog, Record, RecordLog};
use crate::{Error, OffsetRecords, OffsetStore};
use table::Table;

/// An offset store over a log, which may have many partitions.
pub struct OffsetLogStore<L> {
    shared: Arc<Shared>,
    log: L,
}

/// What the log's reader and the store's callers share.
#[derive(Default)]
pub(crate) struct Shared(Mutex<Table>);

// === impl OffsetLogStore ===

impl OffsetLogStore<MemoryLog> {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        Self::over(shared, MemoryLog::new(move |record| reader.read(&record)))
    }
}

impl Default for OffsetLogStore<MemoryLog> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: RecordLog> OffsetLogStore<L> {
    /// A store over `log`, whose reader feeds `shared`.
    pub(crate) const fn over(shared: Arc<Shared>, log: L) -> Self {
        Self { shared, log }
    }

    /// Gives back the log underneath.
    pub(crate) fn into_log(self) -> L {
        self.log
    }
}

#[async_trait]
impl<L: RecordLog> OffsetStore for OffsetLogStore<L> {
    async fn get(&self, connector: &str, partitions: &[JsonText]) -> Result<Vec<Option<JsonText>>, Error> {
        self.log.read_to_end().await?;
        self.shared.lock().get(connector, partitions)
    }

    async fn set(&self, connector: &str, offsets: Vec<(JsonText, Option<JsonText>)>) -> Result<(), Error> {
        let records = self.shared.lock().plan(connector, &offsets)?;
        if records.is_empty() {
            return Ok(());
        }
        self.log.send(records).await
    }

    async fn list(&self, connector: &str) -> Result<Vec<(JsonText, JsonText)>, Error> {
        self.log.read_to_end().await?;
        Ok(self.shared.lock().list(connector))
    }

    fn records(
        &self,
        connector: &str,
        offsets: &[(JsonText, Option<JsonText>)],
    ) -> Result<Option<OffsetRecords>, Error> {
        let Some(topic) = self.log.topic() else { return Ok(None) };
        let records = self.shared.lock().plan(connector, offsets)?;
        Ok(Some(OffsetRecords { topic: topic.to_owned(), records }))
    }
}

// === impl Shared ===

impl Shared {
    /// Takes a record of the log.
    pub(crate) fn read(&self, record: &Record<'_>) {
        self.lock().apply(record);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
mod tests;
