//! The main job against the embedded broker: what a newcomer does in the first minutes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use cofferdam_e2e::{Topics, Worker, count_lines, eventually, program, write_lines};
use serde_json::{Value, json};

/// A source as tutorials of Kafka Connect paste it.
fn tutorial_source(file: &str, topic: &str) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1",
        "file": file,
        "topic": topic,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    })
}

/// A sink with everything a tutorial on error handling sets.
fn tutorial_sink(file: &str, topic: &str, dlq: &str) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "tasks.max": "1",
        "topics": topic,
        "file": file,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "transforms": "route,mask",
        "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.route.regex": "(.*)",
        "transforms.route.replacement": "masked-$1",
        "transforms.mask.type": "org.apache.kafka.connect.transforms.MaskField$Value",
        "transforms.mask.fields": "card",
        "transforms.mask.replacement": "****",
        "errors.tolerance": "all",
        "errors.retry.timeout": "1000",
        "errors.retry.delay.max.ms": "500",
        "errors.log.enable": "true",
        "errors.log.include.messages": "true",
        "errors.deadletterqueue.topic.name": dlq,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    })
}

#[test]
fn tutorial_configurations_work_as_pasted() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let topics = Topics::new(worker.bootstrap());
    let (source, sink) = (dir.path().join("in.jsonl"), dir.path().join("out.txt"));
    std::fs::write(&source, "{\"id\":1,\"card\":\"4111\"}\nnot json\n{\"id\":2,\"card\":\"4222\"}\n")?;
    worker.create("lines", &tutorial_source(&source.display().to_string(), "orders"))?;
    worker.create("cards", &tutorial_sink(&sink.display().to_string(), "orders", "orders-dlq"))?;

    let out = eventually("two masked records arrive", || {
        let text = std::fs::read_to_string(&sink).unwrap_or_default();
        if text.lines().count() == 2 { Ok(text) } else { Err(text) }
    })?;
    assert_eq!(out, "{id=1, card=****}\n{id=2, card=****}\n");

    let dead = topics.read("orders-dlq", 1)?;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].text(), "not json");
    let header = |name: &str| dead[0].header(&format!("__connect.errors.{name}")).unwrap_or_default();
    assert_eq!(header("topic"), "orders");
    assert_eq!(header("partition"), "0");
    assert_eq!(header("offset"), "1");
    assert_eq!(header("connector.name"), "cards");
    assert_eq!(header("task.id"), "0");
    assert_eq!(header("stage"), "VALUE_CONVERTER");
    assert_eq!(header("class.name"), "org.apache.kafka.connect.json.JsonConverter");
    assert_eq!(header("exception.class.name"), "org.apache.kafka.connect.errors.DataException");
    assert!(!header("exception.message").is_empty());
    assert!(!header("exception.stacktrace").is_empty());

    // The file grows, and what comes is delivered too.
    std::fs::OpenOptions::new()
        .append(true)
        .open(&source)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"id\":3,\"card\":null}\n"))?;
    eventually("the third record arrives", || match count_lines(&sink) {
        3 => Ok(()),
        n => Err(format!("{n} lines")),
    })?;
    worker.stop()
}

#[test]
fn the_chain_of_the_readme_works_as_printed() -> anyhow::Result<()> {
    let readme = include_str!("../../../README.md");
    let (_, block) = readme.split_once("A chain of transforms").unwrap();
    let (_, block) = block.split_once("-d '").unwrap();
    let (body, _) = block.split_once("}}'").unwrap();
    let mut connector: Value = serde_json::from_str(&format!("{body}}}}}"))?;
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let topics = Topics::new(worker.bootstrap());
    let out = dir.path().join("orders.txt");
    connector["config"]["file"] = json!(out);
    topics.send("orders-shop", ["{\"id\":1,\"card\":\"4111\"}"])?;
    topics.send("orders-staff", ["{\"id\":2,\"card\":\"4222\"}"])?;
    worker.create(connector["name"].as_str().unwrap(), &connector["config"])?;
    let text = eventually("both orders arrive", || {
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        if text.lines().count() == 2 { Ok(text) } else { Err(text) }
    })?;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["{id=1, card=****}", "{id=2, card=4222}"]);
    assert!(lines.iter().all(|line| readme.contains(line)), "the README says otherwise");
    worker.stop()
}

#[test]
fn an_uploaded_component_runs_and_survives_a_restart_of_the_worker() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let uploaded = worker.upload(&program("shop"))?;
    assert_eq!(uploaded.status, 201, "{uploaded:?}");
    let class = uploaded.body["plugins"][0]["class"].as_str().unwrap_or_default().to_owned();
    let listed = worker.get("/connector-plugins")?.body;
    assert!(listed.as_array().unwrap().iter().any(|plugin| plugin["class"] == class.as_str()), "{listed}");

    worker.create("shop", &json!({"connector.class": class, "topic": "orders", "tasks.max": "1"}))?;
    assert!(Topics::new(worker.bootstrap()).read("orders", 20)?.len() == 20);

    let in_use = worker.delete(&format!("/connector-plugins/{class}"))?;
    assert_eq!(in_use.status, 409, "{in_use:?}");
    assert_eq!(worker.delete("/connectors/shop")?.status, 204);
    worker.stop()?;

    let worker = Worker::dev(dir.path())?;
    worker.create("shop", &json!({"connector.class": class, "topic": "orders", "tasks.max": "1"}))?;
    assert_eq!(worker.delete("/connectors/shop")?.status, 204);
    eventually("the class can be removed", || match worker.delete(&format!("/connector-plugins/{class}")) {
        Ok(answer) if answer.status == 204 => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    let gone = worker.post("/connectors", &json!({"name": "shop", "config": {"connector.class": class}}))?;
    assert_eq!(gone.status, 400);
    assert!(gone.message().contains("Failed to find any class"), "{gone:?}");
    Ok(())
}

#[test]
fn pause_stop_and_resume_hold_and_release_the_records() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let topics = Topics::new(worker.bootstrap());
    let sink = dir.path().join("out.txt");
    topics.create("held", 1)?;
    worker.create(
        "held",
        &json!({
            "connector.class": "FileStreamSink", "topics": "held", "file": sink,
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        }),
    )?;
    let arrived = |n: u64| {
        eventually(&format!("{n} lines arrive"), || match count_lines(&sink) {
            lines if lines == n => Ok(()),
            lines => Err(format!("{lines} lines")),
        })
    };
    topics.send("held", ["a", "b"])?;
    arrived(2)?;

    assert_eq!(worker.put("/connectors/held/pause", &Value::Null)?.status, 202);
    worker.await_state("held", "PAUSED", "PAUSED")?;
    topics.send("held", ["c"])?;
    assert_eq!(worker.put("/connectors/held/resume", &Value::Null)?.status, 202);
    arrived(3)?;
    worker.await_state("held", "RUNNING", "RUNNING")?;

    assert_eq!(worker.put("/connectors/held/stop", &Value::Null)?.status, 204);
    eventually("no task is left", || match worker.get("/connectors/held/status") {
        Ok(answer) if answer.body["connector"]["state"] == "STOPPED" && answer.body["tasks"] == json!([]) => {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    })?;
    topics.send("held", ["d"])?;
    assert_eq!(count_lines(&sink), 3, "a stopped connector wrote");
    assert_eq!(worker.put("/connectors/held/resume", &Value::Null)?.status, 202);
    arrived(4)?;
    assert_eq!(std::fs::read_to_string(&sink)?, "a\nb\nc\nd\n");
    worker.stop()
}

#[test]
fn a_restarted_standalone_worker_goes_on_where_it_was() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    // The broker of `dev` outlives the standalone worker.
    let broker = Worker::dev(dir.path())?;
    let topics = Topics::new(broker.bootstrap());
    let source = dir.path().join("in.txt");
    write_lines(&source, 0..1000)?;
    let connector = dir.path().join("source.properties");
    std::fs::write(
        &connector,
        format!("name=alone\nconnector.class=FileStreamSource\nfile={}\ntopic=alone\n", source.display()),
    )?;
    let own = tempfile::tempdir()?;
    let worker = Worker::standalone(own.path(), broker.bootstrap(), &[&connector])?;
    worker.await_state("alone", "RUNNING", "RUNNING")?;
    assert_eq!(topics.read("alone", 1000)?.len(), 1000);
    worker.stop()?;

    write_lines(&source, 1000..1500)?;
    let worker = Worker::standalone(own.path(), broker.bootstrap(), &[&connector])?;
    let records = topics.read("alone", 1500)?;
    let numbers: Vec<String> = records.iter().map(|record| record.text()[5..17].to_owned()).collect();
    let expected: Vec<String> = (0..1500).map(|number| format!("{number:012}")).collect();
    assert_eq!(numbers, expected);
    worker.stop()
}

#[test]
fn metrics_tell_what_was_done() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = Worker::dev(dir.path())?;
    let source = dir.path().join("in.txt");
    write_lines(&source, 0..100)?;
    worker.create("measured", &tutorial_source(&source.display().to_string(), "measured"))?;
    assert_eq!(Topics::new(worker.bootstrap()).read("measured", 100)?.len(), 100);
    let series = |metrics: &str, name: &str| {
        let line =
            metrics.lines().find(|line| line.starts_with(name) && line.contains("connector=\"measured\""))?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    eventually("the counters stand at 100", || {
        let metrics = worker.get("/metrics").map_err(|error| error.to_string())?.body;
        let metrics = metrics.as_str().unwrap_or_default();
        let written = series(metrics, "kafka_connect_source_task_source_record_write_total");
        let cpu = series(metrics, "cofferdam_guest_cpu_seconds_total");
        let memory = series(metrics, "cofferdam_guest_memory_bytes");
        match (written, cpu, memory) {
            (Some(100.0), Some(cpu), Some(memory)) if cpu > 0.0 && memory > 0.0 => Ok(()),
            _ => Err(metrics.to_owned()),
        }
    })?;
    assert_eq!(worker.delete("/connectors/measured")?.status, 204);
    eventually("its series are gone", || {
        let metrics = worker.get("/metrics").map_err(|error| error.to_string())?.body.to_string();
        if metrics.contains("measured") { Err(metrics) } else { Ok(()) }
    })?;
    worker.stop()
}
