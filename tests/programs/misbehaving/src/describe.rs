//! What this component says of itself.

use crate::cofferdam::connect::connect_types::Config;
use crate::exports::cofferdam::connect::plugin_api::{
    Capability, ConfigKey, ConfigType, Format, Guest, Importance, KeyErrors, Kind, PluginInfo, Validator,
    Width,
};

impl Guest for crate::Misbehaving {
    fn describe() -> Vec<PluginInfo> {
        let mut source = plugin("test.Source", Kind::Source, Format::Rows);
        source.aliases = vec!["test.old.NameConnector".to_owned()];
        source.config_def = vec![
            key("topic", ConfigType::String, None, Validator::NonEmptyString),
            key("records", ConfigType::Long, Some("10"), Validator::Range((Some(0.0), None))),
            ConfigKey { optional: true, ..key("file", ConfigType::String, None, Validator::None) },
        ];
        source.capabilities = vec![capability("file-read")];
        let mut transactional = PluginInfo { class: "test.TransactionalSource".to_owned(), ..source.clone() };
        transactional.aliases.clear();
        transactional
            .capabilities
            .push(Capability { kind: "transaction-boundaries".to_owned(), value: String::new() });
        let mut sink = plugin("test.Sink", Kind::Sink, Format::Raw);
        sink.config_def =
            vec![ConfigKey { optional: true, ..key("file", ConfigType::String, None, Validator::None) }];
        sink.capabilities = vec![capability("file-write")];
        let mut idempotent =
            PluginInfo { idempotent: true, ..plugin("test.IdempotentSink", Kind::Sink, Format::Raw) };
        idempotent.config_def = sink.config_def.clone();
        idempotent.capabilities = sink.capabilities.clone();
        let transform = PluginInfo { pure: true, ..plugin("test.Transform", Kind::Transform, Format::Raw) };
        let predicate = PluginInfo { pure: true, ..plugin("test.Predicate", Kind::Predicate, Format::Raw) };
        let converter = plugin("test.Converter", Kind::Converter, Format::Rows);
        vec![source, transactional, sink, transform, predicate, converter, idempotent]
    }

    fn validate(class: String, config: Config) -> Vec<KeyErrors> {
        let bad = config.into_iter().filter(|(_, value)| value == "invalid");
        bad.map(|(name, _)| KeyErrors { name, errors: vec![format!("{class} does not like it")] }).collect()
    }
}

fn plugin(class: &str, kind: Kind, value_format: Format) -> PluginInfo {
    PluginInfo {
        class: class.to_owned(),
        aliases: Vec::new(),
        kind,
        version: "1.2.3".to_owned(),
        documentation: "for tests".to_owned(),
        config_def: Vec::new(),
        key_format: Format::Raw,
        value_format,
        needs_key: true,
        needs_value: true,
        needs_headers: true,
        pure: false,
        idempotent: false,
        task_class: None,
        capabilities: Vec::new(),
    }
}

fn capability(kind: &str) -> Capability {
    Capability { kind: kind.to_owned(), value: "${file}".to_owned() }
}

fn key(name: &str, config_type: ConfigType, default: Option<&str>, validator: Validator) -> ConfigKey {
    ConfigKey {
        name: name.to_owned(),
        config_type,
        default: default.map(str::to_owned),
        optional: false,
        importance: Importance::High,
        documentation: String::new(),
        group: None,
        order: -1,
        width: Width::None,
        display_name: name.to_owned(),
        dependents: Vec::new(),
        validator,
    }
}
