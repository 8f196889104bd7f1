//! The JSON of the API, field by field in Kafka Connect's order. What is here can be seen by clients and
//! can never again be changed freely.

use cofferdam_api::{ConfigMap, State, Status};
use cofferdam_config::{ConfigKey, ConfigValue};
use cofferdam_herder::{ConnectorInfo, ConnectorStatus, TaskInfo, Validation};
use cofferdam_plugins::{Artifact, PluginKind as Guest};
use cofferdam_worker_api::{Plugin, PluginKind};
use indexmap::IndexMap;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Error {
    pub(crate) error_code: u16,
    pub(crate) message: String,
}

#[derive(Serialize)]
pub(crate) struct Server {
    pub(crate) version: &'static str,
    pub(crate) commit: &'static str,
    pub(crate) kafka_cluster_id: String,
    /// Ours; clients of Kafka Connect skip it.
    pub(crate) cofferdam: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Health {
    pub(crate) status: &'static str,
    pub(crate) message: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Connector {
    name: String,
    config: ConfigMap,
    tasks: Vec<TaskId>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
pub(crate) struct TaskId {
    connector: String,
    task: u32,
}

#[derive(Serialize)]
pub(crate) struct Task {
    id: TaskId,
    config: ConfigMap,
}

#[derive(Serialize)]
pub(crate) struct ConnectorState {
    name: String,
    connector: StateOf,
    tasks: Vec<TaskState>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct StateOf {
    state: &'static str,
    worker_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct TaskState {
    id: u32,
    #[serde(flatten)]
    state: StateOf,
}

/// One connector of an expanded list.
#[derive(Default, Serialize)]
pub(crate) struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<ConnectorState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<Connector>,
}

#[derive(Serialize)]
pub(crate) struct Topics {
    pub(crate) topics: Vec<String>,
}

/// Topics by connector.
pub(crate) type TopicsOf = IndexMap<String, Topics>;

#[derive(Serialize)]
pub(crate) struct PluginInfo {
    class: String,
    #[serde(rename = "type")]
    kind: &'static str,
    version: String,
}

#[derive(Serialize)]
pub(crate) struct Definition {
    name: String,
    #[serde(rename = "type")]
    config_type: &'static str,
    required: bool,
    default_value: Option<String>,
    importance: &'static str,
    documentation: String,
    group: Option<String>,
    order_in_group: i32,
    /// What `order_in_group` was called before; forms still read it.
    order: i32,
    width: &'static str,
    display_name: String,
    dependents: Vec<String>,
}

#[derive(Serialize)]
struct Value {
    name: String,
    value: Option<String>,
    recommended_values: Vec<String>,
    errors: Vec<String>,
    visible: bool,
}

#[derive(Serialize)]
struct DefinedValue {
    definition: Option<Definition>,
    value: Value,
}

#[derive(Serialize)]
pub(crate) struct Validated {
    name: String,
    error_count: usize,
    groups: Vec<String>,
    configs: Vec<DefinedValue>,
}

/// An installed component; ours.
#[derive(Serialize)]
pub(crate) struct ArtifactInfo {
    digest: String,
    origin: &'static str,
    size: usize,
    compile_ms: u64,
    plugins: Vec<PluginInfo>,
}

// === conversions ===

impl From<ConnectorInfo> for Connector {
    fn from(info: ConnectorInfo) -> Self {
        Self {
            name: info.name.to_string(),
            config: info.config,
            tasks: info.tasks.into_iter().map(TaskId::from).collect(),
            kind: connector_type(info.kind),
        }
    }
}

impl From<cofferdam_api::TaskId> for TaskId {
    fn from(id: cofferdam_api::TaskId) -> Self {
        Self { connector: id.connector.to_string(), task: id.task }
    }
}

impl From<TaskInfo> for Task {
    fn from(info: TaskInfo) -> Self {
        Self { id: info.id.into(), config: info.config }
    }
}

impl From<ConnectorStatus> for ConnectorState {
    fn from(status: ConnectorStatus) -> Self {
        Self {
            name: status.name.to_string(),
            connector: status.connector.into(),
            tasks: status.tasks.into_iter().map(|(id, status)| TaskState::new(id, status)).collect(),
            kind: connector_type(status.kind),
        }
    }
}

impl From<Status> for StateOf {
    fn from(status: Status) -> Self {
        Self {
            state: State::as_str(status.state),
            worker_id: status.worker_id,
            version: status.version.filter(|version| !version.is_empty()),
            trace: status.trace.filter(|trace| !trace.is_empty()),
        }
    }
}

impl TaskState {
    pub(crate) fn new(id: u32, status: Status) -> Self {
        Self { id, state: status.into() }
    }
}

impl From<Plugin> for PluginInfo {
    fn from(plugin: Plugin) -> Self {
        Self { class: plugin.class, kind: plugin_type(plugin.kind), version: plugin.version }
    }
}

impl From<ConfigKey> for Definition {
    fn from(key: ConfigKey) -> Self {
        Self {
            required: key.is_required(),
            default_value: key.default_text(),
            name: key.name,
            config_type: key.config_type.as_str(),
            importance: key.importance.as_str(),
            documentation: key.documentation,
            group: key.group,
            order_in_group: key.order,
            order: key.order,
            width: key.width.as_str(),
            display_name: key.display_name,
            dependents: key.dependents,
        }
    }
}

impl From<ConfigValue> for Value {
    fn from(value: ConfigValue) -> Self {
        Self {
            name: value.name,
            value: value.value,
            recommended_values: value.recommended,
            errors: value.errors,
            visible: value.visible,
        }
    }
}

impl From<Validation> for Validated {
    fn from(validation: Validation) -> Self {
        let configs = validation.configs.into_iter();
        Self {
            name: validation.name,
            error_count: validation.error_count,
            groups: validation.groups,
            configs: configs
                .map(|key| DefinedValue {
                    definition: key.definition.map(Definition::from),
                    value: key.value.into(),
                })
                .collect(),
        }
    }
}

impl From<Artifact> for ArtifactInfo {
    fn from(artifact: Artifact) -> Self {
        let plugin = |plugin: cofferdam_plugins::PluginInfo| PluginInfo {
            class: plugin.class,
            kind: guest_type(plugin.kind),
            version: plugin.version,
        };
        Self {
            digest: artifact.digest,
            origin: match artifact.origin {
                cofferdam_plugins::Origin::Builtin => "builtin",
                cofferdam_plugins::Origin::Folder => "folder",
                cofferdam_plugins::Origin::Upload => "upload",
            },
            size: artifact.size,
            compile_ms: artifact.compile_ms,
            plugins: artifact.plugins.into_iter().map(plugin).collect(),
        }
    }
}

const fn connector_type(kind: Option<PluginKind>) -> &'static str {
    match kind {
        Some(kind) => plugin_type(kind),
        None => "unknown",
    }
}

const fn plugin_type(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Sink => "sink",
        PluginKind::Source => "source",
        PluginKind::Transformation => "transformation",
        PluginKind::Predicate => "predicate",
        PluginKind::Converter => "converter",
        PluginKind::HeaderConverter => "header_converter",
    }
}

const fn guest_type(kind: Guest) -> &'static str {
    match kind {
        Guest::Sink => "sink",
        Guest::Source => "source",
        Guest::Transform => "transformation",
        Guest::Predicate => "predicate",
        Guest::Converter => "converter",
        Guest::HeaderConverter => "header_converter",
    }
}
