//! What to do so that what runs becomes what is wanted. Pure: it looks at a snapshot of the config
//! store and at what the control task has applied so far, and names the next steps.
//!
//! The control task applies the steps and asks again until there are none. Whatever the outcome of a
//! step, applying it changes [`Running`] so that the same step is not asked for twice.

use std::collections::BTreeMap;

use cofferdam_api::{ConfigMap, TargetState};
use cofferdam_storage::ConnectorEntry;

/// What the control task has applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Running {
    /// The connector's own instance, started or failed to start.
    pub(crate) connector: Option<RunningConnector>,
    /// Tasks that were started.
    pub(crate) tasks: BTreeMap<u32, RunningTask>,
    /// The connector has to be asked for task configurations.
    pub(crate) task_configs_due: bool,
    /// How many tasks may have a status; statuses of others were removed.
    pub(crate) statuses_kept: Option<u32>,
}

/// The connector's own instance as it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunningConnector {
    pub(crate) config: ConfigMap,
    pub(crate) target: TargetState,
    /// Why it does not run. Only a restart, a new configuration or a stop changes that.
    pub(crate) failure: Option<String>,
}

/// A task as it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunningTask {
    pub(crate) connector_config: ConfigMap,
    pub(crate) config: ConfigMap,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Stop these tasks.
    StopTasks(Vec<u32>),
    /// End the connector's own instance.
    StopConnector,
    /// Start the connector's own instance, replacing the present one.
    StartConnector(TargetState),
    /// Pause or resume the connector and its tasks.
    SetTarget(TargetState),
    /// Ask the connector for task configurations and publish them when they changed.
    MakeTaskConfigs,
    /// Publish that there are no tasks.
    PublishNoTasks,
    /// Remove statuses of tasks from this number on.
    KeepStatuses(u32),
    /// Start these tasks.
    StartTasks(Vec<u32>),
    /// Remove every trace of a deleted connector.
    Forget,
}

/// The next steps; none when what runs is what is wanted.
pub(crate) fn plan(wanted: Option<&ConnectorEntry>, running: &Running) -> Vec<Action> {
    match wanted {
        None => removed(running),
        Some(wanted) if wanted.target == TargetState::Stopped => stopped(wanted, running),
        Some(wanted) => {
            let steps = connector(wanted, running);
            // Tasks follow once it is known whether the connector started and what tasks it wants.
            if steps.is_empty() { tasks(wanted, running) } else { steps }
        }
    }
}

/// Whether freshly made task configurations have to be published: Kafka Connect's rule. A changed
/// connector configuration counts, for it changes converters and transforms of unchanged tasks.
pub(crate) fn must_publish(entry: &ConnectorEntry, made_for: &ConfigMap, made: &[ConfigMap]) -> bool {
    entry.tasks.as_deref() != Some(made) || entry.applied_config.as_ref() != Some(made_for)
}

fn removed(running: &Running) -> Vec<Action> {
    if *running == Running::default() {
        return Vec::new();
    }
    let mut steps = stop_tasks(running);
    steps.extend(running.connector.as_ref().map(|_| Action::StopConnector));
    steps.push(Action::Forget);
    steps
}

/// A stopped connector keeps no resources: no tasks, and an instance that only says STOPPED.
fn stopped(wanted: &ConnectorEntry, running: &Running) -> Vec<Action> {
    let mut steps = stop_tasks(running);
    let at_rest = running.connector.as_ref().is_some_and(|connector| {
        connector.target == TargetState::Stopped && connector.config == wanted.config
    });
    if !at_rest {
        steps.push(Action::StartConnector(TargetState::Stopped));
    }
    if running.statuses_kept != Some(0) {
        steps.push(Action::KeepStatuses(0));
    }
    if wanted.tasks.as_ref().is_some_and(|tasks| !tasks.is_empty()) {
        steps.push(Action::PublishNoTasks);
    }
    steps
}

fn connector(wanted: &ConnectorEntry, running: &Running) -> Vec<Action> {
    match &running.connector {
        Some(connector) if connector.config == wanted.config && connector.target != TargetState::Stopped => {
            if connector.target != wanted.target {
                vec![Action::SetTarget(wanted.target)]
            } else if running.task_configs_due
                && connector.failure.is_none()
                && wanted.target == TargetState::Started
            {
                vec![Action::MakeTaskConfigs]
            } else {
                Vec::new()
            }
        }
        _ => vec![Action::StartConnector(wanted.target)],
    }
}

/// Tasks are restarted one by one: only those whose configuration changed, or all when that of the
/// connector did.
fn tasks(wanted: &ConnectorEntry, running: &Running) -> Vec<Action> {
    // Nothing published, or only in part: what runs goes on until that is settled.
    let Some(tasks) = &wanted.tasks else { return Vec::new() };
    let connector_config = task_connector_config(wanted);
    let unchanged = |id: u32, task: &RunningTask| {
        tasks.get(id as usize) == Some(&task.config) && *connector_config == task.connector_config
    };
    let stop: Vec<_> =
        running.tasks.iter().filter(|(id, task)| !unchanged(**id, task)).map(|(id, _)| *id).collect();
    let n_tasks = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
    let start: Vec<_> =
        (0..n_tasks).filter(|id| running.tasks.get(id).is_none_or(|task| !unchanged(*id, task))).collect();

    let mut steps = Vec::new();
    if !stop.is_empty() {
        steps.push(Action::StopTasks(stop));
    }
    if running.statuses_kept != Some(n_tasks) {
        steps.push(Action::KeepStatuses(n_tasks));
    }
    if !start.is_empty() {
        steps.push(Action::StartTasks(start));
    }
    steps
}

/// The connector configuration that tasks run with: the one their own configurations were made for.
/// A connector that fails with a new configuration so leaves its tasks as they are.
pub(crate) fn task_connector_config(entry: &ConnectorEntry) -> &ConfigMap {
    entry.applied_config.as_ref().unwrap_or(&entry.config)
}

fn stop_tasks(running: &Running) -> Vec<Action> {
    let ids: Vec<_> = running.tasks.keys().copied().collect();
    if ids.is_empty() { Vec::new() } else { vec![Action::StopTasks(ids)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ConfigMap {
        [("v".to_owned(), text.to_owned())].into_iter().collect()
    }

    fn entry(version: &str, target: TargetState, tasks: Option<&[&str]>) -> ConnectorEntry {
        ConnectorEntry {
            config: config(version),
            target,
            tasks: tasks.map(|tasks| tasks.iter().map(|task| config(task)).collect()),
            applied_config: tasks.map(|_| config(version)),
            ..ConnectorEntry::default()
        }
    }

    fn running(version: &str, target: TargetState, tasks: &[&str]) -> Running {
        Running {
            connector: Some(RunningConnector { config: config(version), target, failure: None }),
            tasks: (0..)
                .zip(tasks)
                .map(|(id, task)| {
                    (id, RunningTask { connector_config: config(version), config: config(task) })
                })
                .collect(),
            task_configs_due: false,
            statuses_kept: Some(u32::try_from(tasks.len()).unwrap_or(0)),
        }
    }

    use Action::{
        Forget, KeepStatuses, MakeTaskConfigs, PublishNoTasks, SetTarget, StartConnector, StartTasks,
        StopConnector, StopTasks,
    };
    use TargetState::{Paused, Started, Stopped};

    #[test]
    fn a_new_connector_is_started_before_its_tasks() {
        let wanted = entry("1", Started, None);
        assert_eq!(plan(Some(&wanted), &Running::default()), [StartConnector(Started)]);
        let mut now = running("1", Started, &[]);
        now.task_configs_due = true;
        assert_eq!(plan(Some(&wanted), &now), [MakeTaskConfigs]);
        let wanted = entry("1", Started, Some(&["a", "b"]));
        now.task_configs_due = false;
        assert_eq!(plan(Some(&wanted), &now), [KeepStatuses(2), StartTasks(vec![0, 1])]);
        assert_eq!(plan(Some(&wanted), &running("1", Started, &["a", "b"])), []);
    }

    #[test]
    fn a_failed_connector_is_left_alone_and_its_old_tasks_run() {
        let wanted = entry("1", Started, Some(&["a"]));
        let mut now = running("1", Started, &[]);
        now.task_configs_due = true;
        if let Some(connector) = &mut now.connector {
            connector.failure = Some("no".to_owned());
        }
        assert_eq!(plan(Some(&wanted), &now), [KeepStatuses(1), StartTasks(vec![0])]);
    }

    #[test]
    fn a_changed_configuration_restarts_the_connector_first() {
        let mut wanted = entry("2", Started, Some(&["a"]));
        wanted.applied_config = Some(config("1"));
        assert_eq!(plan(Some(&wanted), &running("1", Started, &["a"])), [StartConnector(Started)]);
        // Its tasks go on as they are until task configurations are published for it.
        let mut now = running("1", Started, &["a"]);
        if let Some(connector) = &mut now.connector {
            connector.config = config("2");
        }
        assert_eq!(plan(Some(&wanted), &now), []);
        wanted.applied_config = Some(config("2"));
        assert_eq!(plan(Some(&wanted), &now), [StopTasks(vec![0]), StartTasks(vec![0])]);
    }

    #[test]
    fn only_changed_tasks_restart() {
        let wanted = entry("1", Started, Some(&["a", "c"]));
        let now = running("1", Started, &["a", "b", "x"]);
        assert_eq!(plan(Some(&wanted), &now), [StopTasks(vec![1, 2]), KeepStatuses(2), StartTasks(vec![1])]);
    }

    #[test]
    fn pause_keeps_tasks_and_resume_asks_for_configurations() {
        let now = running("1", Started, &["a"]);
        assert_eq!(plan(Some(&entry("1", Paused, Some(&["a"]))), &now), [SetTarget(Paused)]);
        let mut now = running("1", Paused, &["a"]);
        now.task_configs_due = true;
        assert_eq!(plan(Some(&entry("1", Paused, Some(&["a"]))), &now), [], "not while paused");
        assert_eq!(plan(Some(&entry("1", Started, Some(&["a"]))), &now), [SetTarget(Started)]);
    }

    #[test]
    fn stop_frees_everything_and_resume_starts_anew() {
        let now = running("1", Started, &["a", "b"]);
        assert_eq!(
            plan(Some(&entry("1", Stopped, Some(&["a", "b"]))), &now),
            [StopTasks(vec![0, 1]), StartConnector(Stopped), KeepStatuses(0), PublishNoTasks]
        );
        let now = running("1", Stopped, &[]);
        assert_eq!(plan(Some(&entry("1", Stopped, Some(&[]))), &now), []);
        assert_eq!(plan(Some(&entry("1", Started, Some(&[]))), &now), [StartConnector(Started)]);
        // A failed connector can be stopped.
        let mut now = running("1", Started, &[]);
        if let Some(connector) = &mut now.connector {
            connector.failure = Some("no".to_owned());
        }
        assert_eq!(plan(Some(&entry("1", Stopped, Some(&[]))), &now), [StartConnector(Stopped)]);
    }

    #[test]
    fn a_deleted_connector_is_stopped_and_forgotten() {
        let now = running("1", Started, &["a"]);
        assert_eq!(plan(None, &now), [StopTasks(vec![0]), StopConnector, Forget]);
        assert_eq!(plan(None, &Running::default()), []);
    }

    #[test]
    fn unpublished_task_configurations_leave_running_tasks_alone() {
        let mut wanted = entry("1", Started, None);
        wanted.applied_config = Some(config("1"));
        assert_eq!(plan(Some(&wanted), &running("1", Started, &["a"])), []);
    }

    #[test]
    fn task_configurations_are_published_only_when_they_or_the_connector_changed() {
        let stored = entry("1", Started, Some(&["a"]));
        assert!(!must_publish(&stored, &config("1"), &[config("a")]));
        assert!(must_publish(&stored, &config("1"), &[config("b")]));
        assert!(must_publish(&stored, &config("1"), &[]));
        assert!(must_publish(&stored, &config("2"), &[config("a")]));
        assert!(must_publish(&entry("1", Started, None), &config("1"), &[]));
    }
}
