//! `ConfigDef` at work: parsing, and validation with Kafka's texts.

use cofferdam_api::ConfigMap;
use indexmap::IndexMap;

use crate::def::{ConfigDef, ConfigKey, DefaultValue, Validator};
use crate::value::Value;
use crate::worker::Listener;

/// Kafka's `ConfigValue`: what became of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    /// The key.
    pub name: String,
    /// The value as REST answers print it; none when unset or not parseable.
    pub value: Option<String>,
    /// Values that would do.
    pub recommended: Vec<String>,
    /// What is wrong with it.
    pub errors: Vec<String>,
    /// Whether a form shows it.
    pub visible: bool,
}

/// A fault of one key: name and message.
pub type KeyError = (String, String);

/// Values by key, defaults included, and what was wrong with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    values: IndexMap<String, Value>,
    /// Faults in the order of the keys.
    pub errors: Vec<KeyError>,
}

/// `Invalid value … for configuration …: …`, Kafka's words around every fault.
#[must_use]
pub fn invalid_value(name: &str, value: &str, fault: &str) -> String {
    format!("Invalid value {value} for configuration {name}: {fault}")
}

/// The text for a required key that is not there.
#[must_use]
pub fn missing_key(name: &str) -> String {
    format!("Missing required configuration \"{name}\" which has no default value.")
}

/// The text for a class that no plugin has.
#[must_use]
pub fn class_not_found(name: &str, class: &str) -> String {
    invalid_value(name, class, &format!("Class {class} could not be found."))
}

// === impl ConfigDef ===

impl ConfigDef {
    /// Parses every defined key; keys without definition are left out.
    #[must_use]
    pub fn parse(&self, config: &ConfigMap) -> Parsed {
        let mut parsed = Parsed::default();
        for key in &self.keys {
            let (value, errors) = key.parse(config.get(&key.name).map(String::as_str));
            parsed.errors.extend(errors.into_iter().map(|error| (key.name.clone(), error)));
            parsed.values.insert(key.name.clone(), value);
        }
        parsed
    }

    /// What a validation answers for every defined key, in the order of definition.
    #[must_use]
    pub fn validate(&self, config: &ConfigMap) -> Vec<ConfigValue> {
        self.keys.iter().map(|key| key.validate(config.get(&key.name).map(String::as_str))).collect()
    }
}

// === impl ConfigKey ===

impl ConfigKey {
    /// The default as REST answers print it.
    #[must_use]
    pub fn default_text(&self) -> Option<String> {
        match &self.default {
            DefaultValue::Value(text) => Value::parse(text, self.config_type).ok()?.to_text(),
            DefaultValue::Required | DefaultValue::Null => None,
        }
    }

    /// Whether the key must be given.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        matches!(self.default, DefaultValue::Required)
    }

    /// What a validation answers for this key, `given` or not.
    #[must_use]
    pub fn validate(&self, given: Option<&str>) -> ConfigValue {
        let (value, errors) = self.parse(given);
        ConfigValue {
            name: self.name.clone(),
            value: value.to_text(),
            recommended: Vec::new(),
            errors,
            visible: true,
        }
    }

    /// The value and its faults. A value that cannot be parsed counts as null from there on, and the
    /// validator sees that too: Kafka then reports both.
    fn parse(&self, given: Option<&str>) -> (Value, Vec<String>) {
        let mut errors = Vec::new();
        let value = match (given, &self.default) {
            (Some(text), _) => Value::parse(text, self.config_type).unwrap_or_else(|fault| {
                errors.push(invalid_value(&self.name, text, &fault));
                Value::Null
            }),
            (None, DefaultValue::Required) => {
                errors.push(missing_key(&self.name));
                Value::Null
            }
            (None, DefaultValue::Null) => Value::Null,
            (None, DefaultValue::Value(text)) => Value::parse(text, self.config_type).unwrap_or_default(),
        };
        errors.extend(self.validator.check(&self.name, &value).err());
        (value, errors)
    }
}

// === impl Validator ===

impl Validator {
    /// Checks the value of the key `name`.
    ///
    /// # Errors
    /// Kafka's message.
    pub fn check(&self, name: &str, value: &Value) -> Result<(), String> {
        let fault = |text: &str| Err(invalid_value(name, &value.in_message(), text));
        match (self, value) {
            (Self::OneOf(allowed), value) => match value {
                Value::String(text) if allowed.contains(text) => Ok(()),
                Value::List(items) => match items.iter().find(|item| !allowed.contains(item)) {
                    Some(item) => Err(invalid_value(name, item, &one_of(allowed))),
                    None => Ok(()),
                },
                _ => fault(&one_of(allowed)),
            },
            (Self::OneOfIgnoreCase(allowed), value) => match value {
                Value::String(text) if allowed.iter().any(|one| one.eq_ignore_ascii_case(text)) => Ok(()),
                _ => {
                    let upper: Vec<_> = allowed.iter().map(|one| one.to_uppercase()).collect();
                    fault(&format!("String must be one of (case insensitive): {}", upper.join(", ")))
                }
            },
            (Self::Range(..), Value::Null) => fault("Value must be non-null"),
            (Self::Range(min, max) | Self::OptionalRange(min, max), value) => match (number(value), min, max)
            {
                (Some(n), Some(min), _) if n < *min => {
                    fault(&format!("Value must be at least {}", bound(*min, value)))
                }
                (Some(n), _, Some(max)) if n > *max => {
                    fault(&format!("Value must be no more than {}", bound(*max, value)))
                }
                _ => Ok(()),
            },
            (Self::NonEmptyString, Value::String(text)) if text.is_empty() => {
                fault("String must be non-empty")
            }
            (Self::NonEmptyWithoutControl, Value::String(text)) => match name_fault(text) {
                Some(text) => fault(&text),
                None => Ok(()),
            },
            (Self::NonEmptyList, Value::List(items)) if items.is_empty() => Err(format!(
                "Configuration '{name}' must not be empty. Valid values include: any non-empty value"
            )),
            (Self::Regex, Value::String(pattern)) => match crate::java_regex(pattern) {
                Err(text) => fault(&format!("Invalid regex: {text}")),
                Ok(_) => Ok(()),
            },
            (Self::UniqueNonEmptyItems, Value::List(items)) if has_twins(items) => {
                Err(format!("Configuration '{name}' values must not be duplicated."))
            }
            (Self::UniqueNonEmptyItems, Value::List(items)) if items.iter().any(String::is_empty) => {
                Err(format!("Configuration '{name}' values must not be empty."))
            }
            (Self::UniqueAliases, Value::List(items)) if has_twins(items) => {
                fault("Duplicate alias provided.")
            }
            (Self::PositiveOrDefault(text), Value::Integer(n)) if *n != -1 && *n < 1 => fault(text),
            (Self::Listeners, Value::List(items)) => {
                match items.iter().find_map(|item| item.parse::<Listener>().err()) {
                    Some(text) => fault(&text),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn one_of(allowed: &[String]) -> String {
    format!("String must be one of: {}", allowed.join(", "))
}

/// What is wrong with a connector's name.
fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("String may not be empty".to_owned());
    }
    let control: Vec<_> = name.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
    (!control.is_empty()).then(|| {
        format!(
            "String may not contain control sequences but had the following ASCII chars: {}",
            control.join(", ")
        )
    })
}

fn has_twins(items: &[String]) -> bool {
    let mut seen = std::collections::HashSet::new();
    !items.iter().all(|item| seen.insert(item))
}

#[allow(clippy::cast_precision_loss, reason = "Kafka compares bounds as doubles too")]
const fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Double(n) => Some(*n),
        _ => None,
    }
}

/// A bound prints as the type that it bounds.
fn bound(bound: f64, value: &Value) -> String {
    match value {
        Value::Double(_) => Value::Double(bound).in_message(),
        _ => bound.to_string(),
    }
}

// === impl Parsed ===

impl Parsed {
    /// The value of `name`; null for what is unknown.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or(&Value::Null)
    }

    /// A STRING, CLASS or PASSWORD.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::String(text) | Value::Password(text) => Some(text),
            _ => None,
        }
    }

    /// An INT, SHORT or LONG.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// A BOOLEAN.
    #[must_use]
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Value::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// A DOUBLE.
    #[must_use]
    pub fn double(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Value::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// The items of a LIST; none when it is null.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            Value::List(items) => items,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Everything that is wrong with a source's `pairs`, beyond what `given` is.
    #[track_caller]
    fn check(def: &ConfigDef, pairs: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut config = map(&[("name", "n"), ("connector.class", "c")]);
        config.extend(map(pairs));
        let values = def.validate(&config);
        let errors: Vec<_> = values
            .iter()
            .flat_map(|value| value.errors.iter().map(|error| (value.name.as_str(), error.as_str())))
            .collect();
        assert_eq!(errors, expected, "{pairs:?}");
        let parsed: Vec<_> = def.parse(&config).errors;
        assert_eq!(
            parsed.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn faults_read_as_in_kafka_connect() {
        let source = connector::source();
        let faulty = [
            ("name", "", "Invalid value  for configuration name: String may not be empty"),
            (
                "name",
                "a\u{7}\u{1b}b",
                "Invalid value a\u{7}\u{1b}b for configuration name: String may not contain control sequences but had the following ASCII chars: 7, 27",
            ),
            ("tasks.max", "0", "Invalid value 0 for configuration tasks.max: Value must be at least 1"),
            (
                "errors.tolerance",
                "some",
                "Invalid value some for configuration errors.tolerance: String must be one of: none, all",
            ),
            (
                "errors.tolerance",
                "ALL",
                "Invalid value ALL for configuration errors.tolerance: String must be one of: none, all",
            ),
            (
                "errors.retry.timeout",
                "x",
                "Invalid value x for configuration errors.retry.timeout: Not a number of type LONG",
            ),
            (
                "errors.log.enable",
                "maybe",
                "Invalid value maybe for configuration errors.log.enable: Expected value to be either true or false",
            ),
            (
                "config.action.reload",
                "never",
                "Invalid value never for configuration config.action.reload: String must be one of: none, restart",
            ),
            (
                "tasks.max.enforce",
                "x",
                "Invalid value x for configuration tasks.max.enforce: Expected value to be either true or false",
            ),
            (
                "offsets.storage.topic",
                " ",
                "Invalid value  for configuration offsets.storage.topic: String must be non-empty",
            ),
            (
                "transforms",
                "a,a",
                "Invalid value [a, a] for configuration transforms: Duplicate alias provided.",
            ),
            (
                "exactly.once.support",
                "no",
                "Invalid value no for configuration exactly.once.support: String must be one of (case insensitive): REQUESTED, REQUIRED",
            ),
            (
                "transaction.boundary.interval.ms",
                "-1",
                "Invalid value -1 for configuration transaction.boundary.interval.ms: Value must be at least 0",
            ),
        ];
        for (key, value, text) in faulty {
            check(&source, &[(key, value)], &[(key, text)]);
        }
        check(&source, &[("exactly.once.support", "REQUIRED"), ("batch.size", "-1")], &[]);
    }

    #[test]
    fn a_value_that_is_no_number_is_reported_as_null_too() {
        let texts = [
            ("tasks.max", "Invalid value x for configuration tasks.max: Not a number of type INT"),
            ("tasks.max", "Invalid value null for configuration tasks.max: Value must be non-null"),
        ];
        check(&connector::source(), &[("tasks.max", "x")], &texts);
    }

    #[test]
    fn a_missing_name_is_one_fault() {
        let values = connector::common().validate(&map(&[("connector.class", "c")]));
        let errors: Vec<_> = values.into_iter().flat_map(|value| value.errors).collect();
        assert_eq!(errors, ["Missing required configuration \"name\" which has no default value."]);
    }

    #[test]
    fn lists_of_topics_are_checked_item_by_item() {
        let sink = connector::sink();
        check(
            &sink,
            &[("topics", "a,a")],
            &[("topics", "Configuration 'topics' values must not be duplicated.")],
        );
        check(
            &sink,
            &[("topics", "a,,b")],
            &[("topics", "Configuration 'topics' values must not be empty.")],
        );
        let text = "Invalid value [ for configuration topics.regex: Invalid regex: Unclosed character class near index 0\n[\n^";
        check(&sink, &[("topics.regex", "[")], &[("topics.regex", text)]);
    }

    #[test]
    fn values_are_shown_as_in_answers() {
        let def = ConfigDef::new(vec![
            crate::ConfigKey::new("list", crate::ConfigType::List, crate::Importance::Low, "")
                .default_value("a, b"),
            crate::ConfigKey::new("secret", crate::ConfigType::Password, crate::Importance::Low, "")
                .optional(),
            crate::ConfigKey::new("n", crate::ConfigType::Int, crate::Importance::Low, "").default_value("5"),
        ]);
        let shown: Vec<_> =
            def.validate(&map(&[("secret", "x"), ("n", "q")])).into_iter().map(|v| v.value).collect();
        assert_eq!(shown, [Some("a,b".to_owned()), Some("[hidden]".to_owned()), None]);
    }
}
