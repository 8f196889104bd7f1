//! InsertHeader: a constant header.

use cofferdam_sdk::frame::values;
use cofferdam_sdk::{
    Config, ConfigDef, Flow, Key as ConfigKey, PluginInfo, Record, Result, SchemaId, Transform, schemas,
};

use crate::plugin::transform;

/// Adds the same header to every record.
pub(crate) struct InsertHeader {
    name: String,
    literal: String,
    /// What the literal stands for, read with the first record: its schemas are the task's.
    value: Option<(SchemaId, Option<Vec<u8>>)>,
}

impl Transform for InsertHeader {
    fn info() -> PluginInfo {
        transform("InsertHeader")
            .doc("Add a header to each record.")
            .config(
                ConfigDef::new().key(ConfigKey::string("header").high().doc("The name of the header.")).key(
                    ConfigKey::string("value.literal")
                        .high()
                        .doc("The literal value that is to be set as the header value on all records."),
                ),
            )
            .without_key()
            .without_value()
            .without_headers()
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            name: config.string("header")?.to_owned(),
            literal: config.string("value.literal")?.to_owned(),
            value: None,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let (schema, value) = match &self.value {
            Some(value) => value,
            None => self.value.insert(read(&self.literal)?),
        };
        record.add_header(&self.name, *schema, value.as_deref());
        Ok(Flow::Keep)
    }
}

/// The value that Kafka Connect takes the text for: `1` is a number, `[1,2]` an array.
fn read(literal: &str) -> Result<(SchemaId, Option<Vec<u8>>)> {
    let mut out = Vec::new();
    let parsed = values::parse(literal, &mut out, &mut schemas::define)?;
    Ok((parsed.schema, (!parsed.null).then_some(out)))
}
