//! Making internal topics, and refusing ones that would lose what is kept in them.

use std::time::Duration;

use cofferdam_api::{Class, Classified as _};
use cofferdam_config::TopicSettings;
use cofferdam_kafka::{Admin, Created, NewTopic};
use cofferdam_stdx::Backoff;

use crate::Error;

const POLICY: &str = "cleanup.policy";
const COMPACT: &str = "compact";

/// How long Kafka may take to make a topic: brokers may be starting beside us.
const CREATE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a topic keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Configs,
    Offsets,
    Statuses,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Configs => "connector configurations",
            Self::Offsets => "source connector offsets",
            Self::Statuses => "connector and task statuses",
        }
    }
}

/// Makes the topic when there is none; checks the one there is.
pub(super) async fn ensure(admin: &Admin, topic: &TopicSettings, purpose: Purpose) -> Result<(), Error> {
    if create(admin, topic).await? == Created::Created {
        tracing::info!(
            topic = topic.name,
            partitions = topic.partitions,
            "created a topic for {}",
            purpose.as_str()
        );
    } else {
        match admin.topic_config(&topic.name).await {
            Ok(config) => check_policy(topic, purpose, config.get(POLICY).map(String::as_str))?,
            // As Kafka Connect: not being allowed to look is no reason not to start.
            Err(error) => {
                let error = cofferdam_api::chain(&error);
                tracing::warn!(topic = topic.name, error, "cannot tell whether the topic is compacted");
            }
        }
    }
    if purpose == Purpose::Configs {
        let count = admin.partition_count(&topic.name).await;
        let count = count.map_err(|source| failed("cannot find the topic", topic, source))?;
        check_partitions(topic, count)?;
    }
    Ok(())
}

async fn create(admin: &Admin, topic: &TopicSettings) -> Result<Created, Error> {
    let mut configs: std::collections::BTreeMap<_, _> =
        topic.configs.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    configs.insert(POLICY.to_owned(), COMPACT.to_owned());
    let new = NewTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication: topic.replication_factor,
        configs,
    };
    let deadline = cofferdam_stdx::time::now() + CREATE_TIMEOUT;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    loop {
        let error = match admin.create_topic(&new).await {
            Ok(created) => return Ok(created),
            Err(error) => error,
        };
        if error.class() != Class::Retriable || cofferdam_stdx::time::now() >= deadline {
            return Err(failed("cannot create the topic", topic, error));
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

fn failed(what: &'static str, topic: &TopicSettings, source: cofferdam_kafka::Error) -> Error {
    Error::Topic { what, topic: topic.name.clone(), source }
}

fn check_policy(topic: &TopicSettings, purpose: Purpose, policy: Option<&str>) -> Result<(), Error> {
    let Some(policy) = policy.filter(|policy| *policy != COMPACT) else { return Ok(()) };
    let (name, key, purpose) = (&topic.name, &topic.key, purpose.as_str());
    Err(Error::UnfitTopic(format!(
        "Topic '{name}' supplied via the '{key}' property is required to have '{POLICY}={COMPACT}' to guarantee consistency \
         and durability of {purpose}, but found the topic currently has '{POLICY}={policy}'. Continuing would likely result in \
         eventually losing {purpose} and problems restarting this Connect cluster in the future. Change the '{key}' property \
         in the Connect worker configurations to use a topic with '{POLICY}={COMPACT}'."
    )))
}

fn check_partitions(topic: &TopicSettings, count: Option<i32>) -> Result<(), Error> {
    let Some(count) = count.filter(|count| *count > 1) else { return Ok(()) };
    Err(Error::UnfitTopic(format!(
        "Topic '{}' supplied via the '{}' property is required to have a single partition in order to guarantee consistency \
         of connector configurations, but found {count} partitions.",
        topic.name, topic.key
    )))
}
