//! Small things that every crate needs and the standard library lacks: time that tests can pause,
//! supervised spawning, back-off, byte counts.

mod backoff;
mod bytes;
mod supervisor;
pub mod time;

pub use backoff::Backoff;
pub use bytes::{ByteCount, ByteCountError};
pub use supervisor::{Supervisor, TaskKind};
