//! JsonConverter against what Kafka Connect 4.3.1 did with the same input.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use cofferdam_converters::{Converter, Format, Side};
use cofferdam_frame::Kind;
use common::{Setup, bare, setup};

const NO_ENVELOPE: &str = "error: JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may \
                           not contain additional fields. If you are trying to deserialize plain JSON data, set \
                           schemas.enable=false in your converter configuration.";
const BROKEN: &str = "error: Converting byte[] to Kafka Connect data failed due to serialization error: ";

#[test]
fn bare_json_is_read_without_a_schema() {
    for (text, expected) in [
        ("", "null"),
        (" \n ", "null"),
        ("null", "null"),
        ("1", "Int64 1"),
        ("1.0", "Float64 1.0"),
        ("1e3", "Float64 1000.0"),
        ("-0", "Int64 0"),
        ("007", "Int64 7"),
        ("9223372036854775808", "Int64 -9223372036854775808"),
        ("12345678901234567890", "Int64 -6101065172474983726"),
        ("1e400", "Float64 Infinity"),
        ("true", "Boolean true"),
        ("\"s\\u00e9\\ud83d\\ude00\\n\"", "String sé😀\n"),
        ("\"\\ud83d\"", "String \u{fffd}"),
        ("\u{feff}1", "Int64 1"),
        ("{\"a\":1,\"b\":1.5,\"c\":null,\"d\":[1,\"x\"]}", "Map {a=1, b=1.5, c=null, d=[1, x]}"),
        ("{\"a\":1,\"b\":0,\"a\":2}", "Map {a=2, b=0}"),
        ("{\"a\":1} trailing", "Map {a=1}"),
        ("1 2", "Int64 1"),
        ("  {\"a\": 1 } ", "Map {a=1}"),
        ("{\"schema\":null,\"payload\":1}", "Map {schema=null, payload=1}"),
    ] {
        assert_eq!(bare().read(text.as_bytes()), expected, "{text}");
    }
    for text in [
        "{bad",
        "[1,]",
        "{'a':1}",
        "// c\n1",
        "NaN",
        "nul",
        "truex",
        "\"\u{1}\"",
        "+1",
        ".5",
        "1.",
        "1x",
        "\"a",
        "{",
        "[1 2]",
        "-",
    ] {
        assert_eq!(bare().read(text.as_bytes()), BROKEN, "{text}");
    }
    assert_eq!(bare().read(b"\"\xff\""), BROKEN);
}

#[test]
fn names_that_come_twice_are_found_in_long_objects_too() {
    let members: Vec<String> = (0..100).map(|n| format!("\"k{}\":{n}", n % 60)).collect();
    let expected: Vec<String> =
        (0..60).map(|n| format!("k{n}={}", if n < 40 { n + 60 } else { n })).collect();
    let text = format!("{{{}}}", members.join(","));
    assert_eq!(bare().read(text.as_bytes()), format!("Map {{{}}}", expected.join(", ")));
}

#[test]
fn an_envelope_is_read_by_its_schema() {
    for (text, expected) in [
        (r#"{"schema":{"type":"int8"},"payload":300}"#, "int8 44"),
        (r#"{"payload":300,"schema":{"type":"int8","optional":false}}"#, "int8 44"),
        (r#"{"schema":{"type":"int32"},"payload":1.9}"#, "int32 1"),
        (r#"{"schema":{"type":"int32"},"payload":"5"}"#, "int32 0"),
        (r#"{"schema":{"type":"int32","optional":true},"payload":{"a":[1]}}"#, "int32? 0"),
        (r#"{"schema":{"type":"string"},"payload":5}"#, "string null"),
        (r#"{"schema":{"type":"boolean"},"payload":1}"#, "boolean false"),
        (r#"{"schema":{"type":"float"},"payload":0.1}"#, "float32 0.1"),
        (r#"{"schema":{"type":"double"},"payload":1}"#, "float64 1.0"),
        (r#"{"schema":{"type":"bytes"},"payload":"AAH/"}"#, "bytes AAH/"),
        (r#"{"schema":{"type":"int32","optional":true,"default":5},"payload":null}"#, "int32?=5 5"),
        (r#"{"schema":{"type":"int32","default":"x"},"payload":1}"#, "int32=0 1"),
        (r#"{"schema":{"type":"int32","version":"2","doc":5,"name":7},"payload":1}"#, "int32 1"),
        (r#"{"schema":{"type":"array","items":{"type":"int64"}},"payload":{"a":1,"b":2}}"#, "array [1, 2]"),
        (r#"{"schema":{"type":"array","items":{"type":"int64"}},"payload":7}"#, "array []"),
        (
            r#"{"schema":{"type":"map","keys":{"type":"string"},"values":{"type":"int64"}},"payload":{"a":1}}"#,
            "map {a=1}",
        ),
        (
            r#"{"schema":{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}},"payload":[[1,"a"]]}"#,
            "map {1=a}",
        ),
        (
            r#"{"schema":{"type":"struct","fields":[{"field":"a","type":"int64"}]},"payload":{"zz":{"a":[]},"a":1}}"#,
            "struct{a:int64} Struct{a=1}",
        ),
        (
            r#"{"schema":{"type":"int32","name":"org.apache.kafka.connect.data.Date","version":1},"payload":19000}"#,
            "int32<Date> Sat Jan 08 00:00:00 UTC 2022",
        ),
        (
            r#"{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},"payload":"MDk="}"#,
            "bytes<Decimal> 123.45",
        ),
        (
            r#"{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},"payload":123.4}"#,
            "bytes<Decimal> 123.40",
        ),
        (r#"{"schema":null,"payload":{"a":1}}"#, "Map {a=1}"),
        (r#"{"schema":null,"payload":null}"#, "null"),
    ] {
        assert_eq!(setup("JsonConverter", &[]).read(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_with_an_envelope_is_told_in_kafkas_words() {
    for (text, expected) in [
        ("", NO_ENVELOPE),
        ("null", NO_ENVELOPE),
        (r#"{"a":1}"#, NO_ENVELOPE),
        (r#"{"payload":1}"#, NO_ENVELOPE),
        (r#"{"schema":{"type":"int32"},"payload":1,"x":2}"#, NO_ENVELOPE),
        (r#"{"schema":{"type":"int32"},"payload":null,"x":2}"#, NO_ENVELOPE),
        (r#"{"schema":{"type":"zzz"},"payload":1,"x":2}"#, NO_ENVELOPE),
        (r#"{"schema":{"type":"zzz"},"payload":1"#, BROKEN),
        (r#"{"schema":{"type":"int32"},"payload":null"#, BROKEN),
        (r#"{"schema":{"type":"zzz"},"payload":1}"#, "error: Unknown schema type: zzz"),
        (r#"{"schema":{},"payload":1}"#, "error: Schema must contain 'type' field"),
        (r#"{"schema":5,"payload":1}"#, "error: Schema must contain 'type' field"),
        (
            r#"{"schema":{"type":"int32"},"payload":null}"#,
            "error: Invalid null value for required INT32 field",
        ),
        (r#"{"schema":{"type":"bytes"},"payload":"***"}"#, "error: Invalid bytes field"),
        (
            r#"{"schema":{"type":"array"},"payload":[]}"#,
            "error: Array schema did not specify the element type",
        ),
        (
            r#"{"schema":{"type":"map","values":{"type":"int8"}},"payload":{}}"#,
            "error: Map schema did not specify the key type",
        ),
        (
            r#"{"schema":{"type":"map","keys":{"type":"int8"}},"payload":{}}"#,
            "error: Map schema did not specify the value type",
        ),
        (
            r#"{"schema":{"type":"struct"},"payload":{}}"#,
            "error: Struct schema's \"fields\" argument is not an array.",
        ),
        (
            r#"{"schema":{"type":"struct","fields":[{"type":"zzz"}]},"payload":{}}"#,
            "error: Struct schema's field name not specified properly",
        ),
        (
            r#"{"schema":{"type":"struct","fields":[{"field":"a","type":"int8"},{"field":"a","type":"int8"}]},"payload":{}}"#,
            "error: Cannot create field because of field name duplication a",
        ),
        (
            r#"{"schema":{"type":"struct","fields":[]},"payload":[]}"#,
            "error: Structs should be encoded as JSON objects, but found ARRAY",
        ),
        (
            r#"{"schema":{"type":"struct","fields":[{"field":"a","type":"int64"}]},"payload":{}}"#,
            "error: Invalid null value for required INT64 field",
        ),
        (
            r#"{"schema":{"type":"struct","fields":[{"field":"a","type":"string"}]},"payload":{"a":1}}"#,
            "error: Invalid value: null used for required field: \"a\", schema type: STRING",
        ),
        (
            r#"{"schema":{"type":"int8","parameters":{"a":1}},"payload":1}"#,
            "error: Schema parameters must have string values.",
        ),
        (
            r#"{"schema":{"type":"map","keys":{"type":"string"},"values":{"type":"int8"}},"payload":[]}"#,
            "error: Maps with string fields should be encoded as JSON objects, but found ARRAY",
        ),
        (
            r#"{"schema":{"type":"map","keys":{"type":"int8"},"values":{"type":"int8"}},"payload":{}}"#,
            "error: Maps with non-string fields should be encoded as JSON array of tuples, but found OBJECT",
        ),
        (
            r#"{"schema":{"type":"map","keys":{"type":"int8"},"values":{"type":"int8"}},"payload":[1]}"#,
            "error: Found invalid map entry instead of array tuple: NUMBER",
        ),
        (
            r#"{"schema":{"type":"map","keys":{"type":"int8"},"values":{"type":"int8"}},"payload":[[1,2,3]]}"#,
            "error: Found invalid map entry, expected length 2 but found :3",
        ),
        (
            r#"{"schema":{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp"},"payload":"x"}"#,
            "error: Invalid type for Timestamp, underlying representation should be integral but was STRING",
        ),
        (
            r#"{"schema":{"type":"int32","name":"org.apache.kafka.connect.data.Date"},"payload":3000000000}"#,
            "error: Invalid type for Date, underlying representation should be integer but was NUMBER",
        ),
        (
            r#"{"schema":{"type":"int32","name":"org.apache.kafka.connect.data.Time"},"payload":86400001}"#,
            "error: Time values must use number of milliseconds greater than 0 and less than 86400000",
        ),
        (
            r#"{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal"},"payload":"MDk="}"#,
            "error: Invalid bytes for Decimal field",
        ),
        // Kafka Connect takes it and fails when it is written; here there is no place for such a value.
        (
            r#"{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},"payload":1.234}"#,
            "error: Decimal value has mismatching scale for given Decimal schema. Schema has scale 2, value has scale 3.",
        ),
    ] {
        assert_eq!(setup("JsonConverter", &[]).read(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn options_change_how_nulls_and_schemas_are_read() {
    let kept = setup("JsonConverter", &[("replace.null.with.default", "false")]);
    let envelope = br#"{"schema":{"type":"int32","default":7,"optional":true},"payload":null}"#;
    assert_eq!(kept.read(envelope), "int32?=7 null");
    let content = r#"{"type":"struct","fields":[{"field":"a","type":"int32"}]}"#;
    let fixed = setup("JsonConverter", &[("schema.content", content)]);
    for _ in 0..2 {
        assert_eq!(fixed.read(br#"{"a":1}"#), "struct{a:int32} Struct{a=1}");
    }
    // The whole text has to be JSON before its shape matters.
    assert_eq!(fixed.read(b"[1]"), "error: Structs should be encoded as JSON objects, but found ARRAY");
    assert_eq!(fixed.read(b"[,]"), BROKEN);
    assert_eq!(fixed.read(b"1,2"), BROKEN);
}

const STRUCT: &str = concat!(
    r#"{"schema":{"type":"struct","fields":[{"type":"int8","optional":false,"field":"i8"},"#,
    r#"{"type":"float","optional":true,"field":"f"},{"type":"double","optional":false,"default":1.5,"field":"d"},"#,
    r#"{"type":"bytes","optional":false,"field":"b"},{"type":"bytes","optional":false,"#,
    r#""name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"dec"},"#,
    r#"{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"ts"},"#,
    r#"{"type":"array","items":{"type":"string","optional":false},"optional":false,"field":"arr"},"#,
    r#"{"type":"map","keys":{"type":"int32","optional":false},"values":{"type":"string","optional":false},"optional":false,"field":"m"},"#,
    r#"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"x"}],"optional":true,"name":"in.ner","doc":"d","field":"in"}],"#,
    r#""optional":false,"name":"acme.All","version":3,"doc":"all \"of\" it"},"#,
    r#""payload":{"i8":1,"f":null,"d":1.5,"b":"AQL/","dec":"kg==","ts":1500,"arr":["a"],"m":[[1,"x"]],"in":{"x":-9}}}"#
);

#[test]
fn an_envelope_is_written_as_it_was_read() {
    let setup = setup("JsonConverter", &[]);
    // The second round meets warm caches.
    for _ in 0..2 {
        assert_eq!(setup.round_trip(STRUCT.as_bytes()), STRUCT);
    }
}

#[test]
fn the_order_of_an_object_does_not_matter() {
    let setup = setup("JsonConverter", &[]);
    let (head, payload) = STRUCT.split_once(r#""payload":"#).unwrap();
    let payload = payload.strip_suffix('}').unwrap();
    let shuffled = payload
        .replace(r#""i8":1,"f":null,"#, r#""in":{"zz":[{}],"x":1},"#)
        .replace(r#","in":{"x":-9}"#, r#","i8":1,"in":{"x":-9}"#);
    for payload in [payload, shuffled.as_str(), payload] {
        assert_eq!(setup.round_trip(format!("{head}\"payload\":{payload}}}").as_bytes()), STRUCT);
        let payload_first =
            format!("{{\"payload\":{payload},{}}}", head.strip_prefix('{').unwrap().trim_end_matches(','));
        assert_eq!(setup.round_trip(payload_first.as_bytes()), STRUCT);
    }
}

#[test]
fn bare_json_is_written_without_the_schema() {
    let bare = setup("JsonConverter", &[("schemas.enable", "false"), ("decimal.format", "numeric")]);
    let with = setup("JsonConverter", &[]);
    let (schema, rows) = with.rows(STRUCT.as_bytes());
    let text = r#"{"i8":1,"f":null,"d":1.5,"b":"AQL/","dec":-1.10,"ts":1500,"arr":["a"],"m":[[1,"x"]],"in":{"x":-9}}"#;
    let moved = Setup { schemas: with.schemas, converter: bare.converter };
    assert_eq!(moved.write(schema, Some(&rows)), text);
    assert_eq!(
        moved.write(schema, None),
        "error: Conversion error: null value for field that is required and has no default value"
    );
    // A null with a schema is a text; only one without is a tombstone.
    assert_eq!(moved.write(moved.kind(Kind::Int32, true), None), "null");
    assert_eq!(moved.write(0, None), "tombstone");
}

#[test]
fn schemaless_values_are_written_as_jackson_does() {
    for text in [
        "{}",
        "[]",
        r#"{"a":1,"b":1.0E21,"c":null,"d":[1,"x",true,{}]}"#,
        r#""q\"\\/\b\f\n\r\t\u0001""#,
        "\"\u{7f}\u{2028}é\"",
        r#""\uD83D\uDE00""#,
        "-0.0",
        "4.9E-324",
    ] {
        assert_eq!(bare().round_trip(text.as_bytes()), text);
        let envelope = format!("{{\"schema\":null,\"payload\":{text}}}");
        assert_eq!(setup("JsonConverter", &[]).round_trip(envelope.as_bytes()), envelope);
    }
    let setup = bare();
    for (value, expected) in [
        (common::tape_pair(1, "b"), r#"[[1,"b"]]"#),
        (
            common::tape(|out| cofferdam_frame::tape::put_decimal(out, 1, &[15])),
            "error: Java class class java.math.BigDecimal does not have corresponding schema type.",
        ),
        (
            common::tape(|out| cofferdam_frame::tape::put_date(out, 1)),
            "error: Java class class java.util.Date does not have corresponding schema type.",
        ),
        (
            common::tape(|out| {
                cofferdam_frame::tape::put_float(out, cofferdam_frame::tape::Tag::Float64, f64::NAN)
            }),
            "\"NaN\"",
        ),
        (common::tape(|out| cofferdam_frame::tape::put_bytes(out, &[1, 2])), "\"AQI=\""),
    ] {
        assert_eq!(setup.write(0, Some(&value)), expected);
    }
}

#[test]
fn a_plugin_may_read_and_write_json() {
    let setup = setup("JsonConverter", &[]);
    let mut out = Vec::new();
    let converted =
        setup.converter.to_connect(&setup.schemas, Format::Json, Some(STRUCT.as_bytes()), &mut out).unwrap();
    assert_eq!((converted.null, converted.schema), (false, 0));
    assert_eq!(
        String::from_utf8(out.clone()).unwrap(),
        r#"{"i8":1,"f":null,"d":1.5,"b":"AQL/","dec":"kg==","ts":1500,"arr":["a"],"m":[[1,"x"]],"in":{"x":-9}}"#
    );
    let mut back = Vec::new();
    let null = setup
        .converter
        .from_connect(&setup.schemas, Format::Json, 0, Some(b"{\"a\": [1]}"), &mut back)
        .unwrap();
    assert_eq!((null, back.as_slice()), (false, &br#"{"schema":null,"payload":{"a":[1]}}"#[..]));
}

#[test]
fn nothing_is_nested_without_end() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(bare().read(&nested(64)).starts_with("Array"));
    let too_deep = "error: the value is nested deeper than 64 levels";
    assert_eq!(bare().read(&nested(65)), too_deep);
    assert_eq!(bare().read(&vec![b'['; 1_000_000]), too_deep);
    let schema =
        format!("{}{{\"type\":\"int8\"}}{}", "{\"type\":\"array\",\"items\":".repeat(100), "}".repeat(100));
    assert_eq!(
        setup("JsonConverter", &[]).read(format!("{{\"schema\":{schema},\"payload\":1}}").as_bytes()),
        too_deep
    );
}

#[test]
fn a_small_schema_cannot_stand_for_an_endless_text() {
    let setup = setup("JsonConverter", &[]);
    let mut id = setup.kind(Kind::Int8, true);
    // Doubled as often as a task's schemas allow, with names that are long enough to be too much.
    for _ in 0..15 {
        let fields =
            ["a", "b"].map(|name| cofferdam_frame::Field { name: name.repeat(400), schema: id }).to_vec();
        id = setup
            .schemas
            .define(cofferdam_frame::Schema {
                fields,
                ..cofferdam_frame::Schema::of(Kind::Struct).optional()
            })
            .unwrap();
    }
    assert_eq!(setup.write(id, None), "error: the schema is longer than 16777216 bytes of JSON");
}

#[test]
fn a_failed_conversion_leaves_nothing_behind() {
    let setup = bare();
    let mut out = b"before".to_vec();
    setup.converter.to_connect(&setup.schemas, Format::Rows, Some(b"{\"a\":[1,"), &mut out).unwrap_err();
    assert_eq!(out, b"before");
}

#[test]
fn wrong_options_are_told_in_kafkas_words() {
    let new = |class, key: &str, value: &str| {
        let options = [(key.to_owned(), value.to_owned())].into_iter().collect();
        Converter::new(class, &options, Side::Key).map(|_| ()).unwrap_err().to_string()
    };
    for (key, value, expected) in [
        (
            "decimal.format",
            "HEX",
            "Invalid value HEX for configuration decimal.format: String must be one of (case insensitive): NUMERIC, BASE64",
        ),
        (
            "schemas.enable",
            "maybe",
            "Invalid value maybe for configuration schemas.enable: Expected value to be either true or false",
        ),
        (
            "schema.content",
            "{}",
            "Invalid value {} for configuration schema.content: Schema must contain 'type' field",
        ),
    ] {
        assert_eq!(new("JsonConverter", key, value), expected);
    }
    assert!(new("io.confluent.connect.avro.AvroConverter", "a", "b").contains("is not available"));
}

#[test]
fn a_double_in_the_place_of_a_float_is_json_all_the_same() {
    let bare = bare();
    let float = bare.kind(Kind::Float32, false);
    for (value, expected) in [(1.5, "1.5"), (1e300, "\"Infinity\""), (-1e300, "\"-Infinity\"")] {
        assert_eq!(bare.write(float, Some(&f64::to_le_bytes(value))), expected);
    }
}
