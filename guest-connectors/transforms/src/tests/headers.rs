//! DropHeaders, HeaderFrom, InsertHeader and HasHeaderKey.

use cofferdam_sdk::frame::Header;

use super::*;

/// `trace=abc num=5 trace=def nul=null`, with schemas.
fn with_headers(value: Datum) -> Vec<u8> {
    let mut out = Builder::default();
    let topic = out.topic("orders").unwrap();
    let mut entry =
        Entry { value: out.put_option(value.1.as_deref()), value_schema: value.0, ..Entry::new(topic) };
    let text = schemas::string().unwrap();
    let mut five = Vec::new();
    rows::put_int(&mut five, 5);
    out.header(&mut entry.headers, "trace", text, Some(b"abc"));
    out.header(&mut entry.headers, "num", schemas::of(Kind::Int32).unwrap(), Some(&five));
    out.header(&mut entry.headers, "trace", text, Some(b"def"));
    out.header(&mut entry.headers, "nul", 0, None);
    entry.n_headers = 4;
    out.push(&entry);
    out.finish()
}

/// What became of the headers and of the value.
fn apply(class: &str, config: &[(&str, &str)], value: Datum) -> String {
    let mut instance = Instance::new(PLUGINS);
    if let Err(error) = instance.configure_chain(vec![step(class, config)]) {
        return format!("config: {error}");
    }
    let (out, bad) = instance.apply(&with_headers(value)).unwrap();
    if let Some(bad) = bad.first() {
        return format!("bad: {}", bad.message);
    }
    let out = Frame::parse(&out).unwrap();
    let record = out.get(0).unwrap();
    let show = |header: Header<'_>| {
        let value = text::to_text(&schemas::get, header.schema, header.value).unwrap();
        let schema = if header.schema == 0 { String::new() } else { format!(":{}", describe(header.schema)) };
        format!("{}{schema}={value}", header.key)
    };
    let kept = record.entry.flags.has(Flags::KEEP_HEADERS).then(|| "kept".to_owned());
    let headers: Vec<_> = kept.into_iter().chain(record.headers().map(show)).collect();
    let value = print(record.entry.flags.has(Flags::KEEP_VALUE), record.entry.value_schema, record.value());
    format!("{} | {value}", headers.join(" "))
}

#[test]
fn drop_headers_takes_every_header_of_a_name() {
    for (headers, expected) in [
        ("trace,trace", "num:int32=5 nul=null | kept"),
        (" num , nul", "trace:string=abc trace:string=def | kept"),
        ("none", "kept | kept"),
        ("trace,num,nul", " | kept"),
        ("", "config: Configuration 'headers' must not be empty. Valid values include: any non-empty value"),
        ("a,,b", "config: Configuration 'headers' values must not be empty."),
    ] {
        assert_eq!(apply("DropHeaders", &[("headers", headers)], map()), expected);
    }
}

#[test]
fn header_from_copies_and_moves() {
    let config = |operation| [("fields", "id,nick,missing"), ("headers", "a,b,c"), ("operation", operation)];
    let class = "HeaderFrom$Value";
    assert_eq!(apply(class, &config("copy"), map()), "kept a=12 b=null c=null | kept");
    assert_eq!(apply(class, &config("move"), map()), "kept a=12 b=null c=null | {name=Ada, inner={x=4}}");
    assert_eq!(
        apply(class, &config("copy"), structure()),
        "bad: Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of \
         \"org.apache.kafka.connect.data.Schema.field(String)\" is null"
    );
    let config = |operation| [("fields", "inner,n,nick"), ("headers", "i,n,trace"), ("operation", operation)];
    let headers = "kept i:struct(x:int32)=Struct{x=4} n:int32?=7 trace:string?=null";
    assert_eq!(apply(class, &config("copy"), structure()), format!("{headers} | kept"));
    assert_eq!(
        apply(class, &config("move"), structure()),
        format!(
            "{headers} | struct<acme.Flat>(id:int64 name:string price:bytes<Decimal>) Struct{{id=12,name=Ada,price=1.25}}"
        )
    );
    assert_eq!(
        apply(class, &config("move"), (structure().0, None)),
        "bad: Only Struct objects supported for [header move], found: null"
    );
    assert_eq!(
        apply(class, &config("copy"), (0, Some(tape_text("plain")))),
        "bad: Only Map objects supported in absence of schema for [header copy], found: java.lang.String"
    );
}

#[test]
fn header_from_is_checked() {
    for (fields, headers, operation, expected) in [
        ("", "", "copy", "Invalid value [] for configuration fields: Empty list"),
        ("a", "b,c", "copy", "'fields' config must have the same number of elements as 'headers' config."),
        (
            "a",
            "b",
            "COPY",
            "Invalid value COPY for configuration operation: String must be one of: move, copy",
        ),
    ] {
        let config = [("fields", fields), ("headers", headers), ("operation", operation)];
        assert_eq!(apply("HeaderFrom$Key", &config, map()), format!("config: {expected}"));
    }
}

#[test]
fn insert_header_reads_its_literal() {
    for (literal, expected) in [
        ("plain", "h:string=plain"),
        ("5", "h:int8=5"),
        ("40000", "h:int32=40000"),
        ("0.1", "h:float32=0.1"),
        ("true", "h:boolean=true"),
        ("", "h:string="),
        ("null", "h=null"),
        ("[1,2]", "h:array=[1, 2]"),
        ("2024-01-02", "h:int32<Date>=Tue Jan 02 00:00:00 UTC 2024"),
    ] {
        let config = [("header", "h"), ("value.literal", literal)];
        assert_eq!(apply("InsertHeader", &config, map()), format!("kept {expected} | kept"));
    }
    assert_eq!(
        apply("InsertHeader", &[("header", "h")], map()),
        "config: Missing required configuration \"value.literal\" which has no default value."
    );
}

#[test]
fn headers_of_earlier_steps_count() {
    let mut instance = Instance::new(PLUGINS);
    let copy = [("fields", "id"), ("headers", "new"), ("operation", "copy")];
    let mut drop = step("DropHeaders", &[("headers", "new,trace")]);
    drop.condition = Some(ConditionSpec {
        class: "HasHeaderKey".to_owned(),
        config: pairs(&[("name", "new")]),
        negate: false,
    });
    instance.configure_chain(vec![step("HeaderFrom$Value", &copy), drop]).unwrap();
    let (out, bad) = instance.apply(&with_headers(map())).unwrap();
    assert_eq!(bad, []);
    let out = Frame::parse(&out).unwrap();
    let names: Vec<_> = out.get(0).unwrap().headers().map(|header| header.key).collect();
    assert_eq!(names, ["num", "nul"]);
}

#[test]
fn has_header_key_tells_headers_by_name() {
    for (name, expected) in [("trace", true), ("nul", true), ("Trace", false), ("none", false)] {
        let mut instance = Instance::new(PLUGINS);
        instance.configure_predicate("HasHeaderKey", pairs(&[("name", name)])).unwrap();
        assert_eq!(instance.test(&with_headers(map())).unwrap(), [expected], "{name}");
    }
    let refused = Instance::new(PLUGINS).configure_predicate("HasHeaderKey", pairs(&[("name", "")]));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "Invalid value  for configuration name: String must be non-empty"
    );
}
