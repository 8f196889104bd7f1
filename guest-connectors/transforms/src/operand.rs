//! What transforms work on: a struct where there is a schema, a map where there is none. Anything
//! else is refused in Kafka Connect's words.

use std::sync::Arc;

use cofferdam_sdk::rows::{List, Row};
use cofferdam_sdk::tape::{self, Tag, Value};
use cofferdam_sdk::{Error, Kind, Result, Schema, SchemaId, logical, schemas};

/// Top bit of an end: the item is null (`wit/FRAME.md`).
const NULL_BIT: u32 = 1 << 31;

/// The schema called `id`.
pub(crate) fn schema(id: SchemaId) -> Result<Arc<Schema>> {
    schemas::get(id).ok_or_else(|| Error::fatal(format!("the worker does not know schema {id}")))
}

/// The schema of a struct, or what was found instead.
pub(crate) fn struct_schema(id: SchemaId, purpose: &str, is_null: bool) -> Result<Arc<Schema>> {
    let schema = schema(id)?;
    if schema.kind == Kind::Struct {
        return Ok(schema);
    }
    let found = if is_null { "null" } else { class_of_schema(&schema) };
    Err(Error::bad_record(format!("Only Struct objects supported for [{purpose}], found: {found}")))
}

/// The refusal of a null where a struct has to be.
pub(crate) fn null_struct(purpose: &str) -> Error {
    Error::bad_record(format!("Only Struct objects supported for [{purpose}], found: null"))
}

/// The fields of a struct.
pub(crate) fn row(bytes: &[u8], n_fields: usize) -> Result<Row<'_>> {
    Row::new(bytes, n_fields).ok_or_else(layout)
}

/// The default of each field, where nulls are to be replaced by it.
pub(crate) fn defaults(schema: &Schema, wanted: bool) -> Result<Vec<Option<Vec<u8>>>> {
    schema.fields.iter().map(|field| if wanted { default_of(field.schema) } else { Ok(None) }).collect()
}

/// The default value of a schema.
pub(crate) fn default_of(id: SchemaId) -> Result<Option<Vec<u8>>> {
    Ok(schema(id)?.default.clone())
}

/// A struct's schema without fields that has the name, version, doc and parameters of another: what
/// Kafka Connect copies when a transform changes fields. Optionality and default are not.
pub(crate) fn copy_basics(schema: &Schema) -> Schema {
    Schema {
        name: schema.name.clone(),
        version: schema.version,
        doc: schema.doc.clone(),
        parameters: schema.parameters.clone(),
        ..Schema::of(Kind::Struct)
    }
}

/// Adds a field; no struct has two of one name.
pub(crate) fn add_field(schema: &mut Schema, name: &str, id: SchemaId) -> Result<()> {
    if name.is_empty() {
        return Err(Error::bad_record("fieldName cannot be null."));
    }
    if schema.field_index(name).is_some() {
        return Err(Error::bad_record(format!(
            "Cannot create field because of field name duplication {name}"
        )));
    }
    schema.fields.push(cofferdam_sdk::Field { name: name.to_owned(), schema: id });
    Ok(())
}

/// A map without schema, or what was found instead.
pub(crate) fn map<'a>(bytes: Option<&'a [u8]>, purpose: &str) -> Result<Map<'a>> {
    let found = match bytes.map(|bytes| Value::new(bytes).ok_or_else(layout)).transpose()? {
        Some(Value::Map(list)) => {
            return Map::new(bytes.and_then(|bytes| bytes.get(1..)).unwrap_or_default(), list)
                .ok_or_else(layout);
        }
        None => "null",
        Some(value) => class_of_value(&value),
    };
    Err(Error::bad_record(format!(
        "Only Map objects supported in absence of schema for [{purpose}], found: {found}"
    )))
}

/// Whether a schemaless value is null.
pub(crate) fn is_null(bytes: Option<&[u8]>) -> bool {
    bytes.is_none_or(|bytes| bytes == [Tag::Null as u8])
}

/// A value that does not lie as its schema or tag says.
pub(crate) fn layout() -> Error {
    Error::fatal("the worker handed over a value that does not fit its schema")
}

/// A map on tape: its items, and where each ends.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a> {
    list: List<'a>,
    items: &'a [u8],
    ends: &'a [u8],
}

impl<'a> Map<'a> {
    fn new(bytes: &'a [u8], list: List<'a>) -> Option<Self> {
        let (rest, _) = bytes.split_last_chunk::<4>()?;
        let (items, ends) = rest.split_at_checked(rest.len().checked_sub(list.len() * 4)?)?;
        Some(Self { list, items, ends })
    }

    /// Keys and values, each a tagged value.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        tape::pairs(self.list)
    }

    /// The value of the text key `name`; none when there is none, tagged null for null.
    pub(crate) fn get(self, name: &str) -> Option<&'a [u8]> {
        self.pairs().find_map(|(key, value)| is_text(key, name).then_some(value))
    }
}

/// Whether a tagged value is this text.
pub(crate) fn is_text(value: &[u8], text: &str) -> bool {
    tape::string_bytes(value) == Some(text.as_bytes())
}

/// Writes a map on tape, with room that is used again for the next.
#[derive(Debug, Default)]
pub(crate) struct MapWriter {
    items_at: usize,
    ends: Vec<u32>,
}

impl MapWriter {
    /// Starts an empty map.
    pub(crate) fn start(&mut self, out: &mut Vec<u8>) {
        out.push(Tag::Map as u8);
        self.items_at = out.len();
        self.ends.clear();
    }

    /// Starts a map that has everything of another already, copied in one piece.
    pub(crate) fn start_from(&mut self, out: &mut Vec<u8>, map: Map<'_>) {
        self.start(out);
        out.extend_from_slice(map.items);
        self.ends.extend(map.ends.as_chunks().0.iter().map(|end| u32::from_le_bytes(*end)));
    }

    /// Adds a pair of tagged values as they lie elsewhere.
    pub(crate) fn copy(&mut self, out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        out.extend_from_slice(key);
        self.item(out);
        out.extend_from_slice(value);
        self.item(out);
    }

    /// Adds a text key; its value follows.
    pub(crate) fn key(&mut self, out: &mut Vec<u8>, name: &str) {
        tape::put_string(out, name);
        self.item(out);
    }

    /// Says that an item was appended to `out`.
    pub(crate) fn item(&mut self, out: &[u8]) {
        self.ends.push((out.len() - self.items_at) as u32 & !NULL_BIT);
    }

    /// Ends the map.
    pub(crate) fn finish(&self, out: &mut Vec<u8>) {
        out.reserve(self.ends.len() * 4 + 4);
        for end in &self.ends {
            out.extend_from_slice(&end.to_le_bytes());
        }
        out.extend_from_slice(&(self.ends.len() as u32).to_le_bytes());
    }
}

/// Name of the Java class of a schemaless value.
pub(crate) const fn class_of_value(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "java.lang.Boolean",
        Value::Int(Tag::Int8, _) => "java.lang.Byte",
        Value::Int(Tag::Int16, _) => "java.lang.Short",
        Value::Int(Tag::Int32, _) => "java.lang.Integer",
        Value::Int(..) => "java.lang.Long",
        Value::Float(Tag::Float32, _) => "java.lang.Float",
        Value::Float(..) => "java.lang.Double",
        Value::String(_) => "java.lang.String",
        Value::Bytes(_) => "[B",
        Value::Array(_) => "java.util.ArrayList",
        Value::Map(_) => "java.util.HashMap",
        Value::Decimal(..) => "java.math.BigDecimal",
        Value::Date(_) => "java.util.Date",
        Value::Struct(..) => "org.apache.kafka.connect.data.Struct",
    }
}

/// Name of the Java class of values of a schema.
pub(crate) fn class_of_schema(schema: &Schema) -> &'static str {
    match (schema.kind, schema.name.as_deref()) {
        (Kind::Bytes, Some(logical::DECIMAL)) => "java.math.BigDecimal",
        (Kind::Int32, Some(logical::DATE | logical::TIME)) | (Kind::Int64, Some(logical::TIMESTAMP)) => {
            "java.util.Date"
        }
        (Kind::Int8, _) => "java.lang.Byte",
        (Kind::Int16, _) => "java.lang.Short",
        (Kind::Int32, _) => "java.lang.Integer",
        (Kind::Int64, _) => "java.lang.Long",
        (Kind::Float32, _) => "java.lang.Float",
        (Kind::Float64, _) => "java.lang.Double",
        (Kind::Boolean, _) => "java.lang.Boolean",
        (Kind::String, _) => "java.lang.String",
        (Kind::Bytes, _) => "[B",
        (Kind::Array, _) => "java.util.ArrayList",
        (Kind::Map, _) => "java.util.HashMap",
        (Kind::Struct, _) => "org.apache.kafka.connect.data.Struct",
    }
}
