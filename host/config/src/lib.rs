//! Kafka's string maps at the edge, typed settings inside: ConfigDef and its validation, the
//! worker's and the connectors' own keys.
//!
//! Nothing here connects to anything. Texts of faults are Kafka's own, because programs and
//! people know them.

pub mod connector;
mod def;
mod properties;
mod regex;
mod validate;
mod value;
pub mod worker;

pub use connector::{
    ConnectorSettings, ConverterSettings, DlqSettings, ErrorSettings, PredicateSettings, Tolerance, Topics,
    TransformSettings,
};
pub use def::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance, Validator, Width};
pub use properties::read_properties;
pub use regex::{full_match, java_full_regex, java_regex};
pub use validate::{ConfigValue, KeyError, Parsed, class_not_found, invalid_value, missing_key};
pub use value::{HIDDEN, Value, split_list};
pub use worker::{
    DistributedSettings, ExactlyOnce, GuestSettings, Listener, Mode, ModeSettings, Scheme, TopicSettings,
    WorkerSettings,
};
