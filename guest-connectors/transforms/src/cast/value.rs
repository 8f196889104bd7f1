//! What a cast makes of one value.

use cofferdam_sdk::frame::text;
use cofferdam_sdk::tape::{self, Tag, Value};
use cofferdam_sdk::{Error, Kind, Result, Schema, logical, rows};

use crate::calendar::DAY_MS;
use crate::date_format::DateFormat;
use crate::number::{Number, parse_float};
use crate::operand::{self, class_of_value, type_name};

const INPUTS: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]";

/// What the values of a schema are to a cast.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Int,
    Float32,
    Float64,
    Boolean,
    Text,
    Bytes,
    /// With its scale.
    Decimal(i32),
    Date,
    /// Time or Timestamp.
    Moment,
    /// Of a type that cannot be cast.
    Unsupported(Kind),
}

impl Source {
    pub(super) fn of(schema: &Schema) -> Self {
        match (schema.kind, schema.name.as_deref()) {
            (Kind::Int32, Some(logical::DATE)) => Self::Date,
            (Kind::Int32, Some(logical::TIME)) | (Kind::Int64, Some(logical::TIMESTAMP)) => Self::Moment,
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, _) => Self::Int,
            (Kind::Float32, _) => Self::Float32,
            (Kind::Float64, _) => Self::Float64,
            (Kind::Boolean, _) => Self::Boolean,
            (Kind::String, _) => Self::Text,
            (Kind::Bytes, Some(logical::DECIMAL)) => Self::Decimal(operand::scale(schema)),
            (Kind::Bytes, _) => Self::Bytes,
            (kind @ (Kind::Array | Kind::Map | Kind::Struct), _) => Self::Unsupported(kind),
        }
    }

    pub(super) fn read(self, bytes: &[u8]) -> Result<Datum<'_>> {
        let int = || rows::int(bytes).ok_or_else(operand::layout);
        let float = || rows::float(bytes).ok_or_else(operand::layout);
        Ok(match self {
            Self::Int => Datum::Number(Number::Int(int()?)),
            Self::Float32 => Datum::Number(Number::Float(float()? as f32)),
            Self::Float64 => Datum::Number(Number::Double(float()?)),
            Self::Boolean => Datum::Boolean(rows::boolean(bytes).ok_or_else(operand::layout)?),
            Self::Text => Datum::Text(rows::text(bytes).ok_or_else(operand::layout)?),
            Self::Bytes => Datum::Bytes(bytes),
            Self::Decimal(scale) => Datum::Number(Number::Decimal(scale, bytes)),
            Self::Date => Datum::Date { number: int()?, millis: int()?.saturating_mul(DAY_MS) },
            Self::Moment => Datum::Date { number: int()?, millis: int()? },
            Self::Unsupported(kind) => return Err(cannot_cast(kind)),
        })
    }

    pub(super) fn cast_default(self, schema: &Schema, kind: Kind, dates: &Dates) -> Result<Option<Vec<u8>>> {
        let Some(default) = &schema.default else { return Ok(None) };
        let mut out = Vec::new();
        self.read(default)?.rows(kind, dates, &mut out)?;
        Ok(Some(out))
    }
}

fn cannot_cast(kind: Kind) -> Error {
    Error::bad_record(format!(
        "Cast transformation does not support casting from {}; supported types are {INPUTS}",
        type_name(kind)
    ))
}

/// A value that can be cast.
#[derive(Clone, Copy)]
pub(super) enum Datum<'a> {
    Number(Number<'a>),
    Boolean(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// The number below a date, and milliseconds since the epoch.
    Date {
        number: i64,
        millis: i64,
    },
}

/// What a cast has led to.
enum Outcome {
    Int(i64),
    Float32(f32),
    Float64(f64),
    Boolean(bool),
}

impl<'a> Datum<'a> {
    /// A schemaless value; none for null.
    fn of_tape(value: &'a [u8]) -> Result<Option<Self>> {
        let value = Value::new(value).ok_or_else(operand::layout)?;
        Ok(Some(match value {
            Value::Null => return Ok(None),
            Value::Boolean(value) => Self::Boolean(value),
            Value::Int(_, value) => Self::Number(Number::Int(value)),
            Value::Float(Tag::Float32, value) => Self::Number(Number::Float(value as f32)),
            Value::Float(_, value) => Self::Number(Number::Double(value)),
            Value::String(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Array(_) => return Err(cannot_cast(Kind::Array)),
            Value::Map(_) => return Err(cannot_cast(Kind::Map)),
            Value::Struct(..) => return Err(cannot_cast(Kind::Struct)),
            Value::Decimal(..) | Value::Date(_) => {
                return Err(Error::bad_record(format!(
                    "Cast transformation was passed a value of type class {} which is not supported by Connect's \
                     data API",
                    class_of_value(&value)
                )));
            }
        }))
    }

    /// Appends the cast value, laid out by a schema.
    pub(super) fn rows(self, kind: Kind, dates: &Dates, out: &mut Vec<u8>) -> Result<()> {
        if kind == Kind::String {
            return self.text(dates, out);
        }
        match self.cast(kind)? {
            Outcome::Int(value) => rows::put_int(out, value),
            Outcome::Float32(value) => rows::put_float(out, value.into()),
            Outcome::Float64(value) => rows::put_float(out, value),
            Outcome::Boolean(value) => rows::put_boolean(out, value),
        }
        Ok(())
    }

    fn text(self, dates: &Dates, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Number(number) => number.write(out)?,
            Self::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Bytes(bytes) => text::put_base64(out, bytes),
            Self::Date { millis, .. } => dates.write(millis, out),
        }
        Ok(())
    }

    fn cast(self, kind: Kind) -> Result<Outcome> {
        let number = match self {
            Self::Number(number) => number,
            Self::Boolean(value) if kind == Kind::Boolean => return Ok(Outcome::Boolean(value)),
            Self::Boolean(value) => Number::Int(value.into()),
            Self::Date { number, .. } => Number::Int(number),
            Self::Text(text) => return parse(text, kind),
            Self::Bytes(_) => return Err(unexpected()),
        };
        Ok(match kind {
            Kind::Int8 => Outcome::Int((number.to_i32()? as i8).into()),
            Kind::Int16 => Outcome::Int((number.to_i32()? as i16).into()),
            Kind::Int32 => Outcome::Int(number.to_i32()?.into()),
            Kind::Int64 => Outcome::Int(number.to_i64()?),
            Kind::Float32 => Outcome::Float32(number.to_f32()?),
            Kind::Float64 => Outcome::Float64(number.to_f64()?),
            Kind::Boolean => Outcome::Boolean(number.to_i64()? != 0),
            _ => return Err(cannot_cast(kind)),
        })
    }
}

fn unexpected() -> Error {
    Error::bad_record("Unexpected type in Cast transformation: class [B")
}

fn parse(text: &str, kind: Kind) -> Result<Outcome> {
    let outcome = match kind {
        Kind::Int8 => text.parse::<i8>().ok().map(|value| Outcome::Int(value.into())),
        Kind::Int16 => text.parse::<i16>().ok().map(|value| Outcome::Int(value.into())),
        Kind::Int32 => text.parse::<i32>().ok().map(|value| Outcome::Int(value.into())),
        Kind::Int64 => text.parse().ok().map(Outcome::Int),
        Kind::Float32 => parse_float(text).map(Outcome::Float32),
        Kind::Float64 => parse_float(text).map(Outcome::Float64),
        Kind::Boolean => Some(Outcome::Boolean(text.eq_ignore_ascii_case("true"))),
        _ => None,
    };
    outcome
        .ok_or_else(|| Error::bad_record(format!("Value ({text}) was out of range for requested data type")))
}

/// Appends the cast of a schemaless value.
pub(super) fn cast_tape(value: &[u8], kind: Kind, dates: &Dates, out: &mut Vec<u8>) -> Result<()> {
    let Some(datum) = Datum::of_tape(value)? else {
        tape::put_null(out);
        return Ok(());
    };
    if kind == Kind::String {
        out.push(Tag::String as u8);
        return datum.text(dates, out);
    }
    match datum.cast(kind)? {
        Outcome::Int(value) => {
            let tag = match kind {
                Kind::Int8 => Tag::Int8,
                Kind::Int16 => Tag::Int16,
                Kind::Int32 => Tag::Int32,
                _ => Tag::Int64,
            };
            tape::put_int(out, tag, value);
        }
        Outcome::Float32(value) => tape::put_float(out, Tag::Float32, value.into()),
        Outcome::Float64(value) => tape::put_float(out, Tag::Float64, value),
        Outcome::Boolean(value) => tape::put_boolean(out, value),
    }
    Ok(())
}

/// The three forms in which Kafka Connect prints dates.
pub(super) struct Dates {
    time: DateFormat,
    date: DateFormat,
    timestamp: DateFormat,
}

impl Dates {
    pub(super) fn new() -> Result<Self> {
        let format = |pattern| DateFormat::new(pattern).map_err(Error::fatal);
        Ok(Self {
            time: format("HH:mm:ss.SSS'Z'")?,
            date: format("yyyy-MM-dd")?,
            timestamp: format("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")?,
        })
    }

    /// What lies on the first day, or before it, counts as a time of day.
    fn write(&self, millis: i64, out: &mut Vec<u8>) {
        let format = if millis < DAY_MS {
            &self.time
        } else if millis % DAY_MS == 0 {
            &self.date
        } else {
            &self.timestamp
        };
        format.write(out, millis);
    }
}
