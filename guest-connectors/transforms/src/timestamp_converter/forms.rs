//! The forms of a moment, and the ways between them. All of them lead over milliseconds since the
//! epoch.

use cofferdam_sdk::tape::{self, Tag, Value};
use cofferdam_sdk::{Error, Kind, Result, Schema, SchemaId, logical, rows, schemas};

use crate::calendar::DAY_MS;
use crate::date_format::DateFormat;
use crate::operand::{self, class_of_schema, class_of_value};

/// What moments are turned to, and how their texts and numbers are read.
pub(super) struct Forms {
    pub(super) target: Target,
    pub(super) precision: Precision,
    pub(super) format: Option<DateFormat>,
    pub(super) pattern: String,
}

/// The form that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

/// The unit of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
}

/// The form that values of a schema have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Text,
    Unix,
    Date,
    /// Time or Timestamp.
    Millis,
    /// A schema with the name of a logical type whose values are of another class.
    Misnamed {
        form: &'static str,
        class: &'static str,
    },
}

impl Target {
    pub(super) const NAMES: [&str; 5] = ["string", "unix", "Date", "Time", "Timestamp"];

    pub(super) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "string" => Self::Text,
            "unix" => Self::Unix,
            "Date" => Self::Date,
            "Time" => Self::Time,
            "Timestamp" => Self::Timestamp,
            _ => return Err(none_of("target.type", name, &Self::NAMES)),
        })
    }

    pub(super) fn schema(self, optional: bool) -> Result<SchemaId> {
        let (kind, name) = match self {
            Self::Text => (Kind::String, None),
            Self::Unix => (Kind::Int64, None),
            Self::Date => (Kind::Int32, Some(logical::DATE)),
            Self::Time => (Kind::Int32, Some(logical::TIME)),
            Self::Timestamp => (Kind::Int64, Some(logical::TIMESTAMP)),
        };
        let version = name.map(|_| 1);
        schemas::define(&Schema { optional, name: name.map(str::to_owned), version, ..Schema::of(kind) })
    }
}

impl Precision {
    pub(super) const NAMES: [&str; 4] = ["nanoseconds", "microseconds", "milliseconds", "seconds"];

    pub(super) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "nanoseconds" => Self::Nanoseconds,
            "microseconds" => Self::Microseconds,
            "milliseconds" => Self::Milliseconds,
            "seconds" => Self::Seconds,
            _ => return Err(none_of("unix.precision", name, &Self::NAMES)),
        })
    }

    /// What is too far away ends at the last moment that there is.
    const fn to_millis(self, number: i64) -> i64 {
        match self {
            Self::Nanoseconds => number / 1_000_000,
            Self::Microseconds => number / 1_000,
            Self::Milliseconds => number,
            Self::Seconds => number.saturating_mul(1_000),
        }
    }

    const fn of_millis(self, millis: i64) -> i64 {
        match self {
            Self::Nanoseconds => millis.saturating_mul(1_000_000),
            Self::Microseconds => millis.saturating_mul(1_000),
            Self::Milliseconds => millis,
            Self::Seconds => millis / 1_000,
        }
    }
}

fn none_of(key: &str, value: &str, names: &[&str]) -> Error {
    Error::invalid(key, value, format_args!("String must be one of: {}", names.join(", ")))
}

impl Source {
    pub(super) fn of(schema: &Schema) -> Result<Self> {
        let class = class_of_schema(schema);
        let logical = |form, source| {
            if class == "java.util.Date" { source } else { Self::Misnamed { form, class } }
        };
        Ok(match (schema.name.as_deref(), schema.kind) {
            (Some(logical::TIMESTAMP), _) => logical("Timestamp", Self::Millis),
            (Some(logical::DATE), _) => logical("Date", Self::Date),
            (Some(logical::TIME), _) => logical("Time", Self::Millis),
            (_, Kind::String) => Self::Text,
            (_, Kind::Int64) => Self::Unix,
            _ => {
                return Err(Error::bad_record(format!(
                    "Schema {} does not correspond to a known timestamp type format",
                    operand::show(schema)
                )));
            }
        })
    }
}

impl Forms {
    /// Appends the converted value, laid out by the target's schema.
    pub(super) fn rows(&self, source: Source, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let int = || rows::int(bytes).ok_or_else(operand::layout);
        let millis = match source {
            Source::Text => self.parse(rows::text(bytes).ok_or_else(operand::layout)?)?,
            Source::Unix => self.precision.to_millis(int()?),
            Source::Date => int()?.saturating_mul(DAY_MS),
            Source::Millis => int()?,
            Source::Misnamed { form, class } => {
                return Err(Error::bad_record(format!(
                    "Expected {form} to be a java.util.Date, but found class {class}"
                )));
            }
        };
        match self.target {
            Target::Text => self.print(millis, out)?,
            Target::Unix => rows::put_int(out, self.precision.of_millis(millis)),
            Target::Date => rows::put_int(out, millis.div_euclid(DAY_MS)),
            Target::Time => rows::put_int(out, millis.rem_euclid(DAY_MS)),
            Target::Timestamp => rows::put_int(out, millis),
        }
        Ok(())
    }

    /// Appends the converted value of a schemaless one; null stays null.
    pub(super) fn tape(&self, value: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let millis = match Value::new(value).ok_or_else(operand::layout)? {
            Value::Null => {
                tape::put_null(out);
                return Ok(());
            }
            Value::Date(millis) => millis,
            Value::Int(Tag::Int64, number) => self.precision.to_millis(number),
            Value::String(text) => self.parse(text)?,
            other => {
                return Err(Error::bad_record(format!(
                    "TimestampConverter does not support class {} objects as timestamps",
                    class_of_value(&other)
                )));
            }
        };
        match self.target {
            Target::Text => {
                out.push(Tag::String as u8);
                self.print(millis, out)?;
            }
            Target::Unix => tape::put_int(out, Tag::Int64, self.precision.of_millis(millis)),
            Target::Date => tape::put_date(out, millis.saturating_sub(millis.rem_euclid(DAY_MS))),
            Target::Time => tape::put_date(out, millis.rem_euclid(DAY_MS)),
            Target::Timestamp => tape::put_date(out, millis),
        }
        Ok(())
    }

    fn print(&self, millis: i64, out: &mut Vec<u8>) -> Result<()> {
        self.format.as_ref().ok_or_else(no_format)?.write(out, millis);
        Ok(())
    }

    fn parse(&self, text: &str) -> Result<i64> {
        self.format.as_ref().ok_or_else(no_format)?.read(text).ok_or_else(|| {
            Error::bad_record(format!(
                "Could not parse timestamp: value ({text}) does not match pattern ({})",
                self.pattern
            ))
        })
    }
}

/// Kafka Connect runs into a null here; the text is the virtual machine's.
fn no_format() -> Error {
    Error::bad_record(
        "Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \"config.format\" is null",
    )
}
