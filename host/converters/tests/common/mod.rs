//! A converter with its schemas, and values printed as Java's `toString` prints them.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "tests, each of which uses a part"
)]

use cofferdam_api::Schemas;
use cofferdam_converters::{Converter, Format, Side};
use cofferdam_frame::tape::{self, Tag, Value};
use cofferdam_frame::{Kind, Schema, SchemaId, text};

pub struct Setup {
    pub schemas: Schemas,
    pub converter: Converter,
}

pub fn setup(class: &str, options: &[(&str, &str)]) -> Setup {
    let options = options.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    Setup { schemas: Schemas::default(), converter: Converter::new(class, &options, Side::Value).unwrap() }
}

/// JsonConverter without schemas.
pub fn bare() -> Setup {
    setup("JsonConverter", &[("schemas.enable", "false")])
}

pub fn tape(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out);
    out
}

/// A map of one pair whose key is no text.
pub fn tape_pair(key: i64, value: &str) -> Vec<u8> {
    tape(|out| {
        let mut map = tape::start_map(out);
        tape::put_int(out, Tag::Int32, key);
        map.item(out, false);
        tape::put_string(out, value);
        map.item(out, false);
        map.finish(out);
    })
}

impl Setup {
    pub fn kind(&self, kind: Kind, optional: bool) -> SchemaId {
        let schema = Schema::of(kind);
        self.schemas.define(if optional { schema.optional() } else { schema }).unwrap()
    }

    /// Schema and value, or the error.
    pub fn read(&self, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        match self.converter.to_connect(&self.schemas, Format::Rows, Some(bytes), &mut out) {
            Err(error) => format!("error: {error}"),
            Ok(converted) => {
                assert!(!converted.null || out.is_empty());
                let value = (!converted.null).then_some(out.as_slice());
                let text = text::to_text(&|id| self.schemas.get(id), converted.schema, value).unwrap();
                match (converted.schema, value) {
                    (0, None) => text,
                    (0, Some(value)) => format!("{} {text}", variant(&Value::new(value).unwrap())),
                    (schema, _) => format!("{} {text}", self.describe(schema)),
                }
            }
        }
    }

    pub fn rows(&self, bytes: &[u8]) -> (SchemaId, Vec<u8>) {
        let mut out = Vec::new();
        let converted =
            self.converter.to_connect(&self.schemas, Format::Rows, Some(bytes), &mut out).unwrap();
        (converted.schema, out)
    }

    pub fn write(&self, schema: SchemaId, value: Option<&[u8]>) -> String {
        let mut out = Vec::new();
        match self.converter.from_connect(&self.schemas, Format::Rows, schema, value, &mut out) {
            Err(error) => format!("error: {error}"),
            Ok(true) => "tombstone".to_owned(),
            Ok(false) => String::from_utf8(out).unwrap(),
        }
    }

    pub fn round_trip(&self, bytes: &[u8]) -> String {
        let (schema, rows) = self.rows(bytes);
        self.write(schema, Some(&rows))
    }

    fn describe(&self, id: SchemaId) -> String {
        let schema = self.schemas.get(id).unwrap();
        let mut text = format!("{:?}", schema.kind).to_lowercase();
        if schema.optional {
            text.push('?');
        }
        if let Some(name) = &schema.name {
            text.push_str(&format!("<{}>", name.rsplit('.').next().unwrap()));
        }
        if let Some(default) = &schema.default {
            text.push('=');
            text.push_str(&text::to_text(&|id| self.schemas.get(id), id, Some(default)).unwrap());
        }
        if schema.kind == Kind::Struct {
            let fields =
                schema.fields.iter().map(|field| format!("{}:{}", field.name, self.describe(field.schema)));
            text.push_str(&format!("{{{}}}", fields.collect::<Vec<_>>().join(" ")));
        }
        text
    }
}

fn variant(value: &Value<'_>) -> String {
    match value {
        Value::Int(tag, _) | Value::Float(tag, _) => format!("{tag:?}"),
        value => format!("{value:?}").split('(').next().unwrap().to_owned(),
    }
}

impl Setup {
    /// As [`Setup::round_trip`], of nulls too.
    pub fn round_trip_or_null(&self, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        let converted =
            self.converter.to_connect(&self.schemas, Format::Rows, Some(bytes), &mut out).unwrap();
        match self.write(converted.schema, (!converted.null).then_some(out.as_slice())).as_str() {
            "tombstone" => "null".to_owned(),
            text => text.to_owned(),
        }
    }

    /// Defines schemas 1 to 7, one of each layout.
    pub fn rows_of_everything(&self) {
        let define = |schema| self.schemas.define(schema).unwrap();
        let int = define(Schema::of(Kind::Int32));
        let text = define(Schema::of(Kind::String).optional());
        let array = define(Schema { value: Some(text), ..Schema::of(Kind::Array) });
        let map = define(Schema { key: Some(text), value: Some(array), ..Schema::of(Kind::Map) });
        let fields = [("i", int), ("t", text), ("m", map)]
            .map(|(name, schema)| cofferdam_frame::Field { name: name.into(), schema })
            .to_vec();
        define(Schema { fields, ..Schema::of(Kind::Struct) });
        define(Schema {
            name: Some(cofferdam_frame::logical::DECIMAL.into()),
            parameters: vec![("scale".into(), "2".into())],
            ..Schema::of(Kind::Bytes)
        });
        define(Schema::of(Kind::Float32));
    }
}
