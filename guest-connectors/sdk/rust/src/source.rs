//! Sources: bring records in.

use std::time::Duration;

use cofferdam_frame::{Builder, Entry, Position, Span};

use crate::config::Config;
use crate::connector::{Connector, Copies};
use crate::error::{Error, Problem, Result};
use crate::info::PluginInfo;
use crate::{SchemaId, host};

/// A source task, and the connector that sets it up.
pub trait Source: Sized + 'static {
    /// What the plugin says about itself. Called in an instance that is thrown away.
    fn info() -> PluginInfo;

    /// Checks what the keys' types and validators cannot express.
    fn validate(config: &Config) -> Vec<Problem> {
        let _ = config;
        Vec::new()
    }

    /// The connector: one task with the connector's configuration, unless said otherwise.
    ///
    /// # Errors
    /// When the configuration is wrong; the connector does not start.
    fn connector(config: &Config) -> Result<Box<dyn Connector>> {
        Ok(Box::new(Copies::one(config)))
    }

    /// Starts a task.
    ///
    /// # Errors
    /// When the configuration is wrong or what is read cannot be reached.
    fn start(config: &Config, context: &SourceContext) -> Result<Self>;

    /// Writes what there is to `out`, until it is full. When there is nothing, waits up to
    /// [`BatchWriter::wait`] for something and then returns without a record.
    ///
    /// # Errors
    /// What was written to `out` is thrown away then, so do not move on.
    fn poll(&mut self, out: &mut BatchWriter) -> Result<()>;

    /// Everything up to these (source partition, source offset) pairs is in Kafka, and the offsets
    /// themselves are stored: what was read may be released.
    ///
    /// # Errors
    /// The task fails.
    fn committed(&mut self, offsets: &[(String, String)]) -> Result<()> {
        let _ = offsets;
        Ok(())
    }

    /// The task ends.
    fn stop(&mut self) {}
}

/// What a source task may ask of its worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceContext(());

impl SourceContext {
    pub(crate) const fn new() -> Self {
        Self(())
    }

    /// The offset stored for a source partition; both are JSON objects.
    ///
    /// # Errors
    /// When the worker cannot read its offsets.
    pub fn offset(&self, partition: &str) -> Result<Option<String>> {
        Ok(self.offsets(vec![partition.to_owned()])?.pop().flatten())
    }

    /// As [`SourceContext::offset`] for several partitions at once, answered in their order.
    ///
    /// # Errors
    /// When the worker cannot read its offsets.
    pub fn offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>> {
        host::source_offsets(partitions)
            .map_err(|error| Error::retriable(format!("The stored source offsets cannot be read: {error}")))
    }

    /// The task's transactions, when `transaction.boundary=connector` and exactly-once delivery leave
    /// it to the task where they end. The plugin says that it can: [`PluginInfo::ends_transactions`].
    #[must_use]
    pub fn transactions(&self) -> Option<Transactions> {
        host::ends_transactions().then_some(Transactions(()))
    }
}

/// Where a source task's transactions end.
///
/// Between two ends everything is one transaction, over as many polls as it takes. What is open when the
/// task ends is aborted, and polled again after the next start. A poll that fails has ended nothing.
#[derive(Clone, Copy, Debug)]
pub struct Transactions(());

impl Transactions {
    /// Commits behind the last record that was written to `out`; while there is none, behind the whole
    /// batch that this poll will have written.
    pub fn commit(&self, out: &BatchWriter) {
        host::commit_transaction(behind(out));
    }

    /// Aborts behind the last record that was written to `out`: readers of committed records never see
    /// what the transaction has until then. Its offsets are stored all the same. While there is no record
    /// in `out`, behind the whole batch.
    pub fn abort(&self, out: &BatchWriter) {
        host::abort_transaction(behind(out));
    }
}

fn behind(out: &BatchWriter) -> Option<u32> {
    out.len().checked_sub(1).map(|index| index as u32)
}

/// A topic of the batch being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic(u16);

/// A source partition of the batch being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition(u16);

/// The batch that a source writes. Values go straight to the bytes that the worker receives.
#[derive(Debug)]
pub struct BatchWriter {
    frame: Builder,
    max_records: usize,
    max_bytes: usize,
    wait: Duration,
}

impl BatchWriter {
    /// A batch for so many records and about so many bytes.
    #[must_use]
    pub fn new(max_records: usize, max_bytes: usize, wait: Duration) -> Self {
        Self { frame: Builder::default(), max_records, max_bytes, wait }
    }

    /// How long to wait for a first record.
    #[must_use]
    pub const fn wait(&self) -> Duration {
        self.wait
    }

    /// Number of records written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// Whether no record was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frame.is_empty()
    }

    /// How many more records are welcome; 0 when the batch is full.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.frame.byte_len() >= self.max_bytes {
            0
        } else {
            self.max_records.saturating_sub(self.frame.len())
        }
    }

    /// How many more bytes are welcome.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.max_bytes.saturating_sub(self.frame.byte_len())
    }

    /// Whether the batch is full. One record more does no harm; a thousand would.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// Reserves memory for so many records of so many bytes altogether, when they are known.
    pub fn reserve(&mut self, records: usize, bytes: usize) {
        if self.frame.is_empty() && self.frame.byte_len() <= cofferdam_frame::HEAD_BYTES {
            self.frame = Builder::with_capacity(records, bytes);
        }
    }

    /// The topic called `name`.
    ///
    /// # Errors
    /// When the batch names too many topics.
    pub fn topic(&mut self, name: &str) -> Result<Topic> {
        self.frame.topic(name).map(Topic).map_err(|error| Error::fatal(error.to_string()))
    }

    /// The source partition `json`, a JSON object.
    ///
    /// # Errors
    /// When the batch names too many partitions.
    pub fn partition(&mut self, json: &str) -> Result<Partition> {
        self.frame.source_partition(json).map(Partition).map_err(|error| Error::fatal(error.to_string()))
    }

    /// Writes bytes that several records will share.
    pub fn share(&mut self, bytes: &[u8]) -> Span {
        self.frame.put(bytes)
    }

    /// Starts a record of the topic called `name`.
    ///
    /// # Errors
    /// When the batch names too many topics.
    pub fn record(&mut self, name: &str) -> Result<NewRecord<'_>> {
        let topic = self.topic(name)?;
        Ok(self.record_of(topic))
    }

    /// Starts a record of `topic`.
    pub fn record_of(&mut self, topic: Topic) -> NewRecord<'_> {
        NewRecord { entry: Entry::new(topic.0), frame: &mut self.frame }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        if self.frame.is_empty() { Vec::new() } else { self.frame.finish() }
    }
}

/// A record being written; [`NewRecord::send`] adds it to the batch.
#[derive(Debug)]
#[must_use = "a record is added by `send`"]
pub struct NewRecord<'w> {
    frame: &'w mut Builder,
    entry: Entry,
}

impl NewRecord<'_> {
    /// The key, laid out by `schema` (0 = none).
    pub fn key(self, schema: SchemaId, bytes: &[u8]) -> Self {
        self.key_with(schema, |out| out.extend_from_slice(bytes))
    }

    /// The key, as `write` appends it.
    pub fn key_with(mut self, schema: SchemaId, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.entry.key = self.frame.write(write);
        self.entry.key_schema = schema;
        self
    }

    /// The value, laid out by `schema` (0 = none).
    pub fn value(self, schema: SchemaId, bytes: &[u8]) -> Self {
        self.value_with(schema, |out| out.extend_from_slice(bytes))
    }

    /// The value, as `write` appends it.
    pub fn value_with(mut self, schema: SchemaId, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.entry.value = self.frame.write(write);
        self.entry.value_schema = schema;
        self
    }

    /// The value, lying in bytes that were shared.
    pub const fn value_at(mut self, schema: SchemaId, span: Span) -> Self {
        self.entry.value = span;
        self.entry.value_schema = schema;
        self
    }

    /// Adds a header behind the others. Call it for all headers in a row.
    pub fn header(mut self, key: &str, schema: SchemaId, value: Option<&[u8]>) -> Self {
        self.frame.header(&mut self.entry.headers, key, schema, value);
        self.entry.n_headers = self.entry.n_headers.saturating_add(1);
        self
    }

    /// Milliseconds since the epoch; without one, Kafka's producer sets the time.
    pub const fn timestamp(mut self, millis: i64) -> Self {
        self.entry.timestamp = Some(millis);
        self
    }

    /// The Kafka partition; without one, the partitioner chooses.
    pub const fn kafka_partition(mut self, partition: i32) -> Self {
        self.entry.partition = Some(partition);
        self
    }

    /// Where the record stands in what it was read from: the offset, a JSON object, is handed back
    /// at the next start when everything up to this record is in Kafka.
    pub fn offset(self, partition: Partition, json: &str) -> Self {
        self.offset_with(partition, |out| out.extend_from_slice(json.as_bytes()))
    }

    /// As [`NewRecord::offset`], with the JSON object as `write` appends it.
    pub fn offset_with(mut self, partition: Partition, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.entry.source_partition = Some(partition.0);
        self.entry.position = Position::Source(self.frame.write(write));
        self
    }

    /// Adds the record to the batch.
    pub fn send(self) {
        self.frame.push(&self.entry);
    }
}

pub(crate) trait AnySource {
    fn poll(&mut self, out: &mut BatchWriter) -> Result<()>;
    fn committed(&mut self, offsets: &[(String, String)]) -> Result<()>;
    fn stop(&mut self);
}

impl<S: Source> AnySource for S {
    fn poll(&mut self, out: &mut BatchWriter) -> Result<()> {
        Source::poll(self, out)
    }

    fn committed(&mut self, offsets: &[(String, String)]) -> Result<()> {
        Source::committed(self, offsets)
    }

    fn stop(&mut self) {
        Source::stop(self);
    }
}
