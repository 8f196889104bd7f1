//! RegexRouter: another topic for records whose topic matches.

use std::collections::HashMap;

use cofferdam_sdk::config::Validator;
use cofferdam_sdk::{Config, ConfigDef, Flow, Key as ConfigKey, PluginInfo, Record, Result, Transform};
use fancy_regex::Regex;

use crate::java_regex::{self, Replacement, WholeMatch};
use crate::plugin::transform;

/// Topics whose outcome is remembered; a connector that has more of them starts over.
const CACHE_MAX: usize = 1000;

/// Renames topics that match as a whole.
pub(crate) struct RegexRouter {
    whole: WholeMatch,
    /// Java searches anew for what it replaces, and may find less than the whole.
    regex: Regex,
    replacement: Replacement,
    /// By topic; none = it stays.
    cache: HashMap<String, Option<String>>,
    /// The topic that came last, which mostly comes again, and its outcome.
    last: Option<(String, Option<String>)>,
}

impl RegexRouter {
    fn route(&self, topic: &str) -> Result<Option<String>> {
        if !self.whole.is_match(topic) {
            return Ok(None);
        }
        self.replacement.replace_first(&self.regex, topic).map(Some)
    }

    fn outcome(&mut self, topic: &str) -> Result<Option<String>> {
        if let Some(known) = self.cache.get(topic) {
            return Ok(known.clone());
        }
        let outcome = self.route(topic)?;
        if self.cache.len() >= CACHE_MAX {
            self.cache.clear();
        }
        self.cache.insert(topic.to_owned(), outcome.clone());
        Ok(outcome)
    }
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
        Ok(Self { whole, regex, replacement, cache: HashMap::new(), last: None })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let topic = record.topic();
        if self.last.as_ref().is_none_or(|(last, _)| !record.topic_is(last)) {
            self.last = Some((topic.to_owned(), self.outcome(topic)?));
        }
        if let Some((_, Some(routed))) = &self.last {
            record.set_topic(routed);
        }
        Ok(Flow::Keep)
    }
}
