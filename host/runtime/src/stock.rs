//! The built-in converters as the control path sees them: found, listed and validated like plugins.

use cofferdam_config::ConfigDef;
use cofferdam_converters::{CLASSES, SIMPLE_HEADER, config_def};
use cofferdam_worker_api::{Plugin, PluginKind};

/// Version of Kafka Connect whose converters these are.
const VERSION: &str = "4.3.1";

/// Every built-in converter, once for each kind that it serves: all are for headers, and all but one
/// for keys and values too.
pub(crate) fn converters() -> impl Iterator<Item = Plugin> {
    let of = |kind: PluginKind| move |class| Some(plugin(class, kind, config_def(class)?));
    let both = CLASSES.into_iter().filter_map(of(PluginKind::Converter));
    both.chain(CLASSES.into_iter().chain([SIMPLE_HEADER]).filter_map(of(PluginKind::HeaderConverter)))
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
        let of = |kind: PluginKind| move |plugin: &Plugin| plugin.kind == kind;
        assert_eq!(converters().filter(of(PluginKind::Converter)).count(), 9);
        assert_eq!(converters().filter(of(PluginKind::HeaderConverter)).count(), 10);
        assert_eq!(
            found("IntegerConverter", &[PluginKind::Converter]),
            found("IntegerConverter", &[PluginKind::HeaderConverter])
        );
    }
}
