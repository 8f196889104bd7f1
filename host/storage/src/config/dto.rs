//! Keys and values of the config topic, as Kafka Connect writes them.

use cofferdam_api::{ConfigMap, ConnectorName, TargetState};
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};

/// What a key says about its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Target(&'a str),
    Connector(&'a str),
    Task(&'a str, u32),
    Commit(&'a str),
    Restart(&'a str),
    Fencing(&'a str),
    /// Kafka Connect's own that mean nothing here (yet): session key, cluster loggers.
    Other,
    /// Nobody's.
    Unknown,
}

impl<'a> Key<'a> {
    /// No prefix is the beginning of another one, so their order does not matter.
    pub(super) fn parse(key: &'a str) -> Self {
        let task = |rest: &'a str| {
            let (name, number) = rest.rsplit_once('-')?;
            Some(Self::Task(name, number.parse().ok()?))
        };
        if let Some(name) = key.strip_prefix("target-state-") {
            Self::Target(name)
        } else if let Some(name) = key.strip_prefix("connector-") {
            Self::Connector(name)
        } else if let Some(rest) = key.strip_prefix("task-") {
            task(rest).unwrap_or(Self::Unknown)
        } else if let Some(name) = key.strip_prefix("commit-") {
            Self::Commit(name)
        } else if let Some(name) = key.strip_prefix("restart-connector-") {
            Self::Restart(name)
        } else if let Some(name) = key.strip_prefix("tasks-fencing-") {
            Self::Fencing(name)
        } else if key == "session-key" || key.starts_with("logger-cluster-") {
            Self::Other
        } else {
            Self::Unknown
        }
    }
}

pub(super) fn target_key(name: &ConnectorName) -> Vec<u8> {
    format!("target-state-{name}").into_bytes()
}

pub(super) fn connector_key(name: &ConnectorName) -> Vec<u8> {
    format!("connector-{name}").into_bytes()
}

pub(super) fn task_key(name: &ConnectorName, task: u32) -> Vec<u8> {
    format!("task-{name}-{task}").into_bytes()
}

pub(super) fn commit_key(name: &ConnectorName) -> Vec<u8> {
    format!("commit-{name}").into_bytes()
}

pub(super) fn restart_key(name: &ConnectorName) -> Vec<u8> {
    format!("restart-connector-{name}").into_bytes()
}

pub(super) fn fencing_key(name: &ConnectorName) -> Vec<u8> {
    format!("tasks-fencing-{name}").into_bytes()
}

#[derive(Serialize)]
struct PropertiesOut<'a> {
    properties: &'a ConfigMap,
}

#[derive(Deserialize)]
struct PropertiesIn {
    #[serde(deserialize_with = "strings")]
    properties: ConfigMap,
}

/// Values may be null in Kafka Connect's maps, which means the same as no key.
fn strings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ConfigMap, D::Error> {
    let map = indexmap::IndexMap::<String, Option<String>>::deserialize(deserializer)?;
    Ok(map.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

#[derive(Deserialize, Serialize)]
struct Commit {
    tasks: u32,
}

#[derive(Deserialize, Serialize)]
struct TaskCount {
    #[serde(rename = "task-count")]
    n_tasks: u32,
}

#[derive(Deserialize, Serialize)]
struct Target<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(rename = "state.v2", skip_serializing_if = "Option::is_none")]
    state_v2: Option<&'a str>,
}

#[derive(Serialize)]
struct RestartOut {
    #[serde(rename = "include-tasks")]
    include_tasks: bool,
    #[serde(rename = "only-failed")]
    only_failed: bool,
}

/// Flags that are missing or no booleans count as false.
#[derive(Deserialize)]
struct RestartIn {
    #[serde(rename = "include-tasks", default)]
    include_tasks: Flag,
    #[serde(rename = "only-failed", default)]
    only_failed: Flag,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Other(IgnoredAny),
}

impl Default for Flag {
    fn default() -> Self {
        Self::Bool(false)
    }
}

impl Flag {
    const fn is_set(&self) -> bool {
        matches!(self, Self::Bool(true))
    }
}

pub(super) fn properties(config: &ConfigMap) -> Vec<u8> {
    json(&PropertiesOut { properties: config })
}

pub(super) fn read_properties(value: &[u8]) -> Result<ConfigMap, serde_json::Error> {
    serde_json::from_slice::<PropertiesIn>(value).map(|value| value.properties)
}

pub(super) fn commit(tasks: usize) -> Vec<u8> {
    json(&Commit { tasks: u32::try_from(tasks).unwrap_or(u32::MAX) })
}

pub(super) fn read_commit(value: &[u8]) -> Result<u32, serde_json::Error> {
    serde_json::from_slice::<Commit>(value).map(|value| value.tasks)
}

pub(super) fn task_count(n_tasks: u32) -> Vec<u8> {
    json(&TaskCount { n_tasks })
}

pub(super) fn read_task_count(value: &[u8]) -> Result<u32, serde_json::Error> {
    serde_json::from_slice::<TaskCount>(value).map(|value| value.n_tasks)
}

/// Workers before Kafka Connect 3.5 know no STOPPED: for them it reads as PAUSED.
pub(super) fn target(target: TargetState) -> Vec<u8> {
    let (state, state_v2) = match target {
        TargetState::Started => ("STARTED", "STARTED"),
        TargetState::Paused => ("PAUSED", "PAUSED"),
        TargetState::Stopped => ("PAUSED", "STOPPED"),
    };
    json(&Target { state: Some(state), state_v2: Some(state_v2) })
}

/// None when it is a state that nobody knows.
pub(super) fn read_target(value: &[u8]) -> Result<Option<TargetState>, serde_json::Error> {
    let value: Target<'_> = serde_json::from_slice(value)?;
    Ok(match value.state_v2.or(value.state) {
        Some("STARTED") => Some(TargetState::Started),
        Some("PAUSED") => Some(TargetState::Paused),
        Some("STOPPED") => Some(TargetState::Stopped),
        _ => None,
    })
}

pub(super) fn restart(include_tasks: bool, only_failed: bool) -> Vec<u8> {
    json(&RestartOut { include_tasks, only_failed })
}

pub(super) fn read_restart(value: &[u8]) -> Result<(bool, bool), serde_json::Error> {
    let value: RestartIn = serde_json::from_slice(value)?;
    Ok((value.include_tasks.is_set(), value.only_failed.is_set()))
}

/// Strings, numbers and string maps always have a JSON form.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
