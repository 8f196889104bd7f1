//! A key, a value or a header's value: made from a case, and compared with one.

use cofferdam_api::Schemas;
use cofferdam_converters::{Converter, Format};
use cofferdam_frame::SchemaId;
use serde_json::Value;

use crate::case::member;
use crate::write::{Misfit, put};
use crate::{Difference, compare, envelope, read, schema};

/// A value and its schema, laid out as in a frame of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// 0 = none.
    pub schema: SchemaId,
    /// None = null.
    pub bytes: Option<Vec<u8>>,
}

/// The three members in which a recording gives a part.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// Its schema, without what is below it.
    pub schema: &'a Value,
    /// What JsonConverter wrote, with the schema.
    pub written: &'a Value,
    /// The value itself.
    pub typed: &'a Value,
}

impl<'a> Recorded<'a> {
    /// The key or value of a record.
    #[must_use]
    pub fn of(record: &'a Value, name: &str) -> Self {
        Self {
            schema: member(record, &format!("{name}_schema")),
            written: member(record, name),
            typed: member(record, &format!("{name}_typed")),
        }
    }

    /// The value of a header.
    #[must_use]
    pub fn header(header: &'a Value) -> Self {
        Self {
            schema: member(header, "schema"),
            written: member(header, "value"),
            typed: member(header, "typed"),
        }
    }

    /// Lays it out. The schema is read from what JsonConverter wrote, which has all of it; the value
    /// is not, since JsonConverter puts defaults in the place of nulls.
    ///
    /// # Errors
    /// When it cannot lie in a frame.
    pub fn part(&self, schemas: &Schemas, json: &Converter) -> Result<Part, Misfit> {
        let mut out = Vec::new();
        if self.schema.is_null() {
            let null = put(schemas, 0, self.typed, &mut out)?;
            return Ok(Part { schema: 0, bytes: (!null).then_some(out) });
        }
        let schema = match member(self.written, "bytes").as_str() {
            Some(written) => {
                let read = json.to_connect(schemas, Format::Rows, Some(written.as_bytes()), &mut out);
                read.map_err(|error| Misfit::Unreadable(format!("{written}: {error}")))?.schema
            }
            None => schema::define(schemas, self.schema)?,
        };
        out.clear();
        let null = put(schemas, schema, self.typed, &mut out)?;
        Ok(Part { schema, bytes: (!null).then_some(out) })
    }

    /// Compares what came out with it.
    pub fn compare(
        &self,
        name: &str,
        schemas: &Schemas,
        json: &Converter,
        got: &Part,
        found: &mut Vec<Difference>,
    ) {
        let before = found.len();
        let value = read::value(schemas, got.schema, got.bytes.as_deref());
        let value = value.unwrap_or_else(|| format!("bytes that are no value: {:?}", got.bytes).into());
        compare(found, name, &read::canonical(self.typed), &read::canonical(&value));
        let brief = schema::describe_briefly(schemas, got.schema);
        compare(found, &format!("{name} schema"), &schema::normal(self.schema), &brief);
        // Where JsonConverter could not write the value, the above is all that is known; where the
        // above differs, what it writes says nothing new.
        if found.len() > before || member(self.written, "unserialisable").is_string() {
            return;
        }
        let wanted = member(self.written, "bytes").as_str();
        let mut out = Vec::new();
        let written = json.from_connect(schemas, Format::Rows, got.schema, got.bytes.as_deref(), &mut out);
        let text = match written {
            Ok(null) => (!null).then(|| String::from_utf8_lossy(&out).into_owned()),
            Err(error) => Some(format!("{}: {error}", error.exception_class)),
        };
        let same = match (wanted, text.as_deref()) {
            (Some(wanted), Some(text)) => envelope::same(wanted, text),
            (wanted, text) => wanted == text,
        };
        if !same {
            let show = |text: Option<&str>| text.unwrap_or("null").to_owned();
            found.push(Difference::new(format!("{name} as JSON"), show(wanted), show(text.as_deref())));
        }
    }
}
