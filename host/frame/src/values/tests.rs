//! Values as Kafka Connect 4.3.1 read and wrote them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::cell::RefCell;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::rows::{ListWriter, RowWriter};
use crate::tape::{self, Tag};
use crate::{DEPTH_MAX, Field, Kind, logical, rows};

#[derive(Default)]
struct Registry(RefCell<Vec<Arc<Schema>>>);

impl Registry {
    fn define(&self, schema: &Schema) -> SchemaId {
        let mut all = self.0.borrow_mut();
        let known = all.iter().position(|known| **known == *schema);
        (known.unwrap_or_else(|| {
            all.push(Arc::new(schema.clone()));
            all.len() - 1
        }) + 1) as SchemaId
    }

    fn get(&self, id: SchemaId) -> Option<Arc<Schema>> {
        self.0.borrow().get((id as usize).checked_sub(1)?).cloned()
    }

    fn parse(&self, text: &str) -> (SchemaId, Option<Vec<u8>>) {
        let mut out = Vec::new();
        let parsed = super::parse(text, &mut out, &mut |schema| Ok::<_, ()>(self.define(schema))).unwrap();
        (parsed.schema, (!parsed.null).then_some(out))
    }

    fn write(&self, schema: SchemaId, value: Option<&[u8]>) -> Option<String> {
        let mut out = Vec::new();
        let null = super::write(&mut out, &|id| self.get(id), schema, value).unwrap();
        (!null).then(|| String::from_utf8(out).unwrap())
    }

    /// `array[int8]`, with nothing for a schema that is not there.
    fn describe(&self, id: Option<SchemaId>) -> String {
        let Some(schema) = id.and_then(|id| self.get(id)) else { return String::new() };
        match (schema.name.as_deref(), schema.kind) {
            (Some(logical::DECIMAL), _) => format!("decimal({})", schema.parameters[0].1),
            (Some(name), _) => name.rsplit('.').next().unwrap().to_lowercase(),
            (None, Kind::Array) => format!("array[{}]", self.describe(schema.value)),
            (None, Kind::Map) => {
                format!("map[{},{}]", self.describe(schema.key), self.describe(schema.value))
            }
            (None, kind) => format!("{kind:?}").to_lowercase(),
        }
    }

    /// The type and the text of what is read from `text`.
    fn read(&self, text: &str) -> String {
        let (schema, value) = self.parse(text);
        let text = self.write(schema, value.as_deref()).unwrap_or_else(|| "-".to_owned());
        format!("{} {text}", self.describe(Some(schema)))
    }
}

#[test]
fn types_are_guessed_as_kafka_connect_does() {
    for (text, expected) in [
        ("", "string "),
        ("  ", "string   "),
        ("null", " -"),
        (" null ", " -"),
        ("true", "boolean true"),
        (" false ", "boolean false"),
        ("TRUE", "string TRUE"),
        ("True", "string True"),
        ("true}", "string true}"),
        ("1", "int8 1"),
        ("127", "int8 127"),
        (" 1 ", "int8 1"),
        ("007", "int8 7"),
        ("+5", "int8 5"),
        ("1.0", "int8 1"),
        ("1.", "int8 1"),
        ("-0.0", "int8 0"),
        ("0e999", "int8 0"),
        ("-128", "int8 -128"),
        ("128", "int16 128"),
        ("-129", "int16 -129"),
        ("1e3", "int16 1000"),
        ("12.34e2", "int16 1234"),
        ("32768", "int32 32768"),
        ("2147483648", "int64 2147483648"),
        ("1e10", "int64 10000000000"),
        ("9223372036854775807", "int64 9223372036854775807"),
        ("-9223372036854775808", "int64 -9223372036854775808"),
        ("9223372036854775808", "decimal(0) 9223372036854775808"),
        ("-9223372036854775809", "decimal(0) -9223372036854775809"),
        ("100000000000000000000", "decimal(0) 100000000000000000000"),
        ("9223372036854775808.0", "float32 9.223372E18"),
        ("1e19", "float32 1.0E19"),
        ("1e400", "decimal(-400) 1E+400"),
        ("-1e400", "decimal(-400) -1E+400"),
        ("1.7e309", "decimal(-308) 1.7E+309"),
        ("1e-400", "float32 0.0"),
        ("1.5", "float32 1.5"),
        ("-.5", "float32 -0.5"),
        ("0.1", "float32 0.1"),
        ("123456789.123", "float32 1.2345679E8"),
        ("3.4e39", "float64 3.4E39"),
        ("3.4028236e38", "float64 3.4028236E38"),
        ("1e300", "float64 1.0E300"),
        ("\u{664}\u{662}", "int8 42"),
        ("NaN", "string NaN"),
        (".5", "string .5"),
        ("1f", "string 1f"),
        ("1L", "string 1L"),
        ("0x10", "string 0x10"),
        ("1_000", "string 1_000"),
        ("12abc", "string 12abc"),
        ("1e", "string 1e"),
        ("1e99999999999", "string 1e99999999999"),
        ("1.2.3", "string 1.2.3"),
        ("-", "string -"),
        ("+-1", "string +-1"),
        ("\"a\"", "string \"a\""),
        ("\"1\"", "string \"1\""),
        ("\"2019-08-23\"", "string \"2019-08-23\""),
        ("\"unterminated", "string \"unterminated"),
        ("a,b", "string a,b"),
        ("hello world", "string hello world"),
        ("\\", "string \\"),
        ("é", "string é"),
        ("1,2", "int8 1"),
        ("1 2", "string 1 2"),
    ] {
        assert_eq!(Registry::default().read(text), expected, "{text}");
    }
    // One digit more than is read.
    let long = "1".repeat(DIGITS_MAX + 1);
    assert_eq!(Registry::default().read(&long), format!("string {long}"));
    assert!(Registry::default().read(&long[1..]).starts_with("decimal(0) 111"));
}

#[test]
fn dates_are_read_as_leniently_as_in_java() {
    for (text, expected) in [
        ("2019-08-23", "date 2019-08-23"),
        ("2019-13-45", "date 2020-02-14"),
        ("2024-13-02", "date 2025-01-02"),
        ("2019- 8-23", "date 2019-08-23"),
        ("2019--8-23", "date 2018-04-23"),
        ("2019-8-23x", "date 2019-08-23"),
        ("2E3-01-011", "date 2000-01-11"),
        ("2019-08-2", "string 2019-08-2"),
        ("2019-08-xx", "string 2019-08-xx"),
        ("1234567890", "int32 1234567890"),
        ("14:34:54.346Z", "time 14:34:54.346Z"),
        ("14\\:34\\:54.346Z", "time 14:34:54.346Z"),
        ("1:2:3.4Zabcde", "time 01:02:03.004Z"),
        ("14:34:54.346z", "int8 14"),
        ("2019-08-23T14:34:54.346Z", "timestamp 2019-08-23T14:34:54.346Z"),
        ("2019-08-23T14\\:34\\:54.346Z", "timestamp 2019-08-23T14:34:54.346Z"),
        ("2024-01-02T03:04:05Z", "string 2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05.678+01:00", "string 2024-01-02T03:04:05.678+01:00"),
        ("[2019-08-23]", "array[date] [2019-08-23]"),
        ("[\"2019-08-23\"]", "array[date] [2019-08-23]"),
        ("[14:34:54.346Z,14:34:54.347Z]", "array[time] [14:34:54.346Z,14:34:54.347Z]"),
        ("{\"t\":14:34:54.346Z}", "map[string,time] {\"t\":14:34:54.346Z}"),
        ("[1,1970-01-03]", "array[date] [1970-01-02,1970-01-03]"),
        ("[2019-08-23,1]", "array[date] [2019-08-23,1970-01-02]"),
        ("[2019-08-23,100000]", "string [2019-08-23,100000]"),
        ("[2019-08-23,1.5]", "string [2019-08-23,1.5]"),
        // A time of day is no date, so the schema gives way.
        ("[14:34:54.346Z,2019-08-23]", "array[] [14:34:54.346Z,2019-08-23]"),
        ("[2019-08-23,14:34:54.346Z]", "array[time] [2019-08-23,14:34:54.346Z]"),
    ] {
        assert_eq!(Registry::default().read(text), expected, "{text}");
    }
    let registry = Registry::default();
    for (text, days) in
        [("1969-12-31", -1), ("1582-10-15", -141_427), ("1582-10-04", -141_428), ("0000-01-01", -719_530)]
    {
        let (_, value) = registry.parse(text);
        assert_eq!(rows::int(&value.unwrap()), Some(days), "{text}");
    }
}

#[test]
fn arrays_and_maps_are_read_with_their_quirks() {
    for (text, expected) in [
        ("[1,2,3]", "array[int8] [1,2,3]"),
        ("[1,300]", "array[int16] [1,300]"),
        ("[1,2.5]", "array[float32] [1.0,2.5]"),
        ("[1.5,1e300]", "array[float64] [1.5,1.0E300]"),
        ("[1,\"a\"]", "array[] [1,\"a\"]"),
        ("[1,true]", "array[] [1,true]"),
        ("[]", "array[] []"),
        ("[null]", "array[] [null]"),
        ("[true,false]", "array[boolean] [true,false]"),
        ("[\"a\",\"b\"]", "array[string] [\"a\",\"b\"]"),
        ("[ \"a\" , \"b\" ]", "array[string] [\"a\",\"b\"]"),
        ("[1,null]", "string [1,null]"),
        ("[a]", "string [a]"),
        ("[1,2", "string [1,2"),
        ("[1", "string [1"),
        ("[,]", "string [,]"),
        ("[1,]", "array[int8] [1]"),
        ("[1, ]", "array[int8] [1]"),
        ("[1,2] and more", "array[int8] [1,2]"),
        ("  [1]", "array[int8] [1]"),
        // The blanks before a broken array are all that is left of it.
        ("  [1", "string   "),
        ("[\"a:b, c\"]", "array[string] [\"a:b, c\"]"),
        ("[\"a: :b\"]", "array[string] [\"a::b\"]"),
        ("[\" \"]", "array[string] [\"\"]"),
        ("[\"a\\\"b\"]", "array[string] [\"a\\\\\\\"b\"]"),
        ("{}", "map[,] {}"),
        ("{\"a\":1}", "map[string,int8] {\"a\":1}"),
        ("{\"a\":1,\"b\":300}", "map[string,int16] {\"a\":1,\"b\":300}"),
        ("{\"a\":1,\"b\":\"x\"}", "map[string,] {\"a\":1,\"b\":\"x\"}"),
        ("{\"a\":null}", "map[string,] {\"a\":null}"),
        ("{\"a\":1,\"b\":null}", "string {\"a\":1,\"b\":null}"),
        ("{a:1}", "string {a:1}"),
        ("{null:1}", "string {null:1}"),
        ("{\"a\":1", "string {\"a\":1"),
        ("{\"a\"}", "string {\"a\"}"),
        ("{1:2}", "map[int8,int8] {1:2}"),
        ("{1:2,\"a\":3}", "map[,] {1:2,\"a\":3}"),
        ("{\"a\":1 \"b\":2}", "map[string,int8] {\"a\":1,\"b\":2}"),
        ("{\"a\":1,\"b\":2,\"a\":3}", "map[string,int8] {\"a\":3,\"b\":2}"),
        ("{\"a\":[1,2]}", "map[string,array[int8]] {\"a\":[1,2]}"),
        ("{\"a\":{\"b\":[]}}", "map[string,map[string,array[]]] {\"a\":{\"b\":[]}}"),
        ("[[1],[300]]", "array[array[int16]] [[1],[300]]"),
        ("[[1],[]]", "array[array[]] [[1],[]]"),
        ("[[1],[\"a\"]]", "array[] [[1],[\"a\"]]"),
        ("[9223372036854775808,1e400]", "array[] [9223372036854775808,1E+400]"),
    ] {
        assert_eq!(Registry::default().read(text), expected, "{text}");
    }
}

#[test]
fn deep_nesting_stays_text() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let deepest = nested(DEPTH_MAX);
    assert!(Registry::default().read(&deepest).starts_with("array["));
    let deeper = nested(DEPTH_MAX + 1);
    assert_eq!(Registry::default().read(&deeper), format!("string {deeper}"));
    let broken = "[".repeat(100_000);
    assert_eq!(Registry::default().read(&broken), format!("string {broken}"));
}

#[test]
fn a_struct_is_written_as_a_map_with_the_defaults_of_null_fields() {
    let registry = Registry::default();
    let text = registry.define(&Schema::of(Kind::String).optional());
    let bytes = registry.define(&Schema::of(Kind::Bytes));
    let with_default = Schema { default: Some(b"d\"f".to_vec()), ..Schema::of(Kind::String).optional() };
    let with_default = registry.define(&with_default);
    let fields = [("a\\b", text), ("bytes", bytes), ("default", with_default), ("null", text)]
        .map(|(name, schema)| Field { name: name.into(), schema })
        .to_vec();
    let schema = registry.define(&Schema { fields, ..Schema::of(Kind::Struct) });
    let mut value = Vec::new();
    let mut row = RowWriter::start(&mut value, 4);
    row.copy(&mut value, Some("é\"".as_bytes()));
    row.copy(&mut value, Some(&[0, 1, 0xff]));
    row.copy(&mut value, None);
    row.copy(&mut value, None);
    let expected = r#"{"a\\b":"é\"","bytes":"AAH/","default":"d\"f","null":null}"#;
    assert_eq!(registry.write(schema, Some(&value)).as_deref(), Some(expected));
    let tape = [&[Tag::Struct as u8, schema as u8, 0, 0, 0], value.as_slice()].concat();
    assert_eq!(registry.write(0, Some(&tape)).as_deref(), Some(expected));
    // At the top a null is null, whatever the default.
    assert_eq!(registry.write(with_default, None), None);
    assert_eq!(registry.write(0, Some(&[Tag::Null as u8])), None);
}

#[test]
fn dates_are_written_by_what_they_hold() {
    for (millis, expected) in [
        (0, "00:00:00.000Z"),
        (5, "00:00:00.005Z"),
        (45_296_789, "12:34:56.789Z"),
        (-1, "23:59:59.999Z"),
        (i64::MIN, "16:47:04.192Z"),
        (86_400_000, "1970-01-02"),
        (1_641_600_000_000, "2022-01-08"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (253_402_300_800_000, "10000-01-01"),
        (i64::MAX, "292278994-08-17T07:12:55.807Z"),
    ] {
        let mut out = Vec::new();
        put_temporal(&mut out, millis);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{millis}");
    }
}

#[test]
fn foreign_bytes_are_an_error() {
    let registry = Registry::default();
    let array = registry.define(&Schema::of(Kind::Array));
    let write =
        |schema, value: &[u8]| super::write(&mut Vec::new(), &|id| registry.get(id), schema, Some(value));
    assert!(write(0, b"").is_err());
    assert!(write(9, b"x").is_err());
    assert!(write(array, b"x").is_err());
    // Items without a schema are tape, and these are not.
    let mut value = Vec::new();
    let mut list = ListWriter::start(&value);
    list.copy(&mut value, Some(&[99]));
    list.finish(&mut value);
    assert!(write(array, &value).is_err());
}

fn any_tape() -> impl Strategy<Value = Vec<u8>> {
    let put = |put: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        put(&mut out);
        out
    };
    let leaf = prop_oneof![
        any::<bool>().prop_map(move |value| put(&|out| tape::put_boolean(out, value))),
        any::<i64>().prop_map(move |value| put(&|out| tape::put_int(out, Tag::Int64, value))),
        "[a-z :,\\]}]{1,12}[a-z]".prop_map(move |value| put(&|out| tape::put_string(out, &value))),
        (0..4_000_000_000_000_i64).prop_map(move |value| put(&|out| tape::put_date(out, value))),
        any::<i128>().prop_map(move |value| {
            put(&|out| {
                let bytes = value.to_be_bytes();
                tape::put_decimal(out, 0, &bytes);
            })
        }),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop::collection::vec(inner, 0..6).prop_map(move |items| {
            put(&|out| {
                let mut list = tape::start_array(out);
                for item in &items {
                    list.copy(out, Some(item));
                }
                list.finish(out);
            })
        })
    })
}

proptest! {
    /// The types of numbers and dates are guessed anew, but the text stays.
    #[test]
    fn a_text_that_was_written_is_read_as_the_same_text(tape in any_tape()) {
        let registry = Registry::default();
        let text = registry.write(0, Some(&tape)).unwrap();
        let (schema, value) = registry.parse(&text);
        let again = registry.write(schema, value.as_deref());
        // Floats are lossy, and so are blanks between delimiters, once; and they stay so.
        let text = again.unwrap();
        let (schema, value) = registry.parse(&text);
        prop_assert_eq!(registry.write(schema, value.as_deref()), Some(text));
    }

    #[test]
    fn integers_and_booleans_survive(value in any::<i64>(), other in any::<bool>()) {
        let registry = Registry::default();
        for text in [value.to_string(), other.to_string(), format!("[{value},{}]", value / 3)] {
            let (schema, bytes) = registry.parse(&text);
            prop_assert_eq!(registry.write(schema, bytes.as_deref()), Some(text));
        }
    }

    #[test]
    fn dates_survive(millis in 86_400_000..253_402_300_800_000_i64) {
        let mut text = Vec::new();
        put_temporal(&mut text, millis);
        let registry = Registry::default();
        let text = String::from_utf8(text).unwrap();
        let (schema, value) = registry.parse(&text);
        let value = rows::int(&value.unwrap()).unwrap();
        prop_assert_eq!(if registry.describe(Some(schema)) == "date" { value * 86_400_000 } else { value }, millis);
    }

    #[test]
    fn decimals_survive(digits in "[1-9][0-9]{20,120}", negative in any::<bool>()) {
        let text = if negative { format!("-{digits}") } else { digits };
        prop_assert_eq!(Registry::default().read(&text), format!("decimal(0) {text}"));
    }

    /// Whatever is read is laid out as its schema says: it can be written again.
    #[test]
    fn no_text_is_too_odd(text in "[\\[\\]{}:,\"\\\\0-9a-eE.+ tfnulTZ-]{0,40}") {
        let registry = Registry::default();
        let (schema, value) = registry.parse(&text);
        prop_assert_eq!(value.is_none(), schema == 0);
        if value.is_some() {
            prop_assert!(registry.write(schema, value.as_deref()).is_some());
        }
    }
}
