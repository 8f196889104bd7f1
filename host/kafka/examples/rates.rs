//! Raw rates of producer and consumer: `cargo run -p cofferdam-kafka --example rates -- [BOOTSTRAP] [RECORDS]`.
//! Without a bootstrap address it measures the embedded broker.
#![allow(clippy::unwrap_used, reason = "a measuring tool")]

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::ConfigMap;
use cofferdam_frame::{Builder, Entry, Frame};
use cofferdam_kafka::embedded::EmbeddedBroker;
use cofferdam_kafka::{Admin, ClientConfig, Consumer, Delivery, Event, NewTopic, Producer, Role};
use cofferdam_stdx::time::{now, wall_ms};

const BATCH: usize = 1000;

fn config(role: Role, bootstrap: &str) -> ClientConfig {
    let settings =
        [("bootstrap.servers", bootstrap), ("group.id", "rates"), ("auto.offset.reset", "earliest")];
    let map: ConfigMap =
        settings.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    ClientConfig::from_java(role, &map).unwrap().config.for_embedded_broker()
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let embedded = || EmbeddedBroker::start("127.0.0.1:0").unwrap().bootstrap();
    let bootstrap = arguments.next().unwrap_or_else(embedded);
    let records: usize = arguments.next().map_or(1_000_000, |text| text.parse().unwrap());
    let topic = format!("rates-{}", wall_ms());
    let new = NewTopic { name: topic.clone(), partitions: 1, replication: 1, configs: Default::default() };
    Admin::new(&config(Role::Admin, &bootstrap)).unwrap().create_topic(&new).await.unwrap();

    let mut frame = Builder::default();
    let index = frame.topic(&topic).unwrap();
    for _ in 0..BATCH {
        let mut entry = Entry::new(index);
        entry.value = frame.put(&[b'x'; 100]);
        frame.push(&entry);
    }
    let bytes = frame.finish();
    let frame = Frame::parse(&bytes).unwrap();
    let producer = Producer::new(&config(Role::Producer, &bootstrap)).unwrap();
    let delivery = Delivery::new(Arc::default());
    let started = now();
    for _ in 0..records / BATCH {
        producer.send(&frame, &[Arc::clone(&delivery)], &[0; BATCH]).await.unwrap();
    }
    delivery.settled().await;
    assert!(delivery.failures().is_empty());
    report("produce", records, started.elapsed());

    let mut consumer = Consumer::subscribe(&config(Role::Consumer, &bootstrap), &[topic]).unwrap();
    let (mut seen, mut started) = (0, now());
    while seen < records / BATCH * BATCH {
        match consumer.next(2000, 1 << 20, Duration::from_secs(10)).await.unwrap() {
            Event::Assigned(partitions) => {
                consumer.assign(&partitions).unwrap();
                started = now();
            }
            Event::Records(frame) => seen += Frame::trust(&frame).unwrap().len(),
            other => assert!(matches!(other, Event::Idle), "{other:?}"),
        }
    }
    report("consume", seen, started.elapsed());
    consumer.close().await.unwrap();
}

#[allow(clippy::print_stdout, reason = "a measuring tool")]
fn report(what: &str, records: usize, took: Duration) {
    println!("{what}: {:.0} records/s", records as f64 / took.as_secs_f64());
}
