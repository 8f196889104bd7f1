//! What a source polled, as the bytes of a dead letter.
//!
//! A sink's dead letter is the record as it was consumed. A source's record has no bytes yet, and the
//! converter that would make them may be what failed: text and bytes stay what they are, everything
//! else becomes what JsonConverter writes, with its schema.

use std::borrow::Cow;

use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_converters::{Converter, Format, Side};
use cofferdam_frame::SchemaId;

use crate::Error;
use crate::chain::Layout;

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Makes bytes of what a source polled.
pub(crate) struct Polled {
    key: Format,
    value: Format,
    plain: [Converter; 2],
    json: Converter,
}

impl Polled {
    /// For a source that lays its records out so.
    pub(crate) fn new(layout: Layout) -> Result<Self, Error> {
        let converter = |class, options: &ConfigMap| {
            Converter::new(class, options, Side::Value)
                .map_err(|error| Error::Converter { key: "value.converter", error })
        };
        let none = ConfigMap::new();
        let with_schemas = ConfigMap::from_iter([("schemas.enable".to_owned(), "true".to_owned())]);
        Ok(Self {
            key: layout.key,
            value: layout.value,
            plain: [converter(STRING, &none)?, converter(BYTES, &none)?],
            json: converter(JSON, &with_schemas)?,
        })
    }

    /// The bytes of a key.
    pub(crate) fn key<'b>(
        &self,
        schemas: &Schemas,
        schema: SchemaId,
        bytes: Option<&'b [u8]>,
    ) -> Option<Cow<'b, [u8]>> {
        self.bytes(schemas, self.key, schema, bytes)
    }

    /// The bytes of a value, or of a header's.
    pub(crate) fn value<'b>(
        &self,
        schemas: &Schemas,
        schema: SchemaId,
        bytes: Option<&'b [u8]>,
    ) -> Option<Cow<'b, [u8]>> {
        self.bytes(schemas, self.value, schema, bytes)
    }

    fn bytes<'b>(
        &self,
        schemas: &Schemas,
        format: Format,
        schema: SchemaId,
        bytes: Option<&'b [u8]>,
    ) -> Option<Cow<'b, [u8]>> {
        let bytes = bytes?;
        if self.plain.iter().any(|converter| converter.is_identity_from(schemas, format, schema)) {
            return Some(Cow::Borrowed(bytes));
        }
        let mut out = Vec::new();
        match self.json.from_connect(schemas, format, schema, Some(bytes), &mut out) {
            Ok(null) => (!null).then_some(Cow::Owned(out)),
            // A value that contradicts its schema: better its own bytes than none.
            Err(_) => Some(Cow::Borrowed(bytes)),
        }
    }
}
