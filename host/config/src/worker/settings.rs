//! The worker's configuration, parsed once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_api::ConfigMap;
use cofferdam_stdx::ByteCount;

use super::defs;
use super::listener::Listener;
use crate::connector::ConverterSettings;
use crate::validate::{KeyError, Parsed, invalid_value};

/// Which of Kafka Connect's two kinds of worker a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One worker on its own.
    Standalone,
    /// A member of a cluster.
    Distributed,
}

/// What a worker is told at its start.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSettings {
    /// What differs between the two modes.
    pub mode: ModeSettings,
    /// Brokers, `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// Where the REST API listens.
    pub listeners: Vec<Listener>,
    /// Host that others reach this worker by, when it is not the listener's.
    pub advertised_host: Option<String>,
    /// Port that others reach this worker by, when it is not the listener's.
    pub advertised_port: Option<u16>,
    /// Key converter of connectors that name none.
    pub key_converter: ConverterSettings,
    /// Value converter of connectors that name none.
    pub value_converter: ConverterSettings,
    /// Header converter of connectors that name none.
    pub header_converter: ConverterSettings,
    /// How often offsets are committed.
    pub offset_flush_interval: Duration,
    /// How long a commit of offsets may take.
    pub offset_flush_timeout: Duration,
    /// How long stopping tasks may take, all together.
    pub task_shutdown_timeout: Duration,
    /// Whether `topic.creation.` keys of connectors are heeded.
    pub topic_creation_enable: bool,
    /// Whether the topics that connectors use are on record.
    pub topic_tracking_enable: bool,
    /// Whether that record may be cleared.
    pub topic_tracking_allow_reset: bool,
    /// Folders with plugins.
    pub plugin_path: Vec<PathBuf>,
    /// Folder for uploaded plugins and compiled code.
    pub data_dir: PathBuf,
    /// Bounds of plugin instances.
    pub guest: GuestSettings,
    /// Folders that files named in connector configurations must be in.
    pub file_roots: Vec<PathBuf>,
    /// Every key as given.
    pub raw: ConfigMap,
    /// Keys without meaning, to be reported once at start.
    pub unused: Vec<String>,
}

/// Bounds of plugin instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestSettings {
    /// Most memory of one instance.
    pub memory_max: ByteCount,
    /// Longest call.
    pub call_timeout: Duration,
    /// Most bytes of one batch.
    pub frame_max: ByteCount,
}

/// What differs between the two modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeSettings {
    /// Configurations and statuses in memory, offsets in a file.
    Standalone {
        /// The file.
        offset_file: PathBuf,
    },
    /// Everything in Kafka.
    Distributed(Box<DistributedSettings>),
}

/// Names of the cluster and its topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributedSettings {
    /// Name of the cluster.
    pub group_id: String,
    /// Topic of connector configurations: one partition.
    pub config_topic: TopicSettings,
    /// Topic of source offsets.
    pub offset_topic: TopicSettings,
    /// Topic of statuses.
    pub status_topic: TopicSettings,
    /// Whether sources deliver exactly once.
    pub exactly_once: ExactlyOnce,
}

/// `exactly.once.source.support`: a cluster is switched over in two rolling restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactlyOnce {
    /// Sources deliver at least once.
    Disabled,
    /// The same, on the way to `Enabled`: all workers have to be here before one goes on.
    Preparing,
    /// Sources deliver in transactions.
    Enabled,
}

/// An internal topic and how it is made when it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Name of the topic.
    pub name: String,
    /// Key that gave the name, for messages.
    pub key: String,
    /// Number of partitions, -1 for the broker's default.
    pub partitions: i32,
    /// Replication factor, -1 for the broker's default.
    pub replication_factor: i16,
    /// Further settings of the topic.
    pub configs: ConfigMap,
}

// === impl WorkerSettings ===

impl WorkerSettings {
    /// Reads the text of a worker's `.properties` file.
    ///
    /// # Errors
    /// All faults with their keys; a file that is no properties file has one fault without key.
    pub fn from_properties(text: &str, mode: Mode) -> Result<Self, Vec<KeyError>> {
        let raw = crate::read_properties(text).map_err(|fault| vec![(String::new(), fault)])?;
        Self::from_map(raw, mode)
    }

    /// Reads a worker's configuration.
    ///
    /// # Errors
    /// All faults with their keys.
    pub fn from_map(raw: ConfigMap, mode: Mode) -> Result<Self, Vec<KeyError>> {
        let def = match mode {
            Mode::Standalone => defs::standalone(),
            Mode::Distributed => defs::distributed(),
        };
        let parsed = def.parse(&raw);
        let mut errors = parsed.errors.clone();
        let settings = Self::build(raw, &parsed, mode, &mut errors);
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// A worker for trying things out: one process with its own broker at `kafka`, REST at `rest`,
    /// JSON without schemas, offsets committed often enough to watch.
    #[must_use]
    pub fn dev(rest: SocketAddr, kafka: &str, data_dir: &Path) -> Self {
        let data_dir = data_dir.to_string_lossy();
        let rest = format!("http://{rest}");
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let raw = [
            ("bootstrap.servers", kafka),
            ("group.id", "cofferdam-dev"),
            ("config.storage.topic", "connect-configs"),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.topic", "connect-offsets"),
            ("offset.storage.replication.factor", "1"),
            ("offset.storage.partitions", "5"),
            ("status.storage.topic", "connect-status"),
            ("status.storage.replication.factor", "1"),
            ("key.converter", json),
            ("key.converter.schemas.enable", "false"),
            ("value.converter", json),
            ("value.converter.schemas.enable", "false"),
            ("offset.flush.interval.ms", "5000"),
            ("listeners", &rest),
            ("cofferdam.data.dir", &data_dir),
        ];
        let raw = raw.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let parsed = defs::distributed().parse(&raw);
        Self::build(raw, &parsed, Mode::Distributed, &mut Vec::new())
    }

    fn build(raw: ConfigMap, parsed: &Parsed, mode: Mode, errors: &mut Vec<KeyError>) -> Self {
        let text = |key: &str| parsed.string(key).unwrap_or_default().to_owned();
        let millis = |key: &str| {
            Duration::from_millis(parsed.integer(key).and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
        };
        let paths =
            |key: &str| parsed.list(key).iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        let converter = |key: &str| ConverterSettings {
            class: text(key),
            options: crate::connector::converter_options(&raw, key),
        };
        let mut bytes = |key: &str| {
            text(key).parse().unwrap_or_else(|error: cofferdam_stdx::ByteCountError| {
                errors.push((key.to_owned(), invalid_value(key, &text(key), &error.to_string())));
                ByteCount::default()
            })
        };
        let guest = GuestSettings {
            memory_max: bytes("cofferdam.guest.memory.max"),
            call_timeout: millis("cofferdam.guest.call.timeout.ms"),
            frame_max: bytes("cofferdam.guest.frame.max"),
        };
        let listeners =
            parsed.list("listeners").iter().filter_map(|listener| listener.parse().ok()).collect();
        let advertised_port = parsed.integer("rest.advertised.port").and_then(|port| {
            let valid = u16::try_from(port).ok();
            if valid.is_none() {
                let key = "rest.advertised.port";
                errors.push((key.to_owned(), invalid_value(key, &port.to_string(), "Not a port")));
            }
            valid
        });
        Self {
            mode: mode_settings(mode, &raw, parsed),
            bootstrap_servers: parsed.list("bootstrap.servers").to_vec(),
            listeners,
            advertised_host: parsed
                .string("rest.advertised.host.name")
                .filter(|host| !host.is_empty())
                .map(str::to_owned),
            advertised_port,
            key_converter: converter("key.converter"),
            value_converter: converter("value.converter"),
            header_converter: converter("header.converter"),
            offset_flush_interval: millis("offset.flush.interval.ms"),
            offset_flush_timeout: millis("offset.flush.timeout.ms"),
            task_shutdown_timeout: millis("task.shutdown.graceful.timeout.ms"),
            topic_creation_enable: parsed.boolean("topic.creation.enable").unwrap_or(true),
            topic_tracking_enable: parsed.boolean("topic.tracking.enable").unwrap_or(true),
            topic_tracking_allow_reset: parsed.boolean("topic.tracking.allow.reset").unwrap_or(true),
            plugin_path: paths("plugin.path"),
            data_dir: PathBuf::from(text("cofferdam.data.dir")),
            guest,
            file_roots: paths("cofferdam.file.roots"),
            unused: unused(&raw, mode),
            raw,
        }
    }

    /// Whether sources deliver exactly once. Only a member of a cluster can: a worker on its own keeps
    /// offsets in a file, which no transaction reaches.
    #[must_use]
    pub fn has_exactly_once(&self) -> bool {
        matches!(&self.mode, ModeSettings::Distributed(own) if own.exactly_once == ExactlyOnce::Enabled)
    }

    /// `host:port` that names this worker to others (`worker_id` of statuses), once the first
    /// listener is bound to `bound`.
    #[must_use]
    pub fn worker_id(&self, bound: SocketAddr) -> String {
        let listener = self.listeners.first().map(|listener| listener.host.clone());
        let host = self.advertised_host.clone().or(listener.filter(|host| !host.is_empty()));
        let host = host.unwrap_or_else(local_host);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        format!("{host}:{}", self.advertised_port.unwrap_or(bound.port()))
    }
}

fn mode_settings(mode: Mode, raw: &ConfigMap, parsed: &Parsed) -> ModeSettings {
    let text = |key: &str| parsed.string(key).unwrap_or_default().to_owned();
    match mode {
        Mode::Standalone => {
            ModeSettings::Standalone { offset_file: PathBuf::from(text("offset.storage.file.filename")) }
        }
        Mode::Distributed => ModeSettings::Distributed(Box::new(DistributedSettings {
            group_id: text("group.id"),
            config_topic: topic_settings("config", raw, parsed),
            offset_topic: topic_settings("offset", raw, parsed),
            status_topic: topic_settings("status", raw, parsed),
            exactly_once: match text("exactly.once.source.support").to_ascii_lowercase().as_str() {
                "enabled" => ExactlyOnce::Enabled,
                "preparing" => ExactlyOnce::Preparing,
                _ => ExactlyOnce::Disabled,
            },
        })),
    }
}

/// `<name>.storage.topic` and its companions; every other suffix is a setting of the topic, except
/// that Kafka Connect's topics are always compacted.
fn topic_settings(name: &str, raw: &ConfigMap, parsed: &Parsed) -> TopicSettings {
    let prefix = format!("{name}.storage.");
    let key = format!("{prefix}topic");
    let mut configs = crate::connector::with_prefix(raw, &prefix);
    for own in ["topic", "partitions", "replication.factor", "cleanup.policy", "file.filename"] {
        configs.shift_remove(own);
    }
    TopicSettings {
        name: parsed.string(&key).unwrap_or_default().to_owned(),
        partitions: match name {
            "config" => 1,
            _ => parsed
                .integer(&format!("{prefix}partitions"))
                .and_then(|n| i32::try_from(n).ok())
                .unwrap_or(-1),
        },
        replication_factor: parsed
            .integer(&format!("{prefix}replication.factor"))
            .and_then(|n| i16::try_from(n).ok())
            .unwrap_or(-1),
        key,
        configs,
    }
}

/// Keys that nothing reads. Keys of the other mode count as read: people share files.
fn unused(raw: &ConfigMap, mode: Mode) -> Vec<String> {
    let (own, other) = match mode {
        Mode::Standalone => (defs::standalone(), defs::distributed()),
        Mode::Distributed => (defs::distributed(), defs::standalone()),
    };
    // They are read, but what they say is not done.
    let overruled = [
        "config.storage.partitions",
        "config.storage.cleanup.policy",
        "offset.storage.cleanup.policy",
        "status.storage.cleanup.policy",
    ];
    let is_used = |key: &String| {
        let named = own.key(key).or_else(|| other.key(key)).is_some();
        let listed = defs::CLIENT_KEYS.contains(&key.as_str()) || defs::ACCEPTED.contains(&key.as_str());
        let prefixed = defs::PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        (named || listed || prefixed) && !overruled.contains(&key.as_str())
    };
    raw.keys().filter(|key| !is_used(key)).cloned().collect()
}

/// Name of this machine, as the kernel knows it.
fn local_host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
