//! The stores on the embedded broker: what survives a restart, what others see, which topics are
//! refused.

use std::sync::Mutex;

use cofferdam_api::{ConfigMap, ConnectorName, State, Status, TargetState, TaskId};
use cofferdam_kafka::embedded::EmbeddedBroker;
use cofferdam_kafka::{NewTopic, Role};
use serde::Deserialize;

use super::*;
use crate::{ConfigEvent, ConfigStore as _, OffsetStore as _, StatusStore as _};

/// Longest wait for something that should happen at once.
const SOON: Duration = Duration::from_secs(20);

struct Cluster {
    admin: Admin,
    config: ClientConfig,
    supervisor: Supervisor,
}

impl Cluster {
    fn start() -> Self {
        let broker = EmbeddedBroker::start("127.0.0.1:0").unwrap();
        let java = map(&[("bootstrap.servers", &broker.bootstrap())]);
        let client = |role| ClientConfig::from_java(role, &java).unwrap().config.for_embedded_broker();
        let admin = Admin::new(&client(Role::Admin)).unwrap();
        Self { admin, config: client(Role::Log), supervisor: Supervisor::new() }
    }

    const fn parts(&self) -> KafkaParts<'_> {
        KafkaParts {
            admin: &self.admin,
            config: &self.config,
            supervisor: &self.supervisor,
            exactly_once: false,
        }
    }

    async fn configs(&self) -> KafkaConfigStore {
        KafkaConfigStore::start(self.parts(), &topic("configs", 1)).await.unwrap()
    }

    async fn offsets(&self) -> KafkaOffsetStore {
        KafkaOffsetStore::start(self.parts(), &topic("offsets", 25)).await.unwrap()
    }

    async fn statuses(&self) -> KafkaStatusStore {
        KafkaStatusStore::start(self.parts(), &topic("statuses", 5)).await.unwrap()
    }

    /// Every record of a topic: partition, key, value.
    async fn dump(&self, topic: &str) -> Vec<(i32, String, Option<String>)> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let handler = move |record: LogRecord<'_>| {
            let row = (record.partition, text(record.key.unwrap()), record.value.map(text));
            sink.lock().unwrap().push(row);
        };
        let settings = LogSettings {
            topic: topic.to_owned(),
            config: self.config.clone(),
            start_timeout: SOON,
            read_at_start: true,
        };
        let log = TopicLog::start(settings, &self.supervisor, handler).await.unwrap();
        log.close().await;
        std::mem::take(&mut *seen.lock().unwrap())
    }
}

fn map(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn topic(name: &str, partitions: i32) -> TopicSettings {
    TopicSettings {
        name: name.to_owned(),
        key: format!("{name}.storage.topic"),
        partitions,
        replication_factor: 1,
        configs: ConfigMap::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_survive_a_restart() {
    let cluster = Cluster::start();
    let (a, b) = (ConnectorName::from("a-1"), ConnectorName::from("b"));
    let config = map(&[("connector.class", "x"), ("name", "a-1")]);
    let task = map(&[("task.class", "t")]);
    let store = cluster.configs().await;
    store.put_connector(&a, &config, Some(TargetState::Stopped)).await.unwrap();
    store.put_task_configs(&a, &[task.clone(), task.clone()]).await.unwrap();
    store.put_connector(&b, &config, None).await.unwrap();
    store.put_restart(&b, true, false).await.unwrap();
    store.put_target_state(&b, TargetState::Paused).await.unwrap();
    let before = store.snapshot();
    store.close().await;

    let store = cluster.configs().await;
    let mut events = store.subscribe();
    assert_eq!(store.snapshot(), before);
    let entry = before.connectors.get(&a).unwrap();
    assert_eq!((entry.target, entry.tasks.as_ref().map(Vec::len)), (TargetState::Stopped, Some(2)));
    assert_eq!(before.connectors.get(&b).unwrap().target, TargetState::Paused);
    store.remove_connector(&a).await.unwrap();
    assert_eq!(events.try_recv(), Ok(ConfigEvent::Removed(a.clone())));
    assert!(events.try_recv().is_err(), "nothing of the replay is heard");
    store.close().await;

    let store = cluster.configs().await;
    assert_eq!(store.snapshot().connectors.keys().collect::<Vec<_>>(), [&b]);
    store.close().await;

    let written = cluster.dump("configs").await;
    let row = |key: &str, value: &str| (0, key.to_owned(), Some(value.to_owned()));
    assert_eq!(written[0], row("target-state-a-1", r#"{"state":"PAUSED","state.v2":"STOPPED"}"#));
    assert_eq!(written[1], row("connector-a-1", r#"{"properties":{"connector.class":"x","name":"a-1"}}"#));
    assert_eq!(written[3], row("task-a-1-1", r#"{"properties":{"task.class":"t"}}"#));
    assert_eq!(written[4], row("commit-a-1", r#"{"tasks":2}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_worker_writes_another_one_reads() {
    let cluster = Cluster::start();
    let (one, other) = (cluster.configs().await, cluster.configs().await);
    let mut events = other.subscribe();
    let name = ConnectorName::from("a");
    one.put_connector(&name, &map(&[("k", "v")]), None).await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(other.snapshot(), one.snapshot());
    assert_eq!(events.try_recv(), Ok(ConfigEvent::Connector(name.clone())));
    // Without being asked.
    one.put_target_state(&name, TargetState::Paused).await.unwrap();
    let event = tokio::time::timeout(SOON, events.recv()).await.unwrap();
    assert_eq!(event, Some(ConfigEvent::Target(name)));
    one.close().await;
    other.close().await;
}

/// A record of a topic as Kafka Connect 4.3.1 wrote it.
#[derive(Deserialize)]
struct Recorded {
    partition: i32,
    key: String,
    value: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_lie_where_kafka_connect_would_have_put_them() {
    let cluster = Cluster::start();
    let lines = include_str!("../../testdata/offsets.jsonl").lines();
    let recorded: Vec<Recorded> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let store = cluster.offsets().await;
    for Recorded { key, value, .. } in &recorded {
        let (connector, partition): (String, serde_json::Value) = serde_json::from_str(key).unwrap();
        store.set(&connector, vec![(partition.to_string(), value.clone())]).await.unwrap();
        let found = store.get(&connector, &[partition.to_string()]).await.unwrap();
        assert_eq!(found, std::slice::from_ref(value));
    }
    store.close().await;

    let mut written = cluster.dump("offsets").await;
    let mut expected: Vec<_> =
        recorded.into_iter().map(|Recorded { partition, key, value }| (partition, key, value)).collect();
    // Only the order within a partition is kept.
    written.sort_by_key(|(partition, ..)| *partition);
    expected.sort_by_key(|(partition, ..)| *partition);
    assert_eq!(written, expected);

    let store = cluster.offsets().await;
    let found = store.list("src").await.unwrap();
    assert_eq!(
        found,
        [(
            r#"{"filename":"/tmp/lab/kafka/run/gold-data/in.txt"}"#.to_owned(),
            r#"{"position":14}"#.to_owned()
        )]
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_survive_a_restart() {
    let cluster = Cluster::start();
    let name = ConnectorName::from("a");
    let id = TaskId { connector: name.clone(), task: 0 };
    let status = |state| Status {
        state,
        trace: (state == State::Failed).then(|| "why".to_owned()),
        worker_id: "w:1".to_owned(),
        generation: 1,
        version: None,
    };
    let store = cluster.statuses().await;
    store.put_connector(&name, Some(status(State::Running)), false).await.unwrap();
    store.put_task(&id, Some(status(State::Running)), false).await.unwrap();
    store.put_task(&id, Some(status(State::Failed)), true).await.unwrap();
    store.add_topic(&id, "t").await.unwrap();
    // The writer reads its own statuses a moment later.
    let seen = async {
        while store.task(&id) != Some(status(State::Failed)) || store.topics(&name).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, seen).await.unwrap();
    store.close().await;

    let store = cluster.statuses().await;
    assert_eq!(store.connector(&name), Some(status(State::Running)));
    assert_eq!(store.tasks(&name), [(0, status(State::Failed))]);
    assert_eq!(store.topics(&name), ["t".to_owned()].into());
    store.remove(&name).await.unwrap();
    store.close().await;
    let store = cluster.statuses().await;
    assert!(store.connectors().is_empty() && store.topics(&name).is_empty());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_compacted_and_unfit_ones_are_refused() {
    let cluster = Cluster::start();
    cluster.offsets().await.close().await;
    let made = cluster.admin.topic_config("offsets").await.unwrap();
    assert_eq!(made.get("cleanup.policy").map(String::as_str), Some("compact"));
    assert_eq!(cluster.admin.partition_count("offsets").await.unwrap(), Some(25));

    let make = async |name: &str, partitions, policy: &str| {
        let configs = [("cleanup.policy".to_owned(), policy.to_owned())].into();
        let new = NewTopic { name: name.to_owned(), partitions, replication: 1, configs };
        cluster.admin.create_topic(&new).await.unwrap();
    };
    make("configs", 3, "compact").await;
    let error = KafkaConfigStore::start(cluster.parts(), &topic("configs", 1)).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "Topic 'configs' supplied via the 'configs.storage.topic' property is required to have a single partition in order to \
         guarantee consistency of connector configurations, but found 3 partitions."
    );
    make("statuses", 1, "delete").await;
    let error = KafkaStatusStore::start(cluster.parts(), &topic("statuses", 5)).await.err().unwrap();
    let text = "Topic 'statuses' supplied via the 'statuses.storage.topic' property is required to have 'cleanup.policy=compact' to \
        guarantee consistency and durability of connector and task statuses, but found the topic currently has \
        'cleanup.policy=delete'. Continuing would likely result in eventually losing connector and task statuses and problems \
        restarting this Connect cluster in the future. Change the 'statuses.storage.topic' property in the Connect worker \
        configurations to use a topic with 'cleanup.policy=compact'.";
    assert_eq!(error.to_string(), text);
}
