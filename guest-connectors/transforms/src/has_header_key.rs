//! HasHeaderKey: true for records with a header of one name.

use cofferdam_sdk::{Config, ConfigDef, Key as ConfigKey, PluginInfo, Predicate, Problem, Record, Result};

use crate::plugin::{non_empty, predicate, problems};

/// Looks for a header.
pub(crate) struct HasHeaderKey {
    name: String,
}

impl Predicate for HasHeaderKey {
    fn info() -> PluginInfo {
        predicate("HasHeaderKey")
            .doc("A predicate which is true for records with at least one header with the configured name.")
            .config(ConfigDef::new().key(ConfigKey::string("name").non_empty().doc("The header name.")))
            .without_key()
            .without_value()
    }

    fn validate(config: &Config) -> Vec<Problem> {
        config.optional("name").map_or_else(Vec::new, |name| problems(non_empty("name", name)))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self { name: non_empty("name", config.string("name")?)?.to_owned() })
    }

    fn test(&mut self, record: &Record<'_>) -> Result<bool> {
        Ok(record.headers().any(|header| header.key == self.name))
    }
}
