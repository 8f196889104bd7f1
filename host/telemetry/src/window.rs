//! Rates, averages and maxima over the last half to one minute, as Kafka's metrics show them: two
//! samples of 30 s, the older one dropped as a whole.

use std::sync::Mutex;
use std::time::Duration;

use cofferdam_stdx::time::{Instant, now};

const SAMPLE: Duration = Duration::from_secs(30);

/// Collects values; locked once a batch, never once a record.
#[derive(Debug)]
pub(crate) struct Window(Mutex<Samples>);

#[derive(Debug)]
struct Samples {
    /// Since when `old` and `new` together were collected.
    since: Instant,
    new_since: Instant,
    old: Sample,
    new: Sample,
}

/// What a window holds: shown only when there is something in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    n: u64,
    pub(crate) sum: f64,
    pub(crate) max: f64,
}

impl Sample {
    /// Mean of the values; none when there are none.
    pub(crate) fn average(self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "a count of batches within a minute")]
        (self.n > 0).then(|| self.sum / self.n as f64)
    }

    /// Largest of the values; none when there are none.
    pub(crate) fn maximum(self) -> Option<f64> {
        (self.n > 0).then_some(self.max)
    }

    fn add(&mut self, value: f64) {
        self.n += 1;
        self.sum += value;
        self.max = self.max.max(value);
    }

    fn with(self, other: Self) -> Self {
        Self { n: self.n + other.n, sum: self.sum + other.sum, max: self.max.max(other.max) }
    }
}

impl Window {
    pub(crate) fn new() -> Self {
        let now = now();
        Self(Mutex::new(Samples {
            since: now,
            new_since: now,
            old: Sample::default(),
            new: Sample::default(),
        }))
    }

    pub(crate) fn add(&self, value: f64) {
        self.rolled(|samples| samples.new.add(value));
    }

    pub(crate) fn sample(&self) -> Sample {
        self.rolled(|samples| samples.old.with(samples.new))
    }

    /// Sum of the values per second. A window younger than one sample counts as a whole one, or the
    /// first batch of a task would look like a flood.
    pub(crate) fn rate(&self) -> f64 {
        self.rolled(|samples| {
            let elapsed = now().duration_since(samples.since).max(SAMPLE);
            samples.old.with(samples.new).sum / elapsed.as_secs_f64()
        })
    }

    fn rolled<T>(&self, f: impl FnOnce(&mut Samples) -> T) -> T {
        let mut samples = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = now();
        let age = now.duration_since(samples.new_since);
        if age >= SAMPLE * 2 {
            *samples = Samples { since: now, new_since: now, old: Sample::default(), new: Sample::default() };
        } else if age >= SAMPLE {
            samples.since = samples.new_since;
            samples.old = std::mem::take(&mut samples.new);
            samples.new_since = now;
        }
        f(&mut samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn values_are_forgotten_within_a_minute() {
        let window = Window::new();
        assert!(window.sample().average().is_none() && window.sample().maximum().is_none());
        window.add(30.0);
        window.add(60.0);
        assert_eq!((window.sample().average(), window.sample().maximum()), (Some(45.0), Some(60.0)));
        assert!((window.rate() - 3.0).abs() < 1e-9);

        tokio::time::advance(Duration::from_secs(40)).await;
        window.add(10.0);
        assert_eq!(window.sample().maximum(), Some(60.0), "the older sample still counts");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(window.sample().maximum(), Some(10.0));
        tokio::time::advance(Duration::from_secs(70)).await;
        assert_eq!(window.sample().maximum(), None);
        assert!(window.rate().abs() < 1e-9);
    }
}
