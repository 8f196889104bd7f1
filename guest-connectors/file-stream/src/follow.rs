//! A file that grows: bytes in, runs of complete lines out, and the byte position behind each.
//!
//! A line ends with `\n`, `\r\n` or `\r`, and is taken only when its end is there; for a `\r` at the
//! end of what was read that takes one more byte, since `\n` may follow. When the name stands for
//! another file (rotation) or the file was cut (truncation), what is left of an unfinished line is
//! taken as a line, and reading starts over at the beginning of what the name now stands for.
//! Nothing is skipped and nothing repeated; each such event is logged.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use cofferdam_sdk::{Error, Result, info, warn};

use crate::scan::Scan;

/// Room that the first read has: most files are quiet most of the time, and a worker may follow thousands.
const READ_BYTES_MIN: usize = 8 * 1024;
/// Room that a read has once reads fill theirs: as much as a host gives at a time.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Reads that the buffer has room for, so that what is left in it seldom moves to its front.
const READS: usize = 4;
/// Longest line: it has to fit into the guest's memory and into a frame.
const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a file that lost its name must be quiet before the next one is read: its writer may
/// still have it open.
const ROTATION_GRACE: Duration = Duration::from_secs(1);
/// Looks at the name alone, while it shows nothing new, before the file itself is looked at again: a name may have been
/// given to a copy of the same length and time while the file that is read still grows.
const GLANCES_MAX: u32 = 10;
/// What a record takes in a batch besides its value: its entry and its offset.
const RECORD_BYTES: usize = 96;

/// Complete lines that lie one after another.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// All of them, with what ends them.
    pub(crate) bytes: &'a [u8],
    /// Where each lies.
    pub(crate) lines: &'a [Line],
    /// Position in the file of the first byte.
    pub(crate) position: u64,
    /// Whether all bytes are ASCII; when not, they may be anything.
    pub(crate) ascii: bool,
}

/// A line of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) start: u32,
    /// Without what ends it.
    pub(crate) end: u32,
    /// Where the next one starts.
    pub(crate) next: u32,
}

/// What a step towards more lines came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There are new bytes.
    Read,
    /// There is nothing for now.
    Nothing,
    /// The file was replaced or cut; this was left of its last line.
    Over(Option<Vec<u8>>),
}

/// Follows one name.
#[derive(Debug)]
pub(crate) struct Follower {
    path: String,
    file: Option<File>,
    buffer: Vec<u8>,
    /// Room that the next read should have.
    room: usize,
    /// First byte that was not taken.
    start: usize,
    /// Behind the last byte that was read.
    end: usize,
    /// Position in the file of `start`.
    position: u64,
    /// No line ends between `start` and here.
    scanned: usize,
    /// Whether the bytes between `start` and `scanned` are ASCII.
    scanned_ascii: bool,
    scan: Scan,
    lines: Vec<Line>,
    missing: bool,
    /// The last read found the end.
    ended: bool,
    /// When the file was first seen to have lost its name, and its length then.
    rotated: Option<(Instant, u64)>,
    /// What the name showed when the file had been read to its end, and how often it has shown the same since.
    quiet: Option<(Metadata, u32)>,
}

impl Follower {
    /// Reads `path` from `position` on.
    pub(crate) fn new(path: &str, position: u64) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            buffer: Vec::new(),
            room: READ_BYTES_MIN,
            start: 0,
            end: 0,
            position,
            scanned: 0,
            scanned_ascii: true,
            scan: Scan::default(),
            lines: Vec::new(),
            missing: false,
            ended: false,
            rotated: None,
            quiet: None,
        }
    }

    /// Takes complete lines out of the buffer: `most` at most, and as many as fit into `bytes` of a
    /// batch, but at least one if there is one.
    pub(crate) fn take(&mut self, most: usize, bytes: usize) -> Run<'_> {
        let from = self.start;
        let position = self.position;
        let ascii = self.find(most, bytes);
        let until = self.lines.last().map_or(0, |line| line.next as usize);
        self.start = from + until;
        self.position += until as u64;
        self.scanned = self.scanned.max(self.start);
        Run {
            bytes: self.buffer.get(from..from + until).unwrap_or_default(),
            lines: &self.lines,
            position,
            ascii,
        }
    }

    /// Reads more, or finds out why there is no more.
    pub(crate) fn step(&mut self, now: Instant) -> Result<Step> {
        if self.is_quiet() || (self.file.is_none() && !self.open()?) {
            return Ok(Step::Nothing);
        }
        if self.read()? {
            self.rotated = None;
            return Ok(Step::Read);
        }
        self.at_end(now)
            .map_err(|error| Error::retriable(format!("Error while looking at file {}: {error}", self.path)))
    }

    /// Fills `lines` and tells whether the bytes of all of them are ASCII.
    fn find(&mut self, most: usize, bytes: usize) -> bool {
        self.lines.clear();
        let mut ascii = self.scanned_ascii;
        let data = self.buffer.get(..self.end).unwrap_or_default();
        while self.lines.is_empty() && self.scanned < self.end {
            // Looking far beyond what the batch takes would be done again for the next one.
            let window = self.end.min(self.scanned.saturating_add(bytes.max(READ_BYTES_MAX)));
            self.scan.run(data.get(..window).unwrap_or_default(), self.scanned, most);
            ascii &= self.scan.ascii;
            let mut spent = 0;
            let mut next = self.start;
            let mut full = false;
            for end in &self.scan.ends {
                let end = *end as usize;
                // The `\n` of a `\r\n`.
                if end < next {
                    continue;
                }
                let behind = match (data.get(end), data.get(end + 1)) {
                    (Some(b'\r'), None) => break,
                    (Some(b'\r'), Some(b'\n')) => end + 2,
                    _ => end + 1,
                };
                spent += behind - next + RECORD_BYTES;
                full = self.lines.len() >= most || (spent > bytes && !self.lines.is_empty());
                if full {
                    break;
                }
                self.lines.push(Line {
                    start: (next - self.start) as u32,
                    end: (end - self.start) as u32,
                    next: (behind - self.start) as u32,
                });
                next = behind;
            }
            // What was looked at and holds no end need not be looked at again.
            let pending = self.scan.ends.iter().map(|end| *end as usize).find(|end| *end >= next);
            self.scanned = if full { next } else { pending.unwrap_or(self.scan.until).max(next) };
            self.scanned_ascii = full || ascii;
            if pending.is_some() {
                break;
            }
        }
        ascii
    }

    /// Whether a glance at the name shows the file as it was when all of it had been read: one call to the host
    /// instead of the half a dozen of a whole look, and thousands of quiet files are looked at each second.
    fn is_quiet(&mut self) -> bool {
        let Some((seen, glances)) = &mut self.quiet else { return false };
        *glances += 1;
        let is_quiet =
            *glances < GLANCES_MAX && std::fs::metadata(&self.path).is_ok_and(|named| alike(seen, &named));
        if !is_quiet {
            self.quiet = None;
        }
        is_quiet
    }

    /// Opens the file; false when there is none.
    fn open(&mut self) -> Result<bool> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if !self.missing {
                    warn!(
                        "Couldn't find file {} for FileStreamSourceTask, waiting for it to be created",
                        self.path
                    );
                    self.missing = true;
                }
                return Ok(false);
            }
            Err(error) => return Err(self.failed("Error while trying to open", &error)),
        };
        self.position = self
            .checked_position(&mut file)
            .and_then(|position| file.seek(SeekFrom::Start(position)))
            .map_err(|error| self.failed("Error while trying to seek to previous offset in", &error))?;
        info!("Opened {} for reading at position {}", self.path, self.position);
        self.missing = false;
        self.file = Some(file);
        Ok(true)
    }

    /// The position to start at: that of the stored offset, unless this cannot be the file it came
    /// from. Reading a file again from its beginning can repeat lines; trusting the position would
    /// lose some.
    fn checked_position(&self, file: &mut File) -> io::Result<u64> {
        let Some(before) = self.position.checked_sub(1) else { return Ok(0) };
        let length = file.metadata()?.len();
        if length < self.position {
            warn!(
                "{} has {length} bytes, fewer than the {} that were read of it: it was replaced or cut while \
                 nobody followed it; reading it from its beginning",
                self.path, self.position
            );
            return Ok(0);
        }
        let mut last = [0];
        file.seek(SeekFrom::Start(before))?;
        file.read_exact(&mut last)?;
        if !matches!(last, [b'\n' | b'\r']) {
            warn!(
                "No line of {} ends at the stored position {}: the position is that of another file; reading this \
                 one from its beginning",
                self.path, self.position
            );
            return Ok(0);
        }
        Ok(self.position)
    }

    /// Reads behind what is there; false at the end of the file.
    fn read(&mut self) -> Result<bool> {
        self.make_room()?;
        let Some(file) = &mut self.file else { return Ok(false) };
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let behind = self.position + (self.end - self.start) as u64;
        // A WASI stream that has ended stays so, even when the file grows; a seek begins a new one.
        let read = if self.ended {
            file.seek(SeekFrom::Start(behind)).and_then(|_| file.read(room))
        } else {
            file.read(room)
        };
        match read {
            Ok(n) => {
                self.end += n;
                self.ended = n == 0;
                if n >= self.room {
                    self.room = (self.room * 2).min(READ_BYTES_MAX);
                }
                Ok(n > 0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(Error::retriable(format!("Error while reading file {}: {error}", self.path))),
        }
    }

    fn make_room(&mut self) -> Result<()> {
        if self.start > 0 && self.buffer.len() - self.end < self.room {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.scanned -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < self.room {
            if self.end - self.start > LINE_BYTES_MAX {
                return Err(Error::fatal(format!(
                    "A line of {} at position {} is longer than {LINE_BYTES_MAX} bytes",
                    self.path, self.position
                )));
            }
            self.buffer.resize((self.buffer.len() * 2).max(self.room * READS), 0);
        }
        Ok(())
    }

    /// At the end of the file: was it cut, or has its name gone to another file?
    fn at_end(&mut self, now: Instant) -> io::Result<Step> {
        let Some(file) = &self.file else { return Ok(Step::Nothing) };
        let held = file.metadata()?;
        let read = self.position + (self.end - self.start) as u64;
        if held.len() < read {
            warn!("{} was cut from {read} to {} bytes; reading it from its beginning", self.path, held.len());
            return Ok(self.start_over());
        }
        let named = match std::fs::metadata(&self.path) {
            Ok(named) => named,
            // The old file was renamed and the new one is still to come.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Step::Nothing),
            Err(error) => return Err(error),
        };
        // WASI shows no inode: two files are told apart by length and time, and a file that is
        // written to in between by being looked at twice.
        if alike(&held, &named) {
            self.rotated = None;
            // What was written since the read has to be read first.
            self.quiet = (held.len() == read).then_some((held, 0));
            return Ok(Step::Nothing);
        }
        if !alike(&held, &file.metadata()?) {
            self.rotated = None;
            return Ok(Step::Nothing);
        }
        match self.rotated {
            Some((since, length)) if length == held.len() => {
                if now.saturating_duration_since(since) < ROTATION_GRACE {
                    return Ok(Step::Nothing);
                }
                info!(
                    "{} is another file now; the one before was read to its end at {read} bytes",
                    self.path
                );
                Ok(self.start_over())
            }
            _ => {
                self.rotated = Some((now, held.len()));
                Ok(Step::Nothing)
            }
        }
    }

    /// Forgets the file. What is left of its last line will not be finished, so it counts as one.
    fn start_over(&mut self) -> Step {
        let left = self.buffer.get(self.start..self.end).unwrap_or_default();
        let left = left.strip_suffix(b"\r").unwrap_or(left);
        let left = (self.end > self.start).then(|| left.to_vec());
        if left.is_some() {
            warn!("The last line of {} had no end; it is taken as it was", self.path);
        }
        self.file = None;
        self.rotated = None;
        self.quiet = None;
        (self.start, self.end, self.scanned, self.position) = (0, 0, 0, 0);
        self.scanned_ascii = true;
        Step::Over(left)
    }

    fn failed(&self, what: &str, error: &io::Error) -> Error {
        Error::fatal(format!("{what} file {}: {error}", self.path))
    }
}

fn alike(one: &Metadata, other: &Metadata) -> bool {
    one.len() == other.len() && one.modified().ok() == other.modified().ok()
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
