//! Cast.

use super::*;

const SUPPORTED: &str = "supported types are [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING";

fn cast(spec: &str, value: Datum) -> String {
    value_after("Cast$Value", &[("spec", spec)], value)
}

fn tape_of(put: impl FnOnce(&mut Vec<u8>)) -> Datum {
    let mut out = Vec::new();
    put(&mut out);
    (0, Some(out))
}

fn rows_of(schema: Schema, put: impl FnOnce(&mut Vec<u8>)) -> Datum {
    let mut out = Vec::new();
    put(&mut out);
    (schemas::define(&schema).unwrap(), Some(out))
}

#[test]
fn schemaless_values_become_what_java_makes_of_them() {
    let double = |value| tape_of(|out| tape::put_float(out, Tag::Float64, value));
    let text = |value: &str| (0, Some(tape_text(value)));
    for (spec, value, expected) in [
        ("int8", tape_of(|out| tape::put_int(out, Tag::Int32, 300)), "44"),
        ("INT16", double(-1.5e20), "0"),
        ("int32", double(3.99), "3"),
        ("int64", double(-1.5e20), "-9223372036854775808"),
        ("int32", double(f64::NAN), "0"),
        ("float32", tape_of(|out| tape::put_boolean(out, true)), "1.0"),
        ("float64", text(" 1e5d "), "100000.0"),
        ("int8", text("+42"), "42"),
        ("boolean", text("TRUE"), "true"),
        ("boolean", text("1"), "false"),
        ("boolean", double(0.5), "false"),
        ("string", double(1e7), "1.0E7"),
        ("string", tape_of(|out| tape::put_bytes(out, &[1, 2])), "AQI="),
        ("int8", text("300"), "bad: Value (300) was out of range for requested data type"),
        ("int32", text("1.5"), "bad: Value (1.5) was out of range for requested data type"),
        ("float32", text(""), "bad: Value () was out of range for requested data type"),
        (
            "int8",
            tape_of(|out| tape::put_bytes(out, &[1])),
            "bad: Unexpected type in Cast transformation: class [B",
        ),
        (
            "string",
            tape_of(|out| tape::put_date(out, 0)),
            "bad: Cast transformation was passed a value of type class java.util.Date which is not supported by \
             Connect's data API",
        ),
    ] {
        assert_eq!(cast(spec, value), expected, "{spec}");
    }
    assert_eq!(
        cast("string", map()),
        format!("bad: Cast transformation does not support casting from MAP; {SUPPORTED}, BYTES]")
    );
    assert_eq!(cast("int8", (0, None)), "kept");
}

#[test]
fn values_keep_the_name_of_their_schema() {
    let named = |kind, name: &str| Schema {
        name: Some(name.to_owned()),
        version: Some(1),
        parameters: vec![("scale".to_owned(), "2".to_owned())],
        ..Schema::of(kind)
    };
    let timestamp =
        || rows_of(named(Kind::Int64, logical::TIMESTAMP), |out| rows::put_int(out, 1_700_000_000_123));
    let decimal = || rows_of(named(Kind::Bytes, logical::DECIMAL), |out| out.extend([0x1e, 0x61]));
    for (spec, value, expected) in [
        ("int8", timestamp(), "int8<Timestamp> 123"),
        ("string", timestamp(), "string<Timestamp> 2023-11-14T22:13:20.123Z"),
        ("int32", decimal(), "int32<Decimal> 77"),
        ("float64", decimal(), "float64<Decimal> 77.77"),
        ("string", decimal(), "string<Decimal> 77.77"),
        ("boolean", decimal(), "boolean<Decimal> true"),
        ("int16", text_value(), "bad: Value (plain) was out of range for requested data type"),
        ("a:int16", text_value(), "bad: Cannot list fields on non-struct type"),
    ] {
        assert_eq!(cast(spec, value), expected, "{spec}");
    }
    for (days, expected) in [(0, "00:00:00.000Z"), (19_000, "2022-01-08")] {
        let date = rows_of(named(Kind::Int32, logical::DATE), |out| rows::put_int(out, days));
        assert_eq!(cast("string", date), format!("string<Date> {expected}"));
    }
}

#[test]
fn fields_are_cast_one_by_one() {
    assert_eq!(
        cast("id:string, inner : int8", structure()),
        format!("bad: Cast transformation does not support casting from STRUCT; {SUPPORTED}, BYTES]")
    );
    assert_eq!(
        cast("id:int8,n:string,price:int64,missing:int8,name:boolean", structure()),
        "struct?<acme.Flat>(id:int8 name:boolean nick:string? inner:struct(x:int32) n:string? price:int64) \
         Struct{id=12,name=false,inner=Struct{x=4},n=7,price=1}"
    );
    assert_eq!(
        value_after(
            "Cast$Value",
            &[("spec", "n:string"), ("replace.null.with.default", "false")],
            structure()
        )
        .rsplit_once(' ')
        .map(|(_, value)| value.to_owned())
        .as_deref(),
        Some("Struct{id=12,name=Ada,inner=Struct{x=4},price=1.25}")
    );
    assert_eq!(
        cast("id:string,nick:int8,z:int8", map()),
        "{id=12, name=Ada, nick=null, inner={x=4}, z=null}"
    );
    assert_eq!(cast("id:string", (structure().0, None)), "kept");
}

#[test]
fn specs_are_checked() {
    for (spec, expected) in [
        ("", "Must specify at least one field to cast.".to_owned()),
        ("id:bytes", format!("Cast transformation does not support casting to BYTES; {SUPPORTED}]")),
        ("array", format!("Cast transformation does not support casting to ARRAY; {SUPPORTED}]")),
        (
            "id:int32:x",
            "Invalid value [id:int32:x] for configuration renames: Invalid rename mapping: id:int32:x".to_owned(),
        ),
        (
            "id:int9",
            "Invalid value java.lang.IllegalArgumentException: No enum constant \
             org.apache.kafka.connect.data.Schema.Type.INT9 for configuration Invalid type found in casting spec: int9"
                .to_owned(),
        ),
        (
            "int9",
            "Invalid value java.lang.IllegalArgumentException: No enum constant \
             org.apache.kafka.connect.data.Schema.Type.INT9 for configuration Invalid type found in casting spec: int9"
                .to_owned(),
        ),
        (
            "int8,a:int8",
            "Cast transformations that specify a type to cast the entire value to may only specify a single cast in \
             their spec"
                .to_owned(),
        ),
    ] {
        assert_eq!(cast(spec, map()), format!("config: {expected}"), "{spec}");
    }
}
