//! Connect's stock converters, native and trusted: from the bytes of a topic to the form in which a
//! plugin reads them (`wit/FRAME.md`, Values), and back.
//!
//! No value is turned into a tree on its way: JSON is read into rows or tape and written from them
//! in one pass. Where the two forms are the same bytes, [`Converter::is_identity_to`] says so and
//! the caller copies nothing.

mod bytes;
mod defs;
mod error;
mod header;
mod json;
mod node;
mod number;
mod string;

use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_frame::{SchemaId, rows};

pub use defs::{CLASSES, SIMPLE_HEADER, config_def, find};
pub use error::{Cause, DataError, Error};

use json::Json;
use number::Number;
use string::Text;

/// Which part of a record a converter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The key.
    Key,
    /// The value.
    Value,
    /// The headers.
    Header,
}

/// The form that a plugin reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the topic: no converter runs.
    Raw,
    /// Rows where there is a schema, tape where there is none.
    Rows,
    /// One JSON text, as JsonConverter without schemas writes it.
    Json,
}

/// What [`Converter::to_connect`] read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Whether it is null; nothing was appended then.
    pub null: bool,
    /// Its schema; 0 = none. A null may have one.
    pub schema: SchemaId,
}

/// Says that bytes pass as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Schema of what passes; 0 = none.
    pub schema: SchemaId,
    utf8: bool,
}

/// One converter of one task: it caches ids of that task's schemas, so it must always be called with
/// the same [`Schemas`].
#[derive(Debug)]
pub struct Converter {
    kind: Kind,
    /// Schemas of values that pass through as plain JSON.
    plain: node::Nodes,
}

#[derive(Debug)]
enum Kind {
    Text(Text),
    Bytes,
    Json(Box<Json>),
    Number(Number),
    SimpleHeader,
}

// === impl Identity ===

impl Identity {
    /// Whether these bytes do pass; those that do not go through the converter.
    #[must_use]
    pub fn holds(self, bytes: &[u8]) -> bool {
        !self.utf8 || rows::text(bytes).is_some()
    }
}

// === impl Converter ===

impl Converter {
    /// The converter called `class`, by its full or simple name. `options` are its own: without the
    /// prefix of the key that names it.
    ///
    /// # Errors
    /// When there is no such converter here, SimpleHeaderConverter is not for headers, or an option is
    /// wrong.
    pub fn new(class: &str, options: &ConfigMap, side: Side) -> Result<Self, Error> {
        let known = defs::find(class)
            .filter(|known| *known != SIMPLE_HEADER || side == Side::Header)
            .ok_or_else(|| Error::NotAvailable { class: class.to_owned() })?;
        let parsed = defs::parse(known, options, side)?;
        let kind = match known {
            defs::STRING => Kind::Text(Text::new(&parsed)?),
            defs::BYTE_ARRAY => Kind::Bytes,
            defs::BOOLEAN => Kind::Number(Number::Boolean),
            defs::DOUBLE => Kind::Number(Number::Double),
            defs::FLOAT => Kind::Number(Number::Float),
            defs::INTEGER => Kind::Number(Number::Integer),
            defs::LONG => Kind::Number(Number::Long),
            defs::SHORT => Kind::Number(Number::Short),
            SIMPLE_HEADER => Kind::SimpleHeader,
            _ => Kind::Json(Box::new(Json::new(&parsed)?)),
        };
        Ok(Self { kind, plain: node::Nodes::default() })
    }

    /// Reads the bytes of a topic and appends them to `out` in `format`.
    ///
    /// # Errors
    /// When the bytes are no such value; `out` is then as it was.
    pub fn to_connect(
        &self,
        schemas: &Schemas,
        format: Format,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Converted, DataError> {
        undo(out, |out| match format {
            Format::Raw => {
                out.extend_from_slice(bytes.unwrap_or_default());
                Ok(Converted { null: bytes.is_none(), schema: 0 })
            }
            Format::Rows => self.read(schemas, bytes, out),
            Format::Json => {
                let mut rows = Vec::new();
                let converted = self.read(schemas, bytes, &mut rows)?;
                if converted.null {
                    return Ok(Converted { null: true, schema: 0 });
                }
                json::write_plain(schemas, &self.plain, converted.schema, &rows, out)?;
                Ok(Converted { null: false, schema: 0 })
            }
        })
    }

    /// Appends to `out` the bytes for the topic of a value in `format`. Answers whether they are
    /// null: a tombstone, or a null key.
    ///
    /// # Errors
    /// When the converter cannot write this value; `out` is then as it was.
    pub fn from_connect(
        &self,
        schemas: &Schemas,
        format: Format,
        schema: SchemaId,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<bool, DataError> {
        undo(out, |out| match format {
            Format::Raw => {
                out.extend_from_slice(bytes.unwrap_or_default());
                Ok(bytes.is_none())
            }
            Format::Rows => self.write(schemas, schema, bytes, out),
            Format::Json => {
                let Some(text) = bytes else {
                    return self.write(schemas, schema, None, out);
                };
                let mut rows = Vec::new();
                let null = json::read_plain(schemas, &self.plain, schema, text, &mut rows)?;
                self.write(schemas, schema, (!null).then_some(rows.as_slice()), out)
            }
        })
    }

    /// Whether the bytes of the topic are already what [`Converter::to_connect`] would append.
    #[must_use]
    pub fn is_identity_to(&self, schemas: &Schemas, format: Format) -> Option<Identity> {
        match (format, &self.kind) {
            (Format::Raw, _) => Some(Identity { schema: 0, utf8: false }),
            (Format::Rows, Kind::Text(text)) if text.is_utf8() => {
                Some(Identity { schema: string::schema(schemas).ok()?, utf8: true })
            }
            (Format::Rows, Kind::Bytes) => {
                Some(Identity { schema: bytes::schema(schemas).ok()?, utf8: false })
            }
            _ => None,
        }
    }

    /// Whether a value of `schema` that is not null already lies as [`Converter::from_connect`] would
    /// write it.
    #[must_use]
    pub fn is_identity_from(&self, schemas: &Schemas, format: Format, schema: SchemaId) -> bool {
        match (format, &self.kind) {
            (Format::Raw, _) => true,
            (Format::Rows, Kind::Text(text)) if text.is_utf8() => string::is_plain(schemas, schema),
            (Format::Rows, Kind::Bytes) => bytes::is_plain(schemas, schema),
            _ => false,
        }
    }

    fn read(
        &self,
        schemas: &Schemas,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Converted, DataError> {
        match &self.kind {
            Kind::Text(text) => text.read(schemas, bytes, out),
            Kind::Bytes => bytes::read(schemas, bytes, out),
            Kind::Json(json) => json.read(schemas, bytes, out),
            Kind::Number(number) => number.read(schemas, bytes, out),
            Kind::SimpleHeader => header::read(schemas, bytes, out),
        }
    }

    fn write(
        &self,
        schemas: &Schemas,
        schema: SchemaId,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<bool, DataError> {
        match &self.kind {
            Kind::Text(text) => text.write(schemas, schema, bytes, out),
            Kind::Bytes => bytes::write(schemas, schema, bytes, out),
            Kind::Json(json) => json.write(schemas, schema, bytes, out),
            Kind::Number(number) => number.write(schemas, schema, bytes, out),
            Kind::SimpleHeader => header::write(schemas, schema, bytes, out),
        }
    }
}

/// Takes back what was appended when `write` fails.
fn undo<T>(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let mark = out.len();
    let result = write(out);
    if result.is_err() {
        out.truncate(mark);
    }
    result
}
