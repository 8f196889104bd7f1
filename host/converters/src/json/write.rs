//! Rows and tape to JSON, in one pass.

use cofferdam_frame::rows::{self, List, Row};
use cofferdam_frame::tape::{self, Tag, Value};
use cofferdam_frame::{Kind, text};

use super::scan::below;
use crate::DataError;
use crate::node::{Logical, Node, java_class};

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) numeric_decimals: bool,
    pub(crate) replace_null_with_default: bool,
}

impl Style {
    /// Appends rows of `node`; none = null.
    pub(crate) fn rows(
        self,
        node: &Node,
        value: Option<&[u8]>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        let Some(value) = value else {
            return self.null(node, out, depth);
        };
        if let Some(logical) = node.logical {
            return self.logical(logical, value, out);
        }
        match node.schema.kind {
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
                text::put_int(out, fit(rows::int(value))?)
            }
            Kind::Float32 => put_float(out, fit(rows::float(value))?, true),
            Kind::Float64 => put_float(out, fit(rows::float(value))?, false),
            Kind::Boolean => put_boolean(out, fit(rows::boolean(value))?),
            Kind::String => put_string(out, fit(rows::text(value))?),
            Kind::Bytes => put_bytes(out, value),
            Kind::Array => {
                let depth = below(depth)?;
                put_items(out, fit(List::new(value))?.iter(), |out, value| {
                    self.child(node.value.as_deref(), value, out, depth)
                })?;
            }
            Kind::Map => self.map(node, value, out, below(depth)?)?,
            Kind::Struct => self.structure(node, value, out, below(depth)?)?,
        }
        Ok(())
    }

    fn null(self, node: &Node, out: &mut Vec<u8>, depth: usize) -> Result<(), DataError> {
        if let (Some(default), true) = (&node.schema.default, self.replace_null_with_default) {
            return self.rows(node, Some(default), out, depth);
        }
        if !node.schema.optional {
            return Err(DataError::new(
                "Conversion error: null value for field that is required and has no default value",
            ));
        }
        out.extend_from_slice(b"null");
        Ok(())
    }

    fn logical(self, logical: Logical, value: &[u8], out: &mut Vec<u8>) -> Result<(), DataError> {
        match logical {
            Logical::Decimal(scale) if self.numeric_decimals => text::put_decimal(out, fit(scale)?, value)?,
            Logical::Decimal(_) => put_bytes(out, value),
            Logical::Date | Logical::Time | Logical::Timestamp => text::put_int(out, fit(rows::int(value))?),
        }
        Ok(())
    }

    fn structure(self, node: &Node, value: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), DataError> {
        let row = fit(Row::new(value, node.fields.len()))?;
        let mut before = b'{';
        for (field, value) in node.fields.iter().zip(row.iter()) {
            out.push(before);
            before = b',';
            out.extend_from_slice(&field.quoted);
            out.push(b':');
            self.rows(&field.node, value, out, depth)?;
        }
        if before == b'{' {
            out.push(before);
        }
        out.push(b'}');
        Ok(())
    }

    /// An item, key or value of a container; tape where it has no schema.
    fn child(
        self,
        node: Option<&Node>,
        value: Option<&[u8]>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        match node {
            Some(node) => self.rows(node, value, out, depth),
            None => put_tape(fit(value)?, out, depth),
        }
    }

    /// An object when keys are text, else an array of pairs.
    fn map(self, node: &Node, value: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), DataError> {
        let (key, item) = (node.key.as_deref(), node.value.as_deref());
        let list = fit(List::new(value))?;
        let is_text = |key: Option<&[u8]>| key.and_then(tape::string_bytes).is_some();
        let is_object = match key {
            Some(_) => node.has_text_keys(),
            None => list.iter().step_by(2).all(is_text),
        };
        let pairs =
            (0..list.len() / 2).filter_map(|pair| Some((list.get(pair * 2)?, list.get(pair * 2 + 1)?)));
        put_pairs(out, is_object, pairs, |out, is_key, value| match value {
            None if is_key && is_object => {
                put_string(out, "null");
                Ok(())
            }
            value => self.child(if is_key { key } else { item }, value, out, depth),
        })
    }
}

/// Appends a value without schema.
pub(crate) fn put_tape(value: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), DataError> {
    match fit(Value::new(value))? {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(value) => put_boolean(out, value),
        Value::Int(_, value) => text::put_int(out, value),
        Value::Float(tag, value) => put_float(out, value, tag == Tag::Float32),
        Value::String(value) => put_string(out, value),
        Value::Bytes(value) => put_bytes(out, value),
        Value::Array(list) => {
            let depth = below(depth)?;
            put_items(out, list.iter(), |out, value| put_tape(fit(value)?, out, depth))?;
        }
        Value::Map(list) => {
            let depth = below(depth)?;
            let is_object = tape::pairs(list).all(|(key, _)| tape::string_bytes(key).is_some());
            let pairs = tape::pairs(list).map(|(key, value)| (Some(key), Some(value)));
            put_pairs(out, is_object, pairs, |out, _, value| put_tape(fit(value)?, out, depth))?;
        }
        // A struct has a schema of its own, and here there should be none.
        Value::Struct(..) => return Err(DataError::new("Mismatching schema.")),
        value @ (Value::Decimal(..) | Value::Date(_)) => {
            let class = java_class(&value);
            return Err(DataError::new(format!(
                "Java class class {class} does not have corresponding schema type."
            )));
        }
    }
    Ok(())
}

fn put_items<'a>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = Option<&'a [u8]>>,
    mut put: impl FnMut(&mut Vec<u8>, Option<&'a [u8]>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put(out, item)?;
    }
    out.push(b']');
    Ok(())
}

fn put_pairs<'a>(
    out: &mut Vec<u8>,
    is_object: bool,
    pairs: impl Iterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>)>,
    mut put: impl FnMut(&mut Vec<u8>, bool, Option<&'a [u8]>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let (open, between, close): (u8, u8, u8) =
        if is_object { (b'{', b':', b'}') } else { (b'[', b',', b']') };
    out.push(open);
    for (index, (key, value)) in pairs.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if !is_object {
            out.push(b'[');
        }
        put(out, true, key)?;
        out.push(between);
        put(out, false, value)?;
        if !is_object {
            out.push(b']');
        }
    }
    out.push(close);
    Ok(())
}

fn fit<T>(value: Option<T>) -> Result<T, DataError> {
    value.ok_or_else(DataError::layout)
}

fn put_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// What JSON has no number for is a string.
fn put_float(out: &mut Vec<u8>, value: f64, single: bool) {
    // A guest may have laid out a double that no float can hold: as a float it is infinite.
    let is_finite = if single { (value as f32).is_finite() } else { value.is_finite() };
    if !is_finite {
        out.push(b'"');
    }
    if single {
        text::put_float(out, value as f32);
    } else {
        text::put_double(out, value);
    }
    if !is_finite {
        out.push(b'"');
    }
}

fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    text::put_base64(out, value);
    out.push(b'"');
}

/// Appends a JSON string as Jackson writes it: characters beyond the basic plane are escaped as two
/// surrogates, everything else is left as it is.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while let Some((at, char)) = special(rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default().as_bytes());
        match char {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            char => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    put_unit(out, *unit);
                }
            }
        }
        rest = rest.get(at + char.len_utf8()..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// The first character that cannot stand for itself.
fn special(text: &str) -> Option<(usize, char)> {
    let at = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20 | 0xf0..))?;
    Some((at, text.get(at..)?.chars().next()?))
}

fn put_unit(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = (unit >> shift & 15) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 });
    }
}
