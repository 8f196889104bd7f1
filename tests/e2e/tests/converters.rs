//! Converters that are components, between a real topic and real connectors.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use cofferdam_e2e::{Topics, Worker, eventually, program};
use serde_json::json;

const CSV: &str = "dev.cofferdam.examples.CsvConverter";

#[test]
fn an_uploaded_converter_reads_for_a_sink_and_what_it_refuses_is_dead_lettered() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let topics = Topics::new(worker.bootstrap());
    let out = dir.path().join("out.txt");
    let config = json!({
        "connector.class": "FileStreamSink",
        "tasks.max": "1",
        "topics": "people",
        "file": out,
        "value.converter": CSV,
        "value.converter.columns": "id:int64,name,age:int32",
        "transforms": "mask",
        "transforms.mask.type": "org.apache.kafka.connect.transforms.MaskField$Value",
        "transforms.mask.fields": "name",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "people-dlq",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    let unknown = worker.post("/connectors", &json!({"name": "people", "config": config}))?;
    assert_eq!(unknown.status, 400, "{unknown:?}");
    assert!(unknown.message().contains(CSV), "{unknown:?}");

    assert_eq!(worker.upload(&program("csv-converter"))?.status, 201);
    let listed = worker.get("/connector-plugins?connectorsOnly=false")?.body;
    let listed = listed.as_array().unwrap().iter().find(|plugin| plugin["class"] == CSV).cloned();
    assert_eq!(listed.unwrap()["type"], "converter");

    worker.create("people", &config)?;
    topics.send("people", ["1,Ada,36", "x,Bob,1", "2,,"])?;
    let text = eventually("two people arrive", || {
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        if text.lines().count() == 2 { Ok(text) } else { Err(text) }
    })?;
    assert_eq!(text, "Struct{id=1,name=,age=36}\nStruct{id=2}\n");
    let dead = topics.read("people-dlq", 1)?;
    assert_eq!(dead[0].text(), "x,Bob,1");
    let header = |name: &str| dead[0].header(&format!("__connect.errors.{name}")).unwrap_or_default();
    assert_eq!(header("stage"), "VALUE_CONVERTER");
    assert_eq!(header("class.name"), CSV);
    assert_eq!(header("exception.class.name"), "org.apache.kafka.connect.errors.DataException");
    assert_eq!(header("exception.message"), "\"x\" in column id is no Int64");
    worker.stop()
}

#[test]
fn an_uploaded_converter_writes_for_a_source() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let topics = Topics::new(worker.bootstrap());
    assert_eq!(worker.upload(&program("csv-converter"))?.status, 201);
    assert_eq!(worker.upload(&program("shop"))?.status, 201);
    let mut config = json!({
        "connector.class": "dev.cofferdam.examples.ShopOrders",
        "tasks.max": "1",
        "topic": "orders",
        "orders": "5",
        "interval.ms": "0",
        "value.converter": CSV,
        "value.converter.columns": "id:int64,nothing,item,amount:float64",
        "value.converter.separator": ";",
    });
    worker.create("shop", &config)?;
    let orders = topics.read("orders", 5)?;
    for (number, order) in orders.iter().enumerate() {
        let line = order.text();
        let fields: Vec<&str> = line.split(';').collect();
        assert_eq!(fields.len(), 4, "{line}");
        assert_eq!(fields[0].parse::<usize>()?, number, "{line}");
        assert_eq!(fields[1], "", "{line}");
        assert!(fields[3].parse::<f64>()? > 0.0, "{line}");
    }

    // What the converter refuses of its configuration is said before anything starts.
    config["value.converter.columns"] = json!("id:decimal");
    worker.post("/connectors", &json!({"name": "other", "config": config}))?;
    let trace = eventually("the task fails", || match worker.get("/connectors/other/status") {
        Ok(answer) if answer.body["tasks"][0]["state"] == "FAILED" => {
            Ok(answer.body["tasks"][0]["trace"].to_string())
        }
        other => Err(format!("{other:?}")),
    })?;
    assert!(trace.contains("Invalid value id:decimal for configuration columns"), "{trace}");
    worker.stop()
}
