//! The converters that are part of every worker, listed beside the plugins of the data path: for a
//! configuration they are classes like any other.

use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_api::{ConfigMap, ConnectorName, TargetState, TaskId};
use cofferdam_config::ConfigDef;
use cofferdam_worker_api::{Failure, KeyErrors, Plugin, PluginKind, Worker};

/// Version of Kafka Connect whose converters these are to the letter.
const VERSION: &str = "4.3.1";
/// The worker's default for headers; it has no keys of its own.
const SIMPLE_HEADER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// A data path and the stock converters.
pub(crate) struct WithConverters(pub(crate) Arc<dyn Worker>);

fn converters() -> Vec<Plugin> {
    let plugin = |class: &str, kind, config_def| Plugin {
        class: class.to_owned(),
        aliases: Vec::new(),
        kind,
        version: VERSION.to_owned(),
        config_def,
    };
    let mut plugins: Vec<_> = cofferdam_converters::CLASSES
        .into_iter()
        .filter_map(|class| {
            Some(plugin(class, PluginKind::Converter, cofferdam_converters::config_def(class)?))
        })
        .collect();
    plugins.push(plugin(SIMPLE_HEADER, PluginKind::HeaderConverter, ConfigDef::default()));
    plugins
}

#[async_trait]
impl Worker for WithConverters {
    fn plugin(&self, class: &str, kind: &[PluginKind]) -> Option<Plugin> {
        let named = |plugin: &Plugin| plugin.class == class || plugin.class.rsplit('.').next() == Some(class);
        self.0
            .plugin(class, kind)
            .or_else(|| converters().into_iter().find(|plugin| kind.contains(&plugin.kind) && named(plugin)))
    }

    fn plugins(&self) -> Vec<Plugin> {
        let mut plugins = self.0.plugins();
        for converter in converters() {
            if !plugins.iter().any(|plugin| plugin.class == converter.class) {
                plugins.push(converter);
            }
        }
        plugins
    }

    async fn validate(&self, class: &str, config: &ConfigMap) -> Result<Vec<KeyErrors>, Failure> {
        self.0.validate(class, config).await
    }

    async fn start_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        target: TargetState,
    ) -> Result<(), Failure> {
        self.0.start_connector(name, config, target).await
    }

    async fn task_configs(&self, name: &ConnectorName) -> Result<Vec<ConfigMap>, Failure> {
        self.0.task_configs(name).await
    }

    async fn stop_connector(&self, name: &ConnectorName) {
        self.0.stop_connector(name).await;
    }

    async fn start_task(
        &self,
        id: &TaskId,
        connector_config: &ConfigMap,
        task_config: &ConfigMap,
        target: TargetState,
    ) {
        self.0.start_task(id, connector_config, task_config, target).await;
    }

    async fn stop_tasks(&self, ids: &[TaskId]) {
        self.0.stop_tasks(ids).await;
    }

    async fn set_target_state(&self, name: &ConnectorName, target: TargetState) {
        self.0.set_target_state(name, target).await;
    }
}
