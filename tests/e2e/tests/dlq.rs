//! Recorded connectors of Kafka Connect whose records fail: the same dead letters, outputs, states and
//! log lines from this worker on a real broker. Stack traces are compared by their first line.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use cofferdam_e2e::{Broker, Message, Topics, Worker, eventually, skip_without_kafka};
use serde_json::{Value, json};

/// One connector as it was recorded; what is null was not recorded, or has no meaning for it.
struct Case {
    name: String,
    recorded: Value,
    file: PathBuf,
}

impl Case {
    fn text(&self, key: &str) -> &str {
        self.recorded["config"][key].as_str().unwrap_or_default()
    }

    /// The connector's name, as its dead letters have it.
    fn connector(&self) -> String {
        format!("dlq-{}", self.name)
    }

    fn prepare(&self, topics: &Topics, worker: &Worker) -> anyhow::Result<()> {
        if let Some(lines) = self.recorded["lines"].as_str() {
            std::fs::write(&self.file, lines)?;
            topics.create(self.text("topic"), 1)?;
        } else {
            topics.create(self.text("topics"), 1)?;
            let messages = self.recorded["input"].as_array().context("input")?;
            topics.send_messages(self.text("topics"), messages.iter().map(message))?;
        }
        let mut config = self.recorded["config"].clone();
        config["file"] = json!(self.file);
        let created = worker.post("/connectors", &json!({"name": self.connector(), "config": config}))?;
        ensure!(created.status == 201, "{created:?}");
        Ok(())
    }

    fn check(&self, topics: &Topics, worker: &Worker) -> anyhow::Result<()> {
        let expected = &self.recorded["tasks"][0];
        let status =
            worker.await_state(&self.connector(), "RUNNING", expected["state"].as_str().context("state")?)?;
        if let Some(trace) = expected["trace"].as_str() {
            let found = status["tasks"][0]["trace"].as_str().unwrap_or_default();
            ensure!(found.lines().next() == Some(trace), "trace {found}, not {trace}");
        }
        if let Some(text) = self.recorded["file"].as_str() {
            let read =
                || String::from_utf8_lossy(&std::fs::read(&self.file).unwrap_or_default()).into_owned();
            eventually("the file", || if read() == text { Ok(()) } else { Err(read()) })?;
        }
        if let Some(letters) = self.recorded["dlq"].as_array() {
            let topic = self.text("errors.deadletterqueue.topic.name");
            same(
                "dead letters",
                letters,
                &topics.read(topic, letters.len())?.iter().map(letter).collect::<Vec<_>>(),
            )?;
        }
        if let Some(records) = self.recorded["topic"].as_array() {
            let found = topics.read(self.text("topic"), records.len())?;
            let found: Vec<Value> = found
                .iter()
                .map(
                    |found| json!({"key": cell(found.key.as_deref()), "value": cell(found.value.as_deref())}),
                )
                .collect();
            same("records", records, &found)?;
        }
        let lines = self.recorded["log"].as_array().context("log")?;
        for line in lines.iter().filter_map(Value::as_str) {
            let line = line.replace("{file}", &self.file.display().to_string());
            eventually("the log line", || {
                if worker.log().contains(&line) { Ok(()) } else { Err(line.clone()) }
            })?;
        }
        Ok(())
    }
}

fn same(what: &str, expected: &[Value], found: &[Value]) -> anyhow::Result<()> {
    ensure!(expected.len() == found.len(), "{} {what}, not {}", found.len(), expected.len());
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        ensure!(expected == found, "{what} {index}:\n  expected {expected}\n  found    {found}");
    }
    Ok(())
}

/// Bytes as they are recorded: text where they are, base64 elsewhere.
fn cell(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => Value::Null,
        Some((Ok(text), _)) => json!({ "utf8": text }),
        Some((Err(_), bytes)) => json!({ "base64": base64(bytes) }),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().chain([&0; 3]).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for digit in 0..4 {
            let shown = digit <= chunk.len();
            text.push(if shown { char::from(DIGITS[word >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    text
}

fn bytes(cell: &Value) -> Option<Vec<u8>> {
    if let Some(text) = cell["utf8"].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let text = cell["base64"].as_str()?;
    // Few bytes are recorded so: found by trying, which keeps one table.
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u32> = text.chars().filter_map(|c| Some(digits.find(c)? as u32)).collect();
    let mut out = Vec::new();
    for chunk in bits.chunks(4) {
        let word = chunk.iter().chain([&0; 4]).take(4).fold(0_u32, |word, digit| word << 6 | digit);
        out.extend(word.to_be_bytes().iter().skip(1).take(chunk.len() - 1));
    }
    Some(out)
}

fn headers(cell: &Value) -> Vec<(String, Option<Vec<u8>>)> {
    let pairs = cell.as_array().into_iter().flatten();
    pairs.map(|pair| (pair[0].as_str().unwrap_or_default().to_owned(), bytes(&pair[1]))).collect()
}

/// A record to send; all were recorded with this timestamp.
fn message(recorded: &Value) -> Message {
    Message {
        partition: -1,
        key: bytes(&recorded["key"]),
        value: bytes(&recorded["value"]),
        headers: headers(&recorded["headers"]),
        timestamp: Some(1_700_000_000_123),
        ..Message::default()
    }
}

fn letter(found: &Message) -> Value {
    let trace = "__connect.errors.exception.stacktrace";
    let rest = found.headers.iter().filter(|(key, _)| key != trace);
    let headers: Vec<Value> = rest.map(|(key, value)| json!([key, cell(value.as_deref())])).collect();
    json!({
        "timestamp": found.timestamp, "key": cell(found.key.as_deref()),
        "value": cell(found.value.as_deref()), "headers": headers,
    })
}

#[test]
fn every_recorded_case_leaves_the_same_dead_letters() -> anyhow::Result<()> {
    if skip_without_kafka("every_recorded_case_leaves_the_same_dead_letters") {
        return Ok(());
    }
    // The recorded timestamps are years old: nothing may be deleted for that.
    let broker = Broker::start("log.retention.ms=-1")?;
    let topics = Topics::new(broker.bootstrap());
    let dir = tempfile::tempdir()?;
    let worker = Worker::distributed(dir.path(), broker.bootstrap(), "")?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/dlq.jsonl");
    let mut cases = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let recorded: Value = serde_json::from_str(line)?;
        let name = recorded["case"].as_str().context("case")?.to_owned();
        cases.push(Case { file: dir.path().join(format!("{name}.txt")), name, recorded });
    }
    // All at once: most of the time is waiting for consumer groups.
    let prepared: Vec<anyhow::Result<()>> = cases.iter().map(|case| case.prepare(&topics, &worker)).collect();
    let mut failed = Vec::new();
    for (case, prepared) in cases.iter().zip(prepared) {
        if let Err(error) = prepared.and_then(|()| case.check(&topics, &worker)) {
            println!("FAILED {}: {error:#}", case.name);
            failed.push(&case.name);
        }
    }
    println!("{} passed, {} failed", cases.len() - failed.len(), failed.len());
    assert!(failed.is_empty(), "{failed:?}");
    worker.stop()
}
