//! RegexRouter: another topic for records whose topic matches.

use cofferdam_sdk::config::Validator;
use cofferdam_sdk::{
    Config, ConfigDef, Flow, Key as ConfigKey, PluginInfo, Record, Result, Routes, Transform,
};
use fancy_regex::Regex;

use crate::java_regex::{self, Replacement, WholeMatch};
use crate::plugin::transform;

/// Renames topics that match as a whole.
pub(crate) struct RegexRouter {
    whole: WholeMatch,
    /// Java searches anew for what it replaces, and may find less than the whole.
    regex: Regex,
    replacement: Replacement,
    routes: Routes,
}

impl Transform for RegexRouter {
    fn info() -> PluginInfo {
        transform("RegexRouter")
            .doc(
                "Update the record topic using the configured regular expression and replacement string. If the \
                 whole topic matches, the first match of the expression is replaced.",
            )
            .config(
                ConfigDef::new()
                    .key(
                        ConfigKey::string("regex")
                            .high()
                            .validator(Validator::Regex)
                            .doc("Regular expression to use for matching."),
                    )
                    .key(ConfigKey::string("replacement").high().doc("Replacement string.")),
            )
            .without_key()
            .without_value()
            .without_headers()
    }

    fn configure(config: &Config) -> Result<Self> {
        let pattern = config.string("regex")?;
        let whole = WholeMatch::new("regex", pattern)?;
        let regex = java_regex::compile("regex", pattern)?;
        let replacement = Replacement::new(config.string("replacement")?, &regex);
        Ok(Self { whole, regex, replacement, routes: Routes::new() })
    }

    #[inline]
    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let Self { whole, regex, replacement, routes } = self;
        record.reroute(routes, |topic| {
            if whole.is_match(topic) { replacement.replace_first(regex, topic).map(Some) } else { Ok(None) }
        })?;
        Ok(Flow::Keep)
    }
}
