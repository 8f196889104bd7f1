//! Guests that do every wrong thing, against the real engine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests"
)]

mod calls;
mod faults;
mod files;
mod install;
mod measure;
#[path = "../../../../tests/programs/support.rs"]
mod programs;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_frame::{Builder, Entry, Position};
use cofferdam_plugins::{
    Hooks, Label, Limits, Metric, Origin, PluginSettings, Plugins, SinkInstance, SourceInstance, Spec, Usage,
};
use cofferdam_stdx::ByteCount;
use tempfile::TempDir;

/// Plugins in folders that go away, with the programs of the tests installed.
struct Bench {
    plugins: Plugins,
    dir: TempDir,
}

impl Bench {
    /// Nothing installed.
    fn empty(change: impl FnOnce(&mut PluginSettings)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut settings = settings(&dir);
        change(&mut settings);
        Self { plugins: Plugins::new(settings).unwrap(), dir }
    }

    /// With `misbehaving`.
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut PluginSettings)) -> Self {
        let bench = Self::empty(|settings| {
            // Compiled once for all tests.
            settings.cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache");
            change(settings);
        });
        bench.plugins.install(Bytes::from(programs::program("misbehaving")), Origin::Upload).await.unwrap();
        bench
    }

    async fn source(&self, config: &[(&str, &str)]) -> SourceInstance {
        self.plugins.source(spec("test.Source", config)).await.unwrap()
    }

    async fn sink(&self, config: &[(&str, &str)]) -> SinkInstance {
        self.plugins.sink(spec("test.Sink", config)).await.unwrap()
    }
}

fn settings(dir: &TempDir) -> PluginSettings {
    PluginSettings {
        cache_dir: dir.path().join("cache"),
        store_dir: dir.path().join("store"),
        limits: Limits {
            memory_max: ByteCount::mib(64),
            call_timeout: Duration::from_millis(500),
            frame_max: ByteCount::mib(16),
            instances_max: 300,
            ..Limits::default()
        },
        file_roots: vec!["/".into()],
    }
}

fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn spec(class: &str, pairs: &[(&str, &str)]) -> Spec {
    Spec {
        class: class.to_owned(),
        config: config(pairs),
        label: Label { connector: "test".to_owned(), task: Some(0) },
        schemas: Arc::new(Schemas::default()),
        usage: Arc::new(Usage::default()),
        hooks: Arc::new(Recorder::default()),
    }
}

/// Remembers what a guest asked for.
#[derive(Debug, Default)]
struct Recorder {
    offset: Option<String>,
    metrics: Mutex<Vec<(String, Metric)>>,
}

#[async_trait]
impl Hooks for Recorder {
    async fn source_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, String> {
        Ok(vec![self.offset.clone(); partitions.len()])
    }

    fn request_task_reconfiguration(&self) {}

    fn metric(&self, name: &str, value: Metric) {
        self.metrics.lock().unwrap().push((name.to_owned(), value));
    }
}

/// A batch as a sink or transform gets it.
fn batch(values: &[&str]) -> Arc<Vec<u8>> {
    let mut frame = Builder::default();
    for (offset, value) in values.iter().enumerate() {
        let mut entry = Entry::new(frame.topic("orders").unwrap());
        entry.partition = Some(0);
        entry.position = Position::Kafka(offset as i64);
        entry.value = frame.put(value.as_bytes());
        frame.push(&entry);
    }
    Arc::new(frame.finish())
}
