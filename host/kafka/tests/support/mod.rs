//! A broker, rows instead of frames, and a member that answers the group's changes.

use std::time::Duration;

use cofferdam_api::ConfigMap;
use cofferdam_frame::{Builder, Entry, Frame, Span};
use cofferdam_kafka::embedded::EmbeddedBroker;
use cofferdam_kafka::{Admin, ClientConfig, Consumer, Event, NewTopic, Role};
use cofferdam_stdx::time::{now, wall_ms};

/// No test waits longer for anything.
pub(crate) const WAIT: Duration = Duration::from_secs(40);

pub(crate) struct Broker {
    bootstrap: String,
}

impl Broker {
    pub(crate) fn new() -> Self {
        let given = std::env::var("COFFERDAM_TEST_BOOTSTRAP").ok();
        let start = || EmbeddedBroker::start("127.0.0.1:0").unwrap().bootstrap();
        Self { bootstrap: given.unwrap_or_else(start) }
    }

    pub(crate) fn config(&self, role: Role, settings: &[(&str, &str)]) -> ClientConfig {
        let mut all = vec![("bootstrap.servers", self.bootstrap.as_str()), ("auto.offset.reset", "earliest")];
        all.extend(settings);
        translate(role, &all).for_embedded_broker()
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.config(Role::Admin, &[])).unwrap()
    }

    /// A name that no other run has used.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{what}-{}-{}", std::process::id(), wall_ms())
    }

    pub(crate) async fn topic(&self, what: &str, partitions: i32) -> String {
        let name = self.name(what);
        self.create(&name, partitions).await;
        name
    }

    pub(crate) async fn create(&self, name: &str, partitions: i32) {
        let topic =
            NewTopic { name: name.to_owned(), partitions, replication: 1, configs: Default::default() };
        self.admin().create_topic(&topic).await.unwrap();
    }
}

pub(crate) fn translate(role: Role, settings: &[(&str, &str)]) -> ClientConfig {
    let map: ConfigMap =
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ClientConfig::from_java(role, &map).unwrap().config
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    /// Below zero: none.
    pub(crate) timestamp: i64,
    /// Below zero: none.
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl Row {
    /// A row whose value sorts as its number, without partition and timestamp.
    pub(crate) fn number(number: i32) -> Self {
        Self {
            key: Some(format!("key-{}", number % 100).into_bytes()),
            value: Some(format!("{number:08}").into_bytes()),
            headers: Vec::new(),
            timestamp: -1,
            partition: -1,
            offset: -1,
        }
    }
}

pub(crate) fn frame(topic: &str, rows: &[Row]) -> Vec<u8> {
    let mut frame = Builder::default();
    let topic = frame.topic(topic).unwrap();
    for row in rows {
        let mut entry = Entry::new(topic);
        entry.key = frame.put_option(row.key.as_deref());
        entry.value = frame.put_option(row.value.as_deref());
        let mut block = Span { at: 0, len: 0 };
        for (key, value) in &row.headers {
            frame.header(&mut block, key, 0, value.as_deref());
            entry.n_headers += 1;
        }
        entry.headers = block;
        entry.timestamp = (row.timestamp >= 0).then_some(row.timestamp);
        entry.partition = (row.partition >= 0).then_some(row.partition);
        frame.push(&entry);
    }
    frame.finish()
}

pub(crate) fn rows(frame: &[u8]) -> Vec<Row> {
    let row = |record: cofferdam_frame::Record<'_>| Row {
        key: record.key().map(<[u8]>::to_vec),
        value: record.value().map(<[u8]>::to_vec),
        headers: record
            .headers()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
        timestamp: record.entry.timestamp.unwrap_or(-1),
        partition: record.entry.partition.unwrap_or(-1),
        offset: record.kafka_offset().unwrap_or(-1),
    };
    Frame::parse(frame).unwrap().iter().map(row).collect()
}

/// A consumer that does as the group says.
pub(crate) struct Member {
    pub(crate) consumer: Consumer,
    pub(crate) rows: Vec<Row>,
    pub(crate) revoked: usize,
}

impl Member {
    pub(crate) fn over(consumer: Consumer) -> Self {
        Self { consumer, rows: Vec::new(), revoked: 0 }
    }

    pub(crate) fn start(broker: &Broker, topic: &str, settings: &[(&str, &str)]) -> Self {
        let own = format!("g-{topic}");
        let mut all = vec![("group.id", own.as_str()), ("metadata.max.age.ms", "5000")];
        all.extend(settings);
        let config = broker.config(Role::Consumer, &all);
        Self::over(Consumer::subscribe(&config, &[topic.to_owned()]).unwrap())
    }

    pub(crate) async fn join(broker: &Broker, topic: &str, settings: &[(&str, &str)]) -> Self {
        let mut member = Self::start(broker, topic, settings);
        until(&mut [&mut member], |members| !members[0].consumer.assignment().is_empty()).await;
        member
    }

    /// One event.
    pub(crate) async fn step(&mut self, max_records: usize, wait: Duration) {
        match self.consumer.next(max_records, 1 << 20, wait).await.unwrap() {
            Event::Records(frame) => self.rows.extend(rows(&frame)),
            Event::Assigned(partitions) => self.consumer.assign(&partitions).unwrap(),
            Event::Revoked(partitions) => {
                self.revoked += 1;
                self.consumer.unassign(&partitions).unwrap();
            }
            Event::Lost(partitions) => self.consumer.unassign(&partitions).unwrap(),
            Event::Idle => {}
        }
    }

    /// So many rows, no more and no less.
    pub(crate) async fn read(&mut self, count: usize) -> Vec<Row> {
        let deadline = now() + WAIT;
        while self.rows.len() < count {
            assert!(now() < deadline, "{} of {count} rows", self.rows.len());
            self.step(700, Duration::from_secs(1)).await;
        }
        assert_eq!(self.rows.len(), count);
        std::mem::take(&mut self.rows)
    }

    /// Some rows, at most `max`.
    pub(crate) async fn read_some(&mut self, max: usize) -> Vec<Row> {
        let deadline = now() + WAIT;
        while self.rows.is_empty() {
            assert!(now() < deadline, "no rows");
            self.step(max, Duration::from_secs(1)).await;
        }
        std::mem::take(&mut self.rows)
    }
}

/// Lets members act until something is so.
pub(crate) async fn until(members: &mut [&mut Member], mut so: impl FnMut(&[&mut Member]) -> bool) {
    let deadline = now() + WAIT;
    while !so(members) {
        assert!(now() < deadline, "it did not come to pass");
        for member in members.iter_mut() {
            member.step(700, Duration::from_millis(50)).await;
        }
    }
}

/// `Utils.toPositive(Utils.murmur2(key)) % partitions` of Kafka's Java client.
pub(crate) fn java_partition(key: &[u8], partitions: u32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).unwrap();
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    i32::try_from((hash & 0x7fff_ffff) % partitions).unwrap()
}
