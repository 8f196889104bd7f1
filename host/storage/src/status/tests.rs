//! The status topic: bytes and meaning.

use cofferdam_api::State as Running;
use serde::Deserialize;

use super::dto::Key;
use super::*;
use crate::MemoryStatusStore;

/// A record of a topic as Kafka Connect 4.3.1 wrote it.
#[derive(Deserialize)]
struct Recorded {
    key: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct TopicStatus {
    topic: TopicFields,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TopicFields {
    name: String,
    connector: String,
    task: u32,
    discover_timestamp: i64,
}

fn status(state: Running, worker: &str, generation: i64) -> Status {
    Status { state, trace: None, worker_id: worker.to_owned(), generation, version: Some("1".to_owned()) }
}

fn task(connector: &str, task: u32) -> TaskId {
    TaskId { connector: connector.into(), task }
}

#[test]
fn values_are_written_as_kafka_connect_writes_them() {
    let mut n_checked = [0; 3];
    for line in include_str!("../../testdata/statuses.jsonl").lines() {
        let Recorded { key, value } = serde_json::from_str(line).unwrap();
        let again = |value: &String| dto::status(&dto::read_status(value.as_bytes()).unwrap());
        let (kind, key_again, value_again) = match Key::parse(&key).unwrap() {
            Key::Connector(name) => (0, dto::connector_key(&name.into()), value.as_ref().map(again)),
            Key::Task(name, number) => (1, dto::task_key(&task(name, number)), value.as_ref().map(again)),
            Key::Topic { connector, topic } => {
                let again = |value: &String| {
                    dto::read_topic(value.as_bytes()).unwrap();
                    let TopicStatus { topic } = serde_json::from_str(value).unwrap();
                    dto::topic(&topic.name, &task(&topic.connector, topic.task), topic.discover_timestamp)
                };
                (2, dto::topic_key(&connector.into(), topic), value.as_ref().map(again))
            }
        };
        assert_eq!(String::from_utf8(key_again).unwrap(), key);
        assert_eq!(value_again.map(|value| String::from_utf8(value).unwrap()), value);
        n_checked[kind] += 1;
    }
    assert!(n_checked.iter().all(|n| *n >= 3), "{n_checked:?}");
}

#[test]
fn keys_are_told_apart() {
    for (key, expected) in [
        ("status-connector-a", Some(Key::Connector("a"))),
        ("status-task-a-b-3", Some(Key::Task("a-b", 3))),
        ("status-task-a", None),
        (
            "status-topic-t:connector-a:connector-b",
            Some(Key::Topic { connector: "a:connector-b", topic: "t" }),
        ),
        ("status-topic-t", None),
        ("other", None),
    ] {
        assert_eq!(Key::parse(key), expected, "{key}");
    }
}

#[tokio::test]
async fn statuses_are_kept_and_removed() {
    let store = MemoryStatusStore::new();
    let name = ConnectorName::from("a");
    let mut failed = status(Running::Failed, "w:1", 3);
    failed.trace = Some("boom\n\tat x".to_owned());
    store.put_connector(&name, Some(status(Running::Running, "w:1", 3)), false).await.unwrap();
    store.put_task(&task("a", 10), Some(failed.clone()), false).await.unwrap();
    store.put_task(&task("a", 2), Some(status(Running::Paused, "w:1", 3)), false).await.unwrap();
    store.add_topic(&task("a", 2), "t").await.unwrap();
    store.add_topic(&task("a", 10), "t").await.unwrap();
    store.add_topic(&task("b", 0), "t").await.unwrap();
    assert_eq!(store.connector(&name), Some(status(Running::Running, "w:1", 3)));
    assert_eq!(store.tasks(&name), [(2, status(Running::Paused, "w:1", 3)), (10, failed)]);
    assert_eq!(store.topics(&name), ["t".to_owned()].into());
    assert_eq!(store.connectors(), [name.clone()].into());

    store.reset_topics(&name).await.unwrap();
    assert!(store.topics(&name).is_empty());
    store.put_task(&task("a", 2), None, false).await.unwrap();
    assert_eq!(store.tasks(&name).len(), 1);
    store.remove(&name).await.unwrap();
    assert_eq!((store.connector(&name), store.tasks(&name)), (None, vec![]));
    assert_eq!(store.topics(&"b".into()), ["t".to_owned()].into());
}

#[tokio::test]
async fn a_safe_write_gives_way_to_a_later_generation_of_another_worker() {
    let store = MemoryStatusStore::new();
    let id = task("a", 0);
    let put = async |state, worker, generation, safe| {
        store.put_task(&id, Some(status(state, worker, generation)), safe).await.unwrap();
        let known = store.task(&id).unwrap();
        (known.state, known.worker_id, known.generation)
    };
    put(Running::Running, "new", 5, false).await;
    let new = (Running::Running, "new".to_owned(), 5);
    assert_eq!(put(Running::Failed, "old", 4, true).await, new);
    assert_eq!(put(Running::Failed, "old", 5, true).await, (Running::Failed, "old".to_owned(), 5));
    assert_eq!(put(Running::Failed, "old", 4, true).await, (Running::Failed, "old".to_owned(), 4), "its own");
    assert_eq!(
        put(Running::Running, "new", 3, false).await,
        (Running::Running, "new".to_owned(), 3),
        "not safe"
    );
}

#[tokio::test]
async fn a_late_unassigned_of_the_former_owner_is_not_believed() {
    let store = MemoryStatusStore::new();
    let (name, id) = (ConnectorName::from("a"), task("a", 0));
    store.put_task(&id, Some(status(Running::Running, "new", 5)), false).await.unwrap();
    store.put_task(&id, Some(status(Running::Unassigned, "old", 5)), false).await.unwrap();
    assert_eq!(store.task(&id).unwrap().state, Running::Running);
    // The owner itself is believed.
    store.put_task(&id, Some(status(Running::Unassigned, "new", 5)), false).await.unwrap();
    assert_eq!(store.task(&id).unwrap().state, Running::Unassigned);
    // So is anyone about a connector.
    store.put_connector(&name, Some(status(Running::Running, "new", 5)), false).await.unwrap();
    store.put_connector(&name, Some(status(Running::Unassigned, "old", 4)), false).await.unwrap();
    assert_eq!(store.connector(&name).unwrap().state, Running::Unassigned);
}

#[test]
fn malformed_records_are_skipped() {
    let mut state = State::default();
    let good = br#"{"state":"RUNNING","worker_id":"w:1","generation":3}"#;
    for (key, value) in [
        ("status-connector-a", &good[..]),
        ("status-connector-a", b"{"),
        ("status-connector-a", br#"{"state":"DANCING","trace":null,"worker_id":"w:1","generation":3}"#),
        ("status-connector-a", br#"{"state":"FAILED"}"#),
        ("status-task-x", good),
        ("status-topic-t:connector-a", br#"{"topic":"t"}"#),
        ("\u{0}", good),
    ] {
        state.apply(&Record { offset: 0, timestamp: 0, key: key.as_bytes(), value: Some(value) });
    }
    assert_eq!(state.connectors.len(), 1);
    let entry = state.connectors.get("a").unwrap();
    assert_eq!(entry.status.as_ref().map(|status| status.state), Some(Running::Running));
    assert!(entry.topics.is_empty());
}
