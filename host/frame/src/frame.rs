//! Reading a frame: everything is checked once in [`Frame::parse`], nothing is copied.

use std::fmt;

use crate::{ENTRY_BYTES, Entry, EntryRef, Flags, HEAD_BYTES, MAGIC, NONE, Position, SchemaId, Span, rows};

/// Why some bytes are not a frame. Names what is wrong and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Shorter than a head.
    Short,
    /// Another magic: another layout version, or not a frame at all.
    Magic([u8; 4]),
    /// The head's total is not the number of bytes.
    Total {
        /// As the head says.
        said: u32,
        /// As handed over.
        is: usize,
    },
    /// The named region lies outside the frame.
    Region(&'static str),
    /// A table row lies outside the heap or is not UTF-8.
    Row(&'static str, u32),
    /// More rows than an entry can name.
    TableFull,
    /// The named part of a record is wrong.
    Record {
        /// Position in the frame.
        index: u32,
        /// Which part.
        part: &'static str,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "the frame is shorter than its head of {HEAD_BYTES} bytes"),
            Self::Magic(magic) => write!(f, "the frame starts with {magic:02x?} instead of CDF1"),
            Self::Total { said, is } => write!(f, "the frame says it has {said} bytes and has {is}"),
            Self::Region(region) => write!(f, "the {region} would reach outside the frame"),
            Self::Row(table, row) => write!(f, "row {row} of the {table} is outside the heap or not UTF-8"),
            Self::TableFull => write!(f, "more topics or source partitions than one frame can name"),
            Self::Record { index, part } => write!(f, "record {index} has a bad {part}"),
        }
    }
}

impl std::error::Error for Invalid {}

/// A checked frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    entries: &'a [[u8; ENTRY_BYTES]],
    heap: &'a [u8],
    topics: Table<'a>,
    source_partitions: Table<'a>,
}

#[derive(Clone, Copy, Debug)]
struct Table<'a>(&'a [[u8; 8]]);

impl<'a> Table<'a> {
    fn span(self, index: usize) -> Option<Span> {
        let [a, b, c, d, e, f, g, h] = *self.0.get(index)?;
        Some(Span { at: u32::from_le_bytes([a, b, c, d]), len: u32::from_le_bytes([e, f, g, h]) })
    }
}

impl<'a> Frame<'a> {
    /// Checks `bytes` and reads them as a frame. No bytes at all are a frame without records.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Invalid> {
        Self::parse_with(bytes, |_, _| Ok(()))
    }

    /// As [`Frame::parse`], and lets `check` look at the fixed part of each record in the same pass, once it
    /// is known to be sound.
    ///
    /// # Errors
    /// The first thing that is wrong, or what `check` answered.
    #[inline]
    pub fn parse_with<E: From<Invalid>>(
        bytes: &'a [u8],
        mut check: impl FnMut(usize, EntryRef<'a>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let frame = Self::trust(bytes)?;
        frame.check_table("topics", frame.topics)?;
        frame.check_table("source partitions", frame.source_partitions)?;
        for (index, entry) in frame.entries().enumerate() {
            frame.check_entry(entry).map_err(|part| Invalid::Record { index: index as u32, part })?;
            check(index, entry)?;
        }
        Ok(frame)
    }

    /// As [`Frame::parse`], but checks the head only: for a frame that this process built or checked
    /// before. Of a damaged frame the accessors answer empty or null, never anything outside it.
    ///
    /// # Errors
    /// A bad head.
    pub fn trust(bytes: &'a [u8]) -> Result<Self, Invalid> {
        if bytes.is_empty() {
            let empty = Table(&[]);
            return Ok(Self { entries: &[], heap: &[], topics: empty, source_partitions: empty });
        }
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk().ok_or(Invalid::Short)?;
        let (magic, words) = head.split_first_chunk::<4>().ok_or(Invalid::Short)?;
        if *magic != MAGIC {
            return Err(Invalid::Magic(*magic));
        }
        let mut words = words.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or_default();
        let (total, count) = (word(), word());
        let (n_topics, topics_at, n_partitions, partitions_at) = (word(), word(), word(), word());
        let (entries_at, heap_at, heap_len) = (word(), word(), word());
        if total as usize != bytes.len() {
            return Err(Invalid::Total { said: total, is: bytes.len() });
        }
        if n_topics as usize > crate::TABLE_ROWS_MAX || n_partitions as usize > crate::TABLE_ROWS_MAX {
            return Err(Invalid::TableFull);
        }
        Ok(Self {
            entries: region(bytes, entries_at, count).ok_or(Invalid::Region("entries"))?,
            heap: slice(bytes, heap_at, heap_len).ok_or(Invalid::Region("heap"))?,
            topics: Table(region(bytes, topics_at, n_topics).ok_or(Invalid::Region("topics"))?),
            source_partitions: Table(
                region(bytes, partitions_at, n_partitions).ok_or(Invalid::Region("source partitions"))?,
            ),
        })
    }

    /// The frame without records.
    pub const EMPTY: Self =
        Self { entries: &[], heap: &[], topics: Table(&[]), source_partitions: Table(&[]) };

    /// Changes the fixed parts of the records in place, for a frame that this process built or
    /// checked before. Spans and indexes that `edit` sets must lie in the frame.
    pub fn edit(bytes: &mut [u8], mut edit: impl FnMut(usize, &mut Entry)) {
        let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let (Some(count), Some(at)) = (word(8), word(28)) else { return };
        let entries = bytes.get_mut(at as usize..).unwrap_or_default().as_chunks_mut().0;
        for (index, slot) in entries.iter_mut().take(count as usize).enumerate() {
            let mut entry = Entry::from_bytes(slot);
            edit(index, &mut entry);
            *slot = entry.to_bytes();
        }
    }

    /// Number of records.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The record at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Record<'a>> {
        self.entries.get(index).map(|bytes| Record { frame: *self, entry: Entry::from_bytes(bytes) })
    }

    /// All records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'a>> + use<'a> {
        let frame = *self;
        self.entries.iter().map(move |bytes| Record { frame, entry: Entry::from_bytes(bytes) })
    }

    /// The fixed parts of all records in order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = EntryRef<'a>> + use<'a> {
        self.entries.iter().map(EntryRef)
    }

    /// The headers of the record whose fixed part is `entry`.
    #[must_use]
    pub fn headers(&self, entry: EntryRef<'_>) -> Headers<'a> {
        Headers { rest: self.bytes(entry.headers()).unwrap_or_default(), left: entry.n_headers() }
    }

    /// Number of rows of the topic table.
    #[must_use]
    pub const fn n_topics(&self) -> usize {
        self.topics.0.len()
    }

    /// Name of the topic at `index` of the topic table.
    #[must_use]
    pub fn topic(&self, index: u16) -> Option<&'a str> {
        self.text(self.topics.span(index.into())?)
    }

    /// Number of rows of the source partition table.
    #[must_use]
    pub const fn n_source_partitions(&self) -> usize {
        self.source_partitions.0.len()
    }

    /// JSON text of the source partition at `index` of its table.
    #[must_use]
    pub fn source_partition(&self, index: u16) -> Option<&'a str> {
        self.text(self.source_partitions.span(index.into())?)
    }

    /// The heap: what [`Span`]s point into.
    #[must_use]
    pub const fn heap(&self) -> &'a [u8] {
        self.heap
    }

    /// The bytes of `span`; none for null and for a span outside the heap.
    #[must_use]
    pub fn bytes(&self, span: Span) -> Option<&'a [u8]> {
        if span.is_null() { None } else { slice(self.heap, span.at, span.len) }
    }

    /// The text of `span`; none for null, for a span outside the heap and for what is not UTF-8.
    #[must_use]
    pub fn text(&self, span: Span) -> Option<&'a str> {
        rows::text(self.bytes(span)?)
    }

    fn check_table(&self, name: &'static str, table: Table<'a>) -> Result<(), Invalid> {
        for row in 0..table.0.len() {
            table.span(row).and_then(|span| self.text(span)).ok_or(Invalid::Row(name, row as u32))?;
        }
        Ok(())
    }

    #[inline]
    fn check_entry(&self, entry: EntryRef<'_>) -> Result<(), &'static str> {
        let inside = |span: Span| span.is_null() || slice(self.heap, span.at, span.len).is_some();
        let keeps = Flags::KEEP_KEY.with(Flags::KEEP_VALUE).with(Flags::KEEP_HEADERS).0;
        let flags = entry.flags().0;
        if usize::from(entry.topic()) >= self.topics.0.len() {
            return Err("topic");
        }
        if flags & !Flags::ALL != 0 {
            return Err("set of flags");
        }
        if flags & keeps != 0 && entry.src().is_none() {
            return Err("source record: it keeps something of none");
        }
        if !inside(entry.key()) {
            return Err("key");
        }
        if !inside(entry.value()) {
            return Err("value");
        }
        if let Position::Source(span) = entry.position()
            && (span.is_null() || self.text(span).is_none())
        {
            return Err("source offset");
        }
        if entry.source_partition().is_some_and(|index| usize::from(index) >= self.source_partitions.0.len())
        {
            return Err("source partition");
        }
        if entry.n_headers() > 0 {
            let block = self.bytes(entry.headers()).ok_or("header block")?;
            let mut headers = Headers { rest: block, left: entry.n_headers() };
            while headers.left > 0 {
                headers.step().ok_or("header")?;
            }
        }
        Ok(())
    }
}

/// One record of a checked frame.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    frame: Frame<'a>,
    /// The record's fixed part.
    pub entry: Entry,
}

impl<'a> Record<'a> {
    /// Name of the topic.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.frame.topic(self.entry.topic).unwrap_or_default()
    }

    /// The key's bytes; none = null.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.frame.bytes(self.entry.key)
    }

    /// The value's bytes; none = null.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.frame.bytes(self.entry.value)
    }

    /// The headers in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers { rest: self.frame.bytes(self.entry.headers).unwrap_or_default(), left: self.entry.n_headers }
    }

    /// JSON text of the source partition.
    #[must_use]
    pub fn source_partition(&self) -> Option<&'a str> {
        self.frame.source_partition(self.entry.source_partition?)
    }

    /// JSON text of the source offset.
    #[must_use]
    pub fn source_offset(&self) -> Option<&'a str> {
        match self.entry.position {
            Position::Source(span) => self.frame.text(span),
            Position::None | Position::Kafka(_) => None,
        }
    }

    /// The Kafka offset.
    #[must_use]
    pub const fn kafka_offset(&self) -> Option<i64> {
        match self.entry.position {
            Position::Kafka(offset) => Some(offset),
            Position::None | Position::Source(_) => None,
        }
    }
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Name; duplicates are allowed.
    pub key: &'a str,
    /// Schema of the value; 0 = none.
    pub schema: SchemaId,
    /// The value; none = null.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record in order.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: u16,
}

impl<'a> Headers<'a> {
    fn step(&mut self) -> Option<Header<'a>> {
        let (key_len, rest) = self.rest.split_first_chunk()?;
        let (schema, rest) = rest.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*key_len).into())?;
        let (value, rest) = match u32::from_le_bytes(*value_len) {
            NONE => (None, rest),
            len => rest.split_at_checked(len as usize).map(|(value, rest)| (Some(value), rest))?,
        };
        let key = std::str::from_utf8(key).ok()?;
        self.rest = rest;
        self.left -= 1;
        Some(Header { key, schema: u32::from_le_bytes(*schema), value })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.left == 0 { None } else { self.step() }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

impl ExactSizeIterator for Headers<'_> {}

fn slice(bytes: &[u8], at: u32, len: u32) -> Option<&[u8]> {
    bytes.get(at as usize..(at as usize).checked_add(len as usize)?)
}

fn region<const N: usize>(bytes: &[u8], at: u32, count: u32) -> Option<&[[u8; N]]> {
    let len = (count as usize).checked_mul(N)?;
    let region = bytes.get(at as usize..(at as usize).checked_add(len)?)?;
    Some(region.as_chunks().0)
}
