//! Kafka's string maps at the edge, typed settings inside: ConfigDef and its validation, the
//! worker's and the connectors' own keys.

mod def;

pub use def::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance, Validator, Width};
