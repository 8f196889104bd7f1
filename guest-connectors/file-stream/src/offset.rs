//! The text of a source offset, `{"position":n}`. One is written for each line, and from line to line
//! mostly the last four digits change, so only these are written anew.

use cofferdam_sdk::json;

const PREFIX: &[u8] = b"{\"position\":";
const LOW: u64 = 10_000;
const LOW_DIGITS: usize = 4;
/// Longest text, rounded up to what copies well.
const TEXT_BYTES: usize = 40;

/// Remembers the text of the last position.
#[derive(Debug)]
pub(crate) struct OffsetText {
    text: [u8; TEXT_BYTES],
    len: usize,
    /// The last position without its low digits; 0 when it has no others.
    high: u64,
}

impl Default for OffsetText {
    fn default() -> Self {
        Self { text: [0; TEXT_BYTES], len: 0, high: 0 }
    }
}

impl OffsetText {
    /// Appends the text of `position`.
    pub(crate) fn put(&mut self, position: u64, out: &mut Vec<u8>) {
        let low = position.wrapping_sub(self.high);
        if self.high > 0 && low < LOW {
            self.set_low(low as u32);
        } else {
            self.set(position);
        }
        // Copying a fixed number of bytes is a few instructions; a call it is otherwise.
        let end = out.len() + self.len;
        out.extend_from_slice(&self.text);
        out.truncate(end);
    }

    fn set_low(&mut self, mut low: u32) {
        let end = self.len - 1;
        for slot in self.text.get_mut(end - LOW_DIGITS..end).unwrap_or_default().iter_mut().rev() {
            *slot = b'0' + (low % 10) as u8;
            low /= 10;
        }
    }

    fn set(&mut self, position: u64) {
        let mut text = Vec::with_capacity(TEXT_BYTES);
        text.extend_from_slice(PREFIX);
        json::put_int(&mut text, i64::try_from(position).unwrap_or(i64::MAX));
        text.push(b'}');
        self.len = text.len();
        self.high = position / LOW * LOW;
        for (slot, byte) in self.text.iter_mut().zip(text) {
            *slot = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_gives_the_whole_text() {
        let mut offset = OffsetText::default();
        let steps = [
            0,
            1,
            9,
            99,
            9_999,
            10_000,
            10_001,
            19_999,
            20_000,
            99_999,
            100_000,
            5,
            123_456_789_012,
            i64::MAX as u64,
        ];
        for position in steps.into_iter().chain((0..300_000).step_by(97)) {
            let mut out = b"before".to_vec();
            offset.put(position, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("before{{\"position\":{position}}}"));
        }
    }
}
