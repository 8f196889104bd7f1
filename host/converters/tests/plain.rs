//! StringConverter and ByteArrayConverter.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use cofferdam_converters::Format;
use cofferdam_frame::tape::{self, Tag};
use cofferdam_frame::{Kind, Schema, logical, rows};
use common::{setup, tape as value};

#[test]
fn a_string_is_its_own_rows_form() {
    let setup = setup("org.apache.kafka.connect.storage.StringConverter", &[]);
    let identity = setup.converter.is_identity_to(&setup.schemas, Format::Rows).unwrap();
    assert_eq!(identity.schema, setup.kind(Kind::String, true));
    assert!(identity.holds("é".as_bytes()) && !identity.holds(b"\xff"));
    assert_eq!(setup.read("é".as_bytes()), "string? é");
    assert_eq!(setup.read(b""), "string? ");
    assert_eq!(setup.read(b"a\xffb"), "string? a\u{fffd}b");
    assert!(setup.converter.is_identity_from(&setup.schemas, Format::Rows, identity.schema));
    assert!(!setup.converter.is_identity_from(&setup.schemas, Format::Rows, setup.kind(Kind::Bytes, true)));
    assert!(!setup.converter.is_identity_from(&setup.schemas, Format::Rows, 0));
    let converted = setup.converter.to_connect(&setup.schemas, Format::Rows, None, &mut Vec::new()).unwrap();
    assert_eq!((converted.null, converted.schema), (true, identity.schema));
}

#[test]
fn a_string_is_written_by_to_string() {
    let setup = setup("StringConverter", &[]);
    let int = |number: i64| value(|out| rows::put_int(out, number));
    let timestamp = setup
        .schemas
        .define(Schema { name: Some(logical::TIMESTAMP.into()), ..Schema::of(Kind::Int64) })
        .unwrap();
    for (schema, bytes, expected) in [
        (setup.kind(Kind::String, false), b"plain".to_vec(), "plain"),
        (setup.kind(Kind::Int16, false), int(300), "300"),
        (setup.kind(Kind::Float64, false), value(|out| rows::put_float(out, 1e10)), "1.0E10"),
        (setup.kind(Kind::Float32, false), value(|out| rows::put_float(out, 0.1_f32.into())), "0.1"),
        (setup.kind(Kind::Boolean, false), vec![1], "true"),
        (timestamp, int(1_700_000_000_123), "Tue Nov 14 22:13:20 UTC 2023"),
        (0, value(|out| tape::put_string(out, "text")), "text"),
        (0, value(|out| tape::put_int(out, Tag::Int8, 1)), "1"),
        (0, common::tape_pair(1, "b"), "{1=b}"),
        // Java prints an identity that means nothing elsewhere.
        (setup.kind(Kind::Bytes, false), vec![1, 2], "AQI="),
        (0, value(tape::put_null), "tombstone"),
    ] {
        assert_eq!(setup.write(schema, Some(&bytes)), expected);
    }
    assert_eq!(setup.write(setup.kind(Kind::Int32, true), None), "tombstone");
    assert_eq!(setup.write(0, None), "tombstone");
}

#[test]
fn other_character_sets_are_converted() {
    for (encoding, bytes, text) in [
        ("ISO-8859-1", &b"\xe9"[..], "é"),
        ("us-ascii", b"a", "a"),
        ("UTF-16", b"\xfe\xff\x00a\xd8\x3d\xde\x00", "a😀"),
        ("UTF-16LE", b"a\x00", "a"),
    ] {
        let setup = setup("StringConverter", &[("converter.encoding", encoding)]);
        assert_eq!(setup.converter.is_identity_to(&setup.schemas, Format::Rows), None);
        assert_eq!(setup.read(bytes), format!("string? {text}"));
        let mut out = Vec::new();
        let schema = setup.kind(Kind::String, false);
        setup
            .converter
            .from_connect(&setup.schemas, Format::Rows, schema, Some(text.as_bytes()), &mut out)
            .unwrap();
        assert_eq!(out, bytes);
    }
}

#[test]
fn bytes_pass_and_nothing_else_does() {
    let setup = setup("ByteArrayConverter", &[]);
    let identity = setup.converter.is_identity_to(&setup.schemas, Format::Rows).unwrap();
    assert!(identity.holds(b"\xff"));
    assert_eq!(setup.read(b"\x00\x01\xff"), "bytes? AAH/");
    let bytes = setup.kind(Kind::Bytes, false);
    let decimal = setup
        .schemas
        .define(Schema {
            name: Some(logical::DECIMAL.into()),
            parameters: vec![("scale".into(), "2".into())],
            ..Schema::of(Kind::Bytes).optional()
        })
        .unwrap();
    assert!(setup.converter.is_identity_from(&setup.schemas, Format::Rows, bytes));
    assert!(!setup.converter.is_identity_from(&setup.schemas, Format::Rows, decimal));
    for (schema, value, expected) in [
        (bytes, Some(b"ab".to_vec()), "ab"),
        (bytes, None, "tombstone"),
        (0, None, "tombstone"),
        (0, Some(value(|out| tape::put_bytes(out, b"ab"))), "ab"),
        (
            0,
            Some(value(|out| tape::put_int(out, Tag::Int32, 5))),
            "error: ByteArrayConverter is not compatible with objects of type class java.lang.Integer",
        ),
        (setup.kind(Kind::String, true), None, "error: Invalid schema type for ByteArrayConverter: STRING"),
        (decimal, None, "tombstone"),
        (
            decimal,
            Some(vec![1]),
            "error: ByteArrayConverter is not compatible with objects of type class java.math.BigDecimal",
        ),
    ] {
        assert_eq!(setup.write(schema, value.as_deref()), expected);
    }
}

#[test]
fn raw_bytes_meet_no_converter() {
    for class in ["StringConverter", "ByteArrayConverter", "JsonConverter"] {
        let setup = setup(class, &[]);
        let mut out = Vec::new();
        let converted =
            setup.converter.to_connect(&setup.schemas, Format::Raw, Some(b"\xff{"), &mut out).unwrap();
        assert_eq!((converted.null, converted.schema, out.as_slice()), (false, 0, &b"\xff{"[..]));
        assert!(setup.converter.is_identity_to(&setup.schemas, Format::Raw).is_some());
        assert!(setup.converter.is_identity_from(&setup.schemas, Format::Raw, 0));
        let null =
            setup.converter.from_connect(&setup.schemas, Format::Raw, 0, None, &mut Vec::new()).unwrap();
        assert!(null);
    }
}

#[test]
fn a_plugin_of_json_gets_a_string_as_json() {
    let setup = setup("StringConverter", &[]);
    let mut out = Vec::new();
    setup.converter.to_connect(&setup.schemas, Format::Json, Some(b"a\"b"), &mut out).unwrap();
    assert_eq!(out, br#""a\"b""#);
    let mut back = Vec::new();
    setup.converter.from_connect(&setup.schemas, Format::Json, 0, Some(&out), &mut back).unwrap();
    assert_eq!(back, b"a\"b");
}
