//! What a component says of itself, checked before anything believes it.

use std::collections::HashSet;

use cofferdam_config::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance, Validator, Width};

use crate::bindings::exported::plugin_api as wit;
use crate::{Capability, Format, InstallError, PluginInfo, PluginKind, Power};

/// Plugins of one component.
const PLUGINS_MAX: usize = 1_000;
/// Length of a class name or alias.
const NAME_MAX: usize = 255;

/// The plugins of a description. `kinds` are those that the component exports the functions of.
///
/// # Errors
/// The first thing that cannot be right.
pub(crate) fn plugins(
    list: Vec<wit::PluginInfo>,
    kinds: &[PluginKind],
    digest: &str,
) -> Result<Vec<PluginInfo>, InstallError> {
    let whole = |problem: String| InstallError::Description { plugin: "itself".to_owned(), problem };
    if list.is_empty() {
        return Err(whole("it contains no plugin".to_owned()));
    }
    if list.len() > PLUGINS_MAX {
        return Err(whole(format!("it names {} plugins, {PLUGINS_MAX} are possible", list.len())));
    }
    let mut seen = HashSet::new();
    let mut plugins = Vec::with_capacity(list.len());
    for (index, info) in list.into_iter().enumerate() {
        let plugin = if info.class.is_empty() { format!("plugin {index}") } else { info.class.clone() };
        let twice = !seen.insert(info.class.clone());
        let checked =
            if twice { Err("the class is there twice".to_owned()) } else { one(info, kinds, digest) };
        plugins.push(checked.map_err(|problem| InstallError::Description { plugin, problem })?);
    }
    Ok(plugins)
}

fn one(info: wit::PluginInfo, kinds: &[PluginKind], digest: &str) -> Result<PluginInfo, String> {
    check_name("class", &info.class)?;
    for alias in &info.aliases {
        check_name("alias", alias)?;
    }
    let kind = kind(info.kind, kinds)?;
    let capabilities = info.capabilities.into_iter().map(capability).collect::<Result<_, _>>()?;
    Ok(PluginInfo {
        kind,
        config_def: config_def(info.config_def)?,
        key_format: format("key", info.key_format)?,
        value_format: format("value", info.value_format)?,
        class: info.class,
        aliases: info.aliases,
        version: info.version,
        documentation: info.documentation,
        needs_key: info.needs_key,
        needs_value: info.needs_value,
        needs_headers: info.needs_headers,
        pure: info.pure,
        idempotent: info.idempotent,
        task_class: info.task_class,
        capabilities,
        digest: digest.to_owned(),
    })
}

/// Names stand in URLs and in configurations.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    if name.len() > NAME_MAX {
        return Err(format!("the {what} is longer than {NAME_MAX} bytes"));
    }
    match name.chars().find(|c| !c.is_ascii_alphanumeric() && !"._$-".contains(*c)) {
        Some(c) => {
            Err(format!("the {what} {name:?} has the character {c:?}; letters, digits, . _ $ - are possible"))
        }
        None => Ok(()),
    }
}

fn kind(kind: wit::Kind, kinds: &[PluginKind]) -> Result<PluginKind, String> {
    let (kind, name, needs) = match kind {
        wit::Kind::Source => (PluginKind::Source, "source", "connector-api and source-api"),
        wit::Kind::Sink => (PluginKind::Sink, "sink", "connector-api and sink-api"),
        wit::Kind::Transform => (PluginKind::Transform, "transform", "transform-api"),
        wit::Kind::Predicate => (PluginKind::Predicate, "predicate", "predicate-api"),
        wit::Kind::Converter => (PluginKind::Converter, "converter", "converter-api"),
        wit::Kind::HeaderConverter => (PluginKind::HeaderConverter, "header converter", "converter-api"),
    };
    if kinds.contains(&kind) {
        Ok(kind)
    } else {
        Err(format!("a {name} needs {needs}, which the component does not export"))
    }
}

fn format(of: &str, format: wit::Format) -> Result<Format, String> {
    match format {
        wit::Format::Raw => Ok(Format::Raw),
        wit::Format::Rows => Ok(Format::Rows),
        wit::Format::Json => Ok(Format::Json),
        wit::Format::Cbor => Err(format!("the {of} format cbor is not available in this version; json is")),
    }
}

fn capability(capability: wit::Capability) -> Result<Capability, String> {
    let all = [Power::FileRead, Power::FileWrite, Power::TransactionBoundaries];
    let power = all.into_iter().find(|power| power.as_str() == capability.kind);
    let known = || all.map(Power::as_str).join(", ");
    let power = power.ok_or_else(|| {
        format!("it asks for the capability {:?}; this worker knows {}", capability.kind, known())
    })?;
    Ok(Capability { power, value: capability.value })
}

fn config_def(keys: Vec<wit::ConfigKey>) -> Result<ConfigDef, String> {
    let mut seen = HashSet::new();
    let mut out = Vec::with_capacity(keys.len());
    for key in keys {
        if key.name.is_empty() {
            return Err("a configuration key has no name".to_owned());
        }
        if !seen.insert(key.name.clone()) {
            return Err(format!("the configuration key {} is there twice", key.name));
        }
        out.push(config_key(key));
    }
    Ok(ConfigDef { keys: out })
}

fn config_key(key: wit::ConfigKey) -> ConfigKey {
    ConfigKey {
        config_type: match key.config_type {
            wit::ConfigType::Boolean => ConfigType::Boolean,
            wit::ConfigType::String => ConfigType::String,
            wit::ConfigType::Int => ConfigType::Int,
            wit::ConfigType::Short => ConfigType::Short,
            wit::ConfigType::Long => ConfigType::Long,
            wit::ConfigType::Double => ConfigType::Double,
            wit::ConfigType::List => ConfigType::List,
            wit::ConfigType::Class => ConfigType::Class,
            wit::ConfigType::Password => ConfigType::Password,
        },
        default: match key.default {
            Some(value) => DefaultValue::Value(value),
            None if key.optional => DefaultValue::Null,
            None => DefaultValue::Required,
        },
        validator: match key.validator {
            wit::Validator::None => Validator::Any,
            wit::Validator::OneOf(values) => Validator::OneOf(values),
            wit::Validator::OneOfIgnoreCase(values) => Validator::OneOfIgnoreCase(values),
            wit::Validator::Range((min, max)) => Validator::Range(min, max),
            wit::Validator::NonEmptyString => Validator::NonEmptyString,
            wit::Validator::NonEmptyList => Validator::NonEmptyList,
            wit::Validator::Regex => Validator::Regex,
        },
        importance: match key.importance {
            wit::Importance::High => Importance::High,
            wit::Importance::Medium => Importance::Medium,
            wit::Importance::Low => Importance::Low,
        },
        width: match key.width {
            wit::Width::None => Width::None,
            wit::Width::Short => Width::Short,
            wit::Width::Medium => Width::Medium,
            wit::Width::Long => Width::Long,
        },
        display_name: if key.display_name.is_empty() { key.name.clone() } else { key.display_name },
        name: key.name,
        documentation: key.documentation,
        group: key.group,
        order: key.order,
        dependents: key.dependents,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn info(class: &str) -> wit::PluginInfo {
        wit::PluginInfo {
            class: class.to_owned(),
            aliases: Vec::new(),
            kind: wit::Kind::Sink,
            version: String::new(),
            documentation: String::new(),
            config_def: Vec::new(),
            key_format: wit::Format::Raw,
            value_format: wit::Format::Rows,
            needs_key: true,
            needs_value: true,
            needs_headers: true,
            pure: false,
            idempotent: false,
            task_class: None,
            capabilities: Vec::new(),
        }
    }

    fn key(name: &str) -> wit::ConfigKey {
        wit::ConfigKey {
            name: name.to_owned(),
            config_type: wit::ConfigType::Int,
            default: Some("1".to_owned()),
            optional: false,
            importance: wit::Importance::High,
            documentation: String::new(),
            group: None,
            order: -1,
            width: wit::Width::Short,
            display_name: String::new(),
            dependents: Vec::new(),
            validator: wit::Validator::Range((Some(1.0), None)),
        }
    }

    fn refusal(change: impl FnOnce(&mut wit::PluginInfo)) -> String {
        let mut one = info("org.example.Sink");
        change(&mut one);
        plugins(vec![one], &[PluginKind::Sink], "d").unwrap_err().to_string()
    }

    #[test]
    fn a_good_description_is_taken_over() {
        let mut one = info("org.example.Outer$Sink");
        one.config_def = vec![key("port")];
        one.capabilities =
            vec![wit::Capability { kind: "file-write".to_owned(), value: "${file}".to_owned() }];
        let plugins = plugins(vec![one], &[PluginKind::Sink], "d").unwrap();
        let [plugin] = plugins.as_slice() else { unreachable!("one plugin was described") };
        assert_eq!(
            (plugin.kind, plugin.value_format, plugin.digest.as_str()),
            (PluginKind::Sink, Format::Rows, "d")
        );
        assert_eq!(
            plugin.capabilities,
            [Capability { power: Power::FileWrite, value: "${file}".to_owned() }]
        );
        let [key] = plugin.config_def.keys.as_slice() else { unreachable!("one key was described") };
        assert_eq!((key.display_name.as_str(), &key.default), ("port", &DefaultValue::Value("1".to_owned())));
        assert_eq!(key.validator, Validator::Range(Some(1.0), None));
    }

    #[test]
    fn a_wrong_description_is_refused_with_its_reason() {
        assert!(
            refusal(|info| info.class.clear()).contains("describes plugin 0 wrongly: the class is empty")
        );
        assert!(refusal(|info| info.class = "a/b".to_owned()).contains("has the character '/'"));
        assert!(refusal(|info| info.aliases.push("x".repeat(256))).contains("longer than 255 bytes"));
        assert!(
            refusal(|info| info.kind = wit::Kind::Source)
                .contains("a source needs connector-api and source-api")
        );
        assert!(refusal(|info| info.kind = wit::Kind::Converter).contains("a converter needs converter-api"));
        assert!(
            refusal(|info| info.key_format = wit::Format::Cbor).contains("key format cbor is not available")
        );
        let capability = wit::Capability { kind: "network".to_owned(), value: String::new() };
        let text = refusal(|info| info.capabilities.push(capability));
        assert!(
            text.contains("the capability \"network\"; this worker knows file-read, file-write"),
            "{text}"
        );
        assert!(refusal(|info| info.config_def = vec![key("a"), key("a")]).contains("key a is there twice"));
        assert!(refusal(|info| info.config_def = vec![key("")]).contains("key has no name"));
    }

    #[test]
    fn an_empty_or_double_description_is_refused() {
        let text = plugins(Vec::new(), &[], "d").unwrap_err().to_string();
        assert_eq!(text, "the component describes itself wrongly: it contains no plugin");
        let text = plugins(vec![info("A"), info("A")], &[PluginKind::Sink], "d").unwrap_err().to_string();
        assert_eq!(text, "the component describes A wrongly: the class is there twice");
    }
}
