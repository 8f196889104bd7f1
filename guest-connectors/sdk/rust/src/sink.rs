//! Sinks: take records out.

use std::cell::RefCell;

use cofferdam_frame::{self as frame, Frame, Headers};

use crate::config::Config;
use crate::connector::{Connector, Copies};
use crate::error::{BadRecord, Problem, Result};
use crate::info::PluginInfo;
use crate::topics::Topics;
use crate::{SchemaId, host};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
}

/// An offset in a partition of a topic: that of the next record to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next record to read.
    pub offset: i64,
}

/// A sink task, and the connector that sets it up.
pub trait Sink: Sized + 'static {
    /// What the plugin says about itself. Called in an instance that is thrown away.
    fn info() -> PluginInfo;

    /// Checks what the keys' types and validators cannot express.
    fn validate(config: &Config) -> Vec<Problem> {
        let _ = config;
        Vec::new()
    }

    /// The connector: as many tasks as are allowed, each with the connector's configuration, unless
    /// said otherwise.
    ///
    /// # Errors
    /// When the configuration is wrong; the connector does not start.
    fn connector(config: &Config) -> Result<Box<dyn Connector>> {
        Ok(Box::new(Copies::all(config)))
    }

    /// Starts a task.
    ///
    /// # Errors
    /// When the configuration is wrong or what is written cannot be reached.
    fn start(config: &Config, context: &SinkContext) -> Result<Self>;

    /// The task now reads these partitions as well.
    ///
    /// # Errors
    /// The task fails.
    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let _ = partitions;
        Ok(())
    }

    /// The task no longer reads these partitions; their offsets were committed before.
    ///
    /// # Errors
    /// The task fails.
    fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let _ = partitions;
        Ok(())
    }

    /// Takes a batch, which may be empty. Single records are refused with [`Batch::reject`].
    ///
    /// # Errors
    /// A retriable error hands over the same records again, so the call must not have had an effect
    /// that a repetition doubles.
    fn put(&mut self, batch: &Batch<'_>) -> Result<()>;

    /// Makes durable what was put. Called before offsets are committed.
    ///
    /// # Errors
    /// No offset is committed this time.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// The offsets that are safe to commit, given those of what was put: all of them after
    /// [`Sink::flush`], unless said otherwise.
    ///
    /// # Errors
    /// No offset is committed this time.
    fn pre_commit(&mut self, delivered: Vec<TopicOffset>) -> Result<Vec<TopicOffset>> {
        self.flush()?;
        Ok(delivered)
    }

    /// The task ends.
    fn stop(&mut self) {}
}

/// What a sink task may ask of its consumer. All take effect after the present call.
#[derive(Clone, Copy, Debug, Default)]
pub struct SinkContext(());

impl SinkContext {
    /// The context of this instance's task.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// The partitions that the task reads.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        host::assignment()
    }

    /// Hands over nothing of these partitions until they are resumed.
    pub fn pause(&self, partitions: Vec<TopicPartition>) {
        host::pause(partitions);
    }

    /// Hands over records of these partitions again.
    pub fn resume(&self, partitions: Vec<TopicPartition>) {
        host::resume(partitions);
    }

    /// Goes back, or on, to these offsets.
    pub fn seek(&self, offsets: Vec<TopicOffset>) {
        host::seek(offsets);
    }

    /// Asks for [`Sink::pre_commit`] soon.
    pub fn request_commit(&self) {
        host::request_commit();
    }
}

/// A batch of records as it was handed over: nothing is copied until it is asked for.
#[derive(Debug)]
pub struct Batch<'a> {
    frame: Frame<'a>,
    topics: Topics<'a>,
    bad: RefCell<Vec<BadRecord>>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(frame: Frame<'a>) -> Self {
        Self { frame, topics: Topics::of(&frame, 0), bad: RefCell::default() }
    }

    /// Number of records.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.frame.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.frame.is_empty()
    }

    /// The records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SinkRecord<'a>> {
        self.frame.iter().enumerate().map(|(index, inner)| SinkRecord {
            inner,
            index: index as u32,
            topic: self.topics.input(inner.entry.topic),
        })
    }

    /// Says that `record` cannot be taken: `errors.tolerance` and the dead letter queue decide about
    /// it. All others count as taken.
    pub fn reject(&self, record: &SinkRecord<'_>, message: impl Into<String>) {
        self.bad.borrow_mut().push(BadRecord { index: record.index, step: 0, message: message.into() });
    }

    pub(crate) fn into_bad(self) -> Vec<BadRecord> {
        self.bad.into_inner()
    }
}

/// A record of a batch.
#[derive(Clone, Copy, Debug)]
pub struct SinkRecord<'a> {
    inner: frame::Record<'a>,
    index: u32,
    topic: &'a str,
}

impl<'a> SinkRecord<'a> {
    /// Position in the batch.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The topic.
    #[must_use]
    pub const fn topic(&self) -> &'a str {
        self.topic
    }

    /// The Kafka partition; -1 when a transform has removed it.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.inner.entry.partition.unwrap_or(-1)
    }

    /// The Kafka offset.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.inner.kafka_offset().unwrap_or(-1)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn timestamp(&self) -> Option<i64> {
        self.inner.entry.timestamp
    }

    /// The key's bytes; none = null.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.inner.key()
    }

    /// Schema of the key; 0 = none.
    #[must_use]
    pub const fn key_schema(&self) -> SchemaId {
        self.inner.entry.key_schema
    }

    /// The value's bytes; none = null.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.inner.value()
    }

    /// Schema of the value; 0 = none.
    #[must_use]
    pub const fn value_schema(&self) -> SchemaId {
        self.inner.entry.value_schema
    }

    /// The headers in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        self.inner.headers()
    }
}

pub(crate) trait AnySink {
    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()>;
    fn close(&mut self, partitions: &[TopicPartition]) -> Result<()>;
    fn put(&mut self, batch: &Batch<'_>) -> Result<()>;
    fn pre_commit(&mut self, delivered: Vec<TopicOffset>) -> Result<Vec<TopicOffset>>;
    fn stop(&mut self);
}

impl<S: Sink> AnySink for S {
    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        Sink::open(self, partitions)
    }

    fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        Sink::close(self, partitions)
    }

    fn put(&mut self, batch: &Batch<'_>) -> Result<()> {
        Sink::put(self, batch)
    }

    fn pre_commit(&mut self, delivered: Vec<TopicOffset>) -> Result<Vec<TopicOffset>> {
        Sink::pre_commit(self, delivered)
    }

    fn stop(&mut self) {
        Sink::stop(self);
    }
}
