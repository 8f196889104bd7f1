//! The converters of one number or boolean, and SimpleHeaderConverter, against what Kafka Connect
//! 4.3.1 did with the same input.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use cofferdam_converters::{CLASSES, Converter, DataError, Format, SIMPLE_HEADER, Side, config_def, find};
use cofferdam_frame::tape::{self, Tag};
use cofferdam_frame::{Kind, Schema, logical, rows};
use common::{Setup, setup, tape};

fn read_error(class: &str, bytes: &[u8]) -> DataError {
    let setup = setup(class, &[]);
    setup.converter.to_connect(&setup.schemas, Format::Rows, Some(bytes), &mut Vec::new()).unwrap_err()
}

fn write_error(setup: &Setup, schema: u32, value: Option<&[u8]>) -> DataError {
    setup.converter.from_connect(&setup.schemas, Format::Rows, schema, value, &mut Vec::new()).unwrap_err()
}

#[test]
fn bytes_are_read_big_endian() {
    for (class, bytes, expected) in [
        ("ShortConverter", &[0x40, 1][..], "int16? 16385"),
        ("ShortConverter", &[0xff, 0xff], "int16? -1"),
        ("org.apache.kafka.connect.converters.IntegerConverter", &[0x40, 1, 2, 3], "int32? 1073807875"),
        ("LongConverter", &[0x40, 1, 2, 3, 4, 5, 6, 7], "int64? 4611969705379694087"),
        ("FloatConverter", &[0x3f, 0xc0, 0, 0], "float32? 1.5"),
        ("DoubleConverter", &[0x3f, 0xf8, 0, 0, 0, 0, 0, 0], "float64? 1.5"),
        ("BooleanConverter", &[1], "boolean? true"),
        ("BooleanConverter", &[0], "boolean? false"),
    ] {
        assert_eq!(setup(class, &[]).read(bytes), expected, "{class}");
    }
}

#[test]
fn what_is_no_number_is_told_in_kafkas_words() {
    for (class, bytes, message, cause) in [
        (
            "ShortConverter",
            &[][..],
            "Failed to deserialize short: ",
            "Size of data received by ShortDeserializer is not 2",
        ),
        (
            "FloatConverter",
            &[1, 2, 3],
            "Failed to deserialize float: ",
            "Size of data received by Deserializer is not 4",
        ),
        (
            "BooleanConverter",
            &[2],
            "Failed to deserialize boolean: ",
            "Unexpected byte received by BooleanDeserializer: 2",
        ),
        (
            "BooleanConverter",
            &[0xff],
            "Failed to deserialize boolean: ",
            "Unexpected byte received by BooleanDeserializer: -1",
        ),
    ] {
        let error = read_error(class, bytes);
        assert_eq!((error.message.as_str(), error.causes[0].message.as_str()), (message, cause));
        assert_eq!(error.causes[0].class, "org.apache.kafka.common.errors.SerializationException");
    }
}

#[test]
fn a_number_of_another_class_is_refused() {
    let setup = setup("IntegerConverter", &[]);
    let mut seven = Vec::new();
    rows::put_int(&mut seven, 7);
    let long = setup.kind(Kind::Int64, false);
    let error = write_error(&setup, long, Some(&seven));
    assert_eq!(error.message, "Failed to serialize to integer (was class java.lang.Long): ");
    assert_eq!(
        error.causes[0].message,
        "class java.lang.Long cannot be cast to class java.lang.Integer (java.lang.Long and java.lang.Integer are in \
         module java.base of loader 'bootstrap')"
    );
    // A date lies as an int32 but is none.
    let date = Schema { name: Some(logical::DATE.into()), ..Schema::of(Kind::Int32) };
    let date = setup.schemas.define(date).unwrap();
    assert_eq!(
        write_error(&setup, date, Some(&seven)).message,
        "Failed to serialize to integer (was class java.util.Date): "
    );
    let error = write_error(&setup, 0, Some(&tape(|out| tape::put_boolean(out, true))));
    assert!(error.causes[0].message.contains("cannot be cast to class java.lang.Number"), "{error:?}");
    // Null is null, whatever the schema.
    assert_eq!(setup.write(long, None), "tombstone");
    assert_eq!(setup.write(0, Some(&tape(|out| tape::put_int(out, Tag::Int32, 1)))), "\0\0\0\u{1}");
}

#[test]
fn a_boolean_looks_at_the_schema() {
    let setup = setup("BooleanConverter", &[]);
    let int = setup.kind(Kind::Int32, true);
    assert_eq!(write_error(&setup, int, None).message, "Invalid schema type for BooleanConverter: INT32");
    assert_eq!(
        write_error(&setup, 0, Some(&tape(|out| tape::put_int(out, Tag::Int32, 1)))).message,
        "BooleanConverter is not compatible with objects of type class java.lang.Integer"
    );
}

#[test]
fn headers_get_the_type_that_they_look_like() {
    let options = Default::default();
    assert!(Converter::new(SIMPLE_HEADER, &options, Side::Value).is_err());
    let converter = Converter::new("SimpleHeaderConverter", &options, Side::Header).unwrap();
    let setup = Setup { schemas: Default::default(), converter };
    for (bytes, expected) in [
        (&b"abc"[..], "string abc"),
        (b"", "string "),
        (b"null", "null"),
        (b"-129", "int16 -129"),
        (b"\xff\xfe", "string \u{fffd}\u{fffd}"),
        (b"[1,300]", "array [1, 300]"),
        (b"[null]", "array [null]"),
    ] {
        assert_eq!(setup.read(bytes), expected);
    }
    assert_eq!(setup.round_trip(b"{\"a\":[1,\"x\"],\"b\":[]}"), "{\"a\":[1,\"x\"],\"b\":[]}");
    // What has no item schema can still be written as JSON.
    let mut value = Vec::new();
    let read =
        setup.converter.to_connect(&setup.schemas, Format::Rows, Some(b"[1,\"x\"]"), &mut value).unwrap();
    let json = Converter::new("JsonConverter", &options, Side::Value).unwrap();
    let mut out = Vec::new();
    json.from_connect(&setup.schemas, Format::Rows, read.schema, Some(&value), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"schema\":{\"type\":\"array\",\"items\":null,\"optional\":false},\"payload\":[1,\"x\"]}"
    );
}

#[test]
fn every_converter_has_two_names_and_its_options() {
    for class in CLASSES.into_iter().chain([SIMPLE_HEADER]) {
        let simple = class.rsplit('.').next().unwrap();
        assert_eq!(find(simple), Some(class));
        let options = config_def(simple).unwrap();
        assert_eq!(options.key("converter.type").is_some(), class != SIMPLE_HEADER, "{class}");
        assert!(Converter::new(simple, &Default::default(), Side::Header).is_ok());
    }
    assert_eq!(find("AvroConverter"), None);
}
