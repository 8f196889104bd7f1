//! Connectors: how a configuration becomes those of its tasks.

use crate::Result;
use crate::config::{Config, Pairs};

/// Turns a connector's configuration into those of its tasks. It runs in an instance of its own, and
/// never in that of a task.
pub trait Connector: 'static {
    /// The configurations of the tasks, `max_tasks` at most.
    ///
    /// # Errors
    /// The connector fails, or is asked again when the error is retriable.
    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<Pairs>>;

    /// The connector ends.
    fn stop(&mut self) {}
}

/// A connector that gives each task its own configuration.
#[derive(Clone, Debug)]
pub struct Copies {
    config: Pairs,
    most: u32,
}

impl Copies {
    /// One task, however many are allowed.
    #[must_use]
    pub fn one(config: &Config) -> Self {
        Self { config: config.pairs().to_vec(), most: 1 }
    }

    /// As many tasks as are allowed.
    #[must_use]
    pub fn all(config: &Config) -> Self {
        Self { config: config.pairs().to_vec(), most: u32::MAX }
    }
}

impl Connector for Copies {
    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<Pairs>> {
        Ok((0..max_tasks.min(self.most)).map(|_| self.config.clone()).collect())
    }
}

/// What a connector may ask of its worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectorContext(());

impl ConnectorContext {
    /// The context of this instance's connector.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// Says that [`Connector::task_configs`] would now answer something else.
    pub fn request_task_reconfiguration(&self) {
        crate::host::request_task_reconfiguration();
    }
}
