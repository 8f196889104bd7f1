//! A sink task: consume → convert → transform → put, and the offsets behind it.
//!
//! Invariants: an offset is committed only when the sink has every record before it (or a transform
//! dropped it, or the broker has its dead letter) and the sink agrees; a batch that the sink wants
//! again is given again, converted and transformed as it was, before anything that follows it.

use std::collections::HashSet;
use std::time::Duration;

use cofferdam_api::{Class, Classified as _, State, TargetState, TopicPartition, chain};
use cofferdam_config::connector::Topics;
use cofferdam_converters::Format;
use cofferdam_kafka::{Consumer, Error as KafkaError, Event, Role};
use cofferdam_stdx::time::{Instant, now};

use crate::Error;
use crate::batch::{Batch, Needs};
use crate::chain::Chain;
use crate::control::Control;
use crate::errors::Reporter;
use crate::stage::commit::Schedule;
use crate::stage::consume::Consume;
use crate::stage::convert::{Converters, Order};
use crate::stage::put::{Outcome, Put};
use crate::stage::transform::Work;
use crate::task::{Status, Task};

/// Most records of one put, where the consumer's `max.poll.records` does not say otherwise.
const RECORDS_MAX: usize = 2_000;
/// About the most bytes of one put.
const BYTES_MAX: usize = 1 << 20;
/// How often a sink without records is called, so that it can act on time. Kafka Connect calls it
/// after each poll of its consumer, which is no more often when nothing comes.
const IDLE_PUT: Duration = Duration::from_secs(1);
/// Pause after an error of the consumer that may pass.
const CONSUMER_PAUSE: Duration = Duration::from_millis(500);

/// A sink task at work.
struct Sink {
    control: Control,
    status: Status,
    put: Put,
    chain: Chain,
    converters: Converters,
    /// What is converted before the first transform.
    wanted: Needs,
    reporter: Reporter,
    consume: Consume,
    schedule: Schedule,
    redelivery: Option<Redelivery>,
    last_put: Instant,
    records_max: usize,
    topics: HashSet<String>,
    is_paused: bool,
    task: Task,
}

/// A batch that the sink wants again.
struct Redelivery {
    batch: Batch,
    at: Instant,
    /// Given up since the batch was read. Should one come back, it is read from its committed offset,
    /// so this batch says nothing about it any more.
    gone: Vec<TopicPartition>,
}

/// Runs a sink task until it is told to stop.
pub(crate) async fn run(task: Task) -> Result<(), Error> {
    let mut control = task.control.clone();
    // A task that is to be paused does not even start its guest.
    if !task.wait_while_paused(&mut control).await {
        return Ok(());
    }
    let mut sink = Box::new(Box::pin(Sink::start(task, control)).await?);
    sink.status.set(State::Running);
    let result = sink.work().await;
    sink.finish().await;
    match result {
        Err(Error::Stopping) => Ok(()),
        result => result,
    }
}

impl Sink {
    async fn start(task: Task, control: Control) -> Result<Self, Error> {
        let converters = task.converters(Order::KeysFirst).await?;
        let chain = Chain::start(&task.plugins, &task.connector.transforms, &task.spec()).await?;
        let reporter = task.reporter(task.dead_letters().await?);
        let mut instance =
            task.plugins.sink(task.spec()).await.map_err(|error| task.guest("start", error))?;
        instance.start().await.map_err(|error| task.guest("start", error))?;
        let put = Put::new(instance, task.plugins.clone(), task.spec());
        let overrides = &task.connector.consumer_overrides;
        let config = task.settings.consumer_config(task.id.connector.as_str(), task.id.task, overrides);
        let records_max =
            config.get("max.poll.records").and_then(|n| n.trim().parse().ok()).unwrap_or(RECORDS_MAX);
        let client = task.client(Role::Consumer, &config)?;
        let consumer = match &task.connector.topics {
            Topics::List(topics) => Consumer::subscribe(&client, topics),
            Topics::Regex(pattern) => Consumer::subscribe_regex(&client, pattern).await,
            Topics::None => Consumer::subscribe(&client, &[]),
        };
        let doing = "the consumer of this task could not be started";
        let consumer = consumer.map_err(|error| Error::Kafka { doing, error })?;
        let mut wanted = chain.wanted(&put.layout.needs);
        converters.check_unseen(&mut wanted);
        Ok(Self {
            control,
            status: task.status(),
            wanted,
            put,
            chain,
            converters,
            reporter,
            consume: Consume::new(consumer),
            schedule: Schedule::new(task.settings.offset_flush_interval),
            redelivery: None,
            last_put: now(),
            records_max,
            topics: HashSet::new(),
            is_paused: false,
            task,
        })
    }

    async fn work(&mut self) -> Result<(), Error> {
        loop {
            match self.control.target() {
                TargetState::Stopped => return Ok(()),
                target => self.follow(target)?,
            }
            self.iteration().await?;
        }
    }

    async fn iteration(&mut self) -> Result<(), Error> {
        // Offsets first: a slow put must not starve the commit interval.
        if self.schedule.is_due() {
            self.commit(None).await?;
        }
        match self.next().await? {
            Event::Assigned(partitions) => self.assigned(&partitions).await,
            Event::Revoked(partitions) => self.revoked(&partitions, true).await,
            Event::Lost(partitions) => self.revoked(&partitions, false).await,
            Event::Idle => self.idle().await,
            Event::Records(frame) => {
                let mut batch = self.consumed(frame);
                // Bad records leave here through the tolerance policy.
                self.prepare(&mut batch).await?;
                // Nothing of a batch is put when a record in it fails without tolerance.
                self.reporter.raise(&mut batch).await?;
                // Retriable: the batch is kept and the consumer held, nothing is dropped.
                self.deliver(batch, Vec::new()).await
            }
        }
    }

    /// Pauses and resumes. A paused sink stays in its group and is called without records.
    fn follow(&mut self, target: TargetState) -> Result<(), Error> {
        let pause = target == TargetState::Paused;
        if pause == self.is_paused {
            return Ok(());
        }
        self.is_paused = pause;
        self.hold()?;
        if pause {
            self.schedule.hasten();
        }
        self.status.set(if pause { State::Paused } else { State::Running });
        Ok(())
    }

    /// Holds the consumer while the connector is paused or a batch waits to be put again.
    fn hold(&mut self) -> Result<(), Error> {
        self.consume.hold_all(self.is_paused || self.redelivery.is_some()).map_err(consumer_failed)
    }

    /// The next thing to do; Idle also when a time has come or the target state changed.
    async fn next(&mut self) -> Result<Event, Error> {
        let target = self.control.target();
        let until = [
            Some(self.schedule.due()),
            Some(self.last_put + IDLE_PUT),
            self.redelivery.as_ref().map(|r| r.at),
        ];
        let until = until.into_iter().flatten().min().unwrap_or_else(now);
        let wait = until.saturating_duration_since(now());
        let event = tokio::select! {
            event = self.consume.consumer.next(self.records_max, BYTES_MAX, wait) => event,
            () = self.control.changed_from(target) => Ok(Event::Idle),
        };
        match event {
            Err(error) if error.class() == Class::Retriable => {
                tracing::warn!("the consumer has trouble and goes on: {}", chain(&error));
                self.control.sleep(CONSUMER_PAUSE).await;
                Ok(Event::Idle)
            }
            event => event.map_err(consumer_failed),
        }
    }

    fn consumed(&mut self, frame: Vec<u8>) -> Batch {
        let n_bytes = frame.len();
        let batch = Batch::new(frame, Format::Raw, Format::Raw, Format::Raw);
        self.task.metrics.read(batch.len() as u64, n_bytes as u64);
        let frame = batch.frame();
        for topic in (0..frame.n_topics() as u16).filter_map(|index| frame.topic(index)) {
            if !self.topics.contains(topic) {
                self.topics.insert(topic.to_owned());
                self.task.listener.topic(&self.task.id, topic);
            }
        }
        batch
    }

    async fn prepare(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let mut work = Work {
            converters: &mut self.converters,
            reporter: &mut self.reporter,
            control: &mut self.control,
            metrics: &self.task.metrics,
        };
        let (chain, wanted, needs) = (&mut self.chain, &self.wanted, &self.put.layout.needs);
        let prepared = async {
            let failed = work.convert(batch, wanted).await?;
            work.reporter.settle(batch, failed).await?;
            chain.apply(batch, &mut work).await?;
            // The last transform may speak another form than the sink.
            let failed = work.convert(batch, needs).await?;
            work.reporter.settle(batch, failed).await
        };
        // A stage may try again for as long as `errors.retry.timeout` says.
        self.consume.while_busy(prepared).await
    }

    async fn deliver(&mut self, mut batch: Batch, gone: Vec<TopicPartition>) -> Result<(), Error> {
        if !batch.is_empty() {
            let began = now();
            let outcome = self.put.put(&batch, &mut self.consume).await?;
            self.last_put = now();
            let (again, failed) = match outcome {
                Outcome::Done(failed) => (None, failed),
                Outcome::Again(pause, failed) => (Some(pause), failed),
            };
            let bad: HashSet<u32> = failed.iter().map(|failed| failed.origin).collect();
            self.reporter.settle(&mut batch, failed).await?;
            self.reporter.raise(&mut batch).await?;
            if let Some(pause) = again {
                self.task.metrics.retried();
                let origins: Vec<u32> = (0..batch.len()).map(|index| batch.origin(index)).collect();
                batch.retain(|index, _| origins.get(index).is_none_or(|origin| !bad.contains(origin)));
                self.redelivery = Some(Redelivery { batch, at: now() + pause, gone });
                self.hold()?;
                return self.heed();
            }
            self.task.metrics.sent(batch.len() as u64, batch.bytes().len() as u64, began.elapsed());
        }
        self.consume.advance(batch.input(), &gone);
        self.hold()?;
        self.heed()
    }

    fn heed(&mut self) -> Result<(), Error> {
        if self.put.heed(&mut self.consume).map_err(consumer_failed)? {
            self.schedule.hasten();
        }
        Ok(())
    }

    async fn idle(&mut self) -> Result<(), Error> {
        if let Some(redelivery) = self.redelivery.take_if(|redelivery| redelivery.at <= now()) {
            return self.deliver(redelivery.batch, redelivery.gone).await;
        }
        if self.redelivery.is_some() || self.last_put.elapsed() < IDLE_PUT {
            return Ok(());
        }
        self.last_put = now();
        self.consume.measure(&self.task.metrics);
        if !self.consume.is_assigned() {
            return Ok(());
        }
        // An empty batch: a sink that writes by the clock gets its chance.
        match self
            .put
            .put(&Batch::new(Vec::new(), Format::Raw, Format::Raw, Format::Raw), &mut self.consume)
            .await?
        {
            Outcome::Done(_) => {}
            Outcome::Again(..) => self.task.metrics.retried(),
        }
        self.hold()?;
        self.heed()
    }

    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        if let Err(error) = self.consume.assign(partitions).await {
            // The group has changed its mind meanwhile and says so next.
            tracing::warn!("partitions could not be taken: {}", chain(&error));
            return Ok(());
        }
        let all = self.consume.assignment();
        self.task.metrics.assigned(all.len());
        self.put.instance.set_assignment(all);
        if !partitions.is_empty() {
            tracing::info!(partitions = partitions.len(), "partitions were assigned");
            self.consume.while_busy(self.put.instance.open(partitions)).await.map_err(Error::Put)?;
        }
        self.heed()
    }

    /// Gives partitions back: what was put of them is committed first, unless they are lost already.
    async fn revoked(&mut self, partitions: &[TopicPartition], commit: bool) -> Result<(), Error> {
        tracing::info!(partitions = partitions.len(), lost = !commit, "partitions were revoked");
        if commit {
            self.commit(Some(partitions)).await?;
        }
        let closed = self.consume.while_busy(self.put.instance.close(partitions)).await.map_err(Error::Put);
        if let Err(error) = self.consume.unassign(partitions) {
            tracing::warn!("partitions could not be given up: {}", chain(&error));
        }
        let all = self.consume.assignment();
        self.task.metrics.assigned(all.len());
        self.put.instance.set_assignment(all);
        // What waits to be put again is read again by whoever has the partition next.
        if let Some(redelivery) = &mut self.redelivery {
            drop_partitions(&mut redelivery.batch, partitions);
            redelivery.gone.extend_from_slice(partitions);
            if redelivery.batch.is_empty() {
                self.redelivery = None;
            }
        }
        self.hold()?;
        closed
    }

    /// Commits what the sink calls safe. `closing` names the partitions that are being given up; else
    /// a sink that cannot say what is safe is given everything since the last commit again.
    async fn commit(&mut self, closing: Option<&[TopicPartition]>) -> Result<(), Error> {
        self.schedule.done();
        self.consume.measure(&self.task.metrics);
        let delivered = self.consume.delivered(closing);
        if delivered.is_empty() {
            return Ok(());
        }
        let began = now();
        self.task.metrics.commit_started();
        let timeout = self.task.settings.offset_flush_timeout;
        // A record that failed is only dealt with once the broker has its dead letter.
        if !self.reporter.settled(timeout).await? {
            self.task.metrics.commit_failed();
            tracing::warn!("offsets were not committed: the dead letter queue has not answered in time");
            return Ok(());
        }
        let safe = match self.consume.while_busy(self.put.instance.pre_commit(&delivered)).await {
            Ok(safe) => safe,
            Err(error) if error.poisons() => return Err(Error::Put(error)),
            Err(error) => {
                self.task.metrics.commit_failed();
                tracing::warn!("the sink failed before a commit: {error}");
                if closing.is_none() {
                    tracing::warn!("rewinding to the last committed offsets");
                    self.redelivery = None;
                    self.consume.rewind().map_err(consumer_failed)?;
                    self.hold()?;
                }
                return Ok(());
            }
        };
        self.heed()?;
        let offsets = self.consume.committable(safe);
        if offsets.is_empty() {
            return Ok(());
        }
        match tokio::time::timeout(timeout, self.consume.consumer.commit(&offsets)).await {
            Ok(Ok(())) => {
                self.consume.committed(&offsets);
                self.task.metrics.commit_succeeded(began.elapsed());
            }
            failure => {
                self.task.metrics.commit_failed();
                let reason = match failure {
                    Ok(Err(error)) => chain(&error),
                    _ => format!("no answer within {} ms (offset.flush.timeout.ms)", timeout.as_millis()),
                };
                tracing::warn!("offsets could not be committed and will be with the next commit: {reason}");
            }
        }
        Ok(())
    }

    /// The end, whatever its reason: commit what was put, let the guest go, leave the group.
    async fn finish(mut self: Box<Self>) {
        let timeout = self.task.settings.offset_flush_timeout;
        // Dead letters first: a record that ended the task is in the queue before the task is gone.
        if let Err(error) = self.reporter.settled(timeout).await {
            tracing::warn!("{}", chain(&error));
        }
        let all = self.consume.assignment();
        if self.put.instance.is_alive() {
            if let Err(error) = self.commit(Some(&all)).await {
                tracing::warn!("the last commit of the sink failed: {}", chain(&error));
            }
            for (call, result) in [
                ("close", if all.is_empty() { Ok(()) } else { self.put.instance.close(&all).await }),
                ("stop", self.put.instance.stop().await),
            ] {
                if let Err(error) = result {
                    tracing::warn!("the sink failed in {call}: {}", error.trace());
                }
            }
        }
        if let Err(error) = self.consume.consumer.close().await {
            tracing::warn!("the consumer could not leave its group: {}", chain(&error));
        }
    }
}

/// Leaves out the records that were read from `gone`.
fn drop_partitions(batch: &mut Batch, gone: &[TopicPartition]) {
    // Transforms change topics: where a record was read is in the input only.
    let keep: Vec<bool> = (0..batch.len())
        .map(|index| {
            let record = batch.input().get(batch.origin(index) as usize);
            record.is_some_and(|record| {
                !gone.iter().any(|gone| {
                    &*gone.topic == record.topic() && Some(gone.partition) == record.entry.partition
                })
            })
        })
        .collect();
    batch.retain(|index, _| keep.get(index).copied().unwrap_or(false));
}

fn consumer_failed(error: KafkaError) -> Error {
    Error::Kafka { doing: "the consumer of this task failed", error }
}
