//! A source's transactions: its records and the offsets behind them are written by one producer and
//! become visible together, or not at all.
//!
//! Invariants: an offset is in the transaction that has the records before it; the guest hears of an
//! offset when that transaction is committed; a transaction is begun for something that is to be
//! written, and one that cannot be completed is aborted, with all offsets in it.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{TaskId, chain};
use cofferdam_config::connector::Boundary;
use cofferdam_frame::{Builder, Entry, Frame, Position};
use cofferdam_kafka::{Delivery, Error as KafkaError, Producer, TransactionFault};
use cofferdam_plugins::TransactionEnd;
use cofferdam_stdx::time::now;
use cofferdam_storage::{OffsetRecords, OffsetStore};
use cofferdam_telemetry::TaskMetrics;

use crate::Error;
use crate::batch::Batch;
use crate::control::Control;
use crate::offsets::Committable;

/// How long one call into librdkafka may take before it is looked whether the task is to end.
const STEP: Duration = Duration::from_secs(1);

/// The transactions of one task.
pub(crate) struct Transactions {
    id: TaskId,
    producer: Producer,
    store: Arc<dyn OffsetStore>,
    metrics: TaskMetrics,
    /// How long a stop waits for what is open.
    patience: Duration,
    /// Whether a record without an offset is refused.
    required: bool,
    /// Where a transaction ends.
    boundary: Boundary,
    state: State,
    /// The topic of offsets, once it is known.
    topic: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is open.
    Between,
    /// Records or offsets may have been written.
    Open,
    /// Nobody knows, or the producer is done for: nothing more is written.
    Lost,
}

/// Refuses what was polled without offsets, before anything is done with it.
pub(crate) fn check_tracked(batch: &Batch) -> Result<(), Error> {
    let untracked = |record: cofferdam_frame::Record<'_>| {
        !matches!(record.entry.position, Position::Source(_)) || record.source_partition().is_none()
    };
    if batch.input().iter().any(untracked) { Err(Error::Untracked) } else { Ok(()) }
}

impl Transactions {
    /// With a producer that has taken over its id.
    pub(crate) const fn new(
        id: TaskId,
        producer: Producer,
        store: Arc<dyn OffsetStore>,
        metrics: TaskMetrics,
        patience: Duration,
        required: bool,
        boundary: Boundary,
    ) -> Self {
        Self {
            id,
            producer,
            store,
            metrics,
            patience,
            required,
            boundary,
            state: State::Between,
            topic: None,
        }
    }

    /// Where a transaction ends.
    pub(crate) const fn boundary(&self) -> Boundary {
        self.boundary
    }

    /// Whether a transaction is open.
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The same error, unless it only follows from that this producer is done for.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match self.producer.end_of_transactions() {
            Some(end) if !matches!(error, Error::Stopping) => {
                Error::Transaction { task: self.id.to_string(), error: end }
            }
            _ => error,
        }
    }

    /// Whether a record without an offset is refused.
    pub(crate) const fn tracked_only(&self) -> bool {
        self.required
    }

    /// Makes sure that a transaction is open that `batch` can be written in.
    pub(crate) async fn begin_for(&mut self, batch: &Batch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.topic.is_none() {
            self.topic = self.records(&[])?.map(|records| records.topic);
        }
        // A guest that asks for its offsets waits for open transactions in their topic: for its own.
        let frame = batch.frame();
        if let Some(topic) = &self.topic
            && frame.iter().any(|record| record.topic() == topic)
        {
            return Err(Error::OwnOffsetsTopic);
        }
        self.begin().await
    }

    async fn begin(&mut self) -> Result<(), Error> {
        if self.state == State::Between {
            self.producer.begin_transaction().await.map_err(|error| self.failed(error))?;
            self.state = State::Open;
        }
        Ok(())
    }

    /// Writes the offsets and commits. Answers what is durable now, for the guest to hear.
    pub(crate) async fn commit(
        &mut self,
        offsets: Vec<Committable>,
        control: &Control,
    ) -> Result<Vec<(String, String)>, Error> {
        if self.state != State::Open && offsets.is_empty() {
            return Ok(Vec::new());
        }
        let began = now();
        self.metrics.commit_started();
        let result = self.try_commit(&offsets, control).await;
        match &result {
            Ok(()) => self.metrics.commit_succeeded(began.elapsed()),
            Err(_) => self.metrics.commit_failed(),
        }
        result?;
        Ok(offsets.into_iter().filter_map(|(partition, offset)| Some((partition, offset?))).collect())
    }

    async fn try_commit(&mut self, offsets: &[Committable], control: &Control) -> Result<(), Error> {
        let records = self.records(offsets)?;
        self.begin().await?;
        if let Some(records) = records.filter(|records| !records.records.is_empty()) {
            self.send(records, control).await?;
        }
        self.end(TransactionEnd::Commit, control).await
    }

    /// Aborts what is open, because the connector wants it so: the task goes on.
    pub(crate) async fn abort_as_asked(&mut self, control: &Control) -> Result<(), Error> {
        if self.state != State::Open {
            return Ok(());
        }
        tracing::debug!("the transaction is aborted, as the connector asks");
        self.end(TransactionEnd::Abort, control).await
    }

    async fn end(&mut self, end: TransactionEnd, control: &Control) -> Result<(), Error> {
        let mut deadline = None;
        loop {
            let ended = match end {
                TransactionEnd::Commit => self.producer.commit_transaction(STEP).await,
                TransactionEnd::Abort => self.producer.abort_transaction(STEP).await,
            };
            let Err(error) = ended else {
                self.state = State::Between;
                return Ok(());
            };
            if error.transaction_fault() != Some(TransactionFault::Again) {
                return Err(self.failed(error));
            }
            tracing::warn!("a transaction is not at its end yet; trying again: {}", chain(&error));
            // Whoever comes next with this id waits for the outcome, or decides it.
            if control.is_stopping() && now() > *deadline.get_or_insert_with(|| now() + self.patience) {
                self.state = State::Lost;
                return Err(self.failed(error));
            }
        }
    }

    /// Aborts what is open; patient for a while.
    pub(crate) async fn abort(&mut self) {
        if self.state != State::Open {
            return;
        }
        self.state = State::Between;
        let deadline = now() + self.patience;
        loop {
            let Err(error) = self.producer.abort_transaction(STEP).await else {
                tracing::info!("the open transaction was aborted");
                return;
            };
            let again = error.transaction_fault() == Some(TransactionFault::Again);
            if !again || now() > deadline {
                self.state = State::Lost;
                tracing::warn!(
                    "the open transaction could not be aborted; the broker or the next start of this task does it: {}",
                    chain(&error)
                );
                return;
            }
        }
    }

    fn records(&self, offsets: &[Committable]) -> Result<Option<OffsetRecords>, Error> {
        self.store.records(self.id.connector.as_str(), offsets).map_err(Error::Offsets)
    }

    async fn send(&self, offsets: OffsetRecords, control: &Control) -> Result<(), Error> {
        let bug = |error: cofferdam_frame::Invalid| Error::UnusableBatch(error.to_string());
        let mut frame = Builder::with_capacity(offsets.records.len(), 0);
        let topic = frame.topic(&offsets.topic).map_err(bug)?;
        for (key, value) in &offsets.records {
            let mut entry = Entry::new(topic);
            entry.key = frame.put(key);
            entry.value = frame.put_option(value.as_deref());
            frame.push(&entry);
        }
        let bytes = frame.finish();
        let frame = Frame::trust(&bytes).map_err(bug)?;
        // The commit waits for it, and fails with it.
        let delivery = Delivery::new(Arc::default());
        let counts = vec![0; offsets.records.len()];
        let mut control = control.clone();
        let counted = [delivery];
        let sending = self.producer.send(&frame, &counted, &counts);
        let sent = tokio::select! {
            sent = sending => sent,
            () = long_stopped(&mut control, self.patience) => return Err(Error::Stopping),
        };
        sent.map_err(Error::Send)
    }

    fn failed(&mut self, error: KafkaError) -> Error {
        if matches!(error.transaction_fault(), Some(TransactionFault::Fenced | TransactionFault::Fatal)) {
            self.state = State::Lost;
        }
        Error::Transaction { task: self.id.to_string(), error }
    }
}

/// The task has been told to end for so long.
async fn long_stopped(control: &mut Control, patience: Duration) {
    control.stopped().await;
    tokio::time::sleep(patience).await;
}

/// Takes over the transactional id of `producer`, as long as `go_on` says so.
pub(crate) async fn take_over(producer: &Producer, go_on: impl Fn() -> bool) -> Result<(), KafkaError> {
    loop {
        let Err(error) = producer.init_transactions(STEP).await else { return Ok(()) };
        if error.transaction_fault() != Some(TransactionFault::Again) || !go_on() {
            return Err(error);
        }
        tracing::debug!("the transactional id is not taken over yet: {}", chain(&error));
    }
}
