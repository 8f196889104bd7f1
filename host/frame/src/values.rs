//! Values as text and back, by the rules of Kafka Connect's `Values`: what SimpleHeaderConverter
//! writes and reads, what `InsertHeader` makes of its literal, and how dates look as text.
//!
//! Reading guesses a type: `1` is an INT8, `[1,2.5]` an array of FLOAT32, and what looks like nothing
//! else is a STRING. Its odd corners are Kafka Connect's: of `1,2` only the 1 is read, and a date may
//! have a thirteenth month.
//!
//! Two things are our own. Dates are always in UTC, never in the zone of the machine. And where the
//! schema that Kafka Connect guesses does not fit the values that it read, as in `[[1],["a"]]`, the
//! values stay and the schema of the items is left out.

use crate::{Schema, SchemaId};

mod number;
mod parse;
mod temporal;
mod token;
mod value;
mod write;

pub use number::{DIGITS_MAX, put_unscaled};
pub use temporal::put_temporal;
pub use write::write;

/// What [`parse`] read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Whether it is null; nothing was appended then.
    pub null: bool,
    /// Its schema; 0, no schema, for null.
    pub schema: SchemaId,
}

/// Reads `text` as `Values.parseString` does and appends the value to `out`, as rows of the schema
/// that is answered. `define` interns the schemas of the value: a task's registry.
///
/// An array of null and of values that have no common type has no schema for its items; these are
/// tape then. The same goes for the keys and values of maps.
///
/// # Errors
/// What `define` answers; `out` is then as it was. There is no text that cannot be read.
pub fn parse<E>(
    text: &str,
    out: &mut Vec<u8>,
    define: &mut dyn FnMut(&Schema) -> Result<SchemaId, E>,
) -> Result<Parsed, E> {
    let Some(value) = parse::parse(text) else { return Ok(Parsed { null: true, schema: 0 }) };
    let schema = value.of.define(define)?;
    value.put(Some(&value.of), out);
    Ok(Parsed { null: false, schema })
}

#[cfg(test)]
mod tests;
