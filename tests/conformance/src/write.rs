//! Recorded values to rows and tape.
//!
//! A frame can only hold values that fit their schema. Kafka Connect can be handed others by a
//! careless connector, and some cases do that: they are refused where values are laid out
//! ([`cofferdam_frame::datum`]), as they are for whoever writes a connector.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_api::Schemas;
use cofferdam_frame::datum::{self, Datum};
use cofferdam_frame::{Field, Kind, Schema, SchemaId, logical};
use serde_json::Value;

use crate::case::member;

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The recording cannot be understood.
    Unreadable(String),
    /// It contradicts its schema, or is no data of Connect: what lays it out refuses it.
    Refused(datum::Misfit),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => f.write_str(why),
            Self::Refused(why) => write!(f, "{why}"),
        }
    }
}

impl From<String> for Misfit {
    fn from(why: String) -> Self {
        Self::Unreadable(why)
    }
}

impl From<&str> for Misfit {
    fn from(why: &str) -> Self {
        Self::Unreadable(why.to_owned())
    }
}

/// Appends `typed` as a value of the schema `id`, 0 = none; answers whether it is null. A struct
/// without a schema has one all the same, which cases do not tell: it is made up from its fields.
///
/// # Errors
/// When the value does not fit the schema.
pub fn put(schemas: &Schemas, id: SchemaId, typed: &Value, out: &mut Vec<u8>) -> Result<bool, Misfit> {
    let datum = datum(schemas, id, typed)?;
    datum.put(&|id| schemas.get(id), id, out).map_err(Misfit::Refused)
}

/// The value that `typed` describes; of structs, the schema is that of `id` if it has their fields.
fn datum(schemas: &Schemas, id: SchemaId, typed: &Value) -> Result<Datum, Misfit> {
    if typed.is_null() {
        return Ok(Datum::Null);
    }
    let expected = schemas.get(id);
    let child = |of: fn(&Schema) -> Option<SchemaId>| expected.as_deref().and_then(of).unwrap_or(0);
    let (tag, value) = leaf(typed)?;
    Ok(match tag {
        "boolean" => Datum::Boolean(value.as_bool().ok_or_else(|| no(value))?),
        "int8" => Datum::Int8(int(value)?.try_into().map_err(|_| no(value))?),
        "int16" => Datum::Int16(int(value)?.try_into().map_err(|_| no(value))?),
        "int32" => Datum::Int32(int(value)?.try_into().map_err(|_| no(value))?),
        "int64" => Datum::Int64(int(value)?),
        "float32" => Datum::Float32(text(value)?.parse().map_err(|_| no(value))?),
        "float64" => Datum::Float64(text(value)?.parse().map_err(|_| no(value))?),
        "string" => Datum::String(text(value)?.to_owned()),
        "bytes" => Datum::Bytes(bytes(value)?),
        "decimal" => {
            let (scale, unscaled) = decimal(value)?;
            Datum::Decimal(scale, unscaled)
        }
        "date_ms" => Datum::Date(int(value)?),
        "array" => {
            let below = child(|schema| schema.value);
            Datum::Array(
                array(value)?.iter().map(|item| datum(schemas, below, item)).collect::<Result<_, _>>()?,
            )
        }
        "map" => {
            let (key, below) = (child(|schema| schema.key), child(|schema| schema.value));
            let pair = |pair: &Value| {
                let item = |at| pair.get(at).unwrap_or(&Value::Null);
                Ok((datum(schemas, key, item(0))?, datum(schemas, below, item(1))?))
            };
            Datum::Map(array(value)?.iter().map(pair).collect::<Result<_, Misfit>>()?)
        }
        "struct" => {
            let fields = array(value)?;
            let names: Vec<Option<&str>> = fields.iter().map(|pair| pair.get(0)?.as_str()).collect();
            let fits = |schema: &Schema| {
                schema.fields.len() == names.len()
                    && schema.fields.iter().zip(&names).all(|(field, name)| Some(&*field.name) == *name)
            };
            let id = if expected.as_deref().is_some_and(fits) { id } else { made_up(schemas, typed)? };
            let schema = schemas.get(id).ok_or("a struct of no schema")?;
            let field = |(field, pair): (&Field, &Value)| {
                datum(schemas, field.schema, pair.get(1).unwrap_or(&Value::Null))
            };
            Datum::Struct(id, schema.fields.iter().zip(fields).map(field).collect::<Result<_, _>>()?)
        }
        // A class that Connect does not know, and the object's text.
        "other" => Datum::Foreign(text(value)?.split(' ').next().unwrap_or_default().to_owned()),
        _ => return Err(no(typed)),
    })
}

/// A schema that `typed` fits.
fn made_up(schemas: &Schemas, typed: &Value) -> Result<SchemaId, Misfit> {
    let define =
        |schema: Schema| schemas.define(schema.optional()).map_err(|error| Misfit::from(error.to_string()));
    if typed.is_null() {
        return define(Schema::of(Kind::String));
    }
    let (tag, value) = leaf(typed)?;
    let first = |pair: usize| value.get(0).and_then(|item| item.get(pair)).unwrap_or(&Value::Null);
    let logical =
        |kind, name: &str| Schema { name: Some(name.to_owned()), version: Some(1), ..Schema::of(kind) };
    define(match tag {
        "struct" => {
            let mut schema = Schema::of(Kind::Struct);
            for pair in array(value)? {
                let name = pair.get(0).and_then(Value::as_str).unwrap_or_default().to_owned();
                let below = made_up(schemas, pair.get(1).unwrap_or(&Value::Null))?;
                schema.fields.push(Field { name, schema: below });
            }
            schema
        }
        "array" => {
            let below = made_up(schemas, value.get(0).unwrap_or(&Value::Null))?;
            Schema { value: Some(below), ..Schema::of(Kind::Array) }
        }
        "map" => {
            let (key, below) = (made_up(schemas, first(0))?, made_up(schemas, first(1))?);
            Schema { key: Some(key), value: Some(below), ..Schema::of(Kind::Map) }
        }
        "decimal" => {
            let scale = ("scale".to_owned(), decimal(value)?.0.to_string());
            Schema { parameters: vec![scale], ..logical(Kind::Bytes, logical::DECIMAL) }
        }
        "date_ms" => logical(Kind::Int64, logical::TIMESTAMP),
        _ => Schema::of(crate::schema::kind(tag)?),
    })
}

/// How a recording tags values of this schema.
pub(crate) fn tag_of(schema: &Schema) -> &'static str {
    match (schema.kind, schema.name.as_deref()) {
        (Kind::Bytes, Some(logical::DECIMAL)) => "decimal",
        (Kind::Int32, Some(logical::DATE | logical::TIME)) | (Kind::Int64, Some(logical::TIMESTAMP)) => {
            "date_ms"
        }
        (kind, _) => crate::schema::kind_name(kind),
    }
}

/// Scale, and the unscaled value in big-endian two's complement, of a number as Java prints it.
fn decimal(value: &Value) -> Result<(i32, Vec<u8>), Misfit> {
    let text = text(value)?;
    let (number, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (negative, whole) = match whole.strip_prefix('-') {
        Some(whole) => (true, whole),
        None => (false, whole),
    };
    let exponent: i32 = exponent.parse().map_err(|_| no(value))?;
    // Little endian, with room for the sign.
    let mut unscaled = vec![0_u8];
    for digit in whole.bytes().chain(fraction.bytes()) {
        let mut carry =
            u16::from(digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or_else(|| no(value))?);
        for byte in &mut unscaled {
            let next = u16::from(*byte) * 10 + carry;
            (*byte, carry) = (next as u8, next >> 8);
        }
        if carry > 0 || unscaled.last().is_some_and(|byte| *byte > 0x7f) {
            unscaled.push(carry as u8);
        }
    }
    if negative {
        let mut carry = true;
        for byte in &mut unscaled {
            (*byte, carry) = (!*byte).overflowing_add(carry.into());
        }
    }
    unscaled.reverse();
    // Java writes no more bytes than the number needs.
    let superfluous = |bytes: &[u8]| {
        matches!(bytes, [0, next, ..] if *next < 0x80) || matches!(bytes, [0xff, next, ..] if *next >= 0x80)
    };
    while superfluous(&unscaled) {
        unscaled.remove(0);
    }
    Ok((fraction.len() as i32 - exponent, unscaled))
}

fn leaf(typed: &Value) -> Result<(&str, &Value), Misfit> {
    let (tag, value) = typed.as_object().and_then(|object| object.iter().next()).ok_or_else(|| no(typed))?;
    // Kafka Connect takes both for BYTES; they are the same bytes.
    Ok((if tag == "bytebuffer" { "bytes" } else { tag }, value))
}

/// The bytes of a member `utf8` or `base64`; none for null.
pub(crate) fn recorded_bytes(value: &Value) -> Result<Option<Vec<u8>>, Misfit> {
    if value.is_null() {
        return Ok(None);
    }
    match member(value, "utf8").as_str() {
        Some(text) => Ok(Some(text.as_bytes().to_vec())),
        None => bytes(member(value, "base64")).map(Some),
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, Misfit> {
    STANDARD.decode(text(value)?).map_err(|error| Misfit::Unreadable(error.to_string()))
}

fn text(value: &Value) -> Result<&str, Misfit> {
    value.as_str().ok_or_else(|| no(value))
}

fn int(value: &Value) -> Result<i64, Misfit> {
    value.as_i64().ok_or_else(|| no(value))
}

fn array(value: &Value) -> Result<&Vec<Value>, Misfit> {
    value.as_array().ok_or_else(|| no(value))
}

fn no(value: &Value) -> Misfit {
    Misfit::Unreadable(format!("{value} is no recorded value"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decimals_are_those_of_java() {
        for (text, scale, unscaled) in [
            ("0", 0, &[0][..]),
            ("1.50", 2, &[0, 150]),
            ("-1.50", 2, &[0xff, 0x6a]),
            ("-1.28", 2, &[0x80]),
            ("1E+3", -3, &[1]),
            ("1E-10", 10, &[1]),
            ("12345678901234567890", 0, &[0, 0xab, 0x54, 0xa9, 0x8c, 0xeb, 0x1f, 0x0a, 0xd2]),
        ] {
            assert_eq!(decimal(&json!(text)), Ok((scale, unscaled.to_vec())), "{text}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_no_row() {
        let schemas = Schemas::default();
        let id = schemas.define(Schema::of(Kind::Int32)).unwrap();
        let mut out = Vec::new();
        assert_eq!(put(&schemas, id, &json!({"int32": -5}), &mut out), Ok(false));
        assert_eq!(out, (-5_i64).to_le_bytes());
        let error = put(&schemas, id, &json!({"string": "5"}), &mut out).unwrap_err();
        assert_eq!(error.to_string(), "Invalid type for INT32: class java.lang.String");
    }
}
