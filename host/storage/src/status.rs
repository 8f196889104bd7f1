//! The status store: states of connectors and tasks, and the topics that connectors use.

mod dto;
mod state;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cofferdam_api::{ConnectorName, Status, TaskId};

use crate::log::{MemoryLog, Record, RecordLog};
use crate::{Error, StatusStore};
use state::State;

/// A status store over a log.
pub struct StatusLogStore<L> {
    shared: Arc<Shared>,
    log: L,
}

/// What the log's reader and the store's callers share.
#[derive(Default)]
pub(crate) struct Shared(Mutex<State>);

// === impl StatusLogStore ===

impl StatusLogStore<MemoryLog> {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        Self::over(shared, MemoryLog::new(move |record| reader.read(&record)))
    }
}

impl Default for StatusLogStore<MemoryLog> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: RecordLog> StatusLogStore<L> {
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
impl<L: RecordLog> StatusStore for StatusLogStore<L> {
    async fn put_connector(
        &self,
        name: &ConnectorName,
        status: Option<Status>,
        safe: bool,
    ) -> Result<(), Error> {
        if safe && !may_replace(self.connector(name), status.as_ref()) {
            return Ok(());
        }
        self.log.send(vec![(dto::connector_key(name), status.as_ref().map(dto::status))]).await
    }

    async fn put_task(&self, id: &TaskId, status: Option<Status>, safe: bool) -> Result<(), Error> {
        if safe && !may_replace(self.task(id), status.as_ref()) {
            return Ok(());
        }
        self.log.send(vec![(dto::task_key(id), status.as_ref().map(dto::status))]).await
    }

    fn connector(&self, name: &ConnectorName) -> Option<Status> {
        self.shared.lock().connectors.get(name)?.status.clone()
    }

    fn task(&self, id: &TaskId) -> Option<Status> {
        self.shared.lock().connectors.get(&id.connector)?.tasks.get(&id.task).cloned()
    }

    fn tasks(&self, name: &ConnectorName) -> Vec<(u32, Status)> {
        let state = self.shared.lock();
        let tasks = state.connectors.get(name).map(|entry| &entry.tasks);
        tasks.into_iter().flatten().map(|(task, status)| (*task, status.clone())).collect()
    }

    fn connectors(&self) -> BTreeSet<ConnectorName> {
        let state = self.shared.lock();
        let told =
            state.connectors.iter().filter(|(_, entry)| entry.status.is_some() || !entry.tasks.is_empty());
        told.map(|(name, _)| name.clone()).collect()
    }

    fn topics(&self, name: &ConnectorName) -> BTreeSet<String> {
        let state = self.shared.lock();
        state.connectors.get(name).map(|entry| entry.topics.clone()).unwrap_or_default()
    }

    async fn add_topic(&self, id: &TaskId, topic: &str) -> Result<(), Error> {
        if self.topics(&id.connector).contains(topic) {
            return Ok(());
        }
        let value = dto::topic(topic, id, cofferdam_stdx::time::wall_ms());
        self.log.send(vec![(dto::topic_key(&id.connector, topic), Some(value))]).await
    }

    async fn reset_topics(&self, name: &ConnectorName) -> Result<(), Error> {
        let topics = self.topics(name);
        self.log.send(topics.iter().map(|topic| (dto::topic_key(name, topic), None)).collect()).await
    }

    async fn remove(&self, name: &ConnectorName) -> Result<(), Error> {
        let tasks = self.tasks(name).into_iter().map(|(task, _)| {
            let id = TaskId { connector: name.clone(), task };
            (dto::task_key(&id), None)
        });
        let topics = self.topics(name).into_iter().map(|topic| (dto::topic_key(name, &topic), None));
        let records = [(dto::connector_key(name), None)].into_iter().chain(tasks).chain(topics).collect();
        self.log.send(records).await
    }
}

/// Whether a safe write may replace what is known: a worker that lost its connectors to another one
/// must not overwrite what that one said since.
fn may_replace(known: Option<Status>, status: Option<&Status>) -> bool {
    let (Some(known), Some(status)) = (known, status) else { return true };
    known.worker_id == status.worker_id || known.generation <= status.generation
}

// === impl Shared ===

impl Shared {
    /// Takes a record of the log.
    pub(crate) fn read(&self, record: &Record<'_>) {
        self.lock().apply(record);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
mod tests;
