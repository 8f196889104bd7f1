//! The herder of a single worker: standalone, or distributed with this worker alone.
//!
//! Requests change the config store; [`crate::dispatch`] sees to the rest.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_api::{ConfigMap, ConnectorName, Status, TargetState, TaskId};
use cofferdam_config::ConfigKey;
use cofferdam_stdx::{Supervisor, TaskKind};
use cofferdam_storage::{ConfigStore, ConnectorEntry, Snapshot, StatusStore};
use cofferdam_worker_api::{Plugin, PluginKind, Worker};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::control::{Command, Shared};
use crate::dispatch::{Dispatch, Note};
use crate::report::{Reports, StatusWriter};
use crate::validate::{Validator, connector_plugin, plugin_keys};
use crate::{
    ConnectorInfo, ConnectorStatus, Error, GivenConfig, Health, Herder, Put, RestartRequest, Restarted,
    Result, TaskInfo, Validation, version,
};

/// Kafka Connect's bound for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// How the worker is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Alone: a request that creates or deletes a connector waits until that is done.
    Standalone,
    /// As member of a group of workers.
    Distributed {
        /// The group's id.
        group_id: String,
        /// Whether sources deliver exactly once.
        exactly_once: bool,
    },
}

/// Classes of the worker's own converters, used where a connector names none.
#[derive(Clone, Debug, Default)]
pub struct WorkerConverters {
    /// `key.converter`.
    pub key: Option<String>,
    /// `value.converter`.
    pub value: Option<String>,
    /// `header.converter`.
    pub header: Option<String>,
}

/// What a herder is made of.
pub struct HerderParts {
    /// The data path.
    pub worker: Arc<dyn Worker>,
    /// What is wanted.
    pub configs: Arc<dyn ConfigStore>,
    /// What is.
    pub statuses: Arc<dyn StatusStore>,
    /// Other end of the reporter that the data path was given.
    pub reports: Reports,
    /// Runs what the herder starts.
    pub supervisor: Supervisor,
    /// `host:port` under which this worker is known.
    pub worker_id: String,
    /// Generation of the group; 0 in standalone mode.
    pub generation: i64,
    /// Id of the Kafka cluster.
    pub kafka_cluster_id: String,
    /// How the worker is run.
    pub mode: Mode,
    /// The worker's converters.
    pub converters: WorkerConverters,
}

/// The [`Herder`] of a single worker.
pub struct LocalHerder {
    shared: Arc<Shared>,
    kafka_cluster_id: String,
    mode: Mode,
    converters: WorkerConverters,
    notes: mpsc::UnboundedSender<Note>,
    /// Held while a name is looked up and taken.
    names: Mutex<()>,
    stop: CancellationToken,
    /// Cancelled when everything has stopped and is written.
    stopped: CancellationToken,
}

/// Starts the control path: all connectors of the config store are started side by side.
#[must_use]
pub fn start(parts: HerderParts) -> Arc<LocalHerder> {
    let HerderParts { worker, configs, statuses, reports, supervisor, .. } = parts;
    let stop = supervisor.stop_token().child_token();
    let written = CancellationToken::new();
    let stopped = CancellationToken::new();
    let writer = StatusWriter {
        worker: Arc::clone(&worker),
        configs: Arc::clone(&configs),
        statuses: Arc::clone(&statuses),
        worker_id: parts.worker_id,
        generation: parts.generation,
        stop: stop.clone(),
    };
    _ = supervisor.spawn(TaskKind::StatusWriter, "", writer.run(reports.queue, written.clone()));

    let exactly_once = matches!(parts.mode, Mode::Distributed { exactly_once: true, .. });
    let reporter = reports.reporter;
    let shared = Arc::new(Shared { worker, configs, statuses, reporter, exactly_once });
    let (notes, to_do) = mpsc::unbounded_channel();
    let herder = Arc::new(LocalHerder {
        shared: Arc::clone(&shared),
        kafka_cluster_id: parts.kafka_cluster_id,
        mode: parts.mode,
        converters: parts.converters,
        notes,
        names: Mutex::default(),
        stop: stop.clone(),
        stopped: stopped.clone(),
    });
    let (gone, ended) = mpsc::unbounded_channel();
    // Subscribed before the first look at the store: what changes in between comes twice, not never.
    let events = shared.configs.subscribe();
    let mut dispatch = Dispatch { shared, supervisor: supervisor.clone(), controls: HashMap::new(), gone };
    // Without a herder the worker is of no use: however it ends, the process ends too.
    let end = supervisor.stop_token().clone().drop_guard();
    _ = supervisor.spawn(TaskKind::Herder, "", async move {
        let _end = end;
        dispatch.run(events, to_do, ended, &reports.reconfigure, &stop).await;
        dispatch.shut_down().await;
        written.cancel();
        stopped.cancel();
    });
    herder
}

// === impl LocalHerder ===

impl LocalHerder {
    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.configs.snapshot()
    }

    fn validator(&self) -> Validator<'_> {
        Validator { worker: &*self.shared.worker, mode: &self.mode, converters: &self.converters }
    }

    fn kind(&self, config: &ConfigMap) -> Option<PluginKind> {
        connector_plugin(&*self.shared.worker, config).map(|plugin| plugin.kind)
    }

    fn info(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        entry: Option<&ConnectorEntry>,
    ) -> ConnectorInfo {
        let n_tasks = entry.and_then(|entry| entry.tasks.as_ref()).map_or(0, Vec::len);
        ConnectorInfo {
            name: name.clone(),
            config: config.clone(),
            tasks: (0..).take(n_tasks).map(|task| TaskId { connector: name.clone(), task }).collect(),
            kind: self.kind(config),
        }
    }

    /// Validates and writes a configuration. `create` refuses a name that is taken.
    async fn write(
        &self,
        name: &ConnectorName,
        mut config: GivenConfig,
        initial_state: Option<TargetState>,
        create: bool,
    ) -> Result<Put> {
        insert_name(name, &mut config)?;
        let validation = tokio::time::timeout(REQUEST_TIMEOUT, self.validator().validate(&config)).await;
        validation.map_err(|_| Error::TimedOut("validating the connector's configuration"))??.check()?;
        let config: ConfigMap = config.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();

        let held = self.names.lock().await;
        let known = self.snapshot().connectors.contains_key(name);
        if create && known {
            return Err(Error::Exists(name.clone()));
        }
        self.shared
            .configs
            .put_connector(name, &config, initial_state)
            .await
            .map_err(|source| Error::Store { operation: "write the connector's configuration", source })?;
        drop(held);

        self.settle(name).await;
        let info = self.info(name, &config, self.snapshot().connectors.get(name).map(|entry| &**entry));
        Ok(Put { created: !known, info })
    }

    /// Standalone: waits until what was written is done, or the time of a request is up.
    async fn settle(&self, name: &ConnectorName) {
        if self.mode != Mode::Standalone {
            return;
        }
        let (done, settled) = oneshot::channel();
        if self.notes.send(Note::Tell(name.clone(), Command::Sync(Some(done)))).is_ok() {
            // What takes longer goes on; the status tells how it ends.
            _ = tokio::time::timeout(REQUEST_TIMEOUT, settled).await;
        }
    }

    /// Sends a command and waits for its answer.
    async fn ask<T>(
        &self,
        name: &ConnectorName,
        stage: &'static str,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T> {
        let (done, answer) = oneshot::channel();
        self.notes.send(Note::Tell(name.clone(), command(done))).map_err(|_| Error::ShuttingDown)?;
        match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Error::ShuttingDown),
            Err(_) => Err(Error::TimedOut(stage)),
        }
    }
}

#[async_trait]
impl Herder for LocalHerder {
    fn kafka_cluster_id(&self) -> String {
        self.kafka_cluster_id.clone()
    }

    async fn health(&self) -> Health {
        let (done, answer) = oneshot::channel();
        if self.notes.send(Note::Ping(done)).is_err() {
            return Health::Unhealthy;
        }
        match tokio::time::timeout(HEALTH_TIMEOUT, answer).await {
            Ok(Ok(())) => Health::Healthy,
            _ => Health::Unhealthy,
        }
    }

    fn connectors(&self) -> Vec<ConnectorName> {
        self.snapshot().connectors.keys().cloned().collect()
    }

    fn connector(&self, name: &ConnectorName) -> Result<ConnectorInfo> {
        let snapshot = self.snapshot();
        let entry = snapshot.connectors.get(name).ok_or_else(|| Error::ConnectorNotFound(name.clone()))?;
        Ok(self.info(name, &entry.config, Some(entry)))
    }

    async fn create_connector(
        &self,
        name: &ConnectorName,
        config: GivenConfig,
        initial_state: Option<TargetState>,
    ) -> Result<ConnectorInfo> {
        Ok(self.write(name, config, initial_state, true).await?.info)
    }

    async fn put_connector_config(&self, name: &ConnectorName, config: GivenConfig) -> Result<Put> {
        self.write(name, config, None, false).await
    }

    async fn patch_connector_config(
        &self,
        name: &ConnectorName,
        patch: GivenConfig,
    ) -> Result<ConnectorInfo> {
        let mut config: GivenConfig =
            self.connector(name)?.config.into_iter().map(|(key, value)| (key, Some(value))).collect();
        for (key, value) in patch {
            match value {
                Some(value) => _ = config.insert(key, Some(value)),
                None => _ = config.shift_remove(&key),
            }
        }
        Ok(self.write(name, config, None, false).await?.info)
    }

    async fn delete_connector(&self, name: &ConnectorName) -> Result<()> {
        {
            let _held = self.names.lock().await;
            self.connector(name)?;
            self.shared
                .configs
                .remove_connector(name)
                .await
                .map_err(|source| Error::Store { operation: "remove the connector", source })?;
        }
        self.settle(name).await;
        if self.mode == Mode::Standalone {
            self.shared.reporter.flush().await;
        }
        Ok(())
    }

    fn connector_status(&self, name: &ConnectorName) -> Result<ConnectorStatus> {
        let snapshot = self.snapshot();
        let kind = snapshot.connectors.get(name).and_then(|entry| self.kind(&entry.config));
        status_of(&*self.shared.statuses, kind, name).ok_or_else(|| Error::NoConnectorStatus(name.clone()))
    }

    fn tasks(&self, name: &ConnectorName) -> Result<Vec<TaskInfo>> {
        let snapshot = self.snapshot();
        let entry = snapshot.connectors.get(name).ok_or_else(|| Error::ConnectorNotFound(name.clone()))?;
        let configs = entry.tasks.iter().flatten().cloned();
        let info = |(task, config)| TaskInfo { id: TaskId { connector: name.clone(), task }, config };
        Ok((0..).zip(configs).map(info).collect())
    }

    fn task_status(&self, id: &TaskId) -> Result<Status> {
        let tasks = self.shared.statuses.tasks(&id.connector);
        let status = tasks.into_iter().find(|(task, _)| *task == id.task).map(|(_, status)| status);
        status.ok_or_else(|| Error::NoTaskStatus(id.clone()))
    }

    async fn set_target_state(&self, name: &ConnectorName, target: TargetState) -> Result<()> {
        if !self.snapshot().connectors.contains_key(name) {
            return Err(Error::UnknownConnector(name.clone()));
        }
        let failed = |source| Error::Store { operation: "write the connector's target state", source };
        if target == TargetState::Stopped {
            // In this order, so that nobody who reads it in between starts tasks of a stopped connector.
            self.shared.configs.put_task_configs(name, &[]).await.map_err(failed)?;
        }
        self.shared.configs.put_target_state(name, target).await.map_err(failed)
    }

    async fn restart_connector(&self, name: &ConnectorName, request: RestartRequest) -> Result<Restarted> {
        if !self.snapshot().connectors.contains_key(name) {
            return Err(Error::UnknownConnectorToRestart(name.clone()));
        }
        if request.is_plain() {
            let started = self.ask(name, "restarting the connector", Command::RestartConnector).await?;
            return match started {
                Ok(()) => Ok(Restarted::Done),
                Err(reason) => Err(Error::StartFailed { name: name.clone(), reason }),
            };
        }
        let status = self.connector_status(name).map_err(|_| Error::NoStatusToRestart(name.clone()))?;
        let plan = request.plan(&status);
        self.shared
            .configs
            .put_restart(name, request.include_tasks, request.only_failed)
            .await
            .map_err(|source| Error::Store { operation: "write the restart request", source })?;
        Ok(Restarted::Planned(plan.shown(status)))
    }

    async fn restart_task(&self, id: &TaskId) -> Result<()> {
        let snapshot = self.snapshot();
        let entry = snapshot.connectors.get(&id.connector);
        let entry = entry.ok_or_else(|| Error::UnknownConnectorToRestart(id.connector.clone()))?;
        if entry.tasks.as_ref().is_none_or(|tasks| tasks.get(id.task as usize).is_none()) {
            return Err(Error::UnknownTask(id.clone()));
        }
        self.ask(&id.connector, "restarting the task", |done| Command::RestartTask(id.task, done)).await
    }

    fn topics(&self, name: &ConnectorName) -> BTreeSet<String> {
        self.shared.statuses.topics(name)
    }

    async fn reset_topics(&self, name: &ConnectorName) -> Result<()> {
        let reset = self.shared.statuses.reset_topics(name).await;
        reset.map_err(|source| Error::Store { operation: "forget the connector's topics", source })
    }

    fn plugins(&self) -> Vec<Plugin> {
        let mut plugins = self.shared.worker.plugins();
        plugins.sort_by(|a, b| (a.kind, &a.class).cmp(&(b.kind, &b.class)));
        plugins
    }

    fn plugin_config(&self, class: &str, version: Option<&str>) -> Result<Vec<ConfigKey>> {
        let plugin = ALL_KINDS.iter().find_map(|kind| self.shared.worker.plugin(class, &[*kind]));
        let plugin = plugin.ok_or_else(|| Error::UnknownPlugin(class.to_owned()))?;
        if let Some(version) = version {
            version::check(&plugin.class, &plugin.version, version).map_err(Error::VersionMismatch)?;
        }
        Ok(plugin_keys(plugin))
    }

    async fn validate(&self, plugin: &str, config: GivenConfig) -> Result<Validation> {
        Validator::check_type(plugin, &config)?;
        let validation = tokio::time::timeout(REQUEST_TIMEOUT, self.validator().validate(&config)).await;
        match validation.map_err(|_| Error::TimedOut("validating the connector's configuration"))? {
            Err(Error::UnknownClass { class, available }) => {
                Err(Error::UnknownClassToValidate { class, available })
            }
            other => other,
        }
    }

    fn connectors_using(&self, classes: &[String]) -> Vec<ConnectorName> {
        let used = |value: &String| {
            ALL_KINDS
                .iter()
                .filter_map(|kind| self.shared.worker.plugin(value.trim(), &[*kind]))
                .any(|plugin| classes.contains(&plugin.class))
        };
        let names_plugin = |(key, value): (&String, &String)| names_plugin(key) && used(value);
        let snapshot = self.snapshot();
        let using = snapshot.connectors.iter().filter(|(_, entry)| entry.config.iter().any(names_plugin));
        using.map(|(name, _)| name.clone()).collect()
    }

    async fn shut_down(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}

/// In the order of Kafka Connect's plugin list.
const ALL_KINDS: [PluginKind; 6] = [
    PluginKind::Sink,
    PluginKind::Source,
    PluginKind::Transformation,
    PluginKind::Predicate,
    PluginKind::Converter,
    PluginKind::HeaderConverter,
];

impl WorkerConverters {
    /// The converter that is used for `key` of a connector's configuration.
    pub(crate) fn get(&self, key: &str) -> Option<&String> {
        match key {
            "key.converter" => self.key.as_ref(),
            "value.converter" => self.value.as_ref(),
            "header.converter" => self.header.as_ref(),
            _ => None,
        }
    }
}

/// What the status store knows of a connector; nothing when nothing of the connector itself.
pub(crate) fn status_of(
    statuses: &dyn StatusStore,
    kind: Option<PluginKind>,
    name: &ConnectorName,
) -> Option<ConnectorStatus> {
    let mut tasks = statuses.tasks(name);
    tasks.sort_by_key(|(task, _)| *task);
    Some(ConnectorStatus { name: name.clone(), connector: statuses.connector(name)?, tasks, kind })
}

/// Puts the name into a configuration that has none.
fn insert_name(name: &ConnectorName, config: &mut GivenConfig) -> Result<()> {
    match config.get("name") {
        Some(Some(given)) if given != name.as_str() => {
            Err(Error::NameMismatch { given: given.clone(), expected: name.to_string() })
        }
        Some(Some(_)) => Ok(()),
        _ => {
            config.insert("name".to_owned(), Some(name.to_string()));
            Ok(())
        }
    }
}

/// Whether a configuration's key names a plugin.
fn names_plugin(key: &str) -> bool {
    key == "connector.class"
        || matches!(key, "key.converter" | "value.converter" | "header.converter")
        || ((key.starts_with("transforms.") || key.starts_with("predicates.")) && key.ends_with(".type"))
}
