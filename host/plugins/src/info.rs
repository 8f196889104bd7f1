//! What a component says of itself, as the host's crates see it.

use cofferdam_config::ConfigDef;

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginKind {
    /// A source connector.
    Source,
    /// A sink connector.
    Sink,
    /// A single message transform.
    Transform,
    /// A predicate.
    Predicate,
    /// A converter, of keys, values and headers.
    Converter,
    /// A converter of headers only.
    HeaderConverter,
}

impl PluginKind {
    /// The suffix that a class name may be written without (Kafka Connect's pruned name).
    #[must_use]
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::Source | Self::Sink => "Connector",
            Self::Transform => "Transformation",
            Self::Predicate => "Predicate",
            Self::Converter => "Converter",
            Self::HeaderConverter => "HeaderConverter",
        }
    }
}

/// How keys and values are laid out in what a guest is handed and hands back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The bytes of the topic.
    Raw,
    /// Rows where there is a schema, tape where there is none.
    Rows,
    /// JSON text.
    Json,
}

/// What kind of power a capability grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Power {
    /// Reading in the folder of the file that the value names.
    FileRead,
    /// Reading and writing there.
    FileWrite,
    /// Sources: saying where their transactions end.
    TransactionBoundaries,
}

impl Power {
    /// Name in a description.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FileRead => "file-read",
            Self::FileWrite => "file-write",
            Self::TransactionBoundaries => "transaction-boundaries",
        }
    }
}

/// Power that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The power.
    pub power: Power,
    /// Text with references to configuration keys, such as `${file}`.
    pub value: String,
}

/// One plugin of an artifact.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an independent promise of the contract")]
pub struct PluginInfo {
    /// Full class name.
    pub class: String,
    /// Other names that the plugin itself gives.
    pub aliases: Vec<String>,
    /// What it is.
    pub kind: PluginKind,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub documentation: String,
    /// Its configuration keys.
    pub config_def: ConfigDef,
    /// Layout of keys.
    pub key_format: Format,
    /// Layout of values.
    pub value_format: Format,
    /// Whether it looks at keys.
    pub needs_key: bool,
    /// Whether it looks at values.
    pub needs_value: bool,
    /// Whether it looks at headers.
    pub needs_headers: bool,
    /// Same output for the same input, no state.
    pub pure: bool,
    /// Sinks: a record put twice has the effect of one put once.
    pub idempotent: bool,
    /// Kafka Connect's `task.class`.
    pub task_class: Option<String>,
    /// What it needs beyond its records.
    pub capabilities: Vec<Capability>,
    /// Digest of the artifact it is part of: neighbours with the same digest share an instance.
    pub digest: String,
}

impl PluginInfo {
    /// Sources: whether it can say itself where its transactions end.
    #[must_use]
    pub fn defines_transactions(&self) -> bool {
        self.kind == PluginKind::Source
            && self.capabilities.iter().any(|capability| capability.power == Power::TransactionBoundaries)
    }
}

/// Where an artifact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Part of this binary.
    Builtin,
    /// A file in one of the folders of `plugin.path`.
    Folder,
    /// Uploaded by request.
    Upload,
}

impl Origin {
    /// For messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "a built-in plugin",
            Self::Folder => "a plugin of plugin.path",
            Self::Upload => "an uploaded plugin",
        }
    }
}

/// An installed component.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// Bytes of the component.
    pub size: usize,
    /// Where it comes from.
    pub origin: Origin,
    /// The plugins it offers.
    pub plugins: Vec<PluginInfo>,
    /// Time that compiling took; 0 when it was in the cache.
    pub compile_ms: u64,
}
