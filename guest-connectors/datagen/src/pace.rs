//! A given number of records a second, without bursts after a pause.

use std::time::{Duration, Instant};

/// Most of a second's records that may be owed at once: a task that was held up does not flood the
/// topic afterwards.
const OWED_SECONDS_MAX: f64 = 1.0;

/// Hands out permits at a steady rate.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    owed: f64,
    last: Instant,
}

impl Pace {
    /// `per_second` permits; 0 stands for as many as are wanted.
    pub(crate) fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, owed: 0.0, last: now }
    }

    /// How many of `wanted` records may be made now.
    pub(crate) fn take(&mut self, wanted: usize, now: Instant) -> usize {
        if self.per_second <= 0.0 {
            return wanted;
        }
        let gained = now.saturating_duration_since(self.last).as_secs_f64() * self.per_second;
        self.last = now;
        // A rate below one a second still has to come to a whole record some day.
        self.owed = (self.owed + gained).min((self.per_second * OWED_SECONDS_MAX).max(1.0));
        let taken = (self.owed as usize).min(wanted);
        self.owed -= taken as f64;
        taken
    }

    /// How long until there is a permit.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_secs_f64(((1.0 - self.owed) / self.per_second).clamp(0.001, 3600.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_whatever_the_steps() {
        let mut now = Instant::now();
        let mut pace = Pace::new(1000.0, now);
        let mut taken = 0;
        for step in [1, 7, 30, 100, 2, 350, 510] {
            now += Duration::from_millis(step);
            taken += pace.take(usize::MAX, now);
        }
        assert_eq!(taken, 1000);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut now = Instant::now();
        let mut pace = Pace::new(10.0, now);
        now += Duration::from_secs(60);
        assert_eq!(pace.take(usize::MAX, now), 10);
        assert_eq!(pace.take(usize::MAX, now), 0);
        assert_eq!(pace.wait(), Duration::from_millis(100));
    }

    #[test]
    fn less_than_one_a_second_comes_too() {
        let mut now = Instant::now();
        let mut pace = Pace::new(0.25, now);
        now += pace.wait();
        assert_eq!(pace.take(5, now), 1);
        assert_eq!(Pace::new(0.0, now).take(5, now), 5);
    }
}
