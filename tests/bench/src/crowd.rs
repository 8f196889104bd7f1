//! Many connectors on one worker: how long they take to run, and what they cost at rest.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use cofferdam_e2e::{Topics, Worker};
use serde_json::{Value, json};

use crate::contestant::Contestant;
use crate::run::{mib, now, rest};
use crate::sample::{Metric, Samples};
use crate::usage::{cpu_seconds, resident_kib};

/// Longest time that is waited for all of them. Who takes longer has no figures.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at their states.
const LOOK: Duration = Duration::from_millis(100);
/// Before they are taken to be at rest.
const SETTLE: Duration = Duration::from_secs(5);
/// How long their processor time is counted.
const COUNT: Duration = Duration::from_secs(10);

/// Creates `n` sources, each with a file of its own and a task, one request after the other.
///
/// # Errors
/// When one is refused. A worker that needs too long is not an error: it has no figures.
pub(crate) fn deploy(
    worker: &Worker,
    topics: &Topics,
    dir: &Path,
    name: &str,
    n: usize,
    contestant: Contestant,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let topic = format!("{name}-crowd");
    topics.create(&topic, 1)?;
    let began = now();
    for number in 0..n {
        let file = dir.join(format!("crowd-{number}.txt"));
        std::fs::write(&file, "a line\n")?;
        let config = json!({
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "tasks.max": "1", "topic": topic, "file": file,
        });
        let body = json!({"name": format!("crowd-{number}"), "config": config});
        loop {
            let created = worker.post("/connectors", &body)?;
            match created.status {
                201 => break,
                // A rebalance is under way: ask again, as its text says.
                409 if began.elapsed() < PATIENCE => rest(LOOK),
                _ if began.elapsed() >= PATIENCE => return late(contestant, n),
                _ => bail!("{created:?}"),
            }
        }
    }
    while running(&worker.get("/connectors?expand=status")?.body) < n {
        if began.elapsed() > PATIENCE {
            return late(contestant, n);
        }
        rest(LOOK);
    }
    samples.of_worker(contestant, Metric::Running(n), began.elapsed().as_secs_f64());
    rest(SETTLE);
    samples.of_worker(contestant, Metric::CrowdMemory(n), mib(resident_kib(worker.pid())?));
    let (from, before) = (now(), cpu_seconds(worker.pid())?);
    rest(COUNT);
    let percent = (cpu_seconds(worker.pid())? - before) / from.elapsed().as_secs_f64() * 100.0;
    samples.of_worker(contestant, Metric::CrowdCpu(n), percent);
    let from = now();
    let listed = worker.get("/connectors?expand=status&expand=info")?;
    let took = from.elapsed();
    ensure!(listed.body.as_object().context("a list")?.len() == n, "not all are listed");
    samples.of_worker(contestant, Metric::Listing(n), took.as_secs_f64() * 1e3);
    Ok(())
}

fn late(contestant: Contestant, n: usize) -> anyhow::Result<()> {
    eprintln!("{}: {n} connectors are not running after {} s", contestant.name(), PATIENCE.as_secs());
    Ok(())
}

/// How many connectors have a task that runs.
fn running(list: &Value) -> usize {
    let all = list.as_object().into_iter().flatten();
    let state = |connector: &Value| connector.pointer("/status/tasks/0/state").cloned();
    all.filter(|(_, connector)| state(connector) == Some("RUNNING".into())).count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::running;

    #[test]
    fn a_connector_counts_when_its_task_runs() {
        let status = |state: &str| json!({"status": {"tasks": [{"id": 0, "state": state}]}});
        let none = json!({"status": {"tasks": []}});
        let list = json!({"a": status("RUNNING"), "b": status("UNASSIGNED"), "c": none});
        assert_eq!(running(&list), 1);
    }
}
