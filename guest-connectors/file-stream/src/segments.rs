//! The folder of one partition: segments of lines, and a record of each that says up to which offset
//! it reaches.
//!
//! Lines go to a hidden file. To publish it, a hidden *commit record* is made first, whose name is where
//! the segment begins, that is where the last one ended; then the lines get their visible name. A
//! commit record is written aside and linked to its name, which fails when the name is taken: of several
//! tasks that believe the partition to be theirs, one publishes what follows on a segment, and the
//! history stays a line. Whoever opens the folder next finishes what was begun.
//!
//! Invariant: what is visible is complete, in the order of the partition, and no record is in two
//! segments. A hidden file is only removed when no commit record can name it any more.

use std::cmp::Ordering;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cofferdam_sdk::json::{self, Object, Value};
use cofferdam_sdk::{TopicPartition, warn};

use crate::disk;

const COMMIT: &str = ".commit";
const LINES: &str = ".lines";
const DRAFT: &str = ".draft";

/// One partition's segments.
#[derive(Debug)]
pub(crate) struct Segments {
    root: PathBuf,
    folder: PathBuf,
    /// Where the last segment ends, that is the next offset; none when there is no segment.
    end: Option<i64>,
    open: Option<OpenSegment>,
    /// Hidden files, not ours, of segments that would follow on the last one. Theirs may still win.
    others: Vec<String>,
}

/// Lines that are not published yet.
#[derive(Debug)]
struct OpenSegment {
    file: File,
    name: String,
    first: i64,
    bytes: u64,
    records: u64,
}

/// What became of a segment that was to be published.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is there to stay.
    Ours,
    /// Another task has published what follows on the last segment; ours is gone.
    Theirs,
}

/// What is said of a segment.
#[derive(Debug)]
struct Commit {
    /// Hidden name of the lines.
    lines: String,
    /// Visible name of the lines.
    file: String,
    bytes: u64,
    records: u64,
    end: i64,
}

impl Segments {
    /// Finds out where the partition stands, and finishes what was begun.
    pub(crate) fn open(root: &str, partition: &TopicPartition) -> io::Result<Self> {
        let root = PathBuf::from(root);
        let folder = root.join(format!("{}-{}", partition.topic, partition.partition));
        let mut segments = Self { root, folder, end: None, open: None, others: Vec::new() };
        let names = disk::list(&segments.folder)?;
        let newest = names.iter().filter_map(|name| start_of(name, COMMIT)).max();
        if let Some(start) = newest {
            let mut commit = segments.commit(start)?.ok_or_else(|| damaged(start, "it is gone"))?;
            segments.end = Some(commit.end);
            // One that came while the folder was read may be missing in the list.
            while let Some(next) = segments.commit(commit.end)? {
                commit = next;
                segments.end = Some(commit.end);
            }
            segments.finish(&commit)?;
        }
        segments.tidy(names)?;
        Ok(segments)
    }

    /// The offset to go on at, where the folder knows.
    pub(crate) const fn end(&self) -> Option<i64> {
        self.end
    }

    /// Bytes and records that are not published.
    pub(crate) fn pending(&self) -> (u64, u64) {
        self.open.as_ref().map_or((0, 0), |open| (open.bytes, open.records))
    }

    /// Adds the lines of `records` records; `first` is the offset of the first of them.
    pub(crate) fn append(&mut self, lines: &[u8], records: u64, first: i64) -> io::Result<()> {
        if self.open.is_none() {
            if disk::make_folder(&self.folder)? {
                disk::sync_folder(&self.root)?;
            }
            let (name, file) = self.create(LINES)?;
            self.open = Some(OpenSegment { file, name, first, bytes: 0, records: 0 });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        disk::append(&mut open.file, lines)?;
        open.bytes += lines.len() as u64;
        open.records += records;
        Ok(())
    }

    /// Makes a segment of what was appended, which reaches to before the offset `end`.
    pub(crate) fn publish(&mut self, end: i64) -> io::Result<Published> {
        let Some(open) = self.open.take() else { return Ok(Published::Ours) };
        disk::sync(&open.file)?;
        drop(open.file);
        let commit = Commit {
            file: format!("{:020}-{end:020}.txt", self.end.unwrap_or(open.first)),
            lines: open.name,
            bytes: open.bytes,
            records: open.records,
            end,
        };
        let (draft, mut file) = self.create(DRAFT)?;
        disk::append(&mut file, commit.to_json().as_bytes())?;
        disk::sync(&file)?;
        drop(file);
        // The names of both have to outlive what refers to them.
        disk::sync_folder(&self.folder)?;
        let linked = disk::link(&self.path(&draft), &self.path(&hidden(self.start(), "", COMMIT)));
        if let Err(error) = linked {
            // A file system across a network may fail and have done it all the same.
            match self.commit(self.start())? {
                Some(there) if there.lines == commit.lines => {}
                Some(_) => {
                    disk::remove(&self.path(&draft))?;
                    disk::remove(&self.path(&commit.lines))?;
                    return Ok(Published::Theirs);
                }
                None => return Err(error),
            }
        }
        self.finish(&commit)?;
        self.end = Some(end);
        self.others.push(draft);
        for name in std::mem::take(&mut self.others) {
            disk::remove(&self.path(&name))?;
        }
        Ok(Published::Ours)
    }

    /// Forgets what is not published.
    pub(crate) fn discard(&mut self) {
        if let Some(open) = self.open.take()
            && let Err(error) = disk::remove(&self.path(&open.name))
        {
            warn!("{} could not be removed and stays: {error}", self.path(&open.name).display());
        }
    }

    /// Gives committed lines their visible name, unless that is done; someone may have taken the file
    /// away since.
    fn finish(&self, commit: &Commit) -> io::Result<()> {
        let hidden = self.path(&commit.lines);
        let Some(length) = disk::length(&hidden)? else { return Ok(()) };
        if length != commit.bytes {
            let text = format!("{} has {length} bytes, not the {} committed", hidden.display(), commit.bytes);
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
        disk::rename(&hidden, &self.path(&commit.file))?;
        disk::sync_folder(&self.folder)
    }

    /// Removes what tasks before left behind of segments that are not, and never will be, committed.
    fn tidy(&mut self, names: Vec<String>) -> io::Result<()> {
        for name in names {
            let lines = start_of(&name, LINES);
            let Some(start) = lines.or_else(|| start_of(&name, DRAFT)) else { continue };
            match start.cmp(&self.start()) {
                Ordering::Less => match self.commit(start)? {
                    Some(commit) if commit.lines == name => self.finish(&commit)?,
                    _ => _ = disk::remove(&self.path(&name))?,
                },
                Ordering::Equal => self.others.push(name),
                Ordering::Greater => {}
            }
        }
        Ok(())
    }

    /// Where the next segment begins. 0 before the first one, whatever its first offset is: two tasks
    /// that read from different offsets must not both begin a history.
    fn start(&self) -> i64 {
        self.end.unwrap_or(0)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A new hidden file with a name of its own.
    fn create(&self, kind: &str) -> io::Result<(String, File)> {
        loop {
            let name =
                hidden(self.start(), &format!("-{:016x}", RandomState::new().build_hasher().finish()), kind);
            match disk::create(&self.path(&name)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made.map(|file| (name, file)),
            }
        }
    }

    /// The commit record of the segment that begins at `start`.
    fn commit(&self, start: i64) -> io::Result<Option<Commit>> {
        let Some(text) = disk::read(&self.path(&hidden(start, "", COMMIT)))? else { return Ok(None) };
        let commit = Commit::parse(&text).ok_or_else(|| damaged(start, &text))?;
        if commit.end > start { Ok(Some(commit)) } else { Err(damaged(start, &text)) }
    }
}

impl Commit {
    fn to_json(&self) -> String {
        let mut out = b"{\"file\":".to_vec();
        json::put_text(&mut out, &self.file);
        for (name, number) in
            [("bytes", self.bytes as i64), ("records", self.records as i64), ("end", self.end)]
        {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            json::put_int(&mut out, number);
        }
        out.extend_from_slice(b",\"lines\":");
        json::put_text(&mut out, &self.lines);
        out.extend_from_slice(b"}\n");
        String::from_utf8_lossy(&out).into_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        let object = Object::parse(text)?;
        // A name, never a path: what stands here is followed.
        let name = |key: &str| match object.get(key)? {
            Value::Text(name) if Path::new(name).file_name()? == name.as_str() => Some(name.clone()),
            _ => None,
        };
        let count = |key: &str| u64::try_from(object.int(key)?).ok();
        Some(Self {
            lines: name("lines")?,
            file: name("file")?,
            bytes: count("bytes")?,
            records: count("records")?,
            end: object.int("end")?,
        })
    }
}

/// `.<start><own><kind>`
fn hidden(start: i64, own: &str, kind: &str) -> String {
    format!(".{start:020}{own}{kind}")
}

/// Where the segment begins that a hidden file of this kind is of; none for other names.
fn start_of(name: &str, kind: &str) -> Option<i64> {
    let digits = name.strip_prefix('.')?.strip_suffix(kind)?.split('-').next()?;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}

fn damaged(start: i64, what: &str) -> io::Error {
    let text = format!("the commit record of the segment from {start} is damaged: {what}");
    io::Error::new(ErrorKind::InvalidData, text)
}
