//! An internal, compacted topic as a log: read from its beginning, followed, written to.
//!
//! What `KafkaBasedLog` is to Kafka Connect. Reading needs no group: librdkafka reads all partitions
//! into one queue, and says itself when it has reached an end, so neither transaction markers nor
//! gaps left by compaction keep [`TopicLog::read_to_end`] waiting. With `isolation.level`
//! `read_committed` that waits for open transactions to end.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{Class, Classified as _, TopicPartition, chain};
use cofferdam_frame::{Builder, Entry, Frame};
use cofferdam_stdx::{Backoff, Supervisor, TaskKind, time::now};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{Cause, Error, Result};
use crate::native::{Client, Kind, Message, Queue, Timestamp};
use crate::{ClientConfig, Delivery, OffsetSpec, Producer, Role, admin};

/// First pause before a question is asked again; doubled each time, up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// A position that nobody could tell.
const UNKNOWN: i64 = -1;
/// Messages taken at once.
const CHUNK: usize = 500;
/// How often an unreachable cluster is asked for a sign of life.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How long one such question may take.
const PROBE_WAIT: Duration = Duration::from_secs(2);

/// One record of an internal topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// Partition it lies in.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp in milliseconds; −1 = none.
    pub timestamp: i64,
    /// Its key; none = null.
    pub key: Option<&'a [u8]>,
    /// Its value; none = a tombstone.
    pub value: Option<&'a [u8]>,
}

/// How to open a log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The topic; it must exist.
    pub topic: String,
    /// Configuration of both clients, translated for [`crate::Role::Log`].
    pub config: ClientConfig,
    /// How long the topic's partitions may take to become known.
    pub start_timeout: Duration,
    /// Whether the start waits for the log's end. With `read_committed` that is to wait for
    /// transactions that a worker left open; whoever goes on to fence them must not wait first.
    pub read_at_start: bool,
}

/// Reads a compacted topic from its beginning and follows it; writes to it.
pub struct TopicLog {
    topic: Arc<str>,
    partitions: i32,
    client: Arc<Client>,
    producer: Producer,
    progress: watch::Receiver<Progress>,
    timeout: Duration,
    /// Records of one call lie together, and those of a key in the order of the calls: librdkafka keeps it, with one
    /// request at a time. Not held while they are acknowledged, so calls of the meantime share the next request.
    handing_over: tokio::sync::Mutex<()>,
    /// Ends the reader with this.
    _stop: DropGuard,
}

/// How far the reader is.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Next offset of each partition.
    positions: Vec<i64>,
    /// Why it does not get on.
    error: Option<Error>,
}

impl TopicLog {
    /// Opens the log and reads it to its end. `handler` sees every record, those of one partition in
    /// order; it runs in the reader's task and must not block.
    ///
    /// # Errors
    /// When the topic does not exist, or no broker answers in time.
    pub async fn start(
        settings: LogSettings,
        supervisor: &Supervisor,
        handler: impl FnMut(LogRecord<'_>) + Send + 'static,
    ) -> Result<Self> {
        debug_assert!(settings.config.role() == Role::Log, "{:?}", settings.config.role());
        let topic: Arc<str> = settings.topic.into();
        let producer = Producer::new(&settings.config)?;
        let client = Client::new(Kind::Consumer, &settings.config)?;
        let partitions = partitions(&client, &topic, settings.start_timeout).await?;
        let failed = |cause| Error::Consume { from: topic.to_string(), cause };
        let queue = Queue::new(&client).map_err(failed)?;
        // Asked here and not left to librdkafka: it would ask again only after half a second where a partition was made
        // just now and its leader has not heard of it, and an empty partition would be known to be at its end only
        // after the broker has waited for records in vain.
        let timeout = settings.config.call_timeout;
        let every = all(&topic, partitions);
        let asked = || admin::list_offsets(&client, &every, OffsetSpec::Earliest, timeout);
        let positions = retrying(&topic, timeout, asked).await.unwrap_or_else(|_| vec![UNKNOWN; every.len()]);
        client.read_from(&topic, &positions, &queue).map_err(failed)?;

        let stop = CancellationToken::new();
        let (progress, watched) = watch::channel(Progress { positions, error: None });
        let reader = Reader {
            topic: Arc::clone(&topic),
            partitions,
            queue,
            client: Arc::clone(&client),
            progress,
            handler,
        };
        drop(supervisor.spawn(TaskKind::TopicLog, &topic, reader.run(stop.clone())));

        let log = Self {
            topic,
            partitions,
            client,
            producer,
            progress: watched,
            timeout,
            handing_over: tokio::sync::Mutex::default(),
            _stop: stop.drop_guard(),
        };
        if settings.read_at_start {
            log.read_to_end().await?;
        }
        Ok(log)
    }

    /// Returns when the handler has seen everything that was in the topic when this was called.
    ///
    /// The producer asks for the ends: on the reader's connection the question would wait behind the fetch that is
    /// under way there, for up to `fetch.max.wait.ms`. Kafka Connect asks through an admin client for this reason.
    /// Waits for as long as that takes once the ends are known: bound it by a timeout. Cancel-safe.
    ///
    /// # Errors
    /// When no broker says where the ends are, or the topic cannot be read any more.
    pub async fn read_to_end(&self) -> Result<()> {
        let all = all(&self.topic, self.partitions);
        let asked = || admin::list_offsets(self.producer.client(), &all, OffsetSpec::Latest, self.timeout);
        let ends = retrying(&self.topic, self.timeout, asked).await?;
        self.read_up_to((0..).zip(ends)).await
    }

    /// Writes records in order and waits until all are acknowledged. Not cancel-safe: records that
    /// were handed over are written all the same.
    ///
    /// # Errors
    /// The first record that was refused; others may have been written.
    pub async fn send(&self, records: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<()> {
        self.write(records, Delivery::new(Arc::default())).await
    }

    /// As [`TopicLog::send`], and returns when the handler has seen these records. They say themselves where they
    /// lie, so nobody is asked for the topic's ends.
    ///
    /// # Errors
    /// As [`TopicLog::send`], and when the topic cannot be read any more.
    pub async fn send_and_read(&self, records: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<()> {
        let delivery = Delivery::with_ends();
        self.write(records, Arc::clone(&delivery)).await?;
        self.read_up_to(delivery.ends()).await
    }

    async fn write(&self, records: Vec<(Vec<u8>, Option<Vec<u8>>)>, delivery: Arc<Delivery>) -> Result<()> {
        let failed = |cause| Error::Produce { topic: self.topic.to_string(), cause };
        let mut frame = Builder::with_capacity(records.len(), 0);
        let topic = frame.topic(&self.topic).map_err(|error| failed(Cause::bug(error.to_string())))?;
        for (key, value) in &records {
            let mut entry = Entry::new(topic);
            entry.key = frame.put(key);
            entry.value = frame.put_option(value.as_deref());
            frame.push(&entry);
        }
        let bytes = frame.finish();
        let frame = Frame::trust(&bytes).map_err(|error| failed(Cause::bug(error.to_string())))?;

        let counts = vec![0; records.len()];
        let handed_over = {
            let _in_order = self.handing_over.lock().await;
            self.producer.send(&frame, &[Arc::clone(&delivery)], &counts).await
        };
        handed_over.map_err(|refused| refused.error)?;
        delivery.settled().await;
        match delivery.first_cause() {
            Some(cause) => Err(failed(cause)),
            None => Ok(()),
        }
    }

    /// Waits until the reader is at or behind these offsets.
    async fn read_up_to(&self, ends: impl IntoIterator<Item = (i32, i64)>) -> Result<()> {
        let ends: Vec<_> = ends.into_iter().collect();
        let is_behind = |progress: &Progress, (partition, end): &(i32, i64)| {
            let position = usize::try_from(*partition).ok().and_then(|index| progress.positions.get(index));
            position.is_some_and(|position| position >= end)
        };
        let reached =
            |progress: &Progress| progress.error.is_some() || ends.iter().all(|end| is_behind(progress, end));
        let mut progress = self.progress.clone();
        match progress.wait_for(reached).await {
            Ok(progress) => progress.error.clone().map_or(Ok(()), Err),
            Err(_) => Err(Error::LogEnded { topic: self.topic.to_string() }),
        }
    }

    /// Number of partitions.
    #[must_use]
    pub const fn partitions(&self) -> i32 {
        self.partitions
    }

    /// What is wrong with the connection, for status pages.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.client.shared.trouble().or_else(|| self.producer.trouble())
    }

    /// Waits for what is being written, then ends reader and clients.
    pub async fn close(self) {
        _ = self.producer.flush(self.timeout).await;
    }
}

/// Asks again while brokers fail to answer, or have not heard yet of a topic that was made just now, within the
/// time one call may take.
async fn retrying<T, F: Future<Output = Result<T>>>(
    topic: &str,
    timeout: Duration,
    ask: impl Fn() -> F,
) -> Result<T> {
    let deadline = now() + timeout;
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    loop {
        match ask().await {
            Err(error) if matches!(error.class(), Class::Retriable | Class::NotFound) && now() < deadline => {
                tracing::debug!(topic, error = chain(&error), "asking again for offsets");
                tokio::time::sleep(backoff.next_delay()).await;
            }
            result => return result,
        }
    }
}

fn all(topic: &Arc<str>, partitions: i32) -> Vec<TopicPartition> {
    (0..partitions).map(|number| TopicPartition::new(Arc::clone(topic), number)).collect()
}

/// Number of partitions of a topic that may have been created just now.
async fn partitions(client: &Arc<Client>, topic: &str, timeout: Duration) -> Result<i32> {
    let deadline = now() + timeout;
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    loop {
        let left = deadline.saturating_duration_since(now()).max(Duration::from_millis(1));
        let result = match admin::metadata(client, Some(topic), left).await {
            Ok(topics) => match topics.iter().find(|row| row.name == topic && row.partitions > 0) {
                Some(row) => return Ok(row.partitions),
                None => Err(Error::NoTopic { topic: topic.to_owned() }),
            },
            Err(error) => Err(error),
        };
        if now() >= deadline {
            return result;
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// The task that reads.
struct Reader<H> {
    topic: Arc<str>,
    partitions: i32,
    // Before the client: order of fields is order of their end.
    queue: Queue,
    client: Arc<Client>,
    progress: watch::Sender<Progress>,
    handler: H,
}

impl<H: FnMut(LogRecord<'_>) + Send> Reader<H> {
    async fn run(mut self, stop: CancellationToken) {
        let mut messages = std::collections::VecDeque::with_capacity(CHUNK);
        let mut progress = self.progress.borrow().clone();
        while !stop.is_cancelled() {
            if self.queue.take(CHUNK, &mut messages) > 0 {
                for message in messages.drain(..) {
                    self.message(&message, &mut progress);
                }
                self.client.shared.alive();
                // Only now: whoever waits for a position relies on the handler having seen it.
                self.progress.send_replace(progress.clone());
                tokio::task::consume_budget().await;
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.queue.woken() => {}
                () = probe(&self.client), if self.client.shared.is_down() => {}
            }
        }
        let (client, topic, partitions) = (self.client, self.topic, self.partitions);
        // Stopping waits for librdkafka's thread.
        _ = tokio::task::spawn_blocking(move || client.stop_reading(&topic, partitions)).await;
        drop(self.queue);
    }

    fn message(&mut self, message: &Message, progress: &mut Progress) {
        let partition = message.partition();
        let slot = usize::try_from(partition).ok().and_then(|index| progress.positions.get_mut(index));
        if message.is_end() {
            if let Some(position) = slot {
                *position = message.offset().max(*position);
            }
            return;
        }
        if let Some(cause) = message.error() {
            // What mends by itself is librdkafka's business; so is a topic that was made just now and of which not
            // every broker has heard.
            if !matches!(cause.class, Class::Retriable | Class::Rebalancing | Class::NotFound) {
                let from = self.topic.to_string();
                tracing::warn!(topic = from, partition, %cause, "an internal topic cannot be read");
                progress.error = Some(Error::Consume { from, cause });
            }
            return;
        }
        progress.error = None;
        let timestamp = match message.timestamp() {
            Timestamp::Create(at) | Timestamp::Append(at) => at,
            Timestamp::None => -1,
        };
        let offset = message.offset();
        (self.handler)(LogRecord {
            partition,
            offset,
            timestamp,
            key: message.key(),
            value: message.value(),
        });
        if let Some(position) = slot {
            *position = offset + 1;
        }
    }
}

/// Asks an unreachable cluster for a sign of life, after a while.
async fn probe(client: &Arc<Client>) {
    tokio::time::sleep(PROBE_EVERY).await;
    // An answer is noted by the client; no answer leaves things as they are.
    _ = client.cluster_id(PROBE_WAIT).await;
}
