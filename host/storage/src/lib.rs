//! Where configurations, source offsets and statuses are kept: in Kafka Connect's three topics, byte
//! for byte as Kafka Connect writes them, in a file, or in memory.
//!
//! Every store is a reader state over a log of keyed records. What a record means is decided in one
//! place (`config/state.rs`, `status/state.rs`, `offsets/table.rs`), by functions without I/O; where
//! the records live is the [`log::RecordLog`] underneath.

mod config;
mod error;
mod file;
mod java_file;
pub mod kafka;
pub mod log;
mod offsets;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_api::{ConfigMap, ConnectorName, JsonText, Status, TargetState, TaskId};
use tokio::sync::mpsc;

pub use config::ConfigLogStore;
pub use error::Error;
pub use file::FileOffsetStore;
pub use offsets::OffsetLogStore;
pub use status::StatusLogStore;

/// Configurations that are gone with the process.
pub type MemoryConfigStore = ConfigLogStore<log::MemoryLog>;
/// Offsets that are gone with the process.
pub type MemoryOffsetStore = OffsetLogStore<log::MemoryLog>;
/// Statuses that are gone with the process.
pub type MemoryStatusStore = StatusLogStore<log::MemoryLog>;

/// Keeps the offsets of source connectors.
///
/// Partitions and offsets are texts of JSON objects. Two partitions are the same when their content
/// is: the order of keys and white space do not count.
#[async_trait]
pub trait OffsetStore: Send + Sync {
    /// Offsets of `partitions`, in their order; sees everything that was set anywhere before.
    async fn get(&self, connector: &str, partitions: &[JsonText]) -> Result<Vec<Option<JsonText>>, Error>;

    /// Sets offsets, or forgets them where there is none. Durable when it returns; of a partition
    /// that is named twice the last offset counts.
    async fn set(&self, connector: &str, offsets: Vec<(JsonText, Option<JsonText>)>) -> Result<(), Error>;

    /// Every partition of the connector that has an offset.
    async fn list(&self, connector: &str) -> Result<Vec<(JsonText, JsonText)>, Error>;

    /// The records that would set offsets, for whoever writes them in a transaction of its own; the
    /// store knows of them once that is committed. None when the offsets are not in Kafka.
    fn records(
        &self,
        _connector: &str,
        _offsets: &[(JsonText, Option<JsonText>)],
    ) -> Result<Option<OffsetRecords>, Error> {
        Ok(None)
    }
}

/// Source offsets as they stand in their topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRecords {
    /// The topic.
    pub topic: String,
    /// Keys and values.
    pub records: Vec<log::KeyValue>,
}

/// What the config store knows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Offset of the next record of the log: snapshots with equal offsets are equal.
    pub offset: i64,
    /// All connectors.
    pub connectors: BTreeMap<ConnectorName, Arc<ConnectorEntry>>,
}

/// What the config store knows of one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorEntry {
    /// Its configuration, as it was given.
    pub config: ConfigMap,
    /// What it is meant to be.
    pub target: TargetState,
    /// Configurations of its tasks; none when no whole set was ever published, or what is left of
    /// one after compaction is not whole. The owner of the connector then publishes a new one.
    pub tasks: Option<Vec<ConfigMap>>,
    /// The configuration from which those task configurations were made; none when that is not
    /// known, and they have to be made again.
    pub applied_config: Option<ConfigMap>,
    /// What is known of producers of its tasks, which have to be fenced before others take their place.
    pub fencing: Fencing,
}

/// Which transactional producers of a source's tasks may still be alive somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fencing {
    /// As many tasks as wrote in transactions when this was last on record.
    pub n_tasks: Option<u32>,
    /// Task configurations were published since: all of these producers have to be fenced.
    pub is_due: bool,
}

/// A change that was read from the config store after its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigEvent {
    /// The connector is new or its configuration was written again.
    Connector(ConnectorName),
    /// The connector is gone.
    Removed(ConnectorName),
    /// Its task configurations were published.
    Tasks(ConnectorName),
    /// It is meant to be something else.
    Target(ConnectorName),
    /// Someone asks for a restart.
    Restart {
        /// Of this connector,
        name: ConnectorName,
        /// and its tasks,
        include_tasks: bool,
        /// unless they are well.
        only_failed: bool,
    },
}

/// Keeps configurations. Writes return when the writer itself has read them back.
#[async_trait]
pub trait ConfigStore: Send + Sync {
    /// What has been read so far.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Reads everything that others wrote before this call.
    async fn refresh(&self) -> Result<(), Error>;

    /// Changes from now on, in the order in which they were written.
    fn subscribe(&self) -> mpsc::UnboundedReceiver<ConfigEvent>;

    /// Creates or changes a connector; a target state is written before its configuration.
    async fn put_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        target: Option<TargetState>,
    ) -> Result<(), Error>;

    /// Removes a connector and everything that belongs to it.
    async fn remove_connector(&self, name: &ConnectorName) -> Result<(), Error>;

    /// Publishes a whole set of task configurations.
    async fn put_task_configs(&self, name: &ConnectorName, tasks: &[ConfigMap]) -> Result<(), Error>;

    /// Puts on record that tasks from 0 up to this number may write in transactions, and that the
    /// producers of those before them are fenced.
    async fn put_task_count(&self, name: &ConnectorName, n_tasks: u32) -> Result<(), Error>;

    /// Says what a connector is meant to be.
    async fn put_target_state(&self, name: &ConnectorName, target: TargetState) -> Result<(), Error>;

    /// Asks for a restart, wherever the connector and its tasks run.
    async fn put_restart(
        &self,
        name: &ConnectorName,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<(), Error>;
}

/// Keeps the states of connectors and tasks and the topics that they use.
///
/// A write is acknowledged when it returns; in a shared store it shows in the getters a moment later.
#[async_trait]
pub trait StatusStore: Send + Sync {
    /// Sets a connector's status, or forgets it. A `safe` write is left out when another worker of a
    /// later generation has already spoken.
    async fn put_connector(
        &self,
        name: &ConnectorName,
        status: Option<Status>,
        safe: bool,
    ) -> Result<(), Error>;

    /// Sets a task's status, or forgets it; `safe` as for connectors.
    async fn put_task(&self, id: &TaskId, status: Option<Status>, safe: bool) -> Result<(), Error>;

    /// A connector's status.
    fn connector(&self, name: &ConnectorName) -> Option<Status>;

    /// A task's status.
    fn task(&self, id: &TaskId) -> Option<Status>;

    /// Statuses of a connector's tasks, by number.
    fn tasks(&self, name: &ConnectorName) -> Vec<(u32, Status)>;

    /// Every connector that has a status of its own or of a task.
    fn connectors(&self) -> BTreeSet<ConnectorName>;

    /// Topics that a connector has used since they were last reset.
    fn topics(&self, name: &ConnectorName) -> BTreeSet<String>;

    /// Notes that a task uses a topic.
    async fn add_topic(&self, id: &TaskId, topic: &str) -> Result<(), Error>;

    /// Forgets the topics that a connector has used.
    async fn reset_topics(&self, name: &ConnectorName) -> Result<(), Error>;

    /// Forgets statuses and topics of a connector and its tasks.
    async fn remove(&self, name: &ConnectorName) -> Result<(), Error>;
}
