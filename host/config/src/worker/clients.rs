//! Settings of Kafka clients, in Java's key names: framework defaults, the worker's prefixed keys,
//! the connector's overrides, later ones winning.
//!
//! Security keys without prefix serve the worker's own clients and the connectors' admin clients,
//! not their producers and consumers: those need prefixed copies, as in Kafka Connect.

use cofferdam_api::ConfigMap;

use super::defs;
use super::settings::{ModeSettings, WorkerSettings};
use crate::connector::{Boundary, with_prefix};

const FOR_EVER_MS: &str = "2147483647";
const TRANSACTION_TIMEOUT: &str = "transaction.timeout.ms";
/// What a producer asks for when nothing is said.
const TRANSACTION_TIMEOUT_MS: u128 = 60_000;
/// What a broker allows unless it is told otherwise (`transaction.max.timeout.ms`).
const TRANSACTION_TIMEOUT_MAX_MS: u128 = 900_000;

impl WorkerSettings {
    /// Producer of a source task.
    #[must_use]
    pub fn producer_config(&self, connector: &str, task: u32, overrides: &ConfigMap) -> ConfigMap {
        self.producer(&format!("connector-producer-{connector}-{task}"), overrides)
    }

    /// Producer of a source task that delivers exactly once. What the promise rests on is set
    /// whatever the connector says; a transaction may last as long as its boundary asks for.
    #[must_use]
    pub fn transactional_config(
        &self,
        connector: &str,
        task: u32,
        boundary: Boundary,
        overrides: &ConfigMap,
    ) -> ConfigMap {
        let mut config = self.producer_config(connector, task, overrides);
        let id = self.transactional_id(connector, task);
        for (key, value) in
            [("transactional.id", id.as_str()), ("enable.idempotence", "true"), ("acks", "all")]
        {
            config.insert(key.to_owned(), value.to_owned());
        }
        if let Boundary::Interval(interval) = boundary
            && !config.contains_key(TRANSACTION_TIMEOUT)
        {
            let ms = interval.unwrap_or(self.offset_flush_interval).as_millis() * 2;
            if ms > TRANSACTION_TIMEOUT_MS {
                let ms = ms.min(TRANSACTION_TIMEOUT_MAX_MS);
                config.insert(TRANSACTION_TIMEOUT.to_owned(), ms.to_string());
            }
        }
        config
    }

    /// By which a source task's producers know each other, from one start of the task to the next.
    #[must_use]
    pub fn transactional_id(&self, connector: &str, task: u32) -> String {
        let group = match &self.mode {
            ModeSettings::Distributed(settings) => settings.group_id.as_str(),
            ModeSettings::Standalone { .. } => "",
        };
        format!("{group}-{connector}-{task}")
    }

    /// Producer of a sink task's dead letter queue.
    #[must_use]
    pub fn dlq_producer_config(&self, connector: &str, task: u32, overrides: &ConfigMap) -> ConfigMap {
        self.producer(&format!("connector-dlq-producer-{connector}-{task}"), overrides)
    }

    /// Consumer of a sink task.
    #[must_use]
    pub fn consumer_config(&self, connector: &str, task: u32, overrides: &ConfigMap) -> ConfigMap {
        let mut config = self.framework(&[
            ("group.id", &format!("connect-{connector}")),
            ("client.id", &format!("connector-consumer-{connector}-{task}")),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
        ]);
        config.extend(with_prefix(&self.raw, "consumer."));
        config.extend(overrides.clone());
        config
    }

    /// Admin client of a connector, or of one of its tasks: makes topics, reads groups.
    #[must_use]
    pub fn admin_config(&self, connector: &str, task: Option<u32>, overrides: &ConfigMap) -> ConfigMap {
        let id = match task {
            Some(task) => format!("connector-adminclient-{connector}-{task}"),
            None => format!("connector-adminclient-{connector}"),
        };
        let mut config = self.internal_config();
        config.insert("client.id".to_owned(), id);
        config.extend(with_prefix(&self.raw, "admin."));
        // `admin.listeners` belongs to REST and not to a client.
        config.retain(|key, _| key != "listeners" && !key.starts_with("listeners."));
        config.extend(overrides.clone());
        config
    }

    /// The worker's own clients: everything without prefix that a client understands.
    #[must_use]
    pub fn internal_config(&self) -> ConfigMap {
        let is_client = |key: &str| {
            let family = ["ssl.", "sasl.", "security."].iter().any(|prefix| key.starts_with(prefix));
            (family && key != "ssl.client.auth") || defs::CLIENT_KEYS.contains(&key)
        };
        let mut config = self.framework(&[]);
        let given = self.raw.iter().filter(|(key, _)| is_client(key) && *key != "bootstrap.servers");
        config.extend(given.map(|(key, value)| (key.clone(), value.clone())));
        config
    }

    /// Client id of the client that serves `purpose`: configs, offsets, statuses.
    #[must_use]
    pub fn internal_client_id(&self, purpose: &str) -> String {
        let group = match &self.mode {
            ModeSettings::Distributed(settings) => format!("{}-", settings.group_id),
            ModeSettings::Standalone { .. } => String::new(),
        };
        let client = match self.raw.get("client.id").map(|id| crate::value::trim(id)) {
            None | Some("") => String::new(),
            Some(id) => format!("{id}-"),
        };
        format!("{group}{client}{purpose}")
    }

    fn producer(&self, client_id: &str, overrides: &ConfigMap) -> ConfigMap {
        let mut config = self.framework(&[
            ("client.id", client_id),
            ("acks", "all"),
            ("enable.idempotence", "false"),
            ("max.in.flight.requests.per.connection", "1"),
            ("delivery.timeout.ms", FOR_EVER_MS),
            ("max.block.ms", "9223372036854775807"),
        ]);
        config.extend(with_prefix(&self.raw, "producer."));
        config.extend(overrides.clone());
        config
    }

    fn framework(&self, defaults: &[(&str, &str)]) -> ConfigMap {
        let bootstrap = self.bootstrap_servers.join(",");
        let all = [("bootstrap.servers", bootstrap.as_str())].into_iter().chain(defaults.iter().copied());
        all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}
