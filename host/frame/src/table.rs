//! The table of ends that arrays, maps and structs share: one `u32` an item, its end relative to the
//! first item's byte; the top bit says that the item is null.

use std::ops::Range;

const NULL_BIT: u32 = 1 << 31;

/// Items lying one after another, found by their ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends<'a> {
    ends: &'a [[u8; 4]],
    items: &'a [u8],
}

/// Items of a table that lie one after another.
pub(crate) struct Run<'a> {
    /// Where the first one starts.
    pub(crate) start: u32,
    pub(crate) ends: &'a [[u8; 4]],
    /// Their bytes, in one piece.
    pub(crate) items: &'a [u8],
}

impl<'a> Ends<'a> {
    /// `ends` of `n` items in front, then the items: a struct's row.
    pub(crate) fn leading(bytes: &'a [u8], n: usize) -> Option<Self> {
        Self::trusted_leading(bytes, n)?.checked()
    }

    /// As [`Ends::leading`], for what was checked before.
    pub(crate) fn trusted_leading(bytes: &'a [u8], n: usize) -> Option<Self> {
        let (ends, items) = bytes.split_at_checked(n.checked_mul(4)?)?;
        Some(Self { ends: ends.as_chunks().0, items })
    }

    /// The items, then their ends, then their number: arrays and maps, whose writer does not know
    /// the number in advance.
    pub(crate) fn trailing(bytes: &'a [u8]) -> Option<Self> {
        let (rest, n) = bytes.split_last_chunk::<4>()?;
        let n = u32::from_le_bytes(*n) as usize;
        let (items, ends) = rest.split_at_checked(rest.len().checked_sub(n.checked_mul(4)?)?)?;
        Self { ends: ends.as_chunks().0, items }.checked()
    }

    /// Ends must rise and stay inside the items.
    fn checked(self) -> Option<Self> {
        let mut last = 0;
        for end in self.ends {
            let end = u32::from_le_bytes(*end) & !NULL_BIT;
            if end < last || end as usize > self.items.len() {
                return None;
            }
            last = end;
        }
        (last as usize == self.items.len()).then_some(self)
    }

    pub(crate) const fn len(self) -> usize {
        self.ends.len()
    }

    /// Items in a row.
    pub(crate) fn run(self, items: Range<usize>) -> Option<Run<'a>> {
        let end = |word: &[u8; 4]| u32::from_le_bytes(*word) & !NULL_BIT;
        let start = match items.start.checked_sub(1) {
            None => 0,
            Some(before) => end(self.ends.get(before)?),
        };
        let ends = self.ends.get(items)?;
        let stop = ends.last().map_or(start, end);
        Some(Run { start, ends, items: self.items.get(start as usize..stop as usize)? })
    }

    /// The item at `index`: none outside, `Some(None)` for null.
    pub(crate) fn get(self, index: usize) -> Option<Option<&'a [u8]>> {
        let word = u32::from_le_bytes(*self.ends.get(index)?);
        if word & NULL_BIT != 0 {
            return Some(None);
        }
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => u32::from_le_bytes(*self.ends.get(before)?) & !NULL_BIT,
        };
        self.items.get(start as usize..word as usize).map(Some)
    }
}

/// The word of an item that is moved to lie behind `to` bytes and lay behind `from`.
pub(crate) const fn moved_word(word: u32, from: u32, to: u32) -> u32 {
    let end = (word & !NULL_BIT).wrapping_sub(from).wrapping_add(to);
    (end & !NULL_BIT) | (word & NULL_BIT)
}

/// The word for an item that ends at `end`.
pub(crate) const fn end_word(end: usize, null: bool) -> u32 {
    // A value of 2 GiB cannot lie in a frame whose limit is far below it.
    let end = end as u32 & !NULL_BIT;
    if null { end | NULL_BIT } else { end }
}
