//! What a source reads while a transaction of it is committed.
//!
//! A commit is a few requests to brokers, one after the other, in which a source could have read several batches.
//! They go into the next transaction together: each is still in one transaction as a whole, with its
//! offsets, and none waits for more than the commit that is under way. What has not been written yet is
//! nowhere noted: a task that ends reads it again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cofferdam_api::TargetState;

use crate::Error;
use crate::batch::Batch;
use crate::chain::Chain;
use crate::source::prepare;
use crate::stage::poll::{Poll, Polled};
use crate::stage::transform::Work;

/// About the most bytes that are read ahead.
const BYTES_MAX: usize = 8 << 20;

/// Batches that are ready to be written, and what comes after them.
#[derive(Default)]
pub(crate) struct Ahead {
    pub(crate) batches: VecDeque<Batch>,
    /// What the last poll answered, if it was no batch.
    pub(crate) then: Option<Then>,
}

/// What there is to do when all batches are written.
pub(crate) enum Then {
    /// There was nothing: ask again after this.
    Rest(Duration),
    /// Reading failed.
    Fail(Error),
}

/// What reads: a source and what its records go through.
pub(crate) struct Reader<'a> {
    pub(crate) poll: &'a mut Poll,
    pub(crate) chain: &'a mut Chain,
    pub(crate) work: Work<'a>,
    /// Whether a record without an offset is refused.
    pub(crate) tracked_only: bool,
}

impl Ahead {
    /// Whether the guest is to be asked next.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.then.is_none()
    }

    /// Reads on until `is_over`, or until there is nothing more to read, or enough was read. Never gives up a poll
    /// that has begun: that would end the guest.
    pub(crate) async fn read(&mut self, mut reader: Reader<'_>, is_over: &AtomicBool) {
        let mut n_bytes = 0;
        while self.then.is_none()
            && !is_over.load(Ordering::Relaxed)
            && n_bytes < BYTES_MAX
            && reader.work.control.target() == TargetState::Started
        {
            // A guest that never waits would keep the commit from going on.
            tokio::task::yield_now().await;
            match reader.next().await {
                Ok(Polled::Records(batch, _)) => {
                    n_bytes += batch.bytes().len();
                    let is_last = batch.ended_by.is_some();
                    self.batches.push_back(batch);
                    if is_last {
                        return;
                    }
                }
                Ok(Polled::Nothing(pause, _)) => self.then = Some(Then::Rest(pause)),
                Err(error) => self.then = Some(Then::Fail(error)),
            }
        }
    }
}

impl Reader<'_> {
    async fn next(&mut self) -> Result<Polled, Error> {
        let polled = self.poll.poll(self.work.metrics).await?;
        let Polled::Records(mut batch, ends) = polled else { return Ok(polled) };
        if self.tracked_only {
            crate::transaction::check_tracked(&batch)?;
        }
        prepare(&mut batch, self.chain, &mut self.work).await?;
        Ok(Polled::Records(batch, ends))
    }
}
