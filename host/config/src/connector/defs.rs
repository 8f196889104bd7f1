//! Definitions of the keys that Kafka Connect itself reads from a connector's configuration, in its
//! order, groups and widths.

use crate::def::{ConfigDef, ConfigKey, ConfigType, Importance, Validator, Width};

use ConfigType::{Boolean, Class, Int, List, Long, Short, String as Text};
use Importance::{High, Low, Medium};

const COMMON: &str = "Common";
const ERRORS: &str = "Error Handling";

/// Keys of all connectors.
#[must_use]
pub fn common() -> ConfigDef {
    let mut keys = head();
    keys.extend(converters());
    keys.extend(chain_and_reload());
    keys.extend(errors());
    ConfigDef::new(keys)
}

/// Keys of a source connector.
#[must_use]
pub fn source() -> ConfigDef {
    let mut def = common();
    def.keys.extend([
        ConfigKey::new(
            "topic.creation.groups",
            List,
            Low,
            "Names of groups of settings for topics that this connector creates; `default` always exists.",
        )
        .default_value("")
        .validator(Validator::UniqueAliases)
        .group("Topic Creation", 1)
        .width(Width::Long)
        .display("Topic Creation Groups"),
        ConfigKey::new(
            "exactly.once.support",
            Text,
            Medium,
            "Whether exactly-once delivery is requested, or required so that the connector is refused without it.",
        )
        .default_value("requested")
        .validator(one_of_ignore_case(&["requested", "required"]))
        .group("Exactly Once Support", 2)
        .width(Width::Short)
        .display("Exactly once support"),
        ConfigKey::new(
            "transaction.boundary",
            Text,
            Medium,
            "What ends a transaction: every batch (poll), an interval, or the connector itself.",
        )
        .default_value("poll")
        .validator(one_of_ignore_case(&["poll", "interval", "connector"]))
        .group("Exactly Once Support", 3)
        .width(Width::Short)
        .display("Transaction Boundary"),
        ConfigKey::new(
            "transaction.boundary.interval.ms",
            Long,
            Low,
            "Time between commits when transaction.boundary is interval; the worker's offset.flush.interval.ms when unset.",
        )
        .optional()
        .validator(Validator::OptionalRange(Some(0.0), None))
        .group("Exactly Once Support", 4)
        .width(Width::Short)
        .display("Transaction boundary interval"),
        ConfigKey::new(
            "offsets.storage.topic",
            Text,
            Low,
            "Topic for this connector's source offsets; the worker's when unset.",
        )
        .optional()
        .validator(Validator::NonEmptyString)
        .group("offsets.topic", 1)
        .width(Width::Long)
        .display("Offsets topic"),
    ]);
    def
}

/// Keys of a sink connector.
#[must_use]
pub fn sink() -> ConfigDef {
    let mut def = common();
    def.keys.extend([
        ConfigKey::new("topics", List, High, "Topics to consume, separated by commas.")
            .default_value("")
            .validator(Validator::UniqueNonEmptyItems)
            .group(COMMON, 4)
            .width(Width::Long)
            .display("Topics"),
        ConfigKey::new(
            "topics.regex",
            Text,
            High,
            "Regular expression that the whole name of a topic must match to be consumed; instead of topics.",
        )
        .default_value("")
        .validator(Validator::Regex)
        .group(COMMON, 4)
        .width(Width::Long)
        .display("Topics regex"),
        ConfigKey::new(
            "errors.deadletterqueue.topic.name",
            Text,
            Medium,
            "Topic that receives the records that failed; none when blank.",
        )
        .default_value("")
        .group(ERRORS, 6)
        .width(Width::Medium)
        .display("Dead Letter Queue Topic Name"),
        ConfigKey::new(
            "errors.deadletterqueue.topic.replication.factor",
            Short,
            Medium,
            "Replication factor of the dead letter queue's topic when it has to be created.",
        )
        .default_value("3")
        .group(ERRORS, 7)
        .width(Width::Medium)
        .display("Dead Letter Queue Topic Replication Factor"),
        ConfigKey::new(
            "errors.deadletterqueue.context.headers.enable",
            Boolean,
            Medium,
            "Whether headers named __connect.errors.* say why a record is in the dead letter queue.",
        )
        .default_value("false")
        .group(ERRORS, 8)
        .width(Width::Medium)
        .display("Enable Error Context Headers"),
    ]);
    def
}

/// Keys of the transform `alias` that are not its own: they come before its keys (`type`,
/// `plugin.version`) and after them (`negate`, `predicate`).
#[must_use]
pub fn transform(alias: &str) -> (ConfigDef, ConfigDef) {
    let group = format!("Transforms: {alias}");
    let prefix = format!("transforms.{alias}");
    let before = step_head(
        &prefix,
        &group,
        &format!("Transformation type for {alias}"),
        &format!("Transformation version for {alias}"),
    );
    let after = vec![
        ConfigKey::new(
            "negate",
            Boolean,
            Medium,
            "Whether the transformation applies where the predicate does not hold.",
        )
        .default_value("false"),
        ConfigKey::new(
            "predicate",
            Text,
            Medium,
            "Alias of the predicate that decides whether the transformation applies.",
        )
        .optional()
        .validator(Validator::NonEmptyString),
    ];
    (before, ConfigDef::new(after))
}

/// Keys of the predicate `alias` that are not its own; they come before its keys.
#[must_use]
pub fn predicate(alias: &str) -> ConfigDef {
    let group = format!("Predicates: {alias}");
    let prefix = format!("predicates.{alias}");
    step_head(
        &prefix,
        &group,
        &format!("Predicate type for {alias}"),
        &format!("Predicate version for {alias}"),
    )
}

fn step_head(prefix: &str, group: &str, class_label: &str, version_label: &str) -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::new(&format!("{prefix}.type"), Class, High, "Class of the plugin.")
            .group(group, 0)
            .width(Width::Long)
            .display(class_label),
        ConfigKey::new(
            &format!("{prefix}.plugin.version"),
            Text,
            High,
            "Version of the plugin; the latest when unset.",
        )
        .optional()
        .group(group, 1)
        .width(Width::Long)
        .display(version_label),
    ])
}

fn head() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new("name", Text, High, "Name of the connector, unique in the cluster.")
            .validator(Validator::NonEmptyWithoutControl)
            .group(COMMON, 1)
            .width(Width::Medium)
            .display("Connector name"),
        ConfigKey::new(
            "connector.class",
            Text,
            High,
            "Class of the connector: its full name, its simple name, or that without the suffix Connector.",
        )
        .group(COMMON, 2)
        .width(Width::Long)
        .display("Connector class"),
        ConfigKey::new(
            "connector.plugin.version",
            Text,
            Medium,
            "Version or version range of the connector's plugin.",
        )
        .optional()
        .group(COMMON, 3)
        .width(Width::Medium)
        .display("Connector version"),
        ConfigKey::new("tasks.max", Int, High, "Most tasks that the connector may have.")
            .default_value("1")
            .validator(Validator::Range(Some(1.0), None))
            .group(COMMON, 4)
            .width(Width::Short)
            .display("Tasks max"),
        ConfigKey::new(
            "tasks.max.enforce",
            Boolean,
            Low,
            "Whether a connector that makes more tasks than tasks.max fails; deprecated.",
        )
        .default_value("true")
        .group(COMMON, 5)
        .width(Width::Short)
        .display("Enforce tasks max"),
    ]
}

fn converters() -> Vec<ConfigKey> {
    let mut order = 5;
    let mut keys = Vec::new();
    for (key, label) in [("key", "Key"), ("value", "Value"), ("header", "Header")] {
        order += 1;
        let name = format!("{key}.converter");
        keys.push(
            ConfigKey::new(
                &name,
                Class,
                Low,
                &format!("Class that turns a record's {key} into bytes and back; the worker's when unset. Its own keys start with {name}."),
            )
            .optional()
            .group(COMMON, order)
            .width(Width::Short)
            .display(&format!("{label} converter class")),
        );
        order += 1;
        keys.push(
            ConfigKey::new(
                &format!("{name}.plugin.version"),
                Text,
                Low,
                &format!("Version or version range of the {key} converter's plugin."),
            )
            .optional()
            .group(COMMON, order)
            .width(Width::Short)
            .display(&format!("{label} converter version")),
        );
    }
    keys
}

fn chain_and_reload() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "transforms",
            List,
            Low,
            "Aliases of the transformations that records pass, in this order.",
        )
        .default_value("")
        .validator(Validator::UniqueAliases)
        .group("Transforms", 12)
        .width(Width::Long)
        .display("Transforms"),
        ConfigKey::new("predicates", List, Low, "Aliases of the predicates that transformations refer to.")
            .default_value("")
            .validator(Validator::UniqueAliases)
            .group("Predicates", 13)
            .width(Width::Long)
            .display("Predicates"),
        ConfigKey::new(
            "config.action.reload",
            Text,
            Low,
            "What happens when a value from a config provider expires: restart the connector, or none.",
        )
        .default_value("restart")
        .validator(one_of(&["none", "restart"]))
        .group(COMMON, 14)
        .width(Width::Medium)
        .display("Reload Action"),
    ]
}

fn errors() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "errors.retry.timeout",
            Long,
            Medium,
            "How long a failed operation is tried again, in milliseconds; -1 for ever, 0 not at all.",
        )
        .default_value("0")
        .group(ERRORS, 1)
        .width(Width::Medium)
        .display("Retry Timeout for Errors"),
        ConfigKey::new(
            "errors.retry.delay.max.ms",
            Long,
            Medium,
            "Longest pause between two tries of a failed operation.",
        )
        .default_value("60000")
        .group(ERRORS, 2)
        .width(Width::Medium)
        .display("Maximum Delay Between Retries for Errors"),
        ConfigKey::new(
            "errors.tolerance",
            Text,
            Medium,
            "Whether a record that fails fails the task (none) or is skipped (all).",
        )
        .default_value("none")
        .validator(one_of(&["none", "all"]))
        .group(ERRORS, 3)
        .width(Width::Short)
        .display("Error Tolerance"),
        ConfigKey::new("errors.log.enable", Boolean, Medium, "Whether every record that fails is logged.")
            .default_value("false")
            .group(ERRORS, 4)
            .width(Width::Short)
            .display("Log Errors"),
        ConfigKey::new(
            "errors.log.include.messages",
            Boolean,
            Medium,
            "Whether the log says which record failed.",
        )
        .default_value("false")
        .group(ERRORS, 5)
        .width(Width::Short)
        .display("Log Error Details"),
    ]
}

fn one_of(values: &[&str]) -> Validator {
    Validator::OneOf(values.iter().map(|&value| value.to_owned()).collect())
}

fn one_of_ignore_case(values: &[&str]) -> Validator {
    Validator::OneOfIgnoreCase(values.iter().map(|&value| value.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    /// `recorded` is what Kafka Connect 4.3.1 answers for the keys, a definition a line.
    #[track_caller]
    fn check(def: &ConfigDef, recorded: &str) {
        let described = |key: &ConfigKey| {
            serde_json::json!({
                "name": key.name,
                "type": key.config_type.as_str(),
                "required": key.is_required(),
                "default_value": key.default_text(),
                "importance": key.importance.as_str(),
                "group": key.group,
                "order_in_group": key.order,
                "width": key.width.as_str(),
                "display_name": key.display_name,
                "dependents": key.dependents,
            })
        };
        let mut recorded: Vec<serde_json::Value> =
            recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for key in &mut recorded {
            // The version that happens to be installed: the definition itself has none.
            if key["name"] == "connector.plugin.version" {
                key["default_value"] = serde_json::Value::Null;
            }
        }
        assert_eq!(def.keys.iter().map(described).collect::<Vec<_>>(), recorded);
        assert!(def.keys.iter().all(|key| key.documentation.ends_with('.')));
    }

    #[test]
    fn definitions_of_source_keys_are_kafka_connects() {
        check(&source(), include_str!("../../testdata/source-definitions.jsonl"));
    }

    #[test]
    fn definitions_of_sink_keys_are_kafka_connects() {
        check(&sink(), include_str!("../../testdata/sink-definitions.jsonl"));
    }
}
