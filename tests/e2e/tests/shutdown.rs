//! The end of the process: what is asked once ends with grace, what is asked twice ends at once.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use cofferdam_e2e::{Worker, eventually, program};
use serde_json::json;

/// A worker with a task whose guest does not come back from poll.
fn stuck(dir: &Path) -> anyhow::Result<Worker> {
    let worker = Worker::dev(dir)?;
    assert_eq!(worker.upload(&program("misbehaving"))?.status, 201);
    let config = json!({"connector.class": "test.Source", "topic": "t", "fault.poll": "sleep"});
    worker.create("stuck", &config)?;
    Ok(worker)
}

fn await_log(worker: &Worker, text: &str) -> anyhow::Result<()> {
    eventually(text, || if worker.log().contains(text) { Ok(()) } else { Err(worker.log()) })
}

#[test]
fn a_task_that_stays_is_named_and_does_not_hold_the_worker() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let worker = stuck(dir.path())?;
    let log = dir.path().join("worker.log");
    worker.stop()?;
    let text = std::fs::read_to_string(log)?;
    assert!(text.contains("Graceful stop of task stuck-0 failed"), "{text}");
    Ok(())
}

#[test]
fn a_second_signal_ends_the_worker_at_once() -> anyhow::Result<()> {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let dir = tempfile::tempdir()?;
        let worker = stuck(dir.path())?;
        worker.signal(signal)?;
        await_log(&worker, "stopping")?;
        worker.signal(signal)?;
        let log = dir.path().join("worker.log");
        assert_eq!(worker.ended()?.code(), Some(code));
        let text = std::fs::read_to_string(log)?;
        assert!(text.contains(&format!("SIG{signal} again: ending at once")), "{text}");
        assert!(!text.contains("Graceful stop of task"), "{text}");
    }
    Ok(())
}
