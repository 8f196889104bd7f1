//! A value as Java's `toString` prints it: what `StringConverter` writes to a topic and what a
//! sink of lines writes to a file.
//!
//! Two forms are our own, because Java's depend on the virtual machine: bytes, which Java prints as
//! an object's identity (`[B@1b6d3586`), are printed in base64, and dates are always printed in UTC,
//! never in the zone of the machine.

use std::fmt;
use std::sync::Arc;

use crate::rows::{self, List, Row};
use crate::tape::{Tag, Value};
use crate::{DEPTH_MAX, Kind, Schema, SchemaId, logical};

mod date;
mod number;

pub use date::put_date;
pub(crate) use date::{days_of, gregorian};
pub use number::{DECIMAL_BYTES_MAX, put_base64, put_decimal, put_double, put_float, put_int};

/// Milliseconds of one day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Where the schemas of a task are looked up: the host's registry, or the cache of a guest. Any
/// function from id to schema is one.
pub trait SchemaSource {
    /// The schema called `id`; none when the task does not know it.
    fn schema(&self, id: SchemaId) -> Option<Arc<Schema>>;
}

impl<F: Fn(SchemaId) -> Option<Arc<Schema>>> SchemaSource for F {
    fn schema(&self, id: SchemaId) -> Option<Arc<Schema>> {
        self(id)
    }
}

/// Why a value cannot be printed. All of these are faults of whoever laid out the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextError {
    /// The bytes do not fit the schema, or are no tape.
    Layout,
    /// No schema has this id.
    UnknownSchema(SchemaId),
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// A decimal longer than [`DECIMAL_BYTES_MAX`].
    DecimalTooLong,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout => write!(f, "the bytes of the value do not fit its schema"),
            Self::UnknownSchema(id) => write!(f, "no schema has the id {id}"),
            Self::TooDeep => write!(f, "the value is nested deeper than {DEPTH_MAX} levels"),
            Self::DecimalTooLong => write!(f, "the decimal is longer than {DECIMAL_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for TextError {}

/// Appends the text of `value`: rows of `schema`, tape when that is 0, `null` for none.
///
/// # Errors
/// When the bytes are no such value. What was appended until then stays.
pub fn write(
    out: &mut Vec<u8>,
    schemas: &dyn SchemaSource,
    schema: SchemaId,
    value: Option<&[u8]>,
) -> Result<(), TextError> {
    // The limit counts containers; what lies in the deepest one is no level of its own.
    put_any(out, schemas, schema, value, DEPTH_MAX + 1)
}

/// As [`write()`], into a text of its own.
///
/// # Errors
/// When the bytes are no such value.
pub fn to_text(
    schemas: &dyn SchemaSource,
    schema: SchemaId,
    value: Option<&[u8]>,
) -> Result<String, TextError> {
    let mut out = Vec::new();
    write(&mut out, schemas, schema, value)?;
    String::from_utf8(out).map_err(|_| TextError::Layout)
}

fn put_any(
    out: &mut Vec<u8>,
    schemas: &dyn SchemaSource,
    schema: SchemaId,
    value: Option<&[u8]>,
    depth: usize,
) -> Result<(), TextError> {
    let Some(value) = value else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    if schema == 0 {
        return put_tape(out, schemas, value, depth);
    }
    let schema = schemas.schema(schema).ok_or(TextError::UnknownSchema(schema))?;
    put_rows(out, schemas, &schema, value, depth)
}

fn put_rows(
    out: &mut Vec<u8>,
    schemas: &dyn SchemaSource,
    schema: &Schema,
    value: &[u8],
    depth: usize,
) -> Result<(), TextError> {
    let depth = depth.checked_sub(1).ok_or(TextError::TooDeep)?;
    match schema.kind {
        Kind::Int32 | Kind::Int64 | Kind::Int8 | Kind::Int16 => {
            let number = rows::int(value).ok_or(TextError::Layout)?;
            match schema.name.as_deref() {
                Some(logical::DATE) if schema.kind == Kind::Int32 => {
                    put_date(out, number.saturating_mul(DAY_MS))
                }
                Some(logical::TIME) if schema.kind == Kind::Int32 => put_date(out, number),
                Some(logical::TIMESTAMP) if schema.kind == Kind::Int64 => put_date(out, number),
                _ => put_int(out, number),
            }
        }
        Kind::Float32 => put_float(out, rows::float(value).ok_or(TextError::Layout)? as f32),
        Kind::Float64 => put_double(out, rows::float(value).ok_or(TextError::Layout)?),
        Kind::Boolean => put_boolean(out, rows::boolean(value).ok_or(TextError::Layout)?),
        Kind::String => out.extend_from_slice(rows::text(value).ok_or(TextError::Layout)?.as_bytes()),
        Kind::Bytes if schema.is_logical(logical::DECIMAL) => {
            put_decimal(out, scale(schema).ok_or(TextError::Layout)?, value)?;
        }
        Kind::Bytes => put_base64(out, value),
        Kind::Array => {
            // Items without a schema are tape.
            let item = schema.value.unwrap_or(0);
            let list = List::new(value).ok_or(TextError::Layout)?;
            put_list(out, list, |out, value| put_any(out, schemas, item, value, depth))?;
        }
        Kind::Map => {
            let (key, item) = (schema.key.unwrap_or(0), schema.value.unwrap_or(0));
            let list = List::new(value).ok_or(TextError::Layout)?;
            put_map(out, list, |out, is_key, value| {
                put_any(out, schemas, if is_key { key } else { item }, value, depth)
            })?;
        }
        Kind::Struct => put_struct(out, schemas, schema, value, depth)?,
    }
    Ok(())
}

/// Fields that are null are left out, as `Struct.toString` does.
fn put_struct(
    out: &mut Vec<u8>,
    schemas: &dyn SchemaSource,
    schema: &Schema,
    value: &[u8],
    depth: usize,
) -> Result<(), TextError> {
    let row = Row::new(value, schema.fields.len()).ok_or(TextError::Layout)?;
    out.extend_from_slice(b"Struct{");
    let mut first = true;
    for (field, value) in schema.fields.iter().zip(row.iter()) {
        if value.is_none() {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(field.name.as_bytes());
        out.push(b'=');
        put_any(out, schemas, field.schema, value, depth)?;
    }
    out.push(b'}');
    Ok(())
}

fn put_tape(
    out: &mut Vec<u8>,
    schemas: &dyn SchemaSource,
    value: &[u8],
    depth: usize,
) -> Result<(), TextError> {
    let depth = depth.checked_sub(1).ok_or(TextError::TooDeep)?;
    match Value::new(value).ok_or(TextError::Layout)? {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(value) => put_boolean(out, value),
        Value::Int(_, value) => put_int(out, value),
        Value::Float(Tag::Float32, value) => put_float(out, value as f32),
        Value::Float(_, value) => put_double(out, value),
        Value::String(value) => out.extend_from_slice(value.as_bytes()),
        Value::Bytes(value) => put_base64(out, value),
        Value::Array(list) => put_list(out, list, |out, value| put_any(out, schemas, 0, value, depth))?,
        Value::Map(list) => put_map(out, list, |out, _, value| put_any(out, schemas, 0, value, depth))?,
        Value::Decimal(scale, unscaled) => put_decimal(out, scale, unscaled)?,
        Value::Date(millis) => put_date(out, millis),
        Value::Struct(schema, row) => put_any(out, schemas, schema, Some(row), depth + 1)?,
    }
    Ok(())
}

fn put_list(
    out: &mut Vec<u8>,
    list: List<'_>,
    mut put: impl FnMut(&mut Vec<u8>, Option<&[u8]>) -> Result<(), TextError>,
) -> Result<(), TextError> {
    out.push(b'[');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        put(out, item)?;
    }
    out.push(b']');
    Ok(())
}

fn put_map(
    out: &mut Vec<u8>,
    list: List<'_>,
    mut put: impl FnMut(&mut Vec<u8>, bool, Option<&[u8]>) -> Result<(), TextError>,
) -> Result<(), TextError> {
    out.push(b'{');
    for (index, item) in list.iter().enumerate() {
        let is_key = index.is_multiple_of(2);
        match (is_key, index) {
            (true, 0) => {}
            (true, _) => out.extend_from_slice(b", "),
            (false, _) => out.push(b'='),
        }
        put(out, is_key, item)?;
    }
    out.push(b'}');
    Ok(())
}

/// The scale of a decimal schema.
pub(crate) fn scale(schema: &Schema) -> Option<i32> {
    schema.parameters.iter().find(|(key, _)| key == "scale")?.1.parse().ok()
}

pub(crate) fn put_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

#[cfg(test)]
mod tests;
