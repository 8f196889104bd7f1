//! Client configuration: from the Java client's keys, which users have, to librdkafka's.
//!
//! The tables are in [`keys`]; this file applies them, adds what the Java client would default to
//! and what this worker needs, and asks librdkafka whether it agrees. Nothing outside is touched:
//! files and addresses are looked at when a client starts.

mod jaas;
mod keys;
mod security;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cofferdam_api::ConfigMap;

use crate::error::{Cause, Error, Refused, Result};
use crate::native::Kind;
use keys::{Scope, To};

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Writes records of connectors.
    Producer,
    /// Reads records for a sink task, as a member of a group.
    Consumer,
    /// Asks the cluster and creates topics.
    Admin,
    /// Reads and writes an internal topic, without a group.
    Log,
}

/// Configuration of one client, in librdkafka's keys. Its debug form shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientConfig {
    role: Role,
    settings: BTreeMap<String, String>,
    /// `default.api.timeout.ms`: how long one call to the cluster may take.
    pub(crate) call_timeout: Duration,
}

/// A translated configuration.
#[derive(Clone, Debug)]
pub struct Translated {
    /// What a client is made from.
    pub config: ClientConfig,
    /// Keys that mean nothing here, in the order given. Kafka warns of such keys and carries on.
    pub ignored: Vec<String>,
}

// === impl ClientConfig ===

impl ClientConfig {
    /// Translates the Java client's keys.
    ///
    /// # Errors
    /// [`Error::Settings`] names every key that cannot be honoured and the way out.
    pub fn from_java(role: Role, map: &ConfigMap) -> Result<Translated> {
        let mut work = Translation::new(role);
        for (key, value) in map {
            work.key(key, value.trim());
        }
        security::translate(map, &mut work);
        work.finish()
    }

    /// Sets one of librdkafka's own keys. A wrong one is reported when a client starts.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Makes a client fit the embedded broker, which puts everything it has in one fetch answer.
    #[must_use]
    pub fn for_embedded_broker(self) -> Self {
        self.with("receive.message.max.bytes", "1000000000")
    }

    /// Makes a producer send each record in a request of its own, so that a broker that refuses one refuses no other.
    #[must_use]
    pub fn one_by_one(self) -> Self {
        self.with("batch.num.messages", "1")
    }

    /// What the client is for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Value of one of librdkafka's keys, when it was set.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// A number under one of librdkafka's keys.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// `client.id`, for logs and errors.
    pub(crate) fn client_id(&self) -> &str {
        self.get("client.id").unwrap_or("rdkafka")
    }

    /// What librdkafka is told, for a client of the same kind that is made without this crate.
    pub fn native(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings(if matches!(self.role, Role::Producer) { Kind::Producer } else { Kind::Consumer })
    }

    /// The files that settings name.
    pub(crate) fn files(&self, kind: Kind) -> Vec<&str> {
        self.settings(kind).filter(|(key, _)| key.ends_with(".location")).map(|(_, file)| file).collect()
    }

    /// The settings that a client of `kind` understands: librdkafka warns of the others.
    pub(crate) fn settings(&self, kind: Kind) -> impl Iterator<Item = (&str, &str)> {
        let other = match kind {
            Kind::Producer => keys::CONSUMER_ONLY,
            Kind::Consumer => keys::PRODUCER_ONLY,
        };
        let settings = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        settings.filter(move |(key, _)| !other.contains(key))
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            self.settings.iter().map(|(key, value)| (key, if secret(key) { "[hidden]" } else { value }));
        f.debug_map().entries(shown).finish()
    }
}

/// Whether the value of one of librdkafka's keys must not be shown.
fn secret(key: &str) -> bool {
    key.contains("password") || key.contains("secret") || key.ends_with(".pem")
}

// === impl Translation ===

/// A translation under way.
struct Translation {
    role: Role,
    settings: BTreeMap<String, String>,
    /// The Java key that each setting comes from.
    origins: BTreeMap<String, String>,
    ignored: Vec<String>,
    refused: Vec<Refused>,
    call_timeout: Duration,
}

impl Translation {
    fn new(role: Role) -> Self {
        let mut settings = BTreeMap::new();
        for (scope, key, value) in keys::DEFAULTS {
            if scope.fits(role) {
                settings.insert((*key).to_owned(), (*value).to_owned());
            }
        }
        Self {
            role,
            settings,
            origins: BTreeMap::new(),
            ignored: Vec::new(),
            refused: Vec::new(),
            call_timeout: Duration::from_secs(60),
        }
    }

    fn key(&mut self, key: &str, value: &str) {
        if security::handles(key) {
            return;
        }
        if keys::NATIVE.contains(&key) {
            return self.set(key, key, value);
        }
        match keys::KEYS.iter().find(|row| row.java == key) {
            Some(row) if row.scope.fits(self.role) => self.apply(key, row.to, value),
            _ => self.ignored.push(key.to_owned()),
        }
    }

    fn apply(&mut self, key: &str, to: To, value: &str) {
        // An empty value means the default, as it does for most of Kafka's keys.
        if value.is_empty() {
            return;
        }
        match to {
            To::Same => self.set(key, key, value),
            To::Lower => self.set(key, key, &value.to_ascii_lowercase()),
            To::Clamped(name, min, max) => match value.parse::<i64>() {
                Ok(number) => self.set(key, name, &number.clamp(min, max).to_string()),
                Err(_) => self.refuse(key, format!("{value} is not a number")),
            },
            To::Silent => {}
            To::Special(translate) => {
                if let Err(reason) = translate(self, value) {
                    self.refuse(key, reason);
                }
            }
        }
    }

    /// Sets one of librdkafka's keys, remembering where the value comes from.
    fn set(&mut self, java: &str, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
        self.origins.insert(key.to_owned(), java.to_owned());
    }

    fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        self.refused.push(Refused { key: key.to_owned(), reason: reason.into() });
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.settings.get(key)?.parse().ok()
    }

    /// What depends on more than one key, then librdkafka's own opinion.
    fn finish(mut self) -> Result<Translated> {
        if matches!(self.role, Role::Producer) && self.settings.contains_key("transactional.id") {
            // librdkafka wants a record to be given up before its transaction is.
            let transaction = self.number("transaction.timeout.ms").unwrap_or(60_000);
            let delivery = self.number("message.timeout.ms").filter(|ms| *ms > 0);
            let delivery = delivery.map_or(transaction, |ms| ms.min(transaction));
            self.settings.insert("message.timeout.ms".into(), delivery.to_string());
            self.settings.insert("enable.idempotence".into(), "true".into());
        }
        if let Some(fetch) = self.number("fetch.max.bytes") {
            // librdkafka wants request ≤ fetch < answer; the Java client has no such rule.
            if fetch < 1_000_000 && !self.settings.contains_key("message.max.bytes") {
                self.settings.insert("message.max.bytes".into(), fetch.max(1000).to_string());
                self.settings.insert("fetch.max.bytes".into(), fetch.max(1000).to_string());
            }
            if fetch + 512 > 100_000_000 && !self.settings.contains_key("receive.message.max.bytes") {
                self.settings.insert("receive.message.max.bytes".into(), (fetch + 512).to_string());
            }
        }
        self.check();
        if !self.refused.is_empty() {
            return Err(Error::Settings(self.refused));
        }
        let config =
            ClientConfig { role: self.role, settings: self.settings, call_timeout: self.call_timeout };
        Ok(Translated { config, ignored: self.ignored })
    }

    /// Lets librdkafka check each value by itself.
    fn check(&mut self) {
        let mut refused = Vec::new();
        for (key, value) in &self.settings {
            if let Err(cause) = check(key, value) {
                let java = self.origins.get(key).unwrap_or(key);
                let reason =
                    if secret(key) { "librdkafka does not accept the value".to_owned() } else { cause.text };
                refused.push(Refused { key: java.clone(), reason });
            }
        }
        self.refused.append(&mut refused);
    }
}

fn check(key: &str, value: &str) -> Result<(), Cause> {
    let mut config = rdkafka::ClientConfig::new();
    config.set(key, value);
    config.create_native_config().map(drop).map_err(crate::native::config_cause)
}

impl Scope {
    const fn fits(self, role: Role) -> bool {
        match self {
            Self::All => true,
            Self::Producer => matches!(role, Role::Producer | Role::Log),
            Self::Consumer => matches!(role, Role::Consumer | Role::Log),
            Self::Member => matches!(role, Role::Consumer),
            Self::ProducerOnly => matches!(role, Role::Producer),
            Self::Log => matches!(role, Role::Log),
        }
    }
}
