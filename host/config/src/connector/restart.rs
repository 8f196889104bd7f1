//! Whether a task that failed is started again: keys that Kafka Connect does not have.
//!
//! They stand in a connector's configuration, or in the worker's for all connectors that say nothing.
//! `validate` does not list them, since clients know the list of Kafka Connect's keys.

use std::time::Duration;

use cofferdam_api::ConfigMap;

use crate::def::{ConfigDef, ConfigKey, ConfigType, Importance, Validator};
use crate::validate::KeyError;

use ConfigType::{Int, List, Long, String as Text};
use Importance::{Low, Medium};

const PREFIX: &str = "restart.";

/// When and how often a task that failed is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartSettings {
    /// What may have failed it; nothing when tasks stay FAILED, as in Kafka Connect.
    pub causes: Vec<RestartCause>,
    /// First pause; each one after it is twice as long.
    pub backoff: Duration,
    /// Longest pause. A task that ran so long counts as recovered.
    pub backoff_max: Duration,
    /// Most restarts in a row; none = no limit.
    pub attempts_max: Option<u32>,
}

/// What failed a task, as far as starting it again may help. A faulty configuration is not among
/// them: nothing changes until someone changes it, and that starts the task anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartCause {
    /// A record that cannot be handled and is not tolerated.
    Data,
    /// Kafka, or a system that a plugin speaks to.
    Transient,
    /// Memory, a deadline, or all instances in use.
    Resource,
}

/// The keys, for the worker's definitions.
pub(crate) fn keys() -> Vec<ConfigKey> {
    let at_least = |least: f64| Validator::Range(Some(least), None);
    let one_of = |values: &[&str]| Validator::OneOf(values.iter().map(|&value| value.to_owned()).collect());
    vec![
        ConfigKey::new(
            "restart.policy",
            Text,
            Medium,
            "Whether a task that failed is started again: never (none), or after a pause (on-failure).",
        )
        .default_value("none")
        .validator(one_of(&["none", "on-failure"])),
        ConfigKey::new(
            "restart.causes",
            List,
            Low,
            "Causes of failure after which a task is started again, of transient, resource and data.",
        )
        .default_value("transient,resource"),
        ConfigKey::new(
            "restart.backoff.ms",
            Long,
            Low,
            "Pause before the first restart; it doubles with each.",
        )
        .default_value("1000")
        .validator(at_least(1.0)),
        ConfigKey::new("restart.backoff.max.ms", Long, Low, "Longest pause before a restart.")
            .default_value("300000")
            .validator(at_least(1.0)),
        ConfigKey::new("restart.max.attempts", Int, Low, "Most restarts in a row; -1 for no limit.")
            .default_value("-1")
            .validator(at_least(-1.0)),
    ]
}

impl RestartSettings {
    /// What the connector says, or the worker where it says nothing.
    ///
    /// # Errors
    /// All faults, with their keys, in Kafka's words.
    pub fn parse(connector: &ConfigMap, worker: &ConfigMap) -> Result<Self, Vec<KeyError>> {
        let of_prefix = |config: &ConfigMap| -> ConfigMap {
            let own = config.iter().filter(|(key, _)| key.starts_with(PREFIX));
            own.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let mut config = of_prefix(worker);
        config.extend(of_prefix(connector));
        let parsed = ConfigDef::new(keys()).parse(&config);
        let mut errors = parsed.errors.clone();
        let mut causes = Vec::new();
        for name in parsed.list("restart.causes") {
            match name.as_str() {
                "data" => causes.push(RestartCause::Data),
                "transient" => causes.push(RestartCause::Transient),
                "resource" => causes.push(RestartCause::Resource),
                other => {
                    let fault = "String must be one of: transient, resource, data";
                    let key = "restart.causes";
                    errors.push((key.to_owned(), crate::invalid_value(key, other, fault)));
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if parsed.string("restart.policy") != Some("on-failure") {
            causes.clear();
        }
        let millis = |key: &str| {
            let number = parsed.integer(key).unwrap_or_default();
            Duration::from_millis(u64::try_from(number).unwrap_or_default())
        };
        let backoff = millis("restart.backoff.ms");
        Ok(Self {
            causes,
            backoff,
            backoff_max: millis("restart.backoff.max.ms").max(backoff),
            attempts_max: parsed.integer("restart.max.attempts").and_then(|n| u32::try_from(n).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn nothing_is_started_again_unless_somebody_says_so() {
        let settings = RestartSettings::parse(&map(&[]), &map(&[])).unwrap();
        assert_eq!(settings.causes, []);
        let worker = map(&[("restart.policy", "on-failure"), ("restart.backoff.ms", "5")]);
        let settings = RestartSettings::parse(&map(&[]), &worker).unwrap();
        assert_eq!(settings.causes, [RestartCause::Transient, RestartCause::Resource]);
        assert_eq!((settings.backoff, settings.attempts_max), (Duration::from_millis(5), None));
    }

    #[test]
    fn a_connector_overrules_the_worker() {
        let worker = map(&[("restart.policy", "on-failure"), ("restart.max.attempts", "7")]);
        let connector = map(&[("restart.causes", "data"), ("restart.max.attempts", "2")]);
        let settings = RestartSettings::parse(&connector, &worker).unwrap();
        assert_eq!((settings.causes, settings.attempts_max), (vec![RestartCause::Data], Some(2)));
        let settings = RestartSettings::parse(&map(&[("restart.policy", "none")]), &worker).unwrap();
        assert_eq!(settings.causes, []);
    }

    #[test]
    fn faults_are_named_with_their_keys() {
        let wrong =
            map(&[("restart.policy", "always"), ("restart.causes", "config"), ("restart.backoff.ms", "0")]);
        let errors = RestartSettings::parse(&wrong, &map(&[])).unwrap_err();
        let keys: Vec<&str> = errors.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["restart.policy", "restart.backoff.ms", "restart.causes"]);
    }
}
