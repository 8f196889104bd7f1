//! Records to move, and what has arrived of them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use cofferdam_e2e::{Message, Topics};
use rdkafka::message::Message as _;
use sha2::{Digest as _, Sha256};

/// How long a topic is quiet when all of it was read.
const QUIET: Duration = Duration::from_secs(2);

/// What a topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// Lines.
    Text,
    /// Objects of a line and its number, with their schema.
    JsonWithSchema,
    /// Such objects without one; each hundredth is no JSON.
    JsonOneInAHundredBad,
}

/// Text number `n`, of so many bytes.
pub(crate) fn text(n: u64, bytes: usize) -> String {
    let mut text = format!("line {n:012} ");
    while text.len() < bytes {
        text.push(char::from(b'a' + ((n as usize + text.len()) % 26) as u8));
    }
    text
}

impl Form {
    /// How many records of `n` a sink that moves this form has to write.
    pub(crate) const fn good(self, n: u64) -> u64 {
        match self {
            Self::Text | Self::JsonWithSchema => n,
            Self::JsonOneInAHundredBad => n - n.div_ceil(100),
        }
    }

    fn value(self, n: u64, bytes: usize) -> String {
        let text = text(n, bytes);
        match self {
            Self::Text => text,
            Self::JsonWithSchema => format!(
                "{{\"schema\":{{\"type\":\"struct\",\"optional\":false,\"fields\":[{{\"field\":\"number\",\"type\":\"int64\"}},\
                 {{\"field\":\"text\",\"type\":\"string\"}}]}},\"payload\":{{\"number\":{n},\"text\":\"{text}\"}}}}"
            ),
            Self::JsonOneInAHundredBad if n.is_multiple_of(100) => text,
            Self::JsonOneInAHundredBad => format!("{{\"number\":{n},\"text\":\"{text}\"}}"),
        }
    }

    /// Fills a topic, record `n` into partition `n` modulo their number.
    pub(crate) fn fill(
        self,
        topics: &Topics,
        topic: &str,
        n: u64,
        bytes: usize,
        partitions: i32,
    ) -> anyhow::Result<()> {
        let messages = (0..n).map(|number| Message {
            value: Some(self.value(number, bytes).into_bytes()),
            partition: (number % partitions as u64) as i32,
            ..Message::default()
        });
        topics.send_messages(topic, messages)
    }
}

/// Writes the file of a source; `bytes` of a line are without its end.
pub(crate) fn write_file(path: &Path, n: u64, bytes: usize) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for number in 0..n {
        writeln!(out, "{}", text(number, bytes))?;
    }
    out.flush()?;
    Ok(())
}

/// How many records there are, and a sum over them that does not depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) records: u64,
    sum: u128,
}

impl Sum {
    fn add(&mut self, record: &[u8]) {
        self.records += 1;
        let hash = Sha256::digest(record);
        let half: [u8; 16] = hash.first_chunk().copied().unwrap_or_default();
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(half));
    }

    /// Of what a sink has to write of `n` records of this form.
    pub(crate) fn of_good(form: Form, n: u64, bytes: usize) -> Self {
        let mut sum = Self::default();
        let is_bad = |number: &u64| form == Form::JsonOneInAHundredBad && number.is_multiple_of(100);
        (0..n).filter(|number| !is_bad(number)).for_each(|number| sum.add(text(number, bytes).as_bytes()));
        sum
    }

    /// Of the lines of a file.
    pub(crate) fn of_file(path: &Path) -> anyhow::Result<Self> {
        let mut sum = Self::default();
        for line in BufReader::with_capacity(1 << 20, File::open(path)?).split(b'\n') {
            sum.add(&line?);
        }
        Ok(sum)
    }

    /// Of the values of a topic that are committed.
    pub(crate) fn of_topic(topics: &Topics, topic: &str) -> anyhow::Result<Self> {
        let mut sum = Self::default();
        topics.tail(topic)?.read(QUIET, |record| sum.add(record.payload().unwrap_or_default()))?;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_differ() {
        assert_eq!(text(7, 99).len(), 99);
        assert_ne!(text(7, 99), text(8, 99));
    }

    #[test]
    fn a_sum_knows_what_and_how_often_but_not_in_which_order() {
        let of = |records: &[&str]| {
            let mut sum = Sum::default();
            records.iter().for_each(|record| sum.add(record.as_bytes()));
            sum
        };
        assert_eq!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "a"]));
        assert_ne!(of(&["a", "a"]), of(&["a"]));
    }

    #[test]
    fn one_record_in_a_hundred_is_bad() {
        let bad =
            (0..250).filter(|n| !Form::JsonOneInAHundredBad.value(*n, 50).starts_with('{')).count() as u64;
        assert_eq!(Form::JsonOneInAHundredBad.good(250), 250 - bad);
    }
}
