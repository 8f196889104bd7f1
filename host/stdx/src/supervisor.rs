//! Where everything that runs in the background is started, so that it has a name, its end is
//! noticed and shutdown can wait for it.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// What runs in the background: the whole list.
///
/// A panic in any of them is logged with its kind; the last column says what else it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Serves REST requests. Its end ends the process.
    RestServer,
    /// Applies configuration changes. Its end ends the process.
    Herder,
    /// Starts and stops one connector and its tasks. Its end fails the connector.
    ConnectorControl,
    /// A source task's loop. Its end fails the task.
    SourceTask,
    /// A sink task's loop. Its end fails the task.
    SinkTask,
    /// Follows one of the internal topics. Its end ends the process.
    TopicLog,
    /// Writes statuses. Its end leaves statuses stale.
    StatusWriter,
    /// Serves librdkafka's events of one client. Its end stalls that client.
    KafkaEvents,
    /// Refreshes numbers that are read by `/metrics` only.
    Metrics,
}

impl TaskKind {
    /// Whether the process cannot do without this work.
    const fn is_vital(self) -> bool {
        matches!(self, Self::RestServer | Self::Herder | Self::TopicLog)
    }
}

/// Starts background work and waits for its end.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Supervisor {
    /// A supervisor with nothing to watch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to end; long-running work listens to it.
    #[must_use]
    pub const fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts `work`. `name` tells instances of one kind apart in the log.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<T: Send + 'static>(
        &self,
        kind: TaskKind,
        name: &str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let span = tracing::info_span!("", task = ?kind, name);
        let guard = NotePanic { kind, name: name.to_owned(), stop: self.stop.clone() };
        self.tasks.spawn(
            async move {
                let _guard = guard;
                work.await
            }
            .instrument(span),
        )
    }

    /// Asks all work to end and waits for it, at most `grace`. Answers how much is left.
    pub async fn shut_down(&self, grace: Duration) -> usize {
        self.stop.cancel();
        self.tasks.close();
        // Too late is not an error here: the caller names what stayed.
        _ = tokio::time::timeout(grace, self.tasks.wait()).await;
        self.tasks.len()
    }
}

/// Logs when it is dropped by a panic: the work ended without its result. Stops everything when that
/// work was vital: a worker that only seems to work is worse than none.
struct NotePanic {
    kind: TaskKind,
    name: String,
    stop: CancellationToken,
}

impl Drop for NotePanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(kind = ?self.kind, name = self.name, "background work ended by a panic");
            if self.kind.is_vital() {
                self.stop.cancel();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shutdown_waits_for_work_that_heeds_the_token() {
        let supervisor = Supervisor::new();
        let stop = supervisor.stop_token().clone();
        let work = supervisor.spawn(TaskKind::Metrics, "test", async move { stop.cancelled().await });
        assert_eq!(supervisor.shut_down(Duration::from_secs(5)).await, 0);
        assert!(work.is_finished());
    }

    #[tokio::test]
    #[allow(clippy::panic, reason = "that is what is tested")]
    async fn a_panic_of_vital_work_stops_everything() {
        let supervisor = Supervisor::new();
        let ended = supervisor.spawn(TaskKind::SinkTask, "one of many", async { panic!("on purpose") }).await;
        assert!(ended.is_err() && !supervisor.stop_token().is_cancelled());
        let ended = supervisor.spawn(TaskKind::Herder, "the only one", async { panic!("on purpose") }).await;
        assert!(ended.is_err() && supervisor.stop_token().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_counts_work_that_does_not_end() {
        let supervisor = Supervisor::new();
        _ = supervisor.spawn(TaskKind::Metrics, "test", std::future::pending::<()>());
        assert_eq!(supervisor.shut_down(Duration::from_secs(5)).await, 1);
    }
}
