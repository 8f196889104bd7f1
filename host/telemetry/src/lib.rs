//! What an operator sees of the worker from outside: its log and its metrics.
//!
//! [`logging`] prints lines that say which connector and task they are about. [`Metrics`] answers
//! `/metrics`: whoever counts holds a [`TaskMetrics`] of plain atomics, and a series lives exactly
//! as long as that handle. No series is ever `NaN`: what is not known yet is left out.

pub mod logging;
mod metrics;
mod table;
mod task;
mod window;

pub use metrics::{CONTENT_TYPE, ConnectorMetrics, Metrics};
pub use task::{GuestUsage, TaskKind, TaskMetrics};
