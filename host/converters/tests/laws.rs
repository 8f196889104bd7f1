//! Laws: what is read and written again is the same, and no bytes make a converter panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod common;

use cofferdam_converters::Format;
use common::{bare, setup};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Numbers that `serde_json`, as it is built here, reads without rounding.
fn any_exact() -> impl Strategy<Value = f64> {
    any::<i16>().prop_map(|number| f64::from(number) / 16.0)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any_exact().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..20)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A schema's JSON and the payload of a value of it, as JsonConverter would write them.
fn any_typed() -> impl Strategy<Value = (Value, Value)> {
    let leaf = prop_oneof![
        any::<i8>().prop_map(|value| (json!({"type": "int8"}), json!(value))),
        any::<i32>().prop_map(|value| (json!({"type": "int32"}), json!(value))),
        any::<i64>().prop_map(|value| (json!({"type": "int64"}), json!(value))),
        any::<bool>().prop_map(|value| (json!({"type": "boolean"}), json!(value))),
        any::<String>().prop_map(|value| (json!({"type": "string"}), json!(value))),
        any_exact().prop_map(|value| (json!({"type": "double"}), json!(value))),
        "([A-Za-z0-9+/]{4}){0,6}".prop_map(|value| (json!({"type": "bytes"}), json!(value))),
    ];
    let leaf = (leaf, any::<bool>(), any::<bool>()).prop_map(|((mut schema, value), optional, null)| {
        schema["optional"] = json!(optional);
        (schema, if optional && null { Value::Null } else { value })
    });
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            (inner.clone(), 0..4_usize).prop_map(|((items, value), length)| {
                (json!({"type": "array", "items": items, "optional": false}), json!(vec![value; length]))
            }),
            (inner.clone(), any::<String>()).prop_map(|((values, value), key)| {
                let keys = json!({"type": "string", "optional": false});
                (
                    json!({"type": "map", "keys": keys, "values": values, "optional": true}),
                    json!({ key: value }),
                )
            }),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(|members| {
                let mut fields = Vec::new();
                let mut payload = Map::new();
                for (name, (mut schema, value)) in members {
                    schema["field"] = json!(name);
                    fields.push(schema);
                    payload.insert(name, value);
                }
                (
                    json!({"type": "struct", "fields": fields, "optional": false, "name": "n"}),
                    Value::Object(payload),
                )
            }),
        ]
    })
}

/// The same value with every object's members turned round.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(reversed).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().rev().map(|(name, value)| (name.clone(), reversed(value))).collect())
        }
        value => value.clone(),
    }
}

proptest! {
    #[test]
    fn json_survives_the_tape(value in any_json()) {
        let text = bare().round_trip_or_null(value.to_string().as_bytes());
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn every_float_survives(value in any::<f64>().prop_filter("JSON has no other", |value| value.is_finite())) {
        let text = bare().round_trip(format!("{value:e}").as_bytes());
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
    }

    #[test]
    fn an_envelope_survives_rows((schema, payload) in any_typed(), turn in any::<bool>()) {
        let envelope = json!({"schema": schema, "payload": payload});
        let setup = setup("JsonConverter", &[]);
        let input = if turn { reversed(&envelope) } else { envelope.clone() };
        let text = setup.round_trip_or_null(input.to_string().as_bytes());
        // As text: the order of fields is that of the schema again.
        let written = serde_json::from_str::<Value>(&text).unwrap();
        prop_assert_eq!(&written["payload"], &envelope["payload"]);
        prop_assert_eq!(&written["schema"], &envelope["schema"]);
        // And what was written is read as the same again.
        prop_assert_eq!(setup.round_trip_or_null(text.as_bytes()), text);
    }

    #[test]
    fn no_bytes_make_a_converter_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), schema in 0..8_u32) {
        for class in ["JsonConverter", "StringConverter", "ByteArrayConverter"] {
            let setup = setup(class, &[]);
            setup.rows_of_everything();
            for format in [Format::Raw, Format::Rows, Format::Json] {
                let mut out = Vec::new();
                let _ = setup.converter.to_connect(&setup.schemas, format, Some(&bytes), &mut out);
                let _ = setup.converter.from_connect(&setup.schemas, format, schema, Some(&bytes), &mut out);
            }
        }
    }

    #[test]
    fn no_text_like_json_makes_a_converter_panic(text in r#"[\[\]{}:,"\\u0-9a-e+.tfn -]{0,60}"#) {
        let _ = bare().read(text.as_bytes());
        let _ = setup("JsonConverter", &[]).read(format!("{{\"schema\":{text},\"payload\":{text}}}").as_bytes());
    }
}
