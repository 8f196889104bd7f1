//! The control path: what is asked by REST becomes configuration, configuration becomes running
//! connectors and tasks.
//!
//! ```text
//! rest ─ Herder ─ config store ─ plan (pure) ─ control (one a connector) ─ worker-api
//! ```
//!
//! A request only ever changes the config store. What runs follows from it: each connector has a
//! control task that compares what is wanted with what runs, and acts. So a start of the process, a
//! change by REST and a record that another tool wrote to the config topic take the same way.
//!
//! Kafka Connect's error texts and states are kept to the letter, clients match on them. Nothing
//! here runs a record: that is `runtime`, behind [`cofferdam_worker_api::Worker`].

use std::collections::BTreeSet;

use async_trait::async_trait;
use cofferdam_api::{ConfigMap, ConnectorName, Status, TargetState, TaskId};
use cofferdam_config::ConfigKey;
use cofferdam_worker_api::{Plugin, PluginKind};
use indexmap::IndexMap;

mod control;
mod dispatch;
#[cfg(any(test, feature = "double"))]
pub mod double;
mod embed;
mod error;
mod fencing;
mod local;
mod plan;
mod report;
mod restart;
mod validate;
mod version;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use local::{HerderParts, LocalHerder, Mode, WorkerConverters, start};
pub use report::{Reporter, Reports, reports};
pub use restart::RestartRequest;
pub use validate::{ValidatedKey, Validation};

/// What every call answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A configuration as a request gives it: a value may be null.
pub type GivenConfig = IndexMap<String, Option<String>>;

/// The control path of one worker.
#[async_trait]
pub trait Herder: Send + Sync {
    /// Id of the Kafka cluster that the worker uses.
    fn kafka_cluster_id(&self) -> String;

    /// Whether requests are being worked on.
    async fn health(&self) -> Health;

    /// Names of all connectors.
    fn connectors(&self) -> Vec<ConnectorName>;

    /// A connector's configuration and tasks.
    ///
    /// # Errors
    /// When there is no such connector.
    fn connector(&self, name: &ConnectorName) -> Result<ConnectorInfo>;

    /// Creates a connector. The configuration is validated in full first.
    ///
    /// # Errors
    /// When the configuration is invalid, the name is taken or the store cannot be written.
    async fn create_connector(
        &self,
        name: &ConnectorName,
        config: GivenConfig,
        initial_state: Option<TargetState>,
    ) -> Result<ConnectorInfo>;

    /// Replaces a connector's configuration, or creates the connector.
    ///
    /// # Errors
    /// As [`Herder::create_connector`].
    async fn put_connector_config(&self, name: &ConnectorName, config: GivenConfig) -> Result<Put>;

    /// Changes single keys of a connector's configuration; null removes a key.
    ///
    /// # Errors
    /// As [`Herder::create_connector`], and when there is no such connector.
    async fn patch_connector_config(&self, name: &ConnectorName, patch: GivenConfig)
    -> Result<ConnectorInfo>;

    /// Removes a connector. Its offsets stay, so one of the same name goes on where it ended.
    ///
    /// # Errors
    /// When there is no such connector or the store cannot be written.
    async fn delete_connector(&self, name: &ConnectorName) -> Result<()>;

    /// State of a connector and its tasks.
    ///
    /// # Errors
    /// When none is known.
    fn connector_status(&self, name: &ConnectorName) -> Result<ConnectorStatus>;

    /// Configurations of a connector's tasks.
    ///
    /// # Errors
    /// When there is no such connector.
    fn tasks(&self, name: &ConnectorName) -> Result<Vec<TaskInfo>>;

    /// State of one task.
    ///
    /// # Errors
    /// When none is known.
    fn task_status(&self, id: &TaskId) -> Result<Status>;

    /// Pauses, resumes or stops a connector with its tasks. Answers once that is on record.
    ///
    /// # Errors
    /// When there is no such connector or the store cannot be written.
    async fn set_target_state(&self, name: &ConnectorName, target: TargetState) -> Result<()>;

    /// Restarts a connector, some or all of its tasks, or both.
    ///
    /// # Errors
    /// When there is no such connector, nothing is known of its state, or it did not start.
    async fn restart_connector(&self, name: &ConnectorName, request: RestartRequest) -> Result<Restarted>;

    /// Restarts one task.
    ///
    /// # Errors
    /// When there is no such task.
    async fn restart_task(&self, id: &TaskId) -> Result<()>;

    /// Topics that a connector used since they were last reset; empty for an unknown connector.
    fn topics(&self, name: &ConnectorName) -> BTreeSet<String>;

    /// Forgets which topics a connector used.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn reset_topics(&self, name: &ConnectorName) -> Result<()>;

    /// Every plugin, in Kafka Connect's order: by kind, then by class.
    fn plugins(&self) -> Vec<Plugin>;

    /// Keys of a plugin, those of the framework included for a connector.
    ///
    /// # Errors
    /// When there is no such plugin, or not in that version.
    fn plugin_config(&self, class: &str, version: Option<&str>) -> Result<Vec<ConfigKey>>;

    /// Validates a configuration for the connector plugin that the request names.
    ///
    /// # Errors
    /// When the plugin is unknown or does not fit the configuration's class. Faults of values are
    /// not errors, they are in the answer.
    async fn validate(&self, plugin: &str, config: GivenConfig) -> Result<Validation>;

    /// Connectors whose configuration names one of these plugin classes.
    fn connectors_using(&self, classes: &[String]) -> Vec<ConnectorName>;

    /// Stops every connector and task, commits what they did, and records that nobody runs them.
    async fn shut_down(&self);
}

/// A connector as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorInfo {
    /// Its name.
    pub name: ConnectorName,
    /// Its configuration, as given, `name` included.
    pub config: ConfigMap,
    /// Its tasks.
    pub tasks: Vec<TaskId>,
    /// Source or sink; none when its class is not installed.
    pub kind: Option<PluginKind>,
}

/// A connector as it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorStatus {
    /// Its name.
    pub name: ConnectorName,
    /// State of the connector's own instance.
    pub connector: Status,
    /// States of its tasks, by number.
    pub tasks: Vec<(u32, Status)>,
    /// Source or sink; none when its class is not installed.
    pub kind: Option<PluginKind>,
}

/// A task as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    /// Its connector and number.
    pub id: TaskId,
    /// Its configuration.
    pub config: ConfigMap,
}

/// What a put did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Whether there was no such connector before.
    pub created: bool,
    /// The connector now.
    pub info: ConnectorInfo,
}

/// What a restart did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restarted {
    /// The connector's own instance was restarted.
    Done,
    /// A restart was planned; affected entries show RESTARTING.
    Planned(ConnectorStatus),
}

/// Answer to a health check, with Kafka Connect's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Requests are worked on.
    Healthy,
    /// The control path did not answer in time.
    Unhealthy,
}

impl Health {
    /// Kafka Connect's message.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Healthy => "Worker has completed startup and is ready to handle requests.",
            Self::Unhealthy => {
                "Worker was unable to handle this request and may be unable to handle other requests."
            }
        }
    }
}

/// Whether a plugin of this kind is a connector.
#[must_use]
pub const fn is_connector(kind: PluginKind) -> bool {
    matches!(kind, PluginKind::Sink | PluginKind::Source)
}
