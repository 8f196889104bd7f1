//! Converting keys, values and headers between the forms of the topic and of the plugins.
//!
//! Only what someone looks at is converted, and only where the bytes really change: text that stays
//! text gets a schema and nothing else.

use std::sync::Arc;

use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_config::connector::ConverterSettings;
use cofferdam_converters::{Converter, DataError, Format, Identity, Side, find};
use cofferdam_frame::{Entry, Record, SchemaId, Span};

use super::Stage;
use crate::Error;
use crate::batch::{Batch, Column, Needs, Rebuild};
use crate::errors::{Exception, Failed};

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// In which order the parts of a record are converted: the first that fails is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Key, value, headers: a sink's.
    KeysFirst,
    /// Headers, key, value: a source's.
    HeadersFirst,
}

/// The converters of one task.
pub(crate) struct Converters {
    schemas: Arc<Schemas>,
    order: Order,
    key: Named,
    value: Named,
    headers: Named,
    /// Between rows and JSON text, for neighbours that speak different forms.
    json: Converter,
}

struct Named {
    class: Arc<str>,
    stage: Stage,
    converter: Converter,
}

impl Converters {
    /// Makes the converters that a connector or, in its place, the worker names.
    pub(crate) fn new(
        schemas: Arc<Schemas>,
        order: Order,
        key: &ConverterSettings,
        value: &ConverterSettings,
        headers: &ConverterSettings,
    ) -> Result<Self, Error> {
        let plain = ConfigMap::from_iter([("schemas.enable".to_owned(), "false".to_owned())]);
        Ok(Self {
            order,
            key: Named::new("key.converter", key, Side::Key, Stage::KeyConverter)?,
            value: Named::new("value.converter", value, Side::Value, Stage::ValueConverter)?,
            headers: Named::new("header.converter", headers, Side::Header, Stage::HeaderConverter)?,
            json: Converter::new(JSON, &plain, Side::Value)
                .map_err(|error| Error::Converter { key: "value.converter", error })?,
            schemas,
        })
    }

    /// Brings the parts of `batch` that are named in `to` into the form named there. Records that
    /// cannot be converted are left out and answered.
    pub(crate) fn convert(&self, batch: &mut Batch, to: &Needs) -> Vec<Failed> {
        let has_headers = || batch.frame().iter().any(|record| record.entry.n_headers > 0);
        let pass = Pass {
            converters: self,
            key: to.key.filter(|format| !batch.key.is(*format)),
            value: to.value.filter(|format| !batch.value.is(*format)),
            headers: to.headers.filter(|format| batch.headers != *format && has_headers()),
        };
        let failed = if pass.changes_schemas_only(batch) { pass.retag(batch) } else { pass.rebuild(batch) };
        if let Some(format) = to.key {
            batch.key = Column::All(format);
        }
        if let Some(format) = to.value {
            batch.value = Column::All(format);
        }
        if let Some(format) = to.headers {
            batch.headers = format;
        }
        failed
    }
}

impl Named {
    fn new(key: &'static str, settings: &ConverterSettings, side: Side, stage: Stage) -> Result<Self, Error> {
        let converter = Converter::new(&settings.class, &settings.options, side)
            .map_err(|error| Error::Converter { key, error })?;
        let class = find(&settings.class).unwrap_or(&settings.class).into();
        Ok(Self { class, stage, converter })
    }

    fn failed(&self, origin: u32, error: &DataError) -> Failed {
        let exception = error
            .causes
            .iter()
            .map(|cause| Exception::new(cause.class, cause.message.clone()))
            .fold(Exception::new(error.exception_class, error.message.clone()), Exception::caused_by);
        Failed { origin, stage: self.stage, class: Arc::clone(&self.class), exception }
    }
}

/// One conversion of one batch: the parts that change, and into what.
struct Pass<'a> {
    converters: &'a Converters,
    key: Option<Format>,
    value: Option<Format>,
    headers: Option<Format>,
}

/// What a key or value is turned into.
type Cell = (Span, SchemaId);

impl Pass<'_> {
    /// Whether every key and value stays the bytes that it is.
    fn changes_schemas_only(&self, batch: &Batch) -> bool {
        if self.headers.is_some() {
            return false;
        }
        let mut key = self.untouched(&self.converters.key, self.key);
        let mut value = self.untouched(&self.converters.value, self.value);
        batch.frame().iter().enumerate().all(|(index, record)| {
            let entry = &record.entry;
            key.schema(batch.key.of(index), entry.key_schema, record.key()).is_some()
                && value.schema(batch.value.of(index), entry.value_schema, record.value()).is_some()
        })
    }

    fn untouched<'n>(&'n self, named: &'n Named, to: Option<Format>) -> Untouched<'n> {
        Untouched { converters: self.converters, named, to, identity: None, plain: None, scratch: Vec::new() }
    }

    fn retag(&self, batch: &mut Batch) -> Vec<Failed> {
        if self.key.is_none() && self.value.is_none() {
            return Vec::new();
        }
        let mut key = self.untouched(&self.converters.key, self.key);
        let mut value = self.untouched(&self.converters.value, self.value);
        // The bytes of a record do not matter a second time: they were seen to pass.
        let (key_layout, value_layout) = (batch.key.clone(), batch.value.clone());
        batch.edit(|index, entry| {
            let bytes = |span: Span| (!span.is_null()).then_some(&[][..]);
            if let Some(schema) = key.schema(key_layout.of(index), entry.key_schema, bytes(entry.key)) {
                entry.key_schema = schema;
            }
            if let Some(schema) = value.schema(value_layout.of(index), entry.value_schema, bytes(entry.value))
            {
                entry.value_schema = schema;
            }
        });
        Vec::new()
    }

    fn rebuild(&self, batch: &mut Batch) -> Vec<Failed> {
        let mut failed = Vec::new();
        let mut kept = Vec::with_capacity(batch.len());
        let mut rebuild = Rebuild::copying(batch.frame());
        for (index, record) in batch.frame().iter().enumerate() {
            match self.record(batch, index, &record, &mut rebuild) {
                Ok(()) => kept.push(index as u32),
                Err((named, error)) => failed.push(named.failed(batch.origin(index), &error)),
            }
        }
        let frame = rebuild.out.finish();
        batch.replace(frame, &kept);
        failed
    }

    fn record<'f>(
        &self,
        batch: &Batch,
        index: usize,
        record: &Record<'f>,
        rebuild: &mut Rebuild<'f>,
    ) -> Result<(), (&Named, DataError)> {
        let Converters { key, value, headers, order, .. } = self.converters;
        let mut entry = rebuild.base(record);
        if *order == Order::HeadersFirst {
            self.headers(batch, record, rebuild, &mut entry).map_err(|error| (headers, error))?;
        }
        match self.key {
            None => rebuild.copy_key(&mut entry, record),
            Some(to) => {
                let (from, schema) = (batch.key.of(index), record.entry.key_schema);
                let cell =
                    self.cell(key, from, to, schema, record.key(), rebuild).map_err(|error| (key, error))?;
                (entry.key, entry.key_schema) = cell;
            }
        }
        match self.value {
            None => rebuild.copy_value(&mut entry, record),
            Some(to) => {
                let (from, schema) = (batch.value.of(index), record.entry.value_schema);
                let cell = self
                    .cell(value, from, to, schema, record.value(), rebuild)
                    .map_err(|error| (value, error))?;
                (entry.value, entry.value_schema) = cell;
            }
        }
        if *order == Order::KeysFirst {
            self.headers(batch, record, rebuild, &mut entry).map_err(|error| (headers, error))?;
        }
        rebuild.out.push(&entry);
        Ok(())
    }

    fn cell(
        &self,
        named: &Named,
        from: Format,
        to: Format,
        schema: SchemaId,
        bytes: Option<&[u8]>,
        rebuild: &mut Rebuild<'_>,
    ) -> Result<Cell, DataError> {
        let mut result = (true, 0);
        let span = rebuild.out.try_write(|heap| -> Result<(), DataError> {
            result = self.write(named, from, to, schema, bytes, heap)?;
            Ok(())
        })?;
        let (null, schema) = result;
        Ok((if null { Span::NULL } else { span }, schema))
    }

    /// Appends one value in the form `to`; answers whether it is null, and its schema.
    fn write(
        &self,
        named: &Named,
        from: Format,
        to: Format,
        schema: SchemaId,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(bool, SchemaId), DataError> {
        let Converters { schemas, json, .. } = self.converters;
        match (from, to) {
            (Format::Raw, Format::Raw) | (Format::Rows, Format::Rows) | (Format::Json, Format::Json) => {
                out.extend_from_slice(bytes.unwrap_or_default());
                Ok((bytes.is_none(), schema))
            }
            (Format::Raw, to) => {
                let converted = named.converter.to_connect(schemas, to, bytes, out)?;
                Ok((converted.null, converted.schema))
            }
            (from, Format::Raw) => Ok((named.converter.from_connect(schemas, from, schema, bytes, out)?, 0)),
            (Format::Rows, Format::Json) => {
                Ok((json.from_connect(schemas, Format::Rows, schema, bytes, out)?, 0))
            }
            (Format::Json, Format::Rows) => {
                let converted = json.to_connect(schemas, Format::Rows, bytes, out)?;
                Ok((converted.null, converted.schema))
            }
        }
    }

    fn headers<'f>(
        &self,
        batch: &Batch,
        record: &Record<'f>,
        rebuild: &mut Rebuild<'f>,
        entry: &mut Entry,
    ) -> Result<(), DataError> {
        let Some(to) = self.headers else {
            rebuild.copy_headers(entry, record);
            return Ok(());
        };
        let mut block = Span { at: 0, len: 0 };
        let mut value = Vec::new();
        // Converted first, written afterwards: a header block must not be interrupted.
        let mut converted = Vec::with_capacity(record.headers().len());
        for header in record.headers() {
            value.clear();
            let named = &self.converters.headers;
            let (null, schema) =
                self.write(named, batch.headers, to, header.schema, header.value, &mut value)?;
            converted.push((header.key, schema, (!null).then(|| value.clone())));
        }
        for (key, schema, value) in &converted {
            rebuild.out.header(&mut block, key, *schema, value.as_deref());
        }
        entry.headers = block;
        entry.n_headers = record.entry.n_headers;
        Ok(())
    }
}

/// Finds out whether keys or values stay the bytes that they are. Remembers what it last found, since
/// records of one batch mostly have one schema.
struct Untouched<'a> {
    converters: &'a Converters,
    named: &'a Named,
    to: Option<Format>,
    identity: Option<Option<Identity>>,
    plain: Option<(SchemaId, bool)>,
    scratch: Vec<u8>,
}

impl Untouched<'_> {
    /// The schema that the value has afterwards; none when its bytes change.
    fn schema(&mut self, from: Format, schema: SchemaId, bytes: Option<&[u8]>) -> Option<SchemaId> {
        let Some(to) = self.to.filter(|to| *to != from) else { return Some(schema) };
        let Converters { schemas, .. } = self.converters;
        match (from, to) {
            (Format::Raw, to) => {
                let converter = &self.named.converter;
                let identity = (*self.identity.get_or_insert_with(|| converter.is_identity_to(schemas, to)))?;
                bytes.is_none_or(|bytes| identity.holds(bytes)).then_some(identity.schema)
            }
            (from, Format::Raw) => {
                let Some(_) = bytes else { return self.null_stays_null(from, schema).then_some(0) };
                let plain = match self.plain {
                    Some((last, plain)) if last == schema => plain,
                    _ => self.named.converter.is_identity_from(schemas, from, schema),
                };
                self.plain = Some((schema, plain));
                plain.then_some(0)
            }
            _ => None,
        }
    }

    fn null_stays_null(&mut self, from: Format, schema: SchemaId) -> bool {
        self.scratch.clear();
        let written = self.named.converter.from_connect(
            &self.converters.schemas,
            from,
            schema,
            None,
            &mut self.scratch,
        );
        written == Ok(true)
    }
}
