//! MaskField: the values of chosen fields are replaced by nothing of their type, or by a text.

use std::marker::PhantomData;
use std::ops::Range;

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::tape::{self, Tag, Value};
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, Kind, PluginInfo, Record, Result, Schema, Transform,
    logical, rows,
};

use crate::operand::{self, Copied, MapWriter, class_of_schema, class_of_value, extend_run};
use crate::plugin::{REPLACE_NULL_WITH_DEFAULT, Side, names, non_empty, replace_null_with_default, sided};

const PURPOSE: &str = "mask fields";

/// Masks fields of a key or value.
pub(crate) struct MaskField<S> {
    mask: Mask,
    defaults: bool,
    plans: BySchema<Plan>,
    map: MapWriter,
    side: PhantomData<S>,
}

struct Mask {
    fields: Vec<String>,
    replacement: Option<String>,
}

/// What becomes of the fields of a struct, in order.
struct Plan {
    n_fields: usize,
    steps: Vec<Step>,
}

enum Step {
    /// These stay as they are.
    Copy(Range<usize>),
    /// The one at this place does not, or may not be null.
    One(usize, Field),
}

/// What becomes of one field.
struct Field {
    copied: Copied,
    /// In place of what is not null; a type that cannot be masked fails the record.
    masked: Option<Result<Vec<u8>>>,
}

impl<S: Side> Transform for MaskField<S> {
    fn info() -> PluginInfo {
        sided::<S>("MaskField")
            .doc("Mask specified fields with a valid null value for the field type, or with the replacement.")
            .config(
                ConfigDef::new()
                    .key(ConfigKey::list("fields").high().non_empty().doc("Names of fields to mask."))
                    .key(ConfigKey::string("replacement").optional().low().non_empty().doc(
                        "Custom value replacement, that will be applied to all 'fields' values (numeric or \
                         non-empty string values only).",
                    ))
                    .key(replace_null_with_default()),
            )
    }

    fn configure(config: &Config) -> Result<Self> {
        let replacement =
            config.optional("replacement").map(|text| non_empty("replacement", text)).transpose()?;
        Ok(Self {
            mask: Mask { fields: names(config, "fields")?, replacement: replacement.map(str::to_owned) },
            defaults: config.boolean(REPLACE_NULL_WITH_DEFAULT)?,
            plans: BySchema::new(),
            map: MapWriter::default(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let schema = record.schema(S::PART);
        let (mask, map) = (&self.mask, &mut self.map);
        if schema == 0 {
            record.rewrite(S::PART, |record, out| {
                mask.map(operand::map(record.get(S::PART), PURPOSE)?, map, out)?;
                Ok(0)
            })?;
            return Ok(Flow::Keep);
        }
        let is_null = record.get(S::PART).is_none();
        let defaults = self.defaults;
        let plan = self.plans.get_or_try_insert(schema, || {
            mask.plan(&*operand::struct_schema(schema, PURPOSE, is_null)?, defaults)
        })?;
        if is_null {
            return Err(operand::null_struct(PURPOSE));
        }
        if plan.steps.iter().all(|step| matches!(step, Step::Copy(_))) {
            return Ok(Flow::Keep);
        }
        record.rewrite(S::PART, |record, out| {
            let row = operand::row(record.get(S::PART).unwrap_or_default(), plan.n_fields)?;
            let mut writer = RowWriter::start(out, plan.n_fields);
            for step in &plan.steps {
                match step {
                    Step::Copy(fields) => operand::copy_run(&mut writer, out, row, fields.clone())?,
                    Step::One(place, field) => {
                        let value = field.copied.value(row.get(*place).ok_or_else(operand::layout)?)?;
                        let value = match (&field.masked, value) {
                            (Some(masked), Some(_)) => {
                                Some(masked.as_ref().map_err(Error::clone)?.as_slice())
                            }
                            _ => value,
                        };
                        writer.copy(out, value);
                    }
                }
            }
            Ok(schema)
        })?;
        Ok(Flow::Keep)
    }
}

impl Mask {
    fn plan(&self, schema: &Schema, defaults: bool) -> Result<Plan> {
        let mut steps = Vec::new();
        for (place, (field, copied)) in
            schema.fields.iter().zip(operand::copied(schema, defaults)?).enumerate()
        {
            let masked = match self.fields.contains(&field.name) {
                true => Some(self.masked_rows(&*operand::schema(field.schema)?)),
                false => None,
            };
            if masked.is_some() || !copied.is_plain() {
                steps.push(Step::One(place, Field { copied, masked }));
                continue;
            }
            let last = steps.last_mut().and_then(|step| match step {
                Step::Copy(run) => Some(run),
                Step::One(..) => None,
            });
            if !extend_run(last, place) {
                steps.push(Step::Copy(place..place + 1));
            }
        }
        Ok(Plan { n_fields: schema.fields.len(), steps })
    }

    /// Every masked field is there afterwards: one that was missing is null.
    fn map(&self, map: operand::Map<'_>, writer: &mut MapWriter, out: &mut Vec<u8>) -> Result<()> {
        writer.start(out);
        for (key, value) in map.pairs() {
            if self.fields.iter().any(|field| tape::is_string(key, field)) {
                out.extend_from_slice(key);
                writer.item(out);
                self.masked_tape(Value::new(value).ok_or_else(operand::layout)?, out)?;
                writer.item(out);
            } else {
                writer.copy(out, key, value);
            }
        }
        for (at, field) in self.fields.iter().enumerate() {
            let named_before = self.fields.iter().take(at).any(|before| before == field);
            if map.get(field).is_none() && !named_before {
                writer.key(out, field);
                tape::put_null(out);
                writer.item(out);
            }
        }
        writer.finish(out);
        Ok(())
    }

    /// What stands in place of a value of `schema`, laid out by it.
    fn masked_rows(&self, schema: &Schema) -> Result<Vec<u8>> {
        let class = class_of_schema(schema);
        let is_date = class == "java.util.Date";
        let mut out = Vec::new();
        match (schema.kind, &self.replacement) {
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, None) => rows::put_int(&mut out, 0),
            (kind @ (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64), Some(text)) if !is_date => {
                let number = to_integer(text)?;
                rows::put_int(
                    &mut out,
                    match kind {
                        Kind::Int8 => (number as i8).into(),
                        Kind::Int16 => (number as i16).into(),
                        Kind::Int32 => (number as i32).into(),
                        _ => number,
                    },
                );
            }
            (Kind::Float32 | Kind::Float64, None) => rows::put_float(&mut out, 0.0),
            (Kind::Float32, Some(text)) => rows::put_float(&mut out, f64::from(to_double(text)? as f32)),
            (Kind::Float64, Some(text)) => rows::put_float(&mut out, to_double(text)?),
            (Kind::Boolean, None) => rows::put_boolean(&mut out, false),
            (Kind::String, None) => {}
            (Kind::String, Some(text)) => out.extend_from_slice(text.as_bytes()),
            (Kind::Bytes, None) if schema.is_logical(logical::DECIMAL) => out.push(0),
            (Kind::Bytes, Some(text)) if schema.is_logical(logical::DECIMAL) => {
                let scale = operand::scale(schema);
                let (unscaled, has) = unscaled(text).ok_or_else(|| no_decimal(text))?;
                let unscaled = rescale(unscaled, has, scale).ok_or_else(|| {
                    Error::bad_record(format!(
                        "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, \
                         value has scale {has}."
                    ))
                })?;
                put_unscaled(&mut out, unscaled);
            }
            (Kind::Array | Kind::Map, None) => out.extend_from_slice(&0_u32.to_le_bytes()),
            _ => return Err(self.cannot(class)),
        }
        Ok(out)
    }

    /// Appends what stands in place of a schemaless value.
    fn masked_tape(&self, value: Value<'_>, out: &mut Vec<u8>) -> Result<()> {
        match (value, &self.replacement) {
            (Value::Null, _) => tape::put_null(out),
            (Value::Boolean(_), None) => tape::put_boolean(out, false),
            (Value::Int(tag, _), None) => tape::put_int(out, tag, 0),
            (Value::Int(tag, _), Some(text)) => {
                let number = to_integer(text)?;
                tape::put_int(
                    out,
                    tag,
                    match tag {
                        Tag::Int8 => (number as i8).into(),
                        Tag::Int16 => (number as i16).into(),
                        Tag::Int32 => (number as i32).into(),
                        _ => number,
                    },
                );
            }
            (Value::Float(tag, _), None) => tape::put_float(out, tag, 0.0),
            (Value::Float(Tag::Float32, _), Some(text)) => {
                tape::put_float(out, Tag::Float32, f64::from(to_double(text)? as f32));
            }
            (Value::Float(tag, _), Some(text)) => tape::put_float(out, tag, to_double(text)?),
            (Value::String(_), None) => tape::put_string(out, ""),
            (Value::String(_), Some(text)) => tape::put_string(out, text),
            (Value::Decimal(..), None) => tape::put_decimal(out, 0, &[0]),
            (Value::Decimal(..), Some(text)) => {
                let (unscaled, scale) = unscaled(text).ok_or_else(|| no_decimal(text))?;
                let mut bytes = Vec::new();
                put_unscaled(&mut bytes, unscaled);
                tape::put_decimal(out, scale, &bytes);
            }
            (Value::Date(_), None) => tape::put_date(out, 0),
            (Value::Array(_), None) => tape::start_array(out).finish(out),
            (Value::Map(_), None) => tape::start_map(out).finish(out),
            (value, _) => return Err(self.cannot(class_of_value(&value))),
        }
        Ok(())
    }

    fn cannot(&self, class: &str) -> Error {
        Error::bad_record(if self.replacement.is_some() {
            format!("Cannot mask value of type class {class} with custom replacement.")
        } else {
            format!("Cannot mask value of type: class {class}")
        })
    }
}

fn not_a_number(text: &str) -> Error {
    Error::bad_record(format!("Unable to convert {text} (class java.lang.String) to a number"))
}

/// The same for decimals, in the words that Kafka Connect has for these.
fn no_decimal(text: &str) -> Error {
    Error::bad_record(format!("Unable to convert {text} (class java.lang.String) to number"))
}

/// The lower 64 bits of a number without its fraction.
fn to_integer(text: &str) -> Result<i64> {
    let (unscaled, scale) = unscaled(text).ok_or_else(|| not_a_number(text))?;
    let ten = |power: u32| 10_i128.checked_pow(power);
    Ok(match u32::try_from(scale) {
        Ok(scale) => ten(scale).map_or(0, |ten| unscaled / ten) as i64,
        // 10^64 is a multiple of 2^64: nothing is left from there on.
        Err(_) => {
            (0..scale.unsigned_abs().min(64)).fold(unscaled as i64, |number, _| number.wrapping_mul(10))
        }
    })
}

fn to_double(text: &str) -> Result<f64> {
    unscaled(text).ok_or_else(|| not_a_number(text))?;
    text.parse().map_err(|_| not_a_number(text))
}

/// A number as `BigDecimal` reads it, up to 38 digits: unscaled value and scale.
fn unscaled(text: &str) -> Option<(i128, i32)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if fraction.starts_with(['+', '-']) {
        return None;
    }
    let unscaled = [whole, fraction].concat().parse().ok()?;
    Some((unscaled, (fraction.len() as i32).checked_sub(exponent)?))
}

/// The same number at another scale, unless digits would be lost.
fn rescale(unscaled: i128, from: i32, to: i32) -> Option<i128> {
    if unscaled == 0 {
        return Some(0);
    }
    let ten = 10_i128.checked_pow(from.abs_diff(to))?;
    if to >= from {
        return unscaled.checked_mul(ten);
    }
    (unscaled % ten == 0).then_some(unscaled / ten)
}

/// Appends big-endian two's complement, as few bytes as possible.
fn put_unscaled(out: &mut Vec<u8>, value: i128) {
    let bytes = value.to_be_bytes();
    let sign = if value < 0 { 0xff } else { 0 };
    let extra = bytes
        .windows(2)
        .take_while(|pair| matches!(pair, [first, second] if *first == sign && (second ^ sign) & 0x80 == 0))
        .count();
    out.extend_from_slice(bytes.get(extra..).unwrap_or_default());
}
