//! JSON texts of source partitions and offsets: when two are the same, and which can be kept.
//!
//! Texts are kept as they came, but for white space: a number that was read and printed again could
//! be another one, and Kafka Connect finds partitions by their bytes.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::Error;

/// A JSON object, or null where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Json {
    /// The text that all equal values share: keys sorted, floating-point numbers as Rust prints them.
    /// An integer and a floating-point number differ, as they do for Java.
    pub(crate) canonical: String,
    /// The text as it came, without white space.
    pub(crate) text: String,
    /// Whether it is no object.
    pub(crate) is_null: bool,
}

impl Json {
    /// An object or null; none when it is anything else.
    pub(crate) fn of(raw: &RawValue) -> Option<Self> {
        let is_null = raw.get() == "null";
        if !is_null && !raw.get().starts_with('{') {
            return None;
        }
        let mut canonical = String::new();
        write(raw, &mut canonical);
        Some(Self { canonical, text: compact(raw.get()), is_null })
    }
}

/// Reads what a plugin calls a partition or an offset: an object of primitive values, as Kafka
/// Connect demands, or null.
pub(crate) fn parse(connector: &str, what: &'static str, text: &str) -> Result<Json, Error> {
    let bad = |reason: String| Error::BadOffset {
        connector: connector.to_owned(),
        what,
        text: text.to_owned(),
        reason,
    };
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|error| bad(format!("it is no JSON ({error})")))?;
    let json = Json::of(raw).ok_or_else(|| bad("it is no JSON object".to_owned()))?;
    let nested = |value: &&RawValue| value.get().starts_with(['{', '[']);
    match fields(raw).iter().find(|(_, value)| nested(value)) {
        Some((name, _)) => {
            Err(bad(format!("it may only contain primitive values, but field {name} is none")))
        }
        None => Ok(json),
    }
}

/// Connector and partition of a key.
pub(crate) fn parse_key(key: &[u8]) -> Option<(String, Json)> {
    let (connector, partition): (String, &RawValue) = serde_json::from_slice(key).ok()?;
    Some((connector, Json::of(partition)?))
}

/// Text of the key of a partition.
pub(crate) fn key(connector: &str, partition: &Json) -> String {
    format!("[{},{}]", quoted(connector), partition.text)
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Fields of an object by name; of a name that is there twice the last one.
fn fields(raw: &RawValue) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn write(raw: &RawValue, canonical: &mut String) {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            canonical.push('{');
            for (name, value) in fields(raw) {
                canonical.push_str(&quoted(&name));
                canonical.push(':');
                write(value, canonical);
                canonical.push(',');
            }
            canonical.push('}');
        }
        Some(b'[') => {
            canonical.push('[');
            for item in serde_json::from_str::<Vec<&RawValue>>(text).unwrap_or_default() {
                write(item, canonical);
                canonical.push(',');
            }
            canonical.push(']');
        }
        Some(b'"') => {
            // The same character may be written in several ways.
            let text: String = serde_json::from_str(text).unwrap_or_default();
            canonical.push_str(&quoted(&text));
        }
        Some(b'-' | b'0'..=b'9') if text.contains(['.', 'e', 'E']) => match text.parse::<f64>() {
            Ok(number) => canonical.push_str(&format!("{number:?}")),
            Err(_) => canonical.push_str(text),
        },
        _ => canonical.push_str(text),
    }
}

/// Valid JSON without the white space outside of its strings.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        let is_space = !in_string && matches!(c, ' ' | '\t' | '\n' | '\r');
        in_string ^= *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        !is_space
    };
    json.chars().filter(keep).collect()
}
