//! What was read from a text: values with their types, how types merge, and how values are laid out.

use crate::rows::{self, ListWriter};
use crate::tape::{self, Tag};
use crate::text::DAY_MS;
use crate::{Kind, Schema, SchemaId, logical};

/// A type as Kafka Connect infers it; never optional.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// A type without children.
    Plain(Kind),
    Date,
    Time,
    Timestamp,
    /// With its scale.
    Decimal(i32),
    /// Of items, where they have a common type.
    Array(Option<Box<Type>>),
    /// Of keys and values, where they have common types.
    Map(Option<Box<Type>>, Option<Box<Type>>),
}

/// A value and its own type, which may be narrower than what the container around it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) of: Type,
    pub(super) datum: Datum,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    Boolean(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Milliseconds since the epoch, for dates and times too.
    Date(i64),
    /// Big-endian unscaled value.
    Decimal(Vec<u8>),
    Array(Vec<Option<Value>>),
    Map(Vec<(Value, Option<Value>)>),
}

// === impl Type ===

impl Type {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Plain(kind) => *kind,
            Self::Date | Self::Time => Kind::Int32,
            Self::Timestamp => Kind::Int64,
            Self::Decimal(_) => Kind::Bytes,
            Self::Array(_) => Kind::Array,
            Self::Map(..) => Kind::Map,
        }
    }

    /// The type for values of both: numbers widen, of equal kinds the later one counts.
    pub(super) fn merge(self, later: Self) -> Option<Self> {
        let (earlier_width, later_width) = (width(self.kind()), width(later.kind()));
        if self.kind() == later.kind() {
            return Some(later);
        }
        match (earlier_width?, later_width?) {
            (earlier, later_width) if earlier < later_width => Some(later),
            _ => Some(self),
        }
    }

    pub(super) fn define<E>(
        &self,
        define: &mut dyn FnMut(&Schema) -> Result<SchemaId, E>,
    ) -> Result<SchemaId, E> {
        let mut schema = Schema::of(self.kind());
        let name = match self {
            Self::Plain(_) => None,
            Self::Date => Some(logical::DATE),
            Self::Time => Some(logical::TIME),
            Self::Timestamp => Some(logical::TIMESTAMP),
            Self::Decimal(scale) => {
                schema.parameters = vec![("scale".to_owned(), scale.to_string())];
                Some(logical::DECIMAL)
            }
            Self::Array(item) => {
                schema.value = item.as_ref().map(|item| item.define(define)).transpose()?;
                None
            }
            Self::Map(key, value) => {
                schema.key = key.as_ref().map(|key| key.define(define)).transpose()?;
                schema.value = value.as_ref().map(|value| value.define(define)).transpose()?;
                None
            }
        };
        schema.version = name.map(|_| 1);
        schema.name = name.map(str::to_owned);
        define(&schema)
    }
}

/// The order in which numbers widen.
const fn width(kind: Kind) -> Option<u8> {
    Some(match kind {
        Kind::Int8 => 0,
        Kind::Int16 => 1,
        Kind::Int32 => 2,
        Kind::Int64 => 3,
        Kind::Float32 => 4,
        Kind::Float64 => 5,
        _ => return None,
    })
}

// === impl Value ===

impl Value {
    pub(super) const fn boolean(value: bool) -> Self {
        Self { of: Type::Plain(Kind::Boolean), datum: Datum::Boolean(value) }
    }

    pub(super) fn text(text: &str) -> Self {
        Self { of: Type::Plain(Kind::String), datum: Datum::Text(text.to_owned()) }
    }

    /// As a value of the type of its container; none when Kafka Connect cannot convert it. Containers
    /// and dates stay as they are, whatever the type says.
    pub(super) fn align(self, to: &Type) -> Option<Self> {
        let datum = match (self.datum, to) {
            (Datum::Int(days), Type::Date) => Datum::Date(i64::from(days as i32) * DAY_MS),
            (Datum::Int(millis), Type::Time) => {
                // An integer is a time only within its day.
                Datum::Date(Some(i64::from(millis as i32)).filter(|millis| (0..=DAY_MS).contains(millis))?)
            }
            (Datum::Int(millis), Type::Timestamp) => Datum::Date(millis),
            (Datum::Int(int), Type::Plain(Kind::Float32)) => Datum::Float(f64::from(int as f64 as f32)),
            (Datum::Int(int), Type::Plain(Kind::Float64)) => Datum::Float(int as f64),
            (Datum::Date(_), Type::Plain(_)) => return None,
            (datum @ (Datum::Date(_) | Datum::Decimal(_) | Datum::Array(_) | Datum::Map(_)), _) => {
                return Some(Self { of: self.of, datum });
            }
            (datum, _) => datum,
        };
        Some(Self { of: to.clone(), datum })
    }

    /// Whether it can be laid out as rows of `of` without a change.
    pub(super) fn fits(&self, of: &Type) -> bool {
        if self.of == *of && !matches!(self.datum, Datum::Date(_)) {
            return true;
        }
        match (&self.datum, of) {
            (Datum::Date(millis), Type::Date) => millis % DAY_MS == 0,
            (Datum::Date(_), Type::Time | Type::Timestamp) => true,
            (Datum::Int(_), Type::Plain(Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64)) => true,
            (Datum::Array(_), Type::Array(None)) => true,
            (Datum::Array(items), Type::Array(Some(item))) => items.iter().all(|value| fits(value, item)),
            (Datum::Map(pairs), Type::Map(key, value)) => pairs.iter().all(|(a, b)| {
                key.as_ref().is_none_or(|key| a.fits(key))
                    && value.as_ref().is_none_or(|value| fits(b, value))
            }),
            _ => false,
        }
    }

    /// Appends rows of `of`, which it fits; tape when there is none.
    pub(super) fn put(&self, of: Option<&Type>, out: &mut Vec<u8>) {
        let Some(of) = of else { return self.put_tape(out) };
        match (&self.datum, of) {
            (Datum::Boolean(value), _) => rows::put_boolean(out, *value),
            (Datum::Int(value), _) => rows::put_int(out, *value),
            (Datum::Float(value), _) => rows::put_float(out, *value),
            (Datum::Text(text), _) => out.extend_from_slice(text.as_bytes()),
            (Datum::Date(millis), Type::Date) => rows::put_int(out, millis.div_euclid(DAY_MS)),
            (Datum::Date(millis), _) => rows::put_int(out, *millis),
            (Datum::Decimal(unscaled), _) => out.extend_from_slice(unscaled),
            (Datum::Array(items), of) => {
                let item = if let Type::Array(item) = of { item.as_deref() } else { None };
                let mut list = ListWriter::start(out);
                for value in items {
                    put_item(value.as_ref(), item, &mut list, out);
                }
                list.finish(out);
            }
            (Datum::Map(pairs), of) => {
                let (key, item) = if let Type::Map(key, item) = of {
                    (key.as_deref(), item.as_deref())
                } else {
                    (None, None)
                };
                let mut list = ListWriter::start(out);
                for (name, value) in pairs {
                    put_item(Some(name), key, &mut list, out);
                    put_item(value.as_ref(), item, &mut list, out);
                }
                list.finish(out);
            }
        }
    }

    pub(super) fn put_tape(&self, out: &mut Vec<u8>) {
        match &self.datum {
            Datum::Boolean(value) => tape::put_boolean(out, *value),
            Datum::Int(value) => tape::put_int(out, tag(self.of.kind()), *value),
            Datum::Float(value) => tape::put_float(out, tag(self.of.kind()), *value),
            Datum::Text(text) => tape::put_string(out, text),
            Datum::Date(millis) => tape::put_date(out, *millis),
            Datum::Decimal(unscaled) => {
                let scale = if let Type::Decimal(scale) = self.of { scale } else { 0 };
                tape::put_decimal(out, scale, unscaled);
            }
            // Inside a tape everything is tape.
            Datum::Array(_) => {
                out.push(Tag::Array as u8);
                self.put(Some(&Type::Array(None)), out);
            }
            Datum::Map(_) => {
                out.push(Tag::Map as u8);
                self.put(Some(&Type::Map(None, None)), out);
            }
        }
    }
}

/// Null fits no type that was inferred, since none is optional.
fn fits(value: &Option<Value>, of: &Type) -> bool {
    value.as_ref().is_some_and(|value| value.fits(of))
}

fn put_item(value: Option<&Value>, of: Option<&Type>, list: &mut ListWriter, out: &mut Vec<u8>) {
    match value {
        Some(value) => value.put(of, out),
        None => tape::put_null(out),
    }
    list.item(out, false);
}

const fn tag(kind: Kind) -> Tag {
    match kind {
        Kind::Int8 => Tag::Int8,
        Kind::Int16 => Tag::Int16,
        Kind::Int32 => Tag::Int32,
        Kind::Float32 => Tag::Float32,
        Kind::Float64 => Tag::Float64,
        _ => Tag::Int64,
    }
}
