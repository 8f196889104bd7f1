//! A batch on its way through a task: one frame, what the converters made of it, and for each record
//! the one it was made from.
//!
//! The frame is handed on, not taken apart: a stage that changes nothing copies nothing, one that
//! changes parts builds the next frame from the last. The first frame is kept, since offsets, dead
//! letters and log lines speak of the records as they came in.

use std::sync::Arc;

use cofferdam_converters::Format;
use cofferdam_frame::{Builder, Entry, Flags, Frame, Invalid, Position, Record, Span};

use crate::errors::Failed;

/// A batch of records.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    frame: Arc<Vec<u8>>,
    /// The frame as it came in; none while `frame` still is it.
    input: Option<Arc<Vec<u8>>>,
    /// For each record its place in the input; none while that is its own place.
    origins: Option<Vec<u32>>,
    /// How keys are laid out.
    pub(crate) key: Column,
    /// How values are laid out.
    pub(crate) value: Column,
    /// How values of headers are laid out.
    pub(crate) headers: Format,
    /// The record that nothing behind it can pass: it failed and failures are not tolerated. What
    /// was before it goes its way, then the task ends.
    pub(crate) ended_by: Option<Box<Failed>>,
}

/// How the keys or values of a batch are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// All alike.
    All(Format),
    /// Each in its own way: a transform that does not look at keys set some of them.
    Each(Vec<Format>),
}

impl Column {
    /// Layout of the record at `index`.
    pub(crate) fn of(&self, index: usize) -> Format {
        match self {
            Self::All(format) => *format,
            Self::Each(formats) => formats.get(index).copied().unwrap_or(Format::Raw),
        }
    }

    /// Whether all are laid out as `format`.
    pub(crate) fn is(&self, format: Format) -> bool {
        match self {
            Self::All(all) => *all == format,
            Self::Each(formats) => formats.iter().all(|each| *each == format),
        }
    }

    /// From the layouts of each record.
    pub(crate) fn collect(formats: Vec<Format>) -> Self {
        match formats.first() {
            Some(first) if formats.iter().all(|format| format == first) => Self::All(*first),
            None => Self::All(Format::Raw),
            Some(_) => Self::Each(formats),
        }
    }
}

/// Which parts of a record a plugin looks at, and how it wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Layout of keys, if it looks at them.
    pub(crate) key: Option<Format>,
    /// Layout of values, if it looks at them.
    pub(crate) value: Option<Format>,
    /// Layout of headers, if it looks at them.
    pub(crate) headers: Option<Format>,
}

impl Batch {
    /// A batch as it came in, checked by whoever took it.
    pub(crate) fn new(frame: Vec<u8>, key: Format, value: Format, headers: Format) -> Self {
        Self {
            frame: Arc::new(frame),
            input: None,
            origins: None,
            key: Column::All(key),
            value: Column::All(value),
            headers,
            ended_by: None,
        }
    }

    /// The records as they are now.
    pub(crate) fn frame(&self) -> Frame<'_> {
        read(&self.frame)
    }

    /// The bytes of [`Batch::frame`].
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.frame
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.frame().len()
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.frame().is_empty()
    }

    /// The records as they came in.
    pub(crate) fn input(&self) -> Frame<'_> {
        read(self.input.as_ref().unwrap_or(&self.frame))
    }

    /// Place in the input of the record that the one at `index` was made from.
    pub(crate) fn origin(&self, index: usize) -> u32 {
        match &self.origins {
            None => index as u32,
            Some(origins) => origins.get(index).copied().unwrap_or(u32::MAX),
        }
    }

    /// The same records with themselves as the input: to be brought into another form on the side.
    /// [`Batch::origin`] then answers places in this batch.
    pub(crate) fn detached(&self) -> Self {
        Self { input: None, origins: None, ended_by: None, ..self.clone() }
    }

    /// Cuts a batch that is still as it came in behind each of these records, which are in order; what is
    /// left comes last, unless that is nothing.
    pub(crate) fn cut_behind(self, ends: impl Iterator<Item = usize>) -> Vec<Self> {
        let all = Needs { key: Some(Format::Raw), value: Some(Format::Raw), headers: Some(Format::Raw) };
        let (n, mut from, mut parts) = (self.len(), 0, Vec::new());
        for to in ends.map(|end| end + 1).chain(std::iter::once(n)) {
            if to > from && to - from == n {
                return vec![self];
            }
            if to > from {
                let frame = select(self.frame(), &all, from..to);
                parts.push(Self { frame: Arc::new(frame), ..self.detached() });
                from = to;
            }
        }
        parts
    }

    /// Goes on with `frame`, whose record `i` was made from record `from[i]` of this one.
    pub(crate) fn replace(&mut self, frame: Vec<u8>, from: &[u32]) {
        for column in [&mut self.key, &mut self.value] {
            if let Column::Each(_) = column {
                *column = Column::collect(from.iter().map(|index| column.of(*index as usize)).collect());
            }
        }
        let origins = from.iter().map(|index| self.origin(*index as usize)).collect();
        let last = std::mem::replace(&mut self.frame, Arc::new(frame));
        self.input.get_or_insert(last);
        self.origins = Some(origins);
    }

    /// Changes the fixed parts of records in place. What [`Batch::input`] tells of them must not
    /// depend on it: schemas may be changed so, nothing else.
    pub(crate) fn edit(&mut self, mut edit: impl FnMut(usize, &mut Entry)) {
        let bytes: &mut Vec<u8> = Arc::make_mut(&mut self.frame);
        Frame::edit(bytes, &mut edit);
    }

    /// Leaves out the records for which `keep` answers no.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize, Record<'_>) -> bool) {
        let kept: Vec<u32> = (0_u32..)
            .zip(self.frame().iter())
            .filter(|(index, record)| keep(*index as usize, *record))
            .map(|(index, _)| index)
            .collect();
        if kept.len() == self.len() {
            return;
        }
        let mut rebuild = Rebuild::sharing(self.frame());
        for record in kept.iter().filter_map(|index| self.frame().get(*index as usize)) {
            rebuild.keep(&record);
        }
        let frame = rebuild.out.finish();
        self.replace(frame, &kept);
    }

    /// Cuts off what was made from the input record at `failed` and behind it.
    pub(crate) fn end_before(&mut self, failed: Failed) {
        if self.ended_by.as_ref().is_some_and(|earlier| earlier.origin <= failed.origin) {
            return;
        }
        let origins: Vec<u32> = (0..self.len()).map(|index| self.origin(index)).collect();
        self.retain(|index, _| origins.get(index).is_some_and(|origin| *origin < failed.origin));
        self.ended_by = Some(Box::new(failed));
    }

    /// What is handed to a plugin: parts that it never looks at are left out. Answers the frame
    /// itself where there is nothing to leave out.
    pub(crate) fn view(&self, needs: &Needs) -> Arc<Vec<u8>> {
        let frame = self.frame();
        let unneeded = |record: &Record<'_>| {
            (needs.key.is_none() && !record.entry.key.is_null())
                || (needs.value.is_none() && !record.entry.value.is_null())
                || (needs.headers.is_none() && record.entry.n_headers > 0)
        };
        if !frame.iter().any(|record| unneeded(&record)) {
            return Arc::clone(&self.frame);
        }
        Arc::new(select(frame, needs, 0..frame.len()))
    }

    /// As [`Batch::view`], of the records at `indexes` only.
    pub(crate) fn view_of(&self, needs: &Needs, indexes: &[u32]) -> Arc<Vec<u8>> {
        if indexes.len() == self.len() {
            return self.view(needs);
        }
        Arc::new(select(self.frame(), needs, indexes.iter().map(|index| *index as usize)))
    }
}

fn select(frame: Frame<'_>, needs: &Needs, indexes: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut rebuild = Rebuild::copying(frame);
    for record in indexes.filter_map(|index| frame.get(index)) {
        let mut entry = rebuild.base(&record);
        if needs.key.is_some() {
            rebuild.copy_key(&mut entry, &record);
        }
        if needs.value.is_some() {
            rebuild.copy_value(&mut entry, &record);
        }
        if needs.headers.is_some() {
            rebuild.copy_headers(&mut entry, &record);
        }
        rebuild.out.push(&entry);
    }
    rebuild.out.finish()
}

/// Every frame of a batch was built here or checked when it came in.
fn read(bytes: &[u8]) -> Frame<'_> {
    Frame::trust(bytes).unwrap_or(Frame::EMPTY)
}

/// Builds a frame out of parts of another.
pub(crate) struct Rebuild<'a> {
    old: Frame<'a>,
    /// What is being built.
    pub(crate) out: Builder,
    /// New indexes of the old tables' rows.
    topics: Vec<Option<u16>>,
    source_partitions: Vec<Option<u16>>,
    /// The old heap lies at the start of the new one, so old spans hold.
    shares: bool,
}

impl<'a> Rebuild<'a> {
    /// Takes the old heap over as a whole: cheap where most of it stays in use.
    pub(crate) fn sharing(old: Frame<'a>) -> Self {
        let mut rebuild = Self::with_heap(old, old.heap().len());
        rebuild.out.put(old.heap());
        rebuild.shares = true;
        rebuild
    }

    /// Copies part by part, so that nothing unused is carried along.
    pub(crate) fn copying(old: Frame<'a>) -> Self {
        Self::with_heap(old, old.heap().len() / 2)
    }

    fn with_heap(old: Frame<'a>, n_bytes: usize) -> Self {
        Self {
            old,
            out: Builder::with_capacity(old.len(), n_bytes),
            topics: vec![None; old.n_topics()],
            source_partitions: vec![None; old.n_source_partitions()],
            shares: false,
        }
    }

    /// A record with everything but key, value and headers.
    pub(crate) fn base(&mut self, record: &Record<'a>) -> Entry {
        let mut entry = Entry::new(self.topic(record));
        let log_append_time = record.entry.flags.has(Flags::LOG_APPEND_TIME);
        entry.flags = if log_append_time { Flags::LOG_APPEND_TIME } else { Flags::default() };
        entry.timestamp = record.entry.timestamp;
        entry.partition = record.entry.partition;
        self.copy_position(&mut entry, record);
        entry
    }

    /// Where a record comes from: its position and source partition.
    pub(crate) fn copy_position(&mut self, entry: &mut Entry, record: &Record<'a>) {
        entry.position = match record.entry.position {
            Position::Source(span) => Position::Source(self.span(span)),
            position @ (Position::None | Position::Kafka(_)) => position,
        };
        entry.source_partition = record.entry.source_partition.and_then(|index| self.source_partition(index));
    }

    pub(crate) fn copy_key(&mut self, entry: &mut Entry, record: &Record<'a>) {
        entry.key = self.span(record.entry.key);
        entry.key_schema = record.entry.key_schema;
    }

    pub(crate) fn copy_value(&mut self, entry: &mut Entry, record: &Record<'a>) {
        entry.value = self.span(record.entry.value);
        entry.value_schema = record.entry.value_schema;
    }

    pub(crate) fn copy_headers(&mut self, entry: &mut Entry, record: &Record<'a>) {
        entry.n_headers = record.entry.n_headers;
        if entry.n_headers > 0 {
            entry.headers = self.span(record.entry.headers);
        }
    }

    /// Adds a record as it was.
    pub(crate) fn keep(&mut self, record: &Record<'a>) {
        let mut entry = self.base(record);
        self.copy_key(&mut entry, record);
        self.copy_value(&mut entry, record);
        self.copy_headers(&mut entry, record);
        self.out.push(&entry);
    }

    /// Index of `name` in the new topic table.
    pub(crate) fn topic_named(&mut self, name: &str) -> Result<u16, Invalid> {
        self.out.topic(name)
    }

    fn span(&mut self, span: Span) -> Span {
        if self.shares { span } else { self.out.put_option(self.old.bytes(span)) }
    }

    fn topic(&mut self, record: &Record<'a>) -> u16 {
        let slot = self.topics.get_mut(usize::from(record.entry.topic));
        if let Some(Some(index)) = slot {
            return *index;
        }
        // A part of a table that fitted fits.
        let index = self.out.topic(record.topic()).unwrap_or_default();
        if let Some(slot) = slot {
            *slot = Some(index);
        }
        index
    }

    fn source_partition(&mut self, old: u16) -> Option<u16> {
        if let Some(Some(index)) = self.source_partitions.get(usize::from(old)) {
            return Some(*index);
        }
        let index = self.out.source_partition(self.old.source_partition(old)?).ok()?;
        if let Some(slot) = self.source_partitions.get_mut(usize::from(old)) {
            *slot = Some(index);
        }
        Some(index)
    }
}

/// Whether Kafka takes `name` as the name of a topic (`Topic.validate`); if not, why.
pub(crate) fn check_topic(name: &str) -> Result<(), String> {
    const LEN_MAX: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Err("Topic name is invalid: the empty string is not allowed".to_owned()),
        "." | ".." => Err(format!("Topic name is invalid: '{name}' is not allowed")),
        _ if name.len() > LEN_MAX => Err(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length {LEN_MAX}"
        )),
        _ if !name.chars().all(legal) => Err(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::errors::{DATA, Exception};
    use crate::stage::Stage;

    fn batch(n: usize) -> Batch {
        let mut out = Builder::default();
        for index in 0..n {
            let mut entry = Entry::new(out.topic(if index % 2 == 0 { "even" } else { "odd" }).unwrap());
            entry.key = out.put(format!("k{index}").as_bytes());
            entry.value = out.put(format!("v{index}").as_bytes());
            let mut block = Span { at: 0, len: 0 };
            out.header(&mut block, "h", 0, Some(b"x"));
            entry.headers = block;
            entry.n_headers = 1;
            entry.source_partition = Some(out.source_partition("{\"p\":1}").unwrap());
            entry.position = Position::Source(out.put(format!("{{\"o\":{index}}}").as_bytes()));
            entry.partition = Some(3);
            entry.timestamp = Some(index as i64);
            out.push(&entry);
        }
        Batch::new(out.finish(), Format::Raw, Format::Raw, Format::Raw)
    }

    fn failed(origin: u32) -> Failed {
        Failed {
            origin,
            stage: Stage::ValueConverter,
            class: "c".into(),
            exception: Exception::new(DATA, "m"),
        }
    }

    #[test]
    fn a_batch_is_cut_behind_records() {
        for (ends, parts) in [
            (vec![], vec!["k0k1k2k3"]),
            (vec![3], vec!["k0k1k2k3"]),
            (vec![0, 2], vec!["k0", "k1k2", "k3"]),
            (vec![1, 3], vec!["k0k1", "k2k3"]),
        ] {
            let cut = batch(4).cut_behind(ends.into_iter());
            assert_eq!(cut.iter().map(|part| keys(part.frame()).concat()).collect::<Vec<_>>(), parts);
            let offsets: Vec<&str> = cut
                .iter()
                .flat_map(|part| part.input().iter().map(|record| record.source_offset().unwrap()))
                .collect();
            assert_eq!(offsets, ["{\"o\":0}", "{\"o\":1}", "{\"o\":2}", "{\"o\":3}"]);
        }
    }

    fn keys(frame: Frame<'_>) -> Vec<String> {
        frame.iter().map(|record| String::from_utf8(record.key().unwrap().to_vec()).unwrap()).collect()
    }

    #[test]
    fn what_is_left_out_leaves_the_rest_as_it_was() {
        let mut batch = batch(5);
        batch.retain(|index, _| index % 2 == 1);
        batch.retain(|index, _| index == 1);
        assert_eq!(keys(batch.frame()), ["k3"]);
        assert_eq!(batch.origin(0), 3);
        let record = batch.frame().get(0).unwrap();
        assert_eq!((record.topic(), record.value()), ("odd", Some(&b"v3"[..])));
        assert_eq!(
            (record.source_partition(), record.source_offset()),
            (Some("{\"p\":1}"), Some("{\"o\":3}"))
        );
        assert_eq!((record.entry.partition, record.entry.timestamp), (Some(3), Some(3)));
        assert_eq!(record.headers().next().unwrap().value, Some(&b"x"[..]));
        assert_eq!(keys(batch.input()), ["k0", "k1", "k2", "k3", "k4"]);
        Frame::parse(batch.bytes()).unwrap();
    }

    #[test]
    fn a_batch_ends_before_the_first_untolerated_failure() {
        let mut batch = batch(6);
        batch.end_before(failed(4));
        batch.end_before(failed(5));
        batch.end_before(failed(2));
        assert_eq!(keys(batch.frame()), ["k0", "k1"]);
        assert_eq!(batch.ended_by.unwrap().origin, 2);
    }

    #[test]
    fn a_view_leaves_out_what_the_plugin_never_looks_at() {
        let batch = batch(3);
        let all = Needs { key: Some(Format::Raw), value: Some(Format::Raw), headers: Some(Format::Raw) };
        assert!(Arc::ptr_eq(&batch.view(&all), &batch.frame));
        let needs = Needs { value: None, ..all };
        let view = batch.view(&needs);
        let frame = Frame::parse(&view).unwrap();
        assert_eq!(keys(frame), ["k0", "k1", "k2"]);
        assert!(frame.iter().all(|record| record.value().is_none()));
        assert!(frame.heap().len() < batch.frame().heap().len());
        assert_eq!(keys(Frame::parse(&batch.view_of(&all, &[2])).unwrap()), ["k2"]);
    }

    #[test]
    fn topics_are_named_as_kafka_allows() {
        for name in ["a", "A.b_c-1", &"x".repeat(249)] {
            assert_eq!(check_topic(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(check_topic(name).is_err(), "{name}");
        }
    }
}
