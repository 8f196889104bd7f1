//! The offsets topic: bytes and meaning.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;
use crate::MemoryOffsetStore;

/// A record of a topic as Kafka Connect 4.3.1 wrote it.
#[derive(Deserialize)]
struct Recorded {
    timestamp: i64,
    key: String,
    value: Option<String>,
}

fn recorded() -> Vec<Recorded> {
    include_str!("../../testdata/offsets.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn record<'a>(timestamp: i64, key: &'a str, value: Option<&'a str>) -> Record<'a> {
    Record { offset: 0, timestamp, key: key.as_bytes(), value: value.map(str::as_bytes) }
}

/// Records as texts: key and value.
fn planned(
    table: &mut Table,
    connector: &str,
    offsets: &[(&str, Option<&str>)],
) -> Vec<(String, Option<String>)> {
    let offsets: Vec<_> = offsets.iter().map(|(p, o)| ((*p).to_owned(), o.map(str::to_owned))).collect();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let records = table.plan(connector, &offsets).unwrap();
    records.into_iter().map(|(key, value)| (text(key), value.map(text))).collect()
}

#[test]
fn keys_and_values_are_written_as_kafka_connect_writes_them() {
    let mut n_checked = 0;
    for Recorded { key, value, .. } in recorded() {
        let (connector, partition): (String, Value) = serde_json::from_str(&key).unwrap();
        let Some(value) = value else { continue };
        let mut table = Table::default();
        let records = planned(&mut table, &connector, &[(&partition.to_string(), Some(&value))]);
        assert_eq!(records, [(key, Some(value))]);
        n_checked += 1;
    }
    assert_eq!(n_checked, 12);
}

#[test]
fn a_recorded_topic_gives_the_offsets_that_kafka_connect_had() {
    let mut table = Table::default();
    for Recorded { timestamp, key, value } in recorded() {
        table.apply(&record(timestamp, &key, value.as_deref()));
    }
    let pair = |partition: &str, offset: &str| (partition.to_owned(), offset.to_owned());
    assert_eq!(
        table.list("src"),
        [pair(r#"{"filename":"/tmp/lab/kafka/run/gold-data/in.txt"}"#, r#"{"position":14}"#)]
    );
    let partition = r#" { "filename" : "/tmp/lab/kafka/run/gold-data/in.txt" } "#.to_owned();
    assert_eq!(
        table.get("sp ace", std::slice::from_ref(&partition)).unwrap(),
        [Some(r#"{"position":14}"#.to_owned())]
    );
    assert_eq!(table.get("other", &[partition]).unwrap(), [None]);
}

#[test]
fn an_update_reuses_the_key_that_is_there() {
    let mut table = Table::default();
    table.apply(&record(1, r#"["c",{"b":1,"a":2}]"#, Some(r#"{"n":1}"#)));
    let records = planned(&mut table, "c", &[(r#"{"a":2,"b":1}"#, Some(r#"{"n":2}"#))]);
    assert_eq!(records, [(r#"["c",{"b":1,"a":2}]"#.to_owned(), Some(r#"{"n":2}"#.to_owned()))]);
    let records = planned(&mut table, "c", &[(r#"{"a":2,"b":1}"#, None)]);
    assert_eq!(records, [(r#"["c",{"b":1,"a":2}]"#.to_owned(), None)]);
    assert!(planned(&mut table, "c", &[(r#"{"a":3}"#, None)]).is_empty(), "nothing to forget");
}

#[test]
fn of_two_spellings_the_later_one_counts_and_the_other_one_goes() {
    let (older, newer) = (r#"["c",{"b":1,"a":2}]"#, r#"["c",{"a":2,"b":1}]"#);
    // They lie in different partitions of the topic, so they may be read in any order.
    for order in [[(older, 1), (newer, 2)], [(newer, 2), (older, 1)]] {
        let mut table = Table::default();
        for (key, n) in order {
            table.apply(&record(n, key, Some(&format!(r#"{{"n":{n}}}"#))));
        }
        let partition = r#"{"a":2,"b":1}"#;
        assert_eq!(table.get("c", &[partition.to_owned()]).unwrap(), [Some(r#"{"n":2}"#.to_owned())]);
        assert_eq!(table.list("c").len(), 1);
        let update = planned(&mut table, "c", &[(partition, Some("{}"))]);
        assert_eq!(update, [(newer.to_owned(), Some("{}".to_owned())), (older.to_owned(), None)]);
        let reset = planned(&mut table, "c", &[(partition, None)]);
        assert_eq!(reset, [(older.to_owned(), None), (newer.to_owned(), None)]);
    }
}

#[test]
fn two_writes_of_a_new_partition_agree_on_its_key() {
    let mut table = Table::default();
    let first = planned(&mut table, "c", &[(r#"{"a":1,"b":2}"#, Some("{}"))]);
    let second = planned(&mut table, "c", &[(r#"{"b":2,"a":1}"#, Some("{}"))]);
    assert_eq!(first, second);
    assert!(table.list("c").is_empty(), "nothing was read back yet");
}

#[test]
fn numbers_are_compared_by_value_and_kept_as_written() {
    for (a, b, equal) in [
        ("1.0E10", "10000000000.0", true),
        ("1.50", "1.5", true),
        ("1", "1.0", false),
        ("9007199254740993", "9007199254740992", false),
        (r#""\u00e9""#, r#""é""#, true),
    ] {
        let [a, b] = [a, b].map(|value| json(&format!(r#"{{"a": {value}}}"#)));
        assert_eq!(a.canonical == b.canonical, equal, "{} {}", a.text, b.text);
    }
    let text = r#"{"a\" b":0.1000000000000000055511151231257827,"c":"x  \\"}"#;
    assert_eq!(json(&text.replace(':', " : ").replace(',', " ,\n")).text, text);
}

#[test]
fn of_a_partition_that_is_named_twice_the_last_offset_counts() {
    let offsets = [(r#"{"a":1,"b":2}"#, Some(r#"{"n":1}"#)), (r#"{"b":2,"a":1}"#, Some(r#"{"n":2}"#))];
    let records = planned(&mut Table::default(), "c", &offsets);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].1.as_deref(), Some(r#"{"n":2}"#));
}

#[test]
fn malformed_records_are_skipped() {
    let mut table = Table::default();
    for (key, value) in [
        ("x", "{}"),
        (r#"["c"]"#, "{}"),
        (r#"["c",{},1]"#, "{}"),
        (r#"["c",1]"#, "{}"),
        (r#"[1,{}]"#, "{}"),
        (r#"["c",{"a":1}]"#, "7"),
        (r#"["c",{"a":1}]"#, "{"),
        (r#"["c",null]"#, r#"{"n":1}"#),
    ] {
        table.apply(&record(0, key, Some(value)));
    }
    assert!(table.list("c").is_empty(), "a null partition is not listed");
    assert_eq!(table.get("c", &["null".to_owned()]).unwrap(), [Some(r#"{"n":1}"#.to_owned())]);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_by_name() {
    let store = MemoryOffsetStore::new();
    for (partition, offset, text) in [
        ("[1]", "{}", "the source partition [1] of connector c cannot be kept: it is no JSON object"),
        ("{}", "7", "the source offset 7 of connector c cannot be kept: it is no JSON object"),
        (
            r#"{"a":{}}"#,
            "{}",
            r#"the source partition {"a":{}} of connector c cannot be kept: it may only contain primitive values, but field a is none"#,
        ),
    ] {
        let error = store.set("c", vec![(partition.to_owned(), Some(offset.to_owned()))]).await.unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    assert!(store.get("c", &["{".to_owned()]).await.is_err());
    assert!(store.list("c").await.unwrap().is_empty());
}

/// Primitive JSON values, as Java's converters write them.
fn primitive() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6f64).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ]
}

/// An object and the same fields in another order.
fn shuffled() -> impl Strategy<Value = (Map<String, Value>, Map<String, Value>)> {
    let fields = proptest::collection::hash_map(".{0,6}", primitive(), 0..6);
    fields
        .prop_map(|fields| fields.into_iter().collect::<Vec<_>>())
        .prop_flat_map(|fields| (Just(fields.clone()), Just(fields).prop_shuffle()))
        .prop_map(|(a, b)| (a.into_iter().collect(), b.into_iter().collect()))
}

fn json(text: &str) -> json::Json {
    json::parse("c", "partition", text).unwrap()
}

proptest! {
    #[test]
    fn the_order_of_fields_does_not_count((a, b) in shuffled()) {
        let (a, b) = (Value::from(a), Value::from(b));
        prop_assert_eq!(json(&a.to_string()).canonical, json(&b.to_string()).canonical);
        // Nor does white space, which is all that is lost.
        let pretty = serde_json::to_string_pretty(&b).unwrap();
        prop_assert_eq!(json(&pretty), json(&b.to_string()));
        prop_assert_eq!(json(&pretty).text, b.to_string());
    }

    #[test]
    fn different_partitions_stay_different((a, _) in shuffled(), (b, _) in shuffled()) {
        let (a, b) = (Value::from(a), Value::from(b));
        prop_assert_eq!(json(&a.to_string()).canonical == json(&b.to_string()).canonical, a == b);
    }

    #[test]
    fn an_offset_that_was_set_is_found_by_any_spelling((a, b) in shuffled(), n in any::<i64>()) {
        let mut table = Table::default();
        let offset = format!("{{\"n\":{n}}}");
        for (key, value) in planned(&mut table, "c", &[(&Value::from(a).to_string(), Some(&offset))]) {
            table.apply(&record(1, &key, value.as_deref()));
        }
        prop_assert_eq!(table.get("c", &[Value::from(b).to_string()]).unwrap(), [Some(offset)]);
        prop_assert_eq!(table.list("c").len(), 1);
    }
}
