//! The text of records: one line for each, as Kafka Connect's FileStreamSink writes them.

use cofferdam_sdk::frame::text;
use cofferdam_sdk::{Batch, Kind, SchemaId, SinkRecord, schemas};

/// Writes lines; remembers what the last schema turned out to be, since batches mostly have one.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    plain: Option<(SchemaId, bool)>,
}

impl Lines {
    /// Appends the line of `record` and says so; a value that has no text is refused and leaves no trace.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, batch: &Batch<'_>, record: &SinkRecord<'_>) -> bool {
        let from = out.len();
        match record.value() {
            Some(value) if self.is_plain(record.value_schema()) => out.extend_from_slice(value),
            value => {
                if let Err(error) = text::write(out, &schemas::get, record.value_schema(), value) {
                    out.truncate(from);
                    batch.reject(record, format!("The value has no text: {error}"));
                    return false;
                }
            }
        }
        out.push(b'\n');
        true
    }

    /// Whether values of `schema` are written as they lie: text, and bytes, whose `toString` would
    /// be of no use to anyone.
    fn is_plain(&mut self, schema: SchemaId) -> bool {
        if let Some((known, plain)) = self.plain
            && known == schema
        {
            return plain;
        }
        let plain = schemas::get(schema).is_some_and(|schema| {
            schema.kind == Kind::String || (schema.kind == Kind::Bytes && schema.name.is_none())
        });
        self.plain = Some((schema, plain));
        plain
    }
}
