//! Cast: fields, or the whole key or value, become another type.

use std::marker::PhantomData;

use cofferdam_sdk::frame::text;
use cofferdam_sdk::rows::{self, RowWriter};
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::tape::{self, Tag, Value};
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, Kind, PluginInfo, Problem, Record, Result, Schema,
    SchemaId, Transform, logical, schemas,
};

use crate::calendar::DAY_MS;
use crate::date_format::DateFormat;
use crate::number::{Number, parse_float};
use crate::operand::{self, Copied, MapWriter, class_of_value, copy_basics, type_name};
use crate::plugin::{REPLACE_NULL_WITH_DEFAULT, Side, problems, replace_null_with_default, sided};

mod spec;

use spec::Casts;

const PURPOSE: &str = "cast types";
const INPUTS: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]";

/// Casts a key or value, or fields of it.
pub(crate) struct Cast<S> {
    casts: Casts,
    dates: Dates,
    defaults: bool,
    plans: BySchema<Plan>,
    map: MapWriter,
    side: PhantomData<S>,
}

enum Plan {
    Whole(Source, SchemaId),
    Fields { fields: Vec<Field>, schema: SchemaId },
}

struct Field {
    copied: Copied,
    cast: Option<(Source, Kind)>,
}

impl<S: Side> Transform for Cast<S> {
    fn info() -> PluginInfo {
        sided::<S>("Cast")
            .doc(
                "Cast fields or the entire key or value to a specific type, e.g. to force an integer field to a smaller \
                 width. Cast from integers, floats, boolean and string to any other type, and cast binary to string \
                 (base64 encoded).",
            )
            .config(
                ConfigDef::new()
                    .key(ConfigKey::list("spec").high().doc(
                        "List of fields and the type to cast them to of the form field1:type,field2:type to cast \
                         fields of Maps or Structs. A single type to cast the entire value. Valid types are int8, \
                         int16, int32, int64, float32, float64, boolean, and string. Note that binary fields can \
                         only be cast to string.",
                    ))
                    .key(replace_null_with_default()),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        problems(spec::read(config))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            casts: spec::read(config)?,
            dates: Dates::new()?,
            defaults: config.boolean(REPLACE_NULL_WITH_DEFAULT)?,
            plans: BySchema::new(),
            map: MapWriter::default(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        if operand::is_null_part(record, S::PART) {
            return Ok(Flow::Keep);
        }
        let schema = record.schema(S::PART);
        let (casts, dates, map, defaults) = (&self.casts, &self.dates, &mut self.map, self.defaults);
        if schema == 0 {
            record.rewrite(S::PART, |record, out| {
                match casts {
                    Casts::Whole(kind) => {
                        cast_tape(record.get(S::PART).unwrap_or_default(), *kind, dates, out)?
                    }
                    Casts::Fields(fields) => {
                        cast_map(fields, dates, operand::map(record.get(S::PART), PURPOSE)?, map, out)?;
                    }
                }
                Ok(0)
            })?;
            return Ok(Flow::Keep);
        }
        let plan = self
            .plans
            .get_or_try_insert(schema, || Plan::new(casts, dates, &*operand::schema(schema)?, defaults))?;
        record.rewrite(S::PART, |record, out| {
            let bytes = record.get(S::PART).unwrap_or_default();
            plan.write(casts, dates, bytes, out)
        })?;
        Ok(Flow::Keep)
    }
}

/// Every cast field is there afterwards: one that was missing is null.
fn cast_map(
    fields: &[(String, Kind)],
    dates: &Dates,
    map: operand::Map<'_>,
    writer: &mut MapWriter,
    out: &mut Vec<u8>,
) -> Result<()> {
    writer.start(out);
    for (key, value) in map.pairs() {
        let name = tape::string_bytes(key);
        match fields.iter().find(|(field, _)| name == Some(field.as_bytes())) {
            Some((_, kind)) => {
                out.extend_from_slice(key);
                writer.item(out);
                cast_tape(value, *kind, dates, out)?;
                writer.item(out);
            }
            None => writer.copy(out, key, value),
        }
    }
    for (field, _) in fields {
        if map.get(field).is_none() {
            writer.key(out, field);
            tape::put_null(out);
            writer.item(out);
        }
    }
    writer.finish(out);
    Ok(())
}

// === impl Plan ===

impl Plan {
    fn new(casts: &Casts, dates: &Dates, schema: &Schema, defaults: bool) -> Result<Self> {
        let (source, kind, mut changed, fields) = match casts {
            Casts::Whole(kind) => {
                (Source::of(schema), *kind, Schema { kind: *kind, ..copy_basics(schema) }, None)
            }
            Casts::Fields(casts) => {
                let (changed, fields) = fields_of(casts, dates, schema, defaults)?;
                (Source::of(schema), Kind::Struct, changed, Some(fields))
            }
        };
        changed.optional = schema.optional;
        changed.default = source.cast_default(schema, kind, dates)?;
        let id = schemas::define(&changed)?;
        Ok(match fields {
            Some(fields) => Self::Fields { fields, schema: id },
            None => Self::Whole(source, id),
        })
    }

    fn write(&self, casts: &Casts, dates: &Dates, bytes: &[u8], out: &mut Vec<u8>) -> Result<SchemaId> {
        match (self, casts) {
            (Self::Whole(source, schema), Casts::Whole(kind)) => {
                source.read(bytes)?.rows(*kind, dates, out)?;
                Ok(*schema)
            }
            (Self::Fields { fields, schema }, _) => {
                let row = operand::row(bytes, fields.len())?;
                let mut writer = RowWriter::start(out, fields.len());
                for (field, value) in fields.iter().zip(row.iter()) {
                    match (&field.cast, field.copied.value(value)?) {
                        (Some((source, kind)), Some(value)) => {
                            source.read(value)?.rows(*kind, dates, out)?;
                            writer.field(out, false);
                        }
                        (_, value) => writer.copy(out, value),
                    }
                }
                Ok(*schema)
            }
            (Self::Whole(..), Casts::Fields(_)) => Err(operand::no_fields()),
        }
    }
}

fn fields_of(
    casts: &[(String, Kind)],
    dates: &Dates,
    schema: &Schema,
    defaults: bool,
) -> Result<(Schema, Vec<Field>)> {
    if schema.kind != Kind::Struct {
        return Err(operand::no_fields());
    }
    let mut changed = copy_basics(schema);
    let mut fields = Vec::with_capacity(schema.fields.len());
    for (field, copied) in schema.fields.iter().zip(operand::copied(schema, defaults)?) {
        let cast = casts.iter().find(|(name, _)| *name == field.name);
        let (id, cast) = match cast {
            None => (field.schema, None),
            Some((_, kind)) => {
                let inner = operand::schema(field.schema)?;
                let source = Source::of(&inner);
                let default = source.cast_default(&inner, *kind, dates)?;
                let cast = Schema { optional: inner.optional, default, ..Schema::of(*kind) };
                (schemas::define(&cast)?, Some((source, *kind)))
            }
        };
        operand::add_field(&mut changed, &field.name, id)?;
        fields.push(Field { copied, cast });
    }
    Ok((changed, fields))
}

// === values ===

/// What the values of a schema are to a cast.
#[derive(Clone, Copy)]
enum Source {
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
    fn of(schema: &Schema) -> Self {
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

    fn read(self, bytes: &[u8]) -> Result<Datum<'_>> {
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

    fn cast_default(self, schema: &Schema, kind: Kind, dates: &Dates) -> Result<Option<Vec<u8>>> {
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
enum Datum<'a> {
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
    fn rows(self, kind: Kind, dates: &Dates, out: &mut Vec<u8>) -> Result<()> {
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
fn cast_tape(value: &[u8], kind: Kind, dates: &Dates, out: &mut Vec<u8>) -> Result<()> {
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
struct Dates {
    time: DateFormat,
    date: DateFormat,
    timestamp: DateFormat,
}

impl Dates {
    fn new() -> Result<Self> {
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
