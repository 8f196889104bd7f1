//! What the data path reports becomes status records, in order and without keeping it waiting.
//!
//! [`Reporter`] only queues. One writer takes what has queued up, does different connectors side by
//! side and each connector's reports in their order, and tries again while the store cannot be
//! reached. The queue is as long as there were changes of state meanwhile: guests cannot make any.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_api::{Class, Classified as _, ConnectorName, State, Status, TaskId, chain};
use cofferdam_stdx::Backoff;
use cofferdam_storage::{ConfigStore, StatusStore};
use cofferdam_worker_api::{Listener, Worker};
use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::validate::connector_plugin;

const RETRY_FIRST: Duration = Duration::from_millis(300);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Reports taken from the queue at a time.
const BATCH_MAX: usize = 4096;

/// A reporter to hand to the data path, and its other end for [`crate::start`].
#[must_use]
pub fn reports() -> (Arc<Reporter>, Reports) {
    let (queue, reports) = mpsc::unbounded_channel();
    let reconfigure = Arc::new(Reconfigure::default());
    let reporter = Arc::new(Reporter { queue, reconfigure: Arc::clone(&reconfigure) });
    (Arc::clone(&reporter), Reports { queue: reports, reconfigure, reporter })
}

/// The [`Listener`] of the data path.
#[derive(Debug)]
pub struct Reporter {
    queue: mpsc::UnboundedSender<Report>,
    reconfigure: Arc<Reconfigure>,
}

/// What was reported and is still to be done.
#[derive(Debug)]
pub struct Reports {
    pub(crate) queue: mpsc::UnboundedReceiver<Report>,
    pub(crate) reconfigure: Arc<Reconfigure>,
    pub(crate) reporter: Arc<Reporter>,
}

/// Connectors that asked for new task configurations; asking again and again changes nothing.
#[derive(Debug, Default)]
pub(crate) struct Reconfigure {
    names: Mutex<BTreeSet<ConnectorName>>,
    asked: Notify,
}

/// One entry of the queue.
#[derive(Debug)]
pub(crate) enum Report {
    Connector(ConnectorName, State, Option<String>),
    Task(TaskId, State, Option<String>),
    Topic(TaskId, String),
    /// Nobody runs the connector and these tasks any more; what failed stays FAILED.
    Unassigned(ConnectorName, Vec<u32>),
    /// Statuses of tasks from this number on are void.
    KeepStatuses(ConnectorName, u32),
    /// The connector was deleted.
    Forget(ConnectorName),
    /// Tells when all before it is written.
    Flush(oneshot::Sender<()>),
}

/// Writes what was reported.
pub(crate) struct StatusWriter {
    pub(crate) worker: Arc<dyn Worker>,
    pub(crate) configs: Arc<dyn ConfigStore>,
    pub(crate) statuses: Arc<dyn StatusStore>,
    pub(crate) worker_id: String,
    pub(crate) generation: i64,
    pub(crate) stop: CancellationToken,
}

/// What was last written of one connector.
#[derive(Default)]
struct Last {
    connector: Option<Written>,
    tasks: HashMap<u32, Written>,
}

type Written = (State, Option<String>);

// === impl Reporter ===

impl Listener for Reporter {
    fn connector(&self, name: &ConnectorName, state: State, trace: Option<String>) {
        tracing::info!(connector = %name, state = %state, "connector changed state");
        self.report(Report::Connector(name.clone(), state, trace));
    }

    fn task(&self, id: &TaskId, state: State, trace: Option<String>) {
        tracing::info!(task = %id, state = %state, "task changed state");
        self.report(Report::Task(id.clone(), state, trace));
    }

    fn reconfigure(&self, name: &ConnectorName) {
        self.reconfigure.lock().insert(name.clone());
        self.reconfigure.asked.notify_one();
    }

    fn topic(&self, id: &TaskId, topic: &str) {
        self.report(Report::Topic(id.clone(), topic.to_owned()));
    }
}

impl Reporter {
    pub(crate) fn report(&self, report: Report) {
        // Without a writer the process is on its way out, and there is nobody left to tell.
        _ = self.queue.send(report);
    }

    /// Waits until all that was reported before is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        self.report(Report::Flush(done));
        _ = written.await;
    }
}

impl Reconfigure {
    /// Waits until a connector asks; takes all that did.
    pub(crate) async fn next(&self) -> BTreeSet<ConnectorName> {
        loop {
            let names = std::mem::take(&mut *self.lock());
            if !names.is_empty() {
                return names;
            }
            self.asked.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<ConnectorName>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl StatusWriter ===

impl StatusWriter {
    /// Writes until the herder that flushes at its end is gone, and the queue is empty.
    pub(crate) async fn run(self, mut queue: mpsc::UnboundedReceiver<Report>, end: CancellationToken) {
        let mut known: HashMap<ConnectorName, Last> = HashMap::new();
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                n = queue.recv_many(&mut batch, BATCH_MAX) => if n == 0 { return },
                () = end.cancelled() => return,
            }
            let mut flushed = Vec::new();
            let mut by_connector: HashMap<ConnectorName, Vec<Report>> = HashMap::new();
            for report in batch.drain(..) {
                match report.about() {
                    Ok(name) => by_connector.entry(name).or_default().push(report),
                    Err(()) => flushed.push(report),
                }
            }
            let mut work = Vec::with_capacity(by_connector.len());
            for (name, reports) in by_connector {
                let last = known.remove(&name).unwrap_or_default();
                work.push(self.write_all(name, last, reports));
            }
            known.extend(join_all(work).await.into_iter().flatten());
            for report in flushed {
                if let Report::Flush(done) = report {
                    _ = done.send(());
                }
            }
        }
    }

    /// Writes what was reported of one connector, in order.
    async fn write_all(
        &self,
        name: ConnectorName,
        mut last: Last,
        reports: Vec<Report>,
    ) -> Option<(ConnectorName, Last)> {
        let mut forgotten = false;
        for report in reports {
            forgotten = matches!(report, Report::Forget(_));
            self.write(&mut last, report).await;
        }
        (!forgotten).then_some((name, last))
    }

    async fn write(&self, last: &mut Last, report: Report) {
        match report {
            Report::Connector(name, state, trace) => self.connector(last, &name, state, trace).await,
            Report::Task(id, state, trace) => self.task(last, &id, state, trace).await,
            Report::Unassigned(name, tasks) => {
                for task in tasks {
                    if last.tasks.get(&task).is_none_or(|(state, _)| *state != State::Failed) {
                        let id = TaskId { connector: name.clone(), task };
                        self.task(last, &id, State::Unassigned, None).await;
                    }
                }
                self.connector(last, &name, State::Unassigned, None).await;
            }
            Report::Topic(id, topic) => {
                if self.is_configured(&id.connector) {
                    self.persist("record a topic", || self.statuses.add_topic(&id, &topic)).await;
                }
            }
            Report::KeepStatuses(name, n_tasks) => {
                // What was just written may not show in the store yet.
                let stored = self.statuses.tasks(&name).into_iter().map(|(task, _)| task);
                let mut tasks: BTreeSet<_> = stored.chain(last.tasks.keys().copied()).collect();
                tasks.retain(|task| *task >= n_tasks);
                for task in tasks {
                    last.tasks.remove(&task);
                    let id = TaskId { connector: name.clone(), task };
                    self.persist("remove a task's status", || self.statuses.put_task(&id, None, false)).await;
                }
            }
            Report::Forget(name) => {
                // A connector of the same name may have been created meanwhile; its statuses follow.
                self.persist("remove a connector's status", || self.statuses.remove(&name)).await;
            }
            Report::Flush(_) => {}
        }
    }

    async fn connector(&self, last: &mut Last, name: &ConnectorName, state: State, trace: Option<String>) {
        let now = (state, trace);
        // A late word about a connector that is gone would bring its status back for ever.
        if last.connector.as_ref() == Some(&now) || !self.is_configured(name) {
            return;
        }
        let status = self.status(name, &now);
        let safe = state == State::Unassigned;
        self.persist("write a connector's status", || {
            self.statuses.put_connector(name, Some(status.clone()), safe)
        })
        .await;
        last.connector = Some(now);
    }

    async fn task(&self, last: &mut Last, id: &TaskId, state: State, trace: Option<String>) {
        let now = (state, trace);
        if last.tasks.get(&id.task) == Some(&now) || !self.is_configured(&id.connector) {
            return;
        }
        let status = self.status(&id.connector, &now);
        let safe = state == State::Unassigned;
        self.persist("write a task's status", || self.statuses.put_task(id, Some(status.clone()), safe))
            .await;
        last.tasks.insert(id.task, now);
    }

    fn status(&self, name: &ConnectorName, (state, trace): &Written) -> Status {
        let snapshot = self.configs.snapshot();
        let plugin =
            snapshot.connectors.get(name).and_then(|entry| connector_plugin(&*self.worker, &entry.config));
        Status {
            state: *state,
            trace: trace.clone(),
            worker_id: self.worker_id.clone(),
            generation: self.generation,
            version: plugin.map(|plugin| plugin.version),
        }
    }

    fn is_configured(&self, name: &ConnectorName) -> bool {
        self.configs.snapshot().connectors.contains_key(name)
    }

    /// Writes, again and again while the store cannot be reached; once only on the way out.
    async fn persist<F>(&self, what: &'static str, write: impl Fn() -> F)
    where
        F: Future<Output = Result<(), cofferdam_storage::Error>>,
    {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        loop {
            let Err(error) = write().await else { return };
            let last = self.stop.is_cancelled() || error.class() != Class::Retriable;
            tracing::warn!(error = chain(&error), again = !last, "could not {what}");
            if last {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }
}

impl Report {
    /// The connector that the report is about.
    fn about(&self) -> Result<ConnectorName, ()> {
        match self {
            Self::Connector(name, ..)
            | Self::Unassigned(name, _)
            | Self::KeepStatuses(name, _)
            | Self::Forget(name) => Ok(name.clone()),
            Self::Task(id, ..) | Self::Topic(id, _) => Ok(id.connector.clone()),
            Self::Flush(_) => Err(()),
        }
    }
}
