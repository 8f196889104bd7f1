//! Finding the ends of lines: the only loop that looks at every byte, so it looks at sixteen at once.

/// Where the next bytes that end a line are, and whether all bytes looked at are ASCII.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Positions of `\n` and `\r`, in order.
    pub(crate) ends: Vec<u32>,
    /// Up to where the bytes were looked at.
    pub(crate) until: usize,
    /// Whether the bytes looked at are ASCII.
    pub(crate) ascii: bool,
}

const BLOCK: usize = 16;

impl Scan {
    /// Looks through `bytes` from `from` on, until `most` ends are found; a few more may be.
    #[cfg_attr(target_family = "wasm", target_feature(enable = "simd128"))]
    pub(crate) fn run(&mut self, bytes: &[u8], from: usize, most: usize) {
        self.ends.clear();
        let (blocks, tail) = bytes.get(from..).unwrap_or_default().as_chunks::<BLOCK>();
        let mut until = from;
        let mut high = 0;
        for block in blocks {
            let (ends, not_ascii) = masks(block);
            high |= not_ascii;
            if ends != 0 {
                if self.ends.len() >= most {
                    break;
                }
                note(&mut self.ends, until, ends);
            }
            until += BLOCK;
        }
        if self.ends.len() < most && until + tail.len() == bytes.len() {
            let mut block = [0; BLOCK];
            for (slot, byte) in block.iter_mut().zip(tail) {
                *slot = *byte;
            }
            let (ends, not_ascii) = masks(&block);
            high |= not_ascii;
            note(&mut self.ends, until, ends);
            until += tail.len();
        }
        self.ascii = high == 0;
        self.until = until;
    }
}

fn note(found: &mut Vec<u32>, at: usize, mut ends: u16) {
    while ends != 0 {
        found.push(at as u32 + ends.trailing_zeros());
        ends &= ends - 1;
    }
}

/// One bit for each byte that ends a line, one for each that is not ASCII.
#[cfg(target_family = "wasm")]
#[target_feature(enable = "simd128")]
#[inline]
fn masks(block: &[u8; BLOCK]) -> (u16, u16) {
    use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, v128_or};

    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *block;
    let bytes =
        u64x2(u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]));
    let ends = v128_or(u8x16_eq(bytes, u8x16_splat(b'\n')), u8x16_eq(bytes, u8x16_splat(b'\r')));
    (u8x16_bitmask(ends), u8x16_bitmask(bytes))
}

/// The same, a byte at a time.
#[cfg(not(target_family = "wasm"))]
fn masks(block: &[u8; BLOCK]) -> (u16, u16) {
    block.iter().rev().fold((0, 0), |(ends, high), byte| {
        (ends << 1 | u16::from(matches!(byte, b'\n' | b'\r')), high << 1 | u16::from(!byte.is_ascii()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn finds_every_end_wherever_it_stands() {
        let mut bytes = vec![b'x'; 100];
        let places = [0, 1, 15, 16, 31, 40, 98, 99];
        for place in places {
            bytes[place] = if place % 2 == 0 { b'\n' } else { b'\r' };
        }
        for from in 0..100 {
            let mut scan = Scan::default();
            scan.run(&bytes, from, usize::MAX);
            let expected: Vec<u32> =
                places.iter().filter(|place| **place >= from).map(|place| *place as u32).collect();
            assert_eq!(scan.ends, expected, "from {from}");
            assert_eq!(scan.until, 100);
            assert!(scan.ascii);
        }
    }

    #[test]
    fn stops_when_there_are_enough() {
        let mut scan = Scan::default();
        scan.run(&[b'\n'; 64], 0, 5);
        assert_eq!(scan.ends.len(), 16, "a block is not left half way");
        assert_eq!(scan.until, 16);
    }

    #[test]
    fn tells_what_is_not_ascii() {
        let mut scan = Scan::default();
        scan.run("0123456789abcdefé".as_bytes(), 0, usize::MAX);
        assert!(!scan.ascii);
        scan.run("é".as_bytes(), 2, usize::MAX);
        assert!(scan.ascii);
        assert_eq!(scan.until, 2);
    }
}
