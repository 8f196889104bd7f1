//! ShortConverter, IntegerConverter, LongConverter, FloatConverter, DoubleConverter and
//! BooleanConverter: one value in its few bytes, big-endian.
//!
//! As in Kafka Connect, numbers are converted by the class of the value and not by the schema's type:
//! a Date is no Integer, though it lies as one. A boolean's schema is checked.

use cofferdam_api::Schemas;
use cofferdam_frame::rows;
use cofferdam_frame::tape::{Tag, Value};
use cofferdam_frame::{Kind, Schema, SchemaId};

use crate::node::{java_class, kind_name, schema_class};
use crate::{Converted, DataError};

const SERIALIZATION_EXCEPTION: &str = "org.apache.kafka.common.errors.SerializationException";
const CLASS_CAST_EXCEPTION: &str = "java.lang.ClassCastException";

/// What one of these converters reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
}

/// A value on its way to bytes.
#[derive(Clone, Copy, Debug)]
enum Scalar {
    Int(i64),
    Float(f64),
    Boolean(bool),
}

impl Number {
    const fn kind(self) -> Kind {
        match self {
            Self::Short => Kind::Int16,
            Self::Integer => Kind::Int32,
            Self::Long => Kind::Int64,
            Self::Float => Kind::Float32,
            Self::Double => Kind::Float64,
            Self::Boolean => Kind::Boolean,
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Short => "java.lang.Short",
            Self::Integer => "java.lang.Integer",
            Self::Long => "java.lang.Long",
            Self::Float => "java.lang.Float",
            Self::Double => "java.lang.Double",
            Self::Boolean => "java.lang.Boolean",
        }
    }

    /// As messages call it.
    const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Integer => "integer",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Boolean => "boolean",
        }
    }

    const fn deserializer(self) -> &'static str {
        match self {
            Self::Short => "ShortDeserializer",
            Self::Integer => "IntegerDeserializer",
            Self::Long => "LongDeserializer",
            Self::Float | Self::Double => "Deserializer",
            Self::Boolean => "BooleanDeserializer",
        }
    }

    const fn size(self) -> usize {
        match self {
            Self::Boolean => 1,
            Self::Short => 2,
            Self::Integer | Self::Float => 4,
            Self::Long | Self::Double => 8,
        }
    }

    pub(crate) fn read(
        self,
        schemas: &Schemas,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<Converted, DataError> {
        let schema = schemas.define(Schema::of(self.kind()).optional())?;
        let Some(bytes) = bytes else { return Ok(Converted { null: true, schema }) };
        match self.scalar(bytes)? {
            Scalar::Int(value) => rows::put_int(out, value),
            Scalar::Float(value) => rows::put_float(out, value),
            Scalar::Boolean(value) => rows::put_boolean(out, value),
        }
        Ok(Converted { null: false, schema })
    }

    fn scalar(self, bytes: &[u8]) -> Result<Scalar, DataError> {
        Ok(match (self, bytes) {
            (Self::Boolean, [0]) => Scalar::Boolean(false),
            (Self::Boolean, [1]) => Scalar::Boolean(true),
            (Self::Boolean, [byte]) => {
                let byte = byte.cast_signed();
                return Err(
                    self.unreadable(format!("Unexpected byte received by BooleanDeserializer: {byte}"))
                );
            }
            (Self::Short, &[a, b]) => Scalar::Int(i16::from_be_bytes([a, b]).into()),
            (Self::Integer, &[a, b, c, d]) => Scalar::Int(i32::from_be_bytes([a, b, c, d]).into()),
            (Self::Float, &[a, b, c, d]) => Scalar::Float(f32::from_be_bytes([a, b, c, d]).into()),
            (Self::Long, &[a, b, c, d, e, f, g, h]) => {
                Scalar::Int(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            (Self::Double, &[a, b, c, d, e, f, g, h]) => {
                Scalar::Float(f64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            _ => {
                let (deserializer, size) = (self.deserializer(), self.size());
                return Err(self.unreadable(format!("Size of data received by {deserializer} is not {size}")));
            }
        })
    }

    pub(crate) fn write(
        self,
        schemas: &Schemas,
        schema: SchemaId,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<bool, DataError> {
        let schema = match schema {
            0 => None,
            id => Some(schemas.get(id).ok_or_else(DataError::layout)?),
        };
        if let (Self::Boolean, Some(schema)) = (self, &schema)
            && schema.kind != Kind::Boolean
        {
            let kind = kind_name(schema.kind);
            return Err(DataError::new(format!("Invalid schema type for BooleanConverter: {kind}")));
        }
        let Some(bytes) = bytes else { return Ok(true) };
        let scalar = match schema {
            Some(schema) => self.of_rows(&schema, bytes)?,
            None => match Value::new(bytes).ok_or_else(DataError::layout)? {
                Value::Null => return Ok(true),
                value => self.of_tape(&value)?,
            },
        };
        match (self, scalar) {
            (Self::Short, Scalar::Int(value)) => out.extend_from_slice(&(value as i16).to_be_bytes()),
            (Self::Integer, Scalar::Int(value)) => out.extend_from_slice(&(value as i32).to_be_bytes()),
            (_, Scalar::Int(value)) => out.extend_from_slice(&value.to_be_bytes()),
            (Self::Float, Scalar::Float(value)) => out.extend_from_slice(&(value as f32).to_be_bytes()),
            (_, Scalar::Float(value)) => out.extend_from_slice(&value.to_be_bytes()),
            (_, Scalar::Boolean(value)) => out.push(value.into()),
        }
        Ok(false)
    }

    fn of_rows(self, schema: &Schema, bytes: &[u8]) -> Result<Scalar, DataError> {
        let class = schema_class(schema);
        if class != self.class() {
            return Err(self.incompatible(class));
        }
        let scalar = match self {
            Self::Short | Self::Integer | Self::Long => rows::int(bytes).map(Scalar::Int),
            Self::Float | Self::Double => rows::float(bytes).map(Scalar::Float),
            Self::Boolean => rows::boolean(bytes).map(Scalar::Boolean),
        };
        scalar.ok_or_else(DataError::layout)
    }

    fn of_tape(self, value: &Value<'_>) -> Result<Scalar, DataError> {
        Ok(match (self, *value) {
            (Self::Short, Value::Int(Tag::Int16, value))
            | (Self::Integer, Value::Int(Tag::Int32, value))
            | (Self::Long, Value::Int(Tag::Int64, value)) => Scalar::Int(value),
            (Self::Float, Value::Float(Tag::Float32, value))
            | (Self::Double, Value::Float(Tag::Float64, value)) => Scalar::Float(value),
            (Self::Boolean, Value::Boolean(value)) => Scalar::Boolean(value),
            _ => return Err(self.incompatible(java_class(value))),
        })
    }

    fn unreadable(self, cause: String) -> DataError {
        let name = self.name();
        DataError::new(format!("Failed to deserialize {name}: ")).because(SERIALIZATION_EXCEPTION, cause)
    }

    /// The value is of another class than this converter writes.
    #[cold]
    fn incompatible(self, class: &str) -> DataError {
        if self == Self::Boolean {
            return DataError::new(format!(
                "BooleanConverter is not compatible with objects of type class {class}"
            ));
        }
        // Java casts to a number first, and what is one to the very class afterwards.
        let target = match class {
            "java.lang.Byte"
            | "java.lang.Short"
            | "java.lang.Integer"
            | "java.lang.Long"
            | "java.lang.Float"
            | "java.lang.Double"
            | "java.math.BigDecimal" => self.class(),
            _ => "java.lang.Number",
        };
        let place = if class.starts_with("org.") {
            format!(
                "{class} is in unnamed module of loader 'app'; {target} is in module java.base of loader 'bootstrap'"
            )
        } else {
            format!("{class} and {target} are in module java.base of loader 'bootstrap'")
        };
        let name = self.name();
        DataError::new(format!("Failed to serialize to {name} (was class {class}): ")).because(
            CLASS_CAST_EXCEPTION,
            format!("class {class} cannot be cast to class {target} ({place})"),
        )
    }
}
