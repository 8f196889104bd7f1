//! The config store: connectors, task configurations, target states and restart requests.

mod dto;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_api::{ConfigMap, ConnectorName, TargetState};
use tokio::sync::mpsc;

use crate::log::{KeyValue, MemoryLog, Record, RecordLog};
use crate::{ConfigEvent, ConfigStore, Error, Snapshot};
use state::State;

/// Longest time for one write, as in Kafka Connect.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A config store over a log with one partition.
///
/// Only the leader of a cluster may call the writes that Kafka Connect reserves to it (everything but
/// target states); the store does not check that.
pub struct ConfigLogStore<L> {
    shared: Arc<Shared>,
    log: L,
    /// A set of task configurations and its commit are two writes: no other of their connector may come between.
    writing_tasks: tokio::sync::Mutex<()>,
}

/// What the log's reader and the store's callers share.
#[derive(Default)]
pub(crate) struct Shared(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    state: State,
    subscribers: Vec<mpsc::UnboundedSender<ConfigEvent>>,
}

// === impl ConfigLogStore ===

impl ConfigLogStore<MemoryLog> {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let shared = Arc::new(Shared::default());
        shared.replayed();
        let reader = Arc::clone(&shared);
        Self::over(shared, MemoryLog::new(move |record| reader.read(&record)))
    }
}

impl Default for ConfigLogStore<MemoryLog> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: RecordLog> ConfigLogStore<L> {
    /// A store over `log`, whose reader feeds `shared`.
    pub(crate) fn over(shared: Arc<Shared>, log: L) -> Self {
        Self { shared, log, writing_tasks: tokio::sync::Mutex::default() }
    }

    /// Gives back the log underneath.
    pub(crate) fn into_log(self) -> L {
        self.log
    }

    /// Writes what goes `before`, and when that is kept the rest; returns when all of it has been read back.
    async fn write(
        &self,
        what: &'static str,
        before: Vec<KeyValue>,
        records: Vec<KeyValue>,
    ) -> Result<(), Error> {
        let work = async {
            self.log.send(before).await?;
            self.log.send_and_read(records).await
        };
        match tokio::time::timeout(WRITE_TIMEOUT, work).await {
            Ok(result) => result,
            Err(_) => {
                Err(Error::Timeout { what, topic: "to the config store".to_owned(), after: WRITE_TIMEOUT })
            }
        }
    }
}

#[async_trait]
impl<L: RecordLog> ConfigStore for ConfigLogStore<L> {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    async fn refresh(&self) -> Result<(), Error> {
        self.log.read_to_end().await
    }

    fn subscribe(&self) -> mpsc::UnboundedReceiver<ConfigEvent> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.shared.lock().subscribers.push(sender);
        receiver
    }

    async fn put_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        target: Option<TargetState>,
    ) -> Result<(), Error> {
        // The target state first: nobody may start a connector that is to be created stopped.
        let target = target.map(|target| (dto::target_key(name), Some(dto::target(target))));
        let connector = (dto::connector_key(name), Some(dto::properties(config)));
        let records = target.into_iter().chain([connector]).collect();
        self.write("writing a connector configuration", vec![], records).await
    }

    async fn remove_connector(&self, name: &ConnectorName) -> Result<(), Error> {
        let _alone = self.writing_tasks.lock().await;
        self.log.read_to_end().await?;
        let (tasks, has_commit) = self.shared.lock().state.leftovers(name);
        // Kafka Connect leaves task and commit records behind, which compaction can later turn into
        // tasks of a new connector of the same name. Its own workers skip these tombstones.
        let tasks = tasks.into_iter().map(|task| (dto::task_key(name, task), None));
        let commit = has_commit.then(|| (dto::commit_key(name), None));
        let records = [(dto::connector_key(name), None), (dto::target_key(name), None)];
        let records = records.into_iter().chain(tasks).chain(commit).collect();
        self.write("removing a connector", vec![], records).await
    }

    async fn put_task_configs(&self, name: &ConnectorName, tasks: &[ConfigMap]) -> Result<(), Error> {
        let staged = (0..).zip(tasks);
        let staged = staged.map(|(n, config)| (dto::task_key(name, n), Some(dto::properties(config))));
        let _alone = self.writing_tasks.lock().await;
        // No commit of configurations that the broker may have refused.
        let commit = vec![(dto::commit_key(name), Some(dto::commit(tasks.len())))];
        self.write("writing task configurations", staged.collect(), commit).await
    }

    async fn put_task_count(&self, name: &ConnectorName, n_tasks: u32) -> Result<(), Error> {
        let record = (dto::fencing_key(name), Some(dto::task_count(n_tasks)));
        self.write("writing the number of fenced tasks", vec![], vec![record]).await
    }

    async fn put_target_state(&self, name: &ConnectorName, target: TargetState) -> Result<(), Error> {
        let record = (dto::target_key(name), Some(dto::target(target)));
        self.write("writing a target state", vec![], vec![record]).await
    }

    async fn put_restart(
        &self,
        name: &ConnectorName,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<(), Error> {
        let record = (dto::restart_key(name), Some(dto::restart(include_tasks, only_failed)));
        self.write("writing a restart request", vec![], vec![record]).await
    }
}

// === impl Shared ===

impl Shared {
    /// Takes a record of the log.
    pub(crate) fn read(&self, record: &Record<'_>) {
        let mut inner = self.lock();
        let events = inner.state.apply(record);
        for event in events {
            inner.subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
        }
    }

    /// The log was read to its end for the first time.
    pub(crate) fn replayed(&self) {
        self.lock().state.finish_replay();
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.lock().state.snapshot()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
mod tests;
