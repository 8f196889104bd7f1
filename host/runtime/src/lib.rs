//! The data path: source and sink tasks, from the guest to Kafka and back.
//!
//! [`LocalWorker`] starts and stops connectors and tasks for the control path. A task is a loop that
//! reads like its pipeline (`source.rs`, `sink.rs`); each step is a module of `stage/`, what becomes
//! of failed records is decided in `errors/`. A batch (`batch.rs`) stays one frame all the way.
//!
//! Nothing here knows why a task runs or who asked for it, and nothing is lost or left out without
//! being counted and, where that is configured, reported.

mod ahead;
mod batch;
mod chain;
mod connector;
mod control;
mod error;
mod errors;
mod fence;
mod hooks;
mod offsets;
mod restart;
mod sink;
mod source;
mod stage;
mod stock;
mod task;
mod transaction;
mod worker;

pub use error::{Error, Thrown};
pub use worker::{LocalWorker, WorkerParts};
