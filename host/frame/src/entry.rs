//! One record's fixed part: 64 bytes that say where its key, value and headers lie in the heap.

use crate::{ENTRY_BYTES, NONE, SchemaId};

/// Where some bytes lie in a frame's heap, or that there are none (null).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset in the heap, in bytes.
    pub at: u32,
    /// Length in bytes; [`NONE`] = null.
    pub len: u32,
}

impl Span {
    /// The null span.
    pub const NULL: Self = Self { at: 0, len: NONE };

    /// Whether this stands for null.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.len == NONE
    }
}

/// Bits of an entry's `flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// The key is that of the record named by `src`.
    pub const KEEP_KEY: Self = Self(1);
    /// The value is that of the record named by `src`.
    pub const KEEP_VALUE: Self = Self(2);
    /// The headers are those of the record named by `src`; own headers follow them.
    pub const KEEP_HEADERS: Self = Self(4);
    /// The timestamp is log-append time.
    pub const LOG_APPEND_TIME: Self = Self(8);
    /// The position is the span of a source offset, not a Kafka offset.
    pub const SOURCE_OFFSET: Self = Self(16);
    /// Every bit that means something.
    pub(crate) const ALL: u16 = 31;

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Where a record stands in what it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Unknown: a record of a source that keeps no offsets.
    None,
    /// Sink side: the Kafka offset.
    Kafka(i64),
    /// Source side: JSON text of the source offset, in the heap.
    Source(Span),
}

/// One record's fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Output of a transform: the input record this one comes from.
    pub src: Option<u32>,
    /// Index in the topic table.
    pub topic: u16,
    /// What is kept of `src`, and kinds of timestamp and position. [`Flags::SOURCE_OFFSET`]
    /// follows from `position`.
    pub flags: Flags,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Kafka offset or source offset.
    pub position: Position,
    /// Kafka partition.
    pub partition: Option<i32>,
    /// The key.
    pub key: Span,
    /// The value.
    pub value: Span,
    /// The header block; see [`crate::Builder::header`].
    pub headers: Span,
    /// Number of headers in the block.
    pub n_headers: u16,
    /// Index in the source partition table.
    pub source_partition: Option<u16>,
    /// Schema of the key; 0 = none.
    pub key_schema: SchemaId,
    /// Schema of the value; 0 = none.
    pub value_schema: SchemaId,
}

impl Entry {
    /// A record of `topic` with nothing else set: null key and value, no headers.
    #[must_use]
    pub const fn new(topic: u16) -> Self {
        Self {
            src: None,
            topic,
            flags: Flags(0),
            timestamp: None,
            position: Position::None,
            partition: None,
            key: Span::NULL,
            value: Span::NULL,
            headers: Span { at: 0, len: 0 },
            n_headers: 0,
            source_partition: None,
            key_schema: 0,
            value_schema: 0,
        }
    }

    /// Inlined always: then the fields go from registers to where the entry is to lie. Written here and copied,
    /// they cost several times as much, since a processor waits for narrow writes that it reads back as wide
    /// ones.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "measured, see above")]
    pub(crate) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        let (flags, position) = match self.position {
            Position::None => (self.flags, -1_i64 as u64),
            Position::Kafka(offset) => (self.flags, offset as u64),
            Position::Source(span) => {
                (self.flags.with(Flags::SOURCE_OFFSET), u64::from(span.at) | u64::from(span.len) << 32)
            }
        };
        put(&mut out, 0, self.src.unwrap_or(NONE).to_le_bytes());
        put(&mut out, 4, self.topic.to_le_bytes());
        put(&mut out, 6, flags.0.to_le_bytes());
        put(&mut out, 8, self.timestamp.unwrap_or(i64::MIN).to_le_bytes());
        put(&mut out, 16, position.to_le_bytes());
        put(&mut out, 24, self.partition.unwrap_or(-1).to_le_bytes());
        for (at, span) in [(28, self.key), (36, self.value), (44, self.headers)] {
            put(&mut out, at, span.at.to_le_bytes());
            put(&mut out, at + 4, span.len.to_le_bytes());
        }
        put(&mut out, 52, self.n_headers.to_le_bytes());
        // 0 stands for "none", so the index of the last possible row cannot be written.
        let source_partition = self.source_partition.map_or(0, |index| index.saturating_add(1));
        put(&mut out, 54, source_partition.to_le_bytes());
        put(&mut out, 56, self.key_schema.to_le_bytes());
        put(&mut out, 60, self.value_schema.to_le_bytes());
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let raw = EntryRef(bytes);
        Self {
            src: raw.src(),
            topic: raw.topic(),
            flags: raw.flags(),
            timestamp: raw.timestamp(),
            position: raw.position(),
            partition: raw.partition(),
            key: raw.key(),
            value: raw.value(),
            headers: raw.headers(),
            n_headers: raw.n_headers(),
            source_partition: raw.source_partition(),
            key_schema: raw.key_schema(),
            value_schema: raw.value_schema(),
        }
    }
}

/// One record's fixed part as it lies in a frame: each field is read when it is asked for, which is
/// what loops want that look at few of them. The fields are those of [`Entry`].
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a>(pub(crate) &'a [u8; ENTRY_BYTES]);

/// The fixed part of no record.
impl Default for EntryRef<'_> {
    fn default() -> Self {
        Self(&[0; ENTRY_BYTES])
    }
}

#[allow(missing_docs, reason = "the fields of Entry")]
impl EntryRef<'_> {
    #[must_use]
    pub fn src(self) -> Option<u32> {
        let src = self.u32(0);
        (src != NONE).then_some(src)
    }

    #[must_use]
    pub fn topic(self) -> u16 {
        self.u16(4)
    }

    #[must_use]
    pub fn flags(self) -> Flags {
        Flags(self.u16(6))
    }

    #[must_use]
    pub fn timestamp(self) -> Option<i64> {
        let timestamp = self.i64(8);
        (timestamp != i64::MIN).then_some(timestamp)
    }

    #[must_use]
    pub fn position(self) -> Position {
        match self.i64(16) {
            _ if self.flags().has(Flags::SOURCE_OFFSET) => Position::Source(self.span(16)),
            ..0 => Position::None,
            offset => Position::Kafka(offset),
        }
    }

    #[must_use]
    pub fn partition(self) -> Option<i32> {
        let partition = self.u32(24) as i32;
        (partition >= 0).then_some(partition)
    }

    #[must_use]
    pub fn key(self) -> Span {
        self.span(28)
    }

    #[must_use]
    pub fn value(self) -> Span {
        self.span(36)
    }

    #[must_use]
    pub fn headers(self) -> Span {
        self.span(44)
    }

    #[must_use]
    pub fn n_headers(self) -> u16 {
        self.u16(52)
    }

    #[must_use]
    pub fn source_partition(self) -> Option<u16> {
        self.u16(54).checked_sub(1)
    }

    #[must_use]
    pub fn key_schema(self) -> SchemaId {
        self.u32(56)
    }

    #[must_use]
    pub fn value_schema(self) -> SchemaId {
        self.u32(60)
    }

    fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes(take(self.0, at))
    }

    fn u32(self, at: usize) -> u32 {
        u32::from_le_bytes(take(self.0, at))
    }

    fn i64(self, at: usize) -> i64 {
        i64::from_le_bytes(take(self.0, at))
    }

    fn span(self, at: usize) -> Span {
        Span { at: self.u32(at), len: self.u32(at + 4) }
    }
}

#[inline]
fn put<const N: usize>(out: &mut [u8; ENTRY_BYTES], at: usize, bytes: [u8; N]) {
    if let Some(slot) = out.get_mut(at..at + N) {
        slot.copy_from_slice(&bytes);
    }
}

#[inline]
fn take<const N: usize>(bytes: &[u8; ENTRY_BYTES], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).unwrap_or([0; N])
}
