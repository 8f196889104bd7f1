//! The transforms as the worker calls them: a frame in, a frame out. Expected results are Kafka
//! Connect 4.3.1's; values are printed as Java's `toString` prints them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use cofferdam_sdk::frame::{Builder, Entry, Flags, Frame, Position, text};
use cofferdam_sdk::guest::{ConditionSpec, Instance, StepSpec};
use cofferdam_sdk::rows::{self, RowWriter};
use cofferdam_sdk::tape::{self, Tag};
use cofferdam_sdk::{Field, Kind, Schema, SchemaId, logical, schemas};

use crate::PLUGINS;

mod cast;
mod flatten;
mod headers;
mod records;
mod timestamps;

const PACKAGE: &str = "org.apache.kafka.connect.transforms.";

/// A key or value: its schema, and its bytes.
type Datum = (SchemaId, Option<Vec<u8>>);

struct Input {
    topic: &'static str,
    key: Datum,
    value: Datum,
    kafka_offset: Option<i64>,
    partition: Option<i32>,
    timestamp: Option<i64>,
}

fn input(value: Datum) -> Input {
    Input {
        topic: "orders",
        key: (0, Some(tape_text("k1"))),
        value,
        kafka_offset: Some(42),
        partition: Some(1),
        timestamp: Some(1_700_000_000_123),
    }
}

fn tape_text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    tape::put_string(&mut out, text);
    out
}

fn pairs(config: &[(&str, &str)]) -> Vec<(String, String)> {
    config.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn step(class: &str, config: &[(&str, &str)]) -> StepSpec {
    StepSpec { class: format!("{PACKAGE}{class}"), config: pairs(config), condition: None }
}

fn frame(inputs: &[Input]) -> Vec<u8> {
    let mut out = Builder::default();
    for input in inputs {
        let topic = out.topic(input.topic).unwrap();
        let entry = Entry {
            key: out.put_option(input.key.1.as_deref()),
            key_schema: input.key.0,
            value: out.put_option(input.value.1.as_deref()),
            value_schema: input.value.0,
            position: input.kafka_offset.map_or(Position::None, Position::Kafka),
            partition: input.partition,
            timestamp: input.timestamp,
            ..Entry::new(topic)
        };
        out.push(&entry);
    }
    out.finish()
}

/// Schema and value, or what kept them.
fn print(kept: bool, schema: SchemaId, value: Option<&[u8]>) -> String {
    if kept {
        return "kept".to_owned();
    }
    let text = text::to_text(&schemas::get, schema, value).unwrap();
    if schema == 0 { text } else { format!("{} {text}", describe(schema)) }
}

fn describe(id: SchemaId) -> String {
    let schema = schemas::get(id).unwrap();
    let mut text = format!("{:?}", schema.kind).to_lowercase();
    if schema.optional {
        text.push('?');
    }
    if let Some(name) = &schema.name {
        text.push_str(&format!("<{name}>"));
    }
    if schema.kind == Kind::Struct {
        let fields = schema.fields.iter().map(|field| format!("{}:{}", field.name, describe(field.schema)));
        text.push_str(&format!("({})", fields.collect::<Vec<_>>().join(" ")));
    }
    text.replace("org.apache.kafka.connect.data.", "")
}

/// `topic | key | value` of the only record, or what is wrong with it.
fn run(steps: Vec<StepSpec>, input: Input) -> String {
    let mut instance = Instance::new(PLUGINS);
    if let Err(error) = instance.configure_chain(steps) {
        return format!("config: {error}");
    }
    match instance.apply(&frame(&[input])) {
        Err(error) => format!("failed: {error}"),
        Ok((_, bad)) if !bad.is_empty() => format!("bad: {}", bad[0].message),
        Ok((out, _)) => {
            let out = Frame::parse(&out).unwrap();
            let record = out.get(0).unwrap();
            let entry = record.entry;
            let key = print(entry.flags.has(Flags::KEEP_KEY), entry.key_schema, record.key());
            let value = print(entry.flags.has(Flags::KEEP_VALUE), entry.value_schema, record.value());
            format!("{} | {key} | {value}", record.topic())
        }
    }
}

/// What one transform makes of a value.
fn value_after(class: &str, config: &[(&str, &str)], value: Datum) -> String {
    let result = run(vec![step(class, config)], input(value));
    result.strip_prefix("orders | kept | ").map_or(result.clone(), str::to_owned)
}

/// `{id=12, name=Ada, nick=null, inner={x=4}}`
fn map() -> Datum {
    let mut out = Vec::new();
    let mut map = tape::start_map(&mut out);
    for name in ["id", "name", "nick", "inner"] {
        tape::put_string(&mut out, name);
        map.item(&out, false);
        match name {
            "id" => tape::put_int(&mut out, Tag::Int64, 12),
            "name" => tape::put_string(&mut out, "Ada"),
            "nick" => tape::put_null(&mut out),
            _ => {
                let mut inner = tape::start_map(&mut out);
                tape::put_string(&mut out, "x");
                inner.item(&out, false);
                tape::put_int(&mut out, Tag::Int32, 4);
                inner.item(&out, false);
                inner.finish(&mut out);
            }
        }
        map.item(&out, false);
    }
    map.finish(&mut out);
    (0, Some(out))
}

/// `Struct{id=12,name=Ada,inner=Struct{x=4},price=1.25}` with nick and n null, n having a default.
fn structure() -> Datum {
    let int = schemas::of(Kind::Int32).unwrap();
    let text = schemas::string().unwrap();
    let nick = schemas::optional(Kind::String).unwrap();
    let inner = schemas::structure("", &[("x", int)]).unwrap();
    let mut default = Vec::new();
    rows::put_int(&mut default, 7);
    let n =
        schemas::define(&Schema { default: Some(default), ..Schema::of(Kind::Int32).optional() }).unwrap();
    let price = schemas::decimal(2).unwrap();
    let id = schemas::int64().unwrap();
    let fields = [("id", id), ("name", text), ("nick", nick), ("inner", inner), ("n", n), ("price", price)];
    let schema = schemas::define(&Schema {
        name: Some("acme.Flat".to_owned()),
        version: Some(3),
        optional: true,
        fields: fields.map(|(name, schema)| Field { name: name.to_owned(), schema }).to_vec(),
        ..Schema::of(Kind::Struct)
    })
    .unwrap();
    let mut out = Vec::new();
    let mut row = RowWriter::start(&mut out, 6);
    rows::put_int(&mut out, 12);
    row.field(&mut out, false);
    row.copy(&mut out, Some(b"Ada"));
    row.copy(&mut out, None);
    let mut inner = RowWriter::start(&mut out, 1);
    rows::put_int(&mut out, 4);
    inner.field(&mut out, false);
    row.field(&mut out, false);
    row.copy(&mut out, None);
    row.copy(&mut out, Some(&[125]));
    (schema, Some(out))
}

fn text_value() -> Datum {
    (schemas::string().unwrap(), Some(b"plain".to_vec()))
}

#[test]
fn mask_field_of_maps() {
    for (config, expected) in [
        (&[("fields", "id,name,nick")][..], "{id=0, name=, nick=null, inner={x=4}}"),
        (&[("fields", "inner")], "{id=12, name=Ada, nick=null, inner={}}"),
        (&[("fields", "missing,missing")], "{id=12, name=Ada, nick=null, inner={x=4}, missing=null}"),
        (&[("fields", "name,nick"), ("replacement", "***")], "{id=12, name=***, nick=null, inner={x=4}}"),
        (&[("fields", "id"), ("replacement", "7.9")], "{id=7, name=Ada, nick=null, inner={x=4}}"),
        (
            &[("fields", "id"), ("replacement", "***")],
            "bad: Unable to convert *** (class java.lang.String) to a number",
        ),
        (
            &[("fields", "inner"), ("replacement", "x")],
            "bad: Cannot mask value of type class java.util.HashMap with custom replacement.",
        ),
    ] {
        assert_eq!(value_after("MaskField$Value", config, map()), expected);
    }
    let bytes = |out: &mut Vec<u8>| {
        let mut map = tape::start_map(out);
        tape::put_string(out, "b");
        map.item(out, false);
        tape::put_bytes(out, b"x");
        map.item(out, false);
        map.finish(out);
    };
    let mut value = Vec::new();
    bytes(&mut value);
    assert_eq!(
        value_after("MaskField$Value", &[("fields", "b")], (0, Some(value))),
        "bad: Cannot mask value of type: class [B"
    );
}

#[test]
fn mask_field_of_structs_keeps_the_schema() {
    let schema = "struct?<acme.Flat>(id:int64 name:string nick:string? inner:struct(x:int32) n:int32? price:bytes<Decimal>)";
    for (config, expected) in [
        (&[("fields", "id,nick,price")][..], "Struct{id=0,name=Ada,inner=Struct{x=4},n=7,price=0.00}"),
        (
            &[("fields", "name"), ("replace.null.with.default", "false")],
            "Struct{id=12,name=,inner=Struct{x=4},price=1.25}",
        ),
        // The default is masked too: it is what the field has.
        (
            &[("fields", "n,id"), ("replacement", "-3")],
            "Struct{id=-3,name=Ada,inner=Struct{x=4},n=-3,price=1.25}",
        ),
        (
            &[("fields", "price"), ("replacement", "3.1")],
            "Struct{id=12,name=Ada,inner=Struct{x=4},n=7,price=3.10}",
        ),
    ] {
        assert_eq!(value_after("MaskField$Value", config, structure()), format!("{schema} {expected}"));
    }
    for (config, expected) in [
        (
            &[("fields", "inner")][..],
            "bad: Cannot mask value of type: class org.apache.kafka.connect.data.Struct",
        ),
        (&[("fields", "absent"), ("replace.null.with.default", "false")], "kept"),
    ] {
        assert_eq!(value_after("MaskField$Value", config, structure()), expected);
    }
}

#[test]
fn mask_field_wants_a_struct_or_map() {
    let fields = &[("fields", "a")][..];
    let refused = |value| value_after("MaskField$Value", fields, value);
    assert_eq!(
        refused(text_value()),
        "bad: Only Struct objects supported for [mask fields], found: java.lang.String"
    );
    assert_eq!(
        refused((structure().0, None)),
        "bad: Only Struct objects supported for [mask fields], found: null"
    );
    assert_eq!(
        refused((0, None)),
        "bad: Only Map objects supported in absence of schema for [mask fields], found: null"
    );
    assert_eq!(
        refused((0, Some(tape_text("t")))),
        "bad: Only Map objects supported in absence of schema for [mask fields], found: java.lang.String"
    );
}

#[test]
fn insert_field_appends_in_its_own_order() {
    let all = &[
        ("static.field", "s"),
        ("static.value", "v"),
        ("timestamp.field", "ts!"),
        ("offset.field", "o?"),
        ("partition.field", "p"),
        ("topic.field", "t!"),
    ][..];
    assert_eq!(
        value_after("InsertField$Value", all, map()),
        "{id=12, name=Ada, nick=null, inner={x=4}, t=orders, p=1, o=42, ts=1700000000123, s=v}"
    );
    assert_eq!(
        value_after("InsertField$Value", all, structure()),
        "struct<acme.Flat>(id:int64 name:string nick:string? inner:struct(x:int32) n:int32? price:bytes<Decimal> \
         t:string p:int32? o:int64? ts:int64<Timestamp> s:string?) \
         Struct{id=12,name=Ada,inner=Struct{x=4},n=7,price=1.25,t=orders,p=1,o=42,ts=Tue Nov 14 22:13:20 UTC 2023,s=v}"
    );
}

#[test]
fn insert_field_at_its_edges() {
    let constant = |name| [("static.field", name), ("static.value", "v")];
    let insert = |name, value| value_after("InsertField$Value", &constant(name), value);
    assert_eq!(insert("name", map()), "{id=12, nick=null, inner={x=4}, name=v}");
    assert_eq!(
        insert("name", structure()),
        "bad: org.apache.kafka.connect.errors.SchemaBuilderException: Cannot create field because of field name duplication name"
    );
    assert_eq!(insert("a", (0, None)), "kept");
    assert_eq!(insert("a", (structure().0, None)), "kept");
    assert_eq!(
        insert("a", text_value()),
        "bad: Only Struct objects supported for [field insertion], found: java.lang.String"
    );
    let source = Input { kafka_offset: None, partition: None, timestamp: None, ..input(map()) };
    assert_eq!(
        run(vec![step("InsertField$Value", &[("offset.field", "o")])], source),
        "bad: Only SinkRecord supported for [field insertion], found: org.apache.kafka.connect.source.SourceRecord"
    );
    let source = Input { kafka_offset: None, partition: None, timestamp: None, ..input(map()) };
    let absent = &[("partition.field", "p"), ("timestamp.field", "t")][..];
    assert_eq!(
        run(vec![step("InsertField$Value", absent)], source),
        "orders | kept | {id=12, name=Ada, nick=null, inner={x=4}}"
    );
    assert_eq!(value_after("InsertField$Value", &[], map()), "config: No field insertion configured");
    assert_eq!(
        value_after("InsertField$Value", &[("static.field", "a")], map()),
        "config: Invalid value null for configuration static.value: No value specified for static field: a"
    );
}

#[test]
fn hoist_field_wraps_everything() {
    let hoist = |value| value_after("HoistField$Value", &[("field", "h")], value);
    assert_eq!(hoist(text_value()), "struct(h:string) Struct{h=plain}");
    assert_eq!(hoist((schemas::optional(Kind::Int32).unwrap(), None)), "struct(h:int32?) Struct{}");
    assert_eq!(
        hoist((text_value().0, None)),
        "bad: Invalid value: null used for required field: \"h\", schema type: STRING"
    );
    assert_eq!(hoist((0, Some(tape_text("t")))), "{h=t}");
    assert_eq!(hoist((0, None)), "{h=null}");
    assert_eq!(
        run(vec![step("HoistField$Key", &[("field", "h")])], input((0, None))),
        "orders | {h=k1} | kept"
    );
    assert_eq!(
        value_after("HoistField$Value", &[("field", "")], text_value()),
        "bad: org.apache.kafka.connect.errors.SchemaBuilderException: fieldName cannot be null."
    );
}

#[test]
fn replace_field_filters_and_renames() {
    for (config, of_map, of_struct) in [
        (
            &[("exclude", "nick,inner")][..],
            "{id=12, name=Ada}",
            "struct<acme.Flat>(id:int64 name:string n:int32? price:bytes<Decimal>) Struct{id=12,name=Ada,n=7,price=1.25}",
        ),
        (
            &[("include", "name,id"), ("exclude", "id")],
            "{name=Ada}",
            "struct<acme.Flat>(name:string) Struct{name=Ada}",
        ),
        (
            &[("include", "id,name"), ("renames", "id:name,name:id")],
            "{name=12, id=Ada}",
            "struct<acme.Flat>(name:int64 id:string) Struct{name=12,id=Ada}",
        ),
        (
            &[("include", "id,n"), ("renames", "id:a,id:key"), ("replace.null.with.default", "false")],
            "{key=12}",
            "struct<acme.Flat>(key:int64 n:int32?) Struct{key=12}",
        ),
        (
            &[("include", "id,name"), ("renames", "name:id")],
            "{id=Ada}",
            "bad: org.apache.kafka.connect.errors.SchemaBuilderException: Cannot create field because of field name duplication id",
        ),
    ] {
        assert_eq!(value_after("ReplaceField$Value", config, map()), of_map);
        assert_eq!(value_after("ReplaceField$Value", config, structure()), of_struct);
    }
    assert_eq!(value_after("ReplaceField$Value", &[], (0, None)), "kept");
    let mut numbered = Vec::new();
    let mut pairs = tape::start_map(&mut numbered);
    tape::put_int(&mut numbered, Tag::Int32, 1);
    pairs.item(&numbered, false);
    tape::put_null(&mut numbered);
    pairs.item(&numbered, false);
    pairs.finish(&mut numbered);
    assert_eq!(
        value_after("ReplaceField$Value", &[], (0, Some(numbered))),
        "bad: java.lang.ClassCastException: class java.lang.Integer cannot be cast to class java.lang.String \
         (java.lang.Integer and java.lang.String are in module java.base of loader 'bootstrap')"
    );
    for (renames, shown) in [("a", "[a]"), ("x:y,a:b:c", "[x:y, a:b:c]"), ("a:", "[a:]")] {
        let wrong = renames.rsplit(',').next().unwrap();
        assert_eq!(
            value_after("ReplaceField$Value", &[("renames", renames)], map()),
            format!(
                "config: Invalid value {shown} for configuration renames: Invalid rename mapping: {wrong}"
            )
        );
    }
}

#[test]
fn extract_field_follows_a_path() {
    for (config, of_map, of_struct) in [
        (&[("field", "name")][..], "Ada", "string Ada"),
        (&[("field", "nick")], "null", "string? null"),
        (&[("field", "n")], "null", "int32? 7"),
        (&[("field", "n"), ("replace.null.with.default", "false")], "null", "int32? null"),
        (&[("field", "inner")], "{x=4}", "struct(x:int32) Struct{x=4}"),
        (&[("field", "inner.x")], "null", "bad: java.lang.IllegalArgumentException: Unknown field: inner.x"),
        (&[("field", "inner.x"), ("field.syntax.version", "v2")], "4", "int32 4"),
        (&[("field", "`inner`.x"), ("field.syntax.version", "V2")], "4", "int32 4"),
        (
            &[("field", "name.x"), ("field.syntax.version", "V2")],
            "bad: Only Map objects supported in absence of schema for [nested field access], found: java.lang.String",
            "bad: Cannot look up fields on non-struct type",
        ),
        (
            &[("field", "absent.x"), ("field.syntax.version", "V2")],
            "null",
            "bad: java.lang.IllegalArgumentException: Unknown field: absent.x",
        ),
    ] {
        assert_eq!(value_after("ExtractField$Value", config, map()), of_map);
        assert_eq!(value_after("ExtractField$Value", config, structure()), of_struct);
    }
    assert_eq!(value_after("ExtractField$Value", &[("field", "a")], (0, None)), "null");
    assert_eq!(value_after("ExtractField$Value", &[("field", "name")], (structure().0, None)), "string null");
}

#[test]
fn value_to_key_takes_fields_in_the_order_asked_for() {
    let key = |fields, value| run(vec![step("ValueToKey", &[("fields", fields)])], input(value));
    assert_eq!(key("name,id,missing", map()), "orders | {name=Ada, id=12, missing=null} | kept");
    assert_eq!(
        key("name,n", structure()),
        "orders | struct(name:string n:int32?) Struct{name=Ada,n=7} | kept"
    );
    assert_eq!(key("name,missing", structure()), "bad: Field does not exist: missing");
    assert_eq!(
        key("a", (0, None)),
        "bad: Only Map objects supported in absence of schema for [copying fields from value to key], found: null"
    );
    assert_eq!(
        key("", map()),
        "config: Configuration 'fields' must not be empty. Valid values include: any non-empty value"
    );
}

#[test]
fn regex_router_replaces_the_first_match_of_topics_that_match_as_a_whole() {
    for (regex, replacement, expected) in [
        ("(.*)", "x-$1", "x-orders"),
        ("ord", "x", "orders"),
        ("(or)(d)(.*)", "$3-$2-$1", "ers-d-or"),
        ("(?<first>or).*", "${first}!", "or!"),
        // Java looks for the match again, and finds a shorter one.
        ("or|orders", "y", "yders"),
        ("(.*)", "\\$1", "$1"),
        ("(.*)", "$12", "orders2"),
        ("(?i)ORDERS", "z", "z"),
        ("orders|(x)", "a$1b", "ab"),
        ("(?!internal).*", "q", "q"),
    ] {
        let router = step("RegexRouter", &[("regex", regex), ("replacement", replacement)]);
        assert_eq!(run(vec![router], input(map())), format!("{expected} | kept | kept"), "{regex}");
    }
    for (replacement, expected) in [
        ("$2", "bad: java.lang.IndexOutOfBoundsException: No group 2"),
        ("$", "bad: java.lang.IllegalArgumentException: Illegal group reference: group index is missing"),
        ("$x", "bad: java.lang.IllegalArgumentException: Illegal group reference"),
        ("${x}", "bad: java.lang.IllegalArgumentException: No group with name {x}"),
        ("${", "bad: java.lang.IllegalArgumentException: named capturing group has 0 length name"),
        ("${n", "bad: java.lang.IllegalArgumentException: named capturing group is missing trailing '}'"),
        ("a\\", "bad: java.lang.IllegalArgumentException: character to be escaped is missing"),
    ] {
        let router = step("RegexRouter", &[("regex", "(.*)"), ("replacement", replacement)]);
        assert_eq!(run(vec![router], input(map())), expected);
    }
    // A fault that no topic comes to is none.
    let router = step("RegexRouter", &[("regex", "nope"), ("replacement", "$9")]);
    assert_eq!(run(vec![router], input(map())), "orders | kept | kept");
}

#[test]
fn a_predicate_guards_a_step() {
    let guarded = |pattern: &str, negate| {
        let condition = ConditionSpec {
            class: "TopicNameMatches".to_owned(),
            config: pairs(&[("pattern", pattern)]),
            negate,
        };
        let mut step = step("RegexRouter", &[("regex", ".*"), ("replacement", "routed")]);
        step.condition = Some(condition);
        run(vec![step], input(map()))
    };
    assert_eq!(guarded("ord.*", false), "routed | kept | kept");
    assert_eq!(guarded("ord", false), "orders | kept | kept");
    assert_eq!(guarded("ord", true), "routed | kept | kept");
    assert_eq!(
        guarded("", false),
        "config: Invalid value  for configuration pattern: String must be non-empty"
    );
}

#[test]
fn neighbours_work_on_what_the_one_before_left() {
    let chain = vec![
        step("InsertField$Value", &[("static.field", "src"), ("static.value", "here")]),
        step("MaskField$Value", &[("fields", "name")]),
        step("ReplaceField$Value", &[("include", "name,src"), ("renames", "src:from")]),
        step("ValueToKey", &[("fields", "from")]),
        step("ExtractField$Key", &[("field", "from")]),
        step("HoistField$Value", &[("field", "h")]),
    ];
    assert_eq!(
        run(chain.clone(), input(structure())),
        "orders | string? here | struct(h:struct<acme.Flat>(name:string from:string?)) Struct{h=Struct{name=,from=here}}"
    );
    assert_eq!(run(chain, input(map())), "orders | here | {h={name=, from=here}}");
}

#[test]
fn a_bad_record_does_not_touch_its_neighbours() {
    let mut instance = Instance::new(PLUGINS);
    instance.configure_chain(vec![step("MaskField$Value", &[("fields", "name")])]).unwrap();
    let batch = frame(&[input(map()), input((0, None)), input(structure()), input(map())]);
    // Twice, since buffers and plans are used again.
    for _ in 0..2 {
        let (out, bad) = instance.apply(&batch).unwrap();
        assert_eq!(bad.iter().map(|bad| (bad.index, bad.step)).collect::<Vec<_>>(), [(1, 0)]);
        let out = Frame::parse(&out).unwrap();
        let values = out.iter().map(|record| {
            let entry = record.entry;
            (entry.src, text::to_text(&schemas::get, entry.value_schema, record.value()).unwrap())
        });
        assert_eq!(
            values.collect::<Vec<_>>(),
            [
                (Some(0), "{id=12, name=, nick=null, inner={x=4}}".to_owned()),
                (Some(2), "Struct{id=12,name=,inner=Struct{x=4},n=7,price=1.25}".to_owned()),
                (Some(3), "{id=12, name=, nick=null, inner={x=4}}".to_owned()),
            ]
        );
    }
}

#[test]
fn plugins_say_what_they_need() {
    let infos = Instance::new(PLUGINS).describe();
    assert_eq!(infos.len(), 29);
    for info in infos {
        let needs = (info.needs_key, info.needs_value, info.needs_headers);
        let simple = info.class.rsplit('.').next().unwrap();
        let expected = match simple.rsplit_once('$') {
            Some((_, "Key")) => (true, false, false),
            Some(_) => (false, true, false),
            None => match simple {
                "ValueToKey" | "RecordIsTombstone" => (false, true, false),
                "DropHeaders" | "HasHeaderKey" => (false, false, true),
                _ => (false, false, false),
            },
        };
        assert_eq!(needs, expected, "{simple}");
        assert_eq!(info.aliases, [simple]);
        assert!(info.pure && info.class.starts_with(PACKAGE), "{simple}");
    }
}
