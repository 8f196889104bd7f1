//! ByteArrayConverter: the bytes, as they are.

use cofferdam_api::Schemas;
use cofferdam_frame::tape::Value;
use cofferdam_frame::{Kind, Schema, SchemaId, logical};

use crate::node::java_class;
use crate::{Converted, DataError};

/// OPTIONAL_BYTES, the schema of everything that is read.
pub(crate) fn schema(schemas: &Schemas) -> Result<SchemaId, DataError> {
    Ok(schemas.define(Schema::of(Kind::Bytes).optional())?)
}

/// Whether rows of this schema are the bytes themselves.
pub(crate) fn is_plain(schemas: &Schemas, schema: SchemaId) -> bool {
    schemas
        .get(schema)
        .is_some_and(|schema| schema.kind == Kind::Bytes && !schema.is_logical(logical::DECIMAL))
}

pub(crate) fn read(
    schemas: &Schemas,
    bytes: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<Converted, DataError> {
    out.extend_from_slice(bytes.unwrap_or_default());
    Ok(Converted { null: bytes.is_none(), schema: schema(schemas)? })
}

pub(crate) fn write(
    schemas: &Schemas,
    schema: SchemaId,
    bytes: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<bool, DataError> {
    let incompatible = |class: &str| {
        DataError::new(format!("ByteArrayConverter is not compatible with objects of type class {class}"))
    };
    if schema == 0 {
        return match bytes.map(|bytes| Value::new(bytes).ok_or_else(DataError::layout)).transpose()? {
            None | Some(Value::Null) => Ok(true),
            Some(Value::Bytes(bytes)) => {
                out.extend_from_slice(bytes);
                Ok(false)
            }
            Some(value) => Err(incompatible(java_class(&value))),
        };
    }
    let schema = schemas.get(schema).ok_or_else(DataError::layout)?;
    if schema.kind != Kind::Bytes {
        let kind = schema.kind.as_str();
        return Err(DataError::new(format!("Invalid schema type for ByteArrayConverter: {kind}")));
    }
    match bytes {
        Some(_) if schema.is_logical(logical::DECIMAL) => Err(incompatible("java.math.BigDecimal")),
        Some(bytes) => {
            out.extend_from_slice(bytes);
            Ok(false)
        }
        None => Ok(true),
    }
}
