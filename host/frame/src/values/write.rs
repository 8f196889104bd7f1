//! Values to text, as `Values.convertToString` writes them.

use super::put_temporal;
use crate::rows::{self, List, Row};
use crate::tape::{Tag, Value};
use crate::text::{
    DAY_MS, SchemaSource, TextError, put_base64, put_boolean, put_decimal, put_double, put_float, put_int,
    scale,
};
use crate::{DEPTH_MAX, Kind, Schema, SchemaId, logical};

/// Appends the text of `value`: rows of `schema`, tape when that is 0. Answers whether it is null;
/// nothing is appended then.
///
/// # Errors
/// When the bytes are no such value. What was appended until then stays.
pub fn write(
    out: &mut Vec<u8>,
    schemas: &dyn SchemaSource,
    schema: SchemaId,
    value: Option<&[u8]>,
) -> Result<bool, TextError> {
    match value {
        None => return Ok(true),
        Some(value) if schema == 0 && value == [Tag::Null as u8] => return Ok(true),
        Some(_) => {}
    }
    // The limit counts containers; what lies in the deepest one is no level of its own.
    Writer { schemas, out }.any(schema, value, false, DEPTH_MAX + 1)?;
    Ok(false)
}

struct Writer<'a> {
    schemas: &'a dyn SchemaSource,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// Text that is `embedded` in a container is quoted.
    fn any(
        &mut self,
        schema: SchemaId,
        value: Option<&[u8]>,
        embedded: bool,
        depth: usize,
    ) -> Result<(), TextError> {
        let depth = depth.checked_sub(1).ok_or(TextError::TooDeep)?;
        let Some(value) = value else {
            self.out.extend_from_slice(b"null");
            return Ok(());
        };
        if schema == 0 {
            return self.tape(value, embedded, depth);
        }
        let schema = self.schemas.schema(schema).ok_or(TextError::UnknownSchema(schema))?;
        self.rows(&schema, value, embedded, depth)
    }

    fn rows(&mut self, schema: &Schema, value: &[u8], embedded: bool, depth: usize) -> Result<(), TextError> {
        match schema.kind {
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
                let number = fit(rows::int(value))?;
                match (schema.name.as_deref(), schema.kind) {
                    (Some(logical::DATE), Kind::Int32) => {
                        put_temporal(self.out, number.saturating_mul(DAY_MS));
                    }
                    (Some(logical::TIME), Kind::Int32) | (Some(logical::TIMESTAMP), Kind::Int64) => {
                        put_temporal(self.out, number);
                    }
                    _ => put_int(self.out, number),
                }
            }
            Kind::Float32 => put_float(self.out, fit(rows::float(value))? as f32),
            Kind::Float64 => put_double(self.out, fit(rows::float(value))?),
            Kind::Boolean => put_boolean(self.out, fit(rows::boolean(value))?),
            Kind::String => self.text(fit(rows::text(value))?, embedded),
            Kind::Bytes if schema.is_logical(logical::DECIMAL) => {
                put_decimal(self.out, fit(scale(schema))?, value)?;
            }
            Kind::Bytes => self.bytes(value, embedded),
            Kind::Array => {
                // Items without a schema are tape.
                let item = schema.value.unwrap_or(0);
                self.array(fit(List::new(value))?, item, depth)?;
            }
            Kind::Map => {
                let (key, item) = (schema.key.unwrap_or(0), schema.value.unwrap_or(0));
                self.map(fit(List::new(value))?, key, item, depth)?;
            }
            Kind::Struct => self.structure(schema, value, depth)?,
        }
        Ok(())
    }

    fn tape(&mut self, value: &[u8], embedded: bool, depth: usize) -> Result<(), TextError> {
        match fit(Value::new(value))? {
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Boolean(value) => put_boolean(self.out, value),
            Value::Int(_, value) => put_int(self.out, value),
            Value::Float(Tag::Float32, value) => put_float(self.out, value as f32),
            Value::Float(_, value) => put_double(self.out, value),
            Value::String(text) => self.text(text, embedded),
            Value::Bytes(bytes) => self.bytes(bytes, embedded),
            Value::Array(list) => self.array(list, 0, depth)?,
            Value::Map(list) => self.map(list, 0, 0, depth)?,
            Value::Decimal(scale, unscaled) => put_decimal(self.out, scale, unscaled)?,
            Value::Date(millis) => put_temporal(self.out, millis),
            Value::Struct(schema, row) => self.any(schema, Some(row), embedded, depth + 1)?,
        }
        Ok(())
    }

    fn array(&mut self, list: List<'_>, item: SchemaId, depth: usize) -> Result<(), TextError> {
        self.out.push(b'[');
        for (index, value) in list.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.any(item, value, true, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, list: List<'_>, key: SchemaId, item: SchemaId, depth: usize) -> Result<(), TextError> {
        self.out.push(b'{');
        for (index, value) in list.iter().enumerate() {
            let is_key = index.is_multiple_of(2);
            if index > 0 {
                self.out.push(if is_key { b',' } else { b':' });
            }
            self.any(if is_key { key } else { item }, value, true, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// A field that is null shows its default, as `Struct.get` answers it.
    fn structure(&mut self, schema: &Schema, value: &[u8], depth: usize) -> Result<(), TextError> {
        let row = fit(Row::new(value, schema.fields.len()))?;
        self.out.push(b'{');
        for (index, (field, value)) in schema.fields.iter().zip(row.iter()).enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.text(&field.name, true);
            self.out.push(b':');
            match value {
                Some(_) => self.any(field.schema, value, true, depth)?,
                None => {
                    let schema = self.schemas.schema(field.schema);
                    let schema = schema.ok_or(TextError::UnknownSchema(field.schema))?;
                    self.any(field.schema, schema.default.as_deref(), true, depth)?;
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn text(&mut self, text: &str, embedded: bool) {
        if !embedded {
            return self.out.extend_from_slice(text.as_bytes());
        }
        self.out.push(b'"');
        for byte in text.bytes() {
            if matches!(byte, b'"' | b'\\') {
                self.out.push(b'\\');
            }
            self.out.push(byte);
        }
        self.out.push(b'"');
    }

    fn bytes(&mut self, bytes: &[u8], embedded: bool) {
        if embedded {
            self.out.push(b'"');
        }
        put_base64(self.out, bytes);
        if embedded {
            self.out.push(b'"');
        }
    }
}

fn fit<T>(value: Option<T>) -> Result<T, TextError> {
    value.ok_or(TextError::Layout)
}
