//! Names and options of the converters.

use cofferdam_api::ConfigMap;
use cofferdam_config::{ConfigDef, ConfigKey, ConfigType, Importance, Parsed, Validator, Width};

use crate::{Error, Side};

const CONVERTER_TYPE: &str = "converter.type";

pub(crate) const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
pub(crate) const BYTE_ARRAY: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
pub(crate) const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

pub(crate) const BOOLEAN: &str = "org.apache.kafka.connect.converters.BooleanConverter";
pub(crate) const DOUBLE: &str = "org.apache.kafka.connect.converters.DoubleConverter";
pub(crate) const FLOAT: &str = "org.apache.kafka.connect.converters.FloatConverter";
pub(crate) const INTEGER: &str = "org.apache.kafka.connect.converters.IntegerConverter";
pub(crate) const LONG: &str = "org.apache.kafka.connect.converters.LongConverter";
pub(crate) const SHORT: &str = "org.apache.kafka.connect.converters.ShortConverter";

/// Full names of the converters that are built in, each for keys, values and headers.
pub const CLASSES: [&str; 9] = [BOOLEAN, BYTE_ARRAY, DOUBLE, FLOAT, INTEGER, LONG, SHORT, JSON, STRING];
/// Full name of the converter that is for headers only.
pub const SIMPLE_HEADER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// The full name of the built-in converter called `class`: that name, or the part behind its last dot.
#[must_use]
pub fn find(class: &str) -> Option<&'static str> {
    let is_called = |full: &&str| *full == class || full.rsplit('.').next() == Some(class);
    CLASSES.into_iter().chain([SIMPLE_HEADER]).find(is_called)
}

/// The options of the converter called `class`; none when it is not built in.
#[must_use]
pub fn config_def(class: &str) -> Option<ConfigDef> {
    let converter_type = ConfigKey::new(
        CONVERTER_TYPE,
        ConfigType::String,
        Importance::Low,
        "How this converter will be used.",
    )
    .validator(Validator::OneOf(["key", "value", "header"].map(str::to_owned).to_vec()));
    let mut keys = match find(class)? {
        SIMPLE_HEADER => return Some(ConfigDef::default()),
        STRING => vec![
            ConfigKey::new(
                "converter.encoding",
                ConfigType::String,
                Importance::High,
                "The name of the Java character set to use for encoding strings as byte arrays.",
            )
            .default_value("UTF-8")
            .width(Width::Medium)
            .display("Encoding"),
        ],
        JSON => json(),
        _ => Vec::new(),
    };
    keys.insert(0, converter_type);
    Some(ConfigDef::new(keys))
}

fn json() -> Vec<ConfigKey> {
    let schemas = "Schemas";
    let serialization = "Serialization";
    vec![
        ConfigKey::new(
            "schemas.enable",
            ConfigType::Boolean,
            Importance::High,
            "Include schemas within each of the serialized values and keys.",
        )
        .default_value("true")
        .group(schemas, 0)
        .width(Width::Medium)
        .display("Enable Schemas"),
        ConfigKey::new(
            "schemas.cache.size",
            ConfigType::Int,
            Importance::High,
            "The maximum number of schemas that can be cached in this converter instance.",
        )
        .default_value("1000")
        .group(schemas, 1)
        .width(Width::Medium)
        .display("Schema Cache Size"),
        ConfigKey::new(
            "schema.content",
            ConfigType::String,
            Importance::High,
            "When set, this is used as the schema for all messages that are read, which then hold the payload \
             only. Only with schemas.enable; it has no meaning for writing.",
        )
        .optional()
        .group(schemas, 2)
        .width(Width::Medium)
        .display("Schema Content"),
        ConfigKey::new(
            "decimal.format",
            ConfigType::String,
            Importance::Low,
            "How decimals are written: BASE64 writes their unscaled value, NUMERIC a number. Both are read.",
        )
        .default_value("BASE64")
        .validator(Validator::OneOfIgnoreCase(["NUMERIC", "BASE64"].map(str::to_owned).to_vec()))
        .group(serialization, 0)
        .width(Width::Medium)
        .display("Decimal Format"),
        ConfigKey::new(
            "replace.null.with.default",
            ConfigType::Boolean,
            Importance::Low,
            "Whether to replace fields that have a default value and that are null with the default value.",
        )
        .default_value("true")
        .group(serialization, 1)
        .width(Width::Medium)
        .display("Replace null with default"),
    ]
}

/// The options of `class`, checked. The type is not the user's to choose.
pub(crate) fn parse(class: &str, options: &ConfigMap, side: Side) -> Result<Parsed, Error> {
    let mut options = options.clone();
    let converter_type = match side {
        Side::Key => "key",
        Side::Value => "value",
        Side::Header => "header",
    };
    options.insert(CONVERTER_TYPE.to_owned(), converter_type.to_owned());
    let parsed = config_def(class).unwrap_or_default().parse(&options);
    match parsed.errors.first() {
        Some((key, message)) => Err(Error::Option { key: key.clone(), message: message.clone() }),
        None => Ok(parsed),
    }
}
