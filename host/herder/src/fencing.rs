//! Before tasks of an exactly-once source start: whoever wrote under their transactional ids is fenced
//! (KIP-618). Producers of tasks that are no more are fenced as well, since nobody else would do it.

use std::collections::BTreeMap;

use cofferdam_api::{ConfigMap, ConnectorName, TaskId, chain};
use cofferdam_storage::{ConnectorEntry, Fencing};
use cofferdam_worker_api::PluginKind;

use crate::control::Shared;
use crate::plan::RunningTask;

/// What has to be done before tasks start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Nothing: since the last round only the same tasks can have written.
    None,
    /// To put the number of tasks on record; whoever wrote is fenced by the tasks themselves.
    Count,
    /// To fence the producers of so many tasks, then put the new number on record.
    Fence(u32),
}

fn round(known: Fencing, n_tasks: u32) -> Round {
    match known {
        Fencing { is_due: false, .. } => Round::None,
        Fencing { n_tasks: None, .. } => Round::Count,
        // The one task takes over its own id.
        Fencing { n_tasks: Some(1), .. } if n_tasks == 1 => Round::Count,
        Fencing { n_tasks: Some(before), .. } => Round::Fence(before),
    }
}

/// Makes it safe to start tasks of the connector. Answers the trace of why it is not.
pub(crate) async fn fence(
    shared: &Shared,
    name: &ConnectorName,
    wanted: &ConnectorEntry,
    config: &ConfigMap,
    running: &BTreeMap<u32, RunningTask>,
) -> Result<(), String> {
    let class = config.get("connector.class").map(|class| class.trim()).unwrap_or_default();
    if !shared.exactly_once || shared.worker.plugin(class, &[PluginKind::Source]).is_none() {
        return Ok(());
    }
    let n_tasks = u32::try_from(wanted.tasks.as_ref().map_or(0, Vec::len)).unwrap_or(u32::MAX);
    let round = round(wanted.fencing, n_tasks);
    tracing::debug!(connector = %name, ?round, n_tasks, "fencing");
    if round == Round::None {
        return Ok(());
    }
    if let Round::Fence(before) = round {
        // Tasks that run have taken over their ids when they started, and keep them.
        let ids: Vec<TaskId> = (0..before)
            .filter(|id| !running.contains_key(id))
            .map(|task| TaskId { connector: name.clone(), task })
            .collect();
        if let Err(failure) = shared.worker.fence_tasks(&ids, config).await {
            let error = failure.message;
            tracing::error!(connector = %name, error, "producers of earlier tasks could not be fenced");
            return Err(failure.trace);
        }
    }
    shared.configs.put_task_count(name, n_tasks).await.map_err(|error| {
        let text = chain(&error);
        tracing::error!(connector = %name, error = text, "the number of fenced tasks could not be written");
        format!("org.apache.kafka.connect.errors.ConnectException: {text}\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_are_fenced_once_after_each_publication() {
        let known = |n_tasks, is_due| Fencing { n_tasks, is_due };
        let table = [
            (known(None, false), 3, Round::None),
            (known(Some(3), false), 3, Round::None),
            (known(None, true), 3, Round::Count),
            (known(Some(1), true), 1, Round::Count),
            (known(Some(1), true), 2, Round::Fence(1)),
            (known(Some(4), true), 1, Round::Fence(4)),
            (known(Some(4), true), 0, Round::Fence(4)),
        ];
        for (known, n_tasks, expected) in table {
            assert_eq!(round(known, n_tasks), expected, "{known:?} {n_tasks}");
        }
    }
}
