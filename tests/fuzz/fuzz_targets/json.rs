//! Any bytes for JsonConverter: it refuses them, or what it reads are sound values of their schema, and
//! what it writes of those is read and written as the same again.
//!
//! The first byte chooses the options.

#![no_main]

use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_converters::{Converter, Format, Side};
use cofferdam_frame::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let options: ConfigMap = [("schemas.enable", how & 1 == 0), ("replace.null.with.default", how & 2 == 0)]
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .into_iter()
        .collect();
    let converter = Converter::new("JsonConverter", &options, Side::Value).expect("JsonConverter");
    let schemas = Schemas::default();
    let mut plain = Vec::new();
    let _ = converter.to_connect(&schemas, Format::Json, Some(bytes), &mut plain);
    let mut rows = Vec::new();
    let Ok(read) = converter.to_connect(&schemas, Format::Rows, Some(bytes), &mut rows) else {
        assert!(rows.is_empty(), "what was read is taken back");
        return;
    };
    let value = (!read.null).then_some(rows.as_slice());
    text::to_text(&|id| schemas.get(id), read.schema, value).expect("sound values");
    let mut written = Vec::new();
    let Ok(null) = converter.from_connect(&schemas, Format::Rows, read.schema, value, &mut written) else {
        return;
    };
    // What was written is read and written as the same again. The first value need not come back:
    // Connect reads a payload of the wrong type as null, and writes a default in its place.
    let mut again = Vec::new();
    let second = converter
        .to_connect(&schemas, Format::Rows, (!null).then_some(&written), &mut again)
        .unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii()));
    let value = (!second.null).then_some(again.as_slice());
    let mut rewritten = Vec::new();
    let null_again = converter
        .from_connect(&schemas, Format::Rows, second.schema, value, &mut rewritten)
        .unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii()));
    assert_eq!(
        (null, written.escape_ascii().to_string()),
        (null_again, rewritten.escape_ascii().to_string())
    );
});
