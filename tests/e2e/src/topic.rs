//! Topics as an ordinary Kafka client sees them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::{WAIT, eventually};

/// One record as it lies in a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Partition it was read from.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
    /// Key, if any.
    pub key: Option<Vec<u8>>,
    /// Value, if any.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Timestamp in ms.
    pub timestamp: Option<i64>,
}

impl Message {
    /// The value as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    /// The last header called `name`, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.iter().rev().find(|(key, _)| key == name)?.1.as_ref()?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// A client of one broker.
#[derive(Debug)]
pub struct Topics {
    bootstrap: String,
}

impl Topics {
    /// A client of the broker at `bootstrap`.
    #[must_use]
    pub fn new(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned() }
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn create(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        self.create_with(topic, partitions, 1, &[])
    }

    /// Creates a topic with so many copies, and settings.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn create_with(
        &self,
        topic: &str,
        partitions: i32,
        copies: i32,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
        let admin: AdminClient<_> = self.config().create()?;
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(copies));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        let created = block_on(admin.create_topics([&new], &AdminOptions::new()))?;
        for result in created {
            result.map_err(|(topic, code)| anyhow::anyhow!("create {topic}: {code}"))?;
        }
        Ok(())
    }

    /// Number of partitions of a topic, and one of its settings.
    ///
    /// # Errors
    /// When it is not there.
    pub fn describe(&self, topic: &str, setting: &str) -> anyhow::Result<(usize, Option<String>)> {
        use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
        let admin: AdminClient<_> = self.config().create()?;
        let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(10))?;
        let row = metadata.topics().iter().find(|row| row.name() == topic);
        let partitions = row.with_context(|| format!("topic {topic} does not exist"))?.partitions().len();
        let asked = [ResourceSpecifier::Topic(topic)];
        let configs = block_on(admin.describe_configs(&asked, &AdminOptions::new()))?;
        let entries =
            configs.into_iter().next().context("no answer")?.map_err(|code| anyhow::anyhow!("{code}"))?;
        Ok((partitions, entries.get(setting).and_then(|entry| entry.value.clone())))
    }

    /// Sends values without keys, and waits until all are acknowledged.
    ///
    /// # Errors
    /// When one is not.
    pub fn send(
        &self,
        topic: &str,
        values: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> anyhow::Result<()> {
        let messages = values.into_iter().map(|value| Message {
            value: Some(value.as_ref().to_vec()),
            partition: -1,
            ..Message::default()
        });
        self.send_messages(topic, messages)
    }

    /// Sends records with keys, headers and partition (negative = by key).
    ///
    /// # Errors
    /// When one is not acknowledged.
    pub fn send_messages(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> anyhow::Result<()> {
        let producer: BaseProducer = self.config().set("acks", "all").create()?;
        for message in messages {
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
            if let Some(key) = &message.key {
                record = record.key(key);
            }
            if let Some(value) = &message.value {
                record = record.payload(value);
            }
            if let Some(timestamp) = message.timestamp {
                record = record.timestamp(timestamp);
            }
            if message.partition >= 0 {
                record = record.partition(message.partition);
            }
            if !message.headers.is_empty() {
                let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header { key, value: value.as_ref() })
                });
                record = record.headers(headers);
            }
            let mut left = record;
            while let Err((error, back)) = producer.send(left) {
                ensure!(
                    error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull),
                    "send to {topic}: {error}"
                );
                left = back;
                producer.poll(Duration::from_millis(10));
            }
        }
        producer.flush(WAIT).with_context(|| format!("send to {topic}"))
    }

    /// Follows a topic from its beginning, as a consumer that sees what is committed.
    ///
    /// # Errors
    /// When it does not exist in time.
    #[allow(clippy::disallowed_methods, reason = "polls another process; there is nothing to be notified by")]
    pub fn tail(&self, topic: &str) -> anyhow::Result<Tail> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "e2e-reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.queue.backoff.ms", "5")
            .create()?;
        let deadline = Instant::now() + WAIT;
        let partitions = loop {
            let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(5))?;
            let found = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
            if found > 0 {
                break found;
            }
            ensure!(Instant::now() < deadline, "topic {topic} does not exist");
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, i32::try_from(partition)?, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        Ok(Tail { consumer })
    }

    /// Reads a topic from its beginning until `n` records came; more than `n` are read too when they
    /// are there at once.
    ///
    /// # Errors
    /// When fewer came in time.
    #[allow(clippy::disallowed_methods, reason = "polls another process; there is nothing to be notified by")]
    pub fn read(&self, topic: &str, n: usize) -> anyhow::Result<Vec<Message>> {
        let Tail { consumer } = self.tail(topic)?;
        let deadline = Instant::now() + WAIT;
        let mut messages = Vec::with_capacity(n);
        loop {
            // Once all expected came, a short look whether there is more than expected.
            let enough = messages.len() >= n;
            match consumer.poll(Duration::from_millis(if enough { 500 } else { 1000 })) {
                Some(message) => messages.push(owned(&message.with_context(|| format!("read {topic}"))?)),
                None if enough => return Ok(messages),
                None => ensure!(Instant::now() < deadline, "{topic} has {} of {n} records", messages.len()),
            }
        }
    }

    /// Committed offsets of a group for the partitions `0..n` of a topic; none where there is none.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn committed(&self, group: &str, topic: &str, n: i32) -> anyhow::Result<Vec<Option<i64>>> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create()?;
        let mut asked = TopicPartitionList::new();
        for partition in 0..n {
            asked.add_partition(topic, partition);
        }
        let offsets = consumer.committed_offsets(asked, Duration::from_secs(10))?;
        let offset =
            |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
        Ok(offsets.elements().iter().map(offset).collect())
    }

    /// Changes a setting of a topic and waits until the broker, too, has heard of it: the controller answers first.
    ///
    /// # Errors
    /// When it is refused, or does not reach the broker.
    pub fn set(&self, topic: &str, setting: &str, value: &str) -> anyhow::Result<()> {
        use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
        let admin: AdminClient<_> = self.config().create()?;
        let resource = ResourceSpecifier::Topic(topic);
        let change = AlterConfig::new(resource).set(setting, value);
        for result in block_on(admin.alter_configs([&change], &AdminOptions::new()))? {
            result.map_err(|(_, code)| anyhow::anyhow!("set {setting} of {topic}: {code}"))?;
        }
        eventually(&format!("{setting} of {topic} is {value}"), || {
            let asked = block_on(admin.describe_configs([&resource], &AdminOptions::new()));
            let told = asked.map_err(|error| error.to_string())?.into_iter().next();
            let told = told.ok_or("no answer")?.map_err(|code| code.to_string())?;
            let now = told.get(setting).and_then(|entry| entry.value.clone());
            if now.as_deref() == Some(value) { Ok(()) } else { Err(format!("{now:?}")) }
        })
    }

    /// The settings of a client of this broker, for what is not offered here.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        // The embedded broker's fetch answers are not bounded.
        config.set("receive.message.max.bytes", "1000000000").set("log_level", "2");
        config
    }
}

/// Follows a topic from its beginning.
pub struct Tail {
    consumer: BaseConsumer,
}

impl Tail {
    /// Hands every record that came since the last time to `take`; ends when none came for `quiet`.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub fn read(
        &self,
        quiet: Duration,
        mut take: impl FnMut(&rdkafka::message::BorrowedMessage<'_>),
    ) -> anyhow::Result<()> {
        while let Some(message) = self.consumer.poll(quiet) {
            match message {
                Ok(message) => take(&message),
                // The broker is away, or a partition has no leader: the client goes on by itself.
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn owned(message: &rdkafka::message::BorrowedMessage<'_>) -> Message {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Message {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
        timestamp: message.timestamp().to_millis(),
    }
}

fn is_passing(error: &rdkafka::error::KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    let passing = [
        Code::AllBrokersDown,
        Code::BrokerTransportFailure,
        Code::OperationTimedOut,
        Code::Resolve,
        Code::NotLeaderForPartition,
        Code::LeaderNotAvailable,
        Code::UnknownTopicOrPartition,
        Code::UnknownPartition,
    ];
    error.rdkafka_error_code().is_some_and(|code| passing.contains(&code))
}

/// Drives a future of the admin client, which is woken by the client's own thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park();
    }
}
