//! How the guests of a connector or task reach the worker.

use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_api::{ConnectorName, chain};
use cofferdam_plugins::{Hooks, Metric};
use cofferdam_storage::OffsetStore;
use cofferdam_telemetry::TaskMetrics;
use cofferdam_worker_api::Listener;

/// Hooks of the guests of one connector or task.
pub(crate) struct WorkerHooks {
    pub(crate) connector: ConnectorName,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) listener: Arc<dyn Listener>,
    /// None for a connector's own instance.
    pub(crate) metrics: Option<TaskMetrics>,
    /// Whether a source task says itself where its transactions end.
    pub(crate) ends_transactions: bool,
}

#[async_trait]
impl Hooks for WorkerHooks {
    async fn source_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, String> {
        self.offsets.get(self.connector.as_str(), &partitions).await.map_err(|error| chain(&error))
    }

    fn request_task_reconfiguration(&self) {
        self.listener.reconfigure(&self.connector);
    }

    fn ends_transactions(&self) -> bool {
        self.ends_transactions
    }

    fn metric(&self, name: &str, value: Metric) {
        let Some(metrics) = &self.metrics else { return };
        let kept = match value {
            Metric::Count(by) => metrics.plugin_count(name, by),
            Metric::Gauge(value) => metrics.plugin_gauge(name, value),
        };
        if !kept {
            tracing::debug!(name, "a plugin's metric was not kept: too many names, or no number");
        }
    }
}
