//! StringConverter: text in, `toString` out.

use std::borrow::Cow;

use cofferdam_api::Schemas;
use cofferdam_config::Parsed;
use cofferdam_frame::tape::Value;
use cofferdam_frame::{Kind, Schema, SchemaId, rows, text};

use crate::{Converted, DataError, Error};

/// The converter, with the character set of the topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text(Charset);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Utf8,
    Latin1,
    Ascii,
    /// Big-endian; a byte order mark is written, and heeded when read.
    Utf16,
    Utf16Be,
    Utf16Le,
}

/// OPTIONAL_STRING, the schema of everything that is read.
pub(crate) fn schema(schemas: &Schemas) -> Result<SchemaId, DataError> {
    Ok(schemas.define(Schema::of(Kind::String).optional())?)
}

/// Whether rows of this schema are the text itself.
pub(crate) fn is_plain(schemas: &Schemas, schema: SchemaId) -> bool {
    schemas.get(schema).is_some_and(|schema| schema.kind == Kind::String)
}

impl Text {
    pub(crate) fn new(options: &Parsed) -> Result<Self, Error> {
        let name = options.string("converter.encoding").unwrap_or("UTF-8");
        Charset::find(name).map(Self).ok_or_else(|| Error::Option {
            key: "converter.encoding".to_owned(),
            message: format!(
                "Invalid value {name} for configuration converter.encoding: UTF-8, ISO-8859-1, US-ASCII, UTF-16, \
                 UTF-16BE and UTF-16LE are supported"
            ),
        })
    }

    pub(crate) fn is_utf8(self) -> bool {
        self.0 == Charset::Utf8
    }

    pub(crate) fn read(
        self,
        schemas: &Schemas,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Converted, DataError> {
        let schema = schema(schemas)?;
        if let Some(bytes) = bytes {
            out.extend_from_slice(self.0.decode(bytes).as_bytes());
        }
        Ok(Converted { null: bytes.is_none(), schema })
    }

    pub(crate) fn write(
        self,
        schemas: &Schemas,
        schema: SchemaId,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<bool, DataError> {
        let Some(bytes) = bytes else { return Ok(true) };
        if schema == 0 && matches!(Value::new(bytes), Some(Value::Null)) {
            return Ok(true);
        }
        let source = |id| schemas.get(id);
        if self.is_utf8() {
            text::write(out, &source, schema, Some(bytes))?;
        } else {
            self.0.encode(&text::to_text(&source, schema, Some(bytes))?, out);
        }
        Ok(false)
    }
}

impl Charset {
    /// By the names that Java knows, in any case.
    fn find(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => Self::Utf8,
            "ISO-8859-1" | "ISO8859_1" | "ISO_8859_1" | "LATIN1" => Self::Latin1,
            "US-ASCII" | "ASCII" => Self::Ascii,
            "UTF-16" | "UTF16" => Self::Utf16,
            "UTF-16BE" => Self::Utf16Be,
            "UTF-16LE" => Self::Utf16Le,
            _ => return None,
        })
    }

    /// What is no text becomes U+FFFD, as in `new String(bytes, charset)`: never an error.
    fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
            let (units, rest) = bytes.as_chunks();
            let units = units.iter().map(|bytes| unit(*bytes));
            let mut text: String =
                char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
            if !rest.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            Cow::Owned(text)
        };
        match self {
            Self::Utf8 => rows::text(bytes).map_or_else(|| String::from_utf8_lossy(bytes), Cow::Borrowed),
            Self::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Self::Ascii => bytes
                .iter()
                .map(|byte| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER })
                .collect(),
            Self::Utf16 => match bytes {
                [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
                [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
                _ => wide(bytes, u16::from_be_bytes),
            },
            Self::Utf16Be => wide(bytes, u16::from_be_bytes),
            Self::Utf16Le => wide(bytes, u16::from_le_bytes),
        }
    }

    /// What the character set lacks becomes `?`, as in `String.getBytes`.
    fn encode(self, text: &str, out: &mut Vec<u8>) {
        let narrow = |limit: u32| {
            text.chars().map(move |char| match u32::from(char) {
                code if code < limit => code as u8,
                _ => b'?',
            })
        };
        match self {
            Self::Utf8 => out.extend_from_slice(text.as_bytes()),
            Self::Latin1 => out.extend(narrow(0x100)),
            Self::Ascii => out.extend(narrow(0x80)),
            Self::Utf16 => {
                if !text.is_empty() {
                    out.extend_from_slice(&[0xfe, 0xff]);
                }
                out.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
            }
            Self::Utf16Be => out.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
            Self::Utf16Le => out.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        }
    }
}
