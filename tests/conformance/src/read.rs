//! Rows and tape to values as a recording tags them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_api::Schemas;
use cofferdam_frame::rows::{self, List, Row};
use cofferdam_frame::tape::{self, Tag};
use cofferdam_frame::{Kind, Schema, SchemaId, logical, text};
use serde_json::{Value, json};

use crate::write::tag_of;

const DAY_MS: i64 = 86_400_000;

/// A value of the schema `id`, or without one where that is 0; none for bytes that are no such value.
#[must_use]
pub fn value(schemas: &Schemas, id: SchemaId, bytes: Option<&[u8]>) -> Option<Value> {
    let Some(bytes) = bytes else { return Some(Value::Null) };
    if id == 0 {
        return tape_value(schemas, bytes);
    }
    let schema = schemas.get(id)?;
    let tag = tag_of(&schema);
    let value = match tag {
        "decimal" => {
            let scale = schema.parameters.iter().find(|(name, _)| name == "scale")?;
            decimal(scale.1.parse().ok()?, bytes)?
        }
        "date_ms" if schema.is_logical(logical::DATE) => json!(rows::int(bytes)?.checked_mul(DAY_MS)?),
        "date_ms" => json!(rows::int(bytes)?),
        _ => plain(schemas, &schema, bytes)?,
    };
    Some(json!({ tag: value }))
}

fn plain(schemas: &Schemas, schema: &Schema, bytes: &[u8]) -> Option<Value> {
    Some(match schema.kind {
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => json!(rows::int(bytes)?),
        Kind::Float32 => float(Tag::Float32, rows::float(bytes)?)?,
        Kind::Float64 => float(Tag::Float64, rows::float(bytes)?)?,
        Kind::Boolean => json!(rows::boolean(bytes)?),
        Kind::String => json!(rows::text(bytes)?),
        Kind::Bytes => json!(STANDARD.encode(bytes)),
        Kind::Array => {
            let below = schema.value.unwrap_or(0);
            let items = List::new(bytes)?.iter().map(|item| value(schemas, below, item));
            items.collect::<Option<Vec<_>>>()?.into()
        }
        Kind::Map => {
            let (keys, values) = (schema.key.unwrap_or(0), schema.value.unwrap_or(0));
            let list = List::new(bytes)?;
            let item = |at: usize, id| value(schemas, id, list.get(at)?);
            let pairs =
                (0..list.len() / 2).map(|at| Some(json!([item(at * 2, keys)?, item(at * 2 + 1, values)?])));
            pairs.collect::<Option<Vec<_>>>()?.into()
        }
        Kind::Struct => {
            let row = Row::new(bytes, schema.fields.len())?;
            let fields = schema.fields.iter().zip(row.iter());
            let pairs =
                fields.map(|(field, bytes)| Some(json!([field.name, value(schemas, field.schema, bytes)?])));
            pairs.collect::<Option<Vec<_>>>()?.into()
        }
    })
}

fn tape_value(schemas: &Schemas, bytes: &[u8]) -> Option<Value> {
    let tagged = |tag: Tag, value: Value| json!({ format!("{tag:?}").to_lowercase(): value });
    Some(match tape::Value::new(bytes)? {
        tape::Value::Null => Value::Null,
        tape::Value::Boolean(value) => json!({ "boolean": value }),
        tape::Value::Int(tag, value) => tagged(tag, json!(value)),
        tape::Value::Float(tag, value) => tagged(tag, float(tag, value)?),
        tape::Value::String(value) => json!({ "string": value }),
        tape::Value::Bytes(value) => json!({"bytes": STANDARD.encode(value)}),
        tape::Value::Decimal(scale, unscaled) => json!({"decimal": decimal(scale, unscaled)?}),
        tape::Value::Date(millis) => json!({ "date_ms": millis }),
        tape::Value::Array(list) => {
            let items = list.iter().map(|item| tape_value(schemas, item?));
            json!({"array": items.collect::<Option<Vec<_>>>()?})
        }
        tape::Value::Map(list) => {
            let pairs = tape::pairs(list)
                .map(|(key, value)| Some(json!([tape_value(schemas, key)?, tape_value(schemas, value)?])));
            json!({"map": pairs.collect::<Option<Vec<_>>>()?})
        }
        tape::Value::Struct(id, row) => value(schemas, id, Some(row))?,
    })
}

/// As Java prints it.
fn float(tag: Tag, value: f64) -> Option<Value> {
    let mut out = Vec::new();
    #[allow(clippy::cast_possible_truncation, reason = "it was a float")]
    match tag {
        Tag::Float32 => text::put_float(&mut out, value as f32),
        _ => text::put_double(&mut out, value),
    }
    String::from_utf8(out).ok().map(Value::from)
}

fn decimal(scale: i32, unscaled: &[u8]) -> Option<Value> {
    let mut out = Vec::new();
    text::put_decimal(&mut out, scale, unscaled).ok()?;
    String::from_utf8(out).ok().map(Value::from)
}

/// The same value in a form in which equal ones are equal texts: the pairs of maps are a set, and
/// floating-point numbers have no more digits than they need, which Java before 19 does not care for.
#[must_use]
pub fn canonical(typed: &Value) -> Value {
    match typed {
        Value::Object(members) => {
            let one = |(tag, value): (&String, &Value)| {
                let mut value = match (tag.as_str(), value.as_str()) {
                    ("float32", Some(text)) => digits(text, Tag::Float32),
                    ("float64", Some(text)) => digits(text, Tag::Float64),
                    _ => canonical(value),
                };
                if let ("map", Some(pairs)) = (tag.as_str(), value.as_array_mut()) {
                    pairs.sort_by_cached_key(ToString::to_string);
                }
                (if tag == "bytebuffer" { "bytes".to_owned() } else { tag.clone() }, value)
            };
            members.iter().map(one).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        leaf => leaf.clone(),
    }
}

fn digits(text: &str, tag: Tag) -> Value {
    let number = match tag {
        Tag::Float32 => text.parse::<f32>().ok().map(f64::from),
        _ => text.parse::<f64>().ok(),
    };
    number.and_then(|number| float(tag, number)).unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_equal_whatever_their_order_and_digits() {
        for (one, other) in [
            (
                json!({"map": [[{"int8": 1}, null], [{"int8": 0}, null]]}),
                json!({"map": [[{"int8": 0}, null], [{"int8": 1}, null]]}),
            ),
            (json!({"float32": "1.70000004E12"}), json!({"float32": "1.7E12"})),
            (json!({"array": [{"bytebuffer": "AA=="}]}), json!({"array": [{"bytes": "AA=="}]})),
        ] {
            assert_eq!(canonical(&one), canonical(&other));
        }
        for (one, other) in [
            (json!({"array": [{"int8": 1}, null]}), json!({"array": [null, {"int8": 1}]})),
            (json!({"float64": "1.70000004E12"}), json!({"float64": "1.7E12"})),
            (json!({"float64": "-0.0"}), json!({"float64": "0.0"})),
        ] {
            assert_ne!(canonical(&one), canonical(&other));
        }
    }
}
