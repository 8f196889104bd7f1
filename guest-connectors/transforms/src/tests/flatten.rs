//! Flatten.

use super::*;

fn flatten(config: &[(&str, &str)], value: Datum) -> String {
    value_after("Flatten$Value", config, value)
}

type Put<'a> = &'a dyn Fn(&mut Vec<u8>);

fn put_map(out: &mut Vec<u8>, pairs: &[(&str, Put<'_>)]) {
    let mut map = tape::start_map(out);
    for (key, put) in pairs {
        tape::put_string(out, key);
        map.item(out, false);
        put(out);
        map.item(out, false);
    }
    map.finish(out);
}

fn int(value: i64) -> impl Fn(&mut Vec<u8>) {
    move |out| tape::put_int(out, Tag::Int32, value)
}

#[test]
fn maps_become_flat() {
    let nested = |out: &mut Vec<u8>| {
        put_map(
            out,
            &[
                ("a", &|out| {
                    put_map(out, &[("b", &|out| put_map(out, &[("c", &int(1))])), ("d", &tape::put_null)])
                }),
                ("empty", &|out| put_map(out, &[])),
                ("list", &|out| tape::start_array(out).finish(out)),
                ("z", &int(2)),
            ],
        );
    };
    let value = || {
        let mut out = Vec::new();
        nested(&mut out);
        (0, Some(out))
    };
    assert_eq!(flatten(&[], value()), "{a.b.c=1, a.d=null, list=[], z=2}");
    assert_eq!(flatten(&[("delimiter", "")], value()), "{abc=1, ad=null, list=[], z=2}");
    assert_eq!(flatten(&[], map()), "{id=12, name=Ada, nick=null, inner.x=4}");
    // The later of two values with one name counts.
    let mut meeting = Vec::new();
    put_map(&mut meeting, &[("a.b", &int(1)), ("c", &int(2)), ("a", &|out| put_map(out, &[("b", &int(3))]))]);
    assert_eq!(flatten(&[], (0, Some(meeting))), "{a.b=3, c=2}");
    let mut flat = Vec::new();
    put_map(&mut flat, &[("a", &int(1))]);
    assert_eq!(flatten(&[], (0, Some(flat))), "kept");
    assert_eq!(flatten(&[], (0, None)), "kept");
}

#[test]
fn what_does_not_belong_in_a_map_is_refused() {
    let mut date = Vec::new();
    put_map(&mut date, &[("a", &|out| put_map(out, &[("d", &|out| tape::put_date(out, 0))]))]);
    assert_eq!(
        flatten(&[], (0, Some(date))),
        "bad: Flatten transformation was passed a value of type class java.util.Date which is not supported by \
         Connect's data API"
    );
    assert_eq!(
        flatten(&[], (0, Some(tape_text("plain")))),
        "bad: Only Map objects supported in absence of schema for [flattening], found: java.lang.String"
    );
    assert_eq!(
        flatten(&[], text_value()),
        "bad: Only Struct objects supported for [flattening], found: java.lang.String"
    );
}

#[test]
fn structs_become_flat() {
    assert_eq!(
        flatten(&[("delimiter", "_")], structure()),
        "struct<acme.Flat>(id:int64? name:string? nick:string? inner_x:int32? n:int32? price:bytes?<Decimal>) \
         Struct{id=12,name=Ada,inner_x=4,n=7,price=1.25}"
    );
    // Inside an optional struct everything is optional, and what is null in a struct that is there
    // gets its default.
    let int = schemas::of(Kind::Int32).unwrap();
    let mut three = Vec::new();
    rows::put_int(&mut three, 3);
    let defaulted = schemas::define(&Schema { default: Some(three), ..Schema::of(Kind::Int32) }).unwrap();
    let parent = |fields: &[(&str, SchemaId)]| Schema {
        fields: fields.iter().map(|&(name, schema)| Field { name: name.to_owned(), schema }).collect(),
        ..Schema::of(Kind::Struct)
    };
    let inner = schemas::define(&parent(&[("r", int), ("d", defaulted)]).optional()).unwrap();
    let schema = schemas::define(&parent(&[("o", inner)])).unwrap();
    let mut out = Vec::new();
    let mut row = RowWriter::start(&mut out, 1);
    let mut inner_row = RowWriter::start(&mut out, 2);
    rows::put_int(&mut out, 1);
    inner_row.field(&mut out, false);
    inner_row.field(&mut out, true);
    row.field(&mut out, false);
    assert_eq!(flatten(&[], (schema, Some(out))), "struct(o.r:int32? o.d:int32?) Struct{o.r=1,o.d=3}");
    let mut out = Vec::new();
    RowWriter::start(&mut out, 1).field(&mut out, true);
    assert_eq!(flatten(&[], (schema, Some(out))), "struct(o.r:int32? o.d:int32?) Struct{}");
    assert_eq!(flatten(&[], (schema, None)), "kept");
}

#[test]
fn structs_with_maps_or_equal_names_are_refused() {
    let text = schemas::string().unwrap();
    let pairs = schemas::map(text, text).unwrap();
    let inner = schemas::structure("", &[("m", pairs)]).unwrap();
    let schema = schemas::structure("", &[("a", inner)]).unwrap();
    let mut out = Vec::new();
    RowWriter::start(&mut out, 1).field(&mut out, true);
    assert_eq!(
        flatten(&[], (schema, Some(out.clone()))),
        "bad: Flatten transformation does not support MAP for record with schemas (for field a.m)."
    );
    let inner = schemas::structure("", &[("b", text)]).unwrap();
    let schema = schemas::structure("", &[("a.b", text), ("a", inner)]).unwrap();
    assert_eq!(
        flatten(&[], (schema, Some(out))),
        "bad: Cannot create field because of field name duplication a.b"
    );
}
