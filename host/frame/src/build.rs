//! Writing a frame: values go to the heap as they come, entries follow at the end, so nothing that
//! was written is moved.

use crate::{ENTRY_BYTES, Entry, HEAD_BYTES, MAGIC, NONE, Span, TABLE_ROWS_MAX};

/// Builds one frame.
///
/// Spans are handed out by the methods that write to the heap and used in the [`Entry`] given to
/// [`Builder::push`]. A span may be used by any number of entries.
///
/// A frame whose heap would pass 4 GiB cannot be expressed; callers keep batches far below it.
#[derive(Debug, Default)]
pub struct Builder {
    /// Head placeholder, then the heap.
    bytes: Vec<u8>,
    entries: Vec<[u8; ENTRY_BYTES]>,
    topics: Vec<(String, Span)>,
    source_partitions: Vec<(String, Span)>,
}

impl Builder {
    /// A builder with room for `records` and `heap_bytes`.
    #[must_use]
    pub fn with_capacity(records: usize, heap_bytes: usize) -> Self {
        // The entries are appended to the heap at the end: reserve both in one allocation.
        let mut bytes = Vec::with_capacity(HEAD_BYTES + heap_bytes + records * ENTRY_BYTES + 64);
        bytes.resize(HEAD_BYTES, 0);
        Self { bytes, entries: Vec::with_capacity(records), ..Self::default() }
    }

    /// Number of records pushed.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no record was pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that the finished frame would have now, tables aside.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len().max(HEAD_BYTES) + self.entries.len() * ENTRY_BYTES
    }

    /// Index of `name` in the topic table, added when new.
    ///
    /// # Errors
    /// When the table is full.
    pub fn topic(&mut self, name: &str) -> Result<u16, crate::Invalid> {
        self.head();
        row(&mut self.topics, &mut self.bytes, name)
    }

    /// Index of the source partition `json` (a JSON object) in its table, added when new.
    ///
    /// # Errors
    /// When the table is full.
    pub fn source_partition(&mut self, json: &str) -> Result<u16, crate::Invalid> {
        self.head();
        row(&mut self.source_partitions, &mut self.bytes, json)
    }

    /// Copies `bytes` to the heap.
    pub fn put(&mut self, bytes: &[u8]) -> Span {
        self.write(|heap| heap.extend_from_slice(bytes))
    }

    /// Copies `bytes` to the heap, or nothing for null.
    pub fn put_option(&mut self, bytes: Option<&[u8]>) -> Span {
        bytes.map_or(Span::NULL, |bytes| self.put(bytes))
    }

    /// Lets `write` append to the heap and names what it appended. It must only append.
    pub fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        self.head();
        let at = self.bytes.len() - HEAD_BYTES;
        write(&mut self.bytes);
        Span { at: at as u32, len: (self.bytes.len() - HEAD_BYTES - at) as u32 }
    }

    /// As [`Builder::write`], but takes back what was appended when `write` fails.
    ///
    /// # Errors
    /// What `write` answered.
    pub fn try_write<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Span, E> {
        self.head();
        let at = self.bytes.len() - HEAD_BYTES;
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(HEAD_BYTES + at);
            return Err(error);
        }
        Ok(Span { at: at as u32, len: (self.bytes.len() - HEAD_BYTES - at) as u32 })
    }

    /// Appends one header and grows `block` to hold it. `block` is the header block being written:
    /// start with an empty span, call this for each header in a row, write nothing else in between.
    /// A key longer than 65,535 bytes is cut at a character boundary.
    pub fn header(&mut self, block: &mut Span, key: &str, schema: crate::SchemaId, value: Option<&[u8]>) {
        let key = cut(key);
        let one = self.write(|heap| {
            heap.extend_from_slice(&(key.len() as u16).to_le_bytes());
            heap.extend_from_slice(&schema.to_le_bytes());
            heap.extend_from_slice(&value.map_or(NONE, |value| value.len() as u32).to_le_bytes());
            heap.extend_from_slice(key.as_bytes());
            heap.extend_from_slice(value.unwrap_or_default());
        });
        if block.is_null() || block.len == 0 {
            *block = one;
        } else {
            block.len += one.len;
        }
    }

    /// Adds a record.
    #[inline]
    pub fn push(&mut self, entry: &Entry) {
        self.entries.push(entry.to_bytes());
    }

    /// The finished frame.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.head();
        let count = self.len() as u32;
        let heap_end = self.bytes.len();
        self.bytes.extend_from_slice(self.entries.as_flattened());
        let topics_at = self.bytes.len();
        let tables = [&self.topics, &self.source_partitions];
        for (_, span) in tables.into_iter().flatten() {
            self.bytes.extend_from_slice(&span.at.to_le_bytes());
            self.bytes.extend_from_slice(&span.len.to_le_bytes());
        }
        let partitions_at = topics_at + self.topics.len() * 8;
        let head = [
            self.bytes.len() as u32,
            count,
            self.topics.len() as u32,
            topics_at as u32,
            self.source_partitions.len() as u32,
            partitions_at as u32,
            heap_end as u32,
            HEAD_BYTES as u32,
            (heap_end - HEAD_BYTES) as u32,
        ];
        let words = head.iter().flat_map(|word| word.to_le_bytes());
        for (slot, byte) in self.bytes.iter_mut().zip(MAGIC.into_iter().chain(words)) {
            *slot = byte;
        }
        self.bytes
    }

    fn head(&mut self) {
        if self.bytes.len() < HEAD_BYTES {
            self.bytes.resize(HEAD_BYTES, 0);
        }
    }
}

fn row(table: &mut Vec<(String, Span)>, bytes: &mut Vec<u8>, text: &str) -> Result<u16, crate::Invalid> {
    // Batches name few topics, and mostly the one that came last.
    if let Some(index) = table.iter().rposition(|(known, _)| known == text) {
        return Ok(index as u16);
    }
    if table.len() + 1 >= TABLE_ROWS_MAX {
        return Err(crate::Invalid::TableFull);
    }
    let span = Span { at: (bytes.len() - HEAD_BYTES) as u32, len: text.len() as u32 };
    bytes.extend_from_slice(text.as_bytes());
    table.push((text.to_owned(), span));
    Ok((table.len() - 1) as u16)
}

fn cut(key: &str) -> &str {
    let mut end = key.len().min(u16::MAX as usize);
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    key.get(..end).unwrap_or_default()
}
