//! Numbered records: how often each arrived.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use cofferdam_e2e::{Tail, number_of};
use rdkafka::message::Message as _;

use crate::rig::Random;

/// How often each of the numbers `0..n` was seen.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    seen: Vec<u32>,
    /// What is none of the records that were sent.
    pub(crate) damaged: u64,
    /// How much damage is none to a record.
    torn_max: u64,
}

impl Tally {
    pub(crate) fn new(n: u64) -> Self {
        Self { seen: vec![0; n as usize], damaged: 0, torn_max: 0 }
    }

    pub(crate) fn line(&mut self, text: &[u8]) {
        self.count(number_of(text));
    }

    /// `line-<n>`, as the test source writes them.
    pub(crate) fn short_line(&mut self, text: &[u8]) {
        let digits = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix("line-"));
        self.count(digits.and_then(|digits| digits.parse().ok()));
    }

    fn count(&mut self, number: Option<u64>) {
        match number.and_then(|number| self.seen.get_mut(number as usize)) {
            Some(times) => *times += 1,
            None => self.damaged += 1,
        }
    }

    /// Each kill of a worker that writes to a file may leave a piece of a line, whose record comes again.
    pub(crate) fn allow_torn(&mut self, kills: u64) {
        self.torn_max = kills;
    }

    /// How many did not arrive. What arrived damaged stands for one that is lost.
    pub(crate) fn lost(&self) -> u64 {
        self.damaged.saturating_sub(self.torn_max)
            + self.seen.iter().filter(|times| **times == 0).count() as u64
    }

    pub(crate) fn duplicated(&self) -> u64 {
        self.seen.iter().map(|times| u64::from(times.saturating_sub(1))).sum()
    }

    /// How often the most frequent one was seen.
    pub(crate) fn most(&self) -> u32 {
        self.seen.iter().copied().max().unwrap_or(0)
    }

    /// The number behind the highest of every `each`-th that was seen, beginning with `from`.
    pub(crate) fn end(&self, from: usize, each: usize) -> u64 {
        let seen = self.seen.iter().enumerate().skip(from).step_by(each).rfind(|(_, times)| **times > 0);
        seen.map_or(0, |(number, _)| number as u64 + 1)
    }

    /// Whether every `each`-th number from `from` on below `end` was seen.
    pub(crate) fn has_all_below(&self, end: u64, from: usize, each: usize) -> bool {
        self.seen.iter().take(end as usize).skip(from).step_by(each).all(|times| *times > 0)
    }

    /// How many there should be.
    pub(crate) fn len(&self) -> u64 {
        self.seen.len() as u64
    }

    /// How many different ones arrived.
    pub(crate) fn arrived(&self) -> u64 {
        self.seen.iter().filter(|times| **times > 0).count() as u64
    }

    pub(crate) fn read(&mut self, tail: &Tail, quiet: Duration) -> anyhow::Result<()> {
        tail.read(quiet, |record| self.line(record.payload().unwrap_or_default()))
    }
}

/// Lines of a file that grows.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    at: u64,
}

impl Lines {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), at: 0 }
    }

    /// The complete lines that came since the last time.
    pub(crate) fn read(&mut self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(()) };
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        bytes.truncate(end);
        self.at += end as u64 + 1;
        bytes.split(|byte| *byte == b'\n').for_each(&mut take);
        Ok(())
    }
}

/// Visible segments of a folder of partitions, as its readers find them.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: PathBuf,
    known: BTreeSet<PathBuf>,
}

impl Segments {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), known: BTreeSet::new() }
    }

    /// The lines of the segments that are new since the last time. One that is visible is complete.
    pub(crate) fn read(&mut self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        for partition in std::fs::read_dir(&self.folder)? {
            for segment in std::fs::read_dir(partition?.path())? {
                let path = segment?.path();
                if path.extension().is_none_or(|it| it != "txt") || !self.known.insert(path.clone()) {
                    continue;
                }
                let bytes = std::fs::read(&path)?;
                let lines = bytes.strip_suffix(b"\n").context("a visible segment is not complete")?;
                lines.split(|byte| *byte == b'\n').for_each(&mut take);
            }
        }
        Ok(())
    }
}

/// Numbers below `n` in order: when the fault comes.
pub(crate) fn moments(random: &mut Random, count: u64, n: u64) -> Vec<u64> {
    let mut moments: Vec<u64> = (0..count).map(|_| random.below(n)).collect();
    moments.sort_unstable();
    moments
}
