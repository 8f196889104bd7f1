//! What the rows have in common: a worker with its state in a folder, connectors, waiting.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cofferdam_e2e::{Topics, Worker, eventually, write_lines};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::numbers::{Lines, Tally};

/// So long nothing comes when all has come.
pub(crate) const QUIET: Duration = Duration::from_millis(700);
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

/// A worker that can be killed and started again.
pub(crate) struct Rig {
    dir: TempDir,
    bootstrap: String,
    properties: String,
    worker: Option<Worker>,
}

impl Rig {
    /// A worker whose group and topics begin with `name`. `more` are properties of it, one a line.
    pub(crate) fn start(name: &str, bootstrap: &str, more: &str) -> anyhow::Result<Self> {
        let properties = format!(
            "group.id={name}\nconfig.storage.topic={name}-configs\noffset.storage.topic={name}-offsets\n\
             status.storage.topic={name}-status\noffset.flush.interval.ms=100\n\
             consumer.session.timeout.ms=6000\nconsumer.heartbeat.interval.ms=500\n{more}"
        );
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("data"))?;
        std::os::unix::fs::symlink(compiled()?, dir.path().join("data/cache"))?;
        let mut rig = Self { dir, bootstrap: bootstrap.to_owned(), properties, worker: None };
        rig.restart()?;
        Ok(rig)
    }

    pub(crate) fn worker(&self) -> anyhow::Result<&Worker> {
        self.worker.as_ref().context("the worker was killed")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.worker.take().context("the worker was killed")?.kill()
    }

    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.worker = Some(Worker::distributed(self.dir.path(), &self.bootstrap, &self.properties)?);
        Ok(())
    }

    /// Ends the worker in the ordinary way, which has to work whatever was before.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.halt()
    }

    /// As [`Rig::stop`], and what it has written is still there to be read.
    pub(crate) fn halt(&mut self) -> anyhow::Result<()> {
        self.worker.take().context("the worker was killed")?.stop()
    }

    /// Gives a connector another configuration.
    pub(crate) fn configure(&self, name: &str, config: &Value) -> anyhow::Result<()> {
        let answer = self.worker()?.put(&format!("/connectors/{name}/config"), config)?;
        ensure!((200..300).contains(&answer.status), "configure {name}: {answer:?}");
        Ok(())
    }

    /// Creates a connector that need not come to run.
    pub(crate) fn submit(&self, name: &str, config: &Value) -> anyhow::Result<()> {
        let answer = self.worker()?.post("/connectors", &json!({"name": name, "config": config}))?;
        ensure!(answer.status == 201, "create {name}: {answer:?}");
        Ok(())
    }
}

/// Where the workers of this process keep compiled components: each is compiled once.
fn compiled() -> anyhow::Result<&'static Path> {
    static DIR: OnceLock<Result<TempDir, String>> = OnceLock::new();
    let dir = DIR.get_or_init(|| tempfile::tempdir().map_err(|error| error.to_string()));
    dir.as_ref().map(TempDir::path).map_err(|error| anyhow::anyhow!(error.clone()))
}

pub(crate) fn file_source(file: &Path, topic: &str) -> Value {
    json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": topic,
        "value.converter": STRING,
    })
}

pub(crate) fn file_sink(file: &Path, topic: &str, tasks: u32) -> Value {
    json!({
        "connector.class": "FileStreamSink", "tasks.max": tasks.to_string(), "topics": topic, "file": file,
        "value.converter": STRING,
    })
}

pub(crate) fn segment_sink(folder: &Path, topic: &str, tasks: u32) -> Value {
    json!({
        "connector.class": "FileSegmentSink", "tasks.max": tasks.to_string(), "topics": topic,
        "directory": folder, "value.converter": STRING,
    })
}

/// `config` with more keys.
pub(crate) fn with(mut config: Value, more: &Value) -> Value {
    if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
        config.extend(more.clone());
    }
    config
}

/// Asks `probe` until it answers true; it may fail for good.
pub(crate) fn until(
    what: &str,
    mut probe: impl FnMut() -> anyhow::Result<Result<(), String>>,
) -> anyhow::Result<()> {
    eventually(what, || match probe() {
        Ok(Ok(())) => Ok(Ok(())),
        Ok(Err(complaint)) => Err(complaint),
        Err(error) => Ok(Err(error)),
    })?
}

/// Waits until `n` different lines are in a file, then as long as more come.
pub(crate) fn await_file(lines: &mut Lines, tally: &mut Tally, n: u64) -> anyhow::Result<()> {
    until("all lines arrive", || {
        lines.read(|line| tally.line(line))?;
        Ok(if tally.arrived() >= n { Ok(()) } else { Err(format!("{} of {n}", tally.arrived())) })
    })
}

/// Lets time pass that is a part of the fault.
#[allow(clippy::disallowed_methods, reason = "the duration is what is tested, not waited for")]
pub(crate) fn last(duration: Duration) {
    std::thread::sleep(duration);
}

/// Random numbers, the same in every run (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) const fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Two connectors in the same worker as a hostile one: a file into a topic, and out of it.
pub(crate) struct Neighbour {
    from: PathBuf,
    lines: Lines,
    written: u64,
}

impl Neighbour {
    pub(crate) fn start(rig: &Rig, topics: &Topics, name: &str) -> anyhow::Result<Self> {
        let (from, to) = (rig.path("neighbour-in.txt"), rig.path("neighbour-out.txt"));
        let topic = format!("{name}-neighbour");
        topics.create(&topic, 1)?;
        write_lines(&from, 0..0)?;
        rig.worker()?.create("neighbour-source", &file_source(&from, &topic))?;
        rig.worker()?.create("neighbour-sink", &file_sink(&to, &topic, 1))?;
        Ok(Self { from, lines: Lines::new(&to), written: 0 })
    }

    /// Writes a thousand lines and waits until they have come through, each once and in order.
    pub(crate) fn must_go_on(&mut self) -> anyhow::Result<()> {
        let end = self.written + 1_000;
        write_lines(&self.from, self.written..end)?;
        let mut next = self.written;
        until("the neighbour goes on", || {
            let mut wrong = None;
            self.lines.read(|line| {
                if line != cofferdam_e2e::line(next).as_bytes() {
                    wrong.get_or_insert_with(|| String::from_utf8_lossy(line).into_owned());
                }
                next += 1;
            })?;
            ensure!(wrong.is_none(), "the neighbour's lines are not in order: {wrong:?}");
            Ok(if next == end { Ok(()) } else { Err(format!("{next} of {end} lines")) })
        })?;
        self.written = end;
        Ok(())
    }
}
