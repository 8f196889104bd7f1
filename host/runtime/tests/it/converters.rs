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
