//! Connect's nouns as the host's crates share them: names, states, statuses, errors with class and
//! blame, and the schemas of one task. Holds no I/O and nothing that is sent to anyone: the JSON of
//! the REST API lives in `rest`, that of the topics in `storage`.

mod error;
mod id;
mod schemas;
mod state;

pub use error::{Blame, Class, Classified, chain};
pub use id::{ConnectorName, TaskId, TopicOffset, TopicPartition};
pub use schemas::{SchemaError, Schemas};
pub use state::{State, Status, TargetState, UnknownState};

/// A configuration as Kafka knows it: strings by key, in the order given.
pub type ConfigMap = indexmap::IndexMap<String, String>;

/// Text of a JSON object: a source partition or source offset.
pub type JsonText = String;
