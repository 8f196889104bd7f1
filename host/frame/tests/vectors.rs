//! The vectors of `wit/vectors`, read both ways. Every implementation of the contract reads the same
//! files. `UPDATE_VECTORS=1` writes the bytes anew after a deliberate change of the layout.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::PathBuf;

use cofferdam_frame::tape::{self, Tag};
use cofferdam_frame::{Builder, Entry, Flags, Frame, Position, Record, Span, rows};
use serde_json::{Value, json};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../wit/vectors").join(name)
}

fn load(name: &str) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// Compares each case's `hex` with what `encode` gives, or writes it there on request.
fn check_bytes(name: &str, encode: impl Fn(&Value) -> Vec<u8>) -> Vec<(Value, Vec<u8>)> {
    let mut cases = load(name);
    let update = std::env::var_os("UPDATE_VECTORS").is_some();
    for case in &mut cases {
        let encoded = hex(&encode(case));
        if update {
            case["hex"] = json!(encoded);
        }
        assert_eq!(case["hex"], json!(encoded), "{}", case["name"]);
    }
    if update {
        std::fs::write(path(name), serde_json::to_string_pretty(&cases).unwrap() + "\n").unwrap();
    }
    cases.into_iter().map(|case| (case.clone(), unhex(case["hex"].as_str().unwrap()))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

// === frames ===

fn text(value: &Value) -> Option<&[u8]> {
    value.as_str().map(str::as_bytes)
}

fn build(case: &Value) -> Vec<u8> {
    let mut builder = Builder::default();
    let records = case["records"].as_array().unwrap();
    if records.is_empty() {
        return Vec::new();
    }
    for record in records {
        let mut entry = Entry::new(builder.topic(record["topic"].as_str().unwrap()).unwrap());
        entry.src = record["src"].as_u64().map(|src| src as u32);
        entry.flags = Flags(record["flags"].as_u64().unwrap_or(0) as u16);
        entry.timestamp = record["timestamp"].as_i64();
        entry.partition = record["partition"].as_i64().map(|partition| partition as i32);
        entry.key_schema = record["key_schema"].as_u64().unwrap_or(0) as u32;
        entry.value_schema = record["value_schema"].as_u64().unwrap_or(0) as u32;
        entry.key = builder.put_option(text(&record["key"]));
        entry.value = builder.put_option(text(&record["value"]));
        let mut block = Span { at: 0, len: 0 };
        for header in record["headers"].as_array().into_iter().flatten() {
            let schema = header["schema"].as_u64().unwrap_or(0) as u32;
            builder.header(&mut block, header["key"].as_str().unwrap(), schema, text(&header["value"]));
            entry.n_headers += 1;
        }
        entry.headers = block;
        if let Some(partition) = record["source_partition"].as_str() {
            entry.source_partition = Some(builder.source_partition(partition).unwrap());
        }
        entry.position = match (record["offset"].as_i64(), record["source_offset"].as_str()) {
            (Some(offset), None) => Position::Kafka(offset),
            (None, Some(offset)) => Position::Source(builder.put(offset.as_bytes())),
            _ => Position::None,
        };
        builder.push(&entry);
    }
    builder.finish()
}

fn describe(record: &Record<'_>) -> Value {
    let utf8 = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    let headers: Vec<Value> = record
        .headers()
        .map(|header| json!({"key": header.key, "schema": header.schema, "value": utf8(header.value)}))
        .collect();
    json!({
        "src": record.entry.src, "topic": record.topic(),
        "flags": record.entry.flags.0 & !Flags::SOURCE_OFFSET.0,
        "timestamp": record.entry.timestamp, "offset": record.kafka_offset(),
        "source_offset": record.source_offset(), "partition": record.entry.partition,
        "key": utf8(record.key()), "value": utf8(record.value()), "headers": headers,
        "source_partition": record.source_partition(),
        "key_schema": record.entry.key_schema, "value_schema": record.entry.value_schema,
    })
}

#[test]
fn frames_have_the_bytes_of_the_vectors_and_read_back() {
    for (case, bytes) in check_bytes("frames.json", build) {
        let frame = Frame::parse(&bytes).unwrap();
        let read: Vec<Value> = frame.iter().map(|record| describe(&record)).collect();
        assert_eq!(json!(read), case["records"], "{}", case["name"]);
    }
}

#[test]
fn damaged_frames_are_refused() {
    for case in load("damaged.json") {
        let bytes = unhex(case["hex"].as_str().unwrap());
        let error = Frame::parse(&bytes).map(|frame| frame.len()).expect_err(case["name"].as_str().unwrap());
        assert_eq!(json!(error.to_string()), case["error"], "{}", case["name"]);
    }
}

// === values ===

/// Lays `value` out by `schema`, both as the vectors describe them.
fn put_row(schema: &Value, value: &Value, out: &mut Vec<u8>) {
    match schema["type"].as_str().unwrap() {
        "int8" | "int16" | "int32" | "int64" => rows::put_int(out, value.as_i64().unwrap()),
        "float32" | "float64" => rows::put_float(out, value.as_f64().unwrap()),
        "boolean" => rows::put_boolean(out, value.as_bool().unwrap()),
        "string" => out.extend_from_slice(value.as_str().unwrap().as_bytes()),
        "bytes" => out.extend_from_slice(&unhex(value.as_str().unwrap())),
        "struct" => {
            let fields = schema["fields"].as_array().unwrap();
            let mut row = rows::RowWriter::start(out, fields.len());
            for field in fields {
                let value = &value[field["field"].as_str().unwrap()];
                if !value.is_null() {
                    put_row(field, value, out);
                }
                row.field(out, value.is_null());
            }
        }
        "array" => {
            let mut list = rows::ListWriter::start(out);
            for item in value.as_array().unwrap() {
                if !item.is_null() {
                    put_row(&schema["items"], item, out);
                }
                list.item(out, item.is_null());
            }
            list.finish(out);
        }
        "map" => {
            let mut list = rows::ListWriter::start(out);
            for pair in value.as_array().unwrap() {
                for (schema, item) in [(&schema["keys"], &pair[0]), (&schema["values"], &pair[1])] {
                    if !item.is_null() {
                        put_row(schema, item, out);
                    }
                    list.item(out, item.is_null());
                }
            }
            list.finish(out);
        }
        other => panic!("unknown type {other}"),
    }
}

fn read_row(schema: &Value, bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    match schema["type"].as_str().unwrap() {
        "int8" | "int16" | "int32" | "int64" => json!(rows::int(bytes).unwrap()),
        "float32" | "float64" => json!(rows::float(bytes).unwrap()),
        "boolean" => json!(rows::boolean(bytes).unwrap()),
        "string" => json!(rows::text(bytes).unwrap()),
        "bytes" => json!(hex(bytes)),
        "struct" => {
            let fields = schema["fields"].as_array().unwrap();
            let row = rows::Row::new(bytes, fields.len()).unwrap();
            let value = |(index, field): (usize, &Value)| {
                (field["field"].as_str().unwrap().to_owned(), read_row(field, row.get(index).unwrap()))
            };
            Value::Object(fields.iter().enumerate().map(value).collect())
        }
        "array" => {
            let list = rows::List::new(bytes).unwrap();
            list.iter().map(|item| read_row(&schema["items"], item)).collect()
        }
        "map" => {
            let list = rows::List::new(bytes).unwrap();
            let item = |index: usize, schema: &str, parent: &Value| {
                read_row(&parent[schema], list.get(index).unwrap())
            };
            (0..list.len() / 2)
                .map(|pair| json!([item(pair * 2, "keys", schema), item(pair * 2 + 1, "values", schema)]))
                .collect()
        }
        other => panic!("unknown type {other}"),
    }
}

/// Writes a tape value; typed as `{"int8": 5}`, containers as `{"array": […]}`, `{"map": [[k, v]]}`.
fn put_tape(value: &Value, out: &mut Vec<u8>) {
    let Some((tag, value)) = value.as_object().and_then(|object| object.iter().next()) else {
        return tape::put_null(out);
    };
    match tag.as_str() {
        "boolean" => tape::put_boolean(out, value.as_bool().unwrap()),
        "int8" => tape::put_int(out, Tag::Int8, value.as_i64().unwrap()),
        "int16" => tape::put_int(out, Tag::Int16, value.as_i64().unwrap()),
        "int32" => tape::put_int(out, Tag::Int32, value.as_i64().unwrap()),
        "int64" => tape::put_int(out, Tag::Int64, value.as_i64().unwrap()),
        "float32" => tape::put_float(out, Tag::Float32, value.as_f64().unwrap()),
        "float64" => tape::put_float(out, Tag::Float64, value.as_f64().unwrap()),
        "string" => tape::put_string(out, value.as_str().unwrap()),
        "bytes" => tape::put_bytes(out, &unhex(value.as_str().unwrap())),
        "decimal" => {
            tape::put_decimal(
                out,
                value["scale"].as_i64().unwrap() as i32,
                &unhex(value["unscaled"].as_str().unwrap()),
            );
        }
        "date" => tape::put_date(out, value.as_i64().unwrap()),
        "array" => {
            let mut list = tape::start_array(out);
            for item in value.as_array().unwrap() {
                put_tape(item, out);
                list.item(out, false);
            }
            list.finish(out);
        }
        "map" => {
            let mut list = tape::start_map(out);
            for item in value.as_array().unwrap().iter().flat_map(|pair| pair.as_array().unwrap()) {
                put_tape(item, out);
                list.item(out, false);
            }
            list.finish(out);
        }
        other => panic!("unknown tag {other}"),
    }
}

fn read_tape(bytes: &[u8]) -> Value {
    let width = |tag: Tag| format!("{tag:?}").to_lowercase();
    match tape::Value::new(bytes).unwrap() {
        tape::Value::Null => Value::Null,
        tape::Value::Boolean(value) => json!({ "boolean": value }),
        tape::Value::Int(tag, value) => json!({ width(tag): value }),
        tape::Value::Float(tag, value) => json!({ width(tag): value }),
        tape::Value::String(value) => json!({ "string": value }),
        tape::Value::Bytes(value) => json!({ "bytes": hex(value) }),
        tape::Value::Decimal(scale, unscaled) => {
            json!({"decimal": {"scale": scale, "unscaled": hex(unscaled)}})
        }
        tape::Value::Date(millis) => json!({ "date": millis }),
        tape::Value::Array(list) => {
            json!({"array": list.iter().map(|item| read_tape(item.unwrap())).collect::<Vec<_>>()})
        }
        tape::Value::Map(list) => {
            let pairs: Vec<Value> =
                tape::pairs(list).map(|(key, value)| json!([read_tape(key), read_tape(value)])).collect();
            json!({ "map": pairs })
        }
        tape::Value::Struct(schema, row) => json!({"struct": {"schema": schema, "row": hex(row)}}),
    }
}

#[test]
fn values_have_the_bytes_of_the_vectors_and_read_back() {
    let encode = |case: &Value| {
        let mut out = Vec::new();
        if case["schema"].is_null() {
            put_tape(&case["value"], &mut out);
        } else {
            put_row(&case["schema"], &case["value"], &mut out);
        }
        out
    };
    for (case, bytes) in check_bytes("values.json", encode) {
        let read = if case["schema"].is_null() {
            read_tape(&bytes)
        } else {
            read_row(&case["schema"], Some(&bytes))
        };
        assert_eq!(read, case["value"], "{}", case["name"]);
    }
}
