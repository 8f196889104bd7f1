//! What a client and librdkafka's callbacks have in common.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_api::TopicPartition;
use cofferdam_stdx::time::{Instant, now};
use tokio::sync::Notify;

/// A change of assignment that waits for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rebalance {
    /// Take these.
    Assign(Vec<TopicPartition>),
    /// Give these up.
    Revoke(Vec<TopicPartition>),
    /// These are gone.
    Lose(Vec<TopicPartition>),
}

/// State behind the opaque pointer of a client.
#[derive(Debug)]
pub(crate) struct Shared {
    /// `client.id`.
    pub(crate) name: String,
    /// Told when the client's queue is no longer empty.
    pub(crate) wake: Arc<Notify>,
    /// Told when a producer's queue has room again.
    pub(crate) room: Notify,
    /// Told when a connection failed, and when the client ends.
    pub(crate) trouble_came: Notify,
    /// A connection failed since a broker last answered: spares [`Shared::alive`] the lock.
    uneasy: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rebalances: VecDeque<Rebalance>,
    /// The consumer closes: rebalances are answered on the spot.
    closing: bool,
    /// What the last connection attempt died of.
    transport: Option<String>,
    down: Option<Down>,
}

#[derive(Debug)]
struct Down {
    since: Instant,
    reason: String,
}

impl Shared {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            wake: Arc::default(),
            room: Notify::new(),
            trouble_came: Notify::new(),
            uneasy: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Keeps a rebalance for the application, or tells the caller to answer it now.
    pub(super) fn rebalance(&self, rebalance: Rebalance) -> Result<(), Rebalance> {
        let mut state = self.state();
        if state.closing {
            return Err(rebalance);
        }
        state.rebalances.push_back(rebalance);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// The next rebalance for the application.
    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        self.state().rebalances.pop_front()
    }

    /// Whether a rebalance waits for the application.
    pub(crate) fn rebalance_waits(&self) -> bool {
        !self.state().rebalances.is_empty()
    }

    /// From now on rebalances are answered on the spot. Returns those that wait.
    pub(super) fn close(&self) -> VecDeque<Rebalance> {
        let mut state = self.state();
        state.closing = true;
        std::mem::take(&mut state.rebalances)
    }

    /// A connection failed; there may be others.
    pub(super) fn connection_failed(&self, reason: &str) {
        self.trouble_came.notify_one();
        self.uneasy.store(true, Ordering::Release);
        let mut state = self.state();
        state.transport = Some(reason.to_owned());
        if let Some(down) = &mut state.down {
            down.reason = reason.to_owned();
        }
    }

    /// No broker is left, or none lets us in.
    pub(super) fn brokers_down(&self, reason: &str) {
        self.trouble_came.notify_one();
        self.uneasy.store(true, Ordering::Release);
        let mut state = self.state();
        if state.down.is_some() {
            return;
        }
        let reason = state.transport.clone().unwrap_or_else(|| reason.to_owned());
        tracing::warn!(client = self.name, reason, "no Kafka broker can be reached; trying again");
        state.down = Some(Down { since: now(), reason });
    }

    /// A broker answered.
    pub(crate) fn alive(&self) {
        if !self.uneasy.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut state = self.state();
        state.transport = None;
        if let Some(down) = state.down.take() {
            let seconds = down.since.elapsed().as_secs();
            tracing::info!(client = self.name, seconds, "a Kafka broker can be reached again");
        }
    }

    /// Whether no broker can be reached.
    pub(crate) fn is_down(&self) -> bool {
        self.state().down.is_some()
    }

    /// What is wrong with the connection, for status pages.
    pub(crate) fn trouble(&self) -> Option<String> {
        let state = self.state();
        let down = state.down.as_ref()?;
        let seconds = down.since.elapsed().as_secs();
        Some(format!("no Kafka broker can be reached for {seconds} s: {}", down.reason))
    }

    /// What the last connection attempt died of, if none succeeded since.
    pub(crate) fn transport(&self) -> Option<String> {
        self.state().transport.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_lasts_from_the_last_broker_lost_to_the_first_answer() {
        let shared = Shared::new("test");
        shared.connection_failed("127.0.0.1:1: Connection refused");
        assert_eq!(shared.trouble(), None);
        shared.brokers_down("1/1 brokers are down");
        let text = "no Kafka broker can be reached for 0 s: 127.0.0.1:1: Connection refused";
        assert_eq!(shared.trouble().as_deref(), Some(text));
        shared.alive();
        assert_eq!(shared.trouble(), None);
    }
}
