//! Chains of transforms: what is sent back, what is kept, and who is blamed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use cofferdam_frame::{Entry, Flags, Position};

use super::*;
use crate::guest::{ConditionSpec, Instance, Offer, StepSpec};
use crate::{ConfigDef, Key, Part, schemas};

/// Does what its key `do` says.
struct Step1(String);

impl Transform for Step1 {
    fn info() -> PluginInfo {
        PluginInfo::transform("Does").config(ConfigDef::new().key(Key::string("do")))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self(config.string("do")?.to_owned()))
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let text = schemas::string()?;
        match self.0.as_str() {
            "nothing" => {}
            "topic" => {
                let topic = format!("{}-x", record.topic());
                record.set_topic(&topic);
            }
            "upper" => record.rewrite(Part::Value, |old, out| {
                out.extend(old.value().unwrap_or_default().iter().map(u8::to_ascii_uppercase));
                Ok(text)
            })?,
            "twice" => record.rewrite(Part::Value, |old, out| {
                out.extend_from_slice(&old.value().unwrap_or_default().repeat(2));
                Ok(old.value_schema())
            })?,
            "key from value" => record.rewrite(Part::Key, |old, out| {
                out.extend_from_slice(old.value().unwrap_or_default());
                Ok(old.value_schema())
            })?,
            "null" => record.set(Part::Value, 0, None),
            "schema" => record.set_schema(Part::Value, schemas::optional(crate::Kind::String)?),
            "header" => record.add_header("added", text, Some(b"h")),
            "unheader" => record.remove_headers("a"),
            "fail" => record.rewrite(Part::Value, |_, out| {
                out.extend_from_slice(b"half");
                Err(Error::bad_record("cannot"))
            })?,
            "fatal" => return Err(Error::fatal("broken")),
            "drop" => return Ok(Flow::Drop),
            other => panic!("{other}"),
        }
        Ok(Flow::Keep)
    }
}

/// Whether the value starts with its key `with`.
struct Starts(String);

impl Predicate for Starts {
    fn info() -> PluginInfo {
        PluginInfo::predicate("Starts").config(ConfigDef::new().key(Key::string("with")))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self(config.string("with")?.to_owned()))
    }

    fn test(&mut self, record: &Record<'_>) -> Result<bool> {
        match record.value() {
            None => Err(Error::bad_record("no value")),
            Some(value) => Ok(value.starts_with(self.0.as_bytes())),
        }
    }
}

static PLUGINS: &[Offer] = &[Offer::transform::<Step1>(), Offer::predicate::<Starts>()];

fn pair(key: &str, value: &str) -> Vec<(String, String)> {
    vec![(key.to_owned(), value.to_owned())]
}

/// Steps as `what` or `what if start` or `what unless start`.
fn chain(steps: &[&str]) -> Instance {
    let steps = steps
        .iter()
        .map(|step| {
            let (what, condition) = match (step.split_once(" if "), step.split_once(" unless ")) {
                (Some((what, with)), _) => (what, Some((with, false))),
                (_, Some((what, with))) => (what, Some((with, true))),
                _ => (*step, None),
            };
            StepSpec {
                class: "Does".to_owned(),
                config: pair("do", what),
                condition: condition.map(|(with, negate)| ConditionSpec {
                    class: "Starts".to_owned(),
                    config: pair("with", with),
                    negate,
                }),
            }
        })
        .collect();
    let mut instance = Instance::new(PLUGINS);
    instance.configure_chain(steps).unwrap();
    instance
}

fn batch(values: &[Option<&str>]) -> Vec<u8> {
    let text = schemas::string().unwrap();
    let mut builder = Builder::default();
    let topic = builder.topic("t").unwrap();
    for (index, value) in values.iter().enumerate() {
        let mut entry = Entry {
            value: builder.put_option(value.map(str::as_bytes)),
            value_schema: text,
            key: builder.put(b"k"),
            key_schema: text,
            partition: Some(3),
            timestamp: Some(1000),
            position: Position::Kafka(index as i64),
            n_headers: 2,
            ..Entry::new(topic)
        };
        builder.header(&mut entry.headers, "a", text, Some(b"1"));
        builder.header(&mut entry.headers, "b", 0, None);
        builder.push(&entry);
    }
    builder.finish()
}

/// One line a record: `src topic key value headers`, `=` for what is kept; then the bad ones.
fn run(steps: &[&str], values: &[Option<&str>]) -> Vec<String> {
    let (bytes, bad) = chain(steps).apply(&batch(values)).unwrap();
    let frame = Frame::parse(&bytes).unwrap();
    let text = |bytes: Option<&[u8]>| {
        bytes.map_or("null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let mut lines: Vec<String> = frame
        .iter()
        .map(|record| {
            let flags = record.entry.flags;
            let part = |keep, bytes| if flags.has(keep) { "=".to_owned() } else { text(bytes) };
            let mut headers = if flags.has(Flags::KEEP_HEADERS) { "=".to_owned() } else { String::new() };
            for header in record.headers() {
                headers += &format!(" {}:{}", header.key, text(header.value));
            }
            assert_eq!((record.entry.partition, record.entry.timestamp), (Some(3), Some(1000)));
            format!(
                "{} {} {} {} [{}]",
                record.entry.src.unwrap(),
                record.topic(),
                part(Flags::KEEP_KEY, record.key()),
                part(Flags::KEEP_VALUE, record.value()),
                headers.trim()
            )
        })
        .collect();
    lines.extend(bad.into_iter().map(|bad| format!("bad {} at {}: {}", bad.index, bad.step, bad.message)));
    lines
}

#[test]
fn what_is_not_touched_is_not_sent_back() {
    assert_eq!(run(&["nothing"], &[Some("v")]), ["0 t = = [=]"]);
    assert_eq!(run(&["topic", "topic"], &[Some("v"), None]), ["0 t-x-x = = [=]", "1 t-x-x = = [=]"]);
    let (bytes, _) = chain(&["topic"]).apply(&batch(&[Some(&"long".repeat(1000))])).unwrap();
    assert!(bytes.len() < 200, "{} bytes", bytes.len());
}

#[test]
fn each_step_sees_what_the_one_before_left() {
    assert_eq!(run(&["upper", "twice", "key from value"], &[Some("ab")]), ["0 t ABAB ABAB [=]"]);
    assert_eq!(run(&["upper", "null"], &[Some("ab")]), ["0 t = null [=]"]);
    assert_eq!(run(&["key from value", "upper"], &[Some("ab"), Some("c")]), ["0 t ab AB [=]", "1 t c C [=]"]);
}

#[test]
fn a_value_under_another_schema_is_sent() {
    assert_eq!(run(&["schema"], &[Some("v")]), ["0 t = v [=]"]);
}

#[test]
fn headers_are_added_and_removed() {
    assert_eq!(run(&["header"], &[Some("v")]), ["0 t = = [= added:h]"]);
    assert_eq!(run(&["unheader"], &[Some("v")]), ["0 t = = [b:null]"]);
    assert_eq!(run(&["header", "unheader", "header"], &[Some("v")]), ["0 t = = [b:null added:h added:h]"]);
}

#[test]
fn conditions_are_asked_for_each_record() {
    assert_eq!(run(&["upper if a"], &[Some("ab"), Some("ba")]), ["0 t = AB [=]", "1 t = = [=]"]);
    assert_eq!(run(&["drop unless a", "upper"], &[Some("ab"), Some("ba")]), ["0 t = AB [=]"]);
    // The predicate sees the record as the steps before left it.
    assert_eq!(run(&["upper", "twice if A"], &[Some("a")]), ["0 t = AA [=]"]);
}

#[test]
fn a_bad_record_names_its_step_and_is_left_out() {
    assert_eq!(
        run(&["upper", "fail if B"], &[Some("a"), Some("b"), Some("c")]),
        ["0 t = A [=]", "2 t = C [=]", "bad 1 at 1: cannot"]
    );
    assert_eq!(
        run(&["nothing", "topic if x"], &[None, Some("x")]),
        ["1 t-x = = [=]", "bad 0 at 1: no value"]
    );
}

#[test]
fn other_errors_end_the_call() {
    assert_eq!(chain(&["fatal"]).apply(&batch(&[Some("v")])), Err(Error::fatal("broken")));
    assert_eq!(chain(&["drop"]).apply(&batch(&[Some("v")])).map(|(_, bad)| bad), Ok(Vec::new()));
    assert_eq!(chain(&["drop"]).apply(&[]), Ok((Vec::new(), Vec::new())));
}

#[test]
fn a_predicate_answers_for_each_record() {
    let mut instance = Instance::new(PLUGINS);
    instance.configure_predicate("Starts", pair("with", "a")).unwrap();
    assert_eq!(instance.test(&batch(&[Some("ab"), Some("b")])).unwrap(), [true, false]);
    match instance.test(&batch(&[Some("a"), None])) {
        Err(PredicateError::Bad(bad)) => assert_eq!(bad.first().map(|bad| bad.index), Some(1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_class_is_an_error() {
    let step = StepSpec { class: "Starts".to_owned(), config: Vec::new(), condition: None };
    let error = Instance::new(PLUGINS).configure_chain(vec![step]).unwrap_err();
    assert_eq!(error.to_string(), "this component has no transform called Starts");
}
