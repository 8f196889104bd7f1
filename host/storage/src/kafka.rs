//! Stores in Kafka's internal topics.

mod topic;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_config::TopicSettings;
use cofferdam_kafka::{Admin, ClientConfig, LogRecord, LogSettings, TopicLog};
use cofferdam_stdx::Supervisor;

use crate::log::{KeyValue, Record, RecordLog};
use crate::{ConfigLogStore, Error, OffsetLogStore, StatusLogStore, config, offsets, status};
use topic::{Purpose, ensure};

/// Configurations in a topic with one partition.
pub type KafkaConfigStore = ConfigLogStore<KafkaLog>;
/// Offsets in a topic.
pub type KafkaOffsetStore = OffsetLogStore<KafkaLog>;
/// Statuses in a topic.
pub type KafkaStatusStore = StatusLogStore<KafkaLog>;

/// How long a new topic's partitions may take to become known, as in Kafka Connect.
const PARTITIONS_TIMEOUT: Duration = Duration::from_secs(30);

/// What every store in Kafka is made with.
#[derive(Clone, Copy)]
pub struct KafkaParts<'a> {
    /// Makes and checks the topic.
    pub admin: &'a Admin,
    /// Configuration of the log's clients, for [`cofferdam_kafka::Role::Log`].
    pub config: &'a ClientConfig,
    /// Runs what follows the topic.
    pub supervisor: &'a Supervisor,
    /// Source offsets are written in transactions. A worker that died may have left some open, which
    /// end when its tasks are started again: the start of the store does not wait for them.
    pub exactly_once: bool,
}

/// An internal topic.
pub struct KafkaLog {
    log: TopicLog,
    topic: String,
}

// === impl stores ===

impl ConfigLogStore<KafkaLog> {
    /// Makes the topic when there is none, and reads it to its end.
    ///
    /// # Errors
    /// When Kafka cannot be reached or the topic cannot be used as config topic.
    pub async fn start(parts: KafkaParts<'_>, topic: &TopicSettings) -> Result<Self, Error> {
        let shared = Arc::new(config::Shared::default());
        let reader = Arc::clone(&shared);
        let log = KafkaLog::start(parts, topic, Purpose::Configs, move |record| reader.read(record)).await?;
        shared.replayed();
        Ok(Self::over(shared, log))
    }

    /// Ends the clients.
    pub async fn close(self) {
        self.into_log().log.close().await;
    }
}

impl OffsetLogStore<KafkaLog> {
    /// Makes the topic when there is none, and reads it to its end.
    ///
    /// # Errors
    /// When Kafka cannot be reached or the topic is not compacted.
    pub async fn start(parts: KafkaParts<'_>, topic: &TopicSettings) -> Result<Self, Error> {
        let shared = Arc::new(offsets::Shared::default());
        let reader = Arc::clone(&shared);
        let log = KafkaLog::start(parts, topic, Purpose::Offsets, move |record| reader.read(record)).await?;
        Ok(Self::over(shared, log))
    }

    /// Ends the clients.
    pub async fn close(self) {
        self.into_log().log.close().await;
    }
}

impl StatusLogStore<KafkaLog> {
    /// Makes the topic when there is none, and reads it to its end.
    ///
    /// # Errors
    /// When Kafka cannot be reached or the topic is not compacted.
    pub async fn start(parts: KafkaParts<'_>, topic: &TopicSettings) -> Result<Self, Error> {
        let shared = Arc::new(status::Shared::default());
        let reader = Arc::clone(&shared);
        let log = KafkaLog::start(parts, topic, Purpose::Statuses, move |record| reader.read(record)).await?;
        Ok(Self::over(shared, log))
    }

    /// Ends the clients.
    pub async fn close(self) {
        self.into_log().log.close().await;
    }
}

// === impl KafkaLog ===

impl KafkaLog {
    async fn start(
        parts: KafkaParts<'_>,
        topic: &TopicSettings,
        purpose: Purpose,
        mut reader: impl FnMut(&Record<'_>) + Send + 'static,
    ) -> Result<Self, Error> {
        ensure(parts.admin, topic, purpose).await?;
        let settings = LogSettings {
            topic: topic.name.clone(),
            config: parts.config.clone(),
            start_timeout: PARTITIONS_TIMEOUT,
            read_at_start: !(parts.exactly_once && purpose == Purpose::Offsets),
        };
        // A record without key says nothing about anything.
        let handler = move |record: LogRecord<'_>| {
            let Some(key) = record.key else { return };
            reader(&Record { offset: record.offset, timestamp: record.timestamp, key, value: record.value });
        };
        let log = TopicLog::start(settings, parts.supervisor, handler).await;
        let log = log.map_err(|source| Error::Topic {
            what: "cannot read the topic",
            topic: topic.name.clone(),
            source,
        })?;
        Ok(Self { log, topic: topic.name.clone() })
    }

    fn failed(&self, what: &'static str, source: cofferdam_kafka::Error) -> Error {
        Error::Topic { what, topic: self.topic.clone(), source }
    }
}

#[async_trait]
impl RecordLog for KafkaLog {
    async fn send(&self, records: Vec<KeyValue>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        self.log.send(records).await.map_err(|source| self.failed("cannot write to the topic", source))
    }

    async fn send_and_read(&self, records: Vec<KeyValue>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let read = self.log.send_and_read(records).await;
        read.map_err(|source| self.failed("cannot write to the topic and read it back", source))
    }

    async fn read_to_end(&self) -> Result<(), Error> {
        let read = self.log.read_to_end().await;
        read.map_err(|source| self.failed("cannot read to the end of the topic", source))
    }

    fn topic(&self) -> Option<&str> {
        Some(&self.topic)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
