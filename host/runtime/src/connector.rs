//! A connector's own instance: it makes the configurations of its tasks.

use std::fmt::Write as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cofferdam_api::{ConfigMap, ConnectorName, State, TargetState};
use cofferdam_config::connector::ConnectorSettings;
use cofferdam_plugins::{ConnectorInstance, Label, PluginInfo, PluginKind, Plugins, Spec};
use cofferdam_storage::OffsetStore;
use cofferdam_telemetry::{ConnectorMetrics, Metrics};
use cofferdam_worker_api::{Failure, Listener};

use crate::Error;
use crate::hooks::WorkerHooks;
use crate::restart::{Next, Restarts};

/// Keys of a sink that its tasks get as well.
const SINK_KEYS: [&str; 2] = ["topics", "topics.regex"];

/// What every connector of a worker shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) plugins: Plugins,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) metrics: Metrics,
}

/// One connector on this worker.
pub(crate) struct Connector {
    name: ConnectorName,
    config: ConfigMap,
    settings: ConnectorSettings,
    info: PluginInfo,
    metrics: ConnectorMetrics,
    shared: Shared,
    /// None while paused, stopped or failed.
    instance: Option<ConnectorInstance>,
    /// What it was told to be last.
    target: TargetState,
}

impl Connector {
    /// Reads the configuration; starts nothing.
    pub(crate) fn new(name: &ConnectorName, config: &ConfigMap, shared: Shared) -> Result<Self, Error> {
        let class = config.get("connector.class").map(|class| class.trim()).unwrap_or_default();
        let info = find(&shared.plugins, class)?;
        let is_sink = info.kind == PluginKind::Sink;
        let settings =
            if is_sink { ConnectorSettings::parse_sink(config) } else { ConnectorSettings::parse(config) };
        let kind = if is_sink { "sink" } else { "source" };
        let metrics = shared.metrics.connector(name.as_str(), &info.class, kind, &info.version);
        Ok(Self {
            name: name.clone(),
            config: config.clone(),
            settings: settings.map_err(Error::Settings)?,
            info,
            metrics,
            shared,
            instance: None,
            target: TargetState::Stopped,
        })
    }

    /// Brings the connector into `target` and tells what came of it.
    pub(crate) async fn set_target(&mut self, target: TargetState) -> Result<(), Error> {
        self.target = target;
        match target {
            TargetState::Started => {
                if self.instance.is_none() {
                    self.instance = Some(self.start().await?);
                }
                self.tell(State::Running);
            }
            TargetState::Paused => {
                self.stop().await?;
                self.tell(State::Paused);
            }
            TargetState::Stopped => {
                // A connector that is not wanted any more is stopped whatever it says to that.
                if let Err(error) = self.stop().await {
                    tracing::warn!(connector = %self.name, "the connector failed in stop: {}", error.failure().message);
                }
                self.tell(State::Stopped);
            }
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<ConnectorInstance, Error> {
        let spec = Spec {
            class: self.info.class.clone(),
            config: self.config.clone(),
            label: Label { connector: self.name.to_string(), task: None },
            schemas: Arc::default(),
            usage: Arc::default(),
            hooks: Arc::new(WorkerHooks {
                connector: self.name.clone(),
                offsets: Arc::clone(&self.shared.offsets),
                listener: Arc::clone(&self.shared.listener),
                metrics: None,
                ends_transactions: false,
            }),
        };
        let failed = |error| Error::Guest { class: self.info.class.clone(), call: "start", error };
        let mut instance = self.shared.plugins.connector(spec).await.map_err(failed)?;
        instance.start().await.map_err(failed)?;
        Ok(instance)
    }

    /// Whether it is meant to run and does not.
    pub(crate) const fn is_down(&self) -> bool {
        matches!(self.target, TargetState::Started) && self.instance.is_none()
    }

    /// Ends it for good.
    pub(crate) async fn end(&mut self) -> Result<(), Error> {
        self.target = TargetState::Stopped;
        self.stop().await
    }

    /// Ends the instance, if there is one.
    async fn stop(&mut self) -> Result<(), Error> {
        let Some(mut instance) = self.instance.take() else { return Ok(()) };
        let class = self.info.class.clone();
        instance.stop().await.map_err(|error| Error::Guest { class, call: "stop", error })
    }

    /// Configurations for the tasks, completed with what Kafka Connect adds.
    pub(crate) async fn task_configs(&mut self) -> Result<Vec<ConfigMap>, Error> {
        let max = self.settings.tasks_max;
        let not_started = || Error::NotStarted(self.name.to_string());
        let instance = self.instance.as_mut().ok_or_else(not_started)?;
        let configs = instance.task_configs(max).await;
        let dead = !instance.is_alive();
        if dead {
            self.instance = None;
        }
        let failed = |error| Error::Guest { class: self.info.class.clone(), call: "taskConfigs", error };
        let mut configs = configs.map_err(failed)?;
        if configs.len() > max as usize {
            let error = Error::TooManyTasks { connector: self.name.to_string(), n: configs.len(), max };
            if self.settings.tasks_max_enforce {
                return Err(error);
            }
            tracing::warn!(connector = %self.name, "{error}");
        }
        let class = self.info.task_class.as_ref().unwrap_or(&self.info.class);
        for config in &mut configs {
            config.insert("task.class".to_owned(), class.clone());
            if self.info.kind == PluginKind::Sink {
                let own = SINK_KEYS.iter().filter_map(|key| self.config.get_key_value(*key));
                config.extend(own.map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        Ok(configs)
    }

    fn tell(&self, state: State) {
        self.metrics.state(state.as_str());
        self.shared.listener.connector(&self.name, state, None);
    }

    /// The connector failed; `next` tells when it is tried again, if it is. Answers what its status says.
    pub(crate) fn failed(&self, error: &Error, next: Option<&Next>) -> Failure {
        let mut failure = error.failure();
        if let Some(next) = next {
            _ = writeln!(failure.trace, "{next}");
        }
        tracing::error!(connector = %self.name, "the connector failed\n{}", failure.trace.trim_end());
        self.metrics.state(State::Failed.as_str());
        self.shared.listener.connector(&self.name, State::Failed, Some(failure.trace.clone()));
        failure
    }
}

/// Tries to start a connector again, as its `restart.policy` says, until it runs or is not meant to. Then its
/// tasks are asked for anew.
pub(crate) async fn keep_trying(
    connector: Weak<tokio::sync::Mutex<Connector>>,
    mut restarts: Restarts,
    mut next: Next,
) {
    loop {
        tokio::time::sleep(next.delay).await;
        let Some(connector) = connector.upgrade() else { return };
        let mut connector = connector.lock().await;
        if !connector.is_down() {
            return;
        }
        tracing::info!(connector = %connector.name, "restart {} of the connector, by restart.policy", next.attempt);
        let result = connector.set_target(TargetState::Started).await;
        connector.shared.metrics.connector_started(result.is_ok());
        match result {
            Ok(()) => return connector.shared.listener.reconfigure(&connector.name),
            Err(error) => {
                let due = restarts.next(&error, Duration::ZERO);
                connector.failed(&error, due.as_ref());
                match due {
                    Some(due) => next = due,
                    None => return,
                }
            }
        }
    }
}

/// The connector plugin that `class` names.
pub(crate) fn find(plugins: &Plugins, class: &str) -> Result<PluginInfo, Error> {
    let kinds = [PluginKind::Source, PluginKind::Sink];
    plugins.plugin(class, &kinds).ok_or_else(|| {
        let connectors = plugins.plugins().into_iter().filter(|info| kinds.contains(&info.kind));
        let available: Vec<String> = connectors.map(|info| info.class).collect();
        Error::UnknownClass { kind: "Connector", class: class.to_owned(), available: available.join(", ") }
    })
}
