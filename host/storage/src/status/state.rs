//! What the records of the status topic mean, one after the other. Pure.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_api::{ConnectorName, State as Running, Status};

use super::dto::{self, Key};
use crate::log::Record;

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) connectors: BTreeMap<ConnectorName, Entry>,
}

/// What is known of one connector.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) status: Option<Status>,
    pub(super) tasks: BTreeMap<u32, Status>,
    pub(super) topics: BTreeSet<String>,
}

impl State {
    /// Takes the next record.
    pub(super) fn apply(&mut self, record: &Record<'_>) {
        let key = std::str::from_utf8(record.key).unwrap_or_default();
        let Some(parsed) = Key::parse(key) else {
            tracing::warn!(offset = record.offset, key, "a key of the status topic is unknown; skipped");
            return;
        };
        if let Err(error) = self.read(&parsed, record.value) {
            tracing::warn!(
                offset = record.offset,
                key,
                error,
                "a value of the status topic is malformed; skipped"
            );
        }
    }

    fn read(&mut self, key: &Key<'_>, value: Option<&[u8]>) -> Result<(), String> {
        let (Key::Connector(name) | Key::Task(name, _) | Key::Topic { connector: name, .. }) = *key;
        let entry = self.connectors.entry(ConnectorName::from(name)).or_default();
        match (key, value) {
            (Key::Connector(_), value) => entry.status = value.map(dto::read_status).transpose()?,
            (Key::Task(_, task), None) => _ = entry.tasks.remove(task),
            (Key::Task(_, task), Some(value)) => {
                let status = dto::read_status(value)?;
                if !entry.tasks.get(task).is_some_and(|known| is_late(known, &status)) {
                    entry.tasks.insert(*task, status);
                }
            }
            (Key::Topic { topic, .. }, None) => _ = entry.topics.remove(*topic),
            (Key::Topic { topic, .. }, Some(value)) => {
                dto::read_topic(value)?;
                entry.topics.insert((*topic).to_owned());
            }
        }
        if entry.status.is_none() && entry.tasks.is_empty() && entry.topics.is_empty() {
            self.connectors.remove(name);
        }
        Ok(())
    }
}

/// UNASSIGNED of a task's former owner may come after RUNNING of its new one.
fn is_late(known: &Status, status: &Status) -> bool {
    status.state == Running::Unassigned
        && known.state == Running::Running
        && known.generation >= status.generation
        && known.worker_id != status.worker_id
}
