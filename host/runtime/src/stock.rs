//! The built-in converters as the control path sees them: found, listed and validated like plugins.

use cofferdam_config::ConfigDef;
use cofferdam_converters::{CLASSES, config_def};
use cofferdam_worker_api::{Plugin, PluginKind};

/// Version of Kafka Connect whose converters these are.
const VERSION: &str = "4.3.1";
const SIMPLE_HEADER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// Every built-in converter.
pub(crate) fn converters() -> impl Iterator<Item = Plugin> {
    let stock = CLASSES
        .into_iter()
        .filter_map(|class| Some(plugin(class, PluginKind::Converter, config_def(class)?)));
    stock.chain([plugin(SIMPLE_HEADER, PluginKind::HeaderConverter, ConfigDef::default())])
}

/// The one that `class` names, in full or by its last part.
pub(crate) fn converter(class: &str, kinds: &[PluginKind]) -> Option<Plugin> {
    let is_called = |plugin: &Plugin| plugin.class == class || plugin.class.rsplit('.').next() == Some(class);
    converters().find(|plugin| kinds.contains(&plugin.kind) && is_called(plugin))
}

fn plugin(class: &str, kind: PluginKind, config_def: ConfigDef) -> Plugin {
    Plugin { class: class.to_owned(), aliases: Vec::new(), kind, version: VERSION.to_owned(), config_def }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converters_are_found_by_either_name_and_by_what_they_convert() {
        let both = [PluginKind::HeaderConverter, PluginKind::Converter];
        let found = |class: &str, kinds: &[PluginKind]| converter(class, kinds).map(|plugin| plugin.class);
        assert_eq!(
            found("JsonConverter", &both),
            found("org.apache.kafka.connect.json.JsonConverter", &both)
        );
        assert_eq!(found("SimpleHeaderConverter", &both).as_deref(), Some(SIMPLE_HEADER));
        assert_eq!(found("SimpleHeaderConverter", &[PluginKind::Converter]), None);
        assert_eq!(found("AvroConverter", &both), None);
        assert_eq!(converters().count(), 4);
    }
}
