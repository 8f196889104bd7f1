//! Laws: what is read and written again is the same, and no bytes make a converter panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod common;

use cofferdam_converters::{CLASSES, Converter, Format, SIMPLE_HEADER, Side};
use cofferdam_frame::values;
use common::{Setup, bare, setup};
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

fn logical(kind: &str, name: &str) -> Value {
    json!({"type": kind, "name": format!("org.apache.kafka.connect.data.{name}"), "version": 1})
}

/// The shortest two's complement of `value`, in base64.
fn base64(value: i64) -> String {
    let mut bytes = Vec::new();
    values::put_unscaled(&mut bytes, value < 0, &value.unsigned_abs().to_string());
    let mut text = Vec::new();
    cofferdam_frame::text::put_base64(&mut text, &bytes);
    String::from_utf8(text).unwrap()
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
        any_exact().prop_map(|value| (json!({"type": "float"}), json!(value))),
        any::<i16>().prop_map(|value| (json!({"type": "int16"}), json!(value))),
        any::<i32>().prop_map(|value| (logical("int32", "Date"), json!(value))),
        (0..=86_400_000).prop_map(|value| (logical("int32", "Time"), json!(value))),
        any::<i64>().prop_map(|value| (logical("int64", "Timestamp"), json!(value))),
        any::<i64>().prop_map(|value| {
            let mut schema = logical("bytes", "Decimal");
            schema["parameters"] = json!({"scale": "3"});
            (schema, json!(base64(value)))
        }),
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

    /// A header that was read and written again is read as the same.
    #[test]
    fn a_header_survives(text in "[\\[\\]{}:,\"0-9a-e.TZ -]{0,24}|.*") {
        let converter = Converter::new(SIMPLE_HEADER, &Default::default(), Side::Header).unwrap();
        let setup = Setup { schemas: Default::default(), converter };
        let once = setup.round_trip_or_null(text.as_bytes());
        let twice = setup.round_trip_or_null(once.as_bytes());
        prop_assert_eq!(setup.round_trip_or_null(twice.as_bytes()), twice);
    }

    #[test]
    fn numbers_survive(bytes in any::<[u8; 8]>()) {
        for (class, length) in [("Short", 2), ("Integer", 4), ("Long", 8), ("Float", 4), ("Double", 8)] {
            let setup = setup(&format!("{class}Converter"), &[]);
            let bytes = &bytes[..length];
            let mut rows = Vec::new();
            let schema = setup.converter.to_connect(&setup.schemas, Format::Rows, Some(bytes), &mut rows).unwrap();
            let mut out = Vec::new();
            setup.converter.from_connect(&setup.schemas, Format::Rows, schema.schema, Some(&rows), &mut out).unwrap();
            // Of a signalling NaN only the signal may be lost.
            let is_nan = match class {
                "Float" => f32::from_be_bytes(bytes.try_into().unwrap()).is_nan(),
                "Double" => f64::from_be_bytes(bytes.try_into().unwrap()).is_nan(),
                _ => false,
            };
            prop_assert!(is_nan || out == bytes);
        }
    }

    #[test]
    fn no_bytes_make_a_converter_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), schema in 0..8_u32) {
        for class in CLASSES.into_iter().chain([SIMPLE_HEADER]) {
            let converter = Converter::new(class, &Default::default(), Side::Header).unwrap();
            let setup = Setup { schemas: Default::default(), converter };
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
