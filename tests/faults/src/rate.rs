//! Whether connectors that do all they can against the worker slow down the ones beside them.

use std::time::Duration;

use anyhow::ensure;
use cofferdam_e2e::{Broker, Topics, program};
use serde_json::{Value, json};

use crate::kill::numbered;
use crate::numbers::Lines;
use crate::rig::{QUIET, Rig, file_sink, last, until, with};
use crate::{Outcome, Scale};

/// Records a second that the source makes: a part of what it could.
const PACE: u64 = 2_000;
/// As many of a hundred records have to come beside hostile connectors as without them.
const LEAST_PERCENT: u64 = 90;

/// A source that keeps a pace and a sink of its records, first alone, then beside plugins that loop, hog memory,
/// sleep, flood the log, answer noise, and trap on each record, each started anew whenever it fails.
pub(crate) fn beside_hostile(scale: Scale) -> anyhow::Result<Outcome> {
    let window = Duration::from_secs(scale.pick(20, 6));
    let broker = Broker::shared()?;
    let topics = Topics::new(broker.bootstrap());
    let limits = "cofferdam.guest.call.timeout.ms=1000\ncofferdam.guest.memory.max=32MiB";
    let rig = Rig::start("rate", broker.bootstrap(), limits)?;
    ensure!(rig.worker()?.upload(&program("misbehaving"))?.status == 201, "upload");
    topics.create("rate", 1)?;
    topics.create("rate-hostile", 1)?;
    topics.send_messages("rate-hostile", numbered(0..100_000, 1))?;
    let out = rig.path("out.txt");
    let source = json!({
        "connector.class": "DatagenSource", "tasks.max": "1", "topic": "rate", "rate": PACE.to_string(),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    });
    rig.worker()?.create("neighbour-source", &source)?;
    rig.worker()?.create("neighbour-sink", &file_sink(&out, "rate", 1))?;
    let (mut lines, mut arrived) = (Lines::new(&out), 0_u64);
    until("records flow", || {
        lines.read(|_| arrived += 1)?;
        Ok(if arrived > PACE { Ok(()) } else { Err(format!("{arrived} records")) })
    })?;
    let mut during = |window: Duration| -> anyhow::Result<u64> {
        lines.read(|_| arrived += 1)?;
        let before = arrived;
        last(window);
        lines.read(|_| arrived += 1)?;
        Ok(arrived - before)
    };
    let alone = during(window)?;
    let hostile = hostile(&rig.path("hostile.txt"));
    for (name, config) in &hostile {
        rig.submit(name, config)?;
    }
    until("each has failed", || {
        let log = rig.worker()?.log();
        let fine: Vec<&str> =
            hostile.iter().map(|(name, _)| *name).filter(|name| !fails(&log, name)).collect();
        Ok(if fine.is_empty() { Ok(()) } else { Err(format!("{fine:?} have not failed")) })
    })?;
    let beside = during(window)?;
    ensure!(
        beside * 100 >= alone * LEAST_PERCENT,
        "{alone} records in {} s alone, {beside} beside hostile connectors",
        window.as_secs()
    );
    for (name, _) in &hostile {
        ensure!(rig.worker()?.delete(&format!("/connectors/{name}"))?.status == 204, "delete {name}");
    }
    // The source stops, the sink takes what is left.
    ensure!(rig.worker()?.put("/connectors/neighbour-source/stop", &Value::Null)?.status == 204, "stop");
    until("the source has stopped", || {
        let status = rig.worker()?.get("/connectors/neighbour-source/status")?.body;
        let tasks = status.get("tasks").and_then(Value::as_array).map(Vec::len);
        Ok(if tasks == Some(0) { Ok(()) } else { Err(status.to_string()) })
    })?;
    let mut sent = 0;
    topics.tail("rate")?.read(QUIET, |_| sent += 1)?;
    until("all records arrive", || {
        lines.read(|_| arrived += 1)?;
        Ok(if arrived >= sent { Ok(()) } else { Err(format!("{arrived} of {sent}")) })
    })?;
    rig.stop()?;
    lines.read(|_| arrived += 1)?;
    Ok(Outcome {
        runs: hostile.len() as u64,
        records: sent,
        lost: 0,
        duplicated: arrived - sent,
        duplicates_max: 0,
        note: format!("{alone} records in {} s alone, {beside} beside them", window.as_secs()),
    })
}

fn fails(log: &str, name: &str) -> bool {
    let task = format!("[{name}-0]");
    log.lines().any(|line| line.contains("Task threw") && line.contains(&task))
}

fn hostile(file: &std::path::Path) -> Vec<(&'static str, Value)> {
    let again = json!({
        "restart.policy": "on-failure", "restart.causes": "transient,resource,data",
        "restart.backoff.ms": "50", "restart.backoff.max.ms": "200", "tasks.max": "1",
    });
    let source = |fault: Value| {
        let source =
            json!({"connector.class": "test.Source", "topic": "rate-noise", "records": "1000000000"});
        with(with(source, &again), &fault)
    };
    let sink = with(file_sink(file, "rate-hostile", 1), &json!({"connector.class": "test.Sink"}));
    vec![
        ("loops", source(json!({"fault.poll": "loop"}))),
        ("grows", source(json!({"fault.poll": "grow"}))),
        ("sleeps", source(json!({"fault.poll": "sleep"}))),
        ("floods", source(json!({"fault.poll": "log=100000", "trap.each": "1000"}))),
        ("damages", source(json!({"fault.frame": "noise"}))),
        ("traps", with(with(sink, &again), &json!({"trap.on": " "}))),
    ]
}
