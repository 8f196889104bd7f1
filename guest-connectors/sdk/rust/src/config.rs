//! Configuration: the keys a plugin declares ([`ConfigDef`]) and typed access to the values it is
//! started with ([`Config`]). Error texts are Kafka's.

use std::fmt;
use std::rc::Rc;

use crate::{Error, Problem, Result};

/// A configuration as it travels: keys and values.
pub type Pairs = Vec<(String, String)>;

/// Type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text, trimmed.
    String,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// Floating-point number.
    Double,
    /// Texts separated by commas.
    List,
    /// Name of a class.
    Class,
    /// Text that is never shown.
    Password,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        })
    }
}

/// How much a key matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Look at this one first.
    High,
    /// Often set.
    Medium,
    /// Rarely set.
    Low,
}

/// Width of a key's form field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Up to the reader.
    None,
    /// A number.
    Short,
    /// A name.
    Medium,
    /// A path or a sentence.
    Long,
}

/// What a value must satisfy beyond its type. The worker checks it before the plugin is started.
#[derive(Clone, Debug, PartialEq)]
pub enum Validator {
    /// Anything.
    None,
    /// One of these, case included.
    OneOf(Vec<String>),
    /// One of these in any case.
    OneOfIgnoreCase(Vec<String>),
    /// A number within inclusive bounds.
    Range(Option<f64>, Option<f64>),
    /// Text that is not empty.
    NonEmptyString,
    /// At least one item.
    NonEmptyList,
    /// A regular expression, as Java's.
    Regex,
}

/// Value of a key that is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Default {
    /// None: the key is required.
    Required,
    /// Null: the key may be missing.
    Null,
    /// This, in its text form.
    Value(String),
}

/// One key.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Name.
    pub name: String,
    /// Type of its value.
    pub value_type: Type,
    /// Value when not given.
    pub default: Default,
    /// What the value must satisfy.
    pub validator: Validator,
    /// How much it matters.
    pub importance: Importance,
    /// One sentence or more.
    pub documentation: String,
    /// Heading under which it is shown.
    pub group: Option<String>,
    /// Place in its group; -1 without one.
    pub order: i32,
    /// Width of its form field.
    pub width: Width,
    /// Label; the name unless said otherwise.
    pub display_name: String,
    /// Keys whose validity depends on this one.
    pub dependents: Vec<String>,
}

impl Key {
    /// A required key of medium importance.
    #[must_use]
    pub fn new(name: &str, value_type: Type) -> Self {
        Self {
            name: name.to_owned(),
            value_type,
            default: Default::Required,
            validator: Validator::None,
            importance: Importance::Medium,
            documentation: String::new(),
            group: None,
            order: -1,
            width: Width::None,
            display_name: name.to_owned(),
            dependents: Vec::new(),
        }
    }

    /// A required text.
    #[must_use]
    pub fn string(name: &str) -> Self {
        Self::new(name, Type::String)
    }

    /// A required `true` or `false`.
    #[must_use]
    pub fn boolean(name: &str) -> Self {
        Self::new(name, Type::Boolean)
    }

    /// A required 32-bit integer.
    #[must_use]
    pub fn int(name: &str) -> Self {
        Self::new(name, Type::Int)
    }

    /// A required 64-bit integer.
    #[must_use]
    pub fn long(name: &str) -> Self {
        Self::new(name, Type::Long)
    }

    /// A required floating-point number.
    #[must_use]
    pub fn double(name: &str) -> Self {
        Self::new(name, Type::Double)
    }

    /// A required list of texts.
    #[must_use]
    pub fn list(name: &str) -> Self {
        Self::new(name, Type::List)
    }

    /// A required text that is never shown.
    #[must_use]
    pub fn password(name: &str) -> Self {
        Self::new(name, Type::Password)
    }

    /// The value when the key is not given.
    #[must_use]
    pub fn default(mut self, value: impl fmt::Display) -> Self {
        self.default = Default::Value(value.to_string());
        self
    }

    /// The key may be missing; [`Config::optional`] then answers none.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.default = Default::Null;
        self
    }

    /// What the value must satisfy.
    #[must_use]
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }

    /// One of these, case included.
    #[must_use]
    pub fn one_of(self, values: &[&str]) -> Self {
        self.validator(Validator::OneOf(values.iter().map(|&value| value.to_owned()).collect()))
    }

    /// One of these in any case.
    #[must_use]
    pub fn one_of_ignore_case(self, values: &[&str]) -> Self {
        self.validator(Validator::OneOfIgnoreCase(values.iter().map(|&value| value.to_owned()).collect()))
    }

    /// A number not below `least`.
    #[must_use]
    pub fn at_least(self, least: f64) -> Self {
        self.validator(Validator::Range(Some(least), None))
    }

    /// A number within inclusive bounds.
    #[must_use]
    pub fn between(self, least: f64, most: f64) -> Self {
        self.validator(Validator::Range(Some(least), Some(most)))
    }

    /// Text that is not empty; of a list: at least one item.
    #[must_use]
    pub fn non_empty(self) -> Self {
        let validator =
            if self.value_type == Type::List { Validator::NonEmptyList } else { Validator::NonEmptyString };
        self.validator(validator)
    }

    /// High importance.
    #[must_use]
    pub fn high(mut self) -> Self {
        self.importance = Importance::High;
        self
    }

    /// Low importance.
    #[must_use]
    pub fn low(mut self) -> Self {
        self.importance = Importance::Low;
        self
    }

    /// What the key is for.
    #[must_use]
    pub fn doc(mut self, documentation: &str) -> Self {
        documentation.clone_into(&mut self.documentation);
        self
    }

    /// Heading under which the key is shown, and its place there.
    #[must_use]
    pub fn group(mut self, group: &str, order: i32) -> Self {
        self.group = Some(group.to_owned());
        self.order = order;
        self
    }

    /// Width of the form field.
    #[must_use]
    pub fn width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// Label of the form field.
    #[must_use]
    pub fn display_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.display_name);
        self
    }
}

/// The keys of a plugin, in order.
#[derive(Clone, Debug, std::default::Default, PartialEq)]
pub struct ConfigDef {
    /// The keys.
    pub keys: Vec<Key>,
}

impl ConfigDef {
    /// No keys yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    fn find(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The values a plugin is started with, read through its [`ConfigDef`]: a key that is not given has
/// its default.
#[derive(Clone, Debug)]
pub struct Config {
    def: Rc<ConfigDef>,
    pairs: Pairs,
}

impl Config {
    /// `pairs`, read through `def`.
    #[must_use]
    pub fn new(def: ConfigDef, pairs: Pairs) -> Self {
        Self { def: Rc::new(def), pairs }
    }

    /// Every key that was given, declared or not, as it came.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The value of `key` or its default, trimmed as Kafka does; none for null and for a key that is
    /// neither given nor declared.
    #[must_use]
    pub fn optional(&self, key: &str) -> Option<&str> {
        if let Some((_, value)) = self.pairs.iter().find(|(name, _)| name == key) {
            return Some(value.trim());
        }
        match &self.def.find(key)?.default {
            Default::Value(value) => Some(value),
            Default::Null | Default::Required => None,
        }
    }

    /// The text of `key`.
    ///
    /// # Errors
    /// When it has none.
    pub fn string(&self, key: &str) -> Result<&str> {
        self.optional(key).ok_or_else(|| {
            Error::config(
                key,
                format!("Missing required configuration \"{key}\" which has no default value."),
            )
        })
    }

    /// Whether `key` is `true`, in any case.
    ///
    /// # Errors
    /// When it is missing or neither `true` nor `false`.
    pub fn boolean(&self, key: &str) -> Result<bool> {
        let value = self.string(key)?;
        if value.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if value.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err(Error::invalid(key, value, "Expected value to be either true or false"))
        }
    }

    /// The 32-bit integer of `key`.
    ///
    /// # Errors
    /// When it is missing or not one.
    pub fn int(&self, key: &str) -> Result<i32> {
        self.number(key, Type::Int)
    }

    /// The 64-bit integer of `key`.
    ///
    /// # Errors
    /// When it is missing or not one.
    pub fn long(&self, key: &str) -> Result<i64> {
        self.number(key, Type::Long)
    }

    /// The floating-point number of `key`.
    ///
    /// # Errors
    /// When it is missing or not one.
    pub fn double(&self, key: &str) -> Result<f64> {
        self.number(key, Type::Double)
    }

    /// The items of `key`: separated by commas, trimmed; nothing for an empty text and for null.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<&str> {
        match self.optional(key) {
            None | Some("") => Vec::new(),
            Some(text) => text.split(',').map(str::trim).collect(),
        }
    }

    fn number<T: std::str::FromStr>(&self, key: &str, value_type: Type) -> Result<T> {
        let value = self.string(key)?;
        value
            .parse()
            .map_err(|_| Error::invalid(key, value, format_args!("Not a number of type {value_type}")))
    }
}

/// Collects problems while a configuration is checked.
#[derive(Clone, Debug, std::default::Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key` is wrong.
    pub fn add(&mut self, key: &str, message: impl Into<String>) {
        self.0.push(Problem::new(key, message));
    }

    /// The value of `key` is wrong, in Kafka's words.
    pub fn invalid(&mut self, key: &str, value: &str, why: impl fmt::Display) {
        self.check(Err::<(), _>(Error::invalid(key, value, why)));
    }

    /// Takes the problems of a configuration error and answers the value of a success.
    pub fn check<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Error::Config(problems)) => {
                self.0.extend(problems);
                None
            }
            Err(error) => {
                self.add("name", error.to_string());
                None
            }
        }
    }

    /// What was collected.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Config {
        let def = ConfigDef::new()
            .key(Key::string("file").optional())
            .key(Key::string("topic").non_empty())
            .key(Key::int("batch.size").default(2000))
            .key(Key::boolean("on").default("false"))
            .key(Key::list("fields").default(""));
        Config::new(def, pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn a_missing_key_has_its_default() {
        let config = config(&[("topic", " t ")]);
        assert_eq!(config.string("topic").unwrap(), "t");
        assert_eq!(config.int("batch.size").unwrap(), 2000);
        assert!(!config.boolean("on").unwrap());
        assert_eq!(config.optional("file"), None);
        assert!(config.list("fields").is_empty());
    }

    #[test]
    fn errors_speak_as_kafka_does() {
        let config = config(&[("batch.size", "many"), ("on", "yes"), ("fields", "a, b,,c")]);
        let message = |error: Error| error.to_string();
        assert_eq!(
            config.string("topic").map_err(message).unwrap_err(),
            "Missing required configuration \"topic\" which has no default value."
        );
        assert_eq!(
            config.int("batch.size").map_err(message).unwrap_err(),
            "Invalid value many for configuration batch.size: Not a number of type INT"
        );
        assert_eq!(
            config.boolean("on").map_err(message).unwrap_err(),
            "Invalid value yes for configuration on: Expected value to be either true or false"
        );
        assert_eq!(config.list("fields"), ["a", "b", "", "c"]);
    }
}
