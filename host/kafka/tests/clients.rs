//! Clients against a broker: the embedded one, or the one that `COFFERDAM_TEST_BOOTSTRAP` names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_api::{Class, Classified as _, TopicOffset, TopicPartition};
use cofferdam_frame::Frame;
use cofferdam_kafka::{
    Admin, ClientConfig, Consumer, Created, Delivery, Error, Event, LogSettings, NewTopic, OffsetSpec,
    OnDemand, Producer, Role, TopicLog, TransactionFault,
};
use cofferdam_stdx::Supervisor;
use support::{Broker, Member, Row, WAIT};

/// Sends rows to a topic and waits for their acknowledgement.
async fn produce(producer: &Producer, topic: &str, rows: &[Row]) {
    let bytes = support::frame(topic, rows);
    let frame = Frame::parse(&bytes).unwrap();
    let delivery = Delivery::new(Arc::default());
    producer.send(&frame, &[Arc::clone(&delivery)], &vec![0; rows.len()]).await.unwrap();
    tokio::time::timeout(WAIT, delivery.settled()).await.unwrap();
    assert_eq!(delivery.failures(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_records_come_back_as_they_went() {
    let broker = Broker::new();
    let topic = broker.topic("round", 4).await;
    let rows: Vec<_> = (0..10_000).map(Row::number).collect();
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    produce(&producer, &topic, &rows).await;

    let mut member = Member::join(&broker, &topic, &[]).await;
    let mut read = member.read(rows.len()).await;
    assert!(
        read.iter().all(|row| row.timestamp > 1_500_000_000_000),
        "the broker's or producer's time is set"
    );
    assert!(read.iter().all(|row| (0..4).contains(&row.partition)));
    // Within a partition, order is kept.
    let mut last = BTreeMap::new();
    for row in &read {
        let before = last.insert(row.partition, (row.offset, row.value.clone()));
        assert!(
            before.is_none_or(|(offset, value)| offset + 1 == row.offset && value < row.value),
            "{row:?}"
        );
    }
    read.sort_by(|a, b| a.value.cmp(&b.value));
    assert_eq!(
        read.iter().map(|row| &row.value).collect::<Vec<_>>(),
        rows.iter().map(|row| &row.value).collect::<Vec<_>>()
    );
    assert_eq!(
        read.iter().map(|row| &row.key).collect::<Vec<_>>(),
        rows.iter().map(|row| &row.key).collect::<Vec<_>>()
    );
    for partition in member.consumer.assignment() {
        assert_eq!(member.consumer.lag(&partition), Some(0));
    }
    member.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_nulls_timestamps_and_partitions_survive() {
    let broker = Broker::new();
    let topic = broker.topic("shape", 3).await;
    let time = cofferdam_stdx::time::wall_ms() - 5000;
    let rows = [
        Row {
            key: Some(b"k".to_vec()),
            value: Some(b"v".to_vec()),
            headers: vec![
                ("a".into(), Some(b"1".to_vec())),
                ("a".into(), Some(Vec::new())),
                ("none".into(), None),
                ("ü".into(), Some(vec![0, 255])),
            ],
            timestamp: time,
            partition: 2,
            offset: 0,
        },
        Row { key: None, value: None, headers: vec![], timestamp: time + 1, partition: 2, offset: 1 },
        Row {
            key: Some(Vec::new()),
            value: Some(Vec::new()),
            headers: vec![],
            timestamp: time + 2,
            partition: 2,
            offset: 2,
        },
    ];
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    produce(&producer, &topic, &rows).await;
    let mut member = Member::join(&broker, &topic, &[]).await;
    assert_eq!(member.read(3).await, rows);
    member.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_keys_meet_in_the_partition_that_java_chooses() {
    let broker = Broker::new();
    let topic = broker.topic("murmur", 4).await;
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    let keys = ["a", "b", "abcdef", "connector-1", "1.1.1.1"];
    let rows: Vec<_> =
        keys.iter().map(|key| Row { key: Some(key.as_bytes().to_vec()), ..Row::number(0) }).collect();
    produce(&producer, &topic, &rows).await;
    let mut member = Member::join(&broker, &topic, &[]).await;
    for row in member.read(rows.len()).await {
        let key = row.key.unwrap();
        assert_eq!(row.partition, support::java_partition(&key, 4), "{}", String::from_utf8_lossy(&key));
    }
    member.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_within_its_bounds() {
    let broker = Broker::new();
    let topic = broker.topic("bounds", 1).await;
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    let rows: Vec<_> = (0..200).map(|n| Row { value: Some(vec![b'x'; 1000]), ..Row::number(n) }).collect();
    produce(&producer, &topic, &rows).await;
    let mut member = Member::join(&broker, &topic, &[]).await;
    let mut seen = 0;
    while seen < 200 {
        let Event::Records(frame) = member.consumer.next(7, 5_000, WAIT).await.unwrap() else { continue };
        let len = Frame::parse(&frame).unwrap().len();
        assert!(len <= 4 && frame.len() < 5_500, "{len} records, {} bytes", frame.len());
        seen += len;
    }
    // One record that is larger than the bound comes alone.
    produce(&producer, &topic, &[Row { value: Some(vec![b'y'; 50_000]), ..Row::number(0) }]).await;
    let Event::Records(frame) = member.consumer.next(7, 5_000, WAIT).await.unwrap() else { panic!() };
    assert_eq!(Frame::parse(&frame).unwrap().len(), 1);
    let idle = member.consumer.next(7, 5_000, Duration::from_millis(50)).await.unwrap();
    assert_eq!(idle, Event::Idle);
    member.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_resumes_where_it_committed() {
    let broker = Broker::new();
    let topic = broker.topic("resume", 1).await;
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    produce(&producer, &topic, &(0..10).map(Row::number).collect::<Vec<_>>()).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let only = std::slice::from_ref(&partition);

    let mut member = Member::join(&broker, &topic, &[("group.id", &format!("g-{topic}"))]).await;
    assert_eq!(member.consumer.committed(only).await.unwrap(), [None]);
    assert_eq!(member.consumer.position(only).await.unwrap(), [0]);
    member.read(10).await;
    assert_eq!(member.consumer.position(only).await.unwrap(), [10]);
    member.consumer.commit(&[TopicOffset { partition: partition.clone(), offset: 6 }]).await.unwrap();
    assert_eq!(member.consumer.committed(only).await.unwrap(), [Some(6)]);
    member.consumer.close().await.unwrap();

    let mut member = Member::join(&broker, &topic, &[("group.id", &format!("g-{topic}"))]).await;
    assert_eq!(member.consumer.position(only).await.unwrap(), [6]);
    let read = member.read(4).await;
    assert_eq!(read.iter().map(|row| row.offset).collect::<Vec<_>>(), [6, 7, 8, 9]);
    member.consumer.close().await.unwrap();
}

/// Lets two members share a topic, and one of them leave, under an assignor.
async fn share(assignor: &str) {
    let broker = Broker::new();
    let topic = broker.topic("share", 4).await;
    let group = format!("g-{topic}");
    let settings = [("group.id", group.as_str()), ("partition.assignment.strategy", assignor)];
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();

    let mut first = Member::join(&broker, &topic, &settings).await;
    assert_eq!(first.consumer.assignment().len(), 4);
    let mut second = Member::start(&broker, &topic, &settings);
    support::until(&mut [&mut first, &mut second], |members| {
        members.iter().all(|member| member.consumer.assignment().len() == 2)
    })
    .await;
    assert!(first.revoked > 0, "the first member was asked to give partitions up");

    // Every record comes to one of them, and to the one that has its partition.
    let rows: Vec<_> = (0..100).map(|n| Row { partition: n % 4, ..Row::number(n) }).collect();
    produce(&producer, &topic, &rows).await;
    support::until(&mut [&mut first, &mut second], |members| {
        members.iter().map(|member| member.rows.len()).sum::<usize>() >= 100
    })
    .await;
    for member in [&first, &second] {
        let assigned = member.consumer.assignment();
        let own = |row: &Row| assigned.contains(&TopicPartition::new(topic.as_str(), row.partition));
        assert!(member.rows.iter().all(own));
        assert_eq!(member.rows.len(), 50);
    }

    // Who leaves hands over at once.
    second.consumer.close().await.unwrap();
    support::until(&mut [&mut first], |members| members[0].consumer.assignment().len() == 4).await;
    first.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_partitions_eagerly() {
    share("org.apache.kafka.clients.consumer.RangeAssignor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_partitions_cooperatively() {
    share("org.apache.kafka.clients.consumer.CooperativeStickyAssignor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_change_does_not_keep_a_member_from_leaving() {
    let broker = Broker::new();
    let topic = broker.topic("leave", 2).await;
    for asked in [false, true] {
        let config = broker.config(Role::Consumer, &[("group.id", &format!("g-{topic}-{asked}"))]);
        let mut consumer = Consumer::subscribe(&config, std::slice::from_ref(&topic)).unwrap();
        if asked {
            let event = consumer.next(10, 1000, WAIT).await.unwrap();
            assert!(matches!(event, Event::Assigned(_)), "{event:?}");
        }
        tokio::time::timeout(WAIT, consumer.close()).await.expect("closing ends").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_resume_and_seek_lose_and_repeat_nothing() {
    let broker = Broker::new();
    let topic = broker.topic("pause", 2).await;
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    let rows: Vec<_> = (0..400).map(|n| Row { partition: n % 2, ..Row::number(n) }).collect();
    produce(&producer, &topic, &rows).await;
    let (zero, one) = (TopicPartition::new(topic.as_str(), 0), TopicPartition::new(topic.as_str(), 1));

    let mut member = Member::join(&broker, &topic, &[]).await;
    // A bound that leaves records behind in the consumer, of the partition that is paused then.
    let first = member.read_some(3).await;
    let paused = TopicPartition::new(topic.as_str(), first[0].partition);
    let other = if paused == zero { &one } else { &zero };
    member.consumer.pause(std::slice::from_ref(&paused)).unwrap();
    let mut read = member.read(200).await;
    assert!(read.iter().all(|row| row.partition == other.partition), "only the other partition comes");
    assert_eq!(member.consumer.next(10, 10_000, Duration::from_millis(100)).await.unwrap(), Event::Idle);
    member.consumer.keep_alive();
    member.consumer.resume(std::slice::from_ref(&paused)).unwrap();
    read.extend(first);
    read.extend(member.read(400 - read.len()).await);
    read.sort_by_key(|row| (row.partition, row.offset));
    let expected: Vec<_> =
        (0..2).flat_map(|partition| (0..200).map(move |offset| (partition, offset))).collect();
    assert_eq!(read.iter().map(|row| (row.partition, row.offset)).collect::<Vec<_>>(), expected);

    let to = |partition: &TopicPartition, offset| TopicOffset { partition: partition.clone(), offset };
    member.consumer.seek(&[to(&zero, 150), to(&one, 199)]).unwrap();
    assert_eq!(member.consumer.position(std::slice::from_ref(&zero)).await.unwrap(), [150]);
    let mut read = member.read(51).await;
    read.sort_by_key(|row| (row.partition, row.offset));
    let expected: Vec<_> = (150..200).map(|offset| (0, offset)).chain([(1, 199)]).collect();
    assert_eq!(read.iter().map(|row| (row.partition, row.offset)).collect::<Vec<_>>(), expected);
    let error = member.consumer.seek(&[to(&TopicPartition::new("other", 0), 1)]).unwrap_err();
    assert_eq!(error.class(), Class::Bug);
    member.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seek_right_after_the_assignment_holds() {
    let broker = Broker::new();
    let topic = broker.topic("early", 1).await;
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    produce(&producer, &topic, &(0..10).map(Row::number).collect::<Vec<_>>()).await;
    let config = broker.config(Role::Consumer, &[("group.id", &format!("g-{topic}"))]);
    let mut consumer = Consumer::subscribe(&config, std::slice::from_ref(&topic)).unwrap();
    let Event::Assigned(partitions) = consumer.next(10, 10_000, WAIT).await.unwrap() else { panic!() };
    consumer.assign(&partitions).unwrap();
    consumer.seek(&[TopicOffset { partition: partitions[0].clone(), offset: 7 }]).unwrap();
    let Event::Records(frame) = consumer.next(10, 10_000, WAIT).await.unwrap() else { panic!() };
    assert_eq!(support::rows(&frame)[0].offset, 7);
    consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_follows_new_topics() {
    let broker = Broker::new();
    let first = broker.topic("pattern", 1).await;
    let pattern = format!("{first}(-more)?");
    let settings =
        [("group.id", first.as_str()), ("metadata.max.age.ms", "300"), ("auto.offset.reset", "earliest")];
    let config = broker.config(Role::Consumer, &settings);
    let consumer = Consumer::subscribe_regex(&config, &pattern).await.unwrap();
    let mut member = Member::over(consumer);
    support::until(&mut [&mut member], |members| members[0].consumer.assignment().len() == 1).await;
    broker.create(&format!("{first}-more"), 1).await;
    broker.create(&format!("{first}-more-not"), 1).await;
    support::until(&mut [&mut member], |members| members[0].consumer.assignment().len() == 2).await;
    member.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_records_are_told_by_index_and_the_others_arrive() {
    let broker = Broker::new();
    let topic = broker.topic("refused", 1).await;
    let producer = Producer::new(&broker.config(Role::Producer, &[("max.request.size", "2000")])).unwrap();
    let rows: Vec<_> = (0..5)
        .map(|n| Row { value: Some(vec![b'x'; if n == 2 { 5000 } else { 10 }]), ..Row::number(n) })
        .collect();
    let bytes = support::frame(&topic, &rows);
    let frame = Frame::parse(&bytes).unwrap();
    let delivery = Delivery::new(Arc::default());
    let deliveries = [Arc::clone(&delivery)];
    let refused = producer.send(&frame, &deliveries, &[0; 5]).await.unwrap_err();
    assert_eq!((refused.index, refused.error.class()), (2, Class::Data));
    producer.send_range(&frame, 3..5, &deliveries, &[0; 5]).await.unwrap();
    producer.flush(WAIT).await.unwrap();
    delivery.settled().await;
    assert_eq!(delivery.failures(), []);
    let mut member = Member::join(&broker, &topic, &[]).await;
    assert_eq!(member.read(4).await.len(), 4);
    member.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_waits_for_room() {
    let broker = Broker::new();
    let topic = broker.topic("full", 1).await;
    let settings = [("queue.buffering.max.messages", "100"), ("linger.ms", "1")];
    let producer = Producer::new(&broker.config(Role::Producer, &settings)).unwrap();
    produce(&producer, &topic, &(0..2500).map(Row::number).collect::<Vec<_>>()).await;
    let mut member = Member::join(&broker, &topic, &[]).await;
    let read = member.read(2500).await;
    assert_eq!(read.iter().map(|row| row.offset).collect::<Vec<_>>(), (0..2500).collect::<Vec<_>>());
    assert!(read.windows(2).all(|pair| pair[0].value < pair[1].value), "order is kept across waits");
    member.consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_producer_ends_and_starts_again() {
    let broker = Broker::new();
    let topic = broker.topic("demand", 1).await;
    let mut quiet =
        OnDemand::new(broker.config(Role::Producer, &[("connections.max.idle.ms", "20")])).unwrap();
    for number in 0..3 {
        produce(&quiet.get().unwrap(), &topic, &[Row::number(number)]).await;
        assert!(quiet.is_started());
        let ended = async {
            while quiet.is_started() {
                tokio::task::yield_now().await;
                quiet.rest();
            }
        };
        tokio::time::timeout(WAIT, ended).await.unwrap();
    }
    let mut member = Member::join(&broker, &topic, &[]).await;
    let read = member.read(3).await;
    assert!(read.windows(2).all(|pair| pair[0].value < pair[1].value), "in order");
    member.consumer.close().await.unwrap();
    // The usual time is minutes, and 0 is never.
    for idle_max in [vec![], vec![("connections.max.idle.ms", "0")]] {
        let mut lasting = OnDemand::new(broker.config(Role::Producer, &idle_max)).unwrap();
        lasting.rest();
        assert!(lasting.is_started());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_producer_settles_what_is_pending() {
    // Nobody listens on port 1.
    let config = support::translate(Role::Producer, &[("bootstrap.servers", "127.0.0.1:1")]);
    let producer = Producer::new(&config).unwrap();
    let bytes = support::frame("t", &[Row::number(0)]);
    let delivery = Delivery::new(Arc::default());
    producer.send(&Frame::parse(&bytes).unwrap(), &[Arc::clone(&delivery)], &[0]).await.unwrap();
    let error = producer.flush(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, Error::Flush { left: 1, .. }), "{error:?}");
    drop(producer);
    tokio::time::timeout(WAIT, delivery.settled()).await.unwrap();
    assert_eq!(delivery.failures().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_cluster_is_told_in_time() {
    let settings = [("bootstrap.servers", "127.0.0.1:1"), ("default.api.timeout.ms", "1500")];
    let admin = Admin::new(&support::translate(Role::Admin, &settings)).unwrap();
    let error = tokio::time::timeout(WAIT, admin.cluster_id()).await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Retriable);
    let text = cofferdam_api::chain(&error);
    assert!(
        text.starts_with("Failed to connect to and describe Kafka cluster. Check worker's broker connection"),
        "{text}"
    );
    assert!(text.contains("Connection refused"), "{text}");
    assert!(admin.topics().await.is_err());
    let trouble = admin.trouble().expect("status pages can tell");
    assert!(trouble.contains("Connection refused"), "{trouble}");

    let mut settings = settings.to_vec();
    settings.push(("group.id", "g"));
    let mut consumer =
        Consumer::subscribe(&support::translate(Role::Consumer, &settings), &["t".into()]).unwrap();
    let event = consumer.next(10, 1000, Duration::from_millis(500)).await.unwrap();
    assert_eq!(event, Event::Idle);
    assert!(consumer.trouble().is_some());
    tokio::time::timeout(WAIT, consumer.close()).await.expect("closing ends without a broker").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_described_and_counted() {
    let broker = Broker::new();
    let admin = broker.admin();
    let name = broker.name("admin");
    let configs = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let topic = NewTopic { name: name.clone(), partitions: 3, replication: 1, configs };
    assert_eq!(admin.create_topic(&topic).await.unwrap(), Created::Created);
    assert_eq!(admin.create_topic(&topic).await.unwrap(), Created::Exists);
    assert!(admin.topics().await.unwrap().contains(&name));
    assert_eq!(admin.partition_count(&name).await.unwrap(), Some(3));
    assert_eq!(admin.topic_config(&name).await.unwrap().get("cleanup.policy").unwrap(), "compact");
    assert!(!admin.cluster_id().await.unwrap().is_empty());
    let bad = NewTopic { name: "no good!".into(), ..topic.clone() };
    let error = admin.create_topic(&bad).await.unwrap_err();
    assert_eq!(error.class(), Class::Config, "{}", cofferdam_api::chain(&error));

    // The broker's defaults.
    let name = broker.name("defaults");
    let topic = NewTopic { name: name.clone(), partitions: -1, replication: -1, configs: BTreeMap::new() };
    assert_eq!(admin.create_topic(&topic).await.unwrap(), Created::Created);
    assert!(admin.partition_count(&name).await.unwrap().unwrap() >= 1);

    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    let row = |n| Row { partition: 0, ..Row::number(n) };
    produce(&producer, &name, &[row(0), row(1)]).await;
    let partition = [TopicPartition::new(name.as_str(), 0)];
    assert_eq!(admin.list_offsets(&partition, OffsetSpec::Latest).await.unwrap(), [2]);
    assert_eq!(admin.list_offsets(&partition, OffsetSpec::Earliest).await.unwrap(), [0]);
}

type Seen = Arc<Mutex<BTreeMap<Vec<u8>, Option<Vec<u8>>>>>;

async fn open(broker: &Broker, topic: &str, supervisor: &Supervisor) -> (TopicLog, Seen) {
    let seen = Seen::default();
    let settings = LogSettings {
        topic: topic.to_owned(),
        config: broker.config(Role::Log, &[("group.id", "connect-cluster")]),
        start_timeout: WAIT,
        read_at_start: true,
    };
    let note = Arc::clone(&seen);
    let log = TopicLog::start(settings, supervisor, move |record| {
        note.lock().unwrap().insert(record.key.unwrap().to_vec(), record.value.map(<[u8]>::to_vec));
    });
    (log.await.unwrap(), seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_to_its_end_and_followed() {
    let broker = Broker::new();
    let topic = broker.topic("log", 5).await;
    let supervisor = Supervisor::new();
    let (log, seen) = open(&broker, &topic, &supervisor).await;
    assert_eq!((log.partitions(), seen.lock().unwrap().len()), (5, 0));

    let key = |n: u32| format!("key-{n}").into_bytes();
    log.send((0..100).map(|n| (key(n), Some(b"1".to_vec()))).collect()).await.unwrap();
    log.send(vec![(key(7), None), (key(8), Some(b"2".to_vec())), (key(8), Some(b"3".to_vec()))])
        .await
        .unwrap();
    log.read_to_end().await.unwrap();
    {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 100);
        assert_eq!(seen[&key(7)], None, "a tombstone");
        assert_eq!(seen[&key(8)].as_deref(), Some(&b"3"[..]), "the last one wins");
    }
    // Who opens it later sees the same, and both follow.
    let (other, later) = open(&broker, &topic, &supervisor).await;
    assert_eq!(*later.lock().unwrap(), *seen.lock().unwrap());
    other.send(vec![(b"new".to_vec(), Some(b"x".to_vec()))]).await.unwrap();
    log.read_to_end().await.unwrap();
    assert_eq!(seen.lock().unwrap()[&b"new"[..]].as_deref(), Some(&b"x"[..]));
    log.read_to_end().await.unwrap();
    assert_eq!(log.trouble(), None);
    log.close().await;
    other.close().await;
    assert_eq!(supervisor.shut_down(WAIT).await, 0, "the readers have ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_a_topic_is_an_error() {
    let broker = Broker::new();
    let settings = LogSettings {
        topic: "no good!".into(),
        config: broker.config(Role::Log, &[]),
        start_timeout: Duration::from_millis(300),
        read_at_start: true,
    };
    let error =
        TopicLog::start(settings, &Supervisor::new(), |_| {}).await.err().expect("there is no such topic");
    assert!(matches!(error, Error::NoTopic { .. } | Error::Topics(_)), "{error:?}");
}

#[test]
fn a_client_whose_files_are_missing_says_which() {
    let settings = [
        ("bootstrap.servers", "127.0.0.1:1"),
        ("security.protocol", "SSL"),
        ("ssl.truststore.location", "/nowhere/ca.pem"),
    ];
    let config: ClientConfig = support::translate(Role::Admin, &settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async { Admin::new(&config).err() }).expect("there is no such file");
    let text = cofferdam_api::chain(&error);
    assert!(text.contains("/nowhere/ca.pem"), "{text}");
    assert_eq!(error.class(), Class::Config);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_fetch_waits_until_something_is_written() {
    let broker = Broker::new();
    let topic = broker.topic("idle", 1).await;
    // A wait that is longer than the test: only the write can end it.
    let mut member =
        Member::join(&broker, &topic, &[("fetch.max.wait.ms", "60000"), ("request.timeout.ms", "90000")])
            .await;
    let idle = member.consumer.next(10, 1000, Duration::from_millis(300)).await.unwrap();
    assert_eq!(idle, Event::Idle);
    let producer = Producer::new(&broker.config(Role::Producer, &[])).unwrap();
    let started = cofferdam_stdx::time::now();
    produce(&producer, &topic, &[Row::number(1)]).await;
    assert_eq!(member.read(1).await.len(), 1);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    drop(member);
}

/// A producer that owns `id` when this returns.
async fn transactional(broker: &Broker, id: &str) -> Producer {
    let settings = [("transactional.id", id), ("transaction.timeout.ms", "30000")];
    let producer = Producer::new(&broker.config(Role::Producer, &settings)).unwrap();
    producer.init_transactions(WAIT).await.unwrap();
    producer
}

async fn committed(broker: &Broker, topic: &str, n: usize) -> Vec<Vec<u8>> {
    let mut member = Member::join(broker, topic, &[("isolation.level", "read_committed")]).await;
    member.read(n).await.into_iter().filter_map(|row| row.value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_seen_and_what_is_aborted_is_not() {
    let broker = Broker::new();
    let topic = broker.topic("transactions", 1).await;
    let producer = transactional(&broker, &broker.name("id")).await;
    producer.begin_transaction().await.unwrap();
    produce(&producer, &topic, &[Row::number(1), Row::number(2)]).await;
    producer.abort_transaction(WAIT).await.unwrap();
    producer.begin_transaction().await.unwrap();
    produce(&producer, &topic, &[Row::number(3)]).await;
    producer.commit_transaction(WAIT).await.unwrap();
    assert_eq!(committed(&broker, &topic, 1).await, [b"00000003".to_vec()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_over_an_id_fences_who_had_it() {
    let broker = Broker::new();
    let topic = broker.topic("fenced", 1).await;
    let id = broker.name("id");
    let zombie = transactional(&broker, &id).await;
    zombie.begin_transaction().await.unwrap();
    produce(&zombie, &topic, &[Row::number(1)]).await;
    let heir = transactional(&broker, &id).await;
    let error = zombie.commit_transaction(WAIT).await.expect_err("it is fenced");
    assert_eq!(error.transaction_fault(), Some(TransactionFault::Fenced), "{error:?}");
    assert_eq!(error.class(), Class::Fatal);
    heir.begin_transaction().await.unwrap();
    produce(&heir, &topic, &[Row::number(2)]).await;
    heir.commit_transaction(WAIT).await.unwrap();
    assert_eq!(committed(&broker, &topic, 1).await, [b"00000002".to_vec()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_refused_leaves_nothing_but_to_abort() {
    let broker = Broker::new();
    let topic = broker.topic("refused", 1).await;
    let producer = transactional(&broker, &broker.name("id")).await;
    producer.begin_transaction().await.unwrap();
    produce(&producer, &topic, &[Row::number(1)]).await;
    // There is no such partition.
    let bytes = support::frame(&topic, &[Row { partition: 7, ..Row::number(2) }]);
    let delivery = Delivery::new(Arc::default());
    let sent = producer.send(&Frame::parse(&bytes).unwrap(), &[Arc::clone(&delivery)], &[0]).await;
    if sent.is_ok() {
        let error = producer.commit_transaction(WAIT).await.expect_err("a record was not delivered");
        assert_eq!(error.transaction_fault(), Some(TransactionFault::Abort), "{error:?}");
    }
    producer.abort_transaction(WAIT).await.unwrap();
    producer.begin_transaction().await.unwrap();
    produce(&producer, &topic, &[Row::number(3)]).await;
    producer.commit_transaction(WAIT).await.unwrap();
    assert_eq!(committed(&broker, &topic, 1).await, [b"00000003".to_vec()]);
}
