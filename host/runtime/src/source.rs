//! A source task: poll → transform → convert → produce, and the offsets behind it.
//!
//! Invariants: an offset is committed only when every record up to it is in Kafka (or was dropped on
//! purpose), and the guest hears of it only when the offset itself is stored. Whatever ends the task,
//! what has arrived by then is committed. In transactions (exactly-once) it is committed when the task
//! is told to end, and aborted when it fails; one that the connector ends itself is committed nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cofferdam_api::{State, TargetState};
use cofferdam_config::connector::Boundary;
use cofferdam_converters::Format;
use cofferdam_kafka::{OnDemand, Producer, Role};
use cofferdam_plugins::{TransactionEnd, TransactionEnds};
use cofferdam_stdx::time;
use tokio::time::sleep_until;

use crate::Error;
use crate::ahead::{Ahead, Reader, Then};
use crate::batch::{Batch, Needs};
use crate::chain::Chain;
use crate::control::Control;
use crate::errors::Reporter;
use crate::stage::commit::{Commit, Schedule};
use crate::stage::convert::{Converters, Order};
use crate::stage::poll::{Poll, Polled};
use crate::stage::produce::{Produce, STARTING, Sending};
use crate::stage::topics::TopicCreation;
use crate::stage::transform::Work;
use crate::task::{Status, Task};
use crate::transaction::{Transactions, check_tracked, take_over};

/// Everything leaves for the topic as bytes.
const TOPIC: Needs = Needs { key: Some(Format::Raw), value: Some(Format::Raw), headers: Some(Format::Raw) };

/// A source task at work.
struct Source {
    control: Control,
    status: Status,
    poll: Poll,
    ahead: Ahead,
    chain: Chain,
    converters: Converters,
    reporter: Reporter,
    /// Makes topics before they are written to; none = that is left to the broker.
    topics: Option<TopicCreation>,
    produce: Produce,
    schedule: Schedule,
    commit: Commit,
    /// None when records and offsets are written each on their own.
    transactions: Option<Transactions>,
    task: Task,
}

/// What a source does while its offsets are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Wait,
    ReadOn,
}

/// Runs a source task until it is told to stop.
pub(crate) async fn run(task: Task) -> Result<(), Error> {
    let mut control = task.control.clone();
    // A task that is to be paused does not even start its guest.
    if !task.wait_while_paused(&mut control).await {
        return Ok(());
    }
    let mut source = Box::pin(Source::start(task, control)).await?;
    source.status.set(State::Running);
    let mut result = source.run().await;
    if let Err(Error::RefusedInBatch(reason)) = &result {
        tracing::warn!(
            "Kafka refused a batch of records, perhaps for one of them: going on from the last commit, with a request \
             for each record. That is slow: raise max.message.bytes of the topic, or lower \
             producer.override.batch.size below it: {reason}"
        );
        let mut task = source.into_task();
        task.one_by_one = true;
        let control = task.control.clone();
        source = Box::pin(Source::start(task, control)).await?;
        result = source.run().await;
    }
    match result {
        Err(Error::Stopping) => Ok(()),
        result => result,
    }
}

impl Source {
    async fn start(task: Task, control: Control) -> Result<Self, Error> {
        let converters = task.converters(Order::HeadersFirst).await?;
        let chain = Chain::start(&task.plugins, &task.connector.transforms, &task.spec()).await?;
        let mut reporter = task.reporter(task.dead_letters().await?);
        let (producer, transactions) = producer(&task, &control).await?;
        let interval = transactions.as_ref().map_or(task.settings.offset_flush_interval, |(_, every)| *every);
        let transactions = transactions.map(|(transactions, _)| transactions);
        let mut instance =
            task.plugins.source(task.spec()).await.map_err(|error| task.guest("start", error))?;
        instance.start().await.map_err(|error| task.guest("start", error))?;
        reporter.letters_of(crate::chain::Layout::of(instance.info()))?;
        Ok(Self {
            control,
            status: task.status(),
            poll: Poll::new(instance),
            ahead: Ahead::default(),
            chain,
            converters,
            topics: task.topic_creation()?,
            produce: Produce::new(
                task.id.clone(),
                producer,
                task.listener.clone(),
                task.metrics.clone(),
                reporter.tolerates(),
                match transactions {
                    Some(_) => Sending::InTransactions,
                    None if task.one_by_one => Sending::OneByOne,
                    None => Sending::InBatches,
                },
            ),
            reporter,
            schedule: Schedule::new(interval),
            commit: Commit::new(
                task.id.clone(),
                task.offsets.clone(),
                task.settings.offset_flush_timeout,
                task.metrics.clone(),
            ),
            transactions,
            task,
        })
    }

    /// Works until told to stop or until something fails, and comes to an end.
    async fn run(&mut self) -> Result<(), Error> {
        let mut result = self.work().await;
        if let (Err(error), Some(transactions)) = (&mut result, &self.transactions) {
            *error = transactions.explain(std::mem::replace(error, Error::Stopping));
        }
        self.finish(result.is_ok()).await;
        result
    }

    fn into_task(self) -> Task {
        self.task
    }

    async fn work(&mut self) -> Result<(), Error> {
        loop {
            match self.control.target() {
                TargetState::Started => self.iteration().await?,
                TargetState::Paused => self.pause().await?,
                TargetState::Stopped => return Ok(()),
            }
        }
    }

    async fn iteration(&mut self) -> Result<(), Error> {
        // Offsets first: a slow poll must not starve the commit interval.
        self.commit_if_due().await?;
        // A source must not run ahead of Kafka without bound; lost records end the task here.
        if !self.room().await? {
            return Ok(());
        }
        if !self.ahead.is_empty() {
            return self.catch_up().await;
        }
        match self.poll.poll(&self.task.metrics).await? {
            Polled::Records(batch, ends) => self.pass_all(batch, ends).await,
            Polled::Nothing(pause, end) => {
                if let Some(end) = end {
                    self.end_transaction(end).await?;
                }
                self.rest(pause).await;
                Ok(())
            }
        }
    }

    async fn rest(&mut self, pause: Duration) {
        self.produce.rest();
        tokio::select! {
            () = time::rest(pause) => {}
            () = sleep_until(self.schedule.due()) => {}
            () = self.control.changed_from(TargetState::Started) => {}
        }
    }

    /// Writes what was read during the last commit, as one transaction, and does what came after it.
    async fn catch_up(&mut self) -> Result<(), Error> {
        while let Some(batch) = self.ahead.batches.pop_front() {
            // What failed ends the task: the batches before it are committed, as if each had been by itself.
            if batch.ended_by.is_some() {
                self.commit(Meanwhile::Wait).await?;
            }
            self.write(batch).await?;
        }
        if self.transactions.as_ref().is_some_and(Transactions::is_open) {
            let meanwhile = if self.ahead.then.is_none() { Meanwhile::ReadOn } else { Meanwhile::Wait };
            self.commit(meanwhile).await?;
        }
        match self.ahead.then.take() {
            Some(Then::Fail(error)) => Err(error),
            Some(Then::Rest(pause)) => {
                self.rest(pause).await;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Brings a batch to Kafka, a part for each transaction that its source ends in it.
    async fn pass_all(&mut self, batch: Batch, ends: TransactionEnds) -> Result<(), Error> {
        let parts = batch.cut_behind(ends.behind_records().map(|(index, _)| index));
        let mut behind = ends.behind_records().map(|(_, end)| end);
        for part in parts {
            self.pass(part).await?;
            if let Some(end) = behind.next() {
                self.end_transaction(end).await?;
            }
        }
        match ends.behind_batch() {
            Some(end) => self.end_transaction(end).await,
            None => Ok(()),
        }
    }

    async fn pass(&mut self, mut batch: Batch) -> Result<(), Error> {
        if self.transactions.as_ref().is_some_and(Transactions::tracked_only) {
            check_tracked(&batch)?;
        }
        let mut work = Work {
            converters: &mut self.converters,
            reporter: &mut self.reporter,
            control: &mut self.control,
            metrics: &self.task.metrics,
        };
        prepare(&mut batch, &mut self.chain, &mut work).await?;
        self.write(batch).await?;
        // A batch of which nothing is left is no transaction: its offsets go with the next one, or when
        // offsets are due.
        match &self.transactions {
            Some(transactions) if transactions.boundary() == Boundary::Poll && transactions.is_open() => {
                self.commit(Meanwhile::ReadOn).await
            }
            _ => Ok(()),
        }
    }

    /// Hands a batch that is ready to Kafka, in a transaction where there are transactions.
    async fn write(&mut self, mut batch: Batch) -> Result<(), Error> {
        if let Some(topics) = &mut self.topics {
            topics.ensure(&batch, &mut self.control).await?;
        }
        if let Some(transactions) = &mut self.transactions {
            // What is aborted need not be sent.
            self.reporter.raise(&mut batch).await?;
            transactions.begin_for(&batch).await?;
        }
        // What failed without tolerance has cut the batch off: the records before it still go.
        let sent = self.produce.send(&mut batch, &mut self.reporter, &mut self.control).await;
        if let Err(error @ Error::Send(_)) = sent {
            // In transactions the first record that was given up keeps all others from being sent.
            return self.produce.check(&self.reporter).and(Err(error));
        }
        sent?;
        self.reporter.raise(&mut batch).await
    }

    /// Ends the open transaction as the connector says: aborted or not, the offsets are stored.
    async fn end_transaction(&mut self, end: TransactionEnd) -> Result<(), Error> {
        let Some(transactions) = &mut self.transactions else { return Ok(()) };
        if end == TransactionEnd::Abort {
            // librdkafka aborts what the coordinator may not have begun yet, which is fatal for its producer.
            tokio::select! {
                () = self.produce.all_arrived() => {}
                () = self.control.stopped() => return Err(Error::Stopping),
            }
            self.produce.check(&self.reporter)?;
            transactions.abort_as_asked(&self.control).await?;
            // All of it has arrived; its offsets go with the next transaction.
            self.produce.take_committable();
        }
        // Where the transaction ends cannot be put off: what follows may be aborted.
        while !self.reporter.settled(self.task.settings.offset_flush_timeout).await? {
            if self.control.is_stopping() {
                return Err(Error::Stopping);
            }
            tracing::warn!(
                "a transaction is not committed yet: the dead letter queue has not answered in time"
            );
        }
        self.commit(Meanwhile::Wait).await
    }

    /// Whether the connector says where its transactions end.
    fn connector_ends_transactions(&self) -> bool {
        self.transactions.as_ref().is_some_and(|transactions| transactions.boundary() == Boundary::Connector)
    }

    /// Waits until there is room for a batch. Answers false when something else is to be done first.
    async fn room(&mut self) -> Result<bool, Error> {
        self.produce.check(&self.reporter)?;
        if self.produce.has_room() {
            return Ok(true);
        }
        tokio::select! {
            () = self.produce.arrived() => {}
            () = sleep_until(self.schedule.due()) => {}
            () = self.control.changed_from(TargetState::Started) => {}
        }
        // Groups that have arrived make room when they are taken out.
        self.take_arrived().await?;
        Ok(false)
    }

    /// Takes note of what has arrived, for the next commit, and of what Kafka did not take.
    async fn take_arrived(&mut self) -> Result<(), Error> {
        let (arrived, refused) = self.produce.take_committable();
        // Their letters go before the offsets behind them.
        self.reporter.refused(&refused).await?;
        if self.transactions.is_none() {
            self.commit.add(arrived);
        }
        Ok(())
    }

    async fn commit_if_due(&mut self) -> Result<(), Error> {
        if !self.schedule.is_due() {
            return Ok(());
        }
        if self.connector_ends_transactions() {
            self.schedule.done();
            return Ok(());
        }
        self.commit(Meanwhile::Wait).await
    }

    async fn commit(&mut self, meanwhile: Meanwhile) -> Result<(), Error> {
        self.take_arrived().await?;
        // A record that failed is only dealt with once the broker has its dead letter: what is in the
        // queue by now is waited for, and nothing is stored before.
        if !self.reporter.settled(self.task.settings.offset_flush_timeout).await? {
            self.task.metrics.commit_failed();
            tracing::warn!("offsets were not stored: the dead letter queue has not answered in time");
            self.schedule.done();
            return Ok(());
        }
        let stored = match &mut self.transactions {
            None => self.commit.write().await,
            Some(transactions) => {
                self.produce.check(&self.reporter)?;
                let (offsets, control) = (self.produce.take_unsaved(), self.control.clone());
                let committed = if meanwhile == Meanwhile::ReadOn {
                    let reader = Reader {
                        poll: &mut self.poll,
                        chain: &mut self.chain,
                        tracked_only: transactions.tracked_only(),
                        work: Work {
                            converters: &mut self.converters,
                            reporter: &mut self.reporter,
                            control: &mut self.control,
                            metrics: &self.task.metrics,
                        },
                    };
                    let is_over = AtomicBool::new(false);
                    let committing = async {
                        let committed = transactions.commit(offsets, &control).await;
                        is_over.store(true, Ordering::Relaxed);
                        committed
                    };
                    tokio::join!(committing, self.ahead.read(reader, &is_over)).0
                } else {
                    transactions.commit(offsets, &control).await
                };
                // What became of a record says more than that it spoilt the transaction.
                if committed.is_err() {
                    self.produce.check(&self.reporter)?;
                }
                let committed = committed?;
                // All of it has arrived.
                self.produce.take_committable();
                committed
            }
        };
        self.schedule.done();
        if stored.is_empty() {
            return Ok(());
        }
        // Only what is durable is told; a guest that forgets its input now loses nothing.
        if !self.poll.instance.is_alive() {
            return Ok(());
        }
        match self.poll.instance.committed(&stored).await {
            Ok(()) => Ok(()),
            Err(error) if error.poisons() => Err(self.task.guest("commit", error)),
            Err(error) => {
                tracing::warn!("the source failed in commit, which changes nothing: {error}");
                Ok(())
            }
        }
    }

    async fn pause(&mut self) -> Result<(), Error> {
        self.status.set(State::Paused);
        self.produce.drain(self.task.settings.offset_flush_timeout).await;
        // As in Kafka Connect: the connector's transaction stays open.
        if !self.connector_ends_transactions() {
            self.commit(Meanwhile::Wait).await?;
        }
        while self.control.target() == TargetState::Paused {
            tokio::select! {
                () = sleep_until(self.schedule.due()) => self.commit_if_due().await?,
                () = self.control.changed_from(TargetState::Paused) => {}
            }
            self.produce.rest();
        }
        if self.control.target() == TargetState::Started {
            self.status.set(State::Running);
        }
        Ok(())
    }

    /// The end, whatever its reason: wait for what is on its way, commit it, let the guest go. A
    /// transaction is committed only when nothing is wrong with the task and its end is not the connector's
    /// to say.
    async fn finish(&mut self, is_well: bool) {
        if self.transactions.is_none() || (is_well && !self.connector_ends_transactions()) {
            self.produce.drain(self.task.settings.offset_flush_timeout).await;
            if let Err(error) = self.commit(Meanwhile::Wait).await {
                tracing::warn!("the source failed in its last commit: {}", cofferdam_api::chain(&error));
            }
        }
        if let Some(transactions) = &mut self.transactions {
            transactions.abort().await;
        }
        if self.poll.instance.is_alive()
            && let Err(error) = self.poll.instance.stop().await
        {
            tracing::warn!("the source failed in stop: {}", error.trace());
        }
    }
}

/// Transforms first, then the converters, since transforms set what is written; bad records leave
/// here and there.
pub(crate) async fn prepare(batch: &mut Batch, chain: &mut Chain, work: &mut Work<'_>) -> Result<(), Error> {
    chain.apply(batch, work).await?;
    let failed = work.convert(batch, &TOPIC).await?;
    work.reporter.settle(batch, failed).await
}

/// The task's producer and, for a task that delivers exactly once, its transactions and how far they
/// are apart. When it is there, nobody else writes as this task any more, and its offsets are known.
async fn producer(
    task: &Task,
    control: &Control,
) -> Result<(OnDemand, Option<(Transactions, Duration)>), Error> {
    let (name, number) = (task.id.connector.as_str(), task.id.task);
    let (settings, overrides) = (&task.settings, &task.connector.producer_overrides);
    let failed = |error| Error::Kafka { doing: STARTING, error };
    let Some(exactly_once) = &task.exactly_once else {
        let config = task.client(Role::Producer, &settings.producer_config(name, number, overrides))?;
        return Ok((OnDemand::new(config).map_err(failed)?, None));
    };
    let interval = match exactly_once.boundary {
        // Offsets alone, of records that were all dropped, are in no hurry.
        Boundary::Poll => settings.offset_flush_interval,
        Boundary::Interval(interval) => interval.unwrap_or(settings.offset_flush_interval),
        // Never written in between.
        Boundary::Connector => settings.offset_flush_interval,
    };
    for key in
        ["transactional.id", "enable.idempotence", "acks"].iter().filter(|key| overrides.contains_key(**key))
    {
        tracing::warn!("producer.override.{key} is not heeded: exactly-once delivery rests on it");
    }
    let config = settings.transactional_config(name, number, exactly_once.boundary, overrides);
    let producer = Producer::new(&task.client(Role::Producer, &config)?).map_err(failed)?;
    let taken_over = take_over(&producer, || !control.is_stopping()).await;
    if control.is_stopping() {
        return Err(Error::Stopping);
    }
    let doing = "the transactional producer of this task could not be initialized";
    taken_over.map_err(|error| Error::Kafka { doing, error })?;
    // Transactions of other tasks may keep the end of the topic back for a while: the guest's own
    // call, which has a deadline, then finds it read.
    let mut stopping = control.clone();
    tokio::select! {
        offsets = task.offsets.list(name) => drop(offsets.map_err(Error::Offsets)?),
        () = stopping.stopped() => return Err(Error::Stopping),
    }
    let transactions = Transactions::new(
        task.id.clone(),
        producer.clone(),
        Arc::clone(&task.offsets),
        task.metrics.clone(),
        settings.offset_flush_timeout,
        exactly_once.required,
        exactly_once.boundary,
    );
    Ok((OnDemand::lasting(producer), Some((transactions, interval))))
}
