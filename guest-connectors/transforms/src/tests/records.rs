//! SetSchemaMetadata, Filter and RecordIsTombstone, and what holds for all that copy structs.

use super::*;

#[test]
fn set_schema_metadata_renames_structs() {
    let set = |config: &[(&str, &str)], value| value_after("SetSchemaMetadata$Value", config, value);
    let name = [("schema.name", "new.Name")];
    let renamed = set(&name, structure());
    assert!(renamed.starts_with("struct?<new.Name>(id:int64"), "{renamed}");
    assert!(renamed.ends_with("Struct{id=12,name=Ada,inner=Struct{x=4},n=7,price=1.25}"), "{renamed}");
    let kept = set(&[("schema.version", "9"), ("replace.null.with.default", "false")], structure());
    assert!(
        kept.starts_with("struct?<acme.Flat>(") && kept.ends_with("inner=Struct{x=4},price=1.25}"),
        "{kept}"
    );
    assert!(set(&name, (structure().0, None)).ends_with(" null"));
    assert_eq!(set(&name, (0, None)), "kept");
    assert_eq!(set(&name, map()), "bad: Schema required for [updating schema metadata]");
    assert_eq!(set(&name, text_value()), "bad: Cannot list fields on non-struct type");
    assert_eq!(set(&[], map()), "config: Neither schema name nor version configured");
    assert_eq!(
        set(&[("schema.version", "x")], map()),
        "config: Invalid value x for configuration schema.version: Not a number of type INT"
    );
}

#[test]
fn set_schema_metadata_sets_the_version() {
    let mut instance = Instance::new(PLUGINS);
    let config = [("schema.name", "n"), ("schema.version", "2")];
    instance.configure_chain(vec![step("SetSchemaMetadata$Value", &config)]).unwrap();
    let (out, _) = instance.apply(&frame(&[input(structure())])).unwrap();
    let schema = Frame::parse(&out).unwrap().get(0).unwrap().entry.value_schema;
    let schema = schemas::get(schema).unwrap();
    assert_eq!((schema.name.as_deref(), schema.version), (Some("n"), Some(2)));
}

#[test]
fn filter_drops_what_its_predicate_tells() {
    let mut filter = step("Filter", &[]);
    filter.condition =
        Some(ConditionSpec { class: "RecordIsTombstone".to_owned(), config: Vec::new(), negate: false });
    let mut instance = Instance::new(PLUGINS);
    instance.configure_chain(vec![filter]).unwrap();
    let batch = frame(&[
        input(map()),
        input((0, None)),
        input((structure().0, None)),
        input(structure()),
        input((0, Some(vec![Tag::Null as u8]))),
    ]);
    let (out, bad) = instance.apply(&batch).unwrap();
    assert_eq!(bad, []);
    let left: Vec<_> = Frame::parse(&out).unwrap().iter().map(|record| record.entry.src).collect();
    assert_eq!(left, [Some(0), Some(3)]);
}

#[test]
fn a_null_that_its_schema_forbids_is_not_copied() {
    let mut seven = Vec::new();
    rows::put_int(&mut seven, 7);
    let defaulted = schemas::define(&Schema { default: Some(seven), ..Schema::of(Kind::Int32) }).unwrap();
    let schema = schemas::structure("", &[("d", defaulted), ("s", schemas::string().unwrap())]).unwrap();
    let mut bytes = Vec::new();
    let mut row = RowWriter::start(&mut bytes, 2);
    row.copy(&mut bytes, None);
    row.copy(&mut bytes, Some(b"x"));
    for (class, config) in [
        ("Cast$Value", &[("spec", "s:string")][..]),
        ("HeaderFrom$Value", &[("fields", "s"), ("headers", "h"), ("operation", "move")]),
        ("InsertField$Value", &[("static.field", "a"), ("static.value", "b")]),
        ("MaskField$Value", &[("fields", "s")]),
        ("ReplaceField$Value", &[("renames", "s:t")]),
        ("SetSchemaMetadata$Value", &[("schema.name", "n")]),
        ("TimestampConverter$Value", &[("target.type", "unix"), ("field", "z")]),
        ("ValueToKey", &[("fields", "d")]),
    ] {
        let mut config = config.to_vec();
        let value = (schema, Some(bytes.clone()));
        assert!(!value_after(class, &config, value.clone()).starts_with("bad"), "{class}");
        config.push(("replace.null.with.default", "false"));
        assert_eq!(
            value_after(class, &config, value),
            "bad: Invalid value: null used for required field: \"d\", schema type: INT32",
            "{class}"
        );
    }
}
