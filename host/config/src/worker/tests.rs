//! Worker files as people write them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_api::ConfigMap;
use cofferdam_stdx::ByteCount;

use super::*;
use crate::connector::Boundary;

const DISTRIBUTED: &str = "
# A cluster.
bootstrap.servers=a:9092, b:9092
group.id=connect-cluster
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
offset.storage.segment.bytes=1000
config.storage.topic=connect-configs
config.storage.cleanup.policy=delete
status.storage.topic=connect-status
status.storage.partitions=-1
offset.flush.interval.ms=10000
listeners=http://127.0.0.1:8083,https://[::1]:8443
plugin.path=/opt/a, /opt/b
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
producer.linger.ms=5
producer.security.protocol=SSL
consumer.max.poll.records=7
admin.retries=3
admin.listeners=http://:9000
rest.port=8083
offset.storage.file.filename=/tmp/x
";

fn map(text: &str) -> ConfigMap {
    let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn distributed() -> WorkerSettings {
    WorkerSettings::from_properties(DISTRIBUTED, Mode::Distributed)
        .unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn a_distributed_worker_is_read_whole() {
    let settings = distributed();
    let topic = |key: &str, name: &str, partitions, replication_factor, configs: &str| TopicSettings {
        name: name.to_owned(),
        key: key.to_owned(),
        partitions,
        replication_factor,
        configs: map(configs),
    };
    let expected = DistributedSettings {
        group_id: "connect-cluster".to_owned(),
        config_topic: topic("config.storage.topic", "connect-configs", 1, 3, ""),
        offset_topic: topic("offset.storage.topic", "connect-offsets", 25, 1, "segment.bytes=1000"),
        status_topic: topic("status.storage.topic", "connect-status", -1, 3, ""),
        exactly_once: ExactlyOnce::Disabled,
    };
    assert_eq!(settings.mode, ModeSettings::Distributed(Box::new(expected)));
    assert_eq!(settings.bootstrap_servers, ["a:9092", "b:9092"]);
    assert_eq!(
        settings.listeners.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["http://127.0.0.1:8083", "https://[::1]:8443"]
    );
    assert_eq!(settings.value_converter.options, map("schemas.enable=false"));
    assert_eq!(settings.header_converter.class, "org.apache.kafka.connect.storage.SimpleHeaderConverter");
    assert_eq!(settings.offset_flush_interval, Duration::from_secs(10));
    assert_eq!(settings.offset_flush_timeout, Duration::from_secs(5));
    assert_eq!(settings.plugin_path, [PathBuf::from("/opt/a"), PathBuf::from("/opt/b")]);
    assert_eq!(settings.guest.memory_max, ByteCount::mib(256));
    assert_eq!(settings.file_roots, [PathBuf::from("/")]);
    assert_eq!(settings.unused, ["config.storage.cleanup.policy", "rest.port"]);
}

#[test]
fn clients_are_configured_with_kafka_connects_precedence() {
    let settings = distributed();
    let producer = settings.producer_config("src", 0, &map("linger.ms=9\nacks=1"));
    let expected = "bootstrap.servers=a:9092,b:9092
        client.id=connector-producer-src-0
        acks=1
        enable.idempotence=false
        max.in.flight.requests.per.connection=1
        delivery.timeout.ms=2147483647
        max.block.ms=9223372036854775807
        linger.ms=9
        security.protocol=SSL";
    assert_eq!(producer, map(expected));
    let consumer = settings.consumer_config("snk", 1, &map("auto.offset.reset=latest"));
    let expected = "bootstrap.servers=a:9092,b:9092
        group.id=connect-snk
        client.id=connector-consumer-snk-1
        enable.auto.commit=false
        auto.offset.reset=latest
        max.poll.records=7";
    assert_eq!(consumer, map(expected));
    let admin = settings.admin_config("snk", Some(1), &ConfigMap::new());
    let expected = "bootstrap.servers=a:9092,b:9092
        security.protocol=SASL_SSL
        sasl.mechanism=PLAIN
        client.id=connector-adminclient-snk-1
        retries=3";
    assert_eq!(admin, map(expected));
    let internal = settings.internal_config();
    assert_eq!(
        internal,
        map("bootstrap.servers=a:9092,b:9092\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN")
    );
    assert_eq!(settings.internal_client_id("configs"), "connect-cluster-configs");
}

#[track_caller]
fn check(text: &str, mode: Mode, expected: &[(&str, &str)]) {
    let errors = WorkerSettings::from_properties(text, mode).err().unwrap_or_default();
    assert_eq!(errors.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn every_fault_is_reported_with_its_key() {
    let missing = |key: &str| format!("Missing required configuration \"{key}\" which has no default value.");
    let keys = ["bootstrap.servers", "key.converter", "value.converter", "offset.storage.file.filename"];
    let texts: Vec<_> = keys.iter().map(|key| missing(key)).collect();
    let expected: Vec<_> = keys.iter().copied().zip(texts.iter().map(String::as_str)).collect();
    check("", Mode::Standalone, &expected);
    let standalone =
        "bootstrap.servers=a\nkey.converter=k\nvalue.converter=v\noffset.storage.file.filename=/tmp/o\n";
    check(standalone, Mode::Standalone, &[]);
    let faulty = [
        (
            "listeners",
            "8083",
            "Invalid value [8083] for configuration listeners: Listener doesn't have the right format (protocol://hostname:port).",
        ),
        (
            "offset.flush.interval.ms",
            "-1",
            "Invalid value -1 for configuration offset.flush.interval.ms: Value must be at least 0",
        ),
        (
            "rest.advertised.port",
            "70000",
            "Invalid value 70000 for configuration rest.advertised.port: Not a port",
        ),
        (
            "cofferdam.guest.memory.max",
            "lots",
            "Invalid value lots for configuration cofferdam.guest.memory.max: \"lots\" is not a size such as 67108864, 512KiB or 64MiB",
        ),
    ];
    for (key, value, text) in faulty {
        check(&format!("{standalone}{key}={value}"), Mode::Standalone, &[(key, text)]);
    }
    let partitions = "Invalid value 0 for configuration offset.storage.partitions: Number of partitions must be positive, or -1 to use the broker's default";
    check(
        &format!("{DISTRIBUTED}offset.storage.partitions=0"),
        Mode::Distributed,
        &[("offset.storage.partitions", partitions)],
    );
}

#[test]
fn the_worker_id_is_what_others_can_reach() {
    let bound: SocketAddr = ([127, 0, 0, 1], 4711).into();
    let mut settings = distributed();
    assert_eq!(settings.worker_id(bound), "127.0.0.1:4711");
    settings.advertised_host = Some("worker-1".to_owned());
    settings.advertised_port = Some(80);
    assert_eq!(settings.worker_id(bound), "worker-1:80");
}

#[test]
fn a_worker_for_development_needs_no_file() {
    let settings = WorkerSettings::dev(([127, 0, 0, 1], 8083).into(), "127.0.0.1:9092", Path::new("/data"));
    assert_eq!(WorkerSettings::from_map(settings.raw.clone(), Mode::Distributed), Ok(settings.clone()));
    assert_eq!(settings.data_dir, PathBuf::from("/data"));
    assert!(settings.unused.is_empty());
    assert_eq!(
        settings.listeners.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["http://127.0.0.1:8083"]
    );
}

#[test]
fn transactional_producers_have_ids_that_stay_and_time_for_their_interval() {
    let text = format!("{DISTRIBUTED}\nexactly.once.source.support=ENABLED");
    let settings = WorkerSettings::from_properties(&text, Mode::Distributed).unwrap();
    assert!(settings.has_exactly_once());
    assert!(!distributed().has_exactly_once());
    let producer = |boundary, overrides: &str| {
        let config = settings.transactional_config("src", 3, boundary, &map(overrides));
        let keys = ["transactional.id", "enable.idempotence", "acks", "transaction.timeout.ms"];
        keys.map(|key| config.get(key).cloned().unwrap_or_default()).join(" ")
    };
    assert_eq!(producer(Boundary::Poll, ""), "connect-cluster-src-3 true all ");
    // What would break the promise is not the connector's to choose.
    let own = "transactional.id=mine\nenable.idempotence=false\nacks=1\ntransaction.timeout.ms=5000";
    assert_eq!(producer(Boundary::Poll, own), "connect-cluster-src-3 true all 5000");
    let seconds = |n| Boundary::Interval(Some(Duration::from_secs(n)));
    assert_eq!(producer(seconds(10), ""), "connect-cluster-src-3 true all ");
    assert_eq!(producer(seconds(60), ""), "connect-cluster-src-3 true all 120000");
    assert_eq!(producer(seconds(3600), ""), "connect-cluster-src-3 true all 900000");
    assert_eq!(producer(seconds(60), "transaction.timeout.ms=61000"), "connect-cluster-src-3 true all 61000");
}
