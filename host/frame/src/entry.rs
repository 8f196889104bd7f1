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
        let span = |at| Span {
            at: u32::from_le_bytes(take(bytes, at)),
            len: u32::from_le_bytes(take(bytes, at + 4)),
        };
        let flags = Flags(u16::from_le_bytes(take(bytes, 6)));
        let kafka_offset = i64::from_le_bytes(take(bytes, 16));
        let src = u32::from_le_bytes(take(bytes, 0));
        let timestamp = i64::from_le_bytes(take(bytes, 8));
        let partition = i32::from_le_bytes(take(bytes, 24));
        Self {
            src: (src != NONE).then_some(src),
            topic: u16::from_le_bytes(take(bytes, 4)),
            flags,
            timestamp: (timestamp != i64::MIN).then_some(timestamp),
            position: if flags.has(Flags::SOURCE_OFFSET) {
                Position::Source(span(16))
            } else if kafka_offset < 0 {
                Position::None
            } else {
                Position::Kafka(kafka_offset)
            },
            partition: (partition >= 0).then_some(partition),
            key: span(28),
            value: span(36),
            headers: span(44),
            n_headers: u16::from_le_bytes(take(bytes, 52)),
            source_partition: u16::from_le_bytes(take(bytes, 54)).checked_sub(1),
            key_schema: u32::from_le_bytes(take(bytes, 56)),
            value_schema: u32::from_le_bytes(take(bytes, 60)),
        }
    }
}

fn put<const N: usize>(out: &mut [u8; ENTRY_BYTES], at: usize, bytes: [u8; N]) {
    if let Some(slot) = out.get_mut(at..at + N) {
        slot.copy_from_slice(&bytes);
    }
}

fn take<const N: usize>(bytes: &[u8; ENTRY_BYTES], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).unwrap_or([0; N])
}
