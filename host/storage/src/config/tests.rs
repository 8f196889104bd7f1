//! The config topic: bytes, meaning, and what compaction does to it.

use std::sync::Mutex as StdMutex;

use serde::Deserialize;

use super::dto::Key;
use super::*;
use crate::ConnectorEntry;

/// A record of a topic as Kafka Connect 4.3.1 wrote it.
#[derive(Deserialize)]
struct Recorded {
    key: String,
    value: Option<String>,
}

fn recorded() -> Vec<Recorded> {
    include_str!("../../testdata/configs.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// State after `records` were read from an empty log, the start-up included.
fn replay<'a>(records: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> State {
    let mut state = State::default();
    for (offset, (key, value)) in (0..).zip(records) {
        let events = state.apply(&record(offset, key, value));
        assert_eq!(events, [], "events begin after the replay");
    }
    state.finish_replay();
    state
}

fn record<'a>(offset: i64, key: &'a str, value: Option<&'a str>) -> Record<'a> {
    Record { offset, timestamp: 0, key: key.as_bytes(), value: value.map(str::as_bytes) }
}

fn live(state: &mut State, key: &str, value: Option<&str>) -> Vec<ConfigEvent> {
    state.apply(&record(state.snapshot().offset, key, value))
}

fn entry(state: &State, name: &str) -> Option<ConnectorEntry> {
    state.snapshot().connectors.get(name).map(|entry| ConnectorEntry::clone(entry))
}

fn config(text: &str) -> ConfigMap {
    dto::read_properties(text.as_bytes()).unwrap()
}

const A1: &str = r#"{"properties":{"name":"a","v":"1"}}"#;
const A2: &str = r#"{"properties":{"name":"a","v":"2"}}"#;
const T0: &str = r#"{"properties":{"task":"0"}}"#;
const T1: &str = r#"{"properties":{"task":"1"}}"#;
const NEW: &str = r#"{"properties":{"task":"new"}}"#;
const COMMIT1: &str = r#"{"tasks":1}"#;
const COMMIT2: &str = r#"{"tasks":2}"#;

#[test]
fn values_are_written_as_kafka_connect_writes_them() {
    let mut n_checked = 0;
    for Recorded { key, value } in recorded() {
        let name = |name: &str| ConnectorName::from(name);
        let bytes = value.as_deref().map(str::as_bytes);
        let (key_again, value_again) = match Key::parse(&key) {
            Key::Connector(n) => (
                dto::connector_key(&name(n)),
                bytes.map(|v| dto::properties(&dto::read_properties(v).unwrap())),
            ),
            Key::Task(n, task) => (
                dto::task_key(&name(n), task),
                bytes.map(|v| dto::properties(&dto::read_properties(v).unwrap())),
            ),
            Key::Commit(n) => {
                (dto::commit_key(&name(n)), bytes.map(|v| dto::commit(dto::read_commit(v).unwrap() as usize)))
            }
            Key::Target(n) => {
                (dto::target_key(&name(n)), bytes.map(|v| dto::target(dto::read_target(v).unwrap().unwrap())))
            }
            Key::Restart(n) => {
                let again = |value| {
                    let (include_tasks, only_failed) = dto::read_restart(value).unwrap();
                    dto::restart(include_tasks, only_failed)
                };
                (dto::restart_key(&name(n)), bytes.map(again))
            }
            Key::Fencing(n) => {
                (dto::fencing_key(&name(n)), bytes.map(|v| dto::task_count(dto::read_task_count(v).unwrap())))
            }
            Key::Other => continue,
            Key::Unknown => panic!("{key} is unknown"),
        };
        assert_eq!(String::from_utf8(key_again).unwrap(), key);
        assert_eq!(value_again.map(|value| String::from_utf8(value).unwrap()), value);
        n_checked += 1;
    }
    assert_eq!(n_checked, 105);
}

#[test]
fn a_recorded_topic_gives_the_state_that_kafka_connect_had() {
    let recorded = recorded();
    let pairs: Vec<_> =
        recorded.iter().map(|record| (record.key.as_str(), record.value.as_deref())).collect();
    // Up to where `snk` and `src` were resumed.
    let state = replay(pairs[..60].iter().copied());
    let snapshot = state.snapshot();
    assert_eq!(snapshot.offset, 60);
    let shown: Vec<_> = snapshot
        .connectors
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.target, entry.tasks.as_ref().map(Vec::len)))
        .collect();
    let (started, paused, stopped) = (TargetState::Started, TargetState::Paused, TargetState::Stopped);
    assert_eq!(
        shown,
        [
            ("new", started, Some(1)),
            ("paused", paused, None),
            ("sl/ash", started, Some(1)),
            ("snk", started, Some(1)),
            ("src", started, Some(1)),
            ("stopped", stopped, None),
        ]
    );
    let src = entry(&state, "src").unwrap();
    assert_eq!(src.applied_config.as_ref(), Some(&src.config));
    assert_eq!(src.config.get("topic").map(String::as_str), Some("gold-t"));

    // Everything was deleted except for a connector whose name the client could not write.
    let names: Vec<_> = replay(pairs).snapshot().connectors.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["sl/ash"]);
}

#[test]
fn keys_are_told_apart() {
    for (key, expected) in [
        ("task-a-b-0", Key::Task("a-b", 0)),
        ("task-a", Key::Unknown),
        ("task-a-x", Key::Unknown),
        ("tasks-fencing-a", Key::Fencing("a")),
        ("commit-task-a-0", Key::Commit("task-a-0")),
        ("connector-connector-", Key::Connector("connector-")),
        ("restart-connector-x", Key::Restart("x")),
        ("target-state-é", Key::Target("é")),
        ("session-key", Key::Other),
        ("session-keys", Key::Unknown),
    ] {
        assert_eq!(Key::parse(key), expected, "{key}");
    }
}

#[test]
fn a_commit_puts_staged_tasks_in_force() {
    let mut state = replay([("connector-a", Some(A1))]);
    assert_eq!(entry(&state, "a").unwrap().tasks, None);
    assert_eq!(live(&mut state, "task-a-0", Some(T0)), []);
    assert_eq!(live(&mut state, "task-a-1", Some(T1)), []);
    assert_eq!(entry(&state, "a").unwrap().tasks, None);
    assert_eq!(live(&mut state, "commit-a", Some(COMMIT2)), [ConfigEvent::Tasks("a".into())]);
    assert_eq!(entry(&state, "a").unwrap().tasks, Some(vec![config(T0), config(T1)]));
    assert_eq!(entry(&state, "a").unwrap().applied_config, Some(config(A1)));

    // A smaller set; the larger one's leftovers do not come back with a later commit.
    live(&mut state, "task-a-0", Some(NEW));
    live(&mut state, "commit-a", Some(COMMIT1));
    assert_eq!(entry(&state, "a").unwrap().tasks, Some(vec![config(NEW)]));
    assert_eq!(live(&mut state, "commit-a", Some(r#"{"tasks":0}"#)), [ConfigEvent::Tasks("a".into())]);
    assert_eq!(entry(&state, "a").unwrap().tasks, Some(vec![]));
}

#[test]
fn an_incomplete_set_is_no_set_until_the_next_commit() {
    let mut state = replay([("connector-a", Some(A1)), ("task-a-0", Some(T0)), ("commit-a", Some(COMMIT1))]);
    live(&mut state, "task-a-1", Some(T1));
    assert_eq!(live(&mut state, "commit-a", Some(COMMIT2)), [ConfigEvent::Tasks("a".into())]);
    assert_eq!(entry(&state, "a").unwrap().tasks, None);
    // What was staged for it is gone.
    live(&mut state, "task-a-0", Some(NEW));
    live(&mut state, "commit-a", Some(COMMIT2));
    assert_eq!(entry(&state, "a").unwrap().tasks, None);
    live(&mut state, "task-a-0", Some(NEW));
    live(&mut state, "task-a-1", Some(T1));
    live(&mut state, "commit-a", Some(COMMIT2));
    assert_eq!(entry(&state, "a").unwrap().tasks, Some(vec![config(NEW), config(T1)]));
}

#[test]
fn compaction_that_removed_older_tasks_leaves_no_set() {
    // The leader wrote new tasks and died before its commit: the old task is gone from the log.
    let state = replay([("connector-a", Some(A1)), ("commit-a", Some(COMMIT1)), ("task-a-0", Some(NEW))]);
    assert_eq!(entry(&state, "a").unwrap().tasks, None);
    // The old commit lost one of its tasks, the next one is whole.
    let state = replay([
        ("connector-a", Some(A1)),
        ("task-a-0", Some(T0)),
        ("commit-a", Some(COMMIT2)),
        ("task-a-1", Some(T1)),
        ("task-a-0", Some(NEW)),
        ("commit-a", Some(COMMIT2)),
    ]);
    assert_eq!(entry(&state, "a").unwrap().tasks, Some(vec![config(NEW), config(T1)]));
}

#[test]
fn each_publication_of_tasks_makes_fencing_due_until_their_number_is_on_record() {
    let count = |n: u32| format!("{{\"task-count\":{n}}}");
    let fencing = |state: &State| {
        let known = entry(state, "a").unwrap().fencing;
        (known.n_tasks, known.is_due)
    };
    assert_eq!(dto::task_count(2), count(2).as_bytes());
    let mut state = replay([("connector-a", Some(A1)), ("task-a-0", Some(T0)), ("commit-a", Some(COMMIT1))]);
    assert_eq!(fencing(&state), (None, true));
    assert_eq!(live(&mut state, "tasks-fencing-a", Some(&count(1))), []);
    assert_eq!(fencing(&state), (Some(1), false));
    live(&mut state, "task-a-0", Some(NEW));
    live(&mut state, "commit-a", Some(COMMIT1));
    assert_eq!(fencing(&state), (Some(1), true));
    // Producers of a deleted connector may still write when there is another one of its name.
    live(&mut state, "connector-a", None);
    live(&mut state, "connector-a", Some(A2));
    assert_eq!(fencing(&state), (Some(1), true));
}

#[test]
fn tasks_of_a_deleted_connector_stay_dead() {
    // Configuration and tombstone were compacted away, tasks and commit were not.
    let mut state = replay([("task-a-0", Some(T0)), ("commit-a", Some(COMMIT1))]);
    assert_eq!(state.snapshot().connectors.len(), 0);
    // A connector of the same name starts without them.
    live(&mut state, "connector-a", Some(A1));
    assert_eq!(entry(&state, "a").unwrap().tasks, None);
    // Its removal cleans up what the first one left.
    assert_eq!(state.leftovers(&"a".into()), ([0].into(), true));

    // A commit that comes after the deletion, while we watch.
    let mut state = replay([("connector-a", Some(A1)), ("task-a-0", Some(T0)), ("commit-a", Some(COMMIT1))]);
    assert_eq!(live(&mut state, "connector-a", None), [ConfigEvent::Removed("a".into())]);
    live(&mut state, "task-a-0", Some(T0));
    assert_eq!(live(&mut state, "commit-a", Some(COMMIT1)), []);
    live(&mut state, "connector-a", Some(A2));
    assert_eq!(entry(&state, "a").unwrap().tasks, None);
}

#[test]
fn tasks_before_their_connector_are_used_but_have_to_be_made_again() {
    // The configuration was written again with no commit after it; compaction removed the first one.
    let state = replay([("task-a-0", Some(T0)), ("commit-a", Some(COMMIT1)), ("connector-a", Some(A2))]);
    let a = entry(&state, "a").unwrap();
    assert_eq!((a.tasks, a.applied_config), (Some(vec![config(T0)]), None));

    // Without compaction the difference shows.
    let state = replay([
        ("connector-a", Some(A1)),
        ("task-a-0", Some(T0)),
        ("commit-a", Some(COMMIT1)),
        ("connector-a", Some(A2)),
    ]);
    let a = entry(&state, "a").unwrap();
    assert_eq!((a.tasks, a.applied_config), (Some(vec![config(T0)]), Some(config(A1))));

    // A deletion in between ends the set.
    let state = replay([
        ("task-a-0", Some(T0)),
        ("commit-a", Some(COMMIT1)),
        ("connector-a", None),
        ("connector-a", Some(A2)),
    ]);
    assert_eq!(entry(&state, "a").unwrap().tasks, None);
}

#[test]
fn target_states_follow_their_own_records() {
    let stopped = r#"{"state":"PAUSED","state.v2":"STOPPED"}"#;
    // The initial state is written before the connector.
    let mut state = replay([]);
    assert_eq!(live(&mut state, "target-state-a", Some(stopped)), []);
    assert_eq!(live(&mut state, "connector-a", Some(A1)), [ConfigEvent::Connector("a".into())]);
    assert_eq!(entry(&state, "a").unwrap().target, TargetState::Stopped);
    assert_eq!(live(&mut state, "target-state-a", Some(stopped)), [], "nothing changed");
    // An old worker's record.
    let paused = r#"{"state":"PAUSED"}"#;
    assert_eq!(live(&mut state, "target-state-a", Some(paused)), [ConfigEvent::Target("a".into())]);
    assert_eq!(entry(&state, "a").unwrap().target, TargetState::Paused);
    for ignored in [r#"{"state":"DANCING"}"#, "{}", "[]", "null", "x"] {
        assert_eq!(live(&mut state, "target-state-a", Some(ignored)), [], "{ignored}");
        assert_eq!(entry(&state, "a").unwrap().target, TargetState::Paused, "{ignored}");
    }
    assert_eq!(live(&mut state, "target-state-a", None), []);
    assert_eq!(entry(&state, "a").unwrap().target, TargetState::Started);
}

#[test]
fn malformed_records_are_skipped() {
    let mut state = replay([("connector-a", Some(A1)), ("task-a-0", Some(T0)), ("commit-a", Some(COMMIT1))]);
    let before = state.snapshot().connectors.clone();
    for (key, value) in [
        ("connector-a", "{"),
        ("connector-a", r#"{"properties":[]}"#),
        ("connector-a", r#"{"properties":{"a":1}}"#),
        ("task-a-0", "{}"),
        ("commit-a", r#"{"tasks":"1"}"#),
        ("commit-a", r#"{"tasks":-1}"#),
        ("restart-connector-a", "7"),
        ("something-else", "{}"),
    ] {
        assert_eq!(live(&mut state, key, Some(value)), [], "{key} {value}");
        assert_eq!(state.snapshot().connectors, before, "{key} {value}");
    }
    assert_eq!(state.apply(&Record { offset: 99, timestamp: 0, key: b"\xff", value: None }), []);
    assert_eq!(state.snapshot().offset, 100);
    // A null in a map counts as no key.
    live(&mut state, "connector-a", Some(r#"{"properties":{"name":"a","x":null}}"#));
    assert_eq!(entry(&state, "a").unwrap().config.len(), 1);
}

#[test]
fn restarts_are_asked_for_once() {
    let ask = r#"{"include-tasks":true,"only-failed":"yes"}"#;
    let mut state = replay([("connector-a", Some(A1)), ("restart-connector-a", Some(ask))]);
    let event = ConfigEvent::Restart { name: "a".into(), include_tasks: true, only_failed: false };
    assert_eq!(live(&mut state, "restart-connector-a", Some(ask)), [event]);
    assert_eq!(live(&mut state, "restart-connector-a", None), []);
}

/// A log that keeps what was written, to be looked at, and can be told to fail.
struct Spy {
    written: StdMutex<Vec<String>>,
    log: MemoryLog,
}

#[async_trait]
impl RecordLog for Spy {
    async fn send(&self, records: Vec<KeyValue>) -> Result<(), Error> {
        let line = |(key, value): &KeyValue| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            format!("{} {}", text(key), value.as_deref().map_or("null".to_owned(), text))
        };
        self.written.lock().unwrap().extend(records.iter().map(line));
        self.log.send(records).await
    }

    async fn send_and_read(&self, records: Vec<KeyValue>) -> Result<(), Error> {
        self.send(records).await?;
        self.written.lock().unwrap().push("read back".to_owned());
        Ok(())
    }

    async fn read_to_end(&self) -> Result<(), Error> {
        self.written.lock().unwrap().push("read".to_owned());
        Ok(())
    }
}

fn spied() -> ConfigLogStore<Spy> {
    let shared = Arc::new(Shared::default());
    shared.replayed();
    let reader = Arc::clone(&shared);
    let log = MemoryLog::new(move |record| reader.read(&record));
    ConfigLogStore::over(shared, Spy { written: StdMutex::default(), log })
}

#[tokio::test]
async fn writes_come_in_the_order_that_readers_rely_on() {
    let store = spied();
    let written = || std::mem::take(&mut *store.log.written.lock().unwrap());
    let name = ConnectorName::from("a");
    store.put_connector(&name, &config(A1), Some(TargetState::Stopped)).await.unwrap();
    let state = r#"target-state-a {"state":"PAUSED","state.v2":"STOPPED"}"#;
    assert_eq!(written(), [state, &format!("connector-a {A1}"), "read back"]);
    store.put_task_configs(&name, &[config(T0), config(T1)]).await.unwrap();
    let tasks = [format!("task-a-0 {T0}"), format!("task-a-1 {T1}")];
    assert_eq!(written(), [&tasks[0], &tasks[1], "commit-a {\"tasks\":2}", "read back"]);
    store.put_task_configs(&name, &[]).await.unwrap();
    assert_eq!(written(), ["commit-a {\"tasks\":0}", "read back"]);
    // The connector's tombstone first: a reader must not see a connector without its tasks.
    store.remove_connector(&name).await.unwrap();
    let gone = ["connector-a null", "target-state-a null", "task-a-0 null", "task-a-1 null", "commit-a null"];
    assert_eq!(written()[1..6], gone);
    store.remove_connector(&name).await.unwrap();
    assert_eq!(written(), ["read", "connector-a null", "target-state-a null", "read back"]);
}

#[tokio::test]
async fn subscribers_hear_of_every_change() {
    let store = crate::MemoryConfigStore::new();
    let mut events = store.subscribe();
    let name = ConnectorName::from("a");
    store.put_connector(&name, &config(A1), None).await.unwrap();
    store.put_task_configs(&name, &[config(T0)]).await.unwrap();
    store.put_target_state(&name, TargetState::Paused).await.unwrap();
    store.put_restart(&name, true, false).await.unwrap();
    let before = store.snapshot();
    store.remove_connector(&name).await.unwrap();
    let mut heard = Vec::new();
    while let Ok(event) = events.try_recv() {
        heard.push(event);
    }
    assert_eq!(
        heard,
        [
            ConfigEvent::Connector(name.clone()),
            ConfigEvent::Tasks(name.clone()),
            ConfigEvent::Target(name.clone()),
            ConfigEvent::Restart { name: name.clone(), include_tasks: true, only_failed: false },
            ConfigEvent::Removed(name.clone()),
        ]
    );
    assert_eq!(before.connectors.get(&name).unwrap().target, TargetState::Paused);
    assert_eq!(store.snapshot().connectors.len(), 0);
    assert!(store.snapshot().offset > before.offset);
}

/// With ten thousand connectors a change must not cost ten thousand copies: no clock is needed to see that.
#[tokio::test]
async fn a_change_copies_one_connector_and_no_other() {
    let store = crate::MemoryConfigStore::new();
    let names: Vec<_> = (0..100).map(|n| ConnectorName::from(format!("c{n}").as_str())).collect();
    for name in &names {
        store.put_connector(name, &config(A1), None).await.unwrap();
    }
    let before = store.snapshot();
    store.put_target_state(&names[7], TargetState::Paused).await.unwrap();
    let after = store.snapshot();
    let is_shared = |name| Arc::ptr_eq(&before.connectors[name], &after.connectors[name]);
    let copied: Vec<_> = names.iter().filter(|name| !is_shared(*name)).collect();
    assert_eq!(copied, [&names[7]]);
    // Nobody looks on: the whole table stays where it is, too.
    drop(before);
    let table = Arc::as_ptr(&after);
    drop(after);
    store.put_target_state(&names[8], TargetState::Paused).await.unwrap();
    assert_eq!(Arc::as_ptr(&store.snapshot()), table);
}
