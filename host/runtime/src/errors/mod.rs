//! What becomes of records that fail: tried again, reported, tolerated or not.

mod exception;
mod polled;
mod report;
mod retry;
mod tolerance;

pub(crate) use exception::{CONFIG, CONNECT, DATA, Exception, FENCED, KAFKA};
pub(crate) use report::{DeadLetters, Reporter, SOURCE_TASK};
pub(crate) use retry::Retry;
pub(crate) use tolerance::Failed;
