//! A data path without data: tasks are rows of a table. For tests of the control path and of REST;
//! faults are injected by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cofferdam_api::{Class, ConfigMap, ConnectorName, State, TargetState, TaskId};
use cofferdam_config::{ConfigDef, ConfigKey, ConfigType, Importance, Validator};
use cofferdam_worker_api::{Failure, KeyErrors, Listener, Plugin, PluginKind, Worker};

/// Version of every plugin of the double.
pub const VERSION: &str = "4.3.1";

/// A [`Worker`] that remembers what it was asked.
pub struct DoubleWorker {
    listener: Arc<dyn Listener>,
    plugins: Mutex<Vec<Plugin>>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    calls: Vec<String>,
    connectors: BTreeMap<ConnectorName, ConfigMap>,
    tasks: BTreeMap<TaskId, Task>,
    start_faults: HashMap<ConnectorName, String>,
    fence_faults: HashMap<ConnectorName, String>,
    task_config_faults: HashMap<ConnectorName, (u32, Class)>,
    n_tasks: HashMap<ConnectorName, usize>,
}

struct Task {
    connector_config: ConfigMap,
    config: ConfigMap,
    failed: bool,
}

impl DoubleWorker {
    /// A worker with a few of Kafka Connect's plugins.
    pub fn new(listener: Arc<dyn Listener>) -> Arc<Self> {
        Arc::new(Self { listener, plugins: Mutex::new(plugins()), table: Mutex::default() })
    }

    /// Makes starts of the connector fail, or succeed again.
    pub fn fail_start(&self, name: &str, reason: Option<&str>) {
        let faults = &mut self.table().start_faults;
        match reason {
            Some(reason) => _ = faults.insert(name.into(), reason.to_owned()),
            None => _ = faults.remove(name),
        }
    }

    /// Makes fencing of the connector's tasks fail, or succeed again.
    pub fn fail_fencing(&self, name: &str, reason: Option<&str>) {
        let faults = &mut self.table().fence_faults;
        match reason {
            Some(reason) => _ = faults.insert(name.into(), reason.to_owned()),
            None => _ = faults.remove(name),
        }
    }

    /// Makes the next `times` requests for task configurations fail.
    pub fn fail_task_configs(&self, name: &str, times: u32, class: Class) {
        self.table().task_config_faults.insert(name.into(), (times, class));
    }

    /// How many tasks the connector makes; 1 unless set.
    pub fn set_tasks(&self, name: &str, n_tasks: usize) {
        self.table().n_tasks.insert(name.into(), n_tasks);
    }

    /// What was asked since the last time.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.table().calls)
    }

    /// Running tasks with the configuration of their connector.
    pub fn tasks(&self) -> Vec<(String, ConfigMap)> {
        let table = self.table();
        table.tasks.iter().map(|(id, task)| (id.to_string(), task.connector_config.clone())).collect()
    }

    /// Configuration of a running task.
    pub fn task_config(&self, connector: &str, task: u32) -> Option<ConfigMap> {
        let id = TaskId { connector: connector.into(), task };
        self.table().tasks.get(&id).map(|task| task.config.clone())
    }

    /// Lets a task end with an error.
    pub fn fail_task(&self, connector: &str, task: u32, trace: &str) {
        let id = TaskId { connector: connector.into(), task };
        if let Some(task) = self.table().tasks.get_mut(&id) {
            task.failed = true;
        }
        self.listener.task(&id, State::Failed, Some(trace.to_owned()));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, call: String) {
        self.table().calls.push(call);
    }
}

#[async_trait]
impl Worker for DoubleWorker {
    fn plugin(&self, class: &str, kind: &[PluginKind]) -> Option<Plugin> {
        let simple = |plugin: &Plugin| plugin.class.rsplit('.').next().unwrap_or_default().to_owned();
        let named = |plugin: &&Plugin| {
            let simple = simple(plugin);
            plugin.class == class || simple == class || simple.strip_suffix("Connector") == Some(class)
        };
        self.plugins().into_iter().filter(|plugin| kind.contains(&plugin.kind)).find(|plugin| named(&plugin))
    }

    fn plugins(&self) -> Vec<Plugin> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn validate(&self, _class: &str, config: &ConfigMap) -> Result<Vec<KeyErrors>, Failure> {
        match config.get("file").map(String::as_str) {
            Some("/forbidden") => Ok(vec![KeyErrors {
                name: "file".to_owned(),
                errors: vec!["this folder is not granted".to_owned()],
            }]),
            Some("/trap") => Err(failure("the plugin crashed in validate: unreachable", Class::Fatal)),
            _ => Ok(Vec::new()),
        }
    }

    async fn start_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        target: TargetState,
    ) -> Result<(), Failure> {
        self.note(format!("start {name} {target:?}"));
        // Gives other connectors a turn, so that tests see who waits for whom.
        tokio::task::yield_now().await;
        let fault = self.table().start_faults.get(name).cloned();
        if let Some(fault) = fault.filter(|_| target == TargetState::Started) {
            self.listener.connector(name, State::Failed, Some(fault.clone()));
            return Err(failure(&fault, Class::Fatal));
        }
        self.table().connectors.insert(name.clone(), config.clone());
        self.listener.connector(name, state(target), None);
        Ok(())
    }

    async fn task_configs(&self, name: &ConnectorName) -> Result<Vec<ConfigMap>, Failure> {
        self.note(format!("task-configs {name}"));
        let mut table = self.table();
        if let Some((times, class)) = table.task_config_faults.get_mut(name).filter(|(times, _)| *times > 0) {
            *times -= 1;
            return Err(failure("the database is asleep", *class));
        }
        let mut config =
            table.connectors.get(name).cloned().ok_or_else(|| failure("not started", Class::NotFound))?;
        let class = config
            .get("connector.class")
            .and_then(|class| self.plugin(class, &[PluginKind::Sink, PluginKind::Source]));
        let task_class = class.map(|plugin| plugin.class.replace("Connector", "Task")).unwrap_or_default();
        config.insert("task.class".to_owned(), task_class);
        let n_tasks = table.n_tasks.get(name).copied().unwrap_or(1);
        let numbered = |n: usize| {
            let mut config = config.clone();
            if n > 0 {
                config.insert("n".to_owned(), n.to_string());
            }
            config
        };
        Ok((0..n_tasks).map(numbered).collect())
    }

    async fn stop_connector(&self, name: &ConnectorName) {
        self.note(format!("stop {name}"));
        self.table().connectors.remove(name);
    }

    async fn start_task(
        &self,
        id: &TaskId,
        connector_config: &ConfigMap,
        task_config: &ConfigMap,
        target: TargetState,
    ) {
        self.note(format!("start {id} {target:?}"));
        let failed = connector_config.get("file").is_some_and(|file| file.starts_with("/nonexistent"));
        let task = Task { connector_config: connector_config.clone(), config: task_config.clone(), failed };
        self.table().tasks.insert(id.clone(), task);
        if failed {
            self.listener.task(id, State::Failed, Some("no such folder".to_owned()));
        } else {
            self.listener.task(id, state(target), None);
            for topic in ["topic", "topics"].iter().filter_map(|key| connector_config.get(*key)) {
                self.listener.topic(id, topic);
            }
        }
    }

    async fn fence_tasks(&self, ids: &[TaskId], _connector_config: &ConfigMap) -> Result<(), Failure> {
        for id in ids {
            self.note(format!("fence {id}"));
            if let Some(fault) = self.table().fence_faults.get(&id.connector) {
                return Err(failure(fault, Class::Retriable));
            }
        }
        Ok(())
    }

    async fn stop_tasks(&self, ids: &[TaskId]) {
        for id in ids {
            let task = self.table().tasks.remove(id);
            if task.is_some_and(|task| !task.failed) {
                self.note(format!("stop {id}"));
                self.listener.task(id, State::Unassigned, None);
            }
        }
    }

    async fn set_target_state(&self, name: &ConnectorName, target: TargetState) {
        self.note(format!("target {name} {target:?}"));
        let tasks: Vec<_> = {
            let table = self.table();
            let live = table.tasks.iter().filter(|(id, task)| id.connector == *name && !task.failed);
            live.map(|(id, _)| id.clone()).collect()
        };
        self.listener.connector(name, state(target), None);
        for id in tasks {
            self.listener.task(&id, state(target), None);
        }
    }
}

fn failure(message: &str, class: Class) -> Failure {
    Failure { message: message.to_owned(), trace: format!("{message}\n  in the guest"), class }
}

const fn state(target: TargetState) -> State {
    match target {
        TargetState::Started => State::Running,
        TargetState::Paused => State::Paused,
        TargetState::Stopped => State::Stopped,
    }
}

fn plugins() -> Vec<Plugin> {
    use ConfigType::{Int, String};
    use Importance::{High, Low, Medium};
    use PluginKind::{Predicate, Sink, Source, Transformation};
    let key = ConfigKey::new;
    let file = || key("file", String, High, "A file.").optional();
    let plugin = |class: &str, kind, keys| Plugin {
        class: format!("org.apache.kafka.connect.{class}"),
        aliases: Vec::new(),
        kind,
        version: VERSION.to_owned(),
        config_def: ConfigDef::new(keys),
        defines_transactions: false,
    };
    let converter = |class: &'static str| {
        let config_def = cofferdam_converters::config_def(class).unwrap_or_default();
        let of = |kind| Plugin {
            class: class.to_owned(),
            config_def: config_def.clone(),
            ..plugin("", kind, vec![])
        };
        [of(PluginKind::Converter), of(PluginKind::HeaderConverter)]
    };
    let stock = vec![
        plugin(
            "file.FileStreamSourceConnector",
            Source,
            vec![
                file(),
                key("topic", String, High, "A topic.").validator(Validator::NonEmptyString),
                key("batch.size", Int, Low, "Records at a time.").default_value("2000"),
            ],
        ),
        plugin("file.FileStreamSinkConnector", Sink, vec![file()]),
        plugin(
            "transforms.HoistField$Value",
            Transformation,
            vec![key("field", String, Medium, "Name of the field.")],
        ),
        plugin(
            "transforms.RegexRouter",
            Transformation,
            vec![
                key("regex", String, High, "What to look for.").validator(Validator::Regex),
                key("replacement", String, High, "What to put there."),
            ],
        ),
        plugin(
            "transforms.predicates.TopicNameMatches",
            Predicate,
            vec![key("pattern", String, Medium, "The name.").validator(Validator::Regex)],
        ),
        plugin("transforms.predicates.RecordIsTombstone", Predicate, vec![]),
        plugin("storage.SimpleHeaderConverter", PluginKind::HeaderConverter, vec![]),
    ];
    stock.into_iter().chain(cofferdam_converters::CLASSES.into_iter().flat_map(converter)).collect()
}
