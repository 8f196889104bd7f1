//! The control path over memory stores and a data path that only keeps a table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lifecycle;
mod validation;

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{ConnectorName, State, TaskId};
use cofferdam_stdx::Supervisor;
use cofferdam_storage::{ConfigStore, MemoryConfigStore, MemoryStatusStore, StatusStore};

use crate::double::DoubleWorker;
use crate::{GivenConfig, Herder, HerderParts, LocalHerder, Mode, WorkerConverters, reports, start};

/// A herder with its stores and its worker.
struct Bench {
    herder: Arc<LocalHerder>,
    worker: Arc<DoubleWorker>,
    configs: Arc<MemoryConfigStore>,
    statuses: Arc<MemoryStatusStore>,
    supervisor: Supervisor,
}

impl Bench {
    fn standalone() -> Self {
        Self::over(Mode::Standalone, Arc::default(), Arc::default())
    }

    fn distributed() -> Self {
        Self::over(Self::member(false), Arc::default(), Arc::default())
    }

    fn member(exactly_once: bool) -> Mode {
        Mode::Distributed { group_id: "workers".into(), exactly_once }
    }

    /// A worker started over stores that exist.
    fn over(mode: Mode, configs: Arc<MemoryConfigStore>, statuses: Arc<MemoryStatusStore>) -> Self {
        Self::with(mode, configs, statuses, |_| {})
    }

    fn with(
        mode: Mode,
        configs: Arc<MemoryConfigStore>,
        statuses: Arc<MemoryStatusStore>,
        prepare: impl FnOnce(&DoubleWorker),
    ) -> Self {
        let (reporter, reports) = reports();
        let worker = DoubleWorker::new(reporter);
        prepare(&worker);
        let supervisor = Supervisor::new();
        let herder = start(HerderParts {
            worker: worker.clone(),
            configs: configs.clone(),
            statuses: statuses.clone(),
            reports,
            supervisor: supervisor.clone(),
            worker_id: "127.0.0.1:8083".into(),
            generation: 0,
            kafka_cluster_id: "cluster".into(),
            mode,
            converters: WorkerConverters {
                key: Some("org.apache.kafka.connect.json.JsonConverter".into()),
                value: Some("org.apache.kafka.connect.json.JsonConverter".into()),
                header: Some("org.apache.kafka.connect.storage.SimpleHeaderConverter".into()),
            },
        });
        Self { herder, worker, configs, statuses, supervisor }
    }

    async fn create(&self, name: &str, config: GivenConfig) {
        self.herder.create_connector(&name.into(), config, None).await.expect("a connector");
    }

    async fn create_or_change(&self, name: &str, config: GivenConfig) {
        self.herder.put_connector_config(&name.into(), config).await.expect("a connector");
    }

    /// State of the connector and of its tasks, as one line.
    fn states(&self, name: &str) -> String {
        let name = ConnectorName::from(name);
        let mut line = self.statuses.connector(&name).map_or_else(|| "-".to_owned(), |s| s.state.to_string());
        for (task, status) in self.statuses.tasks(&name) {
            line.push_str(&format!(" {task}:{}", status.state));
        }
        line
    }

    /// Waits until [`Self::states`] is this; says what it was otherwise.
    async fn wait_for(&self, name: &str, states: &str) {
        let seen = async {
            while self.states(name) != states {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(300), seen).await.is_err() {
            panic!(
                "{name} is {:?}, not {states:?}; calls: {:?}",
                self.states(name),
                self.worker.take_calls()
            );
        }
    }
}

fn config(pairs: &[(&str, &str)]) -> GivenConfig {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
}

fn source(extra: &[(&str, &str)]) -> GivenConfig {
    let mut all = vec![("connector.class", "FileStreamSource"), ("file", "/data/in.txt"), ("topic", "t")];
    all.extend(extra);
    config(&all)
}

fn task(connector: &str, task: u32) -> TaskId {
    TaskId { connector: connector.into(), task }
}
