//! Keys and values of the status topic, as Kafka Connect writes them.

use cofferdam_api::{ConnectorName, Status, TaskId};
use serde::{Deserialize, Serialize};

/// What a key says about its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Connector(&'a str),
    Task(&'a str, u32),
    Topic { connector: &'a str, topic: &'a str },
}

impl<'a> Key<'a> {
    pub(super) fn parse(key: &'a str) -> Option<Self> {
        let key = key.strip_prefix("status-")?;
        if let Some(name) = key.strip_prefix("connector-") {
            return Some(Self::Connector(name));
        }
        if let Some(rest) = key.strip_prefix("task-") {
            let (name, task) = rest.rsplit_once('-')?;
            return Some(Self::Task(name, task.parse().ok()?));
        }
        // A topic's name has no colon, a connector's may have one.
        let (topic, connector) = key.strip_prefix("topic-")?.split_once(":connector-")?;
        Some(Self::Topic { connector, topic })
    }
}

pub(super) fn connector_key(name: &ConnectorName) -> Vec<u8> {
    format!("status-connector-{name}").into_bytes()
}

pub(super) fn task_key(id: &TaskId) -> Vec<u8> {
    format!("status-task-{}-{}", id.connector, id.task).into_bytes()
}

pub(super) fn topic_key(name: &ConnectorName, topic: &str) -> Vec<u8> {
    format!("status-topic-{topic}:connector-{name}").into_bytes()
}

#[derive(Deserialize, Serialize)]
struct StatusDto {
    state: String,
    #[serde(default)]
    trace: Option<String>,
    worker_id: String,
    generation: i64,
    /// Since Kafka Connect 4.1.
    #[serde(default)]
    version: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct TopicDto {
    topic: TopicBody,
}

#[derive(Deserialize, Serialize)]
struct TopicBody {
    name: String,
    connector: String,
    task: u32,
    #[serde(rename = "discoverTimestamp")]
    discover_timestamp: i64,
}

pub(super) fn status(status: &Status) -> Vec<u8> {
    json(&StatusDto {
        state: status.state.as_str().to_owned(),
        trace: status.trace.clone(),
        worker_id: status.worker_id.clone(),
        generation: status.generation,
        version: status.version.clone(),
    })
}

pub(super) fn read_status(value: &[u8]) -> Result<Status, String> {
    let dto: StatusDto = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    Ok(Status {
        state: dto.state.parse().map_err(|error: cofferdam_api::UnknownState| error.to_string())?,
        trace: dto.trace,
        worker_id: dto.worker_id,
        generation: dto.generation,
        version: dto.version,
    })
}

pub(super) fn topic(topic: &str, id: &TaskId, discover_timestamp: i64) -> Vec<u8> {
    let connector = id.connector.to_string();
    json(&TopicDto {
        topic: TopicBody { name: topic.to_owned(), connector, task: id.task, discover_timestamp },
    })
}

/// Only whether the value has the right shape: the key says all that is used.
pub(super) fn read_topic(value: &[u8]) -> Result<(), String> {
    serde_json::from_slice::<TopicDto>(value).map(|_| ()).map_err(|error| error.to_string())
}

/// Strings and numbers always have a JSON form.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
