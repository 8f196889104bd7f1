//! JSON by a schema to rows.
//!
//! A struct is written field by field as its schema orders them. Mostly the object has them in that
//! order, and one pass does; when it has not, the places of the values are noted first.

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_frame::Kind;
use cofferdam_frame::rows::{self, ListWriter, RowWriter};

use super::number::{integer, put_unscaled, shortest};
use super::scan::{Next, Scanner, Token, below};
use crate::DataError;
use crate::node::{FieldNode, Logical, Node};

const MILLIS_PER_DAY: i64 = 86_400_000;
const NOT_THERE: usize = usize::MAX;

/// Reads values by their schemas.
#[derive(Debug)]
pub(crate) struct RowsReader {
    pub(crate) replace_null_with_default: bool,
    /// Names and texts that are not copied to the output.
    scratch: Vec<u8>,
    /// Where the values of open structs lie.
    places: Vec<usize>,
}

/// What became of an attempt to read an object in the order of its schema.
enum Attempt {
    Done,
    OtherOrder,
}

impl RowsReader {
    pub(crate) const fn new(replace_null_with_default: bool) -> Self {
        Self { replace_null_with_default, scratch: Vec::new(), places: Vec::new() }
    }

    /// Appends the value at the cursor; answers whether it is null.
    pub(crate) fn value(
        &mut self,
        node: &Node,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<bool, DataError> {
        let token = scanner.token()?;
        if token == Token::Null {
            scanner.literal(token)?;
            return self.missing(node, out);
        }
        if let Some(logical) = node.logical {
            self.logical(logical, token, scanner, out, depth)?;
            return Ok(false);
        }
        match node.schema.kind {
            Kind::Array => self.array(node, token, scanner, out, below(depth)?)?,
            Kind::Map => self.map(node, token, scanner, out, below(depth)?)?,
            Kind::Struct => self.structure(node, token, scanner, out, below(depth)?)?,
            kind => return self.scalar(kind, token, scanner, out, depth),
        }
        Ok(false)
    }

    /// Null, or no value at all.
    fn missing(&self, node: &Node, out: &mut Vec<u8>) -> Result<bool, DataError> {
        if let (Some(default), true) = (&node.schema.default, self.replace_null_with_default) {
            out.extend_from_slice(default);
            return Ok(false);
        }
        if node.schema.optional {
            return Ok(true);
        }
        Err(DataError::new(format!("Invalid null value for required {} field", node.schema.kind.as_str())))
    }

    /// Values of another JSON type are no error: they are 0, false, or null.
    fn scalar(
        &mut self,
        kind: Kind,
        token: Token,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<bool, DataError> {
        let wanted = match kind {
            Kind::String | Kind::Bytes => token == Token::String,
            Kind::Boolean => token == Token::True,
            _ => token == Token::Number,
        };
        if !wanted {
            scanner.skip(depth)?;
            match kind {
                Kind::String | Kind::Bytes => return Ok(true),
                Kind::Boolean => rows::put_boolean(out, false),
                Kind::Float32 | Kind::Float64 => rows::put_float(out, 0.0),
                _ => rows::put_int(out, 0),
            }
            return Ok(false);
        }
        match kind {
            Kind::String => scanner.string(out)?,
            Kind::Bytes => self.base64(scanner, out).map_err(|fault| match fault {
                Base64Fault::Json(error) => error,
                Base64Fault::Text(message) => {
                    DataError::new("Invalid bytes field").because(INVALID_FORMAT, message)
                }
            })?,
            Kind::Boolean => {
                scanner.literal(token)?;
                rows::put_boolean(out, true);
            }
            Kind::Float32 => {
                rows::put_float(out, scanner.number()?.text.parse::<f32>().unwrap_or(f32::NAN).into());
            }
            Kind::Float64 => rows::put_float(out, scanner.number()?.text.parse().unwrap_or(f64::NAN)),
            _ => {
                let number = integer(scanner.number()?);
                // Too large a number loses its upper bits.
                let number = match kind {
                    Kind::Int8 => (number as i8).into(),
                    Kind::Int16 => (number as i16).into(),
                    Kind::Int32 => (number as i32).into(),
                    _ => number,
                };
                rows::put_int(out, number);
            }
        }
        Ok(false)
    }

    fn logical(
        &mut self,
        logical: Logical,
        token: Token,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        let wrong = |name: &str, expected: &str| {
            let token = token.name();
            DataError::new(format!(
                "Invalid type for {name}, underlying representation should be {expected} but was {token}"
            ))
        };
        if let Logical::Decimal(scale) = logical {
            return self.decimal(scale, token, scanner, out);
        }
        let (name, expected) = match logical {
            Logical::Date => ("Date", "integer"),
            Logical::Time => ("Time", "integer"),
            _ => ("Timestamp", "integral"),
        };
        if token != Token::Number {
            scanner.skip(depth)?;
            return Err(wrong(name, expected));
        }
        let number = scanner.number()?;
        let narrow = logical != Logical::Timestamp;
        if !number.integral || narrow && number.text.parse::<i32>().is_err() {
            return Err(wrong(name, expected));
        }
        let value = integer(number);
        if logical == Logical::Time && !(0..=MILLIS_PER_DAY).contains(&value) {
            return Err(DataError::new(
                "Time values must use number of milliseconds greater than 0 and less than 86400000",
            ));
        }
        rows::put_int(out, value);
        Ok(())
    }

    fn decimal(
        &mut self,
        scale: Option<i32>,
        token: Token,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        let invalid = |message: &str| {
            DataError::new("Invalid bytes for Decimal field")
                .because(super::super::error::DATA_EXCEPTION, message)
        };
        let no_scale = || invalid("the schema has no parameter scale that is a number");
        match token {
            Token::Number => put_unscaled(scanner.number()?.text, scale.ok_or_else(no_scale)?, out),
            Token::String => {
                let at = out.len();
                self.base64(scanner, out).map_err(|fault| match fault {
                    Base64Fault::Json(error) => error,
                    Base64Fault::Text(message) => invalid(&message),
                })?;
                scale.ok_or_else(no_scale)?;
                let unscaled = out.get(at..).unwrap_or_default();
                if unscaled.is_empty() {
                    return Err(invalid("Zero length BigInteger"));
                }
                let extra = unscaled.len() - shortest(unscaled).len();
                out.drain(at..at + extra);
                Ok(())
            }
            _ => Err(DataError::new(format!(
                "Invalid type for Decimal, underlying representation should be numeric or bytes but was {}",
                token.name()
            ))),
        }
    }

    fn base64(&mut self, scanner: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), Base64Fault> {
        self.scratch.clear();
        scanner.string(&mut self.scratch).map_err(Base64Fault::Json)?;
        // Jackson passes over white space.
        self.scratch.retain(|byte| *byte > b' ');
        STANDARD.decode_vec(&self.scratch, out).map_err(|error| {
            let fault = match error {
                base64::DecodeError::InvalidByte(_, byte) => {
                    format!("Illegal character '{}' (code {byte:#x}) in base64 content", char::from(byte))
                }
                error => error.to_string(),
            };
            Base64Fault::Text(format!(
                "Cannot access contents of TextNode as binary due to broken Base64 encoding: {fault}"
            ))
        })
    }

    /// Jackson answers an object's values where an array's items are asked for, and none for
    /// anything else.
    fn array(
        &mut self,
        node: &Node,
        token: Token,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        let item = node.value.as_deref().ok_or_else(DataError::layout)?;
        let mut list = ListWriter::start(out);
        let close = match token {
            Token::Array => b']',
            Token::Object => b'}',
            _ => {
                scanner.skip(depth)?;
                list.finish(out);
                return Ok(());
            }
        };
        let mut next = scanner.enter(close);
        while next == Next::Item {
            if token == Token::Object {
                self.scratch.clear();
                scanner.name(&mut self.scratch)?;
            }
            let null = self.value(item, scanner, out, depth)?;
            list.item(out, null);
            next = scanner.next(close)?;
        }
        list.finish(out);
        Ok(())
    }

    fn map(
        &mut self,
        node: &Node,
        token: Token,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        let text_keys = node.has_text_keys();
        let (key, value) = node.key.as_deref().zip(node.value.as_deref()).ok_or_else(DataError::layout)?;
        let found = token.name();
        match (text_keys, token) {
            (true, Token::Object) | (false, Token::Array) => {}
            (true, _) => {
                return Err(DataError::new(format!(
                    "Maps with string fields should be encoded as JSON objects, but found {found}"
                )));
            }
            (false, _) => {
                return Err(DataError::new(format!(
                    "Maps with non-string fields should be encoded as JSON array of tuples, but found {found}"
                )));
            }
        }
        let mut list = ListWriter::start(out);
        let close = if text_keys { b'}' } else { b']' };
        let mut next = scanner.enter(close);
        while next == Next::Item {
            if text_keys {
                scanner.name(out)?;
                list.item(out, false);
                let null = self.value(value, scanner, out, depth)?;
                list.item(out, null);
            } else {
                self.tuple(key, value, &mut list, scanner, out, below(depth)?)?;
            }
            next = scanner.next(close)?;
        }
        list.finish(out);
        Ok(())
    }

    fn tuple(
        &mut self,
        key: &Node,
        value: &Node,
        list: &mut ListWriter,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        let token = scanner.token()?;
        if token != Token::Array {
            let token = token.name();
            return Err(DataError::new(format!("Found invalid map entry instead of array tuple: {token}")));
        }
        let start = scanner.at();
        let mut length = 0;
        let mut next = scanner.enter(b']');
        while next == Next::Item {
            scanner.skip(depth)?;
            length += 1;
            next = scanner.next(b']')?;
        }
        if length != 2 {
            return Err(DataError::new(format!(
                "Found invalid map entry, expected length 2 but found :{length}"
            )));
        }
        scanner.go_to(start);
        scanner.enter(b']');
        for node in [key, value] {
            let null = self.value(node, scanner, out, depth)?;
            list.item(out, null);
            scanner.next(b']')?;
        }
        Ok(())
    }

    fn structure(
        &mut self,
        node: &Node,
        token: Token,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        if token != Token::Object {
            let token = token.name();
            return Err(DataError::new(format!(
                "Structs should be encoded as JSON objects, but found {token}"
            )));
        }
        let (start, mark) = (scanner.at(), out.len());
        if node.in_order.load(Ordering::Relaxed) {
            if matches!(self.in_order(node, scanner, out, depth)?, Attempt::Done) {
                return Ok(());
            }
            // Once is enough: where structs nest, trying again at each level would take a time that
            // doubles with every one of them.
            node.in_order.store(false, Ordering::Relaxed);
            scanner.go_to(start);
            out.truncate(mark);
        }
        self.any_order(node, scanner, out, depth)
    }

    fn in_order(
        &mut self,
        node: &Node,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<Attempt, DataError> {
        let mut row = RowWriter::start(out, node.fields.len());
        let mut fields = node.fields.iter().enumerate();
        let mut next = scanner.enter(b'}');
        let mut expected = fields.next();
        while next == Next::Item {
            scanner.peek();
            match expected {
                Some((place, field)) if scanner.skip_if(&field.quoted) => {
                    scanner.colon()?;
                    self.field(node, place, field, scanner, &mut row, out, depth)?;
                    expected = fields.next();
                }
                _ => {
                    self.scratch.clear();
                    scanner.name(&mut self.scratch)?;
                    let name = std::str::from_utf8(&self.scratch).unwrap_or_default();
                    if node.place(name).is_some() {
                        return Ok(Attempt::OtherOrder);
                    }
                    scanner.skip(depth)?;
                }
            }
            next = scanner.next(b'}')?;
        }
        for (_, field) in expected.into_iter().chain(fields) {
            let null = self.missing(&field.node, out)?;
            row.field(out, null);
        }
        Ok(Attempt::Done)
    }

    fn any_order(
        &mut self,
        node: &Node,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        let base = self.places.len();
        self.places.resize(base + node.fields.len(), NOT_THERE);
        let mut next = scanner.enter(b'}');
        while next == Next::Item {
            self.scratch.clear();
            scanner.name(&mut self.scratch)?;
            let name = std::str::from_utf8(&self.scratch).unwrap_or_default();
            // A name that comes twice: the last one counts.
            if let Some(slot) = node.place(name).and_then(|place| self.places.get_mut(base + place)) {
                *slot = scanner.at();
            }
            scanner.skip(depth)?;
            next = scanner.next(b'}')?;
        }
        let end = scanner.at();
        let mut row = RowWriter::start(out, node.fields.len());
        for (place, field) in node.fields.iter().enumerate() {
            match self.places.get(base + place) {
                Some(at) if *at != NOT_THERE => {
                    scanner.go_to(*at);
                    self.field(node, place, field, scanner, &mut row, out, depth)?;
                }
                _ => {
                    let null = self.missing(&field.node, out)?;
                    row.field(out, null);
                }
            }
        }
        scanner.go_to(end);
        self.places.truncate(base);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one struct that is being written")]
    fn field(
        &mut self,
        node: &Node,
        place: usize,
        field: &FieldNode,
        scanner: &mut Scanner<'_>,
        row: &mut RowWriter,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        let null = self.value(&field.node, scanner, out, depth)?;
        if null && !field.node.schema.optional {
            // A number where text was due is null by now, and a struct takes no null here.
            let name = node.schema.fields.get(place).map(|field| field.name.as_str()).unwrap_or_default();
            let kind = field.node.schema.kind.as_str();
            return Err(DataError::new(format!(
                "Invalid value: null used for required field: \"{name}\", schema type: {kind}"
            )));
        }
        row.field(out, null);
        Ok(())
    }
}

const INVALID_FORMAT: &str = "com.fasterxml.jackson.databind.exc.InvalidFormatException";

enum Base64Fault {
    Json(DataError),
    Text(String),
}
