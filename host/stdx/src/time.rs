//! The two clocks. Everything that waits or measures uses [`now`], which stands still in tests with
//! paused time; only what leaves the process uses [`wall_ms`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// Monotonic now, from tokio's clock.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the epoch, for timestamps that others read.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
