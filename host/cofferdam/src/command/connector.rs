//! `cofferdam connector …`

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cofferdam_api::TargetState;
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::{list, text};
use crate::cli::{Connector, Named, Remote};
use crate::client::{Body, Client, segment};
use crate::files;
use crate::show::columns;

/// Between two looks at a state that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn run(command: &Connector) -> anyhow::Result<()> {
    match command {
        Connector::Create { file, wait, remote } => create(file, *wait, remote),
        Connector::List { remote } => {
            let answer = remote.client()?.get("/connectors?expand=status&expand=info")?;
            remote.show(&answer, overview)
        }
        Connector::Status(Named { name, remote }) => {
            let answer = remote.client()?.get(&path(name, "/status"))?;
            remote.show(&answer, status)
        }
        Connector::Delete(named) => change(named, Method::DELETE, "", "deleted"),
        Connector::Pause(named) => change(named, Method::PUT, "/pause", "pausing"),
        Connector::Resume(named) => change(named, Method::PUT, "/resume", "resuming"),
        Connector::Stop(named) => change(named, Method::PUT, "/stop", "stopping"),
        Connector::Restart { only_failed, named } => {
            let action = format!("/restart?includeTasks=true&onlyFailed={only_failed}");
            change(named, Method::POST, &action, "restarting")
        }
    }
}

fn path(name: &str, rest: &str) -> String {
    format!("/connectors/{}{rest}", segment(name))
}

fn change(Named { name, remote }: &Named, method: Method, action: &str, done: &str) -> anyhow::Result<()> {
    let answer = remote.client()?.call(method, &path(name, action), &Body::None)?;
    remote.show(&answer, |_| format!("{done} {name}\n"))
}

fn create(file: &Path, wait: Option<Duration>, remote: &Remote) -> anyhow::Result<()> {
    let connector = files::read(file)?;
    let name = &connector.name;
    let config: Map<_, _> = connector.config.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let state = connector.initial_state.map(|state| match state {
        TargetState::Started => "RUNNING",
        TargetState::Paused => "PAUSED",
        TargetState::Stopped => "STOPPED",
    });
    // The worker takes null for a state that is not given.
    let request = json!({"name": name, "config": config, "initial_state": state});
    let client = remote.client()?;
    let created = client.call(Method::POST, "/connectors", &Body::Json(&request));
    let created = created.with_context(|| format!("{} was not created", file.display()))?;
    match wait {
        None => {
            remote.show(&created, |_| format!("created {name}; see `cofferdam connector status {name}`\n"))
        }
        Some(limit) => {
            let running = await_running(&client, name, limit)?;
            remote.show(&running, status)
        }
    }
}

/// Waits until a connector and its tasks, at least one, run.
#[allow(clippy::disallowed_methods, reason = "this process has nothing else to do")]
fn await_running(client: &Client, name: &str, limit: Duration) -> anyhow::Result<crate::client::Answer> {
    let deadline = std::time::Instant::now() + limit;
    loop {
        // Just after it was created a connector may have no status yet.
        let answer = client.get(&path(name, "/status"));
        if let Ok(answer) = answer {
            let tasks = list(&answer.json, "/tasks");
            let mut states = vec![text(&answer.json, "/connector/state")];
            states.extend(tasks.iter().map(|task| text(task, "/state")));
            if !tasks.is_empty() && states.iter().all(|state| state == "RUNNING") {
                return Ok(answer);
            }
            if states.iter().any(|state| state == "FAILED") {
                bail!("{name} failed\n{}", status(&answer.json).trim_end());
            }
            if std::time::Instant::now() >= deadline {
                bail!("{name} does not run after {} s\n{}", limit.as_secs(), status(&answer.json).trim_end());
            }
        } else if std::time::Instant::now() >= deadline {
            answer?;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// One line a connector.
fn overview(connectors: &Value) -> String {
    let row = |(name, it): (&String, &Value)| {
        let tasks = list(it, "/status/tasks");
        let running = tasks.iter().filter(|task| text(task, "/state") == "RUNNING").count();
        [
            name.clone(),
            text(it, "/status/type"),
            text(it, "/status/connector/state"),
            format!("{running}/{} running", tasks.len()),
            text(it, "/info/config/connector.class"),
        ]
    };
    let rows: Vec<_> = connectors.as_object().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return "no connectors; create one with `cofferdam connector create FILE`\n".to_owned();
    }
    columns(["NAME", "TYPE", "STATE", "TASKS", "CLASS"], &rows)
}

/// A connector, its tasks, and why they failed if they did.
fn status(it: &Value) -> String {
    let name = text(it, "/name");
    let own =
        [name.clone(), text(it, "/connector/state"), text(it, "/connector/worker_id"), text(it, "/type")];
    let tasks = list(it, "/tasks");
    let task_name = |task: &Value| format!("{name}-{}", text(task, "/id"));
    let rows = tasks
        .iter()
        .map(|task| [task_name(task), text(task, "/state"), text(task, "/worker_id"), "task".to_owned()]);
    let rows: Vec<_> = std::iter::once(own).chain(rows).collect();
    let mut out = columns(["NAME", "STATE", "WORKER", "TYPE"], &rows);
    let own_trace = (name.clone(), text(it, "/connector/trace"));
    let traces = tasks.iter().map(|task| (task_name(task), text(task, "/trace")));
    for (name, trace) in std::iter::once(own_trace).chain(traces).filter(|(_, trace)| !trace.is_empty()) {
        out.push_str(&format!("\n{name} failed:\n"));
        for line in trace.trim_end().lines() {
            out.push_str(&format!("    {line}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_status_shows_tasks_and_why_they_failed() {
        let answer = json!({
            "name": "orders",
            "connector": {"state": "RUNNING", "worker_id": "127.0.0.1:8083"},
            "tasks": [
                {"id": 0, "state": "RUNNING", "worker_id": "127.0.0.1:8083"},
                {"id": 1, "state": "FAILED", "worker_id": "127.0.0.1:8083", "trace": "wasm trap\n  at put"}
            ],
            "type": "sink"
        });
        expect![[r#"
            NAME      STATE    WORKER          TYPE
            orders    RUNNING  127.0.0.1:8083  sink
            orders-0  RUNNING  127.0.0.1:8083  task
            orders-1  FAILED   127.0.0.1:8083  task

            orders-1 failed:
                wasm trap
                  at put
        "#]]
        .assert_eq(&status(&answer));
    }

    #[test]
    fn the_overview_has_one_line_a_connector() {
        let answer = json!({"a": {
            "status": {"type": "source", "connector": {"state": "PAUSED"}, "tasks": [{"state": "PAUSED"}, {"state": "RUNNING"}]},
            "info": {"config": {"connector.class": "org.X"}}
        }});
        expect![[r#"
            NAME  TYPE    STATE   TASKS        CLASS
            a     source  PAUSED  1/2 running  org.X
        "#]]
        .assert_eq(&overview(&answer));
        assert!(overview(&json!({})).contains("connector create"));
    }
}
