//! JsonConverter: with `schemas.enable` an envelope of schema and payload, without it bare JSON.

mod number;
mod rows;
mod scan;
mod schema;
mod tape;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_api::Schemas;
use cofferdam_config::Parsed;
use cofferdam_frame::SchemaId;
use cofferdam_frame::tape::Tag;

use crate::node::{Node, Nodes};
use crate::{Converted, DataError, Error};
use rows::RowsReader;
use scan::{Next, Scanner, Token};
use tape::TapeReader;
use write::Style;

pub(crate) use write::put_string;

const NO_ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not \
                           contain additional fields. If you are trying to deserialize plain JSON data, set \
                           schemas.enable=false in your converter configuration.";

/// How rows and tape look as bare JSON, for plugins that read JSON.
const PLAIN: Style = Style { numeric_decimals: false, replace_null_with_default: true };

/// The converter of one task.
#[derive(Debug)]
pub(crate) struct Json {
    schemas_enable: bool,
    cache_size: usize,
    style: Style,
    /// `schema.content`: topics hold bare payloads of this schema.
    content: Option<String>,
    nodes: Nodes,
    cache: Mutex<Cache>,
}

/// What was seen before, in both directions.
#[derive(Debug, Default)]
struct Cache {
    /// Schema text as it lies in envelopes.
    read: HashMap<Box<str>, Option<Arc<Node>>>,
    /// The one that came last: mostly the next one too.
    last: Option<(Box<str>, Option<Arc<Node>>)>,
    /// Everything of an envelope up to the payload.
    written: HashMap<SchemaId, Arc<[u8]>>,
    content: Option<Arc<Node>>,
}

impl Json {
    pub(crate) fn new(options: &Parsed) -> Result<Self, Error> {
        let content =
            options.string("schema.content").filter(|content| !content.is_empty()).map(str::to_owned);
        let json = Self {
            schemas_enable: options.boolean("schemas.enable").unwrap_or(true),
            cache_size: options
                .integer("schemas.cache.size")
                .and_then(|size| size.try_into().ok())
                .unwrap_or(1000),
            style: Style {
                numeric_decimals: options
                    .string("decimal.format")
                    .is_some_and(|format| format.eq_ignore_ascii_case("numeric")),
                replace_null_with_default: options.boolean("replace.null.with.default").unwrap_or(true),
            },
            content,
            nodes: Nodes::default(),
            cache: Mutex::default(),
        };
        if let Some(content) = &json.content {
            // Found wrong now rather than by the first record.
            json.schema_of(&Schemas::default(), content).map_err(|error| Error::Option {
                key: "schema.content".to_owned(),
                message: format!("Invalid value {content} for configuration schema.content: {error}"),
            })?;
        }
        // Ids of the throw-away registry must not stay.
        Ok(Self { nodes: Nodes::default(), ..json })
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- reading

    pub(crate) fn read(
        &self,
        schemas: &Schemas,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Converted, DataError> {
        let Some(bytes) = bytes else {
            return Ok(Converted { null: true, schema: 0 });
        };
        let mut scanner = Scanner::new(bytes);
        scanner.check_root()?;
        match &self.content {
            _ if !self.schemas_enable => {
                if scanner.is_blank() {
                    return Ok(Converted { null: true, schema: 0 });
                }
                read_schemaless(&mut scanner, out, 0)
            }
            Some(content) => {
                let node = self.content(schemas, content)?;
                let read = self.payload(node.as_deref(), &mut scanner, out, 0);
                // Kafka Connect parses the whole text first, so broken JSON is told before all else.
                read.map_err(|error| Scanner::new(bytes).skip(0).err().unwrap_or(error))
            }
            None => self.envelope(schemas, &mut scanner, out),
        }
    }

    fn content(&self, schemas: &Schemas, content: &str) -> Result<Option<Arc<Node>>, DataError> {
        if let Some(node) = &self.cache().content {
            return Ok(Some(Arc::clone(node)));
        }
        let node = self.schema_of(schemas, content)?;
        self.cache().content.clone_from(&node);
        Ok(node)
    }

    fn schema_of(&self, schemas: &Schemas, text: &str) -> Result<Option<Arc<Node>>, DataError> {
        let mut scanner = Scanner::new(text.as_bytes());
        if scanner.token()? == Token::Null {
            scanner.literal(Token::Null)?;
            return Ok(None);
        }
        let defaults = self.style.replace_null_with_default;
        let id = schema::read_schema(schemas, &self.nodes, defaults, &mut scanner)?;
        self.nodes.get(schemas, id).map(Some)
    }

    fn payload(
        &self,
        node: Option<&Node>,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<Converted, DataError> {
        let Some(node) = node else {
            return read_schemaless(scanner, out, depth);
        };
        let null = RowsReader::new(self.style.replace_null_with_default).value(node, scanner, out, depth)?;
        Ok(Converted { null, schema: node.id })
    }

    /// An object of just `schema` and `payload`, in any order. With the schema first, as everyone
    /// writes them, the payload is read in one pass.
    fn envelope(
        &self,
        schemas: &Schemas,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Converted, DataError> {
        let no_envelope = || DataError::new(NO_ENVELOPE);
        if scanner.is_blank() {
            return Err(no_envelope());
        }
        if scanner.token()? != Token::Object {
            scanner.skip(0)?;
            return Err(no_envelope());
        }
        let mark = out.len();
        let mut node = None;
        let mut payload_at = None;
        let mut converted = None;
        let mut is_envelope = true;
        let mut name = Vec::new();
        let mut next = scanner.enter(b'}');
        while next == Next::Item {
            name.clear();
            scanner.name(&mut name)?;
            scanner.peek();
            match name.as_slice() {
                b"schema" if is_envelope => {
                    node = Some(self.schema_at(schemas, scanner)?);
                    // What was read by another schema before counts no more.
                    converted = None;
                    out.truncate(mark);
                }
                b"payload" if is_envelope => {
                    payload_at = Some(scanner.at());
                    out.truncate(mark);
                    converted = None;
                    match &node {
                        Some(Ok(node)) => match self.payload(node.as_deref(), scanner, out, 1) {
                            Ok(value) => converted = Some(value),
                            Err(error) => {
                                // Only if the rest is an envelope does it matter what is wrong inside.
                                return Err(self.rest_is_envelope(scanner, payload_at, error));
                            }
                        },
                        _ => scanner.skip(1)?,
                    }
                }
                b"schema" | b"payload" => scanner.skip(1)?,
                _ => {
                    is_envelope = false;
                    scanner.skip(1)?;
                }
            }
            next = scanner.next(b'}')?;
        }
        let (true, Some(node), Some(payload_at)) = (is_envelope, node, payload_at) else {
            return Err(no_envelope());
        };
        let node = node?;
        match converted {
            Some(converted) => Ok(converted),
            None => {
                scanner.go_to(payload_at);
                self.payload(node.as_deref(), scanner, out, 1)
            }
        }
    }

    /// After a payload that cannot be read: broken JSON or another member further on come first.
    #[cold]
    fn rest_is_envelope(
        &self,
        scanner: &mut Scanner<'_>,
        payload_at: Option<usize>,
        error: DataError,
    ) -> DataError {
        let mut rest = || {
            scanner.go_to(payload_at.unwrap_or_default());
            scanner.skip(1)?;
            let mut name = Vec::new();
            while scanner.next(b'}')? == Next::Item {
                name.clear();
                scanner.name(&mut name)?;
                if !matches!(name.as_slice(), b"schema" | b"payload") {
                    return Err(DataError::new(NO_ENVELOPE));
                }
                scanner.skip(1)?;
            }
            Ok(())
        };
        rest().err().unwrap_or(error)
    }

    /// Takes the schema at the cursor. A wrong one is told after broken JSON and a missing envelope,
    /// hence the result in the result.
    fn schema_at(
        &self,
        schemas: &Schemas,
        scanner: &mut Scanner<'_>,
    ) -> Result<Result<Option<Arc<Node>>, DataError>, DataError> {
        {
            let cache = self.cache();
            // A schema's text is an object: where it is a prefix, it is the whole value.
            if let Some((text, node)) = &cache.last
                && scanner.skip_if(text.as_bytes())
            {
                return Ok(Ok(node.clone()));
            }
        }
        let start = scanner.at();
        scanner.skip(1)?;
        let text = scanner.between(start, scanner.at());
        if let Some(node) = self.cache().read.get(text) {
            return Ok(Ok(node.clone()));
        }
        let node = match self.schema_of(schemas, text) {
            Ok(node) => node,
            Err(error) => return Ok(Err(error)),
        };
        let mut cache = self.cache();
        if text.starts_with('{') {
            if cache.read.len() >= self.cache_size {
                // Topics have few schemas; a full cache means that these come one after another.
                cache.read.clear();
            }
            cache.read.insert(text.into(), node.clone());
            cache.last = Some((text.into(), node.clone()));
        }
        Ok(Ok(node))
    }

    // --- writing

    pub(crate) fn write(
        &self,
        schemas: &Schemas,
        schema: SchemaId,
        value: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<bool, DataError> {
        if schema == 0 {
            let Some(value) = value.filter(|value| *value != [Tag::Null as u8]) else {
                return Ok(true);
            };
            if self.schemas_enable {
                out.extend_from_slice(b"{\"schema\":null,\"payload\":");
            }
            write::put_tape(value, out, 0)?;
        } else {
            let node = self.nodes.get(schemas, schema)?;
            if self.schemas_enable {
                out.extend_from_slice(&self.envelope_start(schemas, schema)?);
            }
            self.style.rows(&node, value, out, 0)?;
        }
        if self.schemas_enable {
            out.push(b'}');
        }
        Ok(false)
    }

    fn envelope_start(&self, schemas: &Schemas, schema: SchemaId) -> Result<Arc<[u8]>, DataError> {
        if let Some(start) = self.cache().written.get(&schema) {
            return Ok(Arc::clone(start));
        }
        let mut text = b"{\"schema\":".to_vec();
        schema::put_schema(schemas, &self.nodes, self.style, schema, None, &mut text)?;
        text.extend_from_slice(b",\"payload\":");
        let text: Arc<[u8]> = text.into();
        let mut cache = self.cache();
        if cache.written.len() >= self.cache_size {
            cache.written.clear();
        }
        cache.written.insert(schema, Arc::clone(&text));
        Ok(text)
    }
}

fn read_schemaless(
    scanner: &mut Scanner<'_>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<Converted, DataError> {
    let mark = out.len();
    TapeReader::default().value(scanner, out, depth)?;
    let null = out.get(mark..) == Some(&[Tag::Null as u8]);
    if null {
        out.truncate(mark);
    }
    Ok(Converted { null, schema: 0 })
}

/// Appends a value as bare JSON, for a plugin that reads JSON.
pub(crate) fn write_plain(
    schemas: &Schemas,
    nodes: &Nodes,
    schema: SchemaId,
    value: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    if schema == 0 {
        return write::put_tape(value, out, 0);
    }
    let node = nodes.get(schemas, schema)?;
    PLAIN.rows(&node, Some(value), out, 0)
}

/// Reads the bare JSON of a plugin into rows of `schema`, or tape. Answers whether it is null.
pub(crate) fn read_plain(
    schemas: &Schemas,
    nodes: &Nodes,
    schema: SchemaId,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<bool, DataError> {
    let mut scanner = Scanner::new(text);
    if schema == 0 {
        return read_schemaless(&mut scanner, out, 0).map(|converted| converted.null);
    }
    let node = nodes.get(schemas, schema)?;
    RowsReader::new(false).value(&node, &mut scanner, out, 0)
}
