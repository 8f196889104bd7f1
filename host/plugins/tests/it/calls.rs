//! What works when a guest behaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_api::{TopicOffset, TopicPartition};
use cofferdam_frame::{Flags, Frame, Kind, Schema};
use cofferdam_plugins::{CallError, Condition, KeyErrors, Metric, Origin, SinkRequests, Spec, TransformStep};

use super::{Bench, Recorder, batch, config, programs, spec};

const WAIT: Duration = Duration::ZERO;

#[tokio::test]
async fn a_source_goes_on_after_its_stored_offset() {
    let bench = Bench::new().await;
    let hooks = Recorder { offset: Some(r#"{"n":7}"#.to_owned()), ..Recorder::default() };
    let spec =
        Spec { hooks: Arc::new(hooks), ..spec("test.Source", &[("records", "10"), ("topic", "lines")]) };
    let (schemas, usage) = (Arc::clone(&spec.schemas), Arc::clone(&spec.usage));
    let mut source = bench.plugins.source(spec).await.unwrap();
    source.start().await.unwrap();
    let bytes = source.poll(100, 1 << 20, WAIT).await.unwrap();
    let frame = Frame::parse(&bytes).unwrap();
    let values: Vec<_> =
        frame.iter().map(|record| String::from_utf8_lossy(record.value().unwrap())).collect();
    assert_eq!(values, ["line-7", "line-8", "line-9"]);
    let last = frame.get(2).unwrap();
    assert_eq!((last.topic(), last.source_offset()), ("lines", Some(r#"{"n":10}"#)));
    assert_eq!(last.source_partition(), Some(r#"{"test":"lines"}"#));
    assert_eq!(schemas.get(last.entry.value_schema).as_deref(), Some(&Schema::of(Kind::String)));
    source.committed(&[(r#"{"test":"lines"}"#.to_owned(), r#"{"n":10}"#.to_owned())]).await.unwrap();
    source.stop().await.unwrap();
    assert!(usage.cpu_ns.load(Ordering::Relaxed) > 0);
    let memory = usage.memory_bytes.load(Ordering::Relaxed);
    assert!((1 << 16..64 << 20).contains(&memory), "{memory}");
    drop(source);
    assert_eq!(usage.memory_bytes.load(Ordering::Relaxed), 0);
    assert_eq!(usage.memory_peak.load(Ordering::Relaxed), memory);
}

#[tokio::test]
async fn a_connector_makes_task_configurations() {
    let bench = Bench::new().await;
    let mut connector = bench.plugins.connector(spec("test.Sink", &[("tasks", "3")])).await.unwrap();
    connector.start().await.unwrap();
    assert_eq!(
        connector.task_configs(2).await.unwrap(),
        [config(&[("tasks", "3")]), config(&[("tasks", "3")])]
    );
    assert_eq!(connector.task_configs(9).await.unwrap().len(), 3);
    connector.stop().await.unwrap();
}

#[tokio::test]
async fn a_sink_takes_batches_and_asks_its_consumer() {
    let bench = Bench::new().await;
    let hooks = Arc::new(Recorder::default());
    let spec = |ask| Spec { hooks: hooks.clone(), ..spec("test.Sink", &[("ask", ask), ("reject", "bad")]) };
    let orders = TopicPartition::new("orders", 0);
    let at = |partition: &TopicPartition, offset| TopicOffset { partition: partition.clone(), offset };

    let mut sink = bench.plugins.sink(spec("pause")).await.unwrap();
    sink.start().await.unwrap();
    sink.set_assignment(vec![orders.clone()]);
    sink.open(std::slice::from_ref(&orders)).await.unwrap();
    let bad = sink.put(&batch(&["good", "bad one", "good"])).await.unwrap();
    assert_eq!(
        bad.iter().map(|bad| (bad.index, bad.message.as_str())).collect::<Vec<_>>(),
        [(1, "rejected")]
    );
    assert_eq!(sink.put(&Arc::default()).await.unwrap(), []);
    assert_eq!(sink.take_requests(), SinkRequests { pause: vec![orders.clone()], ..SinkRequests::default() });
    assert!(sink.take_requests().is_empty());
    // The guest adds a partition that it was not asked about.
    assert_eq!(sink.pre_commit(&[at(&orders, 3)]).await.unwrap(), [at(&orders, 3)]);
    sink.close(std::slice::from_ref(&orders)).await.unwrap();
    sink.stop().await.unwrap();
    let counted = hooks.metrics.lock().unwrap().clone();
    assert_eq!(counted, [("records".to_owned(), Metric::Count(3)), ("records".to_owned(), Metric::Count(0))]);

    let mut sink = bench.plugins.sink(spec("rewind")).await.unwrap();
    sink.start().await.unwrap();
    sink.set_assignment(vec![orders.clone()]);
    sink.put(&batch(&["x"])).await.unwrap();
    let asked = SinkRequests { seek: vec![at(&orders, 0)], commit: true, ..SinkRequests::default() };
    assert_eq!(sink.take_requests(), asked);

    let mut sink = bench.plugins.sink(spec("unassigned")).await.unwrap();
    sink.start().await.unwrap();
    sink.set_assignment(vec![orders]);
    sink.put(&batch(&["x"])).await.unwrap();
    assert!(sink.take_requests().is_empty());
}

#[tokio::test]
async fn a_transform_points_back_at_its_input() {
    let bench = Bench::new().await;
    let pairs = [("suffix", "-eu"), ("drop", "old"), ("reject", "broken")];
    let step = TransformStep {
        class: "Transform".to_owned(),
        config: config(&pairs),
        condition: Some(Condition { class: "test.Predicate".to_owned(), config: config(&[]), negate: true }),
    };
    let mut chain = bench.plugins.transform(spec("", &[]), &[step]).await.unwrap();
    let result = chain.apply(&batch(&["new", "old", "broken", "new too"])).await.unwrap();
    let frame = Frame::parse(&result.output).unwrap();
    let kept: Vec<_> = frame.iter().map(|record| (record.entry.src.unwrap(), record.topic())).collect();
    assert_eq!(kept, [(0, "orders-eu"), (3, "orders-eu")]);
    assert!(frame.get(0).unwrap().entry.flags.has(Flags::KEEP_VALUE));
    assert_eq!(result.bad.iter().map(|bad| bad.index).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_predicate_answers_for_each_record() {
    let bench = Bench::new().await;
    let mut predicate = bench.plugins.predicate(spec("test.Predicate", &[("contains", "a")])).await.unwrap();
    assert_eq!(predicate.test(&batch(&["abc", "xyz"])).await.unwrap(), [true, false]);
}

#[tokio::test]
async fn a_chain_is_of_one_component() {
    let bench = Bench::new().await;
    bench.plugins.install(Bytes::from(programs::program("only-transform")), Origin::Upload).await.unwrap();
    let step = |class: &str| TransformStep { class: class.to_owned(), config: config(&[]), condition: None };
    let steps = [step("OnlyTransform"), step("test.Transform")];
    let refused = bench.plugins.transform(spec("", &[]), &steps).await.unwrap_err();
    assert!(matches!(&refused, CallError::Refused(text) if text.contains("two artifacts")), "{refused}");
    let input = batch(&["a"]);
    let mut alone = bench.plugins.transform(spec("", &[]), &steps[..1]).await.unwrap();
    assert_eq!(alone.apply(&input).await.unwrap().output, *input);
}

#[tokio::test]
async fn a_plugin_checks_its_configuration() {
    let bench = Bench::new().await;
    let errors =
        bench.plugins.validate("Source", &config(&[("topic", "invalid"), ("records", "3")])).await.unwrap();
    let errors: Vec<KeyErrors> = errors;
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].name.as_str(), errors[0].errors[0].as_str()),
        ("topic", "test.Source does not like it")
    );
    let unknown = bench.plugins.validate("Nope", &config(&[])).await.unwrap_err();
    assert!(matches!(unknown, CallError::UnknownClass(class) if class == "Nope"));
}
