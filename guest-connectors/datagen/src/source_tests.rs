//! The source as the worker drives it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use cofferdam_sdk::frame::{Frame, text};
use cofferdam_sdk::guest::Instance;
use cofferdam_sdk::{json, rows, schemas, testing};

use crate::PLUGINS;

fn start(pairs: &[(&str, &str)]) -> Instance {
    let mut config = vec![("topic".to_owned(), "t".to_owned())];
    config.extend(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
    let mut instance = Instance::new(PLUGINS);
    instance.start_source("DatagenSource", config).unwrap();
    instance
}

/// Key and value of each record up to the end, as text, with its source offset.
fn all(instance: &mut Instance, max_records: u32) -> Vec<(i64, String, String)> {
    let mut records = Vec::new();
    loop {
        let bytes = instance.poll(max_records, 1 << 20, Duration::ZERO).unwrap();
        if bytes.is_empty() {
            return records;
        }
        for record in Frame::parse(&bytes).unwrap().iter() {
            let value = text::to_text(&schemas::get, record.entry.value_schema, record.value()).unwrap();
            let key = rows::int(record.key().unwrap()).unwrap();
            records.push((key, value, record.source_offset().unwrap().to_owned()));
        }
    }
}

#[test]
fn a_seed_gives_the_same_records_whatever_the_batches() {
    for template in ["orders", "users", "clicks"] {
        let one = all(&mut start(&[("template", template), ("count", "300"), ("seed", "7")]), 1000);
        let other = all(&mut start(&[("template", template), ("count", "300"), ("seed", "7")]), 17);
        assert_eq!(one.len(), 300);
        assert_eq!(one, other);
        let third = all(&mut start(&[("template", template), ("count", "300"), ("seed", "8")]), 1000);
        assert_ne!(one, third);
        assert_eq!(one[299].2, "{\"n\":300}");
    }
}

#[test]
fn values_fit_their_schemas() {
    let order = &all(&mut start(&[("count", "1")]), 1)[0].1;
    assert!(
        order.starts_with("Struct{id=0,created_at=") && order.contains("address=Struct{street="),
        "{order}"
    );
    let user = &all(&mut start(&[("count", "1"), ("template", "users")]), 1)[0].1;
    assert!(user.contains("0@example.com"), "{user}");
    let click = &all(&mut start(&[("count", "1"), ("template", "clicks")]), 1)[0].1;
    assert!(click.contains("client=Struct{ip=203.0.113."), "{click}");
}

#[test]
fn tasks_share_the_sequence() {
    let whole = all(&mut start(&[("count", "100")]), 1000);
    let mut connector = Instance::new(PLUGINS);
    let pairs = vec![("topic".to_owned(), "t".to_owned()), ("count".to_owned(), "100".to_owned())];
    connector.start_connector("DatagenSource", pairs).unwrap();
    let mut shared = Vec::new();
    for config in connector.task_configs(3).unwrap() {
        let mut task = Instance::new(PLUGINS);
        task.start_source("DatagenSource", config).unwrap();
        shared.extend(all(&mut task, 10));
    }
    shared.sort();
    let values = |records: &[(i64, String, String)]| -> Vec<(i64, String)> {
        records.iter().map(|(key, value, _)| (*key, value.clone())).collect()
    };
    assert_eq!(values(&shared), values(&whole));
}

#[test]
fn a_task_goes_on_exactly_where_it_stopped() {
    let whole = all(&mut start(&[("count", "50")]), 1000);
    testing::store_offset(&json::object_of_int("task", 0), &whole[19].2);
    assert_eq!(all(&mut start(&[("count", "50")]), 1000), whole[20..]);
    // With another number of tasks: the first of this task's records that was not made before.
    testing::store_offset("{\"task\":1}", "{\"n\":20}");
    let rest = all(&mut start(&[("count", "50"), ("datagen.task", "1"), ("datagen.tasks", "4")]), 1000);
    assert_eq!(rest[0].0, 21);
}

#[test]
fn a_rate_is_kept() {
    let mut instance = start(&[("rate", "1")]);
    assert!(
        instance.poll(1000, 1 << 20, Duration::ZERO).unwrap().is_empty(),
        "the first comes after a second"
    );
}

#[test]
fn a_rate_must_be_a_number() {
    let config = vec![("topic".to_owned(), "t".to_owned()), ("rate".to_owned(), "inf".to_owned())];
    assert_eq!(Instance::new(PLUGINS).validate("DatagenSource", config).len(), 1);
}
