//! The two clocks. Everything that waits or measures uses [`now`], which stands still in tests with
//! paused time; only what leaves the process uses [`wall_ms`].

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// When those wake who [rest](rest): often enough that nobody sees it, seldom enough that many wake at once.
const TICK: Duration = Duration::from_millis(50);
/// Shorter rests end on time.
const REST_MIN: Duration = Duration::from_millis(500);

/// Monotonic now, from tokio's clock.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps for `span`; a long one ends with the next tick, together with those of others. A thousand tasks that look for
/// work once a second then wake the threads of the process twenty times a second, not a thousand times.
pub async fn rest(span: Duration) {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(now);
    let origin = *ORIGIN;
    let mut end = now() + span;
    if span >= REST_MIN {
        let ticks = end.saturating_duration_since(origin).as_millis().div_ceil(TICK.as_millis());
        end = end.max(origin + TICK * u32::try_from(ticks).unwrap_or(0));
    }
    tokio::time::sleep_until(end).await;
}

/// Milliseconds since the epoch, for timestamps that others read.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rested(delay_ms: u64, span_ms: u64) -> (Instant, Duration) {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        let from = now();
        rest(Duration::from_millis(span_ms)).await;
        (now(), now() - from)
    }

    #[tokio::test(start_paused = true)]
    async fn long_rests_end_together_and_never_early() {
        // The ticks begin with the first rest.
        rest(Duration::ZERO).await;
        let ((a, of_a), (b, of_b), (_, short)) =
            tokio::join!(rested(51, 1000), rested(87, 1000), rested(3, 7));
        assert_eq!(a, b);
        for rest in [of_a, of_b] {
            assert!(rest >= Duration::from_secs(1) && rest <= Duration::from_millis(1051), "{rest:?}");
        }
        assert_eq!(short, Duration::from_millis(7));
    }
}
