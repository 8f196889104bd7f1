//! The Java client's keys and what becomes of them.

use std::time::Duration;

use super::Translation;

/// Which clients a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every client.
    All,
    /// Whoever writes.
    Producer,
    /// Whoever reads.
    Consumer,
    /// Members of a consumer group.
    Member,
    /// Producers of records of connectors.
    ProducerOnly,
    /// Readers and writers of internal topics.
    Log,
}

/// What becomes of a key.
#[derive(Clone, Copy)]
pub(super) enum To {
    /// librdkafka has the same key.
    Same,
    /// The same key, its value in lower case.
    Lower,
    /// A number under this name, brought into librdkafka's range.
    Clamped(&'static str, i64, i64),
    /// Known, and without meaning here for a reason that needs no warning.
    Silent,
    /// Anything else.
    Special(fn(&mut Translation, &str) -> Result<(), String>),
}

/// One key of the Java client.
pub(super) struct Row {
    pub(super) java: &'static str,
    pub(super) scope: Scope,
    pub(super) to: To,
}

const fn row(java: &'static str, scope: Scope, to: To) -> Row {
    Row { java, scope, to }
}

const INT_MAX: i64 = i32::MAX as i64;

/// Every key with a meaning here; the security keys are in `security`.
pub(super) const KEYS: &[Row] = &[
    row("bootstrap.servers", Scope::All, To::Same),
    row("client.id", Scope::All, To::Same),
    row("client.rack", Scope::All, To::Same),
    row("client.dns.lookup", Scope::All, To::Same),
    row("metadata.max.age.ms", Scope::All, To::Clamped("topic.metadata.refresh.interval.ms", 1, 3_600_000)),
    row("metadata.max.idle.ms", Scope::All, To::Silent),
    row("metadata.recovery.strategy", Scope::All, To::Lower),
    row(
        "metadata.recovery.rebootstrap.trigger.ms",
        Scope::All,
        To::Clamped("metadata.recovery.rebootstrap.trigger.ms", 0, INT_MAX),
    ),
    row("connections.max.idle.ms", Scope::All, To::Clamped("connections.max.idle.ms", 0, INT_MAX)),
    row("reconnect.backoff.ms", Scope::All, To::Clamped("reconnect.backoff.ms", 0, 3_600_000)),
    row("reconnect.backoff.max.ms", Scope::All, To::Clamped("reconnect.backoff.max.ms", 0, 3_600_000)),
    row("retry.backoff.ms", Scope::All, To::Clamped("retry.backoff.ms", 1, 300_000)),
    row("retry.backoff.max.ms", Scope::All, To::Clamped("retry.backoff.max.ms", 1, 300_000)),
    row(
        "socket.connection.setup.timeout.ms",
        Scope::All,
        To::Clamped("socket.connection.setup.timeout.ms", 1000, INT_MAX),
    ),
    row("socket.connection.setup.timeout.max.ms", Scope::All, To::Silent),
    row("send.buffer.bytes", Scope::All, To::Clamped("socket.send.buffer.bytes", 0, 100_000_000)),
    row("receive.buffer.bytes", Scope::All, To::Clamped("socket.receive.buffer.bytes", 0, 100_000_000)),
    row("request.timeout.ms", Scope::All, To::Special(request_timeout)),
    row("default.api.timeout.ms", Scope::All, To::Special(call_timeout)),
    row("enable.metrics.push", Scope::All, To::Lower),
    row("acks", Scope::Producer, To::Lower),
    row("retries", Scope::Producer, To::Same),
    row("linger.ms", Scope::Producer, To::Clamped("linger.ms", 0, 900_000)),
    row("batch.size", Scope::Producer, To::Clamped("batch.size", 1, INT_MAX)),
    row("compression.type", Scope::Producer, To::Lower),
    row("compression.gzip.level", Scope::Producer, To::Special(compression_level)),
    row("compression.lz4.level", Scope::Producer, To::Special(compression_level)),
    row("compression.zstd.level", Scope::Producer, To::Special(compression_level)),
    row("enable.idempotence", Scope::Producer, To::Lower),
    row("transactional.id", Scope::ProducerOnly, To::Same),
    row("transaction.timeout.ms", Scope::ProducerOnly, To::Same),
    row("max.in.flight.requests.per.connection", Scope::Producer, To::Same),
    row("delivery.timeout.ms", Scope::Producer, To::Special(delivery_timeout)),
    row("buffer.memory", Scope::Producer, To::Special(buffer_memory)),
    row("max.request.size", Scope::Producer, To::Clamped("message.max.bytes", 1000, 1_000_000_000)),
    // A producer of ours waits for room as long as it takes: what Kafka Connect sets this to.
    row("max.block.ms", Scope::Producer, To::Silent),
    row("partitioner.class", Scope::Producer, To::Special(partitioner)),
    row("key.serializer", Scope::Producer, To::Silent),
    row("value.serializer", Scope::Producer, To::Silent),
    row("group.id", Scope::Member, To::Same),
    row("group.instance.id", Scope::Member, To::Same),
    row("group.protocol", Scope::Member, To::Lower),
    row("group.remote.assignor", Scope::Member, To::Same),
    row("session.timeout.ms", Scope::Member, To::Same),
    row("heartbeat.interval.ms", Scope::Member, To::Same),
    row("max.poll.interval.ms", Scope::Member, To::Same),
    row("partition.assignment.strategy", Scope::Member, To::Special(assignors)),
    row("max.poll.records", Scope::Member, To::Silent),
    // Offsets are committed by the worker, after what was put is safe.
    row("enable.auto.commit", Scope::Consumer, To::Silent),
    row("auto.commit.interval.ms", Scope::Consumer, To::Silent),
    row("auto.offset.reset", Scope::Member, To::Special(offset_reset)),
    row("isolation.level", Scope::Consumer, To::Lower),
    row("fetch.min.bytes", Scope::Consumer, To::Clamped("fetch.min.bytes", 1, 100_000_000)),
    row("fetch.max.wait.ms", Scope::Consumer, To::Clamped("fetch.wait.max.ms", 0, 300_000)),
    row("fetch.max.bytes", Scope::Consumer, To::Clamped("fetch.max.bytes", 1000, 2_147_483_135)),
    row(
        "max.partition.fetch.bytes",
        Scope::Consumer,
        To::Clamped("max.partition.fetch.bytes", 1, 1_000_000_000),
    ),
    row("check.crcs", Scope::Consumer, To::Lower),
    row("allow.auto.create.topics", Scope::Member, To::Lower),
    row("exclude.internal.topics", Scope::Member, To::Silent),
    row("key.deserializer", Scope::Consumer, To::Silent),
    row("value.deserializer", Scope::Consumer, To::Silent),
];

/// librdkafka's own keys that may be given besides the Java client's. None of them loads code.
pub(super) const NATIVE: &[&str] = &[
    "broker.address.family",
    "debug",
    "fetch.queue.backoff.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "socket.keepalive.enable",
    "sticky.partitioning.linger.ms",
];

/// What is set before any key is looked at: the Java client's defaults where librdkafka has others,
/// and what the worker needs.
pub(super) const DEFAULTS: &[(Scope, &str, &str)] = &[
    (Scope::All, "enable.metrics.push", "false"),
    (Scope::All, "reconnect.backoff.ms", "50"),
    (Scope::All, "reconnect.backoff.max.ms", "1000"),
    (Scope::Producer, "acks", "all"),
    (Scope::Producer, "linger.ms", "5"),
    (Scope::Producer, "message.max.bytes", "1048576"),
    (Scope::Producer, "partitioner", "murmur2_random"),
    (Scope::Producer, "queue.buffering.max.kbytes", "32768"),
    (Scope::Producer, "queue.buffering.max.messages", "1000000"),
    // What Kafka Connect sets for its own topics: nothing overtakes, nothing is given up.
    (Scope::Log, "linger.ms", "0"),
    (Scope::Log, "max.in.flight.requests.per.connection", "1"),
    (Scope::Log, "enable.idempotence", "false"),
    (Scope::Log, "message.timeout.ms", "0"),
    (Scope::Log, "enable.partition.eof", "true"),
    (Scope::Log, "auto.offset.reset", "earliest"),
    (Scope::Consumer, "enable.auto.commit", "false"),
    (Scope::Consumer, "enable.auto.offset.store", "false"),
    (Scope::Consumer, "isolation.level", "read_uncommitted"),
    // A full queue makes librdkafka sleep this long before it fetches again; its default is a second.
    (Scope::Consumer, "fetch.queue.backoff.ms", "10"),
    (Scope::Consumer, "queued.min.messages", "50000"),
    (Scope::Consumer, "queued.max.messages.kbytes", "32768"),
    (Scope::Member, "auto.offset.reset", "latest"),
    (Scope::Member, "allow.auto.create.topics", "true"),
    (Scope::Member, "partition.assignment.strategy", "range"),
];

/// Keys of librdkafka that a consumer would warn of.
pub(super) const PRODUCER_ONLY: &[&str] = &[
    "acks",
    "batch.size",
    "compression.level",
    "compression.type",
    "enable.idempotence",
    "linger.ms",
    "message.timeout.ms",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "request.timeout.ms",
    "retries",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// Keys of librdkafka that a producer would warn of.
pub(super) const CONSUMER_ONLY: &[&str] = &[
    "auto.offset.reset",
    "check.crcs",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

fn parse(value: &str) -> Result<i64, String> {
    value.parse().map_err(|_| format!("{value} is not a number"))
}

/// The time one request may take: under two names in librdkafka.
fn request_timeout(to: &mut Translation, value: &str) -> Result<(), String> {
    let ms = parse(value)?;
    if Scope::Producer.fits(to.role) {
        to.set("request.timeout.ms", "request.timeout.ms", &ms.clamp(1, 900_000).to_string());
    }
    to.set("request.timeout.ms", "socket.timeout.ms", &ms.clamp(10, 300_000).to_string());
    Ok(())
}

fn call_timeout(to: &mut Translation, value: &str) -> Result<(), String> {
    // Below a second, connecting alone may take longer.
    to.call_timeout = Duration::from_millis(parse(value)?.clamp(1000, 3_600_000).unsigned_abs());
    Ok(())
}

/// The Java client has a level for each codec, librdkafka one for the codec in use.
fn compression_level(to: &mut Translation, value: &str) -> Result<(), String> {
    parse(value)?;
    to.set("compression.*.level", "compression.level", value);
    Ok(())
}

/// For ever is the largest number in Java and 0 in librdkafka.
fn delivery_timeout(to: &mut Translation, value: &str) -> Result<(), String> {
    let ms = parse(value)?;
    let ms = if ms >= INT_MAX { 0 } else { ms.max(1) };
    to.set("delivery.timeout.ms", "message.timeout.ms", &ms.to_string());
    Ok(())
}

fn buffer_memory(to: &mut Translation, value: &str) -> Result<(), String> {
    let kib = (parse(value)? / 1024).clamp(1, 2_097_151);
    to.set("buffer.memory", "queue.buffering.max.kbytes", &kib.to_string());
    Ok(())
}

fn partitioner(to: &mut Translation, class: &str) -> Result<(), String> {
    let ours = match simple_name(class) {
        "DefaultPartitioner" | "UniformStickyPartitioner" | "BuiltInPartitioner" => "murmur2_random",
        "RoundRobinPartitioner" => "random",
        _ => {
            return Err(format!(
                "the Java class {class} cannot be loaded here; leave the key out (records with equal keys go to the \
                 partition that the Java client would choose), or set partitions in a transform"
            ));
        }
    };
    to.set("partitioner.class", "partitioner", ours);
    Ok(())
}

/// librdkafka cannot mix eager and cooperative assignors, which the Java client's default does for
/// the sake of upgrades; there the eager one wins as well.
fn assignors(to: &mut Translation, classes: &str) -> Result<(), String> {
    let mut names = Vec::new();
    for class in classes.split(',').map(str::trim).filter(|class| !class.is_empty()) {
        names.push(match simple_name(class) {
            "RangeAssignor" | "range" => "range",
            "RoundRobinAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | "cooperative-sticky" => "cooperative-sticky",
            _ => {
                return Err(format!(
                    "there is no assignor {class} here; use RangeAssignor, RoundRobinAssignor or CooperativeStickyAssignor"
                ));
            }
        });
    }
    if names.iter().any(|name| *name != "cooperative-sticky") {
        names.retain(|name| *name != "cooperative-sticky");
    }
    to.set("partition.assignment.strategy", "partition.assignment.strategy", &names.join(","));
    Ok(())
}

fn offset_reset(to: &mut Translation, value: &str) -> Result<(), String> {
    let value = match value.to_ascii_lowercase().as_str() {
        "none" => "error".to_owned(),
        earliest_or_latest @ ("earliest" | "latest") => earliest_or_latest.to_owned(),
        _ => return Err(format!("{value} is none of earliest, latest, none")),
    };
    to.set("auto.offset.reset", "auto.offset.reset", &value);
    Ok(())
}

fn simple_name(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}
