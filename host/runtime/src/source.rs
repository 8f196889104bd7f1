//! A source task: poll → transform → convert → produce, and the offsets behind it.
//!
//! Invariants: an offset is committed only when every record up to it is in Kafka (or was dropped on
//! purpose), and the guest hears of it only when the offset itself is stored. Whatever ends the task,
//! what has arrived by then is committed.

use cofferdam_api::{State, TargetState};
use cofferdam_converters::Format;
use cofferdam_kafka::{Producer, Role};
use tokio::time::sleep_until;

use crate::Error;
use crate::batch::{Batch, Needs};
use crate::chain::Chain;
use crate::control::Control;
use crate::errors::Reporter;
use crate::stage::commit::{Commit, Schedule};
use crate::stage::convert::{Converters, Order};
use crate::stage::poll::{Poll, Polled};
use crate::stage::produce::Produce;
use crate::stage::topics::TopicCreation;
use crate::stage::transform::Work;
use crate::task::{Status, Task};

/// Everything leaves for the topic as bytes.
const TOPIC: Needs = Needs { key: Some(Format::Raw), value: Some(Format::Raw), headers: Some(Format::Raw) };

/// A source task at work.
struct Source {
    control: Control,
    status: Status,
    poll: Poll,
    chain: Chain,
    converters: Converters,
    reporter: Reporter,
    /// Makes topics before they are written to; none = that is left to the broker.
    topics: Option<TopicCreation>,
    produce: Produce,
    schedule: Schedule,
    commit: Commit,
    task: Task,
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
    let result = source.work().await;
    source.finish().await;
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
        let config = task.settings.producer_config(
            task.id.connector.as_str(),
            task.id.task,
            &task.connector.producer_overrides,
        );
        let doing = "the producer of this task could not be started";
        let producer = Producer::new(&task.client(Role::Producer, &config)?);
        let producer = producer.map_err(|error| Error::Kafka { doing, error })?;
        let mut instance =
            task.plugins.source(task.spec()).await.map_err(|error| task.guest("start", error))?;
        instance.start().await.map_err(|error| task.guest("start", error))?;
        reporter.letters_of(crate::chain::Layout::of(instance.info()))?;
        Ok(Self {
            control,
            status: task.status(),
            poll: Poll::new(instance),
            chain,
            converters,
            topics: task.topic_creation()?,
            produce: Produce::new(
                task.id.clone(),
                producer,
                task.listener.clone(),
                task.metrics.clone(),
                reporter.tolerates(),
            ),
            reporter,
            schedule: Schedule::new(task.settings.offset_flush_interval),
            commit: Commit::new(
                task.id.clone(),
                task.offsets.clone(),
                task.settings.offset_flush_timeout,
                task.metrics.clone(),
            ),
            task,
        })
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
        let Some(mut batch) = self.poll().await? else { return Ok(()) };
        self.prepare(&mut batch).await?;
        if let Some(topics) = &mut self.topics {
            topics.ensure(&batch, &mut self.control).await?;
        }
        // What failed without tolerance has cut the batch off: the records before it still go.
        self.produce.send(&mut batch, &mut self.reporter, &mut self.control).await?;
        self.reporter.raise(&mut batch).await
    }

    async fn poll(&mut self) -> Result<Option<Batch>, Error> {
        match self.poll.poll(&self.task.metrics).await? {
            Polled::Records(batch) => Ok(Some(batch)),
            Polled::Nothing(pause) => {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = sleep_until(self.schedule.due()) => {}
                    () = self.control.changed_from(TargetState::Started) => {}
                }
                Ok(None)
            }
        }
    }

    /// Transforms first, then the converters, since transforms set what is written; bad records leave
    /// here and there.
    async fn prepare(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let mut work = Work {
            converters: &mut self.converters,
            reporter: &mut self.reporter,
            control: &mut self.control,
            metrics: &self.task.metrics,
        };
        self.chain.apply(batch, &mut work).await?;
        let failed = work.convert(batch, &TOPIC).await?;
        self.reporter.settle(batch, failed).await
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
        self.commit.add(self.produce.take_committable(&mut self.reporter));
        Ok(false)
    }

    async fn commit_if_due(&mut self) -> Result<(), Error> {
        if self.schedule.is_due() { self.commit().await } else { Ok(()) }
    }

    async fn commit(&mut self) -> Result<(), Error> {
        // A record that failed is only dealt with once the broker has its dead letter: what is in the
        // queue by now is waited for, and nothing is taken to be stored before.
        if !self.reporter.settled(self.task.settings.offset_flush_timeout).await? {
            self.task.metrics.commit_failed();
            tracing::warn!("offsets were not stored: the dead letter queue has not answered in time");
            self.schedule.done();
            return Ok(());
        }
        self.commit.add(self.produce.take_committable(&mut self.reporter));
        let stored = self.commit.write().await;
        self.schedule.done();
        if stored.is_empty() {
            return Ok(());
        }
        // Only what is durable is told; a guest that forgets its input now loses nothing.
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
        self.commit().await?;
        while self.control.target() == TargetState::Paused {
            tokio::select! {
                () = sleep_until(self.schedule.due()) => self.commit().await?,
                () = self.control.changed_from(TargetState::Paused) => {}
            }
        }
        if self.control.target() == TargetState::Started {
            self.status.set(State::Running);
        }
        Ok(())
    }

    /// The end, whatever its reason: wait for what is on its way, commit it, let the guest go.
    async fn finish(&mut self) {
        self.produce.drain(self.task.settings.offset_flush_timeout).await;
        if let Err(error) = self.commit().await {
            tracing::warn!("the source failed in its last commit: {error}");
        }
        if self.poll.instance.is_alive()
            && let Err(error) = self.poll.instance.stop().await
        {
            tracing::warn!("the source failed in stop: {}", error.trace());
        }
    }
}
