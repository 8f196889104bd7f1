//! TopicNameMatches: true for records whose topic matches.

use cofferdam_sdk::config::Validator;
use cofferdam_sdk::{Config, ConfigDef, Key as ConfigKey, PluginInfo, Predicate, Record, Result};

use crate::java_regex::WholeMatch;
use crate::plugin::{non_empty, predicate};

/// Tells topics that match as a whole.
pub(crate) struct TopicNameMatches {
    pattern: WholeMatch,
    /// The topic that came last, which mostly comes again, and its answer.
    last: Option<(String, bool)>,
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
        Ok(Self { pattern: WholeMatch::new("pattern", pattern)?, last: None })
    }

    fn test(&mut self, record: &Record<'_>) -> Result<bool> {
        let topic = record.topic();
        match &self.last {
            Some((last, answer)) if last == topic => Ok(*answer),
            _ => {
                let answer = self.pattern.is_match(topic);
                self.last = Some((topic.to_owned(), answer));
                Ok(answer)
            }
        }
    }
}
