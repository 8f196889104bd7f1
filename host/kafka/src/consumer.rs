//! The consumer of a sink task: batches of records as frames, and the group's changes as events.
//!
//! It has no thread. librdkafka says when its queue is no longer empty; [`Consumer::next`] takes what
//! is there and copies each record once, into the frame. A change of assignment is only queued by
//! librdkafka's callback and becomes an [`Event`]; librdkafka waits, its fetching paused, until the
//! caller has finished with its partitions and says so by [`Consumer::assign`] or
//! [`Consumer::unassign`].
//!
//! The membership ends when nothing polls for `max.poll.interval.ms`. `next` polls often enough by
//! itself; while a guest is at work the caller calls [`Consumer::keep_alive`] every few seconds. That
//! needs no pause: nothing is taken, and what librdkafka fetches ahead is bounded.
//!
//! Invariant: a record is delivered only while its partition is assigned, not paused, and not about
//! to be moved by a seek; after a pause or a seek nothing is lost or repeated.

mod batch;
mod missing;
mod pattern;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{Class, TopicOffset, TopicPartition};
use cofferdam_stdx::time::{Instant, now};

use crate::error::{Cause, Error, Result};
use crate::native::{Client, Kind, Message, Queue, Rebalance};
use crate::{ClientConfig, OffsetSpec, Role, admin};
use missing::Missing;
use pattern::Pattern;

/// How often a seek is tried again that librdkafka cannot do yet.
const SEEK_RETRY: Duration = Duration::from_millis(20);
/// How often an unreachable cluster is asked for a sign of life.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How long one such question may take.
const PROBE_WAIT: Duration = Duration::from_secs(2);
/// Shares of `max.poll.interval.ms` after which an idle consumer polls.
const POLLS_PER_INTERVAL: u32 = 3;
/// Longest time between two signs of life while the caller is busy.
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(5);

/// What a consumer has to tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Records of assigned partitions as a frame: topic, partition, offset, timestamp, headers, key
    /// and value as they are in Kafka.
    Records(Vec<u8>),
    /// These partitions are to be taken: finish with [`Consumer::assign`].
    Assigned(Vec<TopicPartition>),
    /// These partitions are to be given up, offsets can still be committed: finish with
    /// [`Consumer::unassign`].
    Revoked(Vec<TopicPartition>),
    /// These partitions are someone else's already: finish with [`Consumer::unassign`].
    Lost(Vec<TopicPartition>),
    /// Nothing within the time given.
    Idle,
}

/// A consumer of a group. See the module's text for its rules.
pub struct Consumer {
    // Order of fields is order of their end: messages and queue before the client.
    /// Taken from librdkafka and not yet delivered.
    pending: VecDeque<Message>,
    assigned: HashMap<TopicPartition, Place>,
    /// What came instead of a record; told after the records before it.
    error: Option<Error>,
    /// The change that the caller is to answer.
    unanswered: Option<Rebalance>,
    pattern: Option<Pattern>,
    /// Of a subscription by name, until all of its topics were seen.
    missing: Option<Missing>,
    queue: Queue,
    client: Arc<Client>,
    reset: Option<OffsetSpec>,
    poll_every: Duration,
    call_timeout: Duration,
    /// Running mean of a record's size, to take about as many as are asked for.
    mean_bytes: usize,
    probe_at: Instant,
    closed: bool,
}

/// Where an assigned partition stands.
#[derive(Default)]
struct Place {
    /// Offset after the last delivered record, or where a seek went.
    position: Option<i64>,
    paused: bool,
    /// Taken before the pause; delivered after it.
    held: VecDeque<Message>,
    /// A seek that librdkafka could not do yet.
    seek: Option<i64>,
}

// === impl Consumer: reading ===

impl Consumer {
    /// Joins the group and subscribes to `topics`. Must be called within tokio; connects by itself.
    ///
    /// # Errors
    /// Settings that contradict each other, an empty or invalid list of topics.
    pub fn subscribe(config: &ClientConfig, topics: &[String]) -> Result<Self> {
        let mut consumer = Self::new(config)?;
        let failed = |cause| Error::Subscribe { topics: topics.join(", "), cause };
        consumer.client.subscribe(topics).map_err(failed)?;
        consumer.missing = Some(Missing::new(topics, consumer.call_timeout));
        Ok(consumer)
    }

    /// Joins the group and subscribes to every topic whose whole name matches the Java regular
    /// expression `pattern`, except Kafka's own. New topics are noticed within `metadata.max.age.ms`.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`], and a pattern that is none.
    pub async fn subscribe_regex(config: &ClientConfig, pattern: &str) -> Result<Self> {
        let mut consumer = Self::new(config)?;
        let age = config.number("topic.metadata.refresh.interval.ms").map(Duration::from_millis);
        let mut pattern = Pattern::new(pattern, age, consumer.call_timeout)?;
        // A cluster that is down now is asked again; it is no reason to fail.
        pattern.refresh(&consumer.client).await?;
        consumer.pattern = Some(pattern);
        Ok(consumer)
    }

    fn new(config: &ClientConfig) -> Result<Self> {
        debug_assert!(config.role() == Role::Consumer, "{:?}", config.role());
        let client = Client::new(Kind::Consumer, config)?;
        let failed = |cause| Error::Start { client: config.client_id().to_owned(), cause };
        let queue = client.consumer_queue().map_err(failed)?;
        let interval = Duration::from_millis(config.number("max.poll.interval.ms").unwrap_or(300_000));
        let reset = match config.get("auto.offset.reset") {
            Some("earliest") => Some(OffsetSpec::Earliest),
            Some("error") => None,
            _ => Some(OffsetSpec::Latest),
        };
        Ok(Self {
            pending: VecDeque::new(),
            assigned: HashMap::new(),
            error: None,
            unanswered: None,
            pattern: None,
            missing: None,
            queue,
            client,
            reset,
            poll_every: interval / POLLS_PER_INTERVAL,
            call_timeout: config.call_timeout,
            mean_bytes: 256,
            probe_at: now(),
            closed: false,
        })
    }

    /// The next event: a change of assignment before records, otherwise as soon as there are any.
    /// At most `max_records`, and about `max_bytes` of keys, values and headers, but always one.
    /// Waits for at most `wait`. Cancel-safe.
    ///
    /// # Errors
    /// What will not mend by itself: a topic or group that may not be read, a partition without an
    /// offset when `auto.offset.reset` is `none`, a client that cannot go on.
    pub async fn next(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Event> {
        let deadline = now() + wait;
        loop {
            if let Some(event) = self.rebalance()? {
                return Ok(event);
            }
            self.retry_seeks();
            if let Some(frame) = self.take(max_records, max_bytes) {
                return Ok(Event::Records(frame));
            }
            // Taking runs librdkafka's callbacks; what they left comes first.
            if self.client.shared.rebalance_waits() {
                continue;
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if let Some(cause) = self.client.fatal() {
                return Err(Error::Consume { from: "the group".into(), cause });
            }
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Ok(Event::Idle);
            }
            self.rest(left).await?;
        }
    }

    /// Keeps the membership while the caller is busy; takes no record and answers at once. To be called
    /// each [`Consumer::keep_alive_every`].
    pub fn keep_alive(&mut self) {
        self.queue.take(0, &mut self.pending);
    }

    /// How often a busy caller has to call [`Consumer::keep_alive`].
    #[must_use]
    pub fn keep_alive_every(&self) -> Duration {
        self.poll_every.min(KEEP_ALIVE_MAX)
    }

    /// Waits until something may have happened, at most `left`.
    async fn rest(&mut self, left: Duration) -> Result<()> {
        let mut nap = left.min(self.poll_every);
        if self.assigned.values().any(|place| place.seek.is_some()) {
            nap = nap.min(SEEK_RETRY);
        }
        if self.client.shared.is_down() {
            nap = nap.min(PROBE_EVERY);
            if self.probe_at <= now() {
                self.probe_at = now() + PROBE_EVERY;
                // An answer is noted by the client; no answer leaves things as they are.
                tokio::select! {
                    () = self.queue.woken() => {}
                    _ = self.client.cluster_id(PROBE_WAIT.min(left)) => {}
                }
                return Ok(());
            }
        }
        let pattern = async {
            match &mut self.pattern {
                Some(pattern) => pattern.refresh_when_due(&self.client).await,
                None => std::future::pending().await,
            }
        };
        let missing = async {
            match &mut self.missing {
                Some(missing) => missing.look_when_due(&self.client).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.queue.woken() => Ok(()),
            () = tokio::time::sleep(nap) => Ok(()),
            refreshed = pattern => refreshed,
            all_there = missing => {
                if all_there {
                    self.missing = None;
                }
                Ok(())
            }
        }
    }
}

// === impl Consumer: the group ===

impl Consumer {
    /// The next change for the caller. Changes without partitions are answered here.
    fn rebalance(&mut self) -> Result<Option<Event>> {
        while let Some(rebalance) = self.client.shared.next_rebalance() {
            let (Rebalance::Assign(partitions) | Rebalance::Revoke(partitions) | Rebalance::Lose(partitions)) =
                &rebalance;
            let partitions = partitions.clone();
            let assign = matches!(rebalance, Rebalance::Assign(_));
            if partitions.is_empty() {
                let wrap = if assign { Error::Assign } else { Error::Unassign };
                self.client.answer(&rebalance).map_err(wrap)?;
                continue;
            }
            let event = match &rebalance {
                Rebalance::Assign(_) => Event::Assigned(partitions),
                Rebalance::Revoke(_) => Event::Revoked(partitions),
                Rebalance::Lose(_) => Event::Lost(partitions),
            };
            self.unanswered = Some(rebalance);
            return Ok(Some(event));
        }
        Ok(None)
    }

    /// Finishes [`Event::Assigned`]: reading starts at the committed offsets.
    ///
    /// # Errors
    /// When the group has changed its mind; another event follows.
    pub fn assign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.unanswered = None;
        self.client.answer(&Rebalance::Assign(partitions.to_vec())).map_err(Error::Assign)?;
        for partition in partitions {
            self.assigned.insert(partition.clone(), Place::default());
        }
        Ok(())
    }

    /// Finishes [`Event::Revoked`] and [`Event::Lost`]: none of their records is delivered any more.
    ///
    /// # Errors
    /// When the group has changed its mind; another event follows.
    pub fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.unanswered = None;
        self.pending.retain(|message| !is_of(message, partitions));
        for partition in partitions {
            self.assigned.remove(partition);
        }
        self.client.answer(&Rebalance::Revoke(partitions.to_vec())).map_err(Error::Unassign)
    }

    /// The assigned partitions, in order.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        let mut partitions: Vec<_> = self.assigned.keys().cloned().collect();
        partitions.sort_unstable();
        partitions
    }

    /// Leaves the group, so that others take over at once, and ends the client. What was not
    /// committed is read again by whoever comes next. An unfinished change is finished.
    ///
    /// # Errors
    /// What the coordinator said; the client is ended all the same.
    pub async fn close(mut self) -> Result<()> {
        self.closed = true;
        let (client, unanswered) = (Arc::clone(&self.client), self.unanswered.take());
        self.pending.clear();
        self.assigned.clear();
        let closed = tokio::task::spawn_blocking(move || client.close_consumer(unanswered.as_ref())).await;
        closed.unwrap_or_else(|_| Err(Cause::bug("the worker is shutting down"))).map_err(Error::Close)
    }

    /// What is wrong with the connection, for status pages.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.client.shared.trouble()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        // Leaving the group answers rebalances and may wait for brokers: not on this thread.
        let (client, unanswered) = (Arc::clone(&self.client), self.unanswered.take());
        crate::native::aside(move || _ = client.close_consumer(unanswered.as_ref()));
    }
}

// === impl Consumer: offsets ===

impl Consumer {
    /// Delivers no records of these partitions until they are resumed.
    ///
    /// # Errors
    /// For partitions that are not assigned.
    pub fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.client.pause(partitions, true).map_err(Error::Pause)?;
        for partition in partitions {
            let Some(place) = self.assigned.get_mut(partition) else { continue };
            place.paused = true;
            // librdkafka goes on behind what was taken, so that is kept until it is resumed.
            let one = std::slice::from_ref(partition);
            let (held, pending) =
                std::mem::take(&mut self.pending).into_iter().partition(|message| is_of(message, one));
            self.pending = pending;
            let held: VecDeque<Message> = held;
            place.held.extend(held);
        }
        Ok(())
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// For partitions that are not assigned.
    pub fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for partition in partitions {
            let Some(place) = self.assigned.get_mut(partition) else { continue };
            place.paused = false;
            for message in std::mem::take(&mut place.held).into_iter().rev() {
                self.pending.push_front(message);
            }
        }
        self.client.pause(partitions, false).map_err(Error::Pause)
    }

    /// The next record of each partition will be the one at its offset, or the first after it.
    ///
    /// # Errors
    /// For partitions that are not assigned.
    pub fn seek(&mut self, offsets: &[TopicOffset]) -> Result<()> {
        for to in offsets {
            let failed = |cause| Error::Seek { partition: to.partition.to_string(), cause };
            let Some(place) = self.assigned.get_mut(&to.partition) else {
                return Err(failed(Cause::bug("the partition is not assigned")));
            };
            place.held.clear();
            place.position = Some(to.offset);
            place.seek = Some(to.offset);
            self.pending.retain(|message| !is_of(message, std::slice::from_ref(&to.partition)));
        }
        self.retry_seeks();
        Ok(())
    }

    /// Tries the seeks that are still to be done. librdkafka refuses them while it asks for the
    /// committed offset of a partition that was assigned just now.
    fn retry_seeks(&mut self) {
        for (partition, place) in &mut self.assigned {
            let Some(offset) = place.seek else { continue };
            match self.client.seek(&TopicOffset { partition: partition.clone(), offset }) {
                Ok(()) => place.seek = None,
                Err(cause) => tracing::debug!(%partition, offset, %cause, "the seek has to wait"),
            }
        }
    }

    /// Committed offsets in the order asked; none = never committed.
    ///
    /// # Errors
    /// When the coordinator does not answer or refuses.
    pub async fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let timeout_ms = i32::try_from(self.call_timeout.as_millis()).unwrap_or(i32::MAX);
        let (client, partitions) = (Arc::clone(&self.client), partitions.to_vec());
        let asked = tokio::task::spawn_blocking(move || client.committed(&partitions, timeout_ms)).await;
        let asked = asked.unwrap_or_else(|_| Err(Cause::bug("the worker is shutting down")));
        asked.map_err(|cause| Error::Committed(self.client.explain(cause)))
    }

    /// Offset of the next record of each partition, in the order asked: after what was delivered,
    /// else what is committed, else where `auto.offset.reset` leads.
    ///
    /// # Errors
    /// When no broker answers, or there is no offset and `auto.offset.reset` is `none`.
    pub async fn position(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>> {
        let place = |partition| self.assigned.get(partition).and_then(|place: &Place| place.position);
        let mut positions: Vec<_> = partitions.iter().map(place).collect();
        let missing = self.fill(&mut positions, partitions, |unknown| self.committed_of(unknown)).await?;
        if let (false, Some(reset)) = (missing.is_empty(), self.reset) {
            let offsets = admin::list_offsets(&self.client, &missing, reset, self.call_timeout).await?;
            let mut offsets = offsets.into_iter();
            for position in positions.iter_mut().filter(|position| position.is_none()) {
                *position = offsets.next();
            }
        }
        let none = Cause::of(rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET);
        let result: Option<Vec<_>> = positions.into_iter().collect();
        result.ok_or(Error::Consume { from: "a partition without an offset".into(), cause: none })
    }

    async fn committed_of(&self, partitions: Vec<TopicPartition>) -> Result<Vec<Option<i64>>> {
        self.committed(&partitions).await
    }

    /// Fills the gaps of `positions` from `ask`; returns the partitions of those that remain.
    async fn fill<F: Future<Output = Result<Vec<Option<i64>>>>>(
        &self,
        positions: &mut [Option<i64>],
        partitions: &[TopicPartition],
        ask: impl FnOnce(Vec<TopicPartition>) -> F,
    ) -> Result<Vec<TopicPartition>> {
        let unknown = |positions: &[Option<i64>]| -> Vec<TopicPartition> {
            let pairs = positions.iter().zip(partitions);
            pairs.filter(|(position, _)| position.is_none()).map(|(_, partition)| partition.clone()).collect()
        };
        let mut answers = ask(unknown(positions)).await?.into_iter();
        for position in positions.iter_mut().filter(|position| position.is_none()) {
            *position = answers.next().flatten();
        }
        Ok(unknown(positions))
    }

    /// Commits offsets of the next records; returns when the coordinator has acknowledged.
    ///
    /// # Errors
    /// Class Rebalancing when the partitions may be someone else's by now.
    pub async fn commit(&self, offsets: &[TopicOffset]) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let answer = async {
            let queue = Queue::new(&self.client)?;
            self.client.commit(offsets, &queue)?;
            self.client.answered(&queue, self.call_timeout).await?.committed()
        };
        answer.await.map_err(Error::Commit)
    }

    /// Records between the position and the end as last fetched; none when not known yet.
    #[must_use]
    pub fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        let position = self.assigned.get(partition)?.position?;
        Some((self.client.end_offset(partition)? - position).max(0))
    }

    /// Keeps an error for when the records before it are delivered, unless it mends by itself.
    fn note(&mut self, from: String, cause: Cause) {
        match cause.class {
            Class::Retriable | Class::Rebalancing => {
                tracing::debug!(from, %cause, "reading will be tried again")
            }
            // The topic may be made later, as with the Java client.
            Class::NotFound => tracing::warn!(from, %cause, "a subscribed topic cannot be read"),
            _ => _ = self.error.get_or_insert(Error::Consume { from, cause }),
        }
    }
}

/// Whether a message is of one of these partitions.
fn is_of(message: &Message, partitions: &[TopicPartition]) -> bool {
    let (topic, number) = (message.topic(), message.partition());
    partitions.iter().any(|partition| partition.partition == number && *partition.topic == *topic)
}
