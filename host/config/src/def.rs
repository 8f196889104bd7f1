//! Kafka's `ConfigDef`: what keys there are, of what type, and what values they take.

/// Type of a key's value (`ConfigDef.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
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

/// How much a key matters (`ConfigDef.Importance`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// HIGH.
    High,
    /// MEDIUM.
    Medium,
    /// LOW.
    Low,
}

/// Width of a form field (`ConfigDef.Width`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// NONE.
    #[default]
    None,
    /// SHORT.
    Short,
    /// MEDIUM.
    Medium,
    /// LONG.
    Long,
}

/// What a key's value must satisfy beyond its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Validator {
    /// Anything.
    Any,
    /// One of these, case included.
    OneOf(Vec<String>),
    /// One of these in any case.
    OneOfIgnoreCase(Vec<String>),
    /// A number within inclusive bounds.
    Range(Option<f64>, Option<f64>),
    /// Null, or a number within inclusive bounds.
    OptionalRange(Option<f64>, Option<f64>),
    /// `String must be non-empty`.
    NonEmptyString,
    /// `String may not be empty`, and no control characters: names of connectors.
    NonEmptyWithoutControl,
    /// At least one item.
    NonEmptyList,
    /// A regular expression, as Java's.
    Regex,
    /// No item twice, none empty.
    UniqueNonEmptyItems,
    /// No alias twice, in Kafka Connect's words: `transforms`, `predicates`, `topic.creation.groups`.
    UniqueAliases,
    /// A positive number or -1: partitions and replication factors. The text is what a user reads.
    PositiveOrDefault(&'static str),
    /// An address to listen on, `http://host:port`.
    Listeners,
}

/// The value that a key has when it is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// None: the key is required.
    Required,
    /// Null.
    Null,
    /// This, in its text form.
    Value(String),
}

/// One key (`ConfigDef.ConfigKey`).
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigKey {
    /// Full name.
    pub name: String,
    /// Type of the value.
    pub config_type: ConfigType,
    /// Value when not given.
    pub default: DefaultValue,
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
    /// Width of a form field.
    pub width: Width,
    /// Label; Kafka's default is the name.
    pub display_name: String,
    /// Keys whose validity depends on this one.
    pub dependents: Vec<String>,
}

/// Keys in the order of their definition (`ConfigDef`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigDef {
    /// The keys.
    pub keys: Vec<ConfigKey>,
}

// === impl ConfigKey ===

impl ConfigKey {
    /// A required key without validator, group or width; the methods below refine it.
    #[must_use]
    pub fn new(name: &str, config_type: ConfigType, importance: Importance, documentation: &str) -> Self {
        Self {
            name: name.to_owned(),
            config_type,
            default: DefaultValue::Required,
            validator: Validator::Any,
            importance,
            documentation: documentation.to_owned(),
            group: None,
            order: -1,
            width: Width::None,
            display_name: name.to_owned(),
            dependents: Vec::new(),
        }
    }

    /// Used when the key is not given.
    #[must_use]
    pub fn default_value(mut self, value: &str) -> Self {
        self.default = DefaultValue::Value(value.to_owned());
        self
    }

    /// Null when the key is not given.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.default = DefaultValue::Null;
        self
    }

    /// What a value must satisfy.
    #[must_use]
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }

    /// Heading and place under it.
    #[must_use]
    pub fn group(mut self, group: &str, order: i32) -> Self {
        self.group = Some(group.to_owned());
        self.order = order;
        self
    }

    /// Width of a form field.
    #[must_use]
    pub const fn width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// Label of a form field.
    #[must_use]
    pub fn display(mut self, name: &str) -> Self {
        self.display_name = name.to_owned();
        self
    }
}

// === impl ConfigDef ===

impl ConfigDef {
    /// Keys in their order.
    #[must_use]
    pub const fn new(keys: Vec<ConfigKey>) -> Self {
        Self { keys }
    }

    /// The key called `name`.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Importance {
    /// Upper-case name, as in the REST API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

impl Width {
    /// Upper-case name, as in the REST API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }
}

impl ConfigType {
    /// Upper-case name, as in the REST API and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}
