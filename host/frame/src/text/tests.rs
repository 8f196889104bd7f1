//! Texts as Java prints them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::rows::{ListWriter, RowWriter};
use crate::{Field, tape};

fn text(put: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    put(&mut out);
    String::from_utf8(out).unwrap()
}

fn of_tape(put: impl FnOnce(&mut Vec<u8>)) -> Result<String, TextError> {
    let mut value = Vec::new();
    put(&mut value);
    to_text(&|_| None, 0, Some(&value))
}

#[test]
fn doubles_are_in_java_notation() {
    for (value, expected) in [
        (1.0, "1.0"),
        (-1.5, "-1.5"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (0.002, "0.002"),
        (0.001, "0.001"),
        (0.00125, "0.00125"),
        (9.99e-4, "9.99E-4"),
        (100.0, "100.0"),
        (123.0, "123.0"),
        (123.456, "123.456"),
        (1_234_567.0, "1234567.0"),
        (9_999_999.5, "9999999.5"),
        (1e7, "1.0E7"),
        (12_345_678.9, "1.23456789E7"),
        (1e10, "1.0E10"),
        (1e21, "1.0E21"),
        (1e-7, "1.0E-7"),
        (-2.5e10, "-2.5E10"),
        (4.9e-324, "4.9E-324"),
        (2e-323, "2.0E-323"),
        (2e23, "2.0E23"),
        (f64::MAX, "1.7976931348623157E308"),
        (9_007_199_254_740_992.0, "9.007199254740992E15"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(text(|out| put_double(out, value)), expected);
    }
}

#[test]
fn floats_have_the_digits_of_a_float() {
    for (value, expected) in
        [(0.1, "0.1"), (3.9, "3.9"), (1.4e-45, "1.4E-45"), (f32::MAX, "3.4028235E38"), (1e10, "1.0E10")]
    {
        assert_eq!(text(|out| put_float(out, value)), expected);
    }
}

#[test]
fn integers_reach_both_ends() {
    for value in [0, 7, -1, 10, i64::MAX, i64::MIN] {
        assert_eq!(text(|out| put_int(out, value)), value.to_string());
    }
}

#[test]
fn decimals_are_printed_as_big_decimal_does() {
    let long = {
        // 2^136 and its negative: more than a machine word, with and without a carry.
        let mut bytes = vec![1];
        bytes.resize(18, 0);
        bytes
    };
    let negative: Vec<u8> = std::iter::once(0xff).chain(std::iter::repeat_n(0, 17)).collect();
    for (scale, unscaled, expected) in [
        (2, &[0x30, 0x39][..], "123.45"),
        (5, &[0], "0.00000"),
        (0, &[], "0"),
        (2, &[0xff], "-0.01"),
        (-2, &[1], "1E+2"),
        (-3, &[0x30, 0x39], "1.2345E+7"),
        (10, &[1], "1E-10"),
        (7, &[1], "1E-7"),
        (6, &[1], "0.000001"),
        (2, &[0xfd, 0xe1, 0xe6, 0x1f, 0x36, 0x45, 0x4d, 0xc0, 0x00, 0x01], "-99999999999999999999.99"),
        (0, &long, "87112285931760246646623899502532662132736"),
        (0, &negative, "-87112285931760246646623899502532662132736"),
    ] {
        assert_eq!(text(|out| put_decimal(out, scale, unscaled).unwrap()), expected);
    }
    let mut out = Vec::new();
    assert_eq!(put_decimal(&mut out, 0, &vec![1; DECIMAL_BYTES_MAX + 1]), Err(TextError::DecimalTooLong));
}

#[test]
fn dates_are_printed_in_utc() {
    for (millis, expected) in [
        (0, "Thu Jan 01 00:00:00 UTC 1970"),
        (5, "Thu Jan 01 00:00:00 UTC 1970"),
        (-1, "Wed Dec 31 23:59:59 UTC 1969"),
        (45_296_789, "Thu Jan 01 12:34:56 UTC 1970"),
        (1_641_600_000_000, "Sat Jan 08 00:00:00 UTC 2022"),
        (1_700_000_000_123, "Tue Nov 14 22:13:20 UTC 2023"),
        (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
        (-12_219_292_800_000, "Fri Oct 15 00:00:00 UTC 1582"),
        // The day before the Gregorian calendar began, by the Julian one.
        (-12_219_292_800_001, "Thu Oct 04 23:59:59 UTC 1582"),
        // The first of January of year 1, and the day before it.
        (-62_135_769_600_000, "Sat Jan 01 00:00:00 UTC 1"),
        (-62_135_769_600_001, "Fri Dec 31 23:59:59 UTC 1"),
    ] {
        assert_eq!(text(|out| put_date(out, millis)), expected);
    }
    // No overflow at the ends.
    assert!(text(|out| put_date(out, i64::MAX)).ends_with("UTC 292278994"));
    assert!(text(|out| put_date(out, i64::MIN)).ends_with("UTC 292269055"));
}

#[test]
fn bytes_are_printed_in_base64() {
    for (bytes, expected) in [
        (&b""[..], ""),
        (b"\0", "AA=="),
        (b"\0\x01", "AAE="),
        (b"\0\x01\xff", "AAH/"),
        (b"\xfb\xff\xfe\x07", "+//+Bw=="),
    ] {
        assert_eq!(text(|out| put_base64(out, bytes)), expected);
    }
}

#[test]
fn schemaless_values_are_printed_as_java_collections() {
    assert_eq!(of_tape(|out| tape::put_string(out, "text")).unwrap(), "text");
    assert_eq!(of_tape(tape::put_null).unwrap(), "null");
    assert_eq!(of_tape(|out| tape::put_boolean(out, true)).unwrap(), "true");
    assert_eq!(of_tape(|out| tape::put_float(out, Tag::Float32, 0.1_f32.into())).unwrap(), "0.1");
    assert_eq!(of_tape(|out| tape::put_float(out, Tag::Float64, 1e10)).unwrap(), "1.0E10");
    assert_eq!(of_tape(|out| tape::put_decimal(out, 2, &[0x30, 0x39])).unwrap(), "123.45");
    assert_eq!(of_tape(|out| tape::put_date(out, 1)).unwrap(), "Thu Jan 01 00:00:00 UTC 1970");
    assert_eq!(of_tape(|out| tape::put_bytes(out, b"\x01\x02")).unwrap(), "AQI=");
    let map = |out: &mut Vec<u8>| {
        let mut map = tape::start_map(out);
        for key in ["a", "b", "c"] {
            tape::put_string(out, key);
            map.item(out, false);
            match key {
                "a" => tape::put_int(out, Tag::Int32, 1),
                "b" => {
                    let mut array = tape::start_array(out);
                    for item in [1, 2] {
                        tape::put_int(out, Tag::Int64, item);
                        array.item(out, false);
                    }
                    array.finish(out);
                }
                _ => tape::put_null(out),
            }
            map.item(out, false);
        }
        map.finish(out);
    };
    assert_eq!(of_tape(map).unwrap(), "{a=1, b=[1, 2], c=null}");
}

#[test]
fn a_struct_leaves_out_what_is_null() {
    let inner = Schema {
        fields: vec![Field { name: "x".into(), schema: 1 }, Field { name: "y".into(), schema: 2 }],
        ..Schema::of(Kind::Struct)
    };
    let date = Schema { name: Some(logical::DATE.into()), version: Some(1), ..Schema::of(Kind::Int32) };
    let price = Schema {
        name: Some(logical::DECIMAL.into()),
        parameters: vec![("scale".into(), "2".into())],
        ..Schema::of(Kind::Bytes)
    };
    let list = Schema { value: Some(2), ..Schema::of(Kind::Array) };
    let outer = Schema {
        fields: [("in", 3), ("day", 4), ("price", 5), ("tags", 6)]
            .map(|(name, schema)| Field { name: name.into(), schema })
            .to_vec(),
        ..Schema::of(Kind::Struct)
    };
    let schemas: Vec<Arc<Schema>> =
        [Schema::of(Kind::Int32), Schema::of(Kind::String).optional(), inner, date, price, list, outer]
            .map(Arc::new)
            .to_vec();
    let source = |id: SchemaId| schemas.get(id as usize - 1).cloned();

    let mut value = Vec::new();
    let mut row = RowWriter::start(&mut value, 4);
    let mut inner = RowWriter::start(&mut value, 2);
    rows::put_int(&mut value, 4);
    inner.field(&mut value, false);
    inner.field(&mut value, true);
    row.field(&mut value, false);
    rows::put_int(&mut value, 19_000);
    row.field(&mut value, false);
    value.extend_from_slice(&[0x92]);
    row.field(&mut value, false);
    let mut tags = ListWriter::start(&value);
    value.extend_from_slice(b"p");
    tags.item(&value, false);
    tags.item(&value, true);
    tags.finish(&mut value);
    row.field(&mut value, false);

    assert_eq!(
        to_text(&source, 7, Some(&value)).unwrap(),
        "Struct{in=Struct{x=4},day=Sat Jan 08 00:00:00 UTC 2022,price=-1.10,tags=[p, null]}"
    );
    // The same as a schemaless value that holds a struct.
    assert_eq!(
        to_text(&source, 0, Some(&[&[Tag::Struct as u8, 7, 0, 0, 0], value.as_slice()].concat())).unwrap(),
        "Struct{in=Struct{x=4},day=Sat Jan 08 00:00:00 UTC 2022,price=-1.10,tags=[p, null]}"
    );
    assert_eq!(to_text(&source, 7, None).unwrap(), "null");
    assert_eq!(to_text(&source, 7, Some(&value[..10])), Err(TextError::Layout));
}

#[test]
fn foreign_bytes_are_an_error() {
    assert_eq!(to_text(&|_| None, 9, Some(b"x")), Err(TextError::UnknownSchema(9)));
    assert_eq!(to_text(&|_| None, 0, Some(b"")), Err(TextError::Layout));
    assert_eq!(to_text(&|_| None, 0, Some(&[99])), Err(TextError::Layout));
    assert_eq!(to_text(&|_| None, 0, Some(&[Tag::String as u8, 0xff])), Err(TextError::Layout));
    let mut deep = vec![Tag::Null as u8];
    for level in 0..=DEPTH_MAX {
        assert!(to_text(&|_| None, 0, Some(&deep)).is_ok(), "{level}");
        let mut outer = Vec::new();
        let mut array = tape::start_array(&mut outer);
        array.copy(&mut outer, Some(&deep));
        array.finish(&mut outer);
        deep = outer;
    }
    assert_eq!(to_text(&|_| None, 0, Some(&deep)), Err(TextError::TooDeep));
}
