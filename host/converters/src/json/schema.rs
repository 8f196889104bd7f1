//! Schemas as JsonConverter writes them into an envelope, and back.

use std::sync::Arc;

use cofferdam_api::Schemas;
use cofferdam_frame::text;
use cofferdam_frame::{Field, Kind, Schema, SchemaId};

use super::number::integer;
use super::rows::RowsReader;
use super::scan::{Next, Number, Scanner, Token, below};
use super::write::{Style, put_string};
use crate::DataError;
use crate::node::Nodes;

/// Longest schema that is written. Schemas share their children, so that a small one may stand for a
/// text of any length.
const SCHEMA_TEXT_MAX: usize = 16 << 20;

/// Appends the JSON of the schema `id`; `field` is its name in a struct.
pub(crate) fn put_schema(
    schemas: &Schemas,
    nodes: &Nodes,
    style: Style,
    id: SchemaId,
    field: Option<&str>,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    if out.len() > SCHEMA_TEXT_MAX {
        return Err(DataError::new(format!("the schema is longer than {SCHEMA_TEXT_MAX} bytes of JSON")));
    }
    // The node is asked for because it refuses what is nested too deep.
    let node = nodes.get(schemas, id)?;
    let schema: &Arc<Schema> = &node.schema;
    let child = |name: &str, id: Option<SchemaId>, out: &mut Vec<u8>| {
        out.extend_from_slice(name.as_bytes());
        match id {
            Some(id) => put_schema(schemas, nodes, style, id, None, out),
            None => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
    };
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(type_name(schema.kind).as_bytes());
    out.push(b'"');
    match schema.kind {
        Kind::Array => child(",\"items\":", schema.value, out)?,
        Kind::Map => {
            child(",\"keys\":", schema.key, out)?;
            child(",\"values\":", schema.value, out)?;
        }
        Kind::Struct => {
            out.extend_from_slice(b",\"fields\":[");
            for (index, field) in schema.fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                put_schema(schemas, nodes, style, field.schema, Some(&field.name), out)?;
            }
            out.push(b']');
        }
        _ => {}
    }
    out.extend_from_slice(if schema.optional { b",\"optional\":true" } else { b",\"optional\":false" });
    if let Some(name) = &schema.name {
        put_member(out, ",\"name\":", name);
    }
    if let Some(version) = schema.version {
        out.extend_from_slice(b",\"version\":");
        text::put_int(out, version.into());
    }
    if let Some(doc) = &schema.doc {
        put_member(out, ",\"doc\":", doc);
    }
    if !schema.parameters.is_empty() {
        let mut before = ",\"parameters\":{";
        for (key, value) in &schema.parameters {
            put_member(out, before, key);
            before = ",";
            put_member(out, ":", value);
        }
        out.push(b'}');
    }
    if let Some(default) = &schema.default {
        out.extend_from_slice(b",\"default\":");
        style.rows(&node, Some(default), out, 0)?;
    }
    if let Some(field) = field {
        put_member(out, ",\"field\":", field);
    }
    out.push(b'}');
    Ok(())
}

fn put_member(out: &mut Vec<u8>, before: &str, value: &str) {
    out.extend_from_slice(before.as_bytes());
    put_string(out, value);
}

const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::Boolean => "boolean",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Array => "array",
        Kind::Map => "map",
        Kind::Struct => "struct",
    }
}

fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float" => Kind::Float32,
        "double" => Kind::Float64,
        "boolean" => Kind::Boolean,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "array" => Kind::Array,
        "map" => Kind::Map,
        "struct" => Kind::Struct,
        _ => return None,
    })
}

/// Members of a schema's object: where their values lie.
#[derive(Default)]
struct Members {
    kind: Option<usize>,
    optional: Option<usize>,
    name: Option<usize>,
    version: Option<usize>,
    doc: Option<usize>,
    parameters: Option<usize>,
    default: Option<usize>,
    fields: Option<usize>,
    items: Option<usize>,
    keys: Option<usize>,
    values: Option<usize>,
    field: Option<usize>,
}

/// Interns the schema whose JSON is at the cursor, and takes it.
pub(crate) fn read_schema(
    schemas: &Schemas,
    nodes: &Nodes,
    replace_null_with_default: bool,
    scanner: &mut Scanner<'_>,
) -> Result<SchemaId, DataError> {
    let reader = SchemaReader { schemas, nodes, replace_null_with_default };
    reader.schema(scanner, 0).map(|(id, _)| id)
}

struct SchemaReader<'a> {
    schemas: &'a Schemas,
    nodes: &'a Nodes,
    replace_null_with_default: bool,
}

impl SchemaReader<'_> {
    /// Id of the schema at the cursor, and its name as a field where it has one.
    fn schema(
        &self,
        scanner: &mut Scanner<'_>,
        depth: usize,
    ) -> Result<(SchemaId, Option<String>), DataError> {
        let no_type = || DataError::new("Schema must contain 'type' field");
        if scanner.token()? != Token::Object {
            scanner.skip(depth)?;
            return Err(no_type());
        }
        let depth = below(depth)?;
        let members = members(scanner, depth)?;
        let end = scanner.at();

        let kind = text_at(scanner, members.kind)?.ok_or_else(no_type)?;
        let kind = kind_of(&kind).ok_or_else(|| DataError::new(format!("Unknown schema type: {kind}")))?;
        let mut schema = Schema::of(kind);
        match kind {
            Kind::Array => {
                schema.value = Some(self.child(
                    scanner,
                    members.items,
                    "Array schema did not specify the element type",
                    depth,
                )?);
            }
            Kind::Map => {
                let key = "Map schema did not specify the key type";
                schema.key = Some(self.child(scanner, members.keys, key, depth)?);
                let value = "Map schema did not specify the value type";
                schema.value = Some(self.child(scanner, members.values, value, depth)?);
            }
            Kind::Struct => schema.fields = self.fields(scanner, members.fields, depth)?,
            _ => {}
        }
        schema.optional = token_at(scanner, members.optional)? == Some(Token::True);
        schema.name = text_at(scanner, members.name)?;
        schema.version = match token_at(scanner, members.version)? {
            Some(Token::Number) => match scanner.number()? {
                number @ Number { integral: true, .. } => Some(integer(number) as i32),
                Number { .. } => None,
            },
            _ => None,
        };
        schema.doc = text_at(scanner, members.doc)?;
        schema.parameters = parameters(scanner, members.parameters)?;
        if let Some(at) = members.default {
            scanner.go_to(at);
            schema.default = self.default(&schema, scanner, depth)?;
        }
        let field = text_at(scanner, members.field)?;
        scanner.go_to(end);
        Ok((self.schemas.define(schema)?, field))
    }

    fn child(
        &self,
        scanner: &mut Scanner<'_>,
        at: Option<usize>,
        missing: &str,
        depth: usize,
    ) -> Result<SchemaId, DataError> {
        match token_at(scanner, at)? {
            None | Some(Token::Null) => Err(DataError::new(missing)),
            Some(_) => self.schema(scanner, depth).map(|(id, _)| id),
        }
    }

    fn fields(
        &self,
        scanner: &mut Scanner<'_>,
        at: Option<usize>,
        depth: usize,
    ) -> Result<Vec<Field>, DataError> {
        if token_at(scanner, at)? != Some(Token::Array) {
            return Err(DataError::new("Struct schema's \"fields\" argument is not an array."));
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut next = scanner.enter(b']');
        while next == Next::Item {
            let start = scanner.at();
            // The name is checked before the type, so it has to be found first.
            let named = scanner.token()? == Token::Object && {
                let members = members(scanner, below(depth)?)?;
                token_at(scanner, members.field)? == Some(Token::String)
            };
            if !named {
                return Err(DataError::new("Struct schema's field name not specified properly"));
            }
            scanner.go_to(start);
            let (schema, name) = self.schema(scanner, depth)?;
            let name = name.unwrap_or_default();
            if fields.iter().any(|field| field.name == name) {
                return Err(DataError::new(format!(
                    "Cannot create field because of field name duplication {name}"
                )));
            }
            fields.push(Field { name, schema });
            next = scanner.next(b']')?;
        }
        Ok(fields)
    }

    /// The default at the cursor, laid out by the schema that it is for.
    fn default(
        &self,
        schema: &Schema,
        scanner: &mut Scanner<'_>,
        depth: usize,
    ) -> Result<Option<Vec<u8>>, DataError> {
        let node = self.nodes.get(self.schemas, self.schemas.define(schema.clone())?)?;
        let mut out = Vec::new();
        let null = RowsReader::new(self.replace_null_with_default).value(&node, scanner, &mut out, depth)?;
        if null && !schema.optional {
            let kind = schema.kind.as_str();
            let mut error = DataError::new("Invalid default value").because(
                crate::error::DATA_EXCEPTION,
                format!("Invalid value: null used for required field: \"null\", schema type: {kind}"),
            );
            error.exception_class = "org.apache.kafka.connect.errors.SchemaBuilderException";
            return Err(error);
        }
        Ok((!null).then_some(out))
    }
}

/// Takes the object at the cursor and notes where its members lie; of two with one name the last.
fn members(scanner: &mut Scanner<'_>, depth: usize) -> Result<Members, DataError> {
    let mut found = Members::default();
    let mut name = Vec::new();
    let mut next = scanner.enter(b'}');
    while next == Next::Item {
        name.clear();
        scanner.name(&mut name)?;
        scanner.peek();
        let at = Some(scanner.at());
        match name.as_slice() {
            b"type" => found.kind = at,
            b"optional" => found.optional = at,
            b"name" => found.name = at,
            b"version" => found.version = at,
            b"doc" => found.doc = at,
            b"parameters" => found.parameters = at,
            b"default" => found.default = at,
            b"fields" => found.fields = at,
            b"items" => found.items = at,
            b"keys" => found.keys = at,
            b"values" => found.values = at,
            b"field" => found.field = at,
            _ => {}
        }
        scanner.skip(depth)?;
        next = scanner.next(b'}')?;
    }
    Ok(found)
}

/// What lies at a member's place; the cursor goes there.
fn token_at(scanner: &mut Scanner<'_>, at: Option<usize>) -> Result<Option<Token>, DataError> {
    let Some(at) = at else { return Ok(None) };
    scanner.go_to(at);
    scanner.token().map(Some)
}

/// A member that is text; any other counts as missing.
fn text_at(scanner: &mut Scanner<'_>, at: Option<usize>) -> Result<Option<String>, DataError> {
    if token_at(scanner, at)? != Some(Token::String) {
        return Ok(None);
    }
    let mut text = Vec::new();
    scanner.string(&mut text)?;
    Ok(String::from_utf8(text).ok())
}

fn parameters(scanner: &mut Scanner<'_>, at: Option<usize>) -> Result<Vec<(String, String)>, DataError> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    if token_at(scanner, at)? != Some(Token::Object) {
        return Ok(parameters);
    }
    let mut next = scanner.enter(b'}');
    while next == Next::Item {
        let mut key = Vec::new();
        scanner.name(&mut key)?;
        let key = String::from_utf8(key).unwrap_or_default();
        scanner.peek();
        let Some(value) = text_at(scanner, Some(scanner.at()))? else {
            return Err(DataError::new("Schema parameters must have string values."));
        };
        match parameters.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = value,
            None => parameters.push((key, value)),
        }
        next = scanner.next(b'}')?;
    }
    Ok(parameters)
}
