//! Validation of a connector's configuration: keys of the framework, of transforms, predicates and
//! converters, of the connector itself, and what its own check says. The answer is Kafka Connect's, key by
//! key in its order; a request that creates or changes a connector gets the faults as one message.

use std::collections::HashMap;

use cofferdam_api::ConfigMap;
use cofferdam_config::{ConfigDef, ConfigKey, ConfigValue, DefaultValue, connector};
use cofferdam_worker_api::{Plugin, PluginKind, Worker};

use crate::embed::{self, Entry, converter_kinds, groups, undefined};
use crate::{Error, GivenConfig, Mode, Result, WorkerConverters, is_connector, version};

const CLASS: &str = "connector.class";
const NULL_VALUE: &str = "Null value can not be supplied as the configuration value.";
/// In the order in which Kafka Connect lists their keys.
const CONVERTER_KEYS: [&str; 3] = ["header.converter", "key.converter", "value.converter"];

/// What a validation found.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// `connector.class` as given.
    pub name: String,
    /// Faults, counted as Kafka Connect does.
    pub error_count: usize,
    /// Headings of the keys.
    pub groups: Vec<String>,
    /// Keys and values.
    pub configs: Vec<ValidatedKey>,
}

/// One key of a validation.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedKey {
    /// Its definition; none for what no plugin defines.
    pub definition: Option<ConfigKey>,
    /// Its value.
    pub value: ConfigValue,
}

/// What validation needs to know of the worker.
pub(crate) struct Validator<'a> {
    pub(crate) worker: &'a dyn Worker,
    pub(crate) mode: &'a Mode,
    pub(crate) converters: &'a WorkerConverters,
}

impl Validation {
    /// Every fault, in order.
    pub fn errors(&self) -> impl Iterator<Item = &String> {
        self.configs.iter().flat_map(|config| &config.value.errors)
    }

    /// # Errors
    /// One error that holds all faults.
    pub(crate) fn check(&self) -> Result<()> {
        let errors: Vec<_> = self.errors().cloned().collect();
        if errors.is_empty() { Ok(()) } else { Err(Error::Invalid { errors }) }
    }
}

/// The connector plugin that a configuration names.
pub(crate) fn connector_plugin(worker: &dyn Worker, config: &ConfigMap) -> Option<Plugin> {
    worker.plugin(config.get(CLASS)?.trim(), &[PluginKind::Sink, PluginKind::Source])
}

/// Keys of any plugin; a connector's own come first, then those of the framework.
pub(crate) fn plugin_keys(plugin: Plugin) -> Vec<ConfigKey> {
    let mut keys = plugin.config_def.keys;
    if is_connector(plugin.kind) {
        for mut key in framework(plugin.kind).keys {
            if key.name == "connector.plugin.version" {
                key.default = DefaultValue::Value(plugin.version.clone());
            }
            if !keys.iter().any(|own| own.name == key.name) {
                keys.push(key);
            }
        }
    }
    keys
}

/// A configuration as Java prints a map.
pub(crate) fn java_map(config: &GivenConfig) -> String {
    let entries: Vec<_> =
        config.iter().map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("null"))).collect();
    format!("{{{}}}", entries.join(", "))
}

fn framework(kind: PluginKind) -> ConfigDef {
    if kind == PluginKind::Sink { connector::sink() } else { connector::source() }
}

impl Validator<'_> {
    /// Validates `given`.
    ///
    /// # Errors
    /// When the class is missing or unknown, or the plugin's own check broke. Faults of values are
    /// part of the answer.
    pub(crate) async fn validate(&self, given: &GivenConfig) -> Result<Validation> {
        let mut config = not_null(given);
        let name = config.get(CLASS).cloned().ok_or_else(|| Error::NoClass(java_map(given)))?;
        let plugin = connector_plugin(self.worker, &config).ok_or_else(|| self.unknown_class(&name))?;

        let (chain, chain_faults) = embed::chain(&config, self.worker);
        let mut entries = self.framework_entries(&plugin, &config);
        entries.extend(chain);
        let mut faults = Faults(chain_faults);
        faults.add_all(self.framework_faults(&plugin, &config));
        faults.add_all(
            given.iter().filter(|(_, v)| v.is_none()).map(|(k, _)| (k.clone(), NULL_VALUE.to_owned())),
        );

        // The connector's own keys, then what it says of them itself.
        entries.retain(|entry| plugin.config_def.key(&entry.key.name).is_none());
        entries.extend(plugin.config_def.keys.iter().cloned().map(Entry::plain));
        let mut validated = self.values(&entries, &config);
        faults.add_all(self.own_faults(&plugin, &config).await?);

        let mut groups = groups(validated.iter().filter_map(|config| config.definition.as_ref()));
        let mut configs = faults.spread(&mut validated, given);
        configs.append(&mut validated);
        let mut error_count = configs.iter().map(|config| config.value.errors.len()).sum();

        let mut rest = overrides(&plugin, &config);
        for name in CONVERTER_KEYS {
            let keys = embed::converter(&mut config, name, self.worker);
            groups.extend(embed::groups(keys.iter().map(|entry| &entry.key)));
            rest.extend(self.values(&keys, &config));
        }
        dedup(&mut groups);
        error_count += rest.iter().filter(|config| !config.value.errors.is_empty()).count();
        configs.append(&mut rest);
        Ok(Validation { name, error_count, groups, configs })
    }

    /// # Errors
    /// When the address names another plugin than the configuration, as Kafka Connect compares them.
    pub(crate) fn check_type(plugin: &str, given: &GivenConfig) -> Result<()> {
        let Some(Some(class)) = given.get(CLASS) else { return Ok(()) };
        let normal = |name: &str| name.strip_suffix("Connector").unwrap_or(name).to_owned();
        if normal(class).ends_with(&normal(plugin)) {
            return Ok(());
        }
        Err(Error::TypeMismatch { given: class.clone(), expected: plugin.to_owned() })
    }

    fn unknown_class(&self, class: &str) -> Error {
        let mut available: Vec<_> =
            self.worker.plugins().into_iter().filter(|p| is_connector(p.kind)).collect();
        available.sort_by(|a, b| a.class.cmp(&b.class));
        let print = |p: Plugin| {
            let kind = if p.kind == PluginKind::Sink { "sink" } else { "source" };
            format!("{} ({kind}, version {})", p.class, p.version)
        };
        Error::UnknownClass { class: class.to_owned(), available: available.into_iter().map(print).collect() }
    }

    /// Keys of the framework, with what this worker has installed and uses by default.
    fn framework_entries(&self, plugin: &Plugin, config: &ConfigMap) -> Vec<Entry> {
        let entry = |mut key: ConfigKey| match key.name.strip_suffix(".plugin.version") {
            Some("connector") => Entry::version(key, Some(plugin)),
            Some(converter) => {
                let kinds = converter_kinds(converter);
                let class = config.get(converter).or_else(|| self.converters.get(converter));
                let installed = class.and_then(|class| self.worker.plugin(class.trim(), kinds));
                let mut entry = Entry::version(key, installed.as_ref());
                entry.visible = installed.is_some();
                entry
            }
            None if CONVERTER_KEYS.contains(&key.name.as_str()) => {
                if let Some(class) = self.converters.get(&key.name) {
                    key.default = DefaultValue::Value(class.clone());
                }
                let kinds = converter_kinds(&key.name);
                Entry::class(key, kinds, self.worker)
            }
            None => Entry::plain(key),
        };
        framework(plugin.kind).keys.into_iter().map(entry).collect()
    }

    /// Faults that a single key does not show.
    fn framework_faults(&self, plugin: &Plugin, config: &ConfigMap) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if let Some(requirement) = config.get("connector.plugin.version")
            && let Err(text) = version::check(&plugin.class, &plugin.version, requirement)
        {
            faults.push((CLASS.to_owned(), text.clone()));
            faults.push(("connector.plugin.version".to_owned(), text));
        }
        if let Err(wrong) = connector::RestartSettings::parse(config, &ConfigMap::new()) {
            faults.extend(wrong);
        }
        match plugin.kind {
            PluginKind::Sink => {
                faults.extend(connector::check_sink(config));
                faults.extend(self.group_fault(config));
            }
            _ => faults.extend(self.exactly_once_faults(plugin, config)),
        }
        faults
    }

    /// A sink's consumer group must not be the one that workers meet in.
    fn group_fault(&self, config: &ConfigMap) -> Option<(String, String)> {
        let Mode::Distributed { group_id, .. } = self.mode else { return None };
        let key = format!("{}group.id", connector::CONSUMER_OVERRIDE);
        match config.get(&key) {
            Some(group) => (group == group_id).then(|| {
                (key, format!("Consumer group {group} conflicts with Connect worker group {group_id}"))
            }),
            None => {
                let name = config.get("name")?;
                (format!("connect-{name}") == *group_id).then(|| {
                    let text = format!(
                        "Consumer group for sink connector named {name} conflicts with Connect worker group {group_id}"
                    );
                    ("name".to_owned(), text)
                })
            }
        }
    }

    fn exactly_once_faults(&self, plugin: &Plugin, config: &ConfigMap) -> Vec<(String, String)> {
        let Mode::Distributed { exactly_once, .. } = self.mode else { return Vec::new() };
        let is = |key: &str, value: &str| {
            config.get(key).is_some_and(|given| given.trim().eq_ignore_ascii_case(value))
        };
        let mut faults = Vec::new();
        // A source that cannot says so in its own checks, under this key; of all others a record without
        // an offset is what fails them.
        if is("exactly.once.support", "required") && !exactly_once {
            faults.push((
                "exactly.once.support".to_owned(),
                "This worker does not have exactly-once source support enabled.".to_owned(),
            ));
        }
        if is("transaction.boundary", "connector") && !plugin.defines_transactions {
            faults.push((
                "transaction.boundary".to_owned(),
                "The connector does not support connector-defined transaction boundaries with the given configuration. \
                 Please reconfigure it to use a different transaction boundary definition."
                    .to_owned(),
            ));
        }
        faults
    }

    /// What the plugin itself says: checks that its definition cannot express.
    async fn own_faults(&self, plugin: &Plugin, config: &ConfigMap) -> Result<Vec<(String, String)>> {
        let said = self.worker.validate(&plugin.class, config).await;
        let said = said.map_err(Error::ValidationFailed)?;
        Ok(said
            .into_iter()
            .flat_map(|key| key.errors.into_iter().map(move |error| (key.name.clone(), error)))
            .collect())
    }

    fn values(&self, entries: &[Entry], config: &ConfigMap) -> Vec<ValidatedKey> {
        let value = |entry: &Entry| ValidatedKey {
            definition: Some(entry.key.clone()),
            value: entry.value(config, self.worker),
        };
        entries.iter().map(value).collect()
    }
}

/// Faults found outside the definitions, by key.
struct Faults(Vec<(String, String)>);

impl Faults {
    fn add_all(&mut self, faults: impl IntoIterator<Item = (String, String)>) {
        self.0.extend(faults);
    }

    /// Adds each to its key, unless its definition said the same. Answers values for keys that have no
    /// definition.
    fn spread(self, validated: &mut [ValidatedKey], given: &GivenConfig) -> Vec<ValidatedKey> {
        let places: HashMap<_, _> =
            validated.iter().enumerate().map(|(place, key)| (key.value.name.clone(), place)).collect();
        let mut strangers: Vec<ValidatedKey> = Vec::new();
        for (name, text) in self.0 {
            let known = places.get(&name).and_then(|place| validated.get_mut(*place));
            let stranger = strangers.iter().position(|key| key.value.name == name);
            match known.or_else(|| strangers.get_mut(stranger?)) {
                Some(key) if key.value.errors.contains(&text) => {}
                Some(key) => key.value.errors.push(text),
                None => {
                    let value = given.get(&name).cloned().flatten();
                    strangers
                        .push(ValidatedKey { definition: None, value: undefined(&name, value, vec![text]) });
                }
            }
        }
        strangers
    }
}

/// Settings for clients that the connector uses. They are checked when the client is made.
fn overrides(plugin: &Plugin, config: &ConfigMap) -> Vec<ValidatedKey> {
    let is_sink = plugin.kind == PluginKind::Sink;
    let has_dlq =
        config.get("errors.deadletterqueue.topic.name").is_some_and(|topic| !topic.trim().is_empty());
    let creates_topics = config.keys().any(|key| key.starts_with("topic.creation."));
    let clients = [
        (connector::PRODUCER_OVERRIDE, !is_sink || has_dlq),
        (connector::ADMIN_OVERRIDE, if is_sink { has_dlq } else { creates_topics }),
        (connector::CONSUMER_OVERRIDE, is_sink),
    ];
    let mut values = Vec::new();
    for (prefix, _) in clients.into_iter().filter(|(_, used)| *used) {
        for (key, value) in config.iter().filter(|(key, _)| key.starts_with(prefix)) {
            // Such settings may be secrets, and there is no definition here that says which.
            let value = undefined(key, Some(shown(key, value)), Vec::new());
            values.push(ValidatedKey { definition: None, value });
        }
    }
    values
}

fn shown(key: &str, value: &str) -> String {
    let secret = ["password", "secret", "jaas.config", "token", "keystore.key", "credential"];
    let key = key.to_ascii_lowercase();
    if secret.iter().any(|word| key.contains(word)) {
        cofferdam_config::HIDDEN.to_owned()
    } else {
        value.to_owned()
    }
}

fn not_null(given: &GivenConfig) -> ConfigMap {
    given.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect()
}

fn dedup(groups: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    groups.retain(|group| seen.insert(group.clone()));
}
