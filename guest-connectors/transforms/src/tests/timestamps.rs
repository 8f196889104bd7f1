//! TimestampConverter and TimestampRouter.

use super::*;

const MILLIS: i64 = 1_700_000_000_123;

fn convert(config: &[(&str, &str)], value: Datum) -> String {
    value_after("TimestampConverter$Value", config, value)
}

fn moment(schema: SchemaId, number: i64) -> Datum {
    let mut out = Vec::new();
    rows::put_int(&mut out, number);
    (schema, Some(out))
}

fn long(number: i64) -> Datum {
    let mut out = Vec::new();
    tape::put_int(&mut out, Tag::Int64, number);
    (0, Some(out))
}

#[test]
fn every_form_becomes_every_other() {
    let format = ("format", "yyyy-MM-dd HH:mm:ss.SSS");
    let text = (schemas::string().unwrap(), Some(b"2023-11-14 22:13:20.123".to_vec()));
    for value in
        [moment(schemas::timestamp().unwrap(), MILLIS), moment(schemas::int64().unwrap(), MILLIS), text]
    {
        for (target, expected) in [
            ("string", "string 2023-11-14 22:13:20.123"),
            ("unix", "int64 1700000000123"),
            ("Date", "int32<Date> Tue Nov 14 00:00:00 UTC 2023"),
            ("Time", "int32<Time> Thu Jan 01 22:13:20 UTC 1970"),
            ("Timestamp", "int64<Timestamp> Tue Nov 14 22:13:20 UTC 2023"),
        ] {
            assert_eq!(convert(&[("target.type", target), format], value.clone()), expected);
        }
    }
    let date = moment(schemas::date().unwrap(), 19_675);
    assert_eq!(convert(&[("target.type", "unix")], date), "int64 1699920000000");
    let time = moment(schemas::time().unwrap(), 45_296_789);
    assert_eq!(convert(&[("target.type", "unix")], time), "int64 45296789");
}

#[test]
fn precision_is_that_of_numbers() {
    for (precision, read, written) in [
        ("seconds", "Sun Nov 08 22:15:23 UTC 55840", "int64 1700000000"),
        ("milliseconds", "Tue Nov 14 22:13:20 UTC 2023", "int64 1700000000123"),
        ("microseconds", "Tue Jan 20 16:13:20 UTC 1970", "int64 1700000000123000"),
        ("nanoseconds", "Thu Jan 01 00:28:20 UTC 1970", "int64 1700000000123000000"),
    ] {
        let config = |target| [("target.type", target), ("unix.precision", precision)];
        assert_eq!(convert(&config("Timestamp"), long(MILLIS)), read, "{precision}");
        let timestamp = moment(schemas::timestamp().unwrap(), MILLIS);
        assert_eq!(convert(&config("unix"), timestamp), written, "{precision}");
    }
    let seconds = [("target.type", "unix"), ("unix.precision", "seconds")];
    assert_eq!(convert(&seconds, long(i64::MAX)), "9223372036854775");
}

#[test]
fn fields_are_converted_where_they_are() {
    let config = |field| [("target.type", "string"), ("field", field), ("format", "yyyy")];
    assert_eq!(convert(&config("id"), map()), "{id=1970, name=Ada, nick=null, inner={x=4}}");
    assert_eq!(convert(&config("nick"), map()), "{id=12, name=Ada, nick=null, inner={x=4}}");
    assert_eq!(convert(&config("z"), map()), "{id=12, name=Ada, nick=null, inner={x=4}, z=null}");
    assert_eq!(
        convert(&config("inner"), map()),
        "bad: TimestampConverter does not support class java.util.HashMap objects as timestamps"
    );
    let (fields, values) = (
        "name:string nick:string? inner:struct(x:int32) n:int32? price:bytes<Decimal>)",
        "name=Ada,inner=Struct{x=4},n=7,price=1.25}",
    );
    assert_eq!(
        convert(&config("id"), structure()),
        format!("struct?<acme.Flat>(id:string {fields} Struct{{id=1970,{values}")
    );
    assert_eq!(
        convert(&config("z"), structure()),
        format!("struct?<acme.Flat>(id:int64 {fields} Struct{{id=12,{values}")
    );
    assert_eq!(
        convert(&config("n"), structure()),
        "bad: Schema Schema{INT32} does not correspond to a known timestamp type format"
    );
    assert_eq!(
        convert(&config("name"), structure()),
        "bad: Could not parse timestamp: value (Ada) does not match pattern (yyyy)"
    );
    assert_eq!(
        convert(&config("a"), text_value()),
        "bad: Only Struct objects supported for [converting timestamp formats], found: java.lang.String"
    );
}

#[test]
fn null_stays_null() {
    let config = [("target.type", "unix")];
    assert_eq!(convert(&config, (0, None)), "kept");
    let optional = schemas::define(&Schema {
        name: Some(logical::TIMESTAMP.to_owned()),
        version: Some(1),
        ..Schema::of(Kind::Int64).optional()
    });
    assert_eq!(convert(&config, (optional.unwrap(), None)), "int64? null");
    assert_eq!(
        convert(&[("target.type", "Date"), ("field", "id")], (structure().0, None)),
        "struct?<acme.Flat>(id:int32<Date> name:string nick:string? inner:struct(x:int32) n:int32? price:bytes<Decimal>) null"
    );
    assert_eq!(
        convert(&config, (schemas::optional(Kind::Int32).unwrap(), None)),
        "bad: Schema Schema{INT32} does not correspond to a known timestamp type format"
    );
}

#[test]
fn converters_are_checked() {
    for (config, expected) in [
        (
            &[("target.type", "date")][..],
            "Invalid value date for configuration target.type: String must be one of: string, unix, Date, Time, \
             Timestamp",
        ),
        (
            &[("target.type", "unix"), ("unix.precision", "weeks")],
            "Invalid value weeks for configuration unix.precision: String must be one of: nanoseconds, microseconds, \
             milliseconds, seconds",
        ),
        (
            &[("target.type", "string")],
            "TimestampConverter requires format option to be specified when using string timestamps",
        ),
        (
            &[("target.type", "Date"), ("format", "b")],
            "Invalid value java.lang.IllegalArgumentException: Illegal pattern character 'b' for configuration \
             TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: b",
        ),
    ] {
        assert_eq!(convert(config, map()), format!("config: {expected}"));
    }
    assert_eq!(
        convert(&[("target.type", "unix")], (0, Some(tape_text("2023")))),
        "bad: Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \"config.format\" is null"
    );
}

#[test]
fn timestamp_router_names_topics_by_time() {
    for (config, expected) in [
        (&[][..], "orders-20231114"),
        (&[("timestamp.format", "yyyy-MM-dd HH:mm:ss.SSS")], "orders-2023-11-14 22:13:20.123"),
        (&[("topic.format", "${timestamp}/${topic}${topic}")], "20231114/ordersorders"),
        (&[("topic.format", "const")], "const"),
        (&[("topic.format", "")], ""),
        (&[("timestamp.format", "Q")], "bad: Illegal pattern character 'Q'"),
    ] {
        let expected = if expected.starts_with("bad") {
            expected.to_owned()
        } else {
            format!("{expected} | kept | kept")
        };
        assert_eq!(run(vec![step("TimestampRouter", config)], input(map())), expected);
    }
    let timeless = Input { timestamp: None, ..input(map()) };
    assert_eq!(
        run(vec![step("TimestampRouter", &[])], timeless),
        "bad: Timestamp missing on record: ConnectRecord{topic='orders', kafkaPartition=1, timestamp=null}"
    );
}

#[test]
fn timestamp_router_remembers_no_more_than_it_may() {
    let mut instance = Instance::new(PLUGINS);
    instance.configure_chain(vec![step("TimestampRouter", &[("timestamp.format", "HH:mm")])]).unwrap();
    let at = |topic, timestamp| Input { topic, timestamp: Some(timestamp), ..input(map()) };
    let batch = frame(&[at("a", 0), at("a", 59_999), at("b", 59_999), at("b", 60_000), at("a", -1)]);
    let (out, _) = instance.apply(&batch).unwrap();
    let out = Frame::parse(&out).unwrap();
    let topics: Vec<_> = out.iter().map(|record| record.topic()).collect();
    assert_eq!(topics, ["a-00:00", "a-00:00", "b-00:00", "b-00:01", "a-23:59"]);
}
