#![doc = "What becomes of the Java client's keys."]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

fn map(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn translate(role: Role, pairs: &[(&str, &str)]) -> Translated {
    ClientConfig::from_java(role, &map(pairs)).unwrap()
}

fn refused(role: Role, pairs: &[(&str, &str)]) -> String {
    match ClientConfig::from_java(role, &map(pairs)) {
        Err(error @ Error::Settings(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// What `java` = `value` sets, beyond what is set anyway.
fn becomes(role: Role, java: &str, value: &str) -> String {
    let config = translate(role, &[(java, value)]).config;
    let defaults = translate(role, &[]).config.settings;
    let set: Vec<_> = config
        .settings
        .iter()
        .filter(|(key, value)| defaults.get(*key) != Some(value))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    set.join(" ")
}

#[test]
fn keys_become_what_librdkafka_calls_them() {
    let table = [
        (Role::Producer, "bootstrap.servers", "a:1,b:2", "bootstrap.servers=a:1,b:2"),
        (Role::Producer, "delivery.timeout.ms", "2147483647", "message.timeout.ms=0"),
        (Role::Producer, "delivery.timeout.ms", "120000", "message.timeout.ms=120000"),
        (Role::Producer, "buffer.memory", "67108864", "queue.buffering.max.kbytes=65536"),
        (Role::Producer, "max.request.size", "5242880", "message.max.bytes=5242880"),
        (Role::Producer, "request.timeout.ms", "20000", "request.timeout.ms=20000 socket.timeout.ms=20000"),
        (Role::Consumer, "request.timeout.ms", "20000", "socket.timeout.ms=20000"),
        (Role::Producer, "acks", "1", "acks=1"),
        (Role::Producer, "batch.size", "0", "batch.size=1"),
        (Role::Producer, "compression.type", "ZSTD", "compression.type=zstd"),
        (
            Role::Producer,
            "partitioner.class",
            "org.apache.kafka.clients.producer.RoundRobinPartitioner",
            "partitioner=random",
        ),
        (Role::Producer, "key.serializer", "x", ""),
        (Role::Producer, "max.block.ms", "9223372036854775807", ""),
        (Role::Consumer, "fetch.max.wait.ms", "100", "fetch.wait.max.ms=100"),
        (Role::Consumer, "fetch.max.bytes", "5000", "fetch.max.bytes=5000 message.max.bytes=5000"),
        (Role::Consumer, "metadata.max.age.ms", "1000", "topic.metadata.refresh.interval.ms=1000"),
        (Role::Consumer, "auto.offset.reset", "none", "auto.offset.reset=error"),
        (Role::Consumer, "isolation.level", "READ_COMMITTED", "isolation.level=read_committed"),
        (Role::Consumer, "send.buffer.bytes", "-1", "socket.send.buffer.bytes=0"),
        (Role::Consumer, "group.id", "connect-x", "group.id=connect-x"),
        (Role::Consumer, "client.id", "", ""),
        // Internal topics are read without a group, whatever the worker's own group is.
        (Role::Log, "group.id", "connect-cluster", ""),
        (Role::Consumer, "receive.message.max.bytes", "1000000000", "receive.message.max.bytes=1000000000"),
    ];
    for (role, java, value, expected) in table {
        assert_eq!(becomes(role, java, value), expected, "{java}={value}");
    }
}

#[test]
fn assignors_are_translated_and_the_eager_one_wins() {
    let of = |classes: &str| {
        let config = translate(Role::Consumer, &[("partition.assignment.strategy", classes)]).config;
        config.get("partition.assignment.strategy").unwrap().to_owned()
    };
    let range = "org.apache.kafka.clients.consumer.RangeAssignor";
    let cooperative = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    assert_eq!(of(cooperative), "cooperative-sticky");
    assert_eq!(of(&format!("{range}, {cooperative}")), "range");
    assert_eq!(of("RoundRobinAssignor,RangeAssignor"), "roundrobin,range");
}

#[test]
fn defaults_are_the_java_clients() {
    let consumer = translate(Role::Consumer, &[]).config;
    assert_eq!(consumer.get("isolation.level"), Some("read_uncommitted"));
    assert_eq!(consumer.get("enable.auto.commit"), Some("false"));
    let producer = translate(Role::Producer, &[]).config;
    assert_eq!(producer.get("partitioner"), Some("murmur2_random"));
    assert_eq!(producer.get("acks"), Some("all"));
    assert_eq!(producer.get("message.timeout.ms"), None);
    let log = translate(Role::Log, &[]).config;
    assert_eq!(log.get("max.in.flight.requests.per.connection"), Some("1"));
    assert_eq!(log.get("message.timeout.ms"), Some("0"));
}

#[test]
fn unknown_keys_are_reported_and_do_no_harm() {
    let translated = translate(
        Role::Consumer,
        &[
            ("interceptor.classes", "a.B"),
            ("group.id", "g"),
            ("linger.ms", "7"),
            ("plugin.library.paths", "/x.so"),
        ],
    );
    assert_eq!(translated.ignored, ["interceptor.classes", "linger.ms", "plugin.library.paths"]);
    assert_eq!(translated.config.get("plugin.library.paths"), None);
}

#[test]
fn a_transaction_outlives_its_records() {
    let config = translate(
        Role::Producer,
        &[
            ("transactional.id", "t"),
            ("delivery.timeout.ms", "2147483647"),
            ("transaction.timeout.ms", "30000"),
        ],
    );
    assert_eq!(config.config.get("message.timeout.ms"), Some("30000"));
    assert_eq!(config.config.get("enable.idempotence"), Some("true"));
}

#[test]
fn what_cannot_be_honoured_is_refused_with_the_way_out() {
    let text = refused(
        Role::Consumer,
        &[("partition.assignment.strategy", "org.x.StickyAssignor"), ("auto.offset.reset", "yes")],
    );
    assert!(text.contains("there is no assignor org.x.StickyAssignor here; use RangeAssignor"), "{text}");
    assert!(text.contains("auto.offset.reset: yes is none of earliest, latest, none"), "{text}");
    let text = refused(Role::Producer, &[("compression.type", "brotli")]);
    assert!(text.contains("compression.type: ") && text.contains("brotli"), "{text}");
    let text = refused(Role::Producer, &[("linger.ms", "soon")]);
    assert!(text.contains("linger.ms: soon is not a number"), "{text}");
    let text = refused(Role::Producer, &[("partitioner.class", "com.acme.P")]);
    assert!(text.contains("com.acme.P cannot be loaded"), "{text}");
    let text = refused(Role::Admin, &[("security.protocol", "SASL_SSL")]);
    assert!(text.contains("GSSAPI is not built in; use PLAIN"), "{text}");
    let text = refused(
        Role::Admin,
        &[
            ("security.protocol", "SSL"),
            ("ssl.truststore.location", "/a/trust.jks"),
            ("ssl.truststore.password", "s3cret"),
        ],
    );
    assert!(text.contains("a trust store of type JKS cannot be read; convert it to PEM"), "{text}");
    assert!(!text.contains("s3cret"));
}

#[test]
fn security_keys_are_translated_together() {
    let jaas = r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="ann" password="p\"w;d";"#;
    let translated = translate(
        Role::Consumer,
        &[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.jaas.config", jaas),
            ("ssl.truststore.location", "/etc/ca.pem"),
            ("ssl.truststore.type", "pem"),
            ("ssl.endpoint.identification.algorithm", ""),
            ("ssl.protocol", "TLSv1.3"),
        ],
    );
    let config = &translated.config;
    assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
    assert_eq!(config.get("sasl.username"), Some("ann"));
    assert_eq!(config.get("sasl.password"), Some(r#"p"w;d"#));
    assert_eq!(config.get("ssl.ca.location"), Some("/etc/ca.pem"));
    assert_eq!(config.get("ssl.endpoint.identification.algorithm"), Some("none"));
    assert_eq!(translated.ignored, ["ssl.protocol"]);
    assert!(!format!("{config:?}").contains("p\"w;d"), "a secret is shown");
}

#[test]
fn settings_of_an_unused_protocol_are_left_alone() {
    let translated =
        translate(Role::Admin, &[("ssl.truststore.location", "/a/trust.jks"), ("sasl.mechanism", "GSSAPI")]);
    assert_eq!(translated.config.get("ssl.ca.location"), None);
}

#[test]
fn login_modules_are_read_as_java_writes_them() {
    let module =
        jaas::parse("a.b.PlainLoginModule required\n username='x y'\tpassword=z serviceName=\"k\" ;")
            .unwrap();
    assert_eq!(module.name, "PlainLoginModule");
    assert_eq!(module.options.get("username").unwrap(), "x y");
    assert_eq!(module.options.get("password").unwrap(), "z");
    for (text, reason) in [
        ("", "the closing semicolon is missing"),
        (";", "it is empty"),
        ("M required u=\"x;", "a quote is not closed"),
        ("M username=x;", "a control flag must follow the module: `required`"),
        ("M required username;", "an option is not of the form key=\"value\""),
    ] {
        assert_eq!(jaas::parse(text).unwrap_err(), reason, "{text}");
    }
}
