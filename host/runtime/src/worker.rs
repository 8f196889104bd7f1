//! The connectors and tasks of this worker: started, paused, resumed, stopped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_api::{ConfigMap, ConnectorName, State, TargetState, TaskId};
use cofferdam_config::connector::RestartSettings;
use cofferdam_config::worker::WorkerSettings;
use cofferdam_plugins::{PluginInfo, PluginKind, Plugins};
use cofferdam_stdx::{Supervisor, TaskKind, time::now};
use cofferdam_storage::OffsetStore;
use cofferdam_telemetry::{Metrics, TaskKind as Direction};
use cofferdam_worker_api::{Failure, KeyErrors, Listener, Plugin, PluginKind as ApiKind, Worker};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connector::{Connector, Shared, find, keep_trying};
use crate::control::Control;
use crate::restart::Restarts;
use crate::task::{Start, Status, live};

/// What a worker is made from.
pub struct WorkerParts {
    /// The worker's configuration.
    pub settings: Arc<WorkerSettings>,
    /// All plugins.
    pub plugins: Plugins,
    /// Where source offsets are kept.
    pub offsets: Arc<dyn OffsetStore>,
    /// Where things are counted.
    pub metrics: Metrics,
    /// Starts the tasks.
    pub supervisor: Supervisor,
    /// Hears what becomes of connectors and tasks.
    pub listener: Arc<dyn Listener>,
    /// Whether Kafka is this process's own broker, which needs settings of its own.
    pub embedded_broker: bool,
}

/// The data path of one worker, in this process.
pub struct LocalWorker {
    parts: WorkerParts,
    connectors: Mutex<HashMap<ConnectorName, Slot>>,
    tasks: Mutex<HashMap<TaskId, Handle>>,
}

/// A connector; the lock serialises what is asked of it.
type Slot = Arc<tokio::sync::Mutex<Connector>>;

/// A task that was started, and is kept until it is stopped even when it has failed.
struct Handle {
    target: watch::Sender<TargetState>,
    status: Status,
    work: JoinHandle<()>,
}

impl LocalWorker {
    /// A worker without connectors.
    #[must_use]
    pub fn new(parts: WorkerParts) -> Arc<Self> {
        Arc::new(Self { parts, connectors: Mutex::default(), tasks: Mutex::default() })
    }

    fn connectors(&self) -> MutexGuard<'_, HashMap<ConnectorName, Slot>> {
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, Handle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, name: &ConnectorName) -> Option<Slot> {
        self.connectors().get(name).cloned()
    }

    fn shared(&self) -> Shared {
        Shared {
            plugins: self.parts.plugins.clone(),
            offsets: Arc::clone(&self.parts.offsets),
            listener: Arc::clone(&self.parts.listener),
            metrics: self.parts.metrics.clone(),
        }
    }

    /// Tells that a connector could not be started, and sees to its restart where `restart.policy` wants one.
    fn connector_failed(
        &self,
        slot: &Slot,
        connector: &Connector,
        config: &ConfigMap,
        error: &crate::Error,
    ) -> Failure {
        let mut restarts = match RestartSettings::parse(config, &self.parts.settings.raw) {
            Ok(settings) => Restarts::new(settings),
            Err(faults) => return connector.failed(&crate::Error::Settings(faults), None),
        };
        let next = restarts.next(error, Duration::ZERO);
        let failure = connector.failed(error, next.as_ref());
        if let Some(next) = next {
            let (slot, stop) = (Arc::downgrade(slot), self.parts.supervisor.stop_token().clone());
            let work = async move { stop.run_until_cancelled_owned(keep_trying(slot, restarts, next)).await };
            drop(self.parts.supervisor.spawn(TaskKind::ConnectorControl, "restart", work));
        }
        failure
    }

    /// Waits for the end of tasks that were told to stop; one that does not come to its end within the
    /// grace that all share is dropped, and its guest with it.
    async fn end(&self, handles: Vec<(TaskId, Handle)>) {
        let deadline = now() + self.parts.settings.task_shutdown_timeout;
        join_all(handles.into_iter().map(|(id, mut handle)| async move {
            handle.target.send_replace(TargetState::Stopped);
            if tokio::time::timeout_at(deadline, &mut handle.work).await.is_ok() {
                return;
            }
            tracing::error!(task = %id, "Graceful stop of task {id} failed: it is dropped");
            handle.status.mute();
            handle.work.abort();
            // The task is gone once this answers; that it was cancelled is no news.
            _ = handle.work.await;
        }))
        .await;
    }
}

#[async_trait]
impl Worker for LocalWorker {
    fn plugin(&self, class: &str, kind: &[ApiKind]) -> Option<Plugin> {
        let kinds: Vec<PluginKind> = kind.iter().map(|kind| plugin_kind(*kind)).collect();
        self.parts.plugins.plugin(class, &kinds).map(plugin).or_else(|| crate::stock::converter(class, kind))
    }

    fn plugins(&self) -> Vec<Plugin> {
        self.parts.plugins.plugins().into_iter().map(plugin).chain(crate::stock::converters()).collect()
    }

    async fn validate(&self, class: &str, config: &ConfigMap) -> Result<Vec<KeyErrors>, Failure> {
        let list = self.parts.plugins.validate(class, config).await.map_err(|error| {
            crate::Error::Guest { class: class.to_owned(), call: "validate", error }.failure()
        })?;
        Ok(list.into_iter().map(|key| KeyErrors { name: key.name, errors: key.errors }).collect())
    }

    async fn start_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        target: TargetState,
    ) -> Result<(), Failure> {
        self.stop_connector(name).await;
        let connector = match Connector::new(name, config, self.shared()) {
            Ok(connector) => connector,
            Err(error) => {
                let failure = error.failure();
                self.parts.metrics.connector_started(false);
                self.parts.listener.connector(name, State::Failed, Some(failure.trace.clone()));
                return Err(failure);
            }
        };
        let slot: Slot = Arc::new(tokio::sync::Mutex::new(connector));
        self.connectors().insert(name.clone(), Arc::clone(&slot));
        let mut connector = slot.lock().await;
        let result = connector.set_target(target).await;
        self.parts.metrics.connector_started(result.is_ok());
        result.map_err(|error| self.connector_failed(&slot, &connector, config, &error))
    }

    async fn task_configs(&self, name: &ConnectorName) -> Result<Vec<ConfigMap>, Failure> {
        let slot = self.slot(name).ok_or_else(|| crate::Error::NotStarted(name.to_string()).failure())?;
        let mut connector = slot.lock().await;
        connector.task_configs().await.map_err(|error| error.failure())
    }

    async fn stop_connector(&self, name: &ConnectorName) {
        let slot = self.connectors().remove(name);
        if let Some(slot) = slot
            && let Err(error) = slot.lock().await.end().await
        {
            tracing::warn!(connector = %name, "the connector failed in stop: {}", error.failure().message);
        }
    }

    async fn start_task(
        &self,
        id: &TaskId,
        connector_config: &ConfigMap,
        task_config: &ConfigMap,
        target: TargetState,
    ) {
        self.stop_tasks(std::slice::from_ref(id)).await;
        let parts = &self.parts;
        let class = connector_config.get("connector.class").map(|class| class.trim()).unwrap_or_default();
        let found = find(&parts.plugins, class);
        let is_sink = found.as_ref().is_ok_and(|info| info.kind == PluginKind::Sink);
        let direction = if is_sink { Direction::Sink } else { Direction::Source };
        let metrics = parts.metrics.task(id.connector.as_str(), id.task, direction);
        let listener = Arc::clone(&parts.listener);
        let status = Status::new(id.clone(), listener, metrics.clone(), parts.metrics.clone());
        let (sender, receiver) = watch::channel(target);
        let info = match found {
            Ok(info) => info,
            Err(error) => return status.fail(&error, None),
        };
        let start = Start {
            id: id.clone(),
            info,
            connector_config: connector_config.clone(),
            config: task_config.clone(),
            settings: Arc::clone(&parts.settings),
            plugins: parts.plugins.clone(),
            offsets: Arc::clone(&parts.offsets),
            listener: Arc::clone(&parts.listener),
            metrics,
            control: Control::new(receiver),
            status: status.clone(),
            embedded_broker: parts.embedded_broker,
        };
        let kind = if is_sink { TaskKind::SinkTask } else { TaskKind::SourceTask };
        let work = parts.supervisor.spawn(kind, &id.to_string(), live(start));
        self.tasks().insert(id.clone(), Handle { target: sender, status, work });
    }

    async fn fence_tasks(&self, ids: &[TaskId], connector_config: &ConfigMap) -> Result<(), Failure> {
        let parts = &self.parts;
        let fenced = crate::fence::fence(&parts.settings, parts.embedded_broker, ids, connector_config).await;
        fenced.map_err(|error| error.failure())
    }

    async fn stop_tasks(&self, ids: &[TaskId]) {
        let handles: Vec<(TaskId, Handle)> = {
            let mut tasks = self.tasks();
            ids.iter().filter_map(|id| tasks.remove_entry(id)).collect()
        };
        self.end(handles).await;
    }

    async fn set_target_state(&self, name: &ConnectorName, target: TargetState) {
        for (id, handle) in &*self.tasks() {
            if id.connector == *name {
                handle.target.send_replace(target);
            }
        }
        let Some(slot) = self.slot(name) else { return };
        let mut connector = slot.lock().await;
        if let Err(error) = connector.set_target(target).await {
            _ = connector.failed(&error, None);
        }
    }
}

fn plugin(info: PluginInfo) -> Plugin {
    Plugin {
        defines_transactions: info.defines_transactions(),
        class: info.class,
        aliases: info.aliases,
        kind: match info.kind {
            PluginKind::Source => ApiKind::Source,
            PluginKind::Sink => ApiKind::Sink,
            PluginKind::Transform => ApiKind::Transformation,
            PluginKind::Predicate => ApiKind::Predicate,
            PluginKind::Converter => ApiKind::Converter,
            PluginKind::HeaderConverter => ApiKind::HeaderConverter,
        },
        version: info.version,
        config_def: info.config_def,
    }
}

const fn plugin_kind(kind: ApiKind) -> PluginKind {
    match kind {
        ApiKind::Source => PluginKind::Source,
        ApiKind::Sink => PluginKind::Sink,
        ApiKind::Transformation => PluginKind::Transform,
        ApiKind::Predicate => PluginKind::Predicate,
        ApiKind::Converter => PluginKind::Converter,
        ApiKind::HeaderConverter => PluginKind::HeaderConverter,
    }
}
