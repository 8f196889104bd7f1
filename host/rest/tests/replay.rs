//! Exchanges recorded from Kafka Connect 4.3.1, sent again to this API: same status, same JSON.
//!
//! `replay/kafka-connect-4.3.1.jsonl` holds them in order. Texts of documentation are left out, and so are lists
//! of recommended values, which name what is installed; workers and traces are called WORKER and TRACE. Where
//! this API answers something else on purpose, the `note` of the exchange says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use cofferdam_herder::Mode;
use common::{Answer, Bench, Call};
use serde_json::Value;

const EXCHANGES: &str = include_str!("replay/kafka-connect-4.3.1.jsonl");

#[tokio::test(flavor = "multi_thread")]
async fn recorded_exchanges_have_the_same_answers() {
    let bench =
        Bench::start(Mode::Distributed { group_id: "connect-cluster".to_owned(), exactly_once: false }).await;
    for line in EXCHANGES.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let mut fault = check(&bench, &exchange).await;
        // Only looking changes nothing, so it can be repeated until what was asked for has happened.
        let until = tokio::time::Instant::now() + Duration::from_secs(20);
        while fault.is_some() && exchange["method"] == "GET" && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
            fault = check(&bench, &exchange).await;
        }
        if let Some(fault) = fault {
            panic!("{} {} {}: {fault}", exchange["n"], exchange["method"], exchange["path"]);
        }
    }
}

/// Sends a request; answers what is wrong with what comes back.
async fn check(bench: &Bench, exchange: &Value) -> Option<String> {
    let text = |field: &str| exchange[field].as_str().map(str::to_owned);
    let headers = [("Content-Type", "content_type"), ("Accept", "accept")];
    let answer = bench
        .send(Call {
            method: text("method").unwrap(),
            path: text("path").unwrap(),
            headers: headers
                .into_iter()
                .filter_map(|(name, field)| Some((name.to_owned(), text(field)?)))
                .collect(),
            body: text("body").map(String::into_bytes),
        })
        .await;
    if answer.status != exchange["status"] {
        return Some(format!("status {}: {}", answer.status, answer.text));
    }
    for header in ["location", "allow"] {
        let expected = text(header).map(|value| value.replace("HOST", &bench.address.to_string()));
        let given = answer.header(header).map(str::to_owned);
        if expected.is_some() && given != expected {
            return Some(format!("{header} is {given:?}"));
        }
    }
    compare(&answer, exchange)
}

fn compare(answer: &Answer, exchange: &Value) -> Option<String> {
    let mut given = match &exchange["answer"] {
        Value::Null => return None,
        _ => normal(answer.json()),
    };
    if let Value::Array(faults) = &exchange["faults"] {
        let configs = given["configs"].as_array().unwrap().clone();
        let values = configs.iter().map(|config| &config["value"]);
        let found: Vec<_> = values
            .filter(|value| value["errors"] != Value::Array(vec![]))
            .map(|value| {
                Value::Array(vec![value["name"].clone(), value["value"].clone(), value["errors"].clone()])
            })
            .collect();
        if found != *faults {
            return Some(format!("faults are {found:?}"));
        }
        given.as_object_mut().unwrap().remove("configs");
    }
    let mut expected = normal(exchange["answer"].clone());
    // Connectors come in no particular order.
    for list in [&mut given, &mut expected] {
        if let Value::Array(names) = list
            && names.iter().all(Value::is_string)
        {
            names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    difference("", &given, &expected)
}

/// The first place where two values differ.
fn difference(place: &str, given: &Value, expected: &Value) -> Option<String> {
    match (given, expected) {
        (Value::Object(a), Value::Object(b))
            if a.keys().all(|key| b.contains_key(key)) && a.len() == b.len() =>
        {
            // Maps come in no particular order; fields do.
            let is_map = place.ends_with("/config")
                || a.contains_key("connector.class")
                || a.values().all(Value::is_object);
            if !is_map && !a.keys().eq(b.keys()) {
                let fields: Vec<_> = a.keys().collect();
                return Some(format!("{place} has its fields in the order {fields:?}"));
            }
            a.iter().find_map(|(key, a)| difference(&format!("{place}/{key}"), a, &b[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(&format!("{place}/{i}"), a, b))
        }
        _ => (given != expected).then(|| format!("{place} is {given}, not {expected}")),
    }
}

/// Without what differs between any two workers.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(name, value)| {
                let installed =
                    name == "recommended_values" && value.as_array().is_none_or(|list| list.len() > 1);
                !installed && name != "documentation" && name != "order"
            })
            .map(|(name, value)| {
                let value = match name.as_str() {
                    "worker_id" => "WORKER".into(),
                    "trace" => "TRACE".into(),
                    _ => normal(value),
                };
                (name, value)
            })
            .collect(),
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        other => other,
    }
}
