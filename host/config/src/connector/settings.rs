//! A connector's configuration, parsed once.

use std::time::Duration;

use cofferdam_api::ConfigMap;

use super::{ADMIN_OVERRIDE, CONSUMER_OVERRIDE, PRODUCER_OVERRIDE, check_sink, defs};
use crate::validate::{KeyError, Parsed, missing_key};

/// What Kafka Connect itself reads from a connector's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorSettings {
    /// Name of the connector.
    pub name: String,
    /// Class of the connector, as given.
    pub class: String,
    /// Most tasks.
    pub tasks_max: u32,
    /// Whether more tasks than that are an error.
    pub tasks_max_enforce: bool,
    /// Key converter; none means the worker's, with the worker's options.
    pub key_converter: Option<ConverterSettings>,
    /// Value converter; none means the worker's.
    pub value_converter: Option<ConverterSettings>,
    /// Header converter; none means the worker's.
    pub header_converter: Option<ConverterSettings>,
    /// Transformations in their order.
    pub transforms: Vec<TransformSettings>,
    /// What happens to records that fail.
    pub errors: ErrorSettings,
    /// What a sink consumes; `None` for a source.
    pub topics: Topics,
    /// Settings of the connector's producers, Java's key names without prefix.
    pub producer_overrides: ConfigMap,
    /// Settings of the connector's consumers.
    pub consumer_overrides: ConfigMap,
    /// Settings of the connector's admin clients.
    pub admin_overrides: ConfigMap,
}

/// A converter and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConverterSettings {
    /// Class, as given.
    pub class: String,
    /// The converter's own keys, without prefix.
    pub options: ConfigMap,
}

/// A step of the transformation chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformSettings {
    /// Its name in this configuration.
    pub alias: String,
    /// Class, as given.
    pub class: String,
    /// The transformation's own keys, without prefix.
    pub config: ConfigMap,
    /// When it applies; always without one.
    pub predicate: Option<PredicateSettings>,
}

/// Decides whether a transformation applies to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredicateSettings {
    /// Its name in this configuration.
    pub alias: String,
    /// Class, as given.
    pub class: String,
    /// The predicate's own keys, without prefix.
    pub config: ConfigMap,
    /// Whether the transformation applies where the predicate does not hold.
    pub negate: bool,
}

/// What happens to records that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorSettings {
    /// How long an operation is tried again; none for ever.
    pub retry_timeout: Option<Duration>,
    /// Longest pause between two tries.
    pub retry_delay_max: Duration,
    /// Whether they fail the task.
    pub tolerance: Tolerance,
    /// Whether they are logged.
    pub log_enable: bool,
    /// Whether the log says which record it was.
    pub log_include_messages: bool,
    /// Where a sink sends them.
    pub dlq: Option<DlqSettings>,
}

/// Whether records that fail fail the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// The first one does.
    None,
    /// They are skipped.
    All,
}

/// The dead letter queue of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DlqSettings {
    /// Its topic.
    pub topic: String,
    /// Replication factor when the topic is created.
    pub replication_factor: i16,
    /// Whether headers say what happened.
    pub context_headers: bool,
}

/// What a sink consumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// These topics.
    List(Vec<String>),
    /// Every topic whose name matches this Java regex as a whole.
    Regex(String),
    /// Nothing: a source.
    None,
}

// === impl ConnectorSettings ===

impl ConnectorSettings {
    /// Reads what concerns every connector. Faults in keys that only sinks have are no errors: a
    /// source may use such names for itself; [`Self::parse_sink`] is strict.
    ///
    /// # Errors
    /// All faults, with their keys, in Kafka's words.
    pub fn parse(config: &ConfigMap) -> Result<Self, Vec<KeyError>> {
        let parsed = defs::common().parse(config);
        Self::build(config, &parsed, parsed.errors.clone())
    }

    /// Reads a sink's configuration: topics and dead letter queue must be right.
    ///
    /// # Errors
    /// All faults, with their keys, in Kafka's words.
    pub fn parse_sink(config: &ConfigMap) -> Result<Self, Vec<KeyError>> {
        let parsed = defs::sink().parse(config);
        let mut errors = parsed.errors.clone();
        if errors.is_empty() {
            errors = check_sink(config);
        }
        Self::build(config, &parsed, errors)
    }

    fn build(config: &ConfigMap, parsed: &Parsed, mut errors: Vec<KeyError>) -> Result<Self, Vec<KeyError>> {
        let transforms =
            transforms(config, parsed.list("transforms"), parsed.list("predicates"), &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let converter = |key: &str| {
            let class = parsed.string(key)?.to_owned();
            Some(ConverterSettings { class, options: converter_options(config, key) })
        };
        Ok(Self {
            name: parsed.string("name").unwrap_or_default().to_owned(),
            class: parsed.string("connector.class").unwrap_or_default().to_owned(),
            tasks_max: parsed.integer("tasks.max").and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            tasks_max_enforce: parsed.boolean("tasks.max.enforce").unwrap_or(true),
            key_converter: converter("key.converter"),
            value_converter: converter("value.converter"),
            header_converter: converter("header.converter"),
            transforms,
            errors: error_settings(config, parsed),
            topics: topics(config),
            producer_overrides: with_prefix(config, PRODUCER_OVERRIDE),
            consumer_overrides: with_prefix(config, CONSUMER_OVERRIDE),
            admin_overrides: with_prefix(config, ADMIN_OVERRIDE),
        })
    }
}

/// Keys that start with `prefix`, without it.
#[must_use]
pub(crate) fn with_prefix(config: &ConfigMap, prefix: &str) -> ConfigMap {
    let stripped =
        |(key, value): (&String, &String)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone()));
    config.iter().filter_map(stripped).filter(|(key, _)| !key.is_empty()).collect()
}

/// A converter's own keys: what follows `key.converter.`, without the framework's `plugin.version`.
pub(crate) fn converter_options(config: &ConfigMap, key: &str) -> ConfigMap {
    let mut options = with_prefix(config, &format!("{key}."));
    options.shift_remove("plugin.version");
    options
}

/// The chain of transformations.
///
/// Kafka Connect finds an unknown predicate only when a task starts; here it is an error at once.
fn transforms(
    config: &ConfigMap,
    aliases: &[String],
    predicates: &[String],
    errors: &mut Vec<KeyError>,
) -> Vec<TransformSettings> {
    let mut class = |prefix: &str| {
        let key = format!("{prefix}type");
        let class = config.get(&key).map(|class| crate::value::trim(class).to_owned());
        class.or_else(|| {
            errors.push((key.clone(), missing_key(&key)));
            None
        })
    };
    let mut steps = Vec::new();
    let mut wrong = Vec::new();
    for alias in aliases {
        let prefix = format!("transforms.{alias}.");
        let Some(step_class) = class(&prefix) else { continue };
        let mut own = with_prefix(config, &prefix);
        let predicate_alias = own.shift_remove("predicate");
        let negate = own.shift_remove("negate");
        for key in ["type", "plugin.version"] {
            own.shift_remove(key);
        }
        let negated = match negate
            .as_deref()
            .map(|text| crate::value::Value::parse(text, crate::ConfigType::Boolean))
        {
            None => false,
            Some(Ok(value)) => value == crate::value::Value::Boolean(true),
            Some(Err(fault)) => {
                let key = format!("{prefix}negate");
                let text = crate::invalid_value("negate", negate.as_deref().unwrap_or_default(), &fault);
                wrong.push((key, text));
                false
            }
        };
        let predicate = match predicate_alias {
            None => {
                if negate.is_some() {
                    let text = format!(
                        "Config '{prefix}negate' was provided but there is no config '{prefix}predicate' defining a predicate to be negated."
                    );
                    wrong.push((format!("{prefix}negate"), text));
                }
                None
            }
            Some(predicate) => {
                let predicate = crate::value::trim(&predicate).to_owned();
                if !predicates.contains(&predicate) {
                    let fault = format!("there is no predicate '{predicate}' in 'predicates'");
                    let key = format!("{prefix}predicate");
                    wrong.push((key.clone(), crate::invalid_value(&key, &predicate, &fault)));
                }
                Some(predicate)
            }
        };
        let predicate = predicate.filter(|alias| predicates.contains(alias)).and_then(|alias| {
            let prefix = format!("predicates.{alias}.");
            let class = class(&prefix)?;
            let mut config = with_prefix(config, &prefix);
            for key in ["type", "plugin.version"] {
                config.shift_remove(key);
            }
            Some(PredicateSettings { alias, class, config, negate: negated })
        });
        steps.push(TransformSettings { alias: alias.clone(), class: step_class, config: own, predicate });
    }
    errors.extend(wrong);
    steps
}

fn error_settings(config: &ConfigMap, parsed: &Parsed) -> ErrorSettings {
    let millis = |key: &str| parsed.integer(key).unwrap_or_default();
    ErrorSettings {
        retry_timeout: u64::try_from(millis("errors.retry.timeout")).ok().map(Duration::from_millis),
        retry_delay_max: Duration::from_millis(
            u64::try_from(millis("errors.retry.delay.max.ms")).unwrap_or(0),
        ),
        tolerance: match parsed.string("errors.tolerance") {
            Some("all") => Tolerance::All,
            _ => Tolerance::None,
        },
        log_enable: parsed.boolean("errors.log.enable").unwrap_or(false),
        log_include_messages: parsed.boolean("errors.log.include.messages").unwrap_or(false),
        dlq: dlq(config),
    }
}

fn dlq(config: &ConfigMap) -> Option<DlqSettings> {
    let parsed = defs::sink().parse(config);
    let topic = parsed.string("errors.deadletterqueue.topic.name")?.to_owned();
    (!topic.is_empty()).then(|| DlqSettings {
        topic,
        replication_factor: parsed
            .integer("errors.deadletterqueue.topic.replication.factor")
            .and_then(|n| i16::try_from(n).ok())
            .unwrap_or(3),
        context_headers: parsed.boolean("errors.deadletterqueue.context.headers.enable").unwrap_or(false),
    })
}

fn topics(config: &ConfigMap) -> Topics {
    let parsed = defs::sink().parse(config);
    match (parsed.list("topics"), parsed.string("topics.regex").unwrap_or_default()) {
        ([], "") => Topics::None,
        ([], regex) => Topics::Regex(regex.to_owned()),
        (topics, _) => Topics::List(topics.to_vec()),
    }
}
