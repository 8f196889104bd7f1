//! What a restart request means for a connector in its present state (KIP-745). Pure.

use cofferdam_api::State;

use crate::ConnectorStatus;

/// What is to be restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartRequest {
    /// The tasks too.
    pub include_tasks: bool,
    /// Only what has failed.
    pub only_failed: bool,
}

/// What is restarted because of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RestartPlan {
    /// The connector's own instance.
    pub(crate) connector: bool,
    /// These tasks.
    pub(crate) tasks: Vec<u32>,
}

impl RestartRequest {
    /// Whether this is the plain restart of a connector's own instance, which is not planned but
    /// done at once.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        !self.include_tasks && !self.only_failed
    }

    /// The request that stands for both: the one that restarts more.
    #[must_use]
    pub(crate) const fn merge(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// Failed connector, failed connector and tasks, connector, all.
    const fn rank(self) -> u8 {
        (if self.only_failed { 0 } else { 2 }) + self.include_tasks as u8
    }

    /// What it restarts, given how things stand.
    pub(crate) fn plan(self, status: &ConnectorStatus) -> RestartPlan {
        let hit = |state| !self.only_failed || state == State::Failed;
        RestartPlan {
            connector: hit(status.connector.state),
            tasks: status
                .tasks
                .iter()
                .filter(|(_, status)| self.include_tasks && hit(status.state))
                .map(|(id, _)| *id)
                .collect(),
        }
    }
}

impl RestartPlan {
    /// The status as the answer to the request shows it: what is affected is RESTARTING.
    pub(crate) fn shown(&self, mut status: ConnectorStatus) -> ConnectorStatus {
        if self.connector {
            status.connector.state = State::Restarting;
        }
        for (id, task) in &mut status.tasks {
            if self.tasks.contains(id) {
                task.state = State::Restarting;
            }
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_api::Status;

    use super::*;

    fn status(state: State) -> Status {
        Status { state, trace: None, worker_id: "w".into(), generation: 0, version: None }
    }

    fn check(include_tasks: bool, only_failed: bool, connector: State) -> (bool, Vec<u32>) {
        let plan = RestartRequest { include_tasks, only_failed }.plan(&ConnectorStatus {
            name: "c".into(),
            connector: status(connector),
            tasks: vec![(0, status(State::Running)), (1, status(State::Failed))],
            kind: None,
        });
        (plan.connector, plan.tasks)
    }

    #[test]
    fn a_request_restarts_what_it_names() {
        assert_eq!(check(true, false, State::Running), (true, vec![0, 1]));
        assert_eq!(check(true, true, State::Running), (false, vec![1]));
        assert_eq!(check(true, true, State::Failed), (true, vec![1]));
        assert_eq!(check(false, true, State::Running), (false, vec![]));
        assert_eq!(check(false, true, State::Failed), (true, vec![]));
    }

    #[test]
    fn of_two_requests_the_one_that_restarts_more_stands() {
        let request = |include_tasks, only_failed| RestartRequest { include_tasks, only_failed };
        let ranked = [request(false, true), request(true, true), request(false, false), request(true, false)];
        for (i, low) in ranked.into_iter().enumerate() {
            for high in ranked.into_iter().skip(i) {
                assert_eq!(low.merge(high), high);
                assert_eq!(high.merge(low), high);
            }
        }
    }
}
