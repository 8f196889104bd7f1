//! DropHeaders: removes headers by name.

use cofferdam_sdk::{
    Config, ConfigDef, Flow, Key as ConfigKey, PluginInfo, Problem, Record, Result, Transform,
};

use crate::plugin::{names, problems, transform};

/// Removes every header with one of some names.
pub(crate) struct DropHeaders {
    headers: Vec<String>,
}

impl Transform for DropHeaders {
    fn info() -> PluginInfo {
        transform("DropHeaders")
            .doc("Removes one or more headers from each record.")
            .config(ConfigDef::new().key(
                ConfigKey::list("headers").high().non_empty().doc("The name of the headers to be removed."),
            ))
            .without_key()
            .without_value()
    }

    fn validate(config: &Config) -> Vec<Problem> {
        problems(names(config, "headers"))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self { headers: names(config, "headers")? })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        record.retain_headers(|header| !self.headers.iter().any(|name| name == header.key));
        Ok(Flow::Keep)
    }
}
