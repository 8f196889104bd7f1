//! The source as the worker drives it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Write;
use std::time::Duration;

use cofferdam_sdk::config::Pairs;
use cofferdam_sdk::frame::Frame;
use cofferdam_sdk::guest::Instance;
use cofferdam_sdk::{Kind, json, schemas, testing};

use crate::PLUGINS;

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn start(file: &str, more: &[(&str, &str)]) -> Instance {
    let mut instance = Instance::new(PLUGINS);
    let mut config = pairs(&[("file", file), ("topic", "lines")]);
    config.extend(pairs(more));
    instance.start_source("org.apache.kafka.connect.file.FileStreamSourceConnector", config).unwrap();
    instance
}

/// Values and offsets of the next batch.
fn poll(instance: &mut Instance) -> Vec<(String, String)> {
    let bytes = instance.poll(1000, 1 << 20, Duration::ZERO).unwrap();
    let frame = Frame::parse(&bytes).unwrap();
    frame
        .iter()
        .map(|record| {
            assert_eq!(record.topic(), "lines");
            assert_eq!(record.key(), None);
            assert_eq!(record.entry.key_schema, 0);
            assert!(record.entry.timestamp.is_some());
            assert_eq!(schemas::get(record.entry.value_schema).unwrap().kind, Kind::String);
            assert!(!schemas::get(record.entry.value_schema).unwrap().optional);
            let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
            (value, record.source_offset().unwrap().to_owned())
        })
        .collect()
}

fn expected(lines: &[(&str, u64)]) -> Vec<(String, String)> {
    lines
        .iter()
        .map(|(line, position)| ((*line).to_owned(), format!("{{\"position\":{position}}}")))
        .collect()
}

#[test]
fn lines_come_with_partition_and_position() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all("one\ntwö\nhalf".as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let mut instance = start(&path, &[]);
    let bytes = instance.poll(1000, 1 << 20, Duration::ZERO).unwrap();
    let frame = Frame::parse(&bytes).unwrap();
    assert_eq!(frame.get(1).unwrap().source_partition().unwrap(), format!("{{\"filename\":\"{path}\"}}"));
    assert_eq!(frame.get(1).unwrap().source_offset(), Some("{\"position\":9}"));
    assert_eq!(frame.len(), 2);
    file.write_all(b" way\n").unwrap();
    assert_eq!(poll(&mut instance), expected(&[("half way", 18)]));
    assert!(instance.poll(1000, 1 << 20, Duration::ZERO).unwrap().is_empty());
}

#[test]
fn what_is_not_utf8_is_replaced_and_the_position_counts_bytes() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"ok\nbad \xff\xc3 byte\nok again\n").unwrap();
    let mut instance = start(file.path().to_str().unwrap(), &[]);
    assert_eq!(
        poll(&mut instance),
        expected(&[("ok", 3), ("bad \u{fffd}\u{fffd} byte", 15), ("ok again", 24)])
    );
}

#[test]
fn batch_size_bounds_a_poll() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"1\n2\n3\n4\n5\n").unwrap();
    let mut instance = start(file.path().to_str().unwrap(), &[("batch.size", "2")]);
    assert_eq!(poll(&mut instance).len(), 2);
    assert_eq!(poll(&mut instance), expected(&[("3", 6), ("4", 8)]));
    assert_eq!(poll(&mut instance).len(), 1);
}

#[test]
fn a_task_goes_on_where_the_stored_offset_says() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"1\n2\n3\n").unwrap();
    let path = file.path().to_str().unwrap();
    let partition = json::object_of_text("filename", path);
    testing::store_offset(&partition, "{\"position\": 4}");
    assert_eq!(poll(&mut start(path, &[])), expected(&[("3", 6)]));
    testing::store_offset(&partition, "{\"position\":null}");
    assert_eq!(poll(&mut start(path, &[])).len(), 3);
    testing::store_offset(&partition, "{\"position\":\"4\"}");
    let error = Instance::new(PLUGINS)
        .start_source("FileStreamSource", pairs(&[("file", path), ("topic", "lines")]))
        .unwrap_err();
    assert_eq!(error.to_string(), "Offset position is the incorrect type");
}

#[test]
fn the_last_line_of_a_cut_file_starts_the_next_one() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"one\nhalf").unwrap();
    let mut instance = start(file.path().to_str().unwrap(), &[]);
    assert_eq!(poll(&mut instance).len(), 1);
    std::fs::write(file.path(), "1\n").unwrap();
    assert_eq!(poll(&mut instance), expected(&[("half", 0), ("1", 2)]));
}

#[test]
fn one_task_with_the_configuration_of_the_connector() {
    let mut instance = Instance::new(PLUGINS);
    let config = pairs(&[("file", "/in"), ("topic", "t"), ("name", "n")]);
    instance.start_connector("FileStreamSourceConnector", config.clone()).unwrap();
    assert_eq!(instance.task_configs(4).unwrap(), [config]);
}

#[test]
fn a_file_must_be_named() {
    let instance = Instance::new(PLUGINS);
    for class in ["FileStreamSource", "FileStreamSink"] {
        for config in [pairs(&[("topic", "t")]), pairs(&[("topic", "t"), ("file", " ")])] {
            let problems = instance.validate(class, config);
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].key, "file");
            assert!(
                problems[0].message.starts_with("Invalid value null for configuration file: Without a file")
            );
        }
        assert!(instance.validate(class, pairs(&[("file", "/in")])).is_empty());
    }
}
