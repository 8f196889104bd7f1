//! ValueToKey: a new key from fields of the value.

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, Kind, Part, PluginInfo, Record, Result, Schema,
    SchemaId, Transform, schemas, tape,
};

use crate::operand::{self, Copied, MapWriter, add_field};
use crate::plugin::{REPLACE_NULL_WITH_DEFAULT, names, replace_null_with_default, transform};

const PURPOSE: &str = "copying fields from value to key";

/// Makes keys of fields.
pub(crate) struct ValueToKey {
    fields: Vec<String>,
    defaults: bool,
    plans: BySchema<Plan>,
    map: MapWriter,
}

struct Plan {
    /// Of the key.
    schema: SchemaId,
    /// Number of fields of the value.
    n_fields: usize,
    /// For each field of the key its place in the value.
    fields: Vec<(usize, Copied)>,
}

impl Transform for ValueToKey {
    fn info() -> PluginInfo {
        transform("ValueToKey")
            .doc("Replace the record key with a new key formed from a subset of fields in the record value.")
            .config(
                ConfigDef::new()
                    .key(
                        ConfigKey::list("fields")
                            .high()
                            .non_empty()
                            .doc("Field names on the record value to extract as the record key."),
                    )
                    .key(replace_null_with_default()),
            )
            .without_key()
            .without_headers()
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            fields: names(config, "fields")?,
            defaults: config.boolean(REPLACE_NULL_WITH_DEFAULT)?,
            plans: BySchema::new(),
            map: MapWriter::default(),
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let schema = record.value_schema();
        let (fields, map, defaults) = (&self.fields, &mut self.map, self.defaults);
        if schema == 0 {
            record.rewrite(Part::Key, |record, out| {
                let value = operand::map(record.value(), PURPOSE)?;
                map.start(out);
                for (at, field) in fields.iter().enumerate() {
                    if fields.iter().take(at).any(|before| before == field) {
                        continue;
                    }
                    map.key(out, field);
                    match value.get(field) {
                        Some(value) => out.extend_from_slice(value),
                        None => tape::put_null(out),
                    }
                    map.item(out);
                }
                map.finish(out);
                Ok(0)
            })?;
            return Ok(Flow::Keep);
        }
        if record.value().is_none() {
            return Err(operand::null_struct(PURPOSE));
        }
        let plan = self.plans.get_or_try_insert(schema, || {
            Plan::new(fields, &*operand::struct_schema(schema, PURPOSE, false)?, defaults)
        })?;
        record.rewrite(Part::Key, |record, out| {
            let row = operand::row(record.value().unwrap_or_default(), plan.n_fields)?;
            let mut writer = RowWriter::start(out, plan.fields.len());
            for (place, field) in &plan.fields {
                field.copy(row.get(*place).ok_or_else(operand::layout)?, &mut writer, out)?;
            }
            Ok(plan.schema)
        })?;
        Ok(Flow::Keep)
    }
}

impl Plan {
    fn new(names: &[String], value: &Schema, defaults: bool) -> Result<Self> {
        let mut key = Schema::of(Kind::Struct);
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let place = value
                .field_index(name)
                .ok_or_else(|| Error::bad_record(format!("Field does not exist: {name}")))?;
            let field = value.fields.get(place).ok_or_else(operand::layout)?;
            add_field(&mut key, name, field.schema)?;
            fields.push((place, Copied::of(field, defaults)?));
        }
        Ok(Self { schema: schemas::define(&key)?, n_fields: value.fields.len(), fields })
    }
}
