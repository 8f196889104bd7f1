//! What transforms work on: a struct where there is a schema, a map where there is none. Anything
//! else is refused in Kafka Connect's words.

use std::ops::Range;
use std::sync::Arc;

use cofferdam_sdk::rows::{List, Row, RowWriter};
use cofferdam_sdk::tape::{self, Tag, Value};
use cofferdam_sdk::{Error, Field, Kind, Part, Record, Result, Schema, SchemaId, logical, schemas};

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
    Row::trust(bytes, n_fields).ok_or_else(layout)
}

/// Appends fields of a row as they lie there.
pub(crate) fn copy_run(
    writer: &mut RowWriter,
    out: &mut Vec<u8>,
    row: Row<'_>,
    fields: Range<usize>,
) -> Result<()> {
    writer.copy_run(out, row, fields).ok_or_else(layout)
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

const SCHEMA_BUILDER: &str = "org.apache.kafka.connect.errors.SchemaBuilderException";
const CLASS_CAST: &str = "java.lang.ClassCastException";
/// What Java throws at an argument that cannot be.
pub(crate) const ILLEGAL_ARGUMENT: &str = "java.lang.IllegalArgumentException";

/// Adds a field; no struct has two of one name.
pub(crate) fn add_field(schema: &mut Schema, name: &str, id: SchemaId) -> Result<()> {
    if name.is_empty() {
        return Err(Error::bad_record_as(SCHEMA_BUILDER, "fieldName cannot be null."));
    }
    if schema.field_index(name).is_some() {
        let message = format_args!("Cannot create field because of field name duplication {name}");
        return Err(Error::bad_record_as(SCHEMA_BUILDER, message));
    }
    schema.fields.push(Field { name: name.to_owned(), schema: id });
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

/// Refuses a null for the field `name` of this schema, unless it is optional. A default does not help.
pub(crate) fn may_be_null(name: &str, schema: &Schema) -> Result<()> {
    if schema.optional {
        return Ok(());
    }
    let kind = schema.kind.as_str();
    Err(Error::bad_record(format!(
        "Invalid value: null used for required field: \"{name}\", schema type: {kind}"
    )))
}

/// Whether a schemaless value is null.
pub(crate) fn is_null(bytes: Option<&[u8]>) -> bool {
    bytes.is_none_or(|bytes| bytes == [Tag::Null as u8])
}

/// Whether a key or value is null, with a schema or without.
pub(crate) fn is_null_part(record: &Record<'_>, part: Part) -> bool {
    let bytes = record.get(part);
    if record.schema(part) == 0 { is_null(bytes) } else { bytes.is_none() }
}

/// A field that goes over to another struct.
#[derive(Debug)]
pub(crate) struct Copied {
    /// In place of null.
    default: Option<Vec<u8>>,
    /// What a null is answered with, where the schema forbids it.
    required: Option<String>,
}

impl Copied {
    /// A null becomes the default, where `defaults` are wanted. One that is left in a required field,
    /// as readers leave it where there is a default, is refused.
    pub(crate) fn of(field: &Field, defaults: bool) -> Result<Self> {
        let schema = schema(field.schema)?;
        let required = !schema.optional && schema.default.is_some() && !defaults;
        Ok(Self {
            default: schema.default.clone().filter(|_| defaults),
            required: required.then(|| {
                format!(
                    "Invalid value: null used for required field: \"{}\", schema type: {}",
                    field.name,
                    schema.kind.as_str()
                )
            }),
        })
    }

    /// Whether every value is copied as it is.
    pub(crate) const fn is_plain(&self) -> bool {
        self.default.is_none() && self.required.is_none()
    }

    /// The value, or what stands in its place.
    pub(crate) fn value<'a>(&'a self, value: Option<&'a [u8]>) -> Result<Option<&'a [u8]>> {
        match (value.or(self.default.as_deref()), &self.required) {
            (None, Some(refusal)) => Err(Error::bad_record(refusal)),
            (value, _) => Ok(value),
        }
    }

    /// Appends the value as the next field.
    pub(crate) fn copy(&self, value: Option<&[u8]>, writer: &mut RowWriter, out: &mut Vec<u8>) -> Result<()> {
        writer.copy(out, self.value(value)?);
        Ok(())
    }
}

/// The fields of `schema`, as they go over to another struct; see [`Copied::of`].
pub(crate) fn copied(schema: &Schema, defaults: bool) -> Result<Vec<Copied>> {
    schema.fields.iter().map(|field| Copied::of(field, defaults)).collect()
}

/// Adds the field at `place` to the last run of fields that are copied in one piece, if it goes on there.
pub(crate) fn extend_run(last: Option<&mut Range<usize>>, place: usize) -> bool {
    match last {
        Some(run) if run.end == place => {
            run.end += 1;
            true
        }
        _ => false,
    }
}

/// The scale of a decimal's schema.
pub(crate) fn scale(schema: &Schema) -> i32 {
    let scale = schema.parameters.iter().find(|(key, _)| key == "scale");
    scale.and_then(|(_, scale)| scale.parse().ok()).unwrap_or(0)
}

/// A schema as `ConnectSchema.toString` prints it.
pub(crate) fn show(schema: &Schema) -> String {
    let kind = schema.kind.as_str();
    match &schema.name {
        Some(name) => format!("Schema{{{name}:{kind}}}"),
        None => format!("Schema{{{kind}}}"),
    }
}

/// The refusal of a schema whose fields are asked for and that is no struct's.
pub(crate) fn no_fields() -> Error {
    Error::bad_record("Cannot list fields on non-struct type")
}

/// The refusal of a map's key that has to be text, in the words of the virtual machine.
pub(crate) fn no_string(key: &Value<'_>) -> Error {
    let class = class_of_value(key);
    Error::bad_record_as(
        CLASS_CAST,
        format_args!(
            "class {class} cannot be cast to class java.lang.String ({class} and java.lang.String are in module \
         java.base of loader 'bootstrap')"
        ),
    )
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
        self.pairs().find_map(|(key, value)| tape::is_string(key, name).then_some(value))
    }
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
