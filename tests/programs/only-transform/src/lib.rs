//! A transform that hands every batch back as it is, in a component of the world `transform-plugin`:
//! it exports no source and no sink.

wit_bindgen::generate!({ path: "../../../wit", world: "transform-plugin" });

use cofferdam::connect::connect_types::{BatchResult, Config, Error, Frame};
use exports::cofferdam::connect::plugin_api::{Format, KeyErrors, Kind, PluginInfo};
use exports::cofferdam::connect::transform_api::Step;
use exports::cofferdam::connect::{plugin_api, transform_api};

struct OnlyTransform;

export!(OnlyTransform);

impl plugin_api::Guest for OnlyTransform {
    fn describe() -> Vec<PluginInfo> {
        vec![PluginInfo {
            class: "test.OnlyTransform".to_owned(),
            aliases: Vec::new(),
            kind: Kind::Transform,
            version: "1.0".to_owned(),
            documentation: String::new(),
            config_def: Vec::new(),
            key_format: Format::Raw,
            value_format: Format::Raw,
            needs_key: false,
            needs_value: false,
            needs_headers: false,
            pure: true,
            idempotent: false,
            task_class: None,
            capabilities: Vec::new(),
        }]
    }

    fn validate(_: String, _: Config) -> Vec<KeyErrors> {
        Vec::new()
    }
}

impl transform_api::Guest for OnlyTransform {
    fn configure(_: Vec<Step>) -> Result<(), Error> {
        Ok(())
    }

    fn apply(batch: Frame) -> Result<BatchResult, Error> {
        Ok(BatchResult { output: batch, bad: Vec::new() })
    }
}
