//! HoistField: the whole key or value becomes the only field of a struct or map.

use std::marker::PhantomData;

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::{
    Config, ConfigDef, Flow, Key as ConfigKey, Kind, PluginInfo, Record, Result, Schema, SchemaId, Transform,
    schemas, tape,
};

use crate::operand::{self, MapWriter, add_field};
use crate::plugin::{Side, sided};

/// Wraps a key or value.
pub(crate) struct HoistField<S> {
    field: String,
    wrapped: BySchema<SchemaId>,
    map: MapWriter,
    side: PhantomData<S>,
}

impl<S: Side> Transform for HoistField<S> {
    fn info() -> PluginInfo {
        sided::<S>("HoistField")
            .doc(
                "Wrap data using the specified field name in a Struct when schema present, or a Map in the case of \
                 schemaless data.",
            )
            .config(ConfigDef::new().key(
                ConfigKey::string("field").doc("Field name for the single field that will be created in the resulting Struct or Map."),
            ))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            field: config.string("field")?.to_owned(),
            wrapped: BySchema::new(),
            map: MapWriter::default(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let (field, map) = (&self.field, &mut self.map);
        let schema = record.schema(S::PART);
        if schema == 0 {
            record.rewrite(S::PART, |record, out| {
                map.start(out);
                map.key(out, field);
                match record.get(S::PART) {
                    Some(value) => out.extend_from_slice(value),
                    None => tape::put_null(out),
                }
                map.item(out);
                map.finish(out);
                Ok(0)
            })?;
            return Ok(Flow::Keep);
        }
        let wrapped = *self.wrapped.get_or_try_insert(schema, || {
            let mut wrapped = Schema::of(Kind::Struct);
            add_field(&mut wrapped, field, schema)?;
            schemas::define(&wrapped)
        })?;
        if record.get(S::PART).is_none() {
            operand::may_be_null(field, &*operand::schema(schema)?)?;
        }
        record.rewrite(S::PART, |record, out| {
            RowWriter::start(out, 1).copy(out, record.get(S::PART));
            Ok(wrapped)
        })?;
        Ok(Flow::Keep)
    }
}
