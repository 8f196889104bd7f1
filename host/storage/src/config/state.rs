//! What the records of the config topic mean, one after the other.
//!
//! Pure: the same records give the same state. Compaction may have removed any record that a later
//! one with its key replaced, so every order of what is left must end in a usable state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cofferdam_api::{ConfigMap, ConnectorName, TargetState};

use super::dto::{self, Key};
use crate::log::Record;
use crate::{ConfigEvent, ConnectorEntry, Fencing, Snapshot};

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Whether the log has been read to its end once. Events begin then.
    live: bool,
    connectors: BTreeMap<ConnectorName, Entry>,
    /// What of this is shown. Changed in place, an entry a record, unless somebody still looks at it.
    shown: Arc<Snapshot>,
}

/// What is known of a name; a connector only when it has a configuration.
#[derive(Debug, Default)]
struct Entry {
    config: Option<ConfigMap>,
    target: Option<TargetState>,
    /// The set that is in force.
    tasks: Tasks,
    /// Task configurations whose commit has not been read.
    staged: BTreeMap<u32, ConfigMap>,
    /// The configuration that was in force at the last commit.
    applied: Option<ConfigMap>,
    /// A set that was committed while no configuration was known, during the replay.
    early: Option<Tasks>,
    /// Task records in the log.
    written: BTreeSet<u32>,
    /// Whether there is a commit record in the log.
    committed: bool,
    /// Outlives the connector: its producers may.
    fencing: Fencing,
}

#[derive(Debug, Default)]
enum Tasks {
    /// None was committed.
    #[default]
    None,
    /// What was committed is not all there.
    Inconsistent,
    /// A whole set.
    Set(Vec<ConfigMap>),
}

// === impl State ===

impl State {
    /// Takes the next record; answers what changed, nothing during the replay.
    pub(super) fn apply(&mut self, record: &Record<'_>) -> Vec<ConfigEvent> {
        Arc::make_mut(&mut self.shown).offset = record.offset + 1;
        let Ok(key) = std::str::from_utf8(record.key) else {
            tracing::error!(offset = record.offset, "a key of the config topic is no text; skipped");
            return Vec::new();
        };
        match self.read(key, record.value) {
            Ok(event) => event.filter(|_| self.live).into_iter().collect(),
            Err(error) => {
                tracing::error!(offset = record.offset, key, %error, "a value of the config topic is malformed; skipped");
                Vec::new()
            }
        }
    }

    /// The log was read to its end for the first time.
    ///
    /// A connector's configuration that was changed without a commit after it lies behind its commit
    /// once the log is compacted. The set is used then, but it may be of an older configuration:
    /// without `applied` its owner makes it again.
    pub(super) fn finish_replay(&mut self) {
        self.live = true;
        let early = |(name, entry): (&ConnectorName, &Entry)| entry.early.is_some().then(|| name.clone());
        for name in self.connectors.iter().filter_map(early).collect::<Vec<_>>() {
            self.connectors.entry(name.clone()).and_modify(|entry| {
                if let Some(tasks) = entry.early.take().filter(|_| entry.config.is_some()) {
                    entry.tasks = tasks;
                    entry.applied = None;
                }
            });
            self.show(&name);
        }
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shown)
    }

    /// Shows what is known of `name` by now, and forgets it when that is nothing.
    fn show(&mut self, name: &ConnectorName) {
        let shown = Arc::make_mut(&mut self.shown);
        match self.connectors.get(name).and_then(Entry::shown) {
            Some(entry) => _ = shown.connectors.insert(name.clone(), Arc::new(entry)),
            None => _ = shown.connectors.remove(name),
        }
        if self.connectors.get(name).is_some_and(Entry::is_empty) {
            self.connectors.remove(name);
        }
    }

    /// Task records of `name` in the log, and whether there is a commit.
    pub(super) fn leftovers(&self, name: &ConnectorName) -> (BTreeSet<u32>, bool) {
        self.connectors.get(name).map(|entry| (entry.written.clone(), entry.committed)).unwrap_or_default()
    }

    fn read(&mut self, key: &str, value: Option<&[u8]>) -> Result<Option<ConfigEvent>, serde_json::Error> {
        let (name, event) = match Key::parse(key) {
            Key::Connector(name) => (name, self.connector(name, value)?),
            Key::Target(name) => (name, self.target(name, value)?),
            Key::Task(name, task) => {
                self.task(name, task, value)?;
                (name, None)
            }
            Key::Commit(name) => (name, self.commit(name, value)?),
            Key::Restart(name) => (name, restart(name, value)?),
            Key::Fencing(name) => {
                self.fencing(name, value)?;
                (name, None)
            }
            Key::Other => return Ok(None),
            Key::Unknown => {
                tracing::error!(key, "a key of the config topic is unknown; skipped");
                return Ok(None);
            }
        };
        self.show(&ConnectorName::from(name));
        Ok(event)
    }

    fn connector(
        &mut self,
        name: &str,
        value: Option<&[u8]>,
    ) -> Result<Option<ConfigEvent>, serde_json::Error> {
        let config = value.map(dto::read_properties).transpose()?;
        let id = ConnectorName::from(name);
        let entry = self.connectors.entry(id.clone()).or_default();
        let Some(config) = config else {
            // The target state has a tombstone of its own.
            let existed = entry.config.take().is_some();
            entry.forget_tasks();
            return Ok(existed.then_some(ConfigEvent::Removed(id)));
        };
        entry.config = Some(config);
        entry.target.get_or_insert_default();
        Ok(Some(ConfigEvent::Connector(id)))
    }

    fn target(&mut self, name: &str, value: Option<&[u8]>) -> Result<Option<ConfigEvent>, serde_json::Error> {
        let target = value.map(dto::read_target).transpose()?;
        let id = ConnectorName::from(name);
        let entry = self.connectors.entry(id.clone()).or_default();
        let before = entry.target;
        match target {
            Some(Some(target)) => entry.target = Some(target),
            Some(None) => {
                tracing::error!(connector = name, "an unknown target state was written; skipped");
                return Ok(None);
            }
            None => {
                entry.target = entry.config.is_some().then_some(TargetState::Started);
                return Ok(None);
            }
        }
        // Before the configuration there is no connector that could be told.
        let changed = before != entry.target && entry.config.is_some();
        Ok(changed.then_some(ConfigEvent::Target(id)))
    }

    fn task(&mut self, name: &str, task: u32, value: Option<&[u8]>) -> Result<(), serde_json::Error> {
        let config = value.map(dto::read_properties).transpose()?;
        let entry = self.connectors.entry(ConnectorName::from(name)).or_default();
        match config {
            Some(config) => {
                entry.staged.insert(task, config);
                entry.written.insert(task);
            }
            None => {
                entry.staged.remove(&task);
                entry.written.remove(&task);
            }
        }
        Ok(())
    }

    fn commit(&mut self, name: &str, value: Option<&[u8]>) -> Result<Option<ConfigEvent>, serde_json::Error> {
        let count = value.map(dto::read_commit).transpose()?;
        let id = ConnectorName::from(name);
        let live = self.live;
        let entry = self.connectors.entry(id.clone()).or_default();
        entry.committed = count.is_some();
        let Some(count) = count else {
            entry.forget_tasks();
            return Ok(None);
        };
        entry.fencing.is_due = true;
        let mut staged = std::mem::take(&mut entry.staged);
        // More than the commit counts are leftovers of a larger set.
        let set: Option<Vec<_>> = (0..count).map(|task| staged.remove(&task)).collect();
        let tasks = set.map_or(Tasks::Inconsistent, Tasks::Set);
        if entry.config.is_none() {
            // Of a connector that was deleted, unless its configuration is still to come.
            entry.early = (!live).then_some(tasks);
            return Ok(None);
        }
        if matches!(tasks, Tasks::Inconsistent) {
            tracing::warn!(
                connector = name,
                count,
                "task configurations are not all there; they have to be made again"
            );
        } else {
            entry.applied.clone_from(&entry.config);
        }
        entry.early = None;
        entry.tasks = tasks;
        Ok(Some(ConfigEvent::Tasks(id)))
    }

    fn fencing(&mut self, name: &str, value: Option<&[u8]>) -> Result<(), serde_json::Error> {
        let n_tasks = value.map(dto::read_task_count).transpose()?;
        let entry = self.connectors.entry(ConnectorName::from(name)).or_default();
        entry.fencing = Fencing { n_tasks, is_due: n_tasks.is_none() && entry.fencing.is_due };
        Ok(())
    }
}

fn restart(name: &str, value: Option<&[u8]>) -> Result<Option<ConfigEvent>, serde_json::Error> {
    let Some(value) = value else { return Ok(None) };
    let (include_tasks, only_failed) = dto::read_restart(value)?;
    Ok(Some(ConfigEvent::Restart { name: ConnectorName::from(name), include_tasks, only_failed }))
}

// === impl Entry ===

impl Entry {
    /// What others see of it; nothing when it is no connector.
    fn shown(&self) -> Option<ConnectorEntry> {
        let tasks = match &self.tasks {
            Tasks::Set(tasks) => Some(tasks.clone()),
            Tasks::None | Tasks::Inconsistent => None,
        };
        Some(ConnectorEntry {
            config: self.config.clone()?,
            target: self.target.unwrap_or_default(),
            tasks,
            applied_config: self.applied.clone(),
            fencing: self.fencing,
        })
    }

    /// What a deleted connector leaves in memory; what it leaves in the log stays on record.
    fn forget_tasks(&mut self) {
        self.tasks = Tasks::None;
        self.staged.clear();
        self.applied = None;
        self.early = None;
    }

    /// Whether nothing of it is known or in the log.
    fn is_empty(&self) -> bool {
        self.config.is_none()
            && self.target.is_none()
            && self.written.is_empty()
            && !self.committed
            && self.fencing.n_tasks.is_none()
    }
}
