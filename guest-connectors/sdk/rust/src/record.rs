//! The record that a chain of transforms works on: what nobody touches stays where the worker has
//! it, what a step writes lies in a buffer that the next record reuses.

use std::mem;

use cofferdam_frame::{self as frame, Entry, EntryRef, Flags, Frame, Header, Position, Span};

use crate::topics::{Routes, Topics};
use crate::{Error, Result, SchemaId};

/// One of the two parts of a record that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// A record under way through the steps of one component.
///
/// Reading costs nothing and copies nothing. What is not changed is not sent back to the worker
/// either: it keeps its own copy, so a step that only renames a topic never touches a value.
#[derive(Debug)]
pub struct Record<'a> {
    frame: Frame<'a>,
    topics: Topics<'a>,
    /// Position in the frame.
    index: u32,
    /// As the worker handed it over.
    input: EntryRef<'a>,
    /// Number in `topics`.
    topic: u32,
    partition: Option<i32>,
    timestamp: Option<i64>,
    key: Slot,
    value: Slot,
    headers: Headers,
    /// What the next rewrite writes to; swapped with a slot's own buffer.
    spare: Vec<u8>,
    /// The same for headers that are written anew.
    spare_headers: Headers,
}

impl<'a> Record<'a> {
    /// The topic, as the steps before this one left it.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topics.name(self.topic)
    }

    /// Sends the record to `topic`.
    pub fn set_topic(&mut self, topic: &str) {
        self.topic = self.topics.id(topic);
    }

    /// Sends the record to the topic that `route` answers for its present one; none leaves it where
    /// it is. `routes` remembers the answers: `route` is asked about a topic, not about a record.
    ///
    /// # Errors
    /// What `route` answered.
    #[inline]
    pub fn reroute(
        &mut self,
        routes: &mut Routes,
        route: impl FnOnce(&str) -> Result<Option<String>>,
    ) -> Result<()> {
        match routes.known(self) {
            Some(topic) => {
                self.topic = topic;
                Ok(())
            }
            None => self.reroute_first(routes, route),
        }
    }

    /// The first record of a topic in a batch.
    #[cold]
    #[inline(never)]
    fn reroute_first(
        &mut self,
        routes: &mut Routes,
        route: impl FnOnce(&str) -> Result<Option<String>>,
    ) -> Result<()> {
        let (from, name) = (self.topic, routes.name(self, route)?);
        if let Some(name) = name {
            self.set_topic(&name);
        }
        routes.remember(&self.topics, from, self.topic);
        Ok(())
    }

    /// The Kafka partition.
    #[must_use]
    pub const fn partition(&self) -> Option<i32> {
        self.partition
    }

    /// Sends the record to `partition`; none leaves the choice to the partitioner.
    pub const fn set_partition(&mut self, partition: Option<i32>) {
        self.partition = partition;
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// Gives the record another timestamp, in milliseconds since the epoch.
    pub const fn set_timestamp(&mut self, timestamp: Option<i64>) {
        self.timestamp = timestamp;
    }

    /// The Kafka offset, of a sink's record.
    #[must_use]
    pub fn kafka_offset(&self) -> Option<i64> {
        match self.input.position() {
            Position::Kafka(offset) => Some(offset),
            Position::None | Position::Source(_) => None,
        }
    }

    /// The source partition, of a source's record: a JSON object.
    #[must_use]
    pub fn source_partition(&self) -> Option<&'a str> {
        self.frame.source_partition(self.input.source_partition()?)
    }

    /// The source offset, of a source's record: a JSON object.
    #[must_use]
    pub fn source_offset(&self) -> Option<&'a str> {
        match self.input.position() {
            Position::Source(span) => self.frame.text(span),
            Position::None | Position::Kafka(_) => None,
        }
    }

    /// The key's bytes; none = null.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.get(Part::Key)
    }

    /// Schema of the key; 0 = none.
    #[must_use]
    pub fn key_schema(&self) -> SchemaId {
        self.schema(Part::Key)
    }

    /// The value's bytes; none = null.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.get(Part::Value)
    }

    /// Schema of the value; 0 = none.
    #[must_use]
    pub fn value_schema(&self) -> SchemaId {
        self.schema(Part::Value)
    }

    /// Bytes of the key or value; none = null.
    #[must_use]
    pub fn get(&self, part: Part) -> Option<&[u8]> {
        let slot = self.slot(part);
        match slot.state {
            State::Kept | State::Renamed => self.frame.bytes(self.input_span(part)),
            State::Null => None,
            State::Own => Some(&slot.own),
        }
    }

    /// Schema of the key or value; 0 = none.
    #[must_use]
    pub fn schema(&self, part: Part) -> SchemaId {
        let slot = self.slot(part);
        match slot.state {
            State::Kept => self.input_schema(part),
            State::Renamed | State::Null | State::Own => slot.schema,
        }
    }

    /// Replaces the key or value by `bytes` laid out by `schema`; none = null.
    pub fn set(&mut self, part: Part, schema: SchemaId, bytes: Option<&[u8]>) {
        let slot = self.slot_mut(part);
        slot.schema = schema;
        slot.state = match bytes {
            None => State::Null,
            Some(bytes) => {
                slot.own.clear();
                slot.own.extend_from_slice(bytes);
                State::Own
            }
        };
    }

    /// Gives the key or value another schema and leaves its bytes as they are.
    pub fn set_schema(&mut self, part: Part, schema: SchemaId) {
        let input_schema = self.input_schema(part);
        let slot = self.slot_mut(part);
        slot.schema = schema;
        slot.state = match slot.state {
            // Who keeps the bytes keeps the schema, so bytes under another schema have to be sent.
            State::Kept | State::Renamed if schema == input_schema => State::Kept,
            State::Kept | State::Renamed => State::Renamed,
            state @ (State::Null | State::Own) => state,
        };
    }

    /// Replaces the key or value by what `write` appends to the buffer, laid out by the schema that
    /// it answers. `write` sees the record as it was, the old bytes included; when it fails, nothing
    /// has changed.
    ///
    /// # Errors
    /// What `write` answered.
    pub fn rewrite(
        &mut self,
        part: Part,
        write: impl FnOnce(&Self, &mut Vec<u8>) -> Result<SchemaId>,
    ) -> Result<()> {
        let mut out = mem::take(&mut self.spare);
        out.clear();
        let written = write(self, &mut out);
        if let Ok(schema) = written {
            let slot = self.slot_mut(part);
            mem::swap(&mut slot.own, &mut out);
            slot.schema = schema;
            slot.state = State::Own;
        }
        self.spare = out;
        written.map(|_| ())
    }

    /// The headers in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        let kept = self.headers.keeps_input.then(|| self.frame.headers(self.input));
        kept.into_iter().flatten().chain(self.headers.own())
    }

    /// Adds a header behind the others. A name longer than 65,535 bytes is cut.
    pub fn add_header(&mut self, key: &str, schema: SchemaId, value: Option<&[u8]>) {
        self.headers.push(Header { key, schema, value });
    }

    /// Adds headers whose values lie in the record itself. `write` sees the record without the
    /// headers that steps have added; when it fails, nothing has changed.
    ///
    /// # Errors
    /// What `write` answered.
    pub fn add_headers(
        &mut self,
        write: impl FnOnce(&Self, &mut HeaderWriter<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut headers = mem::take(&mut self.headers);
        let before = headers.len();
        let written = write(self, &mut HeaderWriter(&mut headers));
        if written.is_err() {
            headers.truncate(before);
        }
        self.headers = headers;
        written
    }

    /// Keeps the headers that `keep` answers true for.
    pub fn retain_headers(&mut self, mut keep: impl FnMut(Header<'_>) -> bool) {
        if self.headers().all(&mut keep) {
            return;
        }
        let mut left = mem::take(&mut self.spare_headers);
        left.reset();
        left.keeps_input = false;
        for header in self.headers() {
            if keep(header) {
                left.push(header);
            }
        }
        self.spare_headers = mem::replace(&mut self.headers, left);
    }

    /// Removes every header called `key`.
    pub fn remove_headers(&mut self, key: &str) {
        self.retain_headers(|header| header.key != key);
    }

    /// What [`crate::ByTopic`] looks for.
    #[inline]
    pub(crate) const fn topic_id(&self) -> (&Topics<'a>, u32) {
        (&self.topics, self.topic)
    }

    fn input_span(&self, part: Part) -> Span {
        match part {
            Part::Key => self.input.key(),
            Part::Value => self.input.value(),
        }
    }

    fn input_schema(&self, part: Part) -> SchemaId {
        match part {
            Part::Key => self.input.key_schema(),
            Part::Value => self.input.value_schema(),
        }
    }

    const fn slot(&self, part: Part) -> &Slot {
        match part {
            Part::Key => &self.key,
            Part::Value => &self.value,
        }
    }

    const fn slot_mut(&mut self, part: Part) -> &mut Slot {
        match part {
            Part::Key => &mut self.key,
            Part::Value => &mut self.value,
        }
    }
}

/// Adds headers behind those that are there; see [`Record::add_headers`].
#[derive(Debug)]
pub struct HeaderWriter<'h>(&'h mut Headers);

impl HeaderWriter<'_> {
    /// Adds a header. A name longer than 65,535 bytes is cut.
    pub fn add(&mut self, key: &str, schema: SchemaId, value: Option<&[u8]>) {
        self.0.push(Header { key, schema, value });
    }
}

/// What the SDK needs between the batches and around the steps.
impl<'a> Record<'a> {
    /// A record of `frame`, the `batch`th of this instance; [`Record::load`] says which.
    pub(crate) fn new(frame: Frame<'a>, batch: u64, buffers: Buffers) -> Self {
        let Buffers { key, value, headers, spare, spare_headers } = buffers;
        Self {
            frame,
            topics: Topics::of(&frame, batch),
            index: 0,
            input: EntryRef::default(),
            topic: 0,
            partition: None,
            timestamp: None,
            key: Slot { own: key, ..Slot::default() },
            value: Slot { own: value, ..Slot::default() },
            headers,
            spare,
            spare_headers,
        }
    }

    /// Starts over with the record at `index`.
    #[inline]
    pub(crate) fn load(&mut self, index: u32, input: EntryRef<'a>) {
        self.index = index;
        self.input = input;
        self.topic = input.topic().into();
        self.partition = input.partition();
        self.timestamp = input.timestamp();
        self.key.state = State::Kept;
        self.value.state = State::Kept;
        self.headers.reset();
    }

    pub(crate) fn into_buffers(self) -> Buffers {
        Buffers {
            key: self.key.own,
            value: self.value.own,
            headers: self.headers,
            spare: self.spare,
            spare_headers: self.spare_headers,
        }
    }

    /// Writes the record to the output, the same for all records of a batch.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "measured: what is here is run for every record, in one loop")]
    pub(crate) fn write(&mut self, out: &mut frame::Builder) -> Result<()> {
        let topic = self.topics.row(self.topic, out)?;
        let keeps_all = self.key.state == State::Kept && self.value.state == State::Kept;
        if keeps_all && self.headers.keeps_input && self.headers.spans.is_empty() {
            // Steps that look at topics only are worth a way of their own.
            out.push(&Entry {
                flags: self.flags(Flags::KEEP_KEY, Flags::KEEP_VALUE, Flags::KEEP_HEADERS),
                ..self.entry(topic)
            });
            return Ok(());
        }
        self.write_changed(topic, out)
    }

    #[inline(never)]
    fn write_changed(&self, topic: u16, out: &mut frame::Builder) -> Result<()> {
        let n_headers = u16::try_from(self.headers.spans.len())
            .map_err(|_| Error::bad_record("a record cannot have more than 65535 headers"))?;
        let (key, key_schema, keep_key) = self.write_part(Part::Key, Flags::KEEP_KEY, out);
        let (value, value_schema, keep_value) = self.write_part(Part::Value, Flags::KEEP_VALUE, out);
        let mut headers = Span { at: 0, len: 0 };
        for header in self.headers.own() {
            out.header(&mut headers, header.key, header.schema, header.value);
        }
        let keep_headers = if self.headers.keeps_input { Flags::KEEP_HEADERS } else { Flags::default() };
        let flags = self.flags(keep_key, keep_value, keep_headers);
        out.push(&Entry {
            flags,
            key,
            key_schema,
            value,
            value_schema,
            headers,
            n_headers,
            ..self.entry(topic)
        });
        Ok(())
    }

    /// What an entry says of the key or value.
    fn write_part(&self, part: Part, keep: Flags, out: &mut frame::Builder) -> (Span, SchemaId, Flags) {
        let slot = self.slot(part);
        match slot.state {
            State::Kept => (Span::NULL, 0, keep),
            State::Renamed | State::Null | State::Own => {
                (out.put_option(self.get(part)), slot.schema, Flags::default())
            }
        }
    }

    #[inline]
    fn flags(&self, key: Flags, value: Flags, headers: Flags) -> Flags {
        Flags(self.input.flags().0 & Flags::LOG_APPEND_TIME.0).with(key).with(value).with(headers)
    }

    /// What every output says.
    #[inline]
    const fn entry(&self, topic: u16) -> Entry {
        Entry {
            src: Some(self.index),
            timestamp: self.timestamp,
            partition: self.partition,
            ..Entry::new(topic)
        }
    }
}

/// The buffers of a record, kept for the next batch.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Headers,
    spare: Vec<u8>,
    spare_headers: Headers,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// As the worker has it, and not sent back.
    #[default]
    Kept,
    /// The worker's bytes under another schema.
    Renamed,
    Null,
    /// In the slot's own buffer.
    Own,
}

#[derive(Debug, Default)]
struct Slot {
    state: State,
    /// Means nothing while the slot is kept.
    schema: SchemaId,
    own: Vec<u8>,
}

/// Headers of the input, unless a step has removed some, then those that the steps added.
#[derive(Debug)]
struct Headers {
    keeps_input: bool,
    bytes: Vec<u8>,
    spans: Vec<OwnHeader>,
}

/// Key and value lie one behind the other in `Headers::bytes`.
#[derive(Clone, Copy, Debug)]
struct OwnHeader {
    at: usize,
    key_len: usize,
    value_len: Option<usize>,
    schema: SchemaId,
}

impl Default for Headers {
    fn default() -> Self {
        Self { keeps_input: true, bytes: Vec::new(), spans: Vec::new() }
    }
}

impl Headers {
    fn reset(&mut self) {
        self.keeps_input = true;
        self.bytes.clear();
        self.spans.clear();
    }

    fn push(&mut self, header: Header<'_>) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(header.key.as_bytes());
        self.bytes.extend_from_slice(header.value.unwrap_or_default());
        self.spans.push(OwnHeader {
            at,
            key_len: header.key.len(),
            value_len: header.value.map(<[u8]>::len),
            schema: header.schema,
        });
    }

    const fn len(&self) -> (usize, usize) {
        (self.bytes.len(), self.spans.len())
    }

    fn truncate(&mut self, (bytes, spans): (usize, usize)) {
        self.bytes.truncate(bytes);
        self.spans.truncate(spans);
    }

    fn own(&self) -> impl Iterator<Item = Header<'_>> {
        self.spans.iter().filter_map(|span| {
            let value_at = span.at + span.key_len;
            Some(Header {
                key: std::str::from_utf8(self.bytes.get(span.at..value_at)?).ok()?,
                schema: span.schema,
                value: match span.value_len {
                    None => None,
                    Some(len) => Some(self.bytes.get(value_at..value_at + len)?),
                },
            })
        })
    }
}
