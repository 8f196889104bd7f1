//! Connector configurations in files, in every form that Kafka Connect reads: `.properties`, a flat
//! JSON map, or the JSON of a create request.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use cofferdam_api::TargetState;
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// What a file says of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectorFile {
    pub(crate) name: String,
    /// With `name`; null where the file says null.
    pub(crate) config: IndexMap<String, Option<String>>,
    pub(crate) initial_state: Option<TargetState>,
}

/// Reads a connector's file.
pub(crate) fn read(path: &Path) -> anyhow::Result<ConnectorFile> {
    let text = read_text(path)?;
    parse(&text).with_context(|| format!("{} is no connector configuration", path.display()))
}

/// Reads a file of the user's.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<ConnectorFile> {
    if text.trim_start().starts_with('{') {
        return from_json(serde_json::from_str(text)?);
    }
    let properties = cofferdam_config::read_properties(text).map_err(anyhow::Error::msg)?;
    let config: IndexMap<_, _> = properties.into_iter().map(|(key, value)| (key, Some(value))).collect();
    named(config, None, None)
}

fn from_json(mut map: Map<String, Value>) -> anyhow::Result<ConnectorFile> {
    // A flat map may have a key `config` too, but never one that holds a map.
    let Some(Value::Object(inner)) = map.get("config").cloned() else {
        return named(strings(map)?, None, None);
    };
    map.remove("config");
    let name = match map.remove("name") {
        Some(Value::String(name)) => Some(name),
        None => None,
        Some(other) => bail!("\"name\" must be a string, not {other}"),
    };
    let initial_state = match map.remove("initial_state") {
        None | Some(Value::Null) => None,
        Some(Value::String(state)) => Some(target_state(&state)?),
        Some(other) => bail!("\"initial_state\" must be a string, not {other}"),
    };
    if let Some(key) = map.keys().next() {
        bail!("unknown field {key:?} beside \"name\", \"config\" and \"initial_state\"");
    }
    named(strings(inner)?, name, initial_state)
}

fn named(
    mut config: IndexMap<String, Option<String>>,
    name: Option<String>,
    initial_state: Option<TargetState>,
) -> anyhow::Result<ConnectorFile> {
    let inner = config.get("name").cloned().flatten();
    let name = match (name, inner) {
        (Some(outer), Some(inner)) => {
            ensure!(outer == inner, "it has two names, {outer:?} and {inner:?} in its configuration");
            outer
        }
        (Some(name), None) | (None, Some(name)) => name,
        (None, None) => bail!("the connector's name is missing: add the key \"name\""),
    };
    config.insert("name".to_owned(), Some(name.clone()));
    Ok(ConnectorFile { name, config, initial_state })
}

/// Numbers and booleans are taken as their text, as by the REST API.
fn strings(map: Map<String, Value>) -> anyhow::Result<IndexMap<String, Option<String>>> {
    let text = |(key, value)| {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => bail!("{key:?} must be a string, not {value}"),
        };
        Ok((key, text))
    };
    map.into_iter().map(text).collect()
}

fn target_state(state: &str) -> anyhow::Result<TargetState> {
    Ok(match state.to_ascii_uppercase().as_str() {
        "RUNNING" => TargetState::Started,
        "PAUSED" => TargetState::Paused,
        "STOPPED" => TargetState::Stopped,
        _ => bail!("\"initial_state\" must be RUNNING, PAUSED or STOPPED, not {state:?}"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_form_says_the_same() {
        let forms = [
            r#"{"name": "a", "config": {"connector.class": "X", "tasks.max": 2, "b": true}}"#,
            r#"{"name": "a", "connector.class": "X", "tasks.max": "2", "b": "true"}"#,
            "# a connector\nconnector.class=X\ntasks.max=2\nb=true\nname=a\n",
        ];
        for form in forms {
            let file = parse(form).unwrap();
            assert_eq!((file.name.as_str(), file.initial_state), ("a", None), "{form}");
            for (key, value) in [("name", "a"), ("connector.class", "X"), ("tasks.max", "2"), ("b", "true")] {
                assert_eq!(file.config.get(key).unwrap().as_deref(), Some(value), "{form}: {key}");
            }
            assert_eq!(file.config.len(), 4, "{form}");
        }
        let paused = parse(r#"{"name": "a", "config": {"x": null}, "initial_state": "paused"}"#).unwrap();
        assert_eq!(paused.initial_state, Some(TargetState::Paused));
        assert_eq!(paused.config.get("x"), Some(&None));
    }

    #[test]
    fn faults_are_named() {
        for (text, expected) in [
            ("{", "EOF while parsing"),
            (r#"{"connector.class": "X"}"#, "the key \"name\""),
            ("connector.class=X\n", "the key \"name\""),
            (r#"{"name": "a", "x": {}}"#, "\"x\" must be a string"),
            (r#"{"name": "a", "config": {"name": "b"}}"#, "two names"),
            (r#"{"name": "a", "config": {}, "initial_state": "UP"}"#, "RUNNING, PAUSED or STOPPED"),
            (r#"{"name": "a", "config": {}, "state": "UP"}"#, "unknown field \"state\""),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = format!("{:#}", read(Path::new("/no/such/file.json")).unwrap_err());
        assert!(error.contains("cannot read /no/such/file.json"), "{error}");
    }
}
