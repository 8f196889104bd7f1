//! What a source's configuration says of exactly-once delivery.

use std::time::Duration;

use cofferdam_api::ConfigMap;

use super::defs;
use crate::validate::KeyError;

/// What ends a source's transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Every batch that a poll answers.
    Poll,
    /// So much time; none means the worker's `offset.flush.interval.ms`.
    Interval(Option<Duration>),
    /// The connector itself.
    Connector,
}

/// A source's keys of exactly-once delivery. They mean something only on a worker that has it enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactlyOnceSettings {
    /// Whether the connector is of no use without it.
    pub required: bool,
    /// What ends its transactions.
    pub boundary: Boundary,
}

impl ExactlyOnceSettings {
    /// Reads a source's configuration.
    ///
    /// # Errors
    /// All faults, with their keys, in Kafka's words.
    pub fn parse(config: &ConfigMap) -> Result<Self, Vec<KeyError>> {
        let parsed = defs::source().parse(config);
        let own = ["exactly.once.support", "transaction.boundary", "transaction.boundary.interval.ms"];
        let errors: Vec<KeyError> =
            parsed.errors.iter().filter(|(key, _)| own.contains(&key.as_str())).cloned().collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let is = |key: &str, value: &str| {
            parsed.string(key).is_some_and(|given| given.eq_ignore_ascii_case(value))
        };
        let interval = parsed.integer("transaction.boundary.interval.ms");
        let boundary = if is("transaction.boundary", "interval") {
            Boundary::Interval(interval.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis))
        } else if is("transaction.boundary", "connector") {
            Boundary::Connector
        } else {
            Boundary::Poll
        };
        Ok(Self { required: is("exactly.once.support", "required"), boundary })
    }
}
