//! Any bytes for JsonConverter: it refuses them, or what it reads are sound values of their schema,
//! which it can also write and read as the same again.
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
    let shown = text::to_text(&|id| schemas.get(id), read.schema, value).expect("sound values");
    let mut written = Vec::new();
    let Ok(null) = converter.from_connect(&schemas, Format::Rows, read.schema, value, &mut written) else {
        return;
    };
    let mut again = Vec::new();
    let second = converter
        .to_connect(&schemas, Format::Rows, (!null).then_some(&written), &mut again)
        .unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii()));
    let value = (!second.null).then_some(again.as_slice());
    let shown_again = text::to_text(&|id| schemas.get(id), second.schema, value).expect("sound values");
    assert_eq!(shown, shown_again, "{}", written.escape_ascii());
});
