//! The recorded cases that come with the repository, and the recorded settings of the stock plugins.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};

use cofferdam_plugins::PluginKind;
use conformance::case::Suite;
use conformance::departures::Departures;
use conformance::{config_defs, sandbox};
use serde_json::Value;

/// Validators that a component's description cannot name: the plugin checks these itself when it is
/// configured, which cases of `smt.jsonl` show.
const CHECKED_BY_THE_PLUGIN: [&str; 4] = [
    "list of colon-delimited pairs, e.g. <code>foo:bar,abc:xyz</code>",
    "non-null string",
    "non-empty list",
    "",
];

fn cases(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(name)
}

async fn check(suite: Suite, name: &str) {
    let mut out = Vec::new();
    let departures = Departures::load().unwrap();
    let tally = conformance::run(suite, &cases(name), &departures, &mut out).await.unwrap();
    let text = String::from_utf8_lossy(&out);
    println!("{}", text.lines().last().unwrap_or_default());
    assert!(tally.is_good(), "{text}");
}

#[tokio::test]
async fn transforms_answer_as_recorded() {
    check(Suite::Smt, "smt.jsonl").await;
}

#[tokio::test]
async fn converters_answer_as_recorded() {
    check(Suite::Converters, "converters.jsonl").await;
}

#[tokio::test]
async fn transforms_answer_as_recorded_to_odd_cases() {
    check(Suite::Smt, "smt-more.jsonl").await;
}

#[tokio::test]
async fn converters_answer_as_recorded_to_odd_cases() {
    check(Suite::Converters, "converters-more.jsonl").await;
}

#[test]
fn each_departure_is_one_of_a_case() {
    let all: Vec<_> = [(Suite::Smt, "smt.jsonl"), (Suite::Converters, "converters.jsonl")]
        .into_iter()
        .flat_map(|(suite, name)| conformance::case::load(suite, &cases(name)).unwrap())
        .map(|case| case.digest())
        .collect();
    for digest in Departures::load().unwrap().digests() {
        assert!(all.iter().any(|known| known == digest), "no case has the digest {digest}");
    }
}

#[tokio::test]
async fn settings_are_described_as_recorded() {
    let recorded = std::fs::read_to_string(cases("config-defs.json")).unwrap();
    let recorded: Vec<Value> = serde_json::from_str(&recorded).unwrap();
    let guests = sandbox::guests().await.unwrap();
    let mut differ = Vec::new();
    for plugin in &recorded {
        let class = plugin["class"].as_str().unwrap();
        // The recording has the variant for values; that for keys has the same settings.
        for class in [class.to_owned(), class.replace("$Value", "$Key")] {
            let kinds = [PluginKind::Transform, PluginKind::Predicate];
            let Some(info) = guests.plugin(&class, &kinds) else {
                differ.push(format!("{class} is not there"));
                continue;
            };
            let described = config_defs::describe(&info.config_def);
            let names = |keys: &Value| -> Vec<Value> {
                keys.as_array().unwrap().iter().map(|key| key["name"].clone()).collect()
            };
            if names(&plugin["keys"]) != names(&described) {
                differ.push(format!("{class}: wanted {}, got {described}", plugin["keys"]));
                continue;
            }
            for (wanted, got) in plugin["keys"].as_array().unwrap().iter().zip(described.as_array().unwrap())
            {
                if !is_described(wanted, got) {
                    differ.push(format!("{class}: wanted {wanted}, got {got}"));
                }
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Whether a key is described as recorded. A validator made of several is named by one of them.
fn is_described(wanted: &Value, got: &Value) -> bool {
    let same = |name: &str| wanted[name] == got[name];
    let validator = match (wanted["validator"].as_str(), got["validator"].as_str()) {
        (Some(wanted), None) => CHECKED_BY_THE_PLUGIN.contains(&wanted),
        (Some(wanted), Some(got)) => {
            wanted == got
                || wanted.strip_suffix(got).is_some_and(|others| others.ends_with(", "))
                || wanted.strip_prefix(got).is_some_and(|others| others.starts_with(", "))
        }
        (wanted, got) => wanted == got,
    };
    validator && ["name", "type", "importance", "required", "default"].iter().all(|name| same(name))
}
