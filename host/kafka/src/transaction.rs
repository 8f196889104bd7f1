//! Transactions: records of many topics that become visible together or not at all.
//!
//! One call at a time: whoever owns the producer calls these one after the other. A call that is
//! dropped while it waits goes on aside until its time is over.

use std::sync::Arc;
use std::time::Duration;

use crate::Producer;
use crate::error::{Cause, Error, Result, TransactionFault};
use crate::native::{Client, Refusal};

impl Producer {
    /// Takes over the configured `transactional.id`: an earlier producer with it is fenced, and what
    /// it had not committed is aborted when this returns. Call again while the error says so.
    ///
    /// # Errors
    /// No answer `within` this time, or a refusal.
    pub async fn init_transactions(&self, within: Duration) -> Result<()> {
        self.aside("taking over the transactional id", move |client| client.init_transactions(ms(within)))
            .await
    }

    /// From here on records belong to a transaction.
    ///
    /// # Errors
    /// The producer was fenced or is in no state to begin.
    pub async fn begin_transaction(&self) -> Result<()> {
        self.aside("beginning a transaction", |client| client.begin_transaction()).await
    }

    /// Waits for the delivery of everything that was handed over since the beginning, and commits.
    /// Call again while the error says so: the commit then goes on where it was.
    ///
    /// # Errors
    /// No answer `within` this time, a record that could not be delivered, or a refusal.
    pub async fn commit_transaction(&self, within: Duration) -> Result<()> {
        self.aside("committing a transaction", move |client| client.commit_transaction(ms(within))).await
    }

    /// Aborts: nobody who reads only what is committed ever sees the records. Call again while the
    /// error says so.
    ///
    /// # Errors
    /// No answer `within` this time, or a refusal.
    pub async fn abort_transaction(&self, within: Duration) -> Result<()> {
        self.aside("aborting a transaction", move |client| client.abort_transaction(ms(within))).await
    }

    /// Why this producer will never write again; none while it can.
    #[must_use]
    pub fn end_of_transactions(&self) -> Option<Error> {
        let cause = self.client().fatal()?;
        let fault = TransactionFault::of_fatal(&cause);
        Some(Error::Transaction { doing: "writing in a transaction", fault, cause })
    }

    async fn aside(
        &self,
        doing: &'static str,
        call: impl FnOnce(&Client) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<()> {
        let client = Arc::clone(self.client());
        let result = tokio::task::spawn_blocking(move || call(&client)).await;
        let result = result
            .unwrap_or_else(|_| Err((TransactionFault::Fatal, Cause::bug("the worker is shutting down"))));
        result.map_err(|(fault, cause)| Error::Transaction {
            doing,
            fault,
            cause: self.client().explain(cause),
        })
    }
}

fn ms(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
