//! Topics of a subscription that are not there yet. Java's consumer asks for them until they are;
//! librdkafka asks once, and then not before `topic.metadata.refresh.interval.ms` has passed.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_stdx::time::{Instant, now};

use crate::admin;
use crate::native::Client;

/// Pause before the first look, doubled after each.
const FIRST: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(10);

/// Looks for topics until all are there.
pub(super) struct Missing {
    topics: Vec<String>,
    timeout: Duration,
    due: Instant,
    pause: Duration,
}

impl Missing {
    /// Looks for `topics`; an answer may take `timeout`.
    pub(super) fn new(topics: &[String], timeout: Duration) -> Self {
        Self { topics: topics.to_vec(), timeout, due: now() + FIRST, pause: FIRST }
    }

    /// Waits until it is time, then looks: the client hears of all topics by that and joins its group
    /// with those that are new. Answers whether all are there. Cancel-safe.
    pub(super) async fn look_when_due(&mut self, client: &Arc<Client>) -> bool {
        tokio::time::sleep_until(self.due).await;
        self.pause = (self.pause * 2).min(LONGEST);
        self.due = now() + self.pause;
        match admin::metadata(client, None, self.timeout).await {
            Ok(there) => self.topics.iter().all(|topic| there.iter().any(|row| row.name == *topic)),
            Err(error) => {
                tracing::debug!(error = cofferdam_api::chain(&error), "topics are looked up again later");
                false
            }
        }
    }
}
