//! Keys of plugins inside a connector's configuration: transforms and predicates under their alias,
//! converters under theirs, each with the names, groups and order that Kafka Connect gives them.

use std::collections::BTreeSet;

use cofferdam_api::ConfigMap;
use cofferdam_config::{ConfigDef, ConfigKey, ConfigValue, DefaultValue, class_not_found, connector};
use cofferdam_worker_api::{Plugin, PluginKind, Worker};

/// Kinds that a converter key may name.
pub(crate) const CONVERTERS: &[PluginKind] = &[PluginKind::Converter];
/// Kinds that `header.converter` may name: every stock converter is a header converter too.
pub(crate) const HEADER_CONVERTERS: &[PluginKind] = &[PluginKind::HeaderConverter, PluginKind::Converter];
const TRANSFORMS: &[PluginKind] = &[PluginKind::Transformation];
const PREDICATES: &[PluginKind] = &[PluginKind::Predicate];
const ALL: &[PluginKind] = &[
    PluginKind::Sink,
    PluginKind::Source,
    PluginKind::Transformation,
    PluginKind::Predicate,
    PluginKind::Converter,
    PluginKind::HeaderConverter,
];

/// A key as it stands in a connector's configuration.
pub(crate) struct Entry {
    pub(crate) key: ConfigKey,
    /// Its name in its own plugin: validators of embedded keys speak of that one.
    bare: Option<String>,
    /// Kinds of plugin that a CLASS key may name.
    class_of: &'static [PluginKind],
    pub(crate) recommended: Vec<String>,
    pub(crate) visible: bool,
}

impl Entry {
    pub(crate) const fn plain(key: ConfigKey) -> Self {
        Self { key, bare: None, class_of: &[], recommended: Vec::new(), visible: true }
    }

    /// A key that names a plugin of these kinds.
    pub(crate) fn class(key: ConfigKey, class_of: &'static [PluginKind], worker: &dyn Worker) -> Self {
        let mut classes: Vec<_> =
            worker.plugins().into_iter().filter(|p| class_of.contains(&p.kind)).map(|p| p.class).collect();
        classes.sort_unstable();
        classes.dedup();
        Self { class_of, recommended: classes, ..Self::plain(key) }
    }

    /// A key that names the version of `plugin`.
    pub(crate) fn version(mut key: ConfigKey, plugin: Option<&Plugin>) -> Self {
        if let Some(plugin) = plugin {
            key.default = DefaultValue::Value(plugin.version.clone());
        }
        let recommended = plugin.map(|plugin| plugin.version.clone()).into_iter().collect();
        Self { recommended, ..Self::plain(key) }
    }

    /// A key of a plugin, under `prefix`.
    fn embedded(mut key: ConfigKey, prefix: &str) -> Self {
        let bare = std::mem::take(&mut key.name);
        key.name = format!("{prefix}{bare}");
        key.dependents = key.dependents.iter().map(|name| format!("{prefix}{name}")).collect();
        Self { bare: Some(bare), ..Self::plain(key) }
    }

    /// What a validation says of it.
    pub(crate) fn value(&self, config: &ConfigMap, worker: &dyn Worker) -> ConfigValue {
        let given = config.get(&self.key.name).map(String::as_str);
        let mut value = self.key.validate(given);
        if let Some(bare) = &self.bare {
            let unparsable = given.is_some() && value.value.is_none();
            for (i, error) in value.errors.iter_mut().enumerate() {
                // Only the parser, which speaks first, knows the full name.
                if !(i == 0 && unparsable) {
                    let full = format!(" for configuration {}: ", self.key.name);
                    *error = error.replacen(&full, &format!(" for configuration {bare}: "), 1);
                }
            }
        }
        if let Some(class) = value.value.clone().filter(|_| !self.class_of.is_empty()) {
            match worker.plugin(&class, self.class_of) {
                Some(plugin) => value.value = Some(plugin.class),
                None => self.wrong_class(&class, &mut value, worker),
            }
        }
        value.recommended.clone_from(&self.recommended);
        value.visible = self.visible;
        value
    }

    fn wrong_class(&self, class: &str, value: &mut ConfigValue, worker: &dyn Worker) {
        match worker.plugin(class, ALL) {
            Some(plugin) => value.errors.push(format!(
                "Class class {} does not implement the {} interface",
                plugin.class,
                interface(self.class_of)
            )),
            None => {
                value.errors.push(class_not_found(&self.key.name, class));
                value.value = None;
            }
        }
    }
}

/// Keys of all transforms and predicates that `config` names, and the faults of how it does.
pub(crate) fn chain(config: &ConfigMap, worker: &dyn Worker) -> (Vec<Entry>, Vec<(String, String)>) {
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    let framework = connector::common().parse(config);
    for alias in unique(framework.list("transforms")) {
        let (head, tail) = connector::transform(alias);
        let prefix = format!("transforms.{alias}.");
        let plugin = step(config, worker, &prefix, TRANSFORMS);
        entries.extend(step_head(head, plugin.as_ref(), TRANSFORMS, worker));
        if let Some(plugin) = plugin {
            // A transform's own `predicate` and `negate` are hidden by those of the framework.
            let own = plugin.config_def.keys.into_iter().filter(|key| tail.key(&key.name).is_none());
            let keys = own.chain(tail.keys.clone()).collect();
            entries.extend(step_keys(keys, &prefix, &format!("Transforms: {alias}")));
        }
        let [negate, predicate] = ["negate", "predicate"].map(|key| format!("{prefix}{key}"));
        if config.contains_key(&negate) && !config.contains_key(&predicate) {
            let text = format!(
                "Config '{negate}' was provided but there is no config '{predicate}' defining a predicate to be negated."
            );
            faults.push((negate, text));
        }
    }
    for alias in unique(framework.list("predicates")) {
        let prefix = format!("predicates.{alias}.");
        let plugin = step(config, worker, &prefix, PREDICATES);
        entries.extend(step_head(connector::predicate(alias), plugin.as_ref(), PREDICATES, worker));
        if let Some(plugin) = plugin {
            entries.extend(step_keys(plugin.config_def.keys, &prefix, &format!("Predicates: {alias}")));
        }
    }
    (entries, faults)
}

/// Keys of the converter that `config` names under `name`; none when it names none.
pub(crate) fn converter(config: &mut ConfigMap, name: &str, worker: &dyn Worker) -> Vec<Entry> {
    let kinds = converter_kinds(name);
    let Some(plugin) = config.get(name).and_then(|class| worker.plugin(class.trim(), kinds)) else {
        return Vec::new();
    };
    let prefix = format!("{name}.");
    // Kafka Connect tells a converter what it is for.
    let role = name.split('.').next().unwrap_or_default();
    config.insert(format!("{prefix}converter.type"), role.to_owned());
    plugin.config_def.keys.into_iter().map(|key| Entry::embedded(key, &prefix)).collect()
}

/// Kinds that the converter key `name` may name.
pub(crate) fn converter_kinds(name: &str) -> &'static [PluginKind] {
    if name == "header.converter" { HEADER_CONVERTERS } else { CONVERTERS }
}

/// Headings in the order of their first appearance.
pub(crate) fn groups<'a>(keys: impl IntoIterator<Item = &'a ConfigKey>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    keys.into_iter().filter_map(|key| key.group.clone()).filter(|group| seen.insert(group.clone())).collect()
}

/// The plugin of a step.
fn step(config: &ConfigMap, worker: &dyn Worker, prefix: &str, kinds: &[PluginKind]) -> Option<Plugin> {
    worker.plugin(config.get(&format!("{prefix}type"))?.trim(), kinds)
}

fn step_head(
    head: ConfigDef,
    plugin: Option<&Plugin>,
    kinds: &'static [PluginKind],
    worker: &dyn Worker,
) -> Vec<Entry> {
    let entry = |key: ConfigKey| {
        if key.name.ends_with(".type") {
            Entry::class(key, kinds, worker)
        } else {
            Entry::version(key, plugin)
        }
    };
    head.keys.into_iter().map(entry).collect()
}

/// A step's own keys in Kafka's order, numbered on after its class and version.
fn step_keys(mut keys: Vec<ConfigKey>, prefix: &str, group: &str) -> Vec<Entry> {
    let headings = groups(&keys);
    let heading = |key: &ConfigKey| {
        key.group.as_ref().map(|group| headings.iter().position(|heading| heading == group))
    };
    keys.sort_by_cached_key(|key| {
        (heading(key), key.order, !key.is_required(), key.importance as u8, key.name.clone())
    });
    let entry = |(order, key): (i32, ConfigKey)| {
        let group = match &key.group {
            Some(own) => format!("{group}: {own}"),
            None => group.to_owned(),
        };
        let mut entry = Entry::embedded(key, prefix);
        entry.key.group = Some(group);
        entry.key.order = order;
        entry
    };
    (2..).zip(keys).map(entry).collect()
}

fn unique(aliases: &[String]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    aliases.iter().map(String::as_str).filter(|alias| seen.insert(*alias)).collect()
}

const fn interface(kinds: &[PluginKind]) -> &'static str {
    match kinds.first() {
        Some(PluginKind::Transformation) => "Transformation",
        Some(PluginKind::Predicate) => "Predicate",
        Some(PluginKind::HeaderConverter) => "HeaderConverter",
        _ => "Converter",
    }
}

/// A value that no definition speaks of.
pub(crate) fn undefined(name: &str, value: Option<String>, errors: Vec<String>) -> ConfigValue {
    ConfigValue { name: name.to_owned(), value, recommended: Vec::new(), errors, visible: true }
}
