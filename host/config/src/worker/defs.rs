//! Definitions of the worker's keys.

use crate::def::{ConfigDef, ConfigKey, ConfigType, Importance, Validator};

use ConfigType::{Boolean, Class, Int, List, Long, Short, String as Text};
use Importance::{High, Low, Medium};

/// Families of keys that are read by prefix: converters' and clients' own keys, topic settings, TLS.
pub(super) const PREFIXES: [&str; 17] = [
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "producer.",
    "consumer.",
    "admin.",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
    "config.providers.",
    "listeners.https.",
    "admin.listeners.https.",
    "metrics.context.",
    "ssl.",
    "sasl.",
    "security.",
    "inter.worker.",
];

/// Keys that internal clients understand, besides `ssl.`, `sasl.` and `security.`.
pub(super) const CLIENT_KEYS: [&str; 22] = [
    "bootstrap.servers",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "metadata.max.age.ms",
    "metadata.recovery.strategy",
    "metadata.recovery.rebootstrap.trigger.ms",
    "send.buffer.bytes",
    "receive.buffer.bytes",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "retries",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "request.timeout.ms",
    "default.api.timeout.ms",
    "connections.max.idle.ms",
    "socket.connection.setup.timeout.ms",
    "socket.connection.setup.timeout.max.ms",
    "max.request.size",
    "fetch.max.bytes",
    "max.partition.fetch.bytes",
];

/// Keys that Kafka Connect accepts and that have no meaning here: no word is lost about them.
pub(super) const ACCEPTED: [&str; 15] = [
    "plugin.discovery",
    "metrics.sample.window.ms",
    "metrics.num.samples",
    "metrics.recording.level",
    "metric.reporters",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "rebalance.timeout.ms",
    "worker.sync.timeout.ms",
    "worker.unsync.backoff.ms",
    "connect.protocol",
    "scheduled.rebalance.max.delay.ms",
    "config.providers",
    "key.converter",
    "value.converter",
];

const PARTITIONS: Validator =
    Validator::PositiveOrDefault("Number of partitions must be positive, or -1 to use the broker's default");
const REPLICATION: Validator = Validator::PositiveOrDefault(
    "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default",
);

/// Keys of both modes.
pub(super) fn common() -> ConfigDef {
    let mut def = ConfigDef::new(vec![
        ConfigKey::new("bootstrap.servers", List, High, "Kafka brokers to start from, host:port.")
            .validator(Validator::NonEmptyList),
        ConfigKey::new("key.converter", Class, High, "Converter of keys unless a connector names its own."),
        ConfigKey::new(
            "value.converter",
            Class,
            High,
            "Converter of values unless a connector names its own.",
        ),
        ConfigKey::new(
            "header.converter",
            Class,
            Low,
            "Converter of headers unless a connector names its own.",
        )
        .default_value("org.apache.kafka.connect.storage.SimpleHeaderConverter"),
        at_least_zero("offset.flush.interval.ms", "60000", "How often offsets are committed."),
        at_least_zero("offset.flush.timeout.ms", "5000", "How long a commit of offsets may take."),
        at_least_zero(
            "task.shutdown.graceful.timeout.ms",
            "5000",
            "How long stopping tasks may take, all together.",
        ),
        ConfigKey::new("plugin.path", List, Low, "Folders with plugins, .wasm components.").optional(),
        ConfigKey::new(
            "connector.client.config.override.policy",
            Text,
            Medium,
            "Which client settings a connector may override.",
        )
        .default_value("All"),
        ConfigKey::new(
            "connector.client.config.override.allowlist",
            List,
            Medium,
            "Client settings that the policy Allowlist lets through.",
        )
        .default_value(""),
        boolean(
            "topic.creation.enable",
            "true",
            "Whether topics are made as the connector's topic.creation keys say.",
        ),
        boolean("topic.tracking.enable", "true", "Whether the topics that connectors use are on record."),
        boolean("topic.tracking.allow.reset", "true", "Whether that record may be cleared."),
        ConfigKey::new("client.dns.lookup", Text, Medium, "How clients use the addresses of a host name.")
            .default_value("use_all_dns_ips")
            .validator(one_of(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])),
        ConfigKey::new("listeners", List, Low, "Addresses of the REST API, scheme://host:port.")
            .default_value("http://:8083")
            .validator(Validator::Listeners),
        ConfigKey::new(
            "admin.listeners",
            List,
            Low,
            "Addresses of the admin part of the REST API; with the rest when unset.",
        )
        .optional()
        .validator(Validator::Listeners),
        ConfigKey::new(
            "rest.advertised.host.name",
            Text,
            Low,
            "Host that other workers and users reach this worker by.",
        )
        .optional(),
        ConfigKey::new(
            "rest.advertised.port",
            Int,
            Low,
            "Port that other workers and users reach this worker by.",
        )
        .optional(),
        ConfigKey::new("rest.advertised.listener", Text, Low, "Which listener is advertised, http or https.")
            .optional(),
        ConfigKey::new("rest.extension.classes", List, Low, "REST extensions, by class.").default_value(""),
        ConfigKey::new("access.control.allow.origin", Text, Low, "Origins that browsers may call from.")
            .default_value(""),
        ConfigKey::new("access.control.allow.methods", Text, Low, "Methods that browsers may call.")
            .default_value(""),
        ConfigKey::new("response.http.headers.config", Text, Low, "Headers added to every answer.")
            .default_value(""),
        ConfigKey::new("ssl.client.auth", Text, Low, "Whether callers must show a certificate.")
            .default_value("none")
            .validator(one_of(&["required", "requested", "none"])),
        ConfigKey::new("cofferdam.data.dir", Text, Medium, "Folder for uploaded plugins and compiled code.")
            .default_value("cofferdam-data")
            .validator(Validator::NonEmptyString),
        ConfigKey::new(
            "cofferdam.guest.memory.max",
            Text,
            Medium,
            "Most memory of one plugin instance, such as 256MiB.",
        )
        .default_value("256MiB"),
        ConfigKey::new("cofferdam.guest.call.timeout.ms", Long, Medium, "Longest call into a plugin.")
            .default_value("60000")
            .validator(Validator::Range(Some(1.0), None)),
        ConfigKey::new(
            "cofferdam.guest.frame.max",
            Text,
            Medium,
            "Most bytes of one batch that crosses to or from a plugin.",
        )
        .default_value("64MiB"),
        ConfigKey::new(
            "cofferdam.file.roots",
            List,
            Medium,
            "Folders that files named in connector configurations must be in.",
        )
        .default_value("/")
        .validator(Validator::NonEmptyList),
    ]);
    def.keys.extend(crate::connector::restart_keys());
    def
}

/// Keys of standalone mode.
pub(super) fn standalone() -> ConfigDef {
    let mut def = common();
    def.keys.push(
        ConfigKey::new("offset.storage.file.filename", Text, High, "File that keeps source offsets.")
            .validator(Validator::NonEmptyString),
    );
    def
}

/// Keys of distributed mode.
pub(super) fn distributed() -> ConfigDef {
    let mut def = common();
    def.keys.push(ConfigKey::new("group.id", Text, High, "Name of the cluster of workers."));
    for (name, partitions) in [("config", None), ("offset", Some("25")), ("status", Some("5"))] {
        def.keys.push(ConfigKey::new(
            &format!("{name}.storage.topic"),
            Text,
            High,
            &format!("Topic of the {name} store."),
        ));
        def.keys.push(
            ConfigKey::new(
                &format!("{name}.storage.replication.factor"),
                Short,
                Low,
                &format!("Replication factor of the {name} store's topic when it has to be made."),
            )
            .default_value("3")
            .validator(REPLICATION),
        );
        if let Some(partitions) = partitions {
            def.keys.push(
                ConfigKey::new(
                    &format!("{name}.storage.partitions"),
                    Int,
                    Low,
                    &format!("Partitions of the {name} store's topic when it has to be made."),
                )
                .default_value(partitions)
                .validator(PARTITIONS),
            );
        }
    }
    def.keys.push(
        ConfigKey::new(
            "exactly.once.source.support",
            Text,
            High,
            "Whether source connectors may be exactly-once.",
        )
        .default_value("disabled")
        .validator(Validator::OneOfIgnoreCase(
            ["disabled", "preparing", "enabled"].map(str::to_owned).to_vec(),
        )),
    );
    def
}

fn boolean(name: &str, default: &str, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, Boolean, Low, documentation).default_value(default)
}

fn at_least_zero(name: &str, default: &str, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, Long, Low, documentation)
        .default_value(default)
        .validator(Validator::Range(Some(0.0), None))
}

fn one_of(values: &[&str]) -> Validator {
    Validator::OneOf(values.iter().map(|&value| value.to_owned()).collect())
}
