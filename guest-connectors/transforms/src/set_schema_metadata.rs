//! SetSchemaMetadata: another name or version for the schema of a struct.

use std::marker::PhantomData;

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, Kind, PluginInfo, Problem, Record, Result, Schema,
    SchemaId, Transform, schemas,
};

use crate::operand::{self, Copied};
use crate::plugin::{REPLACE_NULL_WITH_DEFAULT, Side, problems, replace_null_with_default, sided};

/// Names schemas.
pub(crate) struct SetSchemaMetadata<S> {
    name: Option<String>,
    version: Option<i32>,
    defaults: bool,
    plans: BySchema<Plan>,
    side: PhantomData<S>,
}

struct Plan {
    schema: SchemaId,
    fields: Vec<Copied>,
    /// Whether no field is changed by the copy.
    keeps_bytes: bool,
}

impl<S: Side> Transform for SetSchemaMetadata<S> {
    fn info() -> PluginInfo {
        sided::<S>("SetSchemaMetadata")
            .doc("Set the schema name, version or both on the record's key or value schema.")
            .config(
                ConfigDef::new()
                    .key(ConfigKey::string("schema.name").optional().high().doc("Schema name to set."))
                    .key(ConfigKey::int("schema.version").optional().high().doc("Schema version to set."))
                    .key(replace_null_with_default()),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        problems(name_and_version(config))
    }

    fn configure(config: &Config) -> Result<Self> {
        let (name, version) = name_and_version(config)?;
        Ok(Self {
            name,
            version,
            defaults: config.boolean(REPLACE_NULL_WITH_DEFAULT)?,
            plans: BySchema::new(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let schema = record.schema(S::PART);
        let is_null = operand::is_null_part(record, S::PART);
        if schema == 0 {
            return if is_null {
                Ok(Flow::Keep)
            } else {
                Err(Error::bad_record("Schema required for [updating schema metadata]"))
            };
        }
        let (name, version, defaults) = (&self.name, self.version, self.defaults);
        let plan = self.plans.get_or_try_insert(schema, || {
            Plan::new(name.as_deref(), version, &*operand::schema(schema)?, defaults)
        })?;
        if is_null || plan.keeps_bytes {
            record.set_schema(S::PART, plan.schema);
            return Ok(Flow::Keep);
        }
        record.rewrite(S::PART, |record, out| {
            let row = operand::row(record.get(S::PART).unwrap_or_default(), plan.fields.len())?;
            let mut writer = RowWriter::start(out, plan.fields.len());
            for (field, value) in plan.fields.iter().zip(row.iter()) {
                field.copy(value, &mut writer, out)?;
            }
            Ok(plan.schema)
        })?;
        Ok(Flow::Keep)
    }
}

fn name_and_version(config: &Config) -> Result<(Option<String>, Option<i32>)> {
    let name = config.optional("schema.name").map(str::to_owned);
    let version = config.optional("schema.version").map(|_| config.int("schema.version")).transpose()?;
    if name.is_none() && version.is_none() {
        return Err(Error::config("schema.name", "Neither schema name nor version configured"));
    }
    Ok((name, version))
}

impl Plan {
    fn new(name: Option<&str>, version: Option<i32>, schema: &Schema, defaults: bool) -> Result<Self> {
        if schema.kind != Kind::Struct {
            return Err(operand::no_fields());
        }
        let mut changed = schema.clone();
        if let Some(name) = name {
            changed.name = Some(name.to_owned());
        }
        changed.version = version.or(changed.version);
        let fields = operand::copied(schema, defaults)?;
        Ok(Self {
            schema: schemas::define(&changed)?,
            keeps_bytes: fields.iter().all(Copied::is_plain),
            fields,
        })
    }
}
