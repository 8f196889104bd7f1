//! The record that a chain of transforms works on: what nobody touches stays where the worker has
//! it, what a step writes lies in a buffer that the next record reuses.

use std::mem;

use cofferdam_frame::{self as frame, Entry, Flags, Frame, Header, Position, Span};

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
    /// Position in the frame.
    index: u32,
    entry: Entry,
    input_topic: &'a str,
    topic_changed: bool,
    topic: String,
    /// Where the output has `topic`, once a record was written with it.
    topic_row: Option<u16>,
    partition: Option<i32>,
    timestamp: Option<i64>,
    key: Slot<'a>,
    value: Slot<'a>,
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
        if self.topic_changed { &self.topic } else { self.input_topic }
    }

    /// Whether the topic is `name`; for steps that ask so for every record.
    #[must_use]
    pub fn topic_is(&self, name: &str) -> bool {
        same(self.topic(), name)
    }

    /// Sends the record to `topic`.
    pub fn set_topic(&mut self, topic: &str) {
        // Mostly the record before this one went to the same topic.
        if !same(&self.topic, topic) {
            topic.clone_into(&mut self.topic);
            self.topic_row = None;
        }
        self.topic_changed = true;
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
    pub const fn kafka_offset(&self) -> Option<i64> {
        match self.entry.position {
            Position::Kafka(offset) => Some(offset),
            Position::None | Position::Source(_) => None,
        }
    }

    /// The source partition, of a source's record: a JSON object.
    #[must_use]
    pub fn source_partition(&self) -> Option<&'a str> {
        self.input()?.source_partition()
    }

    /// The source offset, of a source's record: a JSON object.
    #[must_use]
    pub fn source_offset(&self) -> Option<&'a str> {
        self.input()?.source_offset()
    }

    /// The key's bytes; none = null.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.key.bytes()
    }

    /// Schema of the key; 0 = none.
    #[must_use]
    pub const fn key_schema(&self) -> SchemaId {
        self.key.schema
    }

    /// The value's bytes; none = null.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.bytes()
    }

    /// Schema of the value; 0 = none.
    #[must_use]
    pub const fn value_schema(&self) -> SchemaId {
        self.value.schema
    }

    /// Bytes of the key or value; none = null.
    #[must_use]
    pub fn get(&self, part: Part) -> Option<&[u8]> {
        self.slot(part).bytes()
    }

    /// Schema of the key or value; 0 = none.
    #[must_use]
    pub const fn schema(&self, part: Part) -> SchemaId {
        self.slot(part).schema
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
    pub const fn set_schema(&mut self, part: Part, schema: SchemaId) {
        self.slot_mut(part).schema = schema;
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
        let kept = self.input().filter(|_| self.headers.keeps_input).map(|input| input.headers());
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

    /// The record as the worker handed it over.
    fn input(&self) -> Option<frame::Record<'a>> {
        self.frame.get(self.index as usize)
    }

    const fn slot(&self, part: Part) -> &Slot<'a> {
        match part {
            Part::Key => &self.key,
            Part::Value => &self.value,
        }
    }

    const fn slot_mut(&mut self, part: Part) -> &mut Slot<'a> {
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
    /// A record of `frame`; [`Record::load`] says which.
    pub(crate) fn new(frame: Frame<'a>, buffers: Buffers) -> Self {
        let Buffers { topic, key, value, headers, spare, spare_headers } = buffers;
        Self {
            frame,
            index: 0,
            entry: Entry::new(0),
            input_topic: "",
            topic_changed: false,
            topic,
            topic_row: None,
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
    pub(crate) fn load(&mut self, index: u32, input: frame::Record<'a>, topics: &Topics<'a>) {
        self.index = index;
        self.entry = input.entry;
        self.input_topic = topics.name(input.entry.topic);
        self.topic_changed = false;
        self.partition = input.entry.partition;
        self.timestamp = input.entry.timestamp;
        self.key.load(input.key(), input.entry.key_schema);
        self.value.load(input.value(), input.entry.value_schema);
        self.headers.reset();
    }

    pub(crate) fn into_buffers(self) -> Buffers {
        Buffers {
            topic: self.topic,
            key: self.key.own,
            value: self.value.own,
            headers: self.headers,
            spare: self.spare,
            spare_headers: self.spare_headers,
        }
    }

    /// Writes the record to the output, the same for all records of a batch.
    #[inline]
    pub(crate) fn write(&mut self, topics: &mut Topics<'_>, out: &mut frame::Builder) -> Result<()> {
        let topic = match self.topic_row {
            _ if !self.topic_changed => topics.kept(self.entry.topic, out)?,
            Some(row) => row,
            None => {
                let row = out.topic(&self.topic).map_err(|error| Error::fatal(error.to_string()))?;
                self.topic_row = Some(row);
                row
            }
        };
        let mut entry = Entry {
            src: Some(self.index),
            timestamp: self.timestamp,
            partition: self.partition,
            flags: Flags(self.entry.flags.0 & Flags::LOG_APPEND_TIME.0),
            ..Entry::new(topic)
        };
        self.key.write(Flags::KEEP_KEY, &mut entry.flags, out, |span, schema| {
            entry.key = span;
            entry.key_schema = schema;
        });
        self.value.write(Flags::KEEP_VALUE, &mut entry.flags, out, |span, schema| {
            entry.value = span;
            entry.value_schema = schema;
        });
        if self.headers.keeps_input {
            entry.flags = entry.flags.with(Flags::KEEP_HEADERS);
        }
        entry.n_headers = u16::try_from(self.headers.spans.len())
            .map_err(|_| Error::bad_record("a record cannot have more than 65535 headers"))?;
        for header in self.headers.own() {
            out.header(&mut entry.headers, header.key, header.schema, header.value);
        }
        out.push(&entry);
        Ok(())
    }
}

/// Whether two short texts are equal: eight bytes at a time, where the comparison that wasm programs are
/// linked with goes byte by byte.
fn same(one: &str, other: &str) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (one, one_rest) = one.as_bytes().as_chunks::<8>();
    let (other, other_rest) = other.as_bytes().as_chunks::<8>();
    let pairs = one.iter().zip(other);
    let words_differ = pairs
        .fold(0, |differ, (one, other)| differ | (u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other)));
    let rest = one_rest.iter().zip(other_rest);
    words_differ == 0 && rest.fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

/// The buffers of a record, kept for the next batch.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    topic: String,
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Headers,
    spare: Vec<u8>,
    spare_headers: Headers,
}

/// The topics of the input frame, and where the output frame has them.
#[derive(Debug)]
pub(crate) struct Topics<'a> {
    names: Vec<&'a str>,
    rows: Vec<Option<u16>>,
}

impl<'a> Topics<'a> {
    pub(crate) fn of(frame: &Frame<'a>) -> Self {
        let names: Vec<_> =
            (0..frame.n_topics()).map(|row| frame.topic(row as u16).unwrap_or_default()).collect();
        Self { rows: vec![None; names.len()], names }
    }

    pub(crate) fn name(&self, row: u16) -> &'a str {
        self.names.get(usize::from(row)).copied().unwrap_or_default()
    }

    fn kept(&mut self, row: u16, out: &mut frame::Builder) -> Result<u16> {
        if let Some(Some(known)) = self.rows.get(usize::from(row)) {
            return Ok(*known);
        }
        let index = out.topic(self.name(row)).map_err(|error| Error::fatal(error.to_string()))?;
        if let Some(slot) = self.rows.get_mut(usize::from(row)) {
            *slot = Some(index);
        }
        Ok(index)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// As the worker has it.
    #[default]
    Kept,
    Null,
    /// In the slot's own buffer.
    Own,
}

#[derive(Debug, Default)]
struct Slot<'a> {
    input: Option<&'a [u8]>,
    input_schema: SchemaId,
    state: State,
    schema: SchemaId,
    own: Vec<u8>,
}

impl<'a> Slot<'a> {
    fn load(&mut self, input: Option<&'a [u8]>, schema: SchemaId) {
        self.input = input;
        self.input_schema = schema;
        self.schema = schema;
        self.state = State::Kept;
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self.state {
            State::Kept => self.input,
            State::Null => None,
            State::Own => Some(&self.own),
        }
    }

    fn write(
        &self,
        keep: Flags,
        flags: &mut Flags,
        out: &mut frame::Builder,
        set: impl FnOnce(Span, SchemaId),
    ) {
        // Who keeps the bytes keeps the schema, so bytes under another schema have to be sent.
        if self.state == State::Kept && self.schema == self.input_schema {
            *flags = flags.with(keep);
            set(Span::NULL, self.schema);
        } else {
            set(out.put_option(self.bytes()), self.schema);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn texts_are_compared_whole() {
        let text = "shop-orders-of-a-day";
        for end in 0..=text.len() {
            let (one, other) = (text.get(..end).unwrap_or_default(), format!("{}X", &text[..end]));
            assert!(same(one, &one.to_owned()), "{one}");
            assert!(!same(one, &other), "{one}");
            assert!(!same(&format!("{one}Y"), &other), "{one}");
        }
    }
}
