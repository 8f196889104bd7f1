//! What a new instance is given, and how it reaches back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cofferdam_api::{ConfigMap, Schemas, TopicOffset, TopicPartition};

/// What a new instance is, and what it belongs to.
#[derive(Clone)]
pub struct Spec {
    /// Class or alias of the plugin.
    pub class: String,
    /// Configuration of the connector, task or transform: what is named in it is what it is granted.
    pub config: ConfigMap,
    /// Whose it is.
    pub label: Label,
    /// Schemas of the task.
    pub schemas: Arc<Schemas>,
    /// Where its use of CPU and memory is counted.
    pub usage: Arc<Usage>,
    /// How it reaches the worker.
    pub hooks: Arc<dyn Hooks>,
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration may hold secrets.
        f.debug_struct("Spec").field("class", &self.class).field("label", &self.label).finish_non_exhaustive()
    }
}

/// Whose an instance is, for its log lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// The connector.
    pub connector: String,
    /// The task; none for the connector's own instance.
    pub task: Option<u32>,
}

/// How a guest reaches the worker.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Stored source offsets of these partitions (JSON objects).
    async fn source_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, String>;
    /// The connector wants its task configurations to be asked for again.
    fn request_task_reconfiguration(&self);
    /// Whether a source task says itself where its transactions end.
    fn ends_transactions(&self) -> bool {
        false
    }
    /// A metric of the plugin's own.
    fn metric(&self, name: &str, value: Metric);
}

/// [`Hooks`] of a guest that has nothing to reach: no offsets, no metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

#[async_trait]
impl Hooks for NoHooks {
    async fn source_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, String> {
        Ok(vec![None; partitions.len()])
    }

    fn request_task_reconfiguration(&self) {}

    fn metric(&self, _name: &str, _value: Metric) {}
}

/// A value of a plugin's own metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// Adds to a counter.
    Count(u64),
    /// Sets a gauge.
    Gauge(f64),
}

/// CPU and memory that instances use; several may share one.
#[derive(Debug, Default)]
pub struct Usage {
    /// CPU time in guest code and in the host functions it calls, in nanoseconds.
    pub cpu_ns: AtomicU64,
    /// Linear memory and tables now, in bytes.
    pub memory_bytes: AtomicU64,
    /// The most that `memory_bytes` ever was.
    pub memory_peak: AtomicU64,
}

impl Usage {
    pub(crate) fn grow(&self, bytes: u64) {
        let now = self.memory_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.memory_peak.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn shrink(&self, bytes: u64) {
        self.memory_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What a sink task asked of its consumer during the calls since the last
/// [`crate::SinkInstance::take_requests`]. No partition is in both `pause` and `resume`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkRequests {
    /// Hand over no more records of these.
    pub pause: Vec<TopicPartition>,
    /// Go on with these.
    pub resume: Vec<TopicPartition>,
    /// Go back, or forward, to these offsets.
    pub seek: Vec<TopicOffset>,
    /// Commit soon.
    pub commit: bool,
}

impl SinkRequests {
    /// Whether nothing was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One transform of a chain.
#[derive(Clone, Debug)]
pub struct TransformStep {
    /// Class or alias.
    pub class: String,
    /// Its configuration.
    pub config: ConfigMap,
    /// The predicate of the same component that it depends on.
    pub condition: Option<Condition>,
}

/// A predicate and what is asked of it.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Class or alias.
    pub class: String,
    /// Its configuration.
    pub config: ConfigMap,
    /// Whether the transform applies when the predicate does not.
    pub negate: bool,
}

/// What a transform chain or a converter made of a batch.
#[derive(Clone, Debug)]
pub struct BatchResult {
    /// A checked frame: its records point back at those of the input by `src`.
    pub output: Vec<u8>,
    /// Inputs that could not be handled; they have no record in `output`.
    pub bad: Vec<BadRecord>,
}

/// What a converter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Keys.
    Key,
    /// Values.
    Value,
    /// Values of headers.
    Header,
}

use crate::BadRecord;

/// What a plugin says of one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyErrors {
    /// The key.
    pub name: String,
    /// What is wrong with its value.
    pub errors: Vec<String>,
}
