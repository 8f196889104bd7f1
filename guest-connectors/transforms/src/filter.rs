//! Filter: drops every record that it is asked about. A predicate says which these are.

use cofferdam_sdk::{Config, Flow, PluginInfo, Record, Result, Transform};

use crate::plugin::transform;

/// Drops records.
pub(crate) struct Filter;

impl Transform for Filter {
    fn info() -> PluginInfo {
        transform("Filter")
            .doc(
                "Drops all records, filtering them from subsequent transformations in the chain. This is meant to be \
                 used with a predicate.",
            )
            .without_key()
            .without_value()
            .without_headers()
    }

    fn configure(_: &Config) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, _: &mut Record<'_>) -> Result<Flow> {
        Ok(Flow::Drop)
    }
}
