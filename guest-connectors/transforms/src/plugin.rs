//! What the plugins have in common: their names, the half of the record that they work on, and the
//! keys that several of them share.

use cofferdam_sdk::{Config, Error, Key as ConfigKey, Part, PluginInfo, Problem, Result};

const PACKAGE: &str = "org.apache.kafka.connect.transforms";

/// The half of the record that a transform works on.
pub(crate) trait Side: 'static {
    const PART: Part;
    const NAME: &str;
}

/// `MaskField$Key`.
pub(crate) struct Key;

/// `MaskField$Value`.
pub(crate) struct Value;

impl Side for Key {
    const PART: Part = Part::Key;
    const NAME: &str = "Key";
}

impl Side for Value {
    const PART: Part = Part::Value;
    const NAME: &str = "Value";
}

/// A transform of keys, or the same one of values. It sees nothing else of the record.
pub(crate) fn sided<S: Side>(name: &str) -> PluginInfo {
    let name = format!("{name}${}", S::NAME);
    let info = transform(&name);
    match S::PART {
        Part::Key => info.without_value().without_headers(),
        Part::Value => info.without_key().without_headers(),
    }
}

/// A transform, found by its simple name too.
pub(crate) fn transform(name: &str) -> PluginInfo {
    PluginInfo::transform(&format!("{PACKAGE}.{name}")).alias(name).version(env!("CARGO_PKG_VERSION"))
}

/// A predicate, found by its simple name too.
pub(crate) fn predicate(name: &str) -> PluginInfo {
    PluginInfo::predicate(&format!("{PACKAGE}.predicates.{name}"))
        .alias(name)
        .version(env!("CARGO_PKG_VERSION"))
}

pub(crate) const REPLACE_NULL_WITH_DEFAULT: &str = "replace.null.with.default";

/// The key that nearly every transform of fields has.
pub(crate) fn replace_null_with_default() -> ConfigKey {
    ConfigKey::boolean(REPLACE_NULL_WITH_DEFAULT)
        .default("true")
        .doc("Whether to replace fields that have a default value and that are null with the default value.")
}

/// A list that must have items, none of them empty. The worker has checked that by the key's
/// validator; the texts are its.
pub(crate) fn names(config: &Config, key: &str) -> Result<Vec<String>> {
    config.string(key)?;
    let names = some_names(config, key)?;
    if names.is_empty() {
        let message =
            format!("Configuration '{key}' must not be empty. Valid values include: any non-empty value");
        return Err(Error::config(key, message));
    }
    Ok(names)
}

/// A list whose items are not empty. What is there twice counts once.
pub(crate) fn some_names(config: &Config, key: &str) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for name in config.list(key) {
        if name.is_empty() {
            return Err(Error::config(key, format!("Configuration '{key}' values must not be empty.")));
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// A list that must have items, whatever these are.
pub(crate) fn non_empty_list(config: &Config, key: &str) -> Result<Vec<String>> {
    config.string(key)?;
    let items: Vec<String> = config.list(key).into_iter().map(str::to_owned).collect();
    if items.is_empty() { Err(Error::invalid(key, "[]", "Empty list")) } else { Ok(items) }
}

/// Text that must not be empty.
pub(crate) fn non_empty<'a>(key: &str, value: &'a str) -> Result<&'a str> {
    if value.is_empty() { Err(Error::invalid(key, value, "String must be non-empty")) } else { Ok(value) }
}

/// What is wrong with a configuration, when reading it failed.
pub(crate) fn problems<T>(read: Result<T>) -> Vec<Problem> {
    match read {
        Err(Error::Config(problems)) => problems,
        _ => Vec::new(),
    }
}
