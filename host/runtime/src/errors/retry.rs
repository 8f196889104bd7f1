//! Trying again: Kafka Connect's `errors.retry.timeout` and `errors.retry.delay.max.ms`.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use cofferdam_config::connector::ErrorSettings;
use cofferdam_stdx::time::{Instant, now};

/// First pause; each one after it is twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(300);

/// The tries that one operation on one batch has.
#[derive(Debug)]
pub(crate) struct Retry {
    /// No deadline = for ever.
    deadline: Option<Instant>,
    delay_max: Duration,
    n_failed: u32,
}

impl Retry {
    /// Starts the clock.
    pub(crate) fn new(settings: &ErrorSettings) -> Self {
        let deadline = settings.retry_timeout.map(|timeout| now() + timeout);
        Self { deadline, delay_max: settings.retry_delay_max, n_failed: 0 }
    }

    /// How long to wait after one more failure before the next try; none when there is to be none.
    ///
    /// The pauses double from 300 ms; one that would be longer than the longest allowed is drawn
    /// between nothing and that, so that tasks which failed together do not come back together.
    pub(crate) fn next_delay(&mut self) -> Option<Duration> {
        let left = match self.deadline {
            None => Duration::MAX,
            Some(deadline) => deadline.checked_duration_since(now()).filter(|left| !left.is_zero())?,
        };
        let doubled = FIRST_DELAY.checked_mul(1_u32.checked_shl(self.n_failed).unwrap_or(u32::MAX));
        self.n_failed = self.n_failed.saturating_add(1);
        let delay = doubled.filter(|delay| *delay <= self.delay_max).unwrap_or_else(|| below(self.delay_max));
        Some(delay.min(left))
    }
}

/// A random duration below `max`.
fn below(max: Duration) -> Duration {
    // The hasher's keys come from the system's randomness; hashing nothing gives them away evenly.
    let random = RandomState::new().hash_one(()) >> 32;
    max.mul_f64(random as f64 / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cofferdam_config::connector::Tolerance;

    use super::*;

    fn settings(timeout: Option<u64>, max: u64) -> ErrorSettings {
        ErrorSettings {
            retry_timeout: timeout.map(Duration::from_millis),
            retry_delay_max: Duration::from_millis(max),
            tolerance: Tolerance::None,
            log_enable: false,
            log_include_messages: false,
            dlq: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_again_by_default() {
        assert_eq!(Retry::new(&settings(Some(0), 60_000)).next_delay(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_and_end_at_the_deadline() {
        let mut retry = Retry::new(&settings(Some(2_000), 60_000));
        let mut pauses = Vec::new();
        while let Some(pause) = retry.next_delay() {
            pauses.push(pause.as_millis());
            tokio::time::advance(pause).await;
        }
        assert_eq!(pauses, [300, 600, 1_100]);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_above_the_longest_allowed_are_drawn_below_it() {
        let mut retry = Retry::new(&settings(None, 500));
        assert_eq!(retry.next_delay(), Some(FIRST_DELAY));
        for _ in 0..200 {
            assert!(retry.next_delay().unwrap() <= Duration::from_millis(500));
        }
    }
}
