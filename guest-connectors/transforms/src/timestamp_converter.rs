//! TimestampConverter: moments from one form to another, as a field or as the whole key or value.

use std::marker::PhantomData;

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, Kind, PluginInfo, Problem, Record, Result, Schema,
    SchemaId, Transform, schemas, tape,
};

use crate::date_format::DateFormat;
use crate::operand::{self, Copied, MapWriter, copy_basics};
use crate::plugin::{REPLACE_NULL_WITH_DEFAULT, Side, problems, replace_null_with_default, sided};

mod forms;

use forms::{Forms, Precision, Source, Target};

const PURPOSE: &str = "converting timestamp formats";

/// Converts timestamps.
pub(crate) struct TimestampConverter<S> {
    /// Empty for the whole.
    field: String,
    forms: Forms,
    defaults: bool,
    plans: BySchema<Plan>,
    map: MapWriter,
    side: PhantomData<S>,
}

enum Plan {
    Whole { source: Source, schema: SchemaId },
    Struct { schema: SchemaId, fields: Vec<Field> },
}

struct Field {
    copied: Copied,
    /// Only of the field that is converted; what its type is not good for fails the record.
    source: Option<Result<Source>>,
}

impl<S: Side> Transform for TimestampConverter<S> {
    fn info() -> PluginInfo {
        sided::<S>("TimestampConverter")
            .doc(
                "Convert timestamps between different formats such as Unix epoch, strings, and Connect Date/Timestamp \
                 types. Applies to individual fields or to the entire value.",
            )
            .config(
                ConfigDef::new()
                    .key(ConfigKey::string("field").default("").high().doc(
                        "The field containing the timestamp, or empty if the entire value is a timestamp",
                    ))
                    .key(ConfigKey::string("target.type").high().one_of(&Target::NAMES).doc(
                        "The desired timestamp representation: string, unix, Date, Time, or Timestamp",
                    ))
                    .key(ConfigKey::string("format").default("").doc(
                        "A SimpleDateFormat-compatible format for the timestamp. Used to generate the output when \
                         type=string or used to parse the input if the input is a string.",
                    ))
                    .key(
                        ConfigKey::string("unix.precision")
                            .default("milliseconds")
                            .low()
                            .one_of(&Precision::NAMES)
                            .doc(
                                "The desired Unix precision for the timestamp: seconds, milliseconds, microseconds, \
                                 or nanoseconds. Used to generate the output when type=unix or used to parse the \
                                 input if the input is a Long. Note: This SMT will cause precision loss during \
                                 conversions from, and to, values with sub-millisecond components.",
                            ),
                    )
                    .key(replace_null_with_default()),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        problems(forms(config))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            field: config.string("field")?.to_owned(),
            forms: forms(config)?,
            defaults: config.boolean(REPLACE_NULL_WITH_DEFAULT)?,
            plans: BySchema::new(),
            map: MapWriter::default(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let schema = record.schema(S::PART);
        if schema == 0 {
            self.schemaless(record)?
        } else {
            self.with_schema(schema, record)?
        }
        Ok(Flow::Keep)
    }
}

impl<S: Side> TimestampConverter<S> {
    fn schemaless(&mut self, record: &mut Record<'_>) -> Result<()> {
        if operand::is_null_part(record, S::PART) {
            return Ok(());
        }
        let (forms, field, writer) = (&self.forms, &self.field, &mut self.map);
        record.rewrite(S::PART, |record, out| {
            if field.is_empty() {
                forms.tape(record.get(S::PART).unwrap_or_default(), out)?;
            } else {
                convert_in_map(forms, field, operand::map(record.get(S::PART), PURPOSE)?, writer, out)?;
            }
            Ok(0)
        })
    }

    fn with_schema(&mut self, schema: SchemaId, record: &mut Record<'_>) -> Result<()> {
        let (forms, field, defaults) = (&self.forms, &self.field, self.defaults);
        let is_null = record.get(S::PART).is_none();
        let plan = self.plans.get_or_try_insert(schema, || {
            let known = operand::schema(schema)?;
            if field.is_empty() {
                return Plan::whole(forms, &known);
            }
            if !is_null {
                operand::struct_schema(schema, PURPOSE, false)?;
            }
            Plan::of_struct(forms, field, &known, defaults)
        })?;
        if is_null {
            let schema = match plan {
                Plan::Whole { schema, .. } | Plan::Struct { schema, .. } => *schema,
            };
            record.set_schema(S::PART, schema);
            return Ok(());
        }
        record.rewrite(S::PART, |record, out| {
            let bytes = record.get(S::PART).unwrap_or_default();
            match plan {
                Plan::Whole { source, schema } => {
                    forms.rows(*source, bytes, out)?;
                    Ok(*schema)
                }
                Plan::Struct { schema, fields } => {
                    convert_in_struct(forms, fields, bytes, out)?;
                    Ok(*schema)
                }
            }
        })
    }
}

fn forms(config: &Config) -> Result<Forms> {
    let target = Target::named(config.string("target.type")?)?;
    let precision = Precision::named(config.string("unix.precision")?)?;
    let pattern = config.string("format")?;
    if target == Target::Text && pattern.is_empty() {
        return Err(Error::config(
            "format",
            "TimestampConverter requires format option to be specified when using string timestamps",
        ));
    }
    let format = if pattern.is_empty() {
        None
    } else {
        // The key of this complaint is the complaint, in the original too.
        Some(DateFormat::new(pattern).map_err(|error| {
            Error::config(
                "format",
                format!(
                    "Invalid value java.lang.IllegalArgumentException: {error} for configuration TimestampConverter \
                     requires a SimpleDateFormat-compatible pattern for string timestamps: {pattern}"
                ),
            )
        })?)
    };
    Ok(Forms { target, precision, format, pattern: pattern.to_owned() })
}

/// The field is there afterwards: when it was missing, it is null.
fn convert_in_map(
    forms: &Forms,
    field: &str,
    map: operand::Map<'_>,
    writer: &mut MapWriter,
    out: &mut Vec<u8>,
) -> Result<()> {
    writer.start(out);
    let mut found = false;
    for (key, value) in map.pairs() {
        if tape::is_string(key, field) {
            found = true;
            out.extend_from_slice(key);
            writer.item(out);
            forms.tape(value, out)?;
            writer.item(out);
        } else {
            writer.copy(out, key, value);
        }
    }
    if !found {
        writer.key(out, field);
        tape::put_null(out);
        writer.item(out);
    }
    writer.finish(out);
    Ok(())
}

fn convert_in_struct(forms: &Forms, fields: &[Field], bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let row = operand::row(bytes, fields.len())?;
    let mut writer = RowWriter::start(out, fields.len());
    for (field, value) in fields.iter().zip(row.iter()) {
        let Some(source) = &field.source else {
            field.copied.copy(value, &mut writer, out)?;
            continue;
        };
        let source = source.as_ref().map_err(Error::clone)?;
        let value = field.copied.value(value)?;
        if let Some(value) = value {
            forms.rows(*source, value, out)?;
        }
        writer.field(out, value.is_none());
    }
    Ok(())
}

impl Plan {
    fn whole(forms: &Forms, schema: &Schema) -> Result<Self> {
        let source = Source::of(schema)?;
        Ok(Self::Whole { source, schema: forms.target.schema(schema.optional)? })
    }

    fn of_struct(forms: &Forms, converted: &str, schema: &Schema, defaults: bool) -> Result<Self> {
        if schema.kind != Kind::Struct {
            return Err(operand::no_fields());
        }
        let mut changed = copy_basics(schema);
        changed.optional = schema.optional;
        let mut fields = Vec::with_capacity(schema.fields.len());
        for (field, copied) in schema.fields.iter().zip(operand::copied(schema, defaults)?) {
            let (id, source) = if field.name == converted {
                let inner = operand::schema(field.schema)?;
                (forms.target.schema(inner.optional)?, Some(Source::of(&inner)))
            } else {
                (field.schema, None)
            };
            operand::add_field(&mut changed, &field.name, id)?;
            fields.push(Field { copied, source });
        }
        if let Some(default) = &schema.default {
            let mut out = Vec::new();
            convert_in_struct(forms, &fields, default, &mut out)?;
            changed.default = Some(out);
        }
        Ok(Self::Struct { schema: schemas::define(&changed)?, fields })
    }
}
