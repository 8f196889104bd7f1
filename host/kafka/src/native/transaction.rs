//! Transactions of a producer. All of these block, the first one for as long as it is told.

use super::client::taken;
use super::{Client, sys};
use crate::error::{Cause, TransactionFault};

/// A refusal and what it leaves to do.
pub(crate) type Refusal = (TransactionFault, Cause);

impl Client {
    /// Takes over the transactional id: whoever had it is fenced, and its open transaction aborted.
    pub(crate) fn init_transactions(&self, timeout_ms: i32) -> Result<(), Refusal> {
        // SAFETY: the client is a producer that lives; the error is ours.
        unsafe { judged(sys::rd_kafka_init_transactions(self.rk(), timeout_ms)) }
    }

    /// From here on records belong to a transaction.
    pub(crate) fn begin_transaction(&self) -> Result<(), Refusal> {
        // SAFETY: the client is a producer that lives; the error is ours.
        unsafe { judged(sys::rd_kafka_begin_transaction(self.rk())) }
    }

    /// Waits for all deliveries and commits.
    pub(crate) fn commit_transaction(&self, timeout_ms: i32) -> Result<(), Refusal> {
        // SAFETY: the client is a producer that lives; the error is ours.
        unsafe { judged(sys::rd_kafka_commit_transaction(self.rk(), timeout_ms)) }
    }

    /// Gives up what was not sent yet and aborts.
    pub(crate) fn abort_transaction(&self, timeout_ms: i32) -> Result<(), Refusal> {
        // SAFETY: the client is a producer that lives; the error is ours.
        unsafe { judged(sys::rd_kafka_abort_transaction(self.rk(), timeout_ms)) }
    }
}

/// An error object as a result, with what is left to do; it is freed.
///
/// # Safety
/// `error` is null or an error object that is ours.
unsafe fn judged(error: *mut sys::rd_kafka_error_t) -> Result<(), Refusal> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null and ours; it is read before `taken` frees it.
    let (again, abort) = unsafe {
        (sys::rd_kafka_error_is_retriable(error) != 0, sys::rd_kafka_error_txn_requires_abort(error) != 0)
    };
    // SAFETY: ours, and not used again.
    unsafe { taken(error) }.map_err(|cause| {
        let fault = match TransactionFault::of_fatal(&cause) {
            TransactionFault::Fenced => TransactionFault::Fenced,
            _ if again => TransactionFault::Again,
            _ if abort => TransactionFault::Abort,
            fatal => fatal,
        };
        (fault, cause)
    })
}
