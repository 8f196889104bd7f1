//! The worker's configuration: a `.properties` file of Kafka Connect, plus keys of our own that start
//! with `cofferdam.`.

mod clients;
mod defs;
mod listener;
mod settings;

pub use listener::{Listener, Scheme};
pub use settings::{
    DistributedSettings, ExactlyOnce, GuestSettings, Mode, ModeSettings, TopicSettings, WorkerSettings,
};

#[cfg(test)]
#[allow(clippy::panic, reason = "tests")]
mod tests;
