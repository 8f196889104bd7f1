//! The sink: appends the text of each value to a file, a line each.
//!
//! A batch becomes text in one buffer, then goes to the file in pieces that end with a line, so that
//! several tasks may append to one file without tearing each other's lines. Before offsets are
//! committed the file is synced: what Kafka believes to be written is written.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use cofferdam_sdk::{
    Batch, Config, ConfigDef, Error, Key, PluginInfo, Problem, Problems, Result, Sink, SinkContext,
};

use crate::FILE;
use crate::lines::Lines;

/// Most bytes of one write: hosts take this much at once, and append it in one go.
const PIECE_BYTES: usize = 64 * 1024;
/// A file that did not grow for so long is not being written to: one write takes microseconds.
const WRITE_TIME: Duration = Duration::from_millis(20);
/// A buffer larger than this is not kept for the next batch.
const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(crate) struct FileStreamSink {
    path: String,
    out: Box<dyn Out>,
    /// Whether other tasks of the connector append to the file as well.
    shared: bool,
    buffer: Vec<u8>,
    lines: Lines,
    /// Whether the file ends with a line as far as this task is concerned.
    begun: bool,
    unsynced: bool,
}

impl Sink for FileStreamSink {
    fn info() -> PluginInfo {
        PluginInfo::sink("org.apache.kafka.connect.file.FileStreamSinkConnector")
            .alias("FileStreamSinkConnector")
            .alias("FileStreamSink")
            .task_class("org.apache.kafka.connect.file.FileStreamSinkTask")
            .version(env!("CARGO_PKG_VERSION"))
            .doc("Appends the text of each value to a file, one line for each record.")
            .config(ConfigDef::new().key(Key::string(FILE).optional().high().doc(
                "Destination filename. It must be given: a connector has no standard output to write to",
            )))
            .without_key()
            .without_headers()
            .writes_file("${file}")
    }

    fn validate(config: &Config) -> Vec<Problem> {
        let mut problems = Problems::new();
        problems.check(file(config));
        problems.into_vec()
    }

    fn start(config: &Config, _: &SinkContext) -> Result<Self> {
        let path = file(config)?;
        // Its end is read, where that may be.
        let opened = OpenOptions::new().create(true).read(true).append(true).open(path);
        let opened = opened.or_else(|_| OpenOptions::new().create(true).append(true).open(path));
        let out = opened.map_err(|error| {
            Error::fatal(format!("Couldn't find or create file '{path}' for FileStreamSinkTask: {error}"))
        })?;
        let tasks = config.optional("tasks.max").and_then(|tasks| tasks.parse::<u32>().ok());
        Ok(Self::new(path, Box::new(out), tasks.is_some_and(|tasks| tasks > 1)))
    }

    fn put(&mut self, batch: &Batch<'_>) -> Result<()> {
        self.buffer.clear();
        for record in batch.iter() {
            self.lines.put(&mut self.buffer, batch, &record);
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.append()?;
        if self.buffer.capacity() > BUFFER_BYTES_MAX {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.unsynced {
            self.out.sync().map_err(|error| {
                // After a failed sync the system may have dropped what was written: only a restart,
                // which reads it again, is safe.
                Error::fatal(format!("Writing {} to its disk failed: {error}", self.path))
            })?;
            self.unsynced = false;
        }
        Ok(())
    }

    fn stop(&mut self) {
        if let Err(error) = self.flush() {
            cofferdam_sdk::warn!("{error}");
        }
    }
}

impl FileStreamSink {
    fn new(path: &str, out: Box<dyn Out>, shared: bool) -> Self {
        Self {
            path: path.to_owned(),
            out,
            shared,
            buffer: Vec::new(),
            lines: Lines::default(),
            begun: false,
            unsynced: false,
        }
    }

    /// Writes the buffer, or leaves the file as it was.
    fn append(&mut self) -> Result<()> {
        let failed = |path: &str, error: io::Error| format!("Writing {path} failed: {error}");
        if !self.begun {
            // The last worker may have died within a write: the next record must not go on where that ended.
            if self.out.is_torn() {
                self.buffer.insert(0, b'\n');
            }
            self.begun = true;
        }
        let length = self.out.length().map_err(|error| Error::retriable(failed(&self.path, error)))?;
        let mut written = 0;
        while let Some(rest) = self.buffer.get(written..).filter(|rest| !rest.is_empty()) {
            let error = match self.out.append(piece(rest)) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(n) => {
                    written += n;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let message = format!("{}; the disk may be full", failed(&self.path, error));
            self.take_back(length, written).map_err(|cause| Error::fatal(format!("{message}; {cause}")))?;
            // A WASI stream that has failed fails for ever and does not tell why, and a full disk does not
            // mend by itself: whoever can mend it has to see it. Nothing of the batch is committed.
            return Err(Error::fatal(message));
        }
        self.unsynced = true;
        Ok(())
    }

    /// Removes what there is in the file of a batch that was not written to its end, since the batch
    /// will come again. A write that failed may have written something all the same, so the length
    /// of the file decides; nobody else's bytes are ever cut.
    fn take_back(&mut self, length: u64, written: usize) -> Result<(), String> {
        let now = self.out.length().map_err(|error| format!("its length is unknown: {error}"))?;
        if now == length {
            return Ok(());
        }
        let ours = (written + PIECE_BYTES) as u64;
        if self.shared || now < length || now - length > ours {
            return Err(format!(
                "a part of the batch may be in the file and cannot be taken back, because someone else writes to it as \
                 well: its last {} bytes are to be looked at",
                now.saturating_sub(length)
            ));
        }
        self.out
            .cut(length)
            .map_err(|error| format!("a part of the batch is in the file and cannot be taken back: {error}"))
    }
}

/// What the sink does to its file; a test puts a full disk in its place.
trait Out {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    fn length(&self) -> io::Result<u64>;
    /// Whether its last line has no end.
    fn is_torn(&mut self) -> bool;
    fn cut(&mut self, length: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

impl Out for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn is_torn(&mut self) -> bool {
        loop {
            let Ok(length @ 1..) = self.length() else { return false };
            let mut last = [0];
            let read = self.seek(SeekFrom::Start(length - 1)).and_then(|_| self.read(&mut last));
            if !matches!(read, Ok(1)) || last == *b"\n" {
                return false;
            }
            // Another task may be in the middle of its write, of which others see the beginning.
            std::thread::sleep(WRITE_TIME);
            if self.length().is_ok_and(|now| now == length) {
                return true;
            }
        }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The first bytes of `rest` that one write takes, up to the end of a line if there is one.
fn piece(rest: &[u8]) -> &[u8] {
    let Some(most) = rest.get(..PIECE_BYTES) else { return rest };
    let end = most.iter().rposition(|byte| *byte == b'\n').map_or(PIECE_BYTES, |end| end + 1);
    most.get(..end).unwrap_or(most)
}

/// The file's name, which has to be given.
fn file(config: &Config) -> Result<&str> {
    match config.optional(FILE) {
        None | Some("") => Err(Error::invalid(
            FILE,
            "null",
            "Without a file the original writes to the standard output of the worker, which a connector in a sandbox \
             does not have: name the file to write",
        )),
        Some(file) => Ok(file),
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
