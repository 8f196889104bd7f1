//! A value as a tree of its own: for edges and tests, where values come one by one from a language
//! without types. Batches never take this form on their way.
//!
//! A datum says of itself what it is, so it can contradict the schema that it is to be laid out by.
//! That is found out here, in Kafka Connect's words, since rows have no room for such a value.

use std::fmt;

use crate::rows::{self, ListWriter, RowWriter};
use crate::tape::{self, Tag};
use crate::text::SchemaSource;
use crate::{DEPTH_MAX, Kind, Schema, SchemaId, logical};

/// Milliseconds of one day.
const DAY_MS: i64 = 86_400_000;

/// A value, as one of the classes that Kafka Connect knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// Null.
    Null,
    /// `java.lang.Boolean`.
    Boolean(bool),
    /// `java.lang.Byte`.
    Int8(i8),
    /// `java.lang.Short`.
    Int16(i16),
    /// `java.lang.Integer`.
    Int32(i32),
    /// `java.lang.Long`.
    Int64(i64),
    /// `java.lang.Float`.
    Float32(f32),
    /// `java.lang.Double`.
    Float64(f64),
    /// `java.lang.String`.
    String(String),
    /// `byte[]`.
    Bytes(Vec<u8>),
    /// `java.util.List`.
    Array(Vec<Datum>),
    /// `java.util.Map`, in order.
    Map(Vec<(Datum, Datum)>),
    /// `Struct`: the schema that it was made by, and its fields in that order.
    Struct(SchemaId, Vec<Datum>),
    /// `java.math.BigDecimal`: scale, and the unscaled value in big-endian two's complement.
    Decimal(i32, Vec<u8>),
    /// `java.util.Date`: milliseconds since the epoch.
    Date(i64),
    /// Something else, of this class: no data of Connect.
    Foreign(String),
}

/// Why a datum cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is of another class than its schema says.
    Type {
        /// The type of the schema.
        expected: Kind,
        /// Java's name of the class.
        found: String,
    },
    /// It is of a class that Connect does not know.
    Foreign(String),
    /// A decimal of another scale.
    Scale {
        /// That of the schema.
        expected: i32,
        /// That of the value.
        found: i32,
    },
    /// A Date with a time of day.
    NotADay,
    /// A Time with a date.
    NotATime,
    /// A struct of another schema.
    Struct,
    /// No schema has this id.
    UnknownSchema(SchemaId),
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { expected, found } => {
                write!(f, "Invalid type for {}: class {found}", expected.as_str())
            }
            Self::Foreign(class) => {
                write!(f, "Java class class {class} does not have corresponding schema type.")
            }
            Self::Scale { expected, found } => write!(
                f,
                "Decimal value has mismatching scale for given Decimal schema. Schema has scale {expected}, value has \
                 scale {found}."
            ),
            Self::NotADay => {
                f.write_str("Kafka Connect Date type should not have any time fields set to non-zero values.")
            }
            Self::NotATime => {
                f.write_str("Kafka Connect Time type must not have any date fields set to non-zero values.")
            }
            Self::Struct => f.write_str("Mismatching schema."),
            Self::UnknownSchema(id) => write!(f, "no schema has the id {id}"),
            Self::TooDeep => write!(f, "the value is nested deeper than {DEPTH_MAX} levels"),
        }
    }
}

impl std::error::Error for Misfit {}

impl Datum {
    /// Appends it to `out`: as rows of `schema`, as tape where that is 0. Answers whether it is null;
    /// nothing was appended then. Whether null is allowed is for converters to say.
    ///
    /// # Errors
    /// When it contradicts the schema, or is no data of Connect; what was appended until then stays.
    pub fn put(
        &self,
        schemas: &dyn SchemaSource,
        schema: SchemaId,
        out: &mut Vec<u8>,
    ) -> Result<bool, Misfit> {
        if *self == Self::Null {
            return Ok(true);
        }
        match schema {
            0 => self.put_tape(schemas, out, DEPTH_MAX)?,
            _ => self.put_rows(schemas, schema, out, DEPTH_MAX)?,
        }
        Ok(false)
    }

    fn put_rows(
        &self,
        schemas: &dyn SchemaSource,
        id: SchemaId,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Misfit> {
        let depth = depth.checked_sub(1).ok_or(Misfit::TooDeep)?;
        let schema = schemas.schema(id).ok_or(Misfit::UnknownSchema(id))?;
        match (self, LogicalKind::of(&schema)) {
            (Self::Decimal(scale, unscaled), LogicalKind::Decimal(expected)) => {
                if *scale != expected {
                    return Err(Misfit::Scale { expected, found: *scale });
                }
                out.extend_from_slice(unscaled);
            }
            (Self::Date(millis), LogicalKind::Date) => {
                if millis.rem_euclid(DAY_MS) != 0 {
                    return Err(Misfit::NotADay);
                }
                rows::put_int(out, millis.div_euclid(DAY_MS));
            }
            (Self::Date(millis), LogicalKind::Time) => {
                if !(0..=DAY_MS).contains(millis) {
                    return Err(Misfit::NotATime);
                }
                rows::put_int(out, *millis);
            }
            (Self::Date(millis), LogicalKind::Timestamp) => rows::put_int(out, *millis),
            (_, LogicalKind::Plain(kind)) => return self.put_plain(schemas, id, &schema, kind, out, depth),
            (_, _) => return Err(self.misfit(schema.kind)),
        }
        Ok(())
    }

    fn put_plain(
        &self,
        schemas: &dyn SchemaSource,
        id: SchemaId,
        schema: &Schema,
        kind: Kind,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Misfit> {
        match (self, kind) {
            (Self::Int8(value), Kind::Int8) => rows::put_int(out, (*value).into()),
            (Self::Int16(value), Kind::Int16) => rows::put_int(out, (*value).into()),
            (Self::Int32(value), Kind::Int32) => rows::put_int(out, (*value).into()),
            (Self::Int64(value), Kind::Int64) => rows::put_int(out, *value),
            (Self::Float32(value), Kind::Float32) => rows::put_float(out, (*value).into()),
            (Self::Float64(value), Kind::Float64) => rows::put_float(out, *value),
            (Self::Boolean(value), Kind::Boolean) => rows::put_boolean(out, *value),
            (Self::String(text), Kind::String) => out.extend_from_slice(text.as_bytes()),
            (Self::Bytes(bytes), Kind::Bytes) => out.extend_from_slice(bytes),
            (Self::Array(items), Kind::Array) => {
                let mut list = ListWriter::start(out);
                for item in items {
                    item.put_item(schemas, schema.value, out, &mut list, depth)?;
                }
                list.finish(out);
            }
            (Self::Map(pairs), Kind::Map) => {
                let mut list = ListWriter::start(out);
                for (key, value) in pairs {
                    key.put_item(schemas, schema.key, out, &mut list, depth)?;
                    value.put_item(schemas, schema.value, out, &mut list, depth)?;
                }
                list.finish(out);
            }
            (Self::Struct(own, fields), Kind::Struct) => {
                if *own != id || fields.len() != schema.fields.len() {
                    return Err(Misfit::Struct);
                }
                put_fields(schemas, schema, fields, out, depth)?;
            }
            _ => return Err(self.misfit(kind)),
        }
        Ok(())
    }

    /// An item without a schema is tape, where null is a value like others.
    fn put_item(
        &self,
        schemas: &dyn SchemaSource,
        schema: Option<SchemaId>,
        out: &mut Vec<u8>,
        list: &mut ListWriter,
        depth: usize,
    ) -> Result<(), Misfit> {
        match schema {
            None => self.put_tape(schemas, out, depth)?,
            Some(schema) if *self != Self::Null => self.put_rows(schemas, schema, out, depth)?,
            Some(_) => {}
        }
        list.item(out, schema.is_some() && *self == Self::Null);
        Ok(())
    }

    fn put_tape(&self, schemas: &dyn SchemaSource, out: &mut Vec<u8>, depth: usize) -> Result<(), Misfit> {
        let depth = depth.checked_sub(1).ok_or(Misfit::TooDeep)?;
        match self {
            Self::Null => tape::put_null(out),
            Self::Boolean(value) => tape::put_boolean(out, *value),
            Self::Int8(value) => tape::put_int(out, Tag::Int8, (*value).into()),
            Self::Int16(value) => tape::put_int(out, Tag::Int16, (*value).into()),
            Self::Int32(value) => tape::put_int(out, Tag::Int32, (*value).into()),
            Self::Int64(value) => tape::put_int(out, Tag::Int64, *value),
            Self::Float32(value) => tape::put_float(out, Tag::Float32, (*value).into()),
            Self::Float64(value) => tape::put_float(out, Tag::Float64, *value),
            Self::String(text) => tape::put_string(out, text),
            Self::Bytes(bytes) => tape::put_bytes(out, bytes),
            Self::Decimal(scale, unscaled) => tape::put_decimal(out, *scale, unscaled),
            Self::Date(millis) => tape::put_date(out, *millis),
            Self::Array(items) => {
                let mut list = tape::start_array(out);
                for item in items {
                    item.put_tape(schemas, out, depth)?;
                    list.item(out, false);
                }
                list.finish(out);
            }
            Self::Map(pairs) => {
                let mut list = tape::start_map(out);
                for item in pairs.iter().flat_map(|(key, value)| [key, value]) {
                    item.put_tape(schemas, out, depth)?;
                    list.item(out, false);
                }
                list.finish(out);
            }
            Self::Struct(id, fields) => {
                let schema = schemas.schema(*id).ok_or(Misfit::UnknownSchema(*id))?;
                if fields.len() != schema.fields.len() {
                    return Err(Misfit::Struct);
                }
                out.push(Tag::Struct as u8);
                out.extend_from_slice(&id.to_le_bytes());
                put_fields(schemas, &schema, fields, out, depth)?;
            }
            Self::Foreign(class) => return Err(Misfit::Foreign(class.clone())),
        }
        Ok(())
    }

    fn misfit(&self, expected: Kind) -> Misfit {
        Misfit::Type { expected, found: self.class().to_owned() }
    }

    /// Java's name of its class.
    #[must_use]
    pub fn class(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Int8(_) => "java.lang.Byte",
            Self::Int16(_) => "java.lang.Short",
            Self::Int32(_) => "java.lang.Integer",
            Self::Int64(_) => "java.lang.Long",
            Self::Float32(_) => "java.lang.Float",
            Self::Float64(_) => "java.lang.Double",
            Self::String(_) => "java.lang.String",
            Self::Bytes(_) => "[B",
            Self::Array(_) => "java.util.ArrayList",
            Self::Map(_) => "java.util.HashMap",
            Self::Struct(..) => "org.apache.kafka.connect.data.Struct",
            Self::Decimal(..) => "java.math.BigDecimal",
            Self::Date(_) => "java.util.Date",
            Self::Foreign(class) => class,
        }
    }
}

fn put_fields(
    schemas: &dyn SchemaSource,
    schema: &Schema,
    fields: &[Datum],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Misfit> {
    let mut row = RowWriter::start(out, fields.len());
    for (field, value) in schema.fields.iter().zip(fields) {
        if *value != Datum::Null {
            value.put_rows(schemas, field.schema, out, depth)?;
        }
        row.field(out, *value == Datum::Null);
    }
    Ok(())
}

/// What a schema asks of the class of its values.
enum LogicalKind {
    Decimal(i32),
    Date,
    Time,
    Timestamp,
    Plain(Kind),
}

impl LogicalKind {
    fn of(schema: &Schema) -> Self {
        match (schema.kind, schema.name.as_deref()) {
            (Kind::Bytes, Some(logical::DECIMAL)) => {
                let scale = schema.parameters.iter().find(|(key, _)| key == "scale");
                Self::Decimal(scale.and_then(|(_, scale)| scale.parse().ok()).unwrap_or_default())
            }
            (Kind::Int32, Some(logical::DATE)) => Self::Date,
            (Kind::Int32, Some(logical::TIME)) => Self::Time,
            (Kind::Int64, Some(logical::TIMESTAMP)) => Self::Timestamp,
            (kind, _) => Self::Plain(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::sync::Arc;

    use super::*;
    use crate::text;

    /// Schemas by id, from 1.
    fn put(schemas: &[Schema], schema: SchemaId, datum: &Datum) -> Result<String, String> {
        let source = |id: SchemaId| schemas.get(id.checked_sub(1)? as usize).cloned().map(Arc::new);
        let mut out = Vec::new();
        let null = datum.put(&source, schema, &mut out).map_err(|misfit| misfit.to_string())?;
        Ok(text::to_text(&source, schema, (!null).then_some(&out)).unwrap())
    }

    fn named(kind: Kind, name: &str) -> Schema {
        let parameters =
            if kind == Kind::Bytes { vec![("scale".to_owned(), "2".to_owned())] } else { vec![] };
        Schema { name: Some(name.to_owned()), parameters, ..Schema::of(kind) }
    }

    #[test]
    fn what_fits_is_laid_out() {
        let field = |name: &str, schema| crate::Field { name: name.to_owned(), schema };
        let schemas = [
            Schema::of(Kind::Int32).optional(),
            Schema { value: Some(1), ..Schema::of(Kind::Array) },
            Schema { fields: vec![field("a", 2), field("b", 1)], ..Schema::of(Kind::Struct) },
            named(Kind::Bytes, logical::DECIMAL),
            Schema { value: None, ..Schema::of(Kind::Array) },
        ];
        let list = Datum::Array(vec![Datum::Int32(1), Datum::Null]);
        let row = Datum::Struct(3, vec![list, Datum::Null]);
        assert_eq!(put(&schemas, 3, &row).unwrap(), "Struct{a=[1, null]}");
        assert_eq!(
            put(&schemas, 0, &Datum::Map(vec![(Datum::Int8(1), row)])).unwrap(),
            "{1=Struct{a=[1, null]}}"
        );
        assert_eq!(put(&schemas, 4, &Datum::Decimal(2, vec![0, 150])).unwrap(), "1.50");
        assert_eq!(put(&schemas, 1, &Datum::Null).unwrap(), "null");
        // Items without a schema are of any class.
        let mixed = Datum::Array(vec![Datum::String("x".to_owned()), Datum::Null, Datum::Boolean(true)]);
        assert_eq!(put(&schemas, 5, &mixed).unwrap(), "[x, null, true]");
    }

    #[test]
    fn what_contradicts_its_schema_is_refused_in_kafka_connects_words() {
        let schemas = [
            Schema::of(Kind::Int32),
            named(Kind::Bytes, logical::DECIMAL),
            named(Kind::Int32, logical::DATE),
            named(Kind::Int32, logical::TIME),
            Schema::of(Kind::Struct),
            Schema { value: Some(1), ..Schema::of(Kind::Array) },
        ];
        let text = || Datum::String("5".to_owned());
        for (schema, datum, expected) in [
            (1, text(), "Invalid type for INT32: class java.lang.String"),
            (1, Datum::Int64(5), "Invalid type for INT32: class java.lang.Long"),
            (6, Datum::Array(vec![text()]), "Invalid type for INT32: class java.lang.String"),
            (2, Datum::Bytes(vec![]), "Invalid type for BYTES: class [B"),
            (
                2,
                Datum::Decimal(1, vec![15]),
                "Decimal value has mismatching scale for given Decimal schema. Schema has scale 2, value has scale 1.",
            ),
            (
                3,
                Datum::Date(5),
                "Kafka Connect Date type should not have any time fields set to non-zero values.",
            ),
            (
                4,
                Datum::Date(-1),
                "Kafka Connect Time type must not have any date fields set to non-zero values.",
            ),
            (5, Datum::Struct(9, vec![]), "Mismatching schema."),
            (
                0,
                Datum::Foreign("java.lang.StringBuilder".to_owned()),
                "Java class class java.lang.StringBuilder does not have corresponding schema type.",
            ),
        ] {
            assert_eq!(put(&schemas, schema, &datum), Err(expected.to_owned()), "{datum:?}");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let mut datum = Datum::Boolean(true);
        for _ in 0..DEPTH_MAX - 1 {
            datum = Datum::Array(vec![datum]);
        }
        assert!(put(&[], 0, &datum).is_ok());
        datum = Datum::Array(vec![datum]);
        assert_eq!(put(&[], 0, &datum), Err(Misfit::TooDeep.to_string()));
    }
}
