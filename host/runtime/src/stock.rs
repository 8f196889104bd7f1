//! The built-in converters as the control path sees them: found, listed and validated like plugins.

use cofferdam_converters::{CLASSES, SIMPLE_HEADER, config_def};
use cofferdam_worker_api::{Plugin, PluginKind};

/// Version of Kafka Connect whose converters these are.
const VERSION: &str = "4.3.1";

/// Every built-in converter; those that also convert headers are there twice, as in Kafka Connect's list.
pub(crate) fn converters() -> impl Iterator<Item = Plugin> {
    let of = |kind| move |class| plugin(class, kind);
    let mut for_headers: Vec<&str> = CLASSES.into_iter().chain([SIMPLE_HEADER]).collect();
    for_headers.sort_unstable();
    let headers = for_headers.into_iter().filter_map(of(PluginKind::HeaderConverter));
    CLASSES.into_iter().filter_map(of(PluginKind::Converter)).chain(headers)
}

/// The one that `class` names, in full or by its last part.
pub(crate) fn converter(class: &str, kinds: &[PluginKind]) -> Option<Plugin> {
    let full = cofferdam_converters::find(class)?;
    converters().find(|plugin| kinds.contains(&plugin.kind) && plugin.class == full)
}

fn plugin(class: &str, kind: PluginKind) -> Option<Plugin> {
    let config_def = config_def(class)?;
    Some(Plugin {
        class: class.to_owned(),
        aliases: Vec::new(),
        kind,
        version: VERSION.to_owned(),
        config_def,
        defines_transactions: false,
    })
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
        let kinds: Vec<PluginKind> = converters()
            .filter(|plugin| plugin.class.ends_with(".LongConverter"))
            .map(|plugin| plugin.kind)
            .collect();
        assert_eq!(kinds, [PluginKind::Converter, PluginKind::HeaderConverter]);
    }
}
