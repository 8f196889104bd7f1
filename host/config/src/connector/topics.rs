//! Which topics a sink reads, and how a source's topics are made.

use cofferdam_api::ConfigMap;

use super::defs;
use super::settings::with_prefix;
use crate::validate::{KeyError, invalid_value, missing_key};
use crate::value::{Value, split_list};
use crate::{ConfigType, full_match, java_full_regex};

const TOPICS: &str = "topics";
const TOPICS_REGEX: &str = "topics.regex";

/// What a sink's keys must satisfy together: topics by name or by regex, and a dead letter queue that
/// the sink does not read itself. A fault of both keys is reported with both.
#[must_use]
pub fn check_sink(config: &ConfigMap) -> Vec<KeyError> {
    let parsed = defs::sink().parse(config);
    let topics = parsed.list(TOPICS);
    let regex = parsed.string(TOPICS_REGEX).unwrap_or_default();
    let dlq = parsed.string("errors.deadletterqueue.topic.name").unwrap_or_default();
    let both =
        |text: &str| vec![(TOPICS.to_owned(), text.to_owned()), (TOPICS_REGEX.to_owned(), text.to_owned())];
    match (topics.is_empty(), regex.is_empty()) {
        (true, true) => return both("Must configure one of topics or topics.regex"),
        (false, false) => {
            return both("topics and topics.regex are mutually exclusive options, but both are set.");
        }
        _ => {}
    }
    if dlq.is_empty() {
        return Vec::new();
    }
    if topics.iter().any(|topic| topic == dlq) {
        let text = format!(
            "The DLQ topic '{dlq}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
            topics.join(", ")
        );
        return vec![(TOPICS.to_owned(), text)];
    }
    if !regex.is_empty() && java_full_regex(regex).is_ok_and(|compiled| full_match(&compiled, dlq)) {
        let text = format!(
            "The DLQ topic '{dlq}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by the connector"
        );
        return vec![(TOPICS_REGEX.to_owned(), text)];
    }
    Vec::new()
}

/// How a source's topics of one group are made.
#[derive(Clone, Debug)]
pub struct TopicGroup {
    /// Name of the group.
    pub alias: String,
    /// Number of partitions, -1 for the broker's default.
    pub partitions: i32,
    /// Replication factor, -1 for the broker's default.
    pub replication_factor: i16,
    /// Settings of the topic.
    pub configs: ConfigMap,
    include: Option<fancy_regex::Regex>,
    exclude: Option<fancy_regex::Regex>,
}

const PREFIX: &str = "topic.creation.";
const DEFAULT_GROUP: &str = "default";
const PARTITIONS_TEXT: &str = "Number of partitions must be positive, or -1 to use the broker's default";
const REPLICATION_TEXT: &str = "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default";

/// The groups in the order in which they are tried, `default` last; none when no key speaks of topic
/// creation: topics are then made by the broker, or not at all.
///
/// # Errors
/// All faults, with their keys.
pub fn topic_groups(config: &ConfigMap) -> Result<Vec<TopicGroup>, Vec<KeyError>> {
    if !config.keys().any(|key| key.starts_with(PREFIX)) {
        return Ok(Vec::new());
    }
    let mut errors = Vec::new();
    let default = group(config, DEFAULT_GROUP, None, &mut errors);
    let listed = config.get("topic.creation.groups").map(|text| split_list(text)).unwrap_or_default();
    let aliases = listed.iter().filter(|alias| *alias != DEFAULT_GROUP);
    let mut groups: Vec<_> = aliases.map(|alias| group(config, alias, Some(&default), &mut errors)).collect();
    groups.push(default);
    if errors.is_empty() { Ok(groups) } else { Err(errors) }
}

fn group(
    config: &ConfigMap,
    alias: &str,
    default: Option<&TopicGroup>,
    errors: &mut Vec<KeyError>,
) -> TopicGroup {
    let prefix = format!("{PREFIX}{alias}.");
    let mut configs = with_prefix(config, &prefix);
    let mut number = |name: &str, config_type, inherited: Option<i64>, text: &str| {
        let key = format!("{prefix}{name}");
        let Some(given) = configs.shift_remove(name) else {
            if inherited.is_none() {
                errors.push((key.clone(), missing_key(&key)));
            }
            return inherited.unwrap_or(-1);
        };
        match Value::parse(&given, config_type) {
            Ok(Value::Integer(n)) if n == -1 || n > 0 => n,
            Ok(_) => {
                errors.push((key.clone(), invalid_value(&key, &given, text)));
                -1
            }
            Err(fault) => {
                errors.push((key.clone(), invalid_value(&key, &given, &fault)));
                -1
            }
        }
    };
    let replication = number(
        "replication.factor",
        ConfigType::Short,
        default.map(|group| group.replication_factor.into()),
        REPLICATION_TEXT,
    );
    let partitions =
        number("partitions", ConfigType::Int, default.map(|group| group.partitions.into()), PARTITIONS_TEXT);
    let mut regex = |name: &str| {
        // Alternatives are joined, so an empty list becomes the regex that matches the empty name only.
        let pattern = configs.shift_remove(name).map(|text| split_list(&text).join("|")).unwrap_or_default();
        default?;
        let key = format!("{prefix}{name}");
        match java_full_regex(&pattern) {
            Ok(regex) => Some(regex),
            Err(fault) => {
                errors.push((key.clone(), invalid_value(&key, &pattern, &format!("Invalid regex: {fault}"))));
                None
            }
        }
    };
    let (include, exclude) = (regex("include"), regex("exclude"));
    TopicGroup {
        alias: alias.to_owned(),
        partitions: i32::try_from(partitions).unwrap_or(-1),
        replication_factor: i16::try_from(replication).unwrap_or(-1),
        configs,
        include,
        exclude,
    }
}

// === impl TopicGroup ===

impl TopicGroup {
    /// Whether a topic called `topic` is made as this group says: an exclusion wins, `default` takes all.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let hit = |regex: &Option<_>| regex.as_ref().is_some_and(|regex| full_match(regex, topic));
        self.alias == DEFAULT_GROUP || (hit(&self.include) && !hit(&self.exclude))
    }
}
