//! What the end-to-end tests share: a worker process, brokers, topics and numbered lines.
//!
//! The worker is the real binary in a process of its own, driven by REST as a user drives it. Topics
//! are read and written with an ordinary Kafka client, not with the worker's own code.

mod broker;
mod lines;
#[path = "../../programs/support.rs"]
#[allow(clippy::expect_used, clippy::panic, reason = "ends the test that called it")]
mod programs;
mod topic;
mod wait;
mod worker;

pub use broker::{Broker, kafka_version, skip_without_kafka};
pub use lines::{checksum, count_lines, line, lines_of, number_of, write_lines};
pub use topic::{Message, Tail, Topics};
pub use wait::{WAIT, eventually};
pub use worker::{Answer, Worker};

/// The bytes of a test program: `shop`, the example that people start from, or `misbehaving`, which does every
/// wrong thing on demand.
#[must_use]
pub fn program(name: &str) -> Vec<u8> {
    programs::program(name)
}
