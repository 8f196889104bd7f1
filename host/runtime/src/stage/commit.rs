//! Committing source offsets: written by the worker's store first, told to the guest afterwards.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{TaskId, chain};
use cofferdam_stdx::time::{Instant, now};
use cofferdam_storage::OffsetStore;
use cofferdam_telemetry::TaskMetrics;
use indexmap::IndexMap;

use crate::offsets::Committable;

/// When offsets are committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    due: Instant,
}

impl Schedule {
    /// First after `interval`, then so long after each commit.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, due: now() + interval }
    }

    /// When the next commit is due.
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Whether it is due now.
    pub(crate) fn is_due(&self) -> bool {
        now() >= self.due
    }

    /// Makes the next commit due now.
    pub(crate) fn hasten(&mut self) {
        self.due = now();
    }

    /// A commit was made or tried.
    pub(crate) fn done(&mut self) {
        self.due = now() + self.interval;
    }
}

/// Offsets on their way into the store.
pub(crate) struct Commit {
    id: TaskId,
    store: Arc<dyn OffsetStore>,
    timeout: Duration,
    metrics: TaskMetrics,
    /// Not stored yet: the newest offset of each partition.
    waiting: IndexMap<String, Option<String>>,
}

impl Commit {
    /// Commits for the task `id`.
    pub(crate) fn new(
        id: TaskId,
        store: Arc<dyn OffsetStore>,
        timeout: Duration,
        metrics: TaskMetrics,
    ) -> Self {
        Self { id, store, timeout, metrics, waiting: IndexMap::new() }
    }

    /// Adds offsets; newer ones take the place of older ones.
    pub(crate) fn add(&mut self, offsets: Vec<Committable>) {
        self.waiting.extend(offsets);
    }

    /// Writes what is waiting. Answers what is durable now, for the guest to hear; nothing when the
    /// write failed: what was not written stays and is tried again with the next commit.
    pub(crate) async fn write(&mut self) -> Vec<(String, String)> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let began = now();
        self.metrics.commit_started();
        let offsets: Vec<Committable> =
            self.waiting.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let write = self.store.set(self.id.connector.as_str(), offsets);
        let problem = match tokio::time::timeout(self.timeout, write).await {
            Ok(Ok(())) => {
                self.metrics.commit_succeeded(began.elapsed());
                let stored = std::mem::take(&mut self.waiting);
                return stored
                    .into_iter()
                    .filter_map(|(partition, offset)| Some((partition, offset?)))
                    .collect();
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no answer within {} ms (offset.flush.timeout.ms)", self.timeout.as_millis()),
        };
        self.metrics.commit_failed();
        tracing::warn!("offsets could not be committed and will be with the next commit: {problem}");
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use cofferdam_storage::Error;
    use cofferdam_telemetry::{Metrics, TaskKind};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn commits_are_an_interval_apart_unless_hastened() {
        let mut schedule = Schedule::new(Duration::from_secs(60));
        assert!(!schedule.is_due());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(schedule.is_due());
        schedule.done();
        assert!(!schedule.is_due());
        schedule.hasten();
        assert!(schedule.is_due());
    }

    /// Keeps what it is given, and may answer too late.
    #[derive(Default)]
    struct Store {
        answers_late: AtomicBool,
        written: Mutex<Vec<Vec<Committable>>>,
    }

    #[async_trait::async_trait]
    impl OffsetStore for Store {
        async fn get(&self, _: &str, partitions: &[String]) -> Result<Vec<Option<String>>, Error> {
            Ok(vec![None; partitions.len()])
        }

        async fn set(&self, _: &str, offsets: Vec<Committable>) -> Result<(), Error> {
            if self.answers_late.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_secs(6)).await;
            }
            self.written.lock().unwrap().push(offsets);
            Ok(())
        }

        async fn list(&self, _: &str) -> Result<Vec<(String, String)>, Error> {
            Ok(Vec::new())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_stored_in_time_is_told_nobody_and_stored_with_what_comes() {
        let store = Arc::new(Store::default());
        let metrics = Metrics::new().task("c", 0, TaskKind::Source);
        let id = TaskId { connector: "c".into(), task: 0 };
        let mut commit = Commit::new(id, store.clone(), Duration::from_secs(5), metrics);
        let offset = |partition: &str, n: u32| (partition.to_owned(), Some(n.to_string()));
        store.answers_late.store(true, Ordering::Relaxed);
        commit.add(vec![offset("a", 1), offset("b", 1)]);
        let began = now();
        assert_eq!(commit.write().await, []);
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        store.answers_late.store(false, Ordering::Relaxed);
        commit.add(vec![offset("a", 2)]);
        let told = commit.write().await;
        assert_eq!(told, [("a".to_owned(), "2".to_owned()), ("b".to_owned(), "1".to_owned())]);
        assert_eq!(*store.written.lock().unwrap(), [vec![offset("a", 2), offset("b", 1)]]);
        assert_eq!(commit.write().await, []);
    }
}
