//! Questions to the cluster, and topics. Every call ends within `default.api.timeout.ms`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::TopicPartition;
use cofferdam_stdx::Backoff;
use cofferdam_stdx::time::now;
use rdkafka::types::RDKafkaRespErr as Code;

use crate::error::{Cause, Error, Result};
use crate::native::{Client, Kind, Topic};
use crate::{ClientConfig, events};

/// How long a topic that was created may take to become known; Kafka Connect waits as long.
const KNOWN_WAIT: Duration = Duration::from_secs(30);

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Partitions; −1 = the broker's default.
    pub partitions: i32,
    /// Replicas; −1 = the broker's default.
    pub replication: i16,
    /// Topic configuration.
    pub configs: BTreeMap<String, String>,
}

/// What became of a request to create a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    Created,
    /// It was there before.
    Exists,
}

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first there is.
    Earliest,
    /// The one after the last, open transactions included.
    Latest,
}

/// An admin client; clones share one client.
#[derive(Clone)]
pub struct Admin {
    client: Arc<Client>,
    timeout: Duration,
}

impl Admin {
    /// Starts an admin client. Must be called within tokio.
    ///
    /// # Errors
    /// Settings that contradict each other, or files they name that cannot be read.
    pub fn new(config: &ClientConfig) -> Result<Self> {
        // The cluster can be asked by either kind of client; a producer does not want a group.
        let client = Client::new(Kind::Producer, config)?;
        events::serve(&client);
        Ok(Self { client, timeout: config.call_timeout })
    }

    /// Creates topics and waits until a broker knows them; an answer each, in order.
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Vec<Result<Created>> {
        if topics.is_empty() {
            return Vec::new();
        }
        let answers = self.client.create_topics(topics, self.timeout).await;
        let answer = |topic: &NewTopic, answer| match answer {
            Ok(()) => Ok(Created::Created),
            Err(Cause { code: Code::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, .. }) => Ok(Created::Exists),
            Err(cause) => Err(Error::CreateTopic { topic: topic.name.clone(), cause }),
        };
        match answers {
            Ok(answers) => {
                let made = topics.iter().zip(&answers).filter(|(_, result)| result.is_ok());
                self.until_known(made.map(|(topic, _)| topic.name.as_str()).collect()).await;
                topics.iter().zip(answers).map(|(topic, result)| answer(topic, result)).collect()
            }
            Err(cause) => topics.iter().map(|topic| answer(topic, Err(cause.clone()))).collect(),
        }
    }

    /// Creates one topic; that it exists is no error.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<Created> {
        let missing =
            || Err(Error::CreateTopic { topic: topic.name.clone(), cause: Cause::bug("no answer") });
        self.create_topics(std::slice::from_ref(topic)).await.pop().unwrap_or_else(missing)
    }

    /// Names of all topics, internal ones included, sorted.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn topics(&self) -> Result<Vec<String>> {
        let mut names: Vec<_> =
            metadata(&self.client, None, self.timeout).await?.into_iter().map(|topic| topic.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Number of partitions of a topic; none = the cluster does not have it. Asking does not create it.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn partition_count(&self, topic: &str) -> Result<Option<i32>> {
        // Named in the question, a topic would be created where brokers do that on demand.
        let topics = metadata(&self.client, None, self.timeout).await?;
        Ok(topics.into_iter().find(|row| row.name == topic).map(|row| row.partitions))
    }

    /// The configuration in force for a topic.
    ///
    /// # Errors
    /// When the topic does not exist or may not be described.
    pub async fn topic_config(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let failed = |cause| Error::TopicConfig { topic: topic.to_owned(), cause };
        self.client.topic_config(topic, self.timeout).await.map_err(failed)
    }

    /// The cluster's id.
    ///
    /// # Errors
    /// When no broker answers; the text is Kafka Connect's.
    pub async fn cluster_id(&self) -> Result<String> {
        self.client.cluster_id(self.timeout).await.map_err(Error::ClusterId)
    }

    /// First or last offsets, in the order asked.
    ///
    /// # Errors
    /// When a partition does not exist or no broker answers.
    pub async fn list_offsets(&self, partitions: &[TopicPartition], spec: OffsetSpec) -> Result<Vec<i64>> {
        list_offsets(&self.client, partitions, spec, self.timeout).await
    }

    /// Waits until a broker knows topics that were created: the controller answers before the
    /// brokers have heard of them. Gives up silently, as whoever uses a topic tries again anyway.
    async fn until_known(&self, mut topics: Vec<&str>) {
        let deadline = now() + KNOWN_WAIT.min(self.timeout);
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        while !topics.is_empty() && now() < deadline {
            let known = metadata(&self.client, None, self.timeout).await.unwrap_or_default();
            topics.retain(|name| !known.iter().any(|topic| topic.name == *name && topic.partitions > 0));
            if !topics.is_empty() {
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }

    /// What is wrong with the connection, for status pages.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.client.shared.trouble()
    }
}

/// All topics of the cluster, or one.
pub(crate) async fn metadata(
    client: &Arc<Client>,
    topic: Option<&str>,
    timeout: Duration,
) -> Result<Vec<Topic>> {
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let (aside, topic) = (Arc::clone(client), topic.map(str::to_owned));
    let asked = tokio::task::spawn_blocking(move || aside.metadata(topic.as_deref(), timeout_ms)).await;
    let asked = asked.unwrap_or_else(|_| Err(Cause::bug("the worker is shutting down")));
    asked.map_err(|cause| Error::Topics(client.explain(cause)))
}

/// First or last offsets, in the order asked.
pub(crate) async fn list_offsets(
    client: &Arc<Client>,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
    timeout: Duration,
) -> Result<Vec<i64>> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |cause| {
        let mut topics: Vec<_> = partitions.iter().map(|partition| &*partition.topic).collect();
        topics.dedup();
        Error::ListOffsets { topics: topics.join(", "), cause }
    };
    client.list_offsets(partitions, spec, timeout).await.map_err(failed)
}
