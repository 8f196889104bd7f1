//! Making a source's topics as its `topic.creation.*` keys say (KIP-158).

use std::collections::HashSet;
use std::time::Duration;

use cofferdam_api::{Class, Classified as _};
use cofferdam_config::connector::TopicGroup;
use cofferdam_kafka::{Admin, Created, NewTopic};

use crate::Error;
use crate::batch::Batch;
use crate::control::Control;

/// Pause before a topic that cannot be made for the moment is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Makes topics before their first record is sent.
pub(crate) struct TopicCreation {
    admin: Admin,
    /// In the order in which they are tried; the last takes every topic.
    groups: Vec<TopicGroup>,
    /// Topics that are there.
    known: HashSet<String>,
}

impl TopicCreation {
    /// Makes topics through `admin` as `groups` say.
    pub(crate) fn new(admin: Admin, groups: Vec<TopicGroup>) -> Self {
        Self { admin, groups, known: HashSet::new() }
    }

    /// Makes the topics of `batch` that are not there. Tried again for as long as the task is not to
    /// stop and Kafka only cannot answer.
    ///
    /// # Errors
    /// When Kafka refuses.
    pub(crate) async fn ensure(&mut self, batch: &Batch, control: &mut Control) -> Result<(), Error> {
        let frame = batch.frame();
        for topic in (0..frame.n_topics()).filter_map(|index| frame.topic(u16::try_from(index).ok()?)) {
            if self.known.contains(topic) {
                continue;
            }
            while let Err(error) = self.create(topic).await {
                if error.class() != Class::Retriable {
                    return Err(Error::CreateTopic { topic: topic.to_owned(), error });
                }
                tracing::warn!(
                    "the topic {topic} cannot be made for the moment: {}",
                    cofferdam_api::chain(&error)
                );
                if !control.sleep(RETRY_DELAY).await {
                    return Err(Error::Stopping);
                }
            }
            self.known.insert(topic.to_owned());
        }
        Ok(())
    }

    async fn create(&self, topic: &str) -> Result<(), cofferdam_kafka::Error> {
        if self.admin.partition_count(topic).await?.is_some() {
            return Ok(());
        }
        let Some(group) = self.groups.iter().find(|group| group.matches(topic)) else { return Ok(()) };
        let new = NewTopic {
            name: topic.to_owned(),
            partitions: group.partitions,
            replication: group.replication_factor,
            configs: group.configs.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        };
        match self.admin.create_topic(&new).await? {
            Created::Created => tracing::info!(
                "created the topic {topic} as the group {} of topic.creation says",
                group.alias
            ),
            // Another task was faster.
            Created::Exists => {}
        }
        Ok(())
    }
}
