//! What plugins say of their settings, compared with `cases/config-defs.json`.

use cofferdam_config::{ConfigDef, ConfigKey, Validator};
use serde_json::{Value, json};

/// The keys of a definition as the recording describes them, in their order.
#[must_use]
pub fn describe(def: &ConfigDef) -> Value {
    def.keys.iter().map(describe_key).collect()
}

fn describe_key(key: &ConfigKey) -> Value {
    json!({
        "name": key.name,
        "type": key.config_type.as_str(),
        "importance": key.importance.as_str(),
        "required": key.is_required(),
        "default": key.default_text(),
        "validator": validator_text(&key.validator),
    })
}

/// A validator as Java's documentation of settings prints it; null for none.
fn validator_text(validator: &Validator) -> Option<String> {
    let list = |values: &[String]| format!("[{}]", values.join(", "));
    Some(match validator {
        Validator::Any => return None,
        Validator::OneOf(values) => list(values),
        Validator::OneOfIgnoreCase(values) => format!("(case insensitive) {}", list(values)),
        Validator::NonEmptyString => "non-empty string".to_owned(),
        // Kafka Connect prints the values that are allowed, and here any are.
        Validator::NonEmptyList => String::new(),
        Validator::Regex => "valid regex".to_owned(),
        other => format!("{other:?}"),
    })
}
