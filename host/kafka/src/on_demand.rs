//! A producer for who may be quiet for long.

use std::time::Duration;

use cofferdam_stdx::time::{self, Instant};

use crate::error::Result;
use crate::{ClientConfig, Producer};

/// How long a connection may be idle when nothing is said: the Java client's `connections.max.idle.ms`.
const IDLE_MAX: Duration = Duration::from_mins(9);

/// A producer that is there while it is needed.
///
/// A client of librdkafka has two threads, one more for each broker, and their memory, whether it has work or not. So
/// this one ends after it was idle for as long as its connections may be, and starts again with the next record.
pub struct OnDemand(State);

enum State {
    /// Ends when it is idle.
    Coming { config: ClientConfig, idle_max: Duration, producer: Option<Producer>, used: Instant },
    /// Never ends by itself.
    Lasting(Producer),
}

impl OnDemand {
    /// Starts a producer, so that settings show at once which it cannot be started with. Must be called within tokio.
    ///
    /// # Errors
    /// As [`Producer::new`].
    pub fn new(config: ClientConfig) -> Result<Self> {
        let producer = Producer::new(&config)?;
        let idle_max = config.number("connections.max.idle.ms").map_or(IDLE_MAX, Duration::from_millis);
        // As librdkafka takes it: connections may be idle for ever.
        if idle_max.is_zero() {
            return Ok(Self::lasting(producer));
        }
        Ok(Self(State::Coming { config, idle_max, producer: Some(producer), used: time::now() }))
    }

    /// A producer that lasts: one with transactions is known to the cluster as who it is.
    #[must_use]
    pub const fn lasting(producer: Producer) -> Self {
        Self(State::Lasting(producer))
    }

    /// The producer, started if need be.
    ///
    /// # Errors
    /// As [`Producer::new`].
    pub fn get(&mut self) -> Result<Producer> {
        match &mut self.0 {
            State::Lasting(producer) => Ok(producer.clone()),
            State::Coming { config, producer, used, .. } => {
                *used = time::now();
                let started = match producer.take() {
                    Some(started) => started,
                    None => Producer::new(config)?,
                };
                Ok(producer.insert(started).clone())
            }
        }
    }

    /// Ends the producer if its time is up. What is pending would be cancelled: call this when all has arrived.
    pub fn rest(&mut self) {
        if let State::Coming { idle_max, producer, used, .. } = &mut self.0
            && used.elapsed() >= *idle_max
        {
            *producer = None;
        }
    }

    /// Whether the producer is there.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        matches!(self.0, State::Lasting(_) | State::Coming { producer: Some(_), .. })
    }
}
