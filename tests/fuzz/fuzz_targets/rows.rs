//! Any bytes as a value of any schema, and as a tape: every converter that writes values answers, with
//! text or an error, and what JsonConverter writes is JSON.
//!
//! The first byte says how many schemas follow, three bytes each, every one made of those before it;
//! the rest is the value.

#![no_main]

use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_converters::{Converter, Format, Side};
use cofferdam_frame::{Field, Kind, Schema, SchemaId, logical, text};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize as _, IgnoredAny};

const KINDS: [Kind; 12] = [
    Kind::Int8,
    Kind::Int16,
    Kind::Int32,
    Kind::Int64,
    Kind::Float32,
    Kind::Float64,
    Kind::Boolean,
    Kind::String,
    Kind::Bytes,
    Kind::Array,
    Kind::Map,
    Kind::Struct,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((n, rest)) = bytes.split_first() else { return };
    let Some((described, value)) = rest.split_at_checked(usize::from(n % 8) * 3) else { return };
    let schemas = Schemas::default();
    let mut last = 0;
    for three in described.as_chunks().0 {
        if let Ok(id) = schemas.define(schema(*three, last, value)) {
            last = id;
        }
    }
    for id in [last, 0] {
        write(&schemas, id, value);
    }
});

/// A schema out of three bytes, with children among those up to `last`.
fn schema([kind, how, child]: [u8; 3], last: SchemaId, value: &[u8]) -> Schema {
    let mut kind = KINDS[usize::from(kind) % KINDS.len()];
    if last == 0 && matches!(kind, Kind::Array | Kind::Map | Kind::Struct) {
        kind = Kind::Bytes;
    }
    let child = last - u32::from(child) % last.max(1);
    let mut schema = Schema { optional: how & 1 != 0, ..Schema::of(kind) };
    schema.name = match how >> 1 & 7 {
        0 => Some(logical::DECIMAL.to_owned()),
        1 => Some(logical::DATE.to_owned()),
        2 => Some(logical::TIME.to_owned()),
        3 => Some(logical::TIMESTAMP.to_owned()),
        4 => Some("n\"\u{e9}".to_owned()),
        _ => None,
    };
    if how & 16 != 0 {
        schema.parameters.push(("scale".to_owned(), (i32::from(how) - 100).to_string()));
    }
    if how & 32 != 0 {
        // Of a guest, so it may be anything.
        schema.default = Some(value.get(..usize::from(how >> 5)).unwrap_or(value).to_vec());
    }
    match kind {
        Kind::Array => schema.value = Some(child),
        Kind::Map => (schema.key, schema.value) = (Some(child), Some(last)),
        Kind::Struct => {
            let field = |(at, schema)| Field { name: format!("f{at}"), schema };
            schema.fields =
                (0..usize::from(how >> 6) + 1).zip([child, last, child, last]).map(field).collect();
        }
        _ => {}
    }
    schema
}

fn write(schemas: &Schemas, id: SchemaId, value: &[u8]) {
    let _ = text::to_text(&|id| schemas.get(id), id, Some(value));
    for (class, option, number) in [
        ("JsonConverter", "schemas.enable", "false"),
        ("JsonConverter", "decimal.format", "NUMERIC"),
        ("JsonConverter", "replace.null.with.default", "false"),
        ("StringConverter", "", ""),
        ("ByteArrayConverter", "", ""),
    ] {
        let options: ConfigMap = [(option.to_owned(), number.to_owned())].into_iter().collect();
        let converter = Converter::new(class, &options, Side::Value).expect("a stock converter");
        for value in [Some(value), None] {
            let mut out = Vec::new();
            let written = converter.from_connect(schemas, Format::Rows, id, value, &mut out);
            if class == "JsonConverter" && written == Ok(false) {
                let mut json = serde_json::Deserializer::from_slice(&out);
                json.disable_recursion_limit();
                let read = IgnoredAny::deserialize(&mut json).and_then(|_| json.end());
                assert!(read.is_ok(), "{read:?}: {}", out.escape_ascii());
            }
            assert!(written.is_ok() || out.is_empty(), "what was written is taken back");
        }
    }
}
