//! What they have to do: connectors with the same configuration for all.

use serde_json::{Value, json};

use crate::data::Form;

/// Which way records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a file into a topic.
    Source,
    /// From a topic into a file.
    Sink,
}

/// A task for every contestant.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it is asked for by.
    pub name: &'static str,
    /// What is done.
    pub about: &'static str,
    pub(crate) way: Way,
    pub(crate) exactly_once: bool,
    /// What a sink finds in its topic.
    pub(crate) form: Form,
    /// Whether a source's records are others than those that were given.
    pub(crate) changes_records: bool,
    /// Whether a program without any worker can do the same.
    pub(crate) has_bare: bool,
    more: fn() -> Value,
}

impl Case {
    /// The configuration of a connector with this name.
    pub(crate) fn config(&self, name: &str, file: &str, topic: &str) -> Value {
        let mut config = match self.way {
            Way::Source => json!({
                "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
                "topic": topic,
                "batch.size": "2000",
            }),
            Way::Sink => json!({
                "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                "topics": topic,
            }),
        };
        if let (Some(config), Value::Object(more)) = (config.as_object_mut(), (self.more)()) {
            config.insert("file".to_owned(), file.into());
            config.insert("tasks.max".to_owned(), "1".into());
            config.extend(more);
            if config.contains_key("errors.tolerance") {
                config.insert("errors.deadletterqueue.topic.name".to_owned(), self.dead_letters(name).into());
            }
        }
        config
    }

    /// Where the dead letters of a connector with this name go.
    pub(crate) fn dead_letters(&self, name: &str) -> String {
        _ = self;
        format!("{name}-dead")
    }
}

/// All of them.
#[must_use]
pub fn cases() -> &'static [Case] {
    const CASES: &[Case] = &[
        Case {
            name: "a",
            about: "FileStreamSource to a topic, String",
            way: Way::Source,
            exactly_once: false,
            form: Form::Text,
            changes_records: false,
            has_bare: true,
            more: || json!({}),
        },
        Case {
            name: "b",
            about: "a topic to FileStreamSink, String",
            way: Way::Sink,
            exactly_once: false,
            form: Form::Text,
            changes_records: false,
            has_bare: true,
            more: || json!({}),
        },
        Case {
            name: "c",
            about: "source, HoistField, InsertField, ReplaceField, JSON without schemas",
            way: Way::Source,
            exactly_once: false,
            form: Form::Text,
            changes_records: true,
            has_bare: false,
            more: || {
                json!({
                    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
                    "value.converter.schemas.enable": "false",
                    "transforms": "hoist,insert,replace",
                    "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
                    "transforms.hoist.field": "line",
                    "transforms.insert.type": "org.apache.kafka.connect.transforms.InsertField$Value",
                    "transforms.insert.static.field": "site",
                    "transforms.insert.static.value": "berlin",
                    "transforms.replace.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
                    "transforms.replace.renames": "line:text",
                })
            },
        },
        Case {
            name: "d",
            about: "sink, JSON with schemas, InsertField with a predicate, ReplaceField, ExtractField",
            way: Way::Sink,
            exactly_once: false,
            form: Form::JsonWithSchema,
            changes_records: false,
            has_bare: false,
            more: || {
                json!({
                    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
                    "value.converter.schemas.enable": "true",
                    "transforms": "insert,replace,extract",
                    "transforms.insert.type": "org.apache.kafka.connect.transforms.InsertField$Value",
                    "transforms.insert.static.field": "site",
                    "transforms.insert.static.value": "berlin",
                    "transforms.insert.predicate": "mine",
                    "transforms.replace.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
                    "transforms.replace.exclude": "number",
                    "transforms.extract.type": "org.apache.kafka.connect.transforms.ExtractField$Value",
                    "transforms.extract.field": "text",
                    "predicates": "mine",
                    "predicates.mine.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
                    "predicates.mine.pattern": "bench.*",
                })
            },
        },
        Case {
            name: "e",
            about: "sink, errors.tolerance=all, 1 % bad records into a dead letter queue",
            way: Way::Sink,
            exactly_once: false,
            form: Form::JsonOneInAHundredBad,
            changes_records: false,
            has_bare: false,
            more: || {
                json!({
                    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
                    "value.converter.schemas.enable": "false",
                    "transforms": "extract",
                    "transforms.extract.type": "org.apache.kafka.connect.transforms.ExtractField$Value",
                    "transforms.extract.field": "text",
                    "errors.tolerance": "all",
                    "errors.deadletterqueue.topic.replication.factor": "1",
                    "errors.deadletterqueue.context.headers.enable": "true",
                })
            },
        },
        Case {
            name: "f",
            about: "exactly-once FileStreamSource to a topic, String",
            way: Way::Source,
            exactly_once: true,
            form: Form::Text,
            changes_records: false,
            has_bare: false,
            more: || json!({}),
        },
    ];
    CASES
}
