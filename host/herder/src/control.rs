//! The control task of one connector: it applies what [`crate::plan`] names, one step at a time, so
//! steps of one connector never overlap while connectors go side by side.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{Class, ConnectorName, State, TargetState, TaskId, chain};
use cofferdam_stdx::{Backoff, time};
use cofferdam_storage::{ConfigStore, ConnectorEntry, StatusStore};
use cofferdam_worker_api::{Failure, Listener as _, Worker};
use tokio::sync::{mpsc, oneshot};

use crate::fencing::fence;
use crate::local::status_of;
use crate::plan::{
    Action, Running, RunningConnector, RunningTask, must_publish, plan, task_connector_config,
};
use crate::report::{Report, Reporter};
use crate::restart::RestartRequest;

/// Back-off of failed attempts to get or publish task configurations: Kafka Connect's.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Commands that one turn takes on.
const COMMANDS_MAX: usize = 1024;

/// What a control task is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Something changed; answer when all follows it.
    Sync(Option<oneshot::Sender<()>>),
    /// The connector asked for its task configurations to be made anew.
    Reconfigure,
    /// A planned restart, from the config store.
    Restart(RestartRequest),
    /// A plain restart; answers why the connector did not start.
    RestartConnector(oneshot::Sender<Result<(), String>>),
    /// A restart of one task.
    RestartTask(u32, oneshot::Sender<()>),
    /// Stop everything, for the process ends.
    ShutDown(oneshot::Sender<()>),
}

/// What all control tasks share.
pub(crate) struct Shared {
    pub(crate) worker: Arc<dyn Worker>,
    pub(crate) configs: Arc<dyn ConfigStore>,
    pub(crate) statuses: Arc<dyn StatusStore>,
    pub(crate) reporter: Arc<Reporter>,
    /// Whether sources deliver exactly once.
    pub(crate) exactly_once: bool,
}

/// The control task of one connector.
pub(crate) struct Control {
    name: ConnectorName,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// Told when the connector is gone and nothing of it runs.
    gone: mpsc::UnboundedSender<ConnectorName>,
    running: Running,
    backoff: Backoff,
    retry_at: Option<time::Instant>,
}

/// Why task configurations were not published.
enum NoTaskConfigs {
    /// Asking again would change nothing: the connector is broken, or makes more than it may.
    Final { message: String, trace: String },
    /// It may work later.
    Later(String),
}

impl Control {
    pub(crate) fn new(
        name: ConnectorName,
        shared: Arc<Shared>,
        commands: mpsc::UnboundedReceiver<Command>,
        gone: mpsc::UnboundedSender<ConnectorName>,
    ) -> Self {
        let backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        Self { name, shared, commands, gone, running: Running::default(), backoff, retry_at: None }
    }

    /// Works until the herder drops its end or shuts down.
    pub(crate) async fn run(mut self) {
        while let Some(commands) = self.next().await {
            let mut answers = Vec::new();
            let mut restart: Option<RestartRequest> = None;
            for command in commands {
                match command {
                    Command::Sync(answer) => answers.extend(answer.map(Answer::Done)),
                    Command::Reconfigure => self.running.task_configs_due = true,
                    // Requests that waited together are one: the one that restarts more.
                    Command::Restart(request) => {
                        restart = Some(restart.map_or(request, |other| other.merge(request)));
                    }
                    Command::RestartConnector(answer) => {
                        self.running.connector = None;
                        answers.push(Answer::Started(answer));
                    }
                    Command::RestartTask(task, answer) => {
                        self.stop_tasks(&[task]).await;
                        answers.push(Answer::Done(answer));
                    }
                    Command::ShutDown(answer) => {
                        self.shut_down().await;
                        _ = answer.send(());
                        return;
                    }
                }
            }
            if let Some(request) = restart {
                self.restart(request).await;
            }
            self.sync().await;
            for answer in answers {
                answer.send(&self.running);
            }
        }
    }

    /// All commands that wait; none of them when a retry is due. `None` ends the task.
    async fn next(&mut self) -> Option<Vec<Command>> {
        let retry_at = self.retry_at.unwrap_or_else(time::now);
        let mut commands = Vec::new();
        tokio::select! {
            n = self.commands.recv_many(&mut commands, COMMANDS_MAX) => if n == 0 { return None },
            () = tokio::time::sleep_until(retry_at), if self.retry_at.is_some() => {
                self.running.task_configs_due = true;
            }
        }
        Some(commands)
    }

    /// Applies steps until what runs is what is wanted.
    async fn sync(&mut self) {
        loop {
            let wanted = self.shared.configs.snapshot().connectors.get(&self.name).cloned();
            let wanted = wanted.as_deref();
            let steps = plan(wanted, &self.running);
            if steps.is_empty() {
                if wanted.is_none() {
                    _ = self.gone.send(self.name.clone());
                }
                return;
            }
            for step in steps {
                tracing::debug!(connector = %self.name, ?step, "applying");
                // What was published here comes back as an event of the store.
                let published = step == Action::PublishNoTasks;
                self.apply(step, wanted).await;
                if published {
                    return;
                }
            }
        }
    }

    async fn apply(&mut self, step: Action, wanted: Option<&ConnectorEntry>) {
        match (step, wanted) {
            (Action::StopTasks(ids), _) => self.stop_tasks(&ids).await,
            (Action::StopConnector, _) => {
                self.shared.worker.stop_connector(&self.name).await;
                self.running.connector = None;
            }
            (Action::KeepStatuses(n_tasks), _) => {
                self.shared.reporter.report(Report::KeepStatuses(self.name.clone(), n_tasks));
                self.running.statuses_kept = Some(n_tasks);
            }
            (Action::Forget, _) => {
                self.shared.reporter.report(Report::Forget(self.name.clone()));
                self.running = Running::default();
                self.retry_at = None;
            }
            (Action::StartConnector(target), Some(wanted)) => self.start_connector(wanted, target).await,
            (Action::SetTarget(target), Some(_)) => self.set_target(target).await,
            (Action::MakeTaskConfigs, Some(wanted)) => self.make_task_configs(wanted).await,
            (Action::PublishNoTasks, Some(_)) => {
                if let Err(error) = self.shared.configs.put_task_configs(&self.name, &[]).await {
                    self.try_later(&chain(&error));
                }
            }
            (Action::StartTasks(ids), Some(wanted)) => self.start_tasks(wanted, &ids).await,
            // Planned for a connector that is wanted only.
            (_, None) => {}
        }
    }

    async fn start_connector(&mut self, wanted: &ConnectorEntry, target: TargetState) {
        let started = self.shared.worker.start_connector(&self.name, &wanted.config, target).await;
        self.running.task_configs_due = started.is_ok() && target == TargetState::Started;
        self.backoff.reset();
        self.retry_at = None;
        // The data path has logged it and told the reporter.
        let failure = started.err().map(|failure| failure.message);
        self.running.connector = Some(RunningConnector { config: wanted.config.clone(), target, failure });
    }

    async fn set_target(&mut self, target: TargetState) {
        self.shared.worker.set_target_state(&self.name, target).await;
        if let Some(connector) = &mut self.running.connector {
            connector.target = target;
        }
        // A resumed connector may want other tasks than the ones it had.
        self.running.task_configs_due |= target == TargetState::Started;
    }

    async fn start_tasks(&mut self, wanted: &ConnectorEntry, ids: &[u32]) {
        let connector_config = task_connector_config(wanted);
        let fenced = fence(&self.shared, &self.name, wanted, connector_config, &self.running.tasks).await;
        for id in ids {
            let Some(config) = wanted.tasks.as_ref().and_then(|tasks| tasks.get(*id as usize)) else {
                continue;
            };
            match &fenced {
                Ok(()) => {
                    let task = self.task(*id);
                    self.shared.worker.start_task(&task, connector_config, config, wanted.target).await;
                }
                // A task beside one that may still write would deliver twice.
                Err(trace) => self.shared.reporter.task(&self.task(*id), State::Failed, Some(trace.clone())),
            }
            let task = RunningTask { connector_config: connector_config.clone(), config: config.clone() };
            self.running.tasks.insert(*id, task);
        }
    }

    async fn stop_tasks(&mut self, ids: &[u32]) {
        let tasks: Vec<_> = ids.iter().map(|id| self.task(*id)).collect();
        self.shared.worker.stop_tasks(&tasks).await;
        for id in ids {
            self.running.tasks.remove(id);
        }
    }

    // === task configurations ===

    async fn make_task_configs(&mut self, wanted: &ConnectorEntry) {
        self.running.task_configs_due = false;
        self.retry_at = None;
        match self.publish_task_configs(wanted).await {
            Ok(()) => self.backoff.reset(),
            Err(NoTaskConfigs::Final { message, trace }) => self.fail(message, trace).await,
            Err(NoTaskConfigs::Later(text)) => self.try_later(&text),
        }
    }

    async fn publish_task_configs(&self, wanted: &ConnectorEntry) -> Result<(), NoTaskConfigs> {
        let configs = self.shared.worker.task_configs(&self.name).await;
        let configs = configs.map_err(NoTaskConfigs::of)?;
        if must_publish(wanted, &wanted.config, &configs) {
            let written = self.shared.configs.put_task_configs(&self.name, &configs).await;
            written.map_err(|error| NoTaskConfigs::Later(chain(&error)))?;
        }
        Ok(())
    }

    fn try_later(&mut self, reason: &str) {
        let delay = self.backoff.next_delay();
        self.retry_at = Some(time::now() + delay);
        tracing::warn!(
            connector = %self.name,
            error = reason,
            again_in_ms = delay.as_millis(),
            "task configurations could not be made; tasks go on with those they have"
        );
    }

    /// The connector itself is at fault: it ends as FAILED, its tasks go on.
    async fn fail(&mut self, message: String, trace: String) {
        tracing::error!(connector = %self.name, error = message, "connector failed over its task configurations");
        self.shared.worker.stop_connector(&self.name).await;
        self.shared.reporter.connector(&self.name, State::Failed, Some(trace));
        if let Some(connector) = &mut self.running.connector {
            connector.failure = Some(message);
        }
    }

    // === restart, end ===

    /// Takes down what the request names; what is wanted then brings it up again.
    async fn restart(&mut self, request: RestartRequest) {
        let shared = &self.shared;
        let Some(status) = status_of(&*shared.statuses, None, &self.name) else { return };
        let plan = request.plan(&status);
        let tasks: Vec<_> = plan.tasks.into_iter().filter(|id| self.running.tasks.contains_key(id)).collect();
        if plan.connector {
            self.shared.reporter.connector(&self.name, State::Restarting, None);
            self.running.connector = None;
        }
        for id in &tasks {
            self.shared.reporter.report(Report::Task(self.task(*id), State::Restarting, None));
        }
        self.stop_tasks(&tasks).await;
    }

    async fn shut_down(&mut self) {
        let tasks: Vec<_> = self.running.tasks.keys().copied().collect();
        self.stop_tasks(&tasks).await;
        if self.running.connector.is_some() {
            self.shared.worker.stop_connector(&self.name).await;
            self.shared.reporter.report(Report::Unassigned(self.name.clone(), tasks));
        }
    }

    fn task(&self, task: u32) -> TaskId {
        TaskId { connector: self.name.clone(), task }
    }
}

/// Who waits for a turn of the control task.
enum Answer {
    Done(oneshot::Sender<()>),
    Started(oneshot::Sender<Result<(), String>>),
}

impl Answer {
    fn send(self, running: &Running) {
        // Whoever asked may have given up; the work is done all the same.
        match self {
            Self::Done(answer) => _ = answer.send(()),
            Self::Started(answer) => {
                let failure = running.connector.as_ref().and_then(|connector| connector.failure.clone());
                _ = answer.send(failure.map_or(Ok(()), Err));
            }
        }
    }
}

impl NoTaskConfigs {
    fn of(failure: Failure) -> Self {
        match failure.class {
            Class::Retriable | Class::Rebalancing | Class::Config | Class::Data => {
                Self::Later(failure.message)
            }
            _ => Self::Final { message: failure.message, trace: failure.trace },
        }
    }
}
