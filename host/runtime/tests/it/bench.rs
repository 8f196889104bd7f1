//! A worker with an embedded broker, and what tests do with them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cofferdam_api::{ConfigMap, ConnectorName, State, TargetState, TaskId};
use cofferdam_config::worker::{Mode, ModeSettings, WorkerSettings};
use cofferdam_frame::{Builder, Entry, Frame, Span};
use cofferdam_kafka::embedded::EmbeddedBroker;
use cofferdam_kafka::{Admin, ClientConfig, Consumer, Delivery, Event, Producer, Role};
use cofferdam_plugins::{Origin, PluginSettings, Plugins};
use cofferdam_runtime::{LocalWorker, WorkerParts};
use cofferdam_stdx::Supervisor;
use cofferdam_storage::kafka::{KafkaOffsetStore, KafkaParts};
use cofferdam_storage::{MemoryOffsetStore, OffsetStore};
use cofferdam_telemetry::Metrics;
use cofferdam_worker_api::{Listener, Worker as _};
use tempfile::TempDir;
use tracing_subscriber::EnvFilter;

use crate::programs;

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    pub(crate) worker: Arc<LocalWorker>,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) heard: Arc<Heard>,
    pub(crate) metrics: Metrics,
    pub(crate) dir: TempDir,
    broker: EmbeddedBroker,
}

/// A record as tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rec {
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, Option<String>)>,
    pub(crate) timestamp: Option<i64>,
}

/// A state, and the trace that came with it.
type Said = (State, Option<String>);

/// Remembers what the worker told.
#[derive(Default)]
pub(crate) struct Heard {
    tasks: Mutex<HashMap<TaskId, Vec<Said>>>,
    connectors: Mutex<Vec<(ConnectorName, State, Option<String>)>>,
    topics: Mutex<BTreeSet<String>>,
    reconfigured: Mutex<Vec<String>>,
}

impl Listener for Heard {
    fn connector(&self, name: &ConnectorName, state: State, trace: Option<String>) {
        self.connectors.lock().unwrap().push((name.clone(), state, trace));
    }

    fn task(&self, id: &TaskId, state: State, trace: Option<String>) {
        self.tasks.lock().unwrap().entry(id.clone()).or_default().push((state, trace));
    }

    fn reconfigure(&self, name: &ConnectorName) {
        self.reconfigured.lock().unwrap().push(name.to_string());
    }

    fn topic(&self, _: &TaskId, topic: &str) {
        self.topics.lock().unwrap().insert(topic.to_owned());
    }
}

impl Heard {
    pub(crate) fn states(&self, id: &TaskId) -> Vec<State> {
        self.tasks.lock().unwrap().get(id).into_iter().flatten().map(|(state, _)| *state).collect()
    }

    pub(crate) fn trace(&self, id: &TaskId) -> String {
        let tasks = self.tasks.lock().unwrap();
        tasks.get(id).and_then(|states| states.last()?.1.clone()).unwrap_or_default()
    }

    /// The traces of all failures.
    pub(crate) fn traces(&self, id: &TaskId) -> Vec<String> {
        let tasks = self.tasks.lock().unwrap();
        tasks.get(id).into_iter().flatten().filter_map(|(_, trace)| trace.clone()).collect()
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        self.topics.lock().unwrap().iter().cloned().collect()
    }

    /// Connectors whose task configurations are to be asked for anew.
    pub(crate) fn reconfigured(&self) -> Vec<String> {
        self.reconfigured.lock().unwrap().clone()
    }

    pub(crate) fn connector_states(&self) -> Vec<State> {
        self.connectors.lock().unwrap().iter().map(|(_, state, _)| *state).collect()
    }
}

/// The first task of a connector.
pub(crate) fn task(connector: &str) -> TaskId {
    TaskId { connector: connector.into(), task: 0 }
}

pub(crate) fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

impl Bench {
    /// With the guests of tests.
    pub(crate) async fn new() -> Self {
        Self::with(false).await
    }

    /// With the guests of tests, as a worker whose sources deliver exactly once.
    pub(crate) async fn exactly_once() -> Self {
        Self::with_settings(false, true, &[]).await
    }

    /// With the guests of tests, as a worker with these settings.
    pub(crate) async fn configured(settings: &[(&str, &str)]) -> Self {
        Self::with_settings(false, false, settings).await
    }

    /// With the guests of tests and those that are shipped.
    pub(crate) async fn shipped() -> Self {
        Self::with(true).await
    }

    async fn with(shipped: bool) -> Self {
        Self::with_settings(shipped, false, &[]).await
    }

    async fn with_settings(shipped: bool, exactly_once: bool, more: &[(&str, &str)]) -> Self {
        // Shown by the test runner for tests that fail; RUST_LOG says how much.
        let log = tracing_subscriber::fmt().with_test_writer().with_env_filter(EnvFilter::from_default_env());
        _ = log.try_init();
        let dir = TempDir::new().unwrap();
        let broker = EmbeddedBroker::start("127.0.0.1:0").unwrap();
        let plugins = Plugins::new(PluginSettings {
            cache_dir: dir.path().join("cache"),
            store_dir: dir.path().join("store"),
            limits: cofferdam_plugins::Limits { call_timeout: Duration::from_secs(10), ..Default::default() },
            file_roots: vec![dir.path().to_owned()],
        })
        .unwrap();
        plugins.install(Bytes::from(programs::program("misbehaving")), Origin::Folder).await.unwrap();
        if shipped {
            plugins.load_builtin().await.unwrap();
        }
        let mut settings = config(&[
            ("bootstrap.servers", &broker.bootstrap()),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("offset.storage.file.filename", "unused"),
            ("offset.flush.interval.ms", "200"),
            ("task.shutdown.graceful.timeout.ms", "3000"),
            ("cofferdam.data.dir", dir.path().to_str().unwrap()),
        ]);
        settings.extend(config(more));
        let supervisor = Supervisor::new();
        let heard = Arc::new(Heard::default());
        let (settings, offsets): (_, Arc<dyn OffsetStore>) = if exactly_once {
            settings.extend(config(&[
                ("group.id", "bench"),
                ("config.storage.topic", "configs"),
                ("offset.storage.topic", "offsets"),
                ("offset.storage.partitions", "1"),
                ("offset.storage.replication.factor", "1"),
                ("status.storage.topic", "statuses"),
                ("exactly.once.source.support", "enabled"),
            ]));
            let settings = WorkerSettings::from_map(settings, Mode::Distributed).unwrap();
            let offsets = kafka_offsets(&settings, &broker, &supervisor).await;
            (settings, Arc::new(offsets))
        } else {
            let settings = WorkerSettings::from_map(settings, Mode::Standalone).unwrap();
            (settings, Arc::new(MemoryOffsetStore::new()))
        };
        let metrics = Metrics::new();
        let worker = LocalWorker::new(WorkerParts {
            settings: Arc::new(settings),
            plugins,
            offsets: Arc::clone(&offsets),
            metrics: metrics.clone(),
            supervisor,
            listener: Arc::clone(&heard) as _,
            embedded_broker: true,
        });
        Self { worker, offsets, heard, metrics, dir, broker }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Starts the only task of a connector, with what its connector makes of the configuration.
    pub(crate) async fn start(&self, name: &str, pairs: &[(&str, &str)]) -> TaskId {
        self.start_in(name, pairs, TargetState::Started).await
    }

    pub(crate) async fn start_in(&self, name: &str, pairs: &[(&str, &str)], target: TargetState) -> TaskId {
        self.start_number(name, 0, pairs, target).await
    }

    /// Starts the task `number` of a connector; its connector is started anew.
    pub(crate) async fn start_number(
        &self,
        name: &str,
        number: u32,
        pairs: &[(&str, &str)],
        target: TargetState,
    ) -> TaskId {
        let mut all =
            config(&[("name", name), ("tasks.max", "1"), ("consumer.override.metadata.max.age.ms", "500")]);
        all.extend(config(pairs));
        let name = ConnectorName::from(name);
        let tasks = match self.worker.start_connector(&name, &all, TargetState::Started).await {
            Ok(()) => self.worker.task_configs(&name).await.unwrap(),
            Err(_) => vec![all.clone()],
        };
        let id = TaskId { connector: name, task: number };
        self.worker.start_task(&id, &all, &tasks[0], target).await;
        id
    }

    pub(crate) async fn stop(&self, id: &TaskId) {
        self.worker.stop_tasks(std::slice::from_ref(id)).await;
    }

    /// Waits until the task has said that it is `state`, as its last word.
    pub(crate) async fn until(&self, id: &TaskId, state: State) {
        let is = || async { self.heard.states(id).last() == Some(&state) };
        let shown = || format!("{id} to be {state}: {:?} {}", self.heard.states(id), self.heard.trace(id));
        wait(is, shown).await;
    }

    pub(crate) async fn offset(&self, connector: &str) -> Option<String> {
        let all = self.offsets.list(connector).await.unwrap();
        all.into_iter().next().map(|(_, offset)| offset)
    }

    /// Waits until this is the offset of the connector's only source partition.
    pub(crate) async fn until_offset(&self, connector: &str, offset: &str) {
        let is = || async { self.offset(connector).await.as_deref() == Some(offset) };
        wait(is, || format!("the offset of {connector} to be {offset}")).await;
    }

    /// Writes records to a topic: key, value.
    pub(crate) async fn produce(&self, topic: &str, records: &[(Option<&str>, Option<&str>)]) {
        let records: Vec<Rec> = records
            .iter()
            .map(|(key, value)| Rec {
                topic: topic.to_owned(),
                key: key.map(str::to_owned),
                value: value.map(str::to_owned),
                headers: Vec::new(),
                timestamp: Some(1_700_000_000_123),
            })
            .collect();
        self.produce_all(&records).await;
    }

    pub(crate) async fn produce_all(&self, records: &[Rec]) {
        let mut frame = Builder::default();
        for record in records {
            let mut entry = Entry::new(frame.topic(&record.topic).unwrap());
            entry.key = frame.put_option(record.key.as_deref().map(str::as_bytes));
            entry.value = frame.put_option(record.value.as_deref().map(str::as_bytes));
            let mut block = Span { at: 0, len: 0 };
            for (key, value) in &record.headers {
                frame.header(&mut block, key, 0, value.as_deref().map(str::as_bytes));
                entry.n_headers += 1;
            }
            entry.headers = block;
            entry.timestamp = record.timestamp;
            frame.push(&entry);
        }
        let frame = frame.finish();
        let producer = Producer::new(&self.client(Role::Producer, &[])).unwrap();
        let delivery = Delivery::new(Arc::default());
        let to = vec![0; records.len()];
        producer.send(&Frame::parse(&frame).unwrap(), &[Arc::clone(&delivery)], &to).await.unwrap();
        delivery.settled().await;
        assert_eq!(delivery.failures(), []);
    }

    /// Reads `n` records of a topic, and fails when there are more.
    pub(crate) async fn consume(&self, topic: &str, n: usize) -> Vec<Rec> {
        static GROUPS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let group = format!("reader-{}", GROUPS.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let own = [
            ("group.id", group.as_str()),
            ("auto.offset.reset", "earliest"),
            ("metadata.max.age.ms", "500"),
            ("isolation.level", "read_committed"),
        ];
        let mut consumer =
            Consumer::subscribe(&self.client(Role::Consumer, &own), &[topic.to_owned()]).unwrap();
        let mut found = Vec::new();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut calm = 0;
        // When all have come, one more quiet moment shows that no others follow.
        while found.len() < n || calm == 0 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{} of {n} records of {topic}: {found:?}",
                found.len()
            );
            match consumer.next(1_000, 1 << 20, Duration::from_millis(300)).await.unwrap() {
                Event::Records(frame) => {
                    found.extend(Frame::parse(&frame).unwrap().iter().map(|record| rec(&record)))
                }
                Event::Assigned(partitions) => consumer.assign(&partitions).unwrap(),
                Event::Revoked(partitions) | Event::Lost(partitions) => {
                    consumer.unassign(&partitions).unwrap()
                }
                Event::Idle => calm += usize::from(found.len() >= n),
            }
        }
        consumer.close().await.unwrap();
        assert_eq!(found.len(), n, "{found:?}");
        found
    }

    pub(crate) async fn values(&self, topic: &str, n: usize) -> Vec<String> {
        self.consume(topic, n).await.into_iter().map(|record| record.value.unwrap_or_default()).collect()
    }

    /// Waits until the file has this content.
    pub(crate) async fn until_file(&self, path: &str, content: &str) {
        let read = || std::fs::read_to_string(path).unwrap_or_default();
        wait(|| async { read() == content }, || format!("{path} to be {content:?}, not {:?}", read())).await;
    }

    /// Waits until a metric of this name and connector has this value.
    pub(crate) async fn until_metric(&self, name: &str, connector: &str, value: &str) {
        let lines = || -> Vec<String> {
            let page = self.metrics.render();
            let wanted = format!("connector=\"{connector}\"");
            page.lines()
                .filter(|line| line.starts_with(name) && line.contains(&wanted))
                .map(str::to_owned)
                .collect()
        };
        let is = || async { lines().iter().any(|line| line.ends_with(&format!(" {value}"))) };
        wait(is, || format!("{name} to be {value}: {:?}", lines())).await;
    }

    fn client(&self, role: Role, own: &[(&str, &str)]) -> ClientConfig {
        let mut all = config(&[("bootstrap.servers", &self.broker.bootstrap()), ("client.id", "test")]);
        all.extend(config(own));
        ClientConfig::from_java(role, &all).unwrap().config.for_embedded_broker()
    }
}

fn rec(record: &cofferdam_frame::Record<'_>) -> Rec {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Rec {
        topic: record.topic().to_owned(),
        key: text(record.key()),
        value: text(record.value()),
        headers: record.headers().map(|header| (header.key.to_owned(), text(header.value))).collect(),
        timestamp: record.entry.timestamp,
    }
}

/// Waits until `is` answers yes, with a bound.
pub(crate) async fn wait<F: Future<Output = bool>>(is: impl Fn() -> F, what: impl Fn() -> String) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is().await {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {}", what());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn kafka_offsets(
    settings: &WorkerSettings,
    broker: &EmbeddedBroker,
    supervisor: &Supervisor,
) -> KafkaOffsetStore {
    let ModeSettings::Distributed(own) = &settings.mode else { panic!("a member of a group") };
    let client = |role| {
        let java = config(&[("bootstrap.servers", &broker.bootstrap())]);
        ClientConfig::from_java(role, &java).unwrap().config.for_embedded_broker()
    };
    let admin = Admin::new(&client(Role::Admin)).unwrap();
    let config = client(Role::Log).with("isolation.level", "read_committed");
    let parts = KafkaParts { admin: &admin, config: &config, supervisor, exactly_once: true };
    KafkaOffsetStore::start(parts, &own.offset_topic).await.unwrap()
}
