//! From text to a value: literals, quoted texts, arrays, maps, dates and numbers in turn, and the
//! whole text as a STRING when it is none of them.

use std::collections::HashMap;

use super::token::{Tokens, trim};
use super::value::{Datum, Type, Value};
use super::{number, temporal};
use crate::DEPTH_MAX;

/// The text is no array or map that goes on like this: what is around it has to be read otherwise.
struct Malformed;

/// A value; none = null.
type Read = Result<Option<Value>, Malformed>;

/// Reads a whole text; none = null.
pub(super) fn parse(text: &str) -> Option<Value> {
    if text.is_empty() {
        return Some(Value::text(text));
    }
    let mut parser = Parser { tokens: Tokens::new(text), depth: 0 };
    parser.value(false).unwrap_or_else(|Malformed| Some(Value::text(text)))
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    depth: usize,
}

impl Parser<'_> {
    /// The next value, `embedded` in an array or map or not: only there are texts quoted, and only
    /// there must a literal not be the last token.
    fn value(&mut self, embedded: bool) -> Read {
        if !self.tokens.has_next() {
            return Ok(None);
        }
        if embedded && self.tokens.consume("\"") {
            return Ok(Some(self.quoted()));
        }
        for (literal, value) in
            [("null", None), ("true", Some(Value::boolean(true))), ("false", Some(Value::boolean(false)))]
        {
            let start = self.tokens.mark();
            if self.tokens.consume(literal) && (embedded || !self.tokens.has_next()) {
                return Ok(value);
            }
            self.tokens.rewind(start);
        }
        let start = self.tokens.mark();
        let container = if self.tokens.consume("[") {
            Some(self.nested(Self::array))
        } else if self.tokens.consume("{") {
            Some(self.nested(Self::map))
        } else {
            None
        };
        match container {
            Some(Ok(value)) => return Ok(Some(value)),
            Some(Err(Malformed)) => self.tokens.rewind(start),
            None => {}
        }
        let token = self.tokens.next();
        let trimmed = trim(token);
        if trimmed.is_empty() {
            return Ok(Some(Value::text(token)));
        }
        match self.scalar(trimmed) {
            Some(value) => Ok(Some(value)),
            None if embedded => Err(Malformed),
            None => Ok(Some(Value::text(self.tokens.text()))),
        }
    }
    /// A date, a time or a number, which starts with the token that was just consumed.
    fn scalar(&mut self, token: &str) -> Option<Value> {
        let starts_with_digit = token.chars().next().and_then(number::digit).is_some();
        if starts_with_digit {
            // The colons of a time make five tokens of it.
            let mark = self.tokens.mark();
            let together = self.tokens.next_n(4).map(|rest| [token, rest].concat());
            if let Some(value) = together.and_then(|text| temporal::parse(&text)) {
                return Some(value);
            }
            self.tokens.rewind(mark);
            if let Some(value) = temporal::parse(token) {
                return Some(value);
            }
        }
        if starts_with_digit || token.starts_with(['+', '-']) { number::parse(token) } else { None }
    }

    /// What follows a quote, up to the next one. Backslashes stay, and so do quotes behind them.
    fn quoted(&mut self) -> Value {
        let mut text = String::new();
        while self.tokens.has_next() && !self.tokens.consume("\"") {
            text.push_str(self.tokens.next());
        }
        temporal::parse(&text).unwrap_or_else(|| Value::text(&text))
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Malformed>) -> Result<Value, Malformed> {
        if self.depth >= DEPTH_MAX {
            return Err(Malformed);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Result<Value, Malformed> {
        let mut items = Vec::new();
        let mut common = Common::default();
        while self.tokens.has_next() {
            if self.tokens.consume("]") {
                let item = common.of.map(|of| align(of, &mut items)).transpose()?.flatten();
                return Ok(Value { of: Type::Array(item), datum: Datum::Array(items) });
            }
            if self.tokens.consume(",") {
                return Err(Malformed);
            }
            let item = self.value(true)?;
            common.add(item.as_ref());
            items.push(item);
            let mark = self.tokens.mark();
            if self.tokens.consume("]") {
                self.tokens.rewind(mark);
            } else if !self.tokens.consume(",") {
                return Err(Malformed);
            }
        }
        Err(Malformed)
    }

    fn map(&mut self) -> Result<Value, Malformed> {
        let mut pairs = Pairs::default();
        let (mut common_key, mut common_value) = (Common::default(), Common::default());
        while self.tokens.has_next() {
            if self.tokens.consume("}") {
                return pairs.finish(common_key, common_value);
            }
            if self.tokens.consume(",") {
                return Err(Malformed);
            }
            let key = self.value(true)?.ok_or(Malformed)?;
            if !self.tokens.consume(":") {
                return Err(Malformed);
            }
            let value = self.value(true)?;
            // A comma between pairs is welcome, but none is needed.
            self.tokens.consume(",");
            common_key.add(Some(&key));
            common_value.add(value.as_ref());
            pairs.put(key, value);
        }
        Err(Malformed)
    }
}

/// The type that all values so far have in common; nulls have any.
#[derive(Default)]
struct Common {
    of: Option<Type>,
    is_mixed: bool,
}

impl Common {
    fn add(&mut self, value: Option<&Value>) {
        let Some(value) = value.filter(|_| !self.is_mixed) else { return };
        self.of = match self.of.take() {
            None => Some(value.of.clone()),
            Some(of) => of.merge(value.of.clone()),
        };
        self.is_mixed = self.of.is_none();
    }
}

/// Makes all `values` values of `of`, and answers it unless they cannot be laid out so.
fn align(of: Type, values: &mut [Option<Value>]) -> Result<Option<Box<Type>>, Malformed> {
    let mut fits = true;
    for value in values {
        // A type that was inferred allows no null.
        let aligned = value.take().and_then(|value| value.align(&of)).ok_or(Malformed)?;
        fits &= aligned.fits(&of);
        *value = Some(aligned);
    }
    Ok(fits.then(|| Box::new(of)))
}

/// The pairs of a map: a key that comes again gets the later value, at its first place.
#[derive(Default)]
struct Pairs {
    keys: Vec<Option<Value>>,
    values: Vec<Option<Value>>,
    /// Places by the tape of the key, which is the same for what Java calls equal.
    places: HashMap<Vec<u8>, usize>,
}

impl Pairs {
    fn put(&mut self, key: Value, value: Option<Value>) {
        let mut tape = Vec::new();
        key.put_tape(&mut tape);
        let place = *self.places.entry(tape).or_insert(self.keys.len());
        match self.values.get_mut(place) {
            Some(slot) => *slot = value,
            None => {
                self.keys.push(Some(key));
                self.values.push(value);
            }
        }
    }

    /// Values have no common type without a common type of the keys.
    fn finish(self, key: Common, value: Common) -> Result<Value, Malformed> {
        let Self { mut keys, mut values, .. } = self;
        let (mut key_type, mut value_type) = (None, None);
        if let Some(of) = key.of {
            key_type = align(of, &mut keys)?;
            if let Some(of) = value.of {
                value_type = align(of, &mut values)?;
            }
        }
        let pairs = keys.into_iter().flatten().zip(values).collect();
        Ok(Value { of: Type::Map(key_type, value_type), datum: Datum::Map(pairs) })
    }
}
