//! Laws: what is written is read back the same, whatever it is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a test")]

use cofferdam_frame::rows::{self, List, ListWriter, Row, RowWriter};
use cofferdam_frame::tape::{self, Tag};
use cofferdam_frame::{Builder, Entry, Flags, Frame, Kind, Position, Record, Span};
use proptest::prelude::*;

// === frames ===

/// A record as a test means it.
#[derive(Clone, Debug, PartialEq)]
struct Rec {
    topic: String,
    src: Option<u32>,
    flags: Flags,
    timestamp: Option<i64>,
    partition: Option<i32>,
    kafka_offset: Option<i64>,
    source: Option<(String, String)>,
    key: (u32, Option<Vec<u8>>),
    value: (u32, Option<Vec<u8>>),
    headers: Vec<(String, u32, Option<Vec<u8>>)>,
}

fn any_bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..40))
}

fn any_flags() -> impl Strategy<Value = Flags> {
    let all = [Flags::KEEP_KEY, Flags::KEEP_VALUE, Flags::KEEP_HEADERS, Flags::LOG_APPEND_TIME];
    prop::collection::vec(prop::sample::select(all.to_vec()), 0..4)
        .prop_map(|flags| flags.into_iter().fold(Flags::default(), Flags::with))
}

fn any_record() -> impl Strategy<Value = Rec> {
    let position = (prop::option::of(0..=i64::MAX), prop::option::of((".{0,9}", ".{0,9}")));
    let whence = (
        "[a-z.]{0,6}",
        prop::option::of(0..u32::MAX),
        any_flags(),
        prop::option::of(i64::MIN + 1..=i64::MAX),
        prop::option::of(0..=i32::MAX),
        position,
    );
    let header = (".{0,9}", any::<u32>(), any_bytes());
    let content =
        ((any::<u32>(), any_bytes()), (any::<u32>(), any_bytes()), prop::collection::vec(header, 0..5));
    (whence, content).prop_map(
        |((topic, src, flags, timestamp, partition, (offset, source)), (key, value, headers))| {
            // Only what has a source can keep something of it.
            let flags = if src.is_some() { flags } else { Flags::default() };
            let kafka_offset = if source.is_some() { None } else { offset };
            Rec { topic, src, flags, timestamp, partition, kafka_offset, source, key, value, headers }
        },
    )
}

fn write(records: &[Rec]) -> Vec<u8> {
    let mut out = Builder::default();
    for record in records {
        let mut entry = Entry::new(out.topic(&record.topic).unwrap());
        (entry.src, entry.flags) = (record.src, record.flags);
        (entry.timestamp, entry.partition) = (record.timestamp, record.partition);
        (entry.key_schema, entry.key) = (record.key.0, out.put_option(record.key.1.as_deref()));
        (entry.value_schema, entry.value) = (record.value.0, out.put_option(record.value.1.as_deref()));
        if let Some((partition, offset)) = &record.source {
            entry.source_partition = Some(out.source_partition(partition).unwrap());
            entry.position = Position::Source(out.put(offset.as_bytes()));
        }
        if let Some(offset) = record.kafka_offset {
            entry.position = Position::Kafka(offset);
        }
        let mut block = Span { at: 0, len: 0 };
        for (key, schema, value) in &record.headers {
            out.header(&mut block, key, *schema, value.as_deref());
        }
        entry.headers = block;
        entry.n_headers = record.headers.len() as u16;
        out.push(&entry);
    }
    out.finish()
}

fn read(record: &Record<'_>) -> Rec {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let source = record.source_partition().zip(record.source_offset());
    let entry = &record.entry;
    Rec {
        topic: record.topic().to_owned(),
        src: entry.src,
        flags: Flags(entry.flags.0 & !Flags::SOURCE_OFFSET.0),
        timestamp: entry.timestamp,
        partition: entry.partition,
        kafka_offset: record.kafka_offset(),
        source: source.map(|(partition, offset)| (partition.to_owned(), offset.to_owned())),
        key: (entry.key_schema, owned(record.key())),
        value: (entry.value_schema, owned(record.value())),
        headers: record
            .headers()
            .map(|header| (header.key.to_owned(), header.schema, owned(header.value)))
            .collect(),
    }
}

// === values ===

/// A value with its type, as rows have it: a schema beside it, null where that allows it.
#[derive(Clone, Debug, PartialEq)]
enum Typed {
    Int(Kind, i64),
    Float(Kind, u64),
    Boolean(bool),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Option<Typed>>),
    Map(Vec<(Option<Typed>, Option<Typed>)>),
    Struct(Vec<Option<Typed>>),
}

/// Logical types are laid out as the types below them: days, milliseconds, unscaled bytes.
fn any_typed() -> impl Strategy<Value = Typed> {
    let ints = [Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64];
    let leaf = prop_oneof![
        (prop::sample::select(ints.to_vec()), any::<i64>()).prop_map(|(kind, value)| Typed::Int(kind, value)),
        any::<f32>().prop_map(|value| Typed::Float(Kind::Float32, f64::from(value).to_bits())),
        any::<f64>().prop_map(|value| Typed::Float(Kind::Float64, value.to_bits())),
        any::<bool>().prop_map(Typed::Boolean),
        any::<String>().prop_map(Typed::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Typed::Bytes),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let null = || prop::option::of(inner.clone());
        prop_oneof![
            prop::collection::vec(null(), 0..6).prop_map(Typed::Array),
            prop::collection::vec((null(), null()), 0..6).prop_map(Typed::Map),
            prop::collection::vec(null(), 0..6).prop_map(Typed::Struct),
        ]
    })
}

fn put_row(value: Option<&Typed>, out: &mut Vec<u8>) -> bool {
    let Some(value) = value else { return true };
    match value {
        Typed::Int(_, value) => rows::put_int(out, *value),
        Typed::Float(_, bits) => rows::put_float(out, f64::from_bits(*bits)),
        Typed::Boolean(value) => rows::put_boolean(out, *value),
        Typed::Text(text) => out.extend_from_slice(text.as_bytes()),
        Typed::Bytes(bytes) => out.extend_from_slice(bytes),
        Typed::Array(items) => {
            let mut list = ListWriter::start(out);
            for item in items {
                let null = put_row(item.as_ref(), out);
                list.item(out, null);
            }
            list.finish(out);
        }
        Typed::Map(pairs) => {
            let mut list = ListWriter::start(out);
            for item in pairs.iter().flat_map(|(key, value)| [key, value]) {
                let null = put_row(item.as_ref(), out);
                list.item(out, null);
            }
            list.finish(out);
        }
        Typed::Struct(fields) => {
            let mut row = RowWriter::start(out, fields.len());
            for field in fields {
                let null = put_row(field.as_ref(), out);
                row.field(out, null);
            }
        }
    }
    false
}

/// Reads `bytes` by the types of `like`, which stands for the schema.
fn read_row(like: Option<&Typed>, bytes: Option<&[u8]>) -> Option<Typed> {
    let (like, bytes) = (like?, bytes?);
    let items = |like: Vec<Option<&Typed>>| -> Vec<Option<Typed>> {
        let list = List::new(bytes).unwrap();
        assert_eq!(list.len(), like.len());
        assert_eq!(list.get(like.len()), None);
        like.into_iter().zip(list.iter()).map(|(like, bytes)| read_row(like, bytes)).collect()
    };
    Some(match like {
        Typed::Int(kind, _) => Typed::Int(*kind, rows::int(bytes).unwrap()),
        Typed::Float(kind, _) => Typed::Float(*kind, rows::float(bytes).unwrap().to_bits()),
        Typed::Boolean(_) => Typed::Boolean(rows::boolean(bytes).unwrap()),
        Typed::Text(_) => Typed::Text(rows::text(bytes).unwrap().to_owned()),
        Typed::Bytes(_) => Typed::Bytes(bytes.to_vec()),
        Typed::Array(like) => Typed::Array(items(like.iter().map(Option::as_ref).collect())),
        Typed::Map(like) => {
            let like = like.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()]).collect();
            let flat = items(like);
            Typed::Map(flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
        }
        Typed::Struct(like) => {
            let row = Row::new(bytes, like.len()).unwrap();
            assert_eq!(row.get(like.len()), None);
            Typed::Struct(
                like.iter().zip(row.iter()).map(|(like, bytes)| read_row(like.as_ref(), bytes)).collect(),
            )
        }
    })
}

/// A value without a schema.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Null,
    Boolean(bool),
    Int(Tag, i64),
    Float(Tag, u64),
    Text(String),
    Bytes(Vec<u8>),
    Decimal(i32, Vec<u8>),
    Date(i64),
    Struct(u32, Vec<u8>),
    Array(Vec<Plain>),
    Map(Vec<(Plain, Plain)>),
}

fn any_plain() -> impl Strategy<Value = Plain> {
    let ints = prop::sample::select(vec![Tag::Int8, Tag::Int16, Tag::Int32, Tag::Int64]);
    let floats = prop::sample::select(vec![Tag::Float32, Tag::Float64]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let leaf = prop_oneof![
        Just(Plain::Null),
        any::<bool>().prop_map(Plain::Boolean),
        (ints, any::<i64>()).prop_map(|(tag, value)| Plain::Int(tag, value)),
        (floats, any::<f64>()).prop_map(|(tag, value)| Plain::Float(tag, value.to_bits())),
        any::<String>().prop_map(Plain::Text),
        bytes().prop_map(Plain::Bytes),
        (any::<i32>(), bytes()).prop_map(|(scale, unscaled)| Plain::Decimal(scale, unscaled)),
        any::<i64>().prop_map(Plain::Date),
        (any::<u32>(), bytes()).prop_map(|(schema, row)| Plain::Struct(schema, row)),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Plain::Array),
            prop::collection::vec((inner.clone(), inner), 0..6).prop_map(Plain::Map),
        ]
    })
}

fn put_tape(value: &Plain, out: &mut Vec<u8>) {
    match value {
        Plain::Null => tape::put_null(out),
        Plain::Boolean(value) => tape::put_boolean(out, *value),
        Plain::Int(tag, value) => tape::put_int(out, *tag, *value),
        Plain::Float(tag, bits) => tape::put_float(out, *tag, f64::from_bits(*bits)),
        Plain::Text(text) => tape::put_string(out, text),
        Plain::Bytes(bytes) => tape::put_bytes(out, bytes),
        Plain::Decimal(scale, unscaled) => tape::put_decimal(out, *scale, unscaled),
        Plain::Date(millis) => tape::put_date(out, *millis),
        Plain::Struct(schema, row) => {
            out.push(Tag::Struct as u8);
            out.extend_from_slice(&schema.to_le_bytes());
            out.extend_from_slice(row);
        }
        Plain::Array(items) => {
            let mut list = tape::start_array(out);
            for item in items {
                put_tape(item, out);
                list.item(out, false);
            }
            list.finish(out);
        }
        Plain::Map(pairs) => {
            let mut list = tape::start_map(out);
            for item in pairs.iter().flat_map(|(key, value)| [key, value]) {
                put_tape(item, out);
                list.item(out, false);
            }
            list.finish(out);
        }
    }
}

fn read_tape(bytes: &[u8]) -> Plain {
    match tape::Value::new(bytes).unwrap() {
        tape::Value::Null => Plain::Null,
        tape::Value::Boolean(value) => Plain::Boolean(value),
        tape::Value::Int(tag, value) => Plain::Int(tag, value),
        tape::Value::Float(tag, value) => Plain::Float(tag, value.to_bits()),
        tape::Value::String(text) => Plain::Text(text.to_owned()),
        tape::Value::Bytes(bytes) => Plain::Bytes(bytes.to_vec()),
        tape::Value::Decimal(scale, unscaled) => Plain::Decimal(scale, unscaled.to_vec()),
        tape::Value::Date(millis) => Plain::Date(millis),
        tape::Value::Struct(schema, row) => Plain::Struct(schema, row.to_vec()),
        tape::Value::Array(list) => Plain::Array(list.iter().map(|item| read_tape(item.unwrap())).collect()),
        tape::Value::Map(list) => {
            Plain::Map(tape::pairs(list).map(|(key, value)| (read_tape(key), read_tape(value))).collect())
        }
    }
}

proptest! {
    #[test]
    fn a_frame_reads_back(records in prop::collection::vec(any_record(), 0..12)) {
        let bytes = write(&records);
        let frame = Frame::parse(&bytes).unwrap();
        prop_assert_eq!(frame.iter().map(|record| read(&record)).collect::<Vec<_>>(), records);
        // And what was read is written as the same bytes.
        prop_assert_eq!(write(&frame.iter().map(|record| read(&record)).collect::<Vec<_>>()), bytes);
    }

    #[test]
    fn an_edited_frame_differs_in_what_was_edited(
        records in prop::collection::vec(any_record(), 0..12), schema in any::<u32>(),
    ) {
        let mut bytes = write(&records);
        Frame::edit(&mut bytes, |_, entry| entry.value_schema = schema);
        let expected: Vec<_> = records
            .into_iter()
            .map(|record| Rec { value: (schema, record.value.1), ..record })
            .collect();
        let frame = Frame::parse(&bytes).unwrap();
        prop_assert_eq!(frame.iter().map(|record| read(&record)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn rows_read_back(value in prop::option::of(any_typed()), before in prop::collection::vec(any::<u8>(), 0..9)) {
        // Whatever lies before it in the heap.
        let mut out = before.clone();
        let null = put_row(value.as_ref(), &mut out);
        prop_assert_eq!(null, value.is_none());
        let bytes = &out[before.len()..];
        prop_assert_eq!(read_row(value.as_ref(), (!null).then_some(bytes)), value);
    }

    #[test]
    fn a_row_copied_field_by_field_is_the_same(fields in prop::collection::vec(prop::option::of(any_typed()), 0..9)) {
        let mut bytes = Vec::new();
        put_row(Some(&Typed::Struct(fields.clone())), &mut bytes);
        let mut copy = Vec::new();
        let mut row = RowWriter::start(&mut copy, fields.len());
        for field in Row::new(&bytes, fields.len()).unwrap().iter() {
            row.copy(&mut copy, field);
        }
        prop_assert_eq!(copy, bytes);
    }

    #[test]
    fn a_tape_reads_back(value in any_plain()) {
        let mut bytes = Vec::new();
        put_tape(&value, &mut bytes);
        prop_assert_eq!(read_tape(&bytes), value);
    }

    #[test]
    fn a_map_finds_its_entries(pairs in prop::collection::vec(("[a-c]{0,2}", any_plain()), 0..8), key in "[a-c]{0,2}") {
        let expected = pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
        let map = Plain::Map(pairs.into_iter().map(|(name, value)| (Plain::Text(name), value)).collect());
        let mut bytes = Vec::new();
        put_tape(&map, &mut bytes);
        let found = tape::Value::new(&bytes).unwrap().entry(&key).map(read_tape);
        prop_assert_eq!(found, expected);
    }
}
