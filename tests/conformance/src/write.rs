//! Recorded values to rows and tape.
//!
//! A frame can only hold values that fit their schema. Kafka Connect can be handed others by a
//! careless connector, and some cases do that: their values are called not representable.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_api::Schemas;
use cofferdam_frame::rows::{self, ListWriter, RowWriter};
use cofferdam_frame::tape::{self, Tag};
use cofferdam_frame::{Field, Kind, Schema, SchemaId, logical};
use serde_json::Value;

use crate::case::member;

const DAY_MS: i64 = 86_400_000;

/// Why a value cannot be written.
pub type Misfit = String;

/// Appends `typed` as a value of the schema `id`; answers whether it is null.
///
/// # Errors
/// When the value does not fit the schema.
pub fn put_rows(schemas: &Schemas, id: SchemaId, typed: &Value, out: &mut Vec<u8>) -> Result<bool, Misfit> {
    if typed.is_null() {
        return Ok(true);
    }
    let schema = schemas.get(id).ok_or("a value without a schema among values with one")?;
    let (tag, value) = leaf(typed)?;
    let wanted = tag_of(&schema);
    if tag != wanted {
        return Err(format!("{tag} where the schema says {wanted}"));
    }
    match wanted {
        "int8" | "int16" | "int32" | "int64" => rows::put_int(out, int(value)?),
        "float32" => rows::put_float(out, single(value)?),
        "float64" => rows::put_float(out, double(value)?),
        "boolean" => rows::put_boolean(out, value.as_bool().ok_or_else(|| no(value))?),
        "string" => out.extend_from_slice(text(value)?.as_bytes()),
        "bytes" => out.extend(bytes(value)?),
        "decimal" => put_decimal(&schema, value, out)?,
        "date_ms" => put_date(&schema, int(value)?, out)?,
        "struct" => put_struct(schemas, &schema, value, out)?,
        _ => {
            let mut list = ListWriter::start(out);
            for (item, schema) in items(&schema, value)? {
                let null = put_rows(schemas, schema, item, out)?;
                list.item(out, null);
            }
            list.finish(out);
        }
    }
    Ok(false)
}

/// Appends `typed` as a value without a schema. A struct in it has one all the same, which cases do not
/// tell: it is made up from the struct's fields.
///
/// # Errors
/// When it holds something that only has a meaning in Java.
pub fn put_tape(schemas: &Schemas, typed: &Value, out: &mut Vec<u8>) -> Result<(), Misfit> {
    if typed.is_null() {
        tape::put_null(out);
        return Ok(());
    }
    let (tag, value) = leaf(typed)?;
    match tag {
        "boolean" => tape::put_boolean(out, value.as_bool().ok_or_else(|| no(value))?),
        "int8" => tape::put_int(out, Tag::Int8, int(value)?),
        "int16" => tape::put_int(out, Tag::Int16, int(value)?),
        "int32" => tape::put_int(out, Tag::Int32, int(value)?),
        "int64" => tape::put_int(out, Tag::Int64, int(value)?),
        "float32" => tape::put_float(out, Tag::Float32, single(value)?),
        "float64" => tape::put_float(out, Tag::Float64, double(value)?),
        "string" => tape::put_string(out, text(value)?),
        "bytes" => tape::put_bytes(out, &bytes(value)?),
        "decimal" => {
            let (scale, unscaled) = decimal(value)?;
            tape::put_decimal(out, scale, &unscaled);
        }
        "date_ms" => tape::put_date(out, int(value)?),
        "array" => {
            let mut list = tape::start_array(out);
            for item in array(value)? {
                put_tape(schemas, item, out)?;
                list.item(out, false);
            }
            list.finish(out);
        }
        "map" => {
            let mut list = tape::start_map(out);
            for item in array(value)?.iter().flat_map(|pair| pair.as_array().into_iter().flatten()) {
                put_tape(schemas, item, out)?;
                list.item(out, false);
            }
            list.finish(out);
        }
        "struct" => {
            let id = made_up(schemas, typed)?;
            out.push(Tag::Struct as u8);
            out.extend_from_slice(&id.to_le_bytes());
            put_rows(schemas, id, typed, out)?;
        }
        _ => return Err(format!("{tag} without a schema")),
    }
    Ok(())
}

/// A schema that `typed` fits.
fn made_up(schemas: &Schemas, typed: &Value) -> Result<SchemaId, Misfit> {
    let define = |schema: Schema| schemas.define(schema.optional()).map_err(|error| error.to_string());
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

fn put_struct(schemas: &Schemas, schema: &Schema, value: &Value, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let given = array(value)?;
    let names = given.iter().map(|pair| pair.get(0).and_then(Value::as_str));
    if !names.eq(schema.fields.iter().map(|field| Some(field.name.as_str()))) {
        return Err("a struct of another schema".to_owned());
    }
    let mut row = RowWriter::start(out, given.len());
    for (pair, field) in given.iter().zip(&schema.fields) {
        let null = put_rows(schemas, field.schema, pair.get(1).unwrap_or(&Value::Null), out)?;
        row.field(out, null);
    }
    Ok(())
}

/// The items of an array, or the keys and values of a map in turn, each with its schema.
fn items<'a>(schema: &Schema, value: &'a Value) -> Result<Vec<(&'a Value, SchemaId)>, Misfit> {
    let below = schema.value.unwrap_or(0);
    let key = schema.key.unwrap_or(0);
    let list = array(value)?;
    if schema.kind == Kind::Array {
        return Ok(list.iter().map(|item| (item, below)).collect());
    }
    let pair = |pair: &'a Value| {
        [(pair.get(0).unwrap_or(&Value::Null), key), (pair.get(1).unwrap_or(&Value::Null), below)]
    };
    Ok(list.iter().flat_map(pair).collect())
}

fn put_decimal(schema: &Schema, value: &Value, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let (scale, unscaled) = decimal(value)?;
    let wanted = schema.parameters.iter().find(|(name, _)| name == "scale");
    match wanted.and_then(|(_, wanted)| wanted.parse::<i32>().ok()) {
        Some(wanted) if wanted == scale => out.extend(unscaled),
        wanted => return Err(format!("scale {scale} where the schema says {wanted:?}")),
    }
    Ok(())
}

fn put_date(schema: &Schema, millis: i64, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let fits = match schema.name.as_deref() {
        Some(logical::DATE) => millis % DAY_MS == 0,
        Some(logical::TIME) => (0..=DAY_MS).contains(&millis),
        _ => true,
    };
    if !fits {
        return Err(format!("{millis} ms in a {}", schema.name.as_deref().unwrap_or_default()));
    }
    rows::put_int(out, if schema.is_logical(logical::DATE) { millis / DAY_MS } else { millis });
    Ok(())
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
    STANDARD.decode(text(value)?).map_err(|error| error.to_string())
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

fn double(value: &Value) -> Result<f64, Misfit> {
    text(value)?.parse().map_err(|_| no(value))
}

/// A float is kept as the double of the same value.
fn single(value: &Value) -> Result<f64, Misfit> {
    text(value)?.parse::<f32>().map(f64::from).map_err(|_| no(value))
}

fn no(value: &Value) -> Misfit {
    format!("{value} is no recorded value")
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
        assert_eq!(put_rows(&schemas, id, &json!({"int32": -5}), &mut out), Ok(false));
        assert_eq!(out, (-5_i64).to_le_bytes());
        let error = put_rows(&schemas, id, &json!({"string": "5"}), &mut out);
        assert_eq!(error, Err("string where the schema says int32".to_owned()));
    }
}
