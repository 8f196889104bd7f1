//! The config store: connectors, task configurations, target states and restart requests.

mod dto;
mod state;

use std::collections::VecDeque;
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
    /// A set of task configurations and its commit are two writes: no other may come between.
    writing: tokio::sync::Mutex<()>,
}

/// What the log's reader and the store's callers share.
#[derive(Default)]
pub(crate) struct Shared(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    state: State,
    snapshot: Option<Arc<Snapshot>>,
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
        Self { shared, log, writing: tokio::sync::Mutex::new(()) }
    }

    /// Gives back the log underneath.
    pub(crate) fn into_log(self) -> L {
        self.log
    }

    /// Writes each batch after the one before has been read back.
    async fn write(
        &self,
        what: &'static str,
        batches: impl IntoIterator<Item = Vec<KeyValue>> + Send,
    ) -> Result<(), Error> {
        let mut batches: VecDeque<_> = batches.into_iter().collect();
        let work = async {
            let _alone = self.writing.lock().await;
            while let Some(batch) = batches.pop_front() {
                self.log.send(batch).await?;
                self.log.read_to_end().await?;
            }
            Ok(())
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
        self.write("writing a connector configuration", [target.into_iter().chain([connector]).collect()])
            .await
    }

    async fn remove_connector(&self, name: &ConnectorName) -> Result<(), Error> {
        self.log.read_to_end().await?;
        let (tasks, has_commit) = self.shared.lock().state.leftovers(name);
        // Kafka Connect leaves task and commit records behind, which compaction can later turn into
        // tasks of a new connector of the same name. Its own workers skip these tombstones.
        let tasks = tasks.into_iter().map(|task| (dto::task_key(name, task), None));
        let commit = has_commit.then(|| (dto::commit_key(name), None));
        let records = [(dto::connector_key(name), None), (dto::target_key(name), None)];
        self.write("removing a connector", [records.into_iter().chain(tasks).chain(commit).collect()]).await
    }

    async fn put_task_configs(&self, name: &ConnectorName, tasks: &[ConfigMap]) -> Result<(), Error> {
        self.log.read_to_end().await?;
        let staged: Vec<_> = (0..)
            .zip(tasks)
            .map(|(n, config)| (dto::task_key(name, n), Some(dto::properties(config))))
            .collect();
        let commit = vec![(dto::commit_key(name), Some(dto::commit(tasks.len())))];
        let batches = [staged, commit].into_iter().filter(|batch| !batch.is_empty());
        self.write("writing task configurations", batches.collect::<Vec<_>>()).await
    }

    async fn put_task_count(&self, name: &ConnectorName, n_tasks: u32) -> Result<(), Error> {
        let record = (dto::fencing_key(name), Some(dto::task_count(n_tasks)));
        self.write("writing the number of fenced tasks", [vec![record]]).await
    }

    async fn put_target_state(&self, name: &ConnectorName, target: TargetState) -> Result<(), Error> {
        let record = (dto::target_key(name), Some(dto::target(target)));
        self.write("writing a target state", [vec![record]]).await
    }

    async fn put_restart(
        &self,
        name: &ConnectorName,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<(), Error> {
        let record = (dto::restart_key(name), Some(dto::restart(include_tasks, only_failed)));
        self.write("writing a restart request", [vec![record]]).await
    }
}

// === impl Shared ===

impl Shared {
    /// Takes a record of the log.
    pub(crate) fn read(&self, record: &Record<'_>) {
        let mut inner = self.lock();
        let events = inner.state.apply(record);
        inner.snapshot = None;
        for event in events {
            inner.subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
        }
    }

    /// The log was read to its end for the first time.
    pub(crate) fn replayed(&self) {
        let mut inner = self.lock();
        inner.state.finish_replay();
        inner.snapshot = None;
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let mut inner = self.lock();
        if let Some(snapshot) = &inner.snapshot {
            return Arc::clone(snapshot);
        }
        let snapshot = Arc::new(inner.state.snapshot());
        inner.snapshot = Some(Arc::clone(&snapshot));
        snapshot
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
mod tests;
