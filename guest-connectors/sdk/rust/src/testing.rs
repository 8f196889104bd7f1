//! A stand-in for the worker, so that plugins can be unit-tested natively: schemas, stored source
//! offsets and what a plugin asked for, per thread and thus per test.
//!
//! Drive a plugin through [`crate::guest::Instance`], as the worker would.

use std::cell::RefCell;
use std::collections::HashMap;

use cofferdam_frame::{Schema, SchemaId};

use crate::log::Level;
use crate::sink::{TopicOffset, TopicPartition};

#[derive(Default)]
struct Worker {
    schemas: Vec<Schema>,
    offsets: HashMap<String, String>,
    requests: Requests,
    ends_transactions: bool,
    lines: Vec<(Level, String)>,
    counts: HashMap<String, u64>,
}

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::default();
}

/// What a plugin asked of its worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Partitions to pause.
    pub pause: Vec<TopicPartition>,
    /// Partitions to resume.
    pub resume: Vec<TopicPartition>,
    /// Offsets to go to.
    pub seek: Vec<TopicOffset>,
    /// Whether a commit was asked for.
    pub commit: bool,
    /// Whether new task configurations were announced.
    pub task_reconfiguration: bool,
    /// Ends of transactions: whether to commit, and behind which record of the batch (none: all).
    pub transaction_ends: Vec<(bool, Option<u32>)>,
}

/// Lets the sources of this thread end their transactions, as `transaction.boundary=connector` does.
pub fn let_sources_end_transactions() {
    WORKER.with_borrow_mut(|worker| worker.ends_transactions = true);
}

/// Stores a source offset as if it had been committed.
pub fn store_offset(partition: &str, offset: &str) {
    WORKER.with_borrow_mut(|worker| worker.offsets.insert(partition.to_owned(), offset.to_owned()));
}

/// What was asked of the worker since the last call.
#[must_use]
pub fn take_requests() -> Requests {
    WORKER.with_borrow_mut(|worker| std::mem::take(&mut worker.requests))
}

/// What was logged since the last call.
#[must_use]
pub fn take_log() -> Vec<(Level, String)> {
    WORKER.with_borrow_mut(|worker| std::mem::take(&mut worker.lines))
}

/// How often `name` was counted.
#[must_use]
pub fn count(name: &str) -> u64 {
    WORKER.with_borrow(|worker| worker.counts.get(name).copied().unwrap_or_default())
}

/// The imports.
pub(crate) mod host {
    use super::*;

    pub(crate) fn schema(id: SchemaId) -> Option<Schema> {
        WORKER.with_borrow(|worker| worker.schemas.get(id.checked_sub(1)? as usize).cloned())
    }

    pub(crate) fn define(schema: &Schema) -> Result<SchemaId, String> {
        WORKER.with_borrow_mut(|worker| {
            if let Some(at) = worker.schemas.iter().position(|known| known == schema) {
                return Ok(at as SchemaId + 1);
            }
            let known = worker.schemas.len();
            let children =
                schema.fields.iter().map(|field| field.schema).chain(schema.key).chain(schema.value);
            for child in children {
                if child == 0 || child as usize > known {
                    return Err(format!(
                        "the schema refers to schema {child}, which this task does not know"
                    ));
                }
            }
            worker.schemas.push(schema.clone());
            Ok(known as SchemaId + 1)
        })
    }

    pub(crate) fn source_offsets(partitions: Vec<String>) -> Result<Vec<Option<String>>, String> {
        Ok(WORKER
            .with_borrow(|worker| partitions.iter().map(|key| worker.offsets.get(key).cloned()).collect()))
    }

    pub(crate) fn ends_transactions() -> bool {
        WORKER.with_borrow(|worker| worker.ends_transactions)
    }

    pub(crate) fn commit_transaction(behind: Option<u32>) {
        WORKER.with_borrow_mut(|worker| worker.requests.transaction_ends.push((true, behind)));
    }

    pub(crate) fn abort_transaction(behind: Option<u32>) {
        WORKER.with_borrow_mut(|worker| worker.requests.transaction_ends.push((false, behind)));
    }

    pub(crate) fn request_task_reconfiguration() {
        WORKER.with_borrow_mut(|worker| worker.requests.task_reconfiguration = true);
    }

    pub(crate) fn assignment() -> Vec<TopicPartition> {
        Vec::new()
    }

    pub(crate) fn pause(partitions: Vec<TopicPartition>) {
        WORKER.with_borrow_mut(|worker| worker.requests.pause.extend(partitions));
    }

    pub(crate) fn resume(partitions: Vec<TopicPartition>) {
        WORKER.with_borrow_mut(|worker| worker.requests.resume.extend(partitions));
    }

    pub(crate) fn seek(offsets: Vec<TopicOffset>) {
        WORKER.with_borrow_mut(|worker| worker.requests.seek.extend(offsets));
    }

    pub(crate) fn request_commit() {
        WORKER.with_borrow_mut(|worker| worker.requests.commit = true);
    }

    pub(crate) fn max_level() -> Level {
        Level::Trace
    }

    pub(crate) fn write_log(level: Level, message: &str) {
        WORKER.with_borrow_mut(|worker| worker.lines.push((level, message.to_owned())));
    }

    pub(crate) fn count(name: &str, by: u64) {
        WORKER.with_borrow_mut(|worker| *worker.counts.entry(name.to_owned()).or_default() += by);
    }

    pub(crate) fn gauge(name: &str, value: f64) {
        WORKER.with_borrow_mut(|worker| worker.lines.push((Level::Trace, format!("{name} = {value}"))));
    }
}
