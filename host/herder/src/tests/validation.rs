//! Faults of configurations, in Kafka Connect's words.

use super::*;
use crate::{Error, Validation};

async fn validate(bench: &Bench, plugin: &str, config: GivenConfig) -> Validation {
    bench.herder.validate(plugin, config).await.expect("a validation")
}

/// Faults by key.
async fn faults(given: GivenConfig) -> Vec<(String, String)> {
    let bench = Bench::distributed();
    let plugin = given["connector.class"].clone().unwrap();
    let validation = validate(&bench, &plugin, given).await;
    let faults: Vec<_> = validation
        .configs
        .iter()
        .flat_map(|config| config.value.errors.iter().map(|error| (config.value.name.clone(), error.clone())))
        .collect();
    assert_eq!(validation.error_count, faults.len());
    faults
}

async fn check(extra: &[(&str, &str)], expected: &[(&str, &str)]) {
    let mut given = source(&[("name", "s")]);
    given.extend(config(extra));
    let found = faults(given).await;
    let found: Vec<_> = found.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    assert_eq!(found, expected, "{extra:?}");
}

async fn check_sink(extra: &[(&str, &str)], expected: &[(&str, &str)]) {
    let mut given = config(&[("connector.class", "FileStreamSink"), ("name", "k")]);
    given.extend(config(extra));
    let found = faults(given).await;
    let found: Vec<_> = found.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    assert_eq!(found, expected, "{extra:?}");
}

#[tokio::test(start_paused = true)]
async fn faults_of_values_have_kafka_connects_texts() {
    check(&[], &[]).await;
    check(
        &[("tasks.max", "x")],
        &[
            ("tasks.max", "Invalid value x for configuration tasks.max: Not a number of type INT"),
            ("tasks.max", "Invalid value null for configuration tasks.max: Value must be non-null"),
        ],
    )
    .await;
    check(
        &[("tasks.max", "0")],
        &[("tasks.max", "Invalid value 0 for configuration tasks.max: Value must be at least 1")],
    )
    .await;
    check(
        &[("errors.tolerance", "some")],
        &[(
            "errors.tolerance",
            "Invalid value some for configuration errors.tolerance: String must be one of: none, all",
        )],
    )
    .await;
    check(
        &[("key.converter", "Nope")],
        &[(
            "key.converter",
            "Invalid value Nope for configuration key.converter: Class Nope could not be found.",
        )],
    )
    .await;
    check(&[("value.converter", "RegexRouter")], &[(
        "value.converter",
        "Class class org.apache.kafka.connect.transforms.RegexRouter does not implement the Converter interface",
    )]).await;
    // The key as the converter knows it, for that is who speaks.
    check(&[("value.converter", "JsonConverter"), ("value.converter.decimal.format", "ROMAN")], &[(
        "value.converter.decimal.format",
        "Invalid value ROMAN for configuration decimal.format: String must be one of (case insensitive): NUMERIC, BASE64",
    )]).await;
    check(
        &[("exactly.once.support", "required")],
        &[("exactly.once.support", "This worker does not have exactly-once source support enabled.")],
    )
    .await;
    let version = "Plugin org.apache.kafka.connect.file.FileStreamSourceConnector not found that matches the version range [1.0,2.0), available versions: [4.3.1]";
    check(
        &[("connector.plugin.version", "[1.0,2.0)")],
        &[("connector.class", version), ("connector.plugin.version", version)],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn steps_of_the_chain_are_checked_under_their_names() {
    let hoist =
        [("transforms", "a"), ("transforms.a.type", "org.apache.kafka.connect.transforms.HoistField$Value")];
    check(&[hoist.as_slice(), &[("transforms.a.field", "line")]].concat(), &[]).await;
    check(
        &hoist,
        &[(
            "transforms.a.field",
            "Missing required configuration \"transforms.a.field\" which has no default value.",
        )],
    )
    .await;
    check(
        &[("transforms", "a"), ("transforms.a.type", "Nope")],
        &[(
            "transforms.a.type",
            "Invalid value Nope for configuration transforms.a.type: Class Nope could not be found.",
        )],
    )
    .await;
    check(
        &[("transforms", "a")],
        &[(
            "transforms.a.type",
            "Missing required configuration \"transforms.a.type\" which has no default value.",
        )],
    )
    .await;
    let twice = [hoist.as_slice(), &[("transforms.a.field", "line"), ("transforms", "a,a")]].concat();
    check(
        &twice,
        &[("transforms", "Invalid value [a, a] for configuration transforms: Duplicate alias provided.")],
    )
    .await;
    let negate =
        [hoist.as_slice(), &[("transforms.a.field", "line"), ("transforms.a.negate", "true")]].concat();
    check(&negate, &[(
        "transforms.a.negate",
        "Config 'transforms.a.negate' was provided but there is no config 'transforms.a.predicate' defining a predicate to be negated.",
    )]).await;
    // A validator speaks of the key as the plugin knows it.
    let bad = faults(source(&[
        ("name", "s"),
        ("predicates", "p"),
        ("predicates.p.type", "TopicNameMatches"),
        ("predicates.p.pattern", "["),
    ]))
    .await;
    assert_eq!(bad[0].0, "predicates.p.pattern");
    assert!(
        bad[0].1.starts_with("Invalid value [ for configuration pattern: Invalid regex: "),
        "{}",
        bad[0].1
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_reads_topics_by_name_or_by_pattern() {
    let none = "Must configure one of topics or topics.regex";
    check_sink(&[], &[("topics", none), ("topics.regex", none)]).await;
    let both = "topics and topics.regex are mutually exclusive options, but both are set.";
    check_sink(&[("topics", "a"), ("topics.regex", "a")], &[("topics", both), ("topics.regex", both)]).await;
    check_sink(&[("topics", "a"), ("errors.deadletterqueue.topic.name", "a")], &[(
        "topics",
        "The DLQ topic 'a' may not be included in the list of topics ('topics=[a]') consumed by the connector",
    )]).await;
    check_sink(
        &[("topics", "a"), ("consumer.override.group.id", "workers")],
        &[(
            "consumer.override.group.id",
            "Consumer group workers conflicts with Connect worker group workers",
        )],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_come_in_kafka_connects_order_and_groups() {
    let bench = Bench::distributed();
    let validation = validate(
        &bench,
        "FileStreamSource",
        source(&[
            ("name", "s"),
            ("transforms", "a"),
            ("transforms.a.type", "org.apache.kafka.connect.transforms.HoistField$Value"),
            ("transforms.a.field", "line"),
            ("value.converter", "JsonConverter"),
            ("producer.override.acks", "0"),
            ("producer.override.ssl.key.password", "geheim"),
        ]),
    )
    .await;
    assert_eq!(validation.name, "FileStreamSource");
    assert_eq!(
        validation.groups,
        [
            "Common",
            "Transforms",
            "Predicates",
            "Error Handling",
            "Topic Creation",
            "Exactly Once Support",
            "offsets.topic",
            "Transforms: a",
            "Schemas",
            "Serialization",
        ]
    );
    let names: Vec<_> = validation.configs.iter().map(|config| config.value.name.as_str()).collect();
    let from = names.iter().position(|name| *name == "offsets.storage.topic").unwrap();
    assert_eq!(
        &names[from + 1..],
        [
            "transforms.a.type",
            "transforms.a.plugin.version",
            "transforms.a.field",
            "transforms.a.negate",
            "transforms.a.predicate",
            "file",
            "topic",
            "batch.size",
            "producer.override.acks",
            "producer.override.ssl.key.password",
            "value.converter.converter.type",
            "value.converter.schemas.enable",
            "value.converter.schemas.cache.size",
            "value.converter.schema.content",
            "value.converter.decimal.format",
            "value.converter.replace.null.with.default",
        ]
    );
    let key = |name: &str| validation.configs.iter().find(|config| config.value.name == name).unwrap();
    let class = key("value.converter");
    assert_eq!(class.value.value.as_deref(), Some("org.apache.kafka.connect.json.JsonConverter"));
    assert_eq!(class.value.recommended, cofferdam_converters::CLASSES);
    assert_eq!(
        key("key.converter").definition.as_ref().unwrap().default_text().as_deref(),
        Some("org.apache.kafka.connect.json.JsonConverter")
    );
    assert_eq!(key("connector.plugin.version").value.value.as_deref(), Some("4.3.1"));
    assert_eq!(key("producer.override.ssl.key.password").value.value.as_deref(), Some("[hidden]"));
    let field = key("transforms.a.field").definition.as_ref().unwrap();
    assert_eq!(
        (field.order, field.group.as_deref(), field.display_name.as_str()),
        (2, Some("Transforms: a"), "field")
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_all_faults_in_one_message() {
    let bench = Bench::distributed();
    let mut given = config(&[("connector.class", "FileStreamSource"), ("tasks.max", "q")]);
    given.insert("x".to_owned(), None);
    let error = bench.herder.create_connector(&"".into(), given, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Connector configuration is invalid and contains the following 5 error(s):\n\
        Null value can not be supplied as the configuration value.\n\
        Invalid value  for configuration name: String may not be empty\n\
        Invalid value q for configuration tasks.max: Not a number of type INT\n\
        Invalid value null for configuration tasks.max: Value must be non-null\n\
        Missing required configuration \"topic\" which has no default value.\n\
        You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`"
    );
}

#[tokio::test(start_paused = true)]
async fn class_and_name_must_fit() {
    let bench = Bench::distributed();
    let name = "a".into();
    let create = |given| bench.herder.create_connector(&name, given, None);
    assert_eq!(
        create(GivenConfig::new()).await.unwrap_err().to_string(),
        "Connector config {name=a} contains no connector type"
    );
    let error = create(config(&[("connector.class", "Nope")])).await.unwrap_err();
    assert!(error.to_string().starts_with(
        "Failed to find any class that implements Connector and which name matches Nope, available connectors are: \
         org.apache.kafka.connect.file.FileStreamSinkConnector (sink, version 4.3.1), "
    ), "{error}");
    assert!(matches!(
        create(config(&[("connector.class", "JsonConverter")])).await,
        Err(Error::UnknownClass { .. })
    ));
    assert_eq!(
        create(source(&[("name", "b")])).await.unwrap_err().to_string(),
        "Connector name configuration (b) doesn't match connector name in the URL (a)"
    );
    let mismatch =
        bench.herder.validate("FileStreamSource", config(&[("connector.class", "FileStreamSink")])).await;
    assert_eq!(
        mismatch.unwrap_err().to_string(),
        "Included connector type FileStreamSink does not match request type FileStreamSource"
    );
    let unknown = bench.herder.validate("Nope", config(&[("connector.class", "Nope")])).await;
    assert!(matches!(unknown, Err(Error::UnknownClassToValidate { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_plugin_has_a_say_of_its_own() {
    check(&[("file", "/forbidden")], &[("file", "this folder is not granted")]).await;
    let bench = Bench::distributed();
    let broken = bench.herder.create_connector(&"c".into(), source(&[("file", "/trap")]), None).await;
    assert_eq!(broken.unwrap_err().to_string(), "the plugin crashed in validate: unreachable");
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_plugin_come_before_those_of_the_framework() {
    let bench = Bench::distributed();
    let keys = |class: &str| {
        let keys = bench.herder.plugin_config(class, None).unwrap();
        keys.into_iter().map(|key| key.name).collect::<Vec<_>>()
    };
    assert_eq!(keys("FileStreamSource")[..5], ["file", "topic", "batch.size", "name", "connector.class"]);
    assert_eq!(keys("RegexRouter"), ["regex", "replacement"]);
    assert_eq!(bench.herder.plugin_config("Nope", None).unwrap_err().to_string(), "Unknown plugin Nope.");
    let version = bench.herder.plugin_config("FileStreamSource", Some("9.9.9")).unwrap_err();
    assert!(version.to_string().ends_with("[9.9.9,9.9.9], available versions: [4.3.1]"), "{version}");
}

#[tokio::test(start_paused = true)]
async fn exactly_once_is_refused_by_a_worker_without_it_and_boundaries_of_connectors_by_all() {
    let boundary = "The connector does not support connector-defined transaction boundaries with the given configuration. \
                    Please reconfigure it to use a different transaction boundary definition.";
    let bench = Bench::over(Bench::member(true), Arc::default(), Arc::default());
    let create = async |pairs: &[(&str, &str)]| {
        let created = bench.herder.create_connector(&"s".into(), source(pairs), None).await;
        created.err().map(|error| error.to_string())
    };
    let error = create(&[("transaction.boundary", "CONNECTOR")]).await.unwrap();
    assert!(error.contains(boundary), "{error}");
    assert_eq!(
        create(&[("exactly.once.support", "REQUIRED"), ("transaction.boundary", "interval")]).await,
        None
    );
}
