//! Waiting for a state, with a bound.

use std::time::{Duration, Instant};

/// How long a test waits for a state before it fails; generous, since nothing waits longer than needed.
pub const WAIT: Duration = Duration::from_secs(90);

/// Asks `probe` until it answers, and fails with its last complaint after [`WAIT`].
///
/// # Errors
/// When the state was not reached in time.
#[allow(clippy::disallowed_methods, reason = "polls another process; there is nothing to be notified by")]
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> anyhow::Result<T> {
    let deadline = Instant::now() + WAIT;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(complaint) if Instant::now() > deadline => anyhow::bail!("{what}: {complaint}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
