//! What the control path may ask of the data path, and what it hears back.
//!
//! `herder` calls [`Worker`] and implements [`Listener`]; `runtime` does the opposite; neither knows
//! the other. A herder can so be tested without tasks and a task without a herder.

use async_trait::async_trait;
use cofferdam_api::{Class, ConfigMap, ConnectorName, State, TargetState, TaskId};
use cofferdam_config::ConfigDef;

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginKind {
    /// A sink connector.
    Sink,
    /// A source connector.
    Source,
    /// A single message transform.
    Transformation,
    /// A predicate.
    Predicate,
    /// A converter.
    Converter,
    /// A header converter.
    HeaderConverter,
}

/// A plugin as the control path knows it.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Full class name.
    pub class: String,
    /// Other names under which it is found.
    pub aliases: Vec<String>,
    /// What it is.
    pub kind: PluginKind,
    /// Its version.
    pub version: String,
    /// Its configuration keys.
    pub config_def: ConfigDef,
    /// Sources: whether it can say itself where its transactions end.
    pub defines_transactions: bool,
}

/// Why the data path could not do what it was asked: a text for the status and the REST answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What went wrong, on one line.
    pub message: String,
    /// What the status shows as trace: the message, its causes, a guest's backtrace.
    pub trace: String,
    /// What can be done: whether asking again may help.
    pub class: Class,
}

/// What a plugin says of one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyErrors {
    /// The key.
    pub name: String,
    /// What is wrong with its value.
    pub errors: Vec<String>,
}

/// The data path of one worker.
///
/// Starting does not mean running: how a connector or task fares is told to the [`Listener`].
#[async_trait]
pub trait Worker: Send + Sync {
    /// The plugin of `kind` that `class` names: full name, simple name, or alias.
    fn plugin(&self, class: &str, kind: &[PluginKind]) -> Option<Plugin>;

    /// Every plugin.
    fn plugins(&self) -> Vec<Plugin>;

    /// Lets the plugin `class` check what its definition cannot express. Runs guest code, bounded.
    async fn validate(&self, class: &str, config: &ConfigMap) -> Result<Vec<KeyErrors>, Failure>;

    /// Starts the connector's own instance, replacing one that runs. Returns when it has started.
    /// The listener hears RUNNING, PAUSED or STOPPED, or FAILED with the failure that is returned.
    async fn start_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        target: TargetState,
    ) -> Result<(), Failure>;

    /// Task configurations of a started connector, at most `tasks.max` of them.
    async fn task_configs(&self, name: &ConnectorName) -> Result<Vec<ConfigMap>, Failure>;

    /// Ends the connector's own instance; does nothing when there is none.
    async fn stop_connector(&self, name: &ConnectorName);

    /// Starts a task, replacing one that runs. Returns once it is on its way; all else, failures to
    /// start included, goes to the listener.
    async fn start_task(
        &self,
        id: &TaskId,
        connector_config: &ConfigMap,
        task_config: &ConfigMap,
        target: TargetState,
    );

    /// Fences whoever writes in transactions as one of these tasks of a connector, on any worker: what
    /// they have not committed is aborted when this returns.
    async fn fence_tasks(&self, ids: &[TaskId], connector_config: &ConfigMap) -> Result<(), Failure>;

    /// Stops tasks side by side: their offsets are committed and their clients closed when this
    /// returns, or the grace is over and they were dropped. Unknown ids are skipped.
    async fn stop_tasks(&self, ids: &[TaskId]);

    /// Pauses or resumes the connector and its tasks on this worker.
    async fn set_target_state(&self, name: &ConnectorName, target: TargetState);
}

/// Who hears what becomes of connectors and tasks. Must not block.
pub trait Listener: Send + Sync {
    /// A connector changed its state; `trace` comes with FAILED.
    fn connector(&self, name: &ConnectorName, state: State, trace: Option<String>);
    /// A task changed its state; `trace` comes with FAILED.
    fn task(&self, id: &TaskId, state: State, trace: Option<String>);
    /// A connector asks for its task configurations to be made anew.
    fn reconfigure(&self, name: &ConnectorName);
    /// A task used a topic for the first time since it started.
    fn topic(&self, id: &TaskId, topic: &str);
}
