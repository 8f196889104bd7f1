//! What a plugin says about itself.

use crate::ConfigDef;

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Brings records in.
    Source,
    /// Takes records out.
    Sink,
    /// Changes records under way.
    Transform,
    /// Says which records a transform is for.
    Predicate,
    /// Reads and writes the bytes of topics: keys, values or headers.
    Converter,
    /// Reads and writes the bytes of headers only.
    HeaderConverter,
}

/// How keys and values lie in what the plugin is handed and hands back (`wit/FRAME.md`, Values).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the topic, untouched: no converter runs.
    Raw,
    /// Rows where there is a schema, tape where there is none.
    Rows,
    /// One JSON text per key or value.
    Json,
    /// One CBOR item per key or value.
    Cbor,
}

/// Power that a plugin needs beyond its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// `file-read` or `file-write`: the folder of the file that `value` names;
    /// `transaction-boundaries`: to say where its transactions end.
    pub kind: String,
    /// Text with references to configuration keys, such as `${file}`.
    pub value: String,
}

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginInfo {
    /// What `connector.class` or `transforms.x.type` names.
    pub class: String,
    /// Other names under which it is found.
    pub aliases: Vec<String>,
    /// What it is.
    pub kind: Kind,
    /// Its version.
    pub version: String,
    /// What it does.
    pub documentation: String,
    /// Its keys.
    pub config_def: ConfigDef,
    /// Layout of keys.
    pub key_format: Format,
    /// Layout of values.
    pub value_format: Format,
    /// Whether it looks at keys.
    pub needs_key: bool,
    /// Whether it looks at values.
    pub needs_value: bool,
    /// Whether it looks at headers.
    pub needs_headers: bool,
    /// Same output for the same input, and no state.
    pub pure: bool,
    /// Sinks: putting a record twice has the effect of putting it once.
    pub idempotent: bool,
    /// Connectors: what Kafka Connect calls `task.class`.
    pub task_class: Option<String>,
    /// Powers it asks for.
    pub capabilities: Vec<Capability>,
}

impl PluginInfo {
    /// A source found under `class`.
    #[must_use]
    pub fn source(class: &str) -> Self {
        Self::new(Kind::Source, class)
    }

    /// A sink found under `class`.
    #[must_use]
    pub fn sink(class: &str) -> Self {
        Self::new(Kind::Sink, class)
    }

    /// A transform found under `class`. It counts as pure unless [`PluginInfo::impure`] is called.
    #[must_use]
    pub fn transform(class: &str) -> Self {
        Self { pure: true, ..Self::new(Kind::Transform, class) }
    }

    /// A predicate found under `class`. It counts as pure unless [`PluginInfo::impure`] is called.
    #[must_use]
    pub fn predicate(class: &str) -> Self {
        Self { pure: true, ..Self::new(Kind::Predicate, class) }
    }

    /// A converter found under `class`. It has no use for headers unless [`PluginInfo::with_headers`] is
    /// called.
    #[must_use]
    pub fn converter(class: &str) -> Self {
        Self { pure: true, needs_headers: false, ..Self::new(Kind::Converter, class) }
    }

    /// A converter of headers only, found under `class`.
    #[must_use]
    pub fn header_converter(class: &str) -> Self {
        Self { kind: Kind::HeaderConverter, ..Self::converter(class) }
    }

    fn new(kind: Kind, class: &str) -> Self {
        Self {
            class: class.to_owned(),
            aliases: Vec::new(),
            kind,
            version: "0.0.0".to_owned(),
            documentation: String::new(),
            config_def: ConfigDef::new(),
            key_format: Format::Rows,
            value_format: Format::Rows,
            needs_key: true,
            needs_value: true,
            needs_headers: true,
            pure: false,
            idempotent: false,
            task_class: None,
            capabilities: Vec::new(),
        }
    }

    /// Another name under which the plugin is found.
    #[must_use]
    pub fn alias(mut self, name: &str) -> Self {
        self.aliases.push(name.to_owned());
        self
    }

    /// The version, usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// What the plugin does.
    #[must_use]
    pub fn doc(mut self, documentation: &str) -> Self {
        documentation.clone_into(&mut self.documentation);
        self
    }

    /// The keys.
    #[must_use]
    pub fn config(mut self, config_def: ConfigDef) -> Self {
        self.config_def = config_def;
        self
    }

    /// Layout of keys and values; rows unless said otherwise.
    #[must_use]
    pub const fn formats(mut self, key: Format, value: Format) -> Self {
        self.key_format = key;
        self.value_format = value;
        self
    }

    /// The plugin never looks at keys: they are missing from its records, and kept.
    #[must_use]
    pub const fn without_key(mut self) -> Self {
        self.needs_key = false;
        self
    }

    /// The plugin never looks at values: they are missing from its records, and kept.
    #[must_use]
    pub const fn without_value(mut self) -> Self {
        self.needs_value = false;
        self
    }

    /// The plugin never looks at headers: they are missing from its records, and kept.
    #[must_use]
    pub const fn without_headers(mut self) -> Self {
        self.needs_headers = false;
        self
    }

    /// The converter looks at the headers of the records whose keys or values it converts.
    #[must_use]
    pub const fn with_headers(mut self) -> Self {
        self.needs_headers = true;
        self
    }

    /// The plugin keeps state, or its output depends on more than its input, such as the time.
    #[must_use]
    pub const fn impure(mut self) -> Self {
        self.pure = false;
        self
    }

    /// Putting a record twice has the effect of putting it once.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// What Kafka Connect calls `task.class`.
    #[must_use]
    pub fn task_class(mut self, class: &str) -> Self {
        self.task_class = Some(class.to_owned());
        self
    }

    /// The source can say itself where its transactions end: see
    /// [`SourceContext::transactions`](crate::SourceContext::transactions).
    #[must_use]
    pub fn ends_transactions(self) -> Self {
        self.capability("transaction-boundaries", "")
    }

    /// Asks to read in the folder of the file that `value` names, such as `${file}`.
    #[must_use]
    pub fn reads_file(self, value: &str) -> Self {
        self.capability("file-read", value)
    }

    /// Asks to write in the folder of the file that `value` names, such as `${file}`.
    #[must_use]
    pub fn writes_file(self, value: &str) -> Self {
        self.capability("file-write", value)
    }

    fn capability(mut self, kind: &str, value: &str) -> Self {
        self.capabilities.push(Capability { kind: kind.to_owned(), value: value.to_owned() });
        self
    }

    /// Whether `name` is the class or an alias of it.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.class == name || self.aliases.iter().any(|alias| alias == name)
    }
}
