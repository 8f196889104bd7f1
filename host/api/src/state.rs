//! States of connectors and tasks, and what they are meant to be.

use std::fmt;
use std::str::FromStr;

/// What a connector or task is (Kafka Connect's `AbstractStatus.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No worker runs it.
    Unassigned,
    /// At work.
    Running,
    /// Holding still, resources kept.
    Paused,
    /// Ended by an error; the status carries its trace.
    Failed,
    /// About to be started anew.
    Restarting,
    /// Shut down on request; connectors only.
    Stopped,
}

impl State {
    /// Upper-case name, as in the REST API and the status topic.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Failed => "FAILED",
            Self::Restarting => "RESTARTING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// A state's name that Kafka Connect does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown state {0}")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        let all =
            [Self::Unassigned, Self::Running, Self::Paused, Self::Failed, Self::Restarting, Self::Stopped];
        all.into_iter().find(|state| state.as_str() == name).ok_or_else(|| UnknownState(name.to_owned()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a connector is meant to be (Kafka Connect's `TargetState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TargetState {
    /// Running.
    #[default]
    Started,
    /// Holding still, resources kept.
    Paused,
    /// Shut down, without tasks.
    Stopped,
}

/// State of a connector or task with its circumstances, as the status store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Why it failed.
    pub trace: Option<String>,
    /// `host:port` of the worker that said so.
    pub worker_id: String,
    /// Generation of the group when it was said; 0 in standalone mode.
    pub generation: i64,
    /// Version of the plugin.
    pub version: Option<String>,
}
