//! SimpleHeaderConverter: the text of a value out, and in a guess at the type that was meant; see
//! [`cofferdam_frame::values`].

use cofferdam_api::Schemas;
use cofferdam_frame::{SchemaId, values};

use crate::{Converted, DataError};

/// Reads text. What is not UTF-8 is replaced first, as Java does, so nothing is ever refused.
pub(crate) fn read(
    schemas: &Schemas,
    bytes: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<Converted, DataError> {
    let Some(bytes) = bytes else { return Ok(Converted { null: true, schema: 0 }) };
    let text = String::from_utf8_lossy(bytes);
    let parsed = values::parse(&text, out, &mut |schema| schemas.define(schema.clone()))?;
    Ok(Converted { null: parsed.null, schema: parsed.schema })
}

/// Writes text; null stays null, whatever default its schema has.
pub(crate) fn write(
    schemas: &Schemas,
    schema: SchemaId,
    bytes: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<bool, DataError> {
    Ok(values::write(out, &|id| schemas.get(id), schema, bytes)?)
}
