//! Connector configurations as people write them.

use std::time::Duration;

use cofferdam_api::ConfigMap;

use super::*;

fn map(text: &str) -> ConfigMap {
    let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

const TUTORIAL: &str = "name=snk
    connector.class=FileStreamSink
    tasks.max=4
    topics=orders, returns
    value.converter=org.apache.kafka.connect.json.JsonConverter
    value.converter.schemas.enable=false
    value.converter.plugin.version=4.3.1
    key.converter.schemas.enable=false
    transforms=route,mask
    transforms.route.type=org.apache.kafka.connect.transforms.RegexRouter
    transforms.route.regex=(.*)
    transforms.route.replacement=x-$1
    transforms.mask.type=org.apache.kafka.connect.transforms.MaskField$Value
    transforms.mask.fields=card
    transforms.mask.predicate=orders
    transforms.mask.negate=true
    predicates=orders
    predicates.orders.type=org.apache.kafka.connect.transforms.predicates.TopicNameMatches
    predicates.orders.pattern=orders
    errors.tolerance=all
    errors.retry.timeout=-1
    errors.log.enable=true
    errors.deadletterqueue.topic.name=dlq
    errors.deadletterqueue.topic.replication.factor=1
    errors.deadletterqueue.context.headers.enable=true
    producer.override.acks=1
    consumer.override.max.poll.records=10";

#[test]
fn a_sink_is_read_whole() {
    let settings =
        ConnectorSettings::parse_sink(&map(TUTORIAL)).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!((settings.name.as_str(), settings.tasks_max), ("snk", 4));
    assert_eq!(settings.topics, Topics::List(vec!["orders".to_owned(), "returns".to_owned()]));
    let converter = ConverterSettings {
        class: "org.apache.kafka.connect.json.JsonConverter".to_owned(),
        options: map("schemas.enable=false"),
    };
    assert_eq!(settings.value_converter, Some(converter));
    assert_eq!(settings.key_converter, None, "options alone do not make a converter");
    assert_eq!(settings.transforms.len(), 2);
    assert_eq!(settings.transforms[0].config, map("regex=(.*)\nreplacement=x-$1"));
    assert_eq!(settings.transforms[0].predicate, None);
    assert_eq!(settings.transforms[1].config, map("fields=card"));
    let predicate = PredicateSettings {
        alias: "orders".to_owned(),
        class: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches".to_owned(),
        config: map("pattern=orders"),
        negate: true,
    };
    assert_eq!(settings.transforms[1].predicate, Some(predicate));
    let errors = ErrorSettings {
        retry_timeout: None,
        retry_delay_max: Duration::from_secs(60),
        tolerance: Tolerance::All,
        log_enable: true,
        log_include_messages: false,
        dlq: Some(DlqSettings { topic: "dlq".to_owned(), replication_factor: 1, context_headers: true }),
    };
    assert_eq!(settings.errors, errors);
    assert_eq!(settings.producer_overrides, map("acks=1"));
    assert_eq!(settings.consumer_overrides, map("max.poll.records=10"));
}

/// Faults of the tutorial's sink with some keys changed; an empty value removes the key.
#[track_caller]
fn check(changes: &str, expected: &[(&str, &str)]) {
    let mut config = map(TUTORIAL);
    for (key, value) in map(changes) {
        if value.is_empty() {
            config.shift_remove(&key);
        } else {
            config.insert(key, value);
        }
    }
    let errors = ConnectorSettings::parse_sink(&config).err().unwrap_or_default();
    assert_eq!(errors.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn faults_of_several_keys_read_as_in_kafka_connect() {
    let none = "Must configure one of topics or topics.regex";
    check("topics=", &[("topics", none), ("topics.regex", none)]);
    let both = "topics and topics.regex are mutually exclusive options, but both are set.";
    check("topics.regex=a", &[("topics", both), ("topics.regex", both)]);
    let dlq = "The DLQ topic 'dlq' may not be included in the list of topics ('topics=[a, dlq]') consumed by the connector";
    check("topics=a,dlq", &[("topics", dlq)]);
    let dlq = "The DLQ topic 'dlq' may not be matched by the regex for the topics ('topics.regex=d.*') consumed by the connector";
    check("topics=\ntopics.regex=d.*", &[("topics.regex", dlq)]);
    check("topics=\ntopics.regex=d", &[]);
    let class = "Missing required configuration \"transforms.mask.type\" which has no default value.";
    check("transforms.mask.type=", &[("transforms.mask.type", class)]);
    let negate = "Config 'transforms.mask.negate' was provided but there is no config 'transforms.mask.predicate' defining a predicate to be negated.";
    check("transforms.mask.predicate=", &[("transforms.mask.negate", negate)]);
    let unknown = "Invalid value other for configuration transforms.mask.predicate: there is no predicate 'other' in 'predicates'";
    check("transforms.mask.predicate=other", &[("transforms.mask.predicate", unknown)]);
}

#[test]
fn a_source_may_use_the_names_of_sink_keys_for_itself() {
    let config =
        map("name=s\nconnector.class=c\ntopics.regex=[\nerrors.deadletterqueue.topic.replication.factor=x");
    let settings = ConnectorSettings::parse(&config).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(settings.errors.dlq, None);
    assert_eq!(settings.errors.retry_timeout, Some(Duration::ZERO));
}

#[test]
fn the_first_group_that_matches_makes_the_topic() {
    let config = map("topic.creation.groups=logs,default
        topic.creation.default.partitions=3
        topic.creation.default.replication.factor=-1
        topic.creation.logs.include=log-.*,audit
        topic.creation.logs.exclude=log-secret
        topic.creation.logs.partitions=1
        topic.creation.logs.cleanup.policy=compact");
    let groups = topic_groups(&config).unwrap_or_else(|errors| panic!("{errors:?}"));
    let names: Vec<_> = groups.iter().map(|group| (group.alias.as_str(), group.partitions)).collect();
    assert_eq!(names, [("logs", 1), ("default", 3)]);
    assert_eq!(groups[0].replication_factor, -1);
    assert_eq!(groups[0].configs, map("cleanup.policy=compact"));
    let group =
        |topic: &str| groups.iter().find(|group| group.matches(topic)).map(|group| group.alias.as_str());
    assert_eq!(group("log-a"), Some("logs"));
    assert_eq!(group("audit"), Some("logs"));
    assert_eq!(group("log-secret"), Some("default"));
    assert_eq!(group("audit2"), Some("default"));
}

#[test]
fn topic_creation_needs_its_defaults() {
    let errors = topic_groups(&map("topic.creation.default.partitions=0")).err().unwrap_or_default();
    let texts: Vec<_> = errors.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "Missing required configuration \"topic.creation.default.replication.factor\" which has no default value.",
            "Invalid value 0 for configuration topic.creation.default.partitions: Number of partitions must be positive, or -1 to use the broker's default",
        ]
    );
    assert!(topic_groups(&map("a=b")).is_ok_and(|groups| groups.is_empty()));
}
