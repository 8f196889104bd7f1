//! Subscription by a Java regular expression. The host matches: librdkafka's own patterns are of
//! another dialect and match a part of a name.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_stdx::time::{Instant, now};

use crate::admin;
use crate::error::{Error, Result};
use crate::native::Client;

/// `metadata.max.age.ms` of the Java client.
const AGE: Duration = Duration::from_secs(300);
/// When to ask again after no broker answered.
const RETRY: Duration = Duration::from_secs(5);
/// Kafka's own topics, which `exclude.internal.topics` leaves out.
const INTERNAL: &[&str] =
    &["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];

/// A pattern and what it matched last.
pub(super) struct Pattern {
    regex: fancy_regex::Regex,
    age: Duration,
    timeout: Duration,
    due: Instant,
    matched: Vec<String>,
}

impl Pattern {
    pub(super) fn new(pattern: &str, age: Option<Duration>, timeout: Duration) -> Result<Self> {
        let bad = |reason| Error::Pattern { pattern: pattern.to_owned(), reason };
        let regex = cofferdam_config::java_full_regex(pattern).map_err(bad)?;
        Ok(Self { regex, age: age.unwrap_or(AGE), timeout, due: now(), matched: Vec::new() })
    }

    /// Waits until the topics may have changed, then [`Pattern::refresh`]. Cancel-safe.
    pub(super) async fn refresh_when_due(&mut self, client: &Arc<Client>) -> Result<()> {
        tokio::time::sleep_until(self.due).await;
        self.refresh(client).await
    }

    /// Looks which topics match and subscribes to them if they are others than before.
    pub(super) async fn refresh(&mut self, client: &Arc<Client>) -> Result<()> {
        let topics = match admin::metadata(client, None, self.timeout).await {
            Ok(topics) => topics,
            Err(error) => {
                tracing::debug!(error = cofferdam_api::chain(&error), "topics are looked up again later");
                self.due = now() + RETRY.min(self.age);
                return Ok(());
            }
        };
        self.due = now() + self.age;
        let mut matched: Vec<_> =
            topics.into_iter().map(|topic| topic.name).filter(|topic| self.matches(topic)).collect();
        matched.sort_unstable();
        // librdkafka takes no empty list; while nothing matches, what was there stays.
        if matched == self.matched || matched.is_empty() {
            return Ok(());
        }
        client.subscribe(&matched).map_err(|cause| Error::Subscribe { topics: matched.join(", "), cause })?;
        self.matched = matched;
        Ok(())
    }

    fn matches(&self, topic: &str) -> bool {
        !INTERNAL.contains(&topic) && cofferdam_config::full_match(&self.regex, topic)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn whole_names_match_and_kafkas_own_topics_never() {
        let pattern = Pattern::new("orders|__.*|a(?=b)b", None, AGE).unwrap();
        for (topic, expected) in [
            ("orders", true),
            ("orders-2", false),
            ("ab", true),
            ("__mine", true),
            ("__consumer_offsets", false),
        ] {
            assert_eq!(pattern.matches(topic), expected, "{topic}");
        }
        assert!(matches!(Pattern::new("(", None, AGE), Err(Error::Pattern { .. })));
    }
}
