//! Cast: fields, or the whole key or value, become another type.

use std::marker::PhantomData;

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::{
    Config, ConfigDef, Flow, Key as ConfigKey, Kind, PluginInfo, Problem, Record, Result, Schema, SchemaId,
    Transform, schemas, tape,
};

use crate::operand::{self, Copied, MapWriter, copy_basics};
use crate::plugin::{REPLACE_NULL_WITH_DEFAULT, Side, problems, replace_null_with_default, sided};

mod spec;
mod value;

use spec::Casts;
use value::{Dates, Source, cast_tape};

const PURPOSE: &str = "cast types";

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
