//! Values laid out by a schema: no tags, every field found in constant time (`wit/FRAME.md`, Rows).
//!
//! Readers take the bytes of one value and answer `None` where they do not fit; writers append to
//! a `Vec<u8>`, usually a frame's heap.

use std::ops::Range;

use crate::table::{Ends, Run, end_word, moved_word};

/// Reads an integer, of any width, or the number behind a date, time or timestamp.
#[must_use]
pub fn int(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_le_bytes)
}

/// Reads a floating-point number of either width.
#[must_use]
pub fn float(bytes: &[u8]) -> Option<f64> {
    bytes.try_into().ok().map(f64::from_le_bytes)
}

/// Reads a boolean.
#[must_use]
pub const fn boolean(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

/// Reads text.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// Appends an integer.
pub fn put_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a floating-point number.
pub fn put_float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a boolean.
pub fn put_boolean(out: &mut Vec<u8>, value: bool) {
    out.push(value.into());
}

/// A struct: its fields in the order of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a>(Ends<'a>);

impl<'a> Row<'a> {
    /// Reads a struct of `n_fields`.
    #[must_use]
    pub fn new(bytes: &'a [u8], n_fields: usize) -> Option<Self> {
        Ends::leading(bytes, n_fields).map(Self)
    }

    /// As [`Row::new`], but does not check the ends, for a struct that this process built or checked
    /// before. Of a damaged one the accessors answer none, never anything outside it.
    #[must_use]
    pub fn trust(bytes: &'a [u8], n_fields: usize) -> Option<Self> {
        Ends::trusted_leading(bytes, n_fields).map(Self)
    }

    /// Bytes of the field at `index`: none outside the struct, `Some(None)` for null.
    #[must_use]
    pub fn get(self, index: usize) -> Option<Option<&'a [u8]>> {
        self.0.get(index)
    }

    /// The fields in order; none = null.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        (0..self.0.len()).filter_map(move |index| self.0.get(index))
    }
}

/// An array's items, or a map's keys and values in turn.
#[derive(Clone, Copy, Debug)]
pub struct List<'a>(Ends<'a>);

impl<'a> List<'a> {
    /// Reads an array or map.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        Ends::trailing(bytes).map(Self)
    }

    /// Number of items; of a map twice the number of its pairs.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is no item.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.len() == 0
    }

    /// Bytes of the item at `index`: none outside, `Some(None)` for null.
    #[must_use]
    pub fn get(self, index: usize) -> Option<Option<&'a [u8]>> {
        self.0.get(index)
    }

    /// The items in order; none = null.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        (0..self.0.len()).filter_map(move |index| self.0.get(index))
    }
}

/// Writes a struct's fields in the order of its schema.
#[derive(Debug)]
pub struct RowWriter {
    table_at: usize,
    items_at: usize,
    n_fields: usize,
    written: usize,
}

impl RowWriter {
    /// Starts a struct of `n_fields` at the end of `out`.
    pub fn start(out: &mut Vec<u8>, n_fields: usize) -> Self {
        let table_at = out.len();
        // Few bytes: sixteen at a time is faster than a fill, which wasm programs leave to their host.
        out.reserve(n_fields * 4);
        for _ in 0..n_fields / 4 {
            out.extend_from_slice(&[0; 16]);
        }
        for _ in 0..n_fields % 4 {
            out.extend_from_slice(&[0; 4]);
        }
        Self { table_at, items_at: out.len(), n_fields, written: 0 }
    }

    /// Says that the next field was appended to `out`, or is null. Fields beyond the number given
    /// at the start are cut off again.
    pub fn field(&mut self, out: &mut [u8], null: bool) {
        if self.written >= self.n_fields {
            return;
        }
        let word = end_word(out.len() - self.items_at, null).to_le_bytes();
        let at = self.table_at + self.written * 4;
        if let Some(slot) = out.get_mut(at..at + 4) {
            slot.copy_from_slice(&word);
        }
        self.written += 1;
    }

    /// Appends the next field as it lies in another row; none = null.
    pub fn copy(&mut self, out: &mut Vec<u8>, field: Option<&[u8]>) {
        out.extend_from_slice(field.unwrap_or_default());
        self.field(out, field.is_none());
    }

    /// Appends `fields` of another row as they lie there, in one piece. None, and nothing is appended,
    /// when it has not all of them or there is no room for all.
    #[must_use]
    pub fn copy_run(&mut self, out: &mut Vec<u8>, row: Row<'_>, fields: Range<usize>) -> Option<()> {
        let Run { start, ends, items } = row.0.run(fields)?;
        if self.written + ends.len() > self.n_fields {
            return None;
        }
        let to = (out.len() - self.items_at) as u32;
        out.extend_from_slice(items);
        let table = out.get_mut(self.table_at + self.written * 4..self.items_at).unwrap_or_default();
        for (slot, word) in table.as_chunks_mut().0.iter_mut().zip(ends) {
            *slot = moved_word(u32::from_le_bytes(*word), start, to).to_le_bytes();
        }
        self.written += ends.len();
        Some(())
    }
}

/// Writes an array's items, or a map's keys and values in turn.
#[derive(Debug)]
pub struct ListWriter {
    items_at: usize,
    ends: Vec<u32>,
}

impl ListWriter {
    /// Starts an array or map at the end of `out`.
    #[must_use]
    pub const fn start(out: &[u8]) -> Self {
        Self { items_at: out.len(), ends: Vec::new() }
    }

    /// Says that the next item was appended to `out`, or is null.
    pub fn item(&mut self, out: &[u8], null: bool) {
        self.ends.push(end_word(out.len() - self.items_at, null));
    }

    /// Appends the next item as it lies in another list; none = null.
    pub fn copy(&mut self, out: &mut Vec<u8>, item: Option<&[u8]>) {
        out.extend_from_slice(item.unwrap_or_default());
        self.item(out, item.is_none());
    }

    /// Ends the array or map.
    pub fn finish(self, out: &mut Vec<u8>) {
        for end in &self.ends {
            out.extend_from_slice(&end.to_le_bytes());
        }
        out.extend_from_slice(&(self.ends.len() as u32).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn row(fields: &[Option<&str>]) -> Vec<u8> {
        let mut out = vec![7; 3];
        let mut writer = RowWriter::start(&mut out, fields.len());
        for field in fields {
            writer.copy(&mut out, field.map(str::as_bytes));
        }
        out.split_off(3)
    }

    #[test]
    fn runs_are_copied_as_field_by_field() {
        let fields = [Some("a"), None, Some(""), Some("bcd"), None, Some("ef")];
        let bytes = row(&fields);
        let old = Row::new(&bytes, fields.len()).unwrap();
        for from in 0..=fields.len() {
            for to in from..=fields.len() {
                let mut out = vec![9; 5];
                let mut writer = RowWriter::start(&mut out, to - from + 2);
                writer.copy(&mut out, Some(b"first"));
                writer.copy_run(&mut out, old, from..to).unwrap();
                writer.copy(&mut out, None);
                let mut expected = vec![Some("first")];
                expected.extend_from_slice(fields.get(from..to).unwrap());
                expected.push(None);
                assert_eq!(out.split_off(5), row(&expected), "{from}..{to}");
            }
        }
        // Neither a run that is not there nor one that has no room changes anything.
        let mut out = Vec::new();
        let mut writer = RowWriter::start(&mut out, 2);
        assert_eq!(writer.copy_run(&mut out, old, 5..7), None);
        assert_eq!(writer.copy_run(&mut out, old, 0..3), None);
        writer.copy(&mut out, Some(b"x"));
        writer.copy(&mut out, None);
        assert_eq!(out, row(&[Some("x"), None]));
    }
}
