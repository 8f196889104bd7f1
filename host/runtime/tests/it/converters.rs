//! Converters that are components, in the tasks of sources and sinks.

use cofferdam_api::State;

use crate::bench::Bench;

const SINK: (&str, &str) = ("connector.class", "test.Sink");
const TOLERANT: (&str, &str) = ("errors.tolerance", "all");
const CONVERTER: (&str, &str) = ("value.converter", "test.Converter");

fn header<'a>(headers: &'a [(String, Option<String>)], name: &str) -> &'a str {
    let found = headers.iter().find(|(key, _)| key == name);
    found.and_then(|(_, value)| value.as_deref()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_a_converter_costs_one_record_and_names_its_stage() {
    let bench = Bench::shipped().await;
    let file = bench.path("out");
    let sink = [
        SINK,
        TOLERANT,
        CONVERTER,
        ("value.converter.trap.on", "poison"),
        ("value.converter.reject", "bad"),
        ("topics", "in"),
        ("file", file.as_str()),
        // The sink takes bytes: only a transform makes the converter run.
        ("transforms", "hoist,extract"),
        ("transforms.hoist.type", "HoistField$Value"),
        ("transforms.hoist.field", "f"),
        ("transforms.extract.type", "ExtractField$Value"),
        ("transforms.extract.field", "f"),
        ("errors.deadletterqueue.topic.name", "dead"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    bench
        .produce("in", &[(None, Some("a")), (None, Some("poison")), (None, Some("bad")), (None, Some("b"))])
        .await;
    bench.start("k", &sink).await;
    // Read, brought through two transforms, and written as bytes again for the sink.
    bench.until_file(&file, "<a>\n<b>\n").await;
    let dead = bench.consume("dead", 2).await;
    let values: Vec<&str> = dead.iter().filter_map(|record| record.value.as_deref()).collect();
    assert_eq!(values, ["poison", "bad"]);
    for record in &dead {
        assert_eq!(header(&record.headers, "__connect.errors.stage"), "VALUE_CONVERTER");
        assert_eq!(header(&record.headers, "__connect.errors.class.name"), "test.Converter");
    }
    let trace = header(&dead[0].headers, "__connect.errors.exception.stacktrace");
    assert!(trace.contains("this record is poison"), "{trace}");
    assert_eq!(header(&dead[1].headers, "__connect.errors.exception.message"), "rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_headers_go_through_their_own_converters() {
    let bench = Bench::shipped().await;
    let source = [
        ("connector.class", "test.Source"),
        ("topic", "out"),
        ("records", "2"),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("header.converter", "test.Converter"),
        ("transforms", "mark,key"),
        ("transforms.mark.type", "InsertHeader"),
        ("transforms.mark.header", "h"),
        ("transforms.mark.value.literal", "hello"),
        ("transforms.key.type", "HoistField$Key"),
        ("transforms.key.field", "k"),
        ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("key.converter.schemas.enable", "false"),
    ];
    bench.start("s", &source).await;
    for record in bench.consume("out", 2).await {
        assert_eq!(record.key.as_deref(), Some("{\"k\":null}"));
        assert_eq!(header(&record.headers, "h"), "hello");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_converter_that_answers_for_other_records_fails_the_task() {
    let bench = Bench::shipped().await;
    let source = [
        ("connector.class", "test.Source"),
        ("topic", "out"),
        ("records", "3"),
        TOLERANT,
        CONVERTER,
        ("value.converter.fault.src", "zero"),
    ];
    let id = bench.start("s", &source).await;
    bench.until(&id, State::Failed).await;
    let trace = bench.heard.trace(&id);
    assert!(trace.contains("once and in its place"), "{trace}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_in_a_converter_of_keys_or_a_predicate_costs_one_record() {
    let bench = Bench::shipped().await;
    // The sink takes bytes: only transforms that look at a part make its converter run.
    let key = [
        ("transforms", "hoist,extract"),
        ("transforms.hoist.type", "HoistField$Key"),
        ("transforms.hoist.field", "f"),
        ("transforms.extract.type", "ExtractField$Key"),
        ("transforms.extract.field", "f"),
        ("key.converter", "test.Converter"),
        ("key.converter.trap.on", "poison"),
    ];
    let predicate = [
        ("transforms", "t"),
        ("transforms.t.type", "org.apache.kafka.connect.transforms.RegexRouter"),
        ("transforms.t.regex", "(.*)"),
        ("transforms.t.replacement", "$1"),
        ("transforms.t.predicate", "p"),
        ("predicates", "p"),
        ("predicates.p.type", "test.Predicate"),
        ("predicates.p.trap.on", "poison"),
    ];
    let stages: [(&str, &[(&str, &str)]); 2] = [("KEY_CONVERTER", &key), ("TRANSFORMATION", &predicate)];
    let texts = ["a", "poison", "b"];
    let records = texts.map(|text| (Some(text), Some(text)));
    bench.produce("in", &records).await;
    for (at, (stage, faulty)) in stages.into_iter().enumerate() {
        let (name, dead, file) = (format!("k{at}"), format!("dead-{at}"), bench.path(&format!("out-{at}")));
        let mut sink = vec![
            SINK,
            TOLERANT,
            ("topics", "in"),
            ("file", file.as_str()),
            ("errors.deadletterqueue.topic.name", dead.as_str()),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        sink.extend(faulty);
        let id = bench.start(&name, &sink).await;
        let record = bench.consume(&dead, 1).await.remove(0);
        assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some("poison"), Some("poison")));
        assert_eq!(header(&record.headers, "__connect.errors.stage"), stage);
        let trace = header(&record.headers, "__connect.errors.exception.stacktrace");
        assert!(trace.contains("this record is poison"), "{stage}: {trace}");
        bench.until_file(&file, "a\nb\n").await;
        assert_eq!(bench.heard.states(&id), [State::Running], "{stage}");
    }
}
