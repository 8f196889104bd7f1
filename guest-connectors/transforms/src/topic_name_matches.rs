//! TopicNameMatches: true for records whose topic matches.

use cofferdam_sdk::config::Validator;
use cofferdam_sdk::{ByTopic, Config, ConfigDef, Key as ConfigKey, PluginInfo, Predicate, Record, Result};

use crate::java_regex::WholeMatch;
use crate::plugin::{non_empty, predicate};

/// Tells topics that match as a whole.
pub(crate) struct TopicNameMatches {
    pattern: WholeMatch,
    answers: ByTopic<bool>,
}

impl Predicate for TopicNameMatches {
    fn info() -> PluginInfo {
        predicate("TopicNameMatches")
            .doc("A predicate which is true for records with a topic name that matches the configured regular expression.")
            .config(
                ConfigDef::new().key(
                    ConfigKey::string("pattern")
                        .validator(Validator::Regex)
                        .doc("A Java regular expression for matching against the name of a record's topic."),
                ),
            )
            .without_key()
            .without_value()
            .without_headers()
    }

    fn validate(config: &Config) -> Vec<cofferdam_sdk::Problem> {
        let mut problems = cofferdam_sdk::Problems::new();
        if let Some(pattern) = config.optional("pattern") {
            problems.check(non_empty("pattern", pattern));
        }
        problems.into_vec()
    }

    fn configure(config: &Config) -> Result<Self> {
        let pattern = non_empty("pattern", config.string("pattern")?)?;
        Ok(Self { pattern: WholeMatch::new("pattern", pattern)?, answers: ByTopic::new() })
    }

    #[inline]
    fn test(&mut self, record: &Record<'_>) -> Result<bool> {
        self.answers.get_or_try_insert(record, |topic| Ok(self.pattern.is_match(topic)))
    }
}
