//! Everything that a guest says, as lines of the worker's log: through `connect-log`, and what it
//! writes to its standard output and error. At most so many lines a second; the rest is counted.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cofferdam_stdx::time::{self, Instant};
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::Label;

/// Longest line that is kept, in bytes.
const LINE_MAX: usize = 8 * 1024;
/// Lines of the standard error that a trap's message shows: the last ones hold a panic's text.
const TAIL_LINES: usize = 4;
/// What a stream accepts at once.
const PERMIT: usize = 64 * 1024;

/// The log of one instance.
#[derive(Debug)]
pub(crate) struct GuestLog {
    connector: String,
    task: String,
    lines_per_s: u32,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    second: Instant,
    lines: u32,
    dropped: u64,
    /// Unfinished lines of the two streams.
    open: [Vec<u8>; 2],
    tail: VecDeque<String>,
}

impl GuestLog {
    pub(crate) fn new(label: &Label, lines_per_s: u32) -> Self {
        let inner = Inner {
            second: time::now(),
            lines: 0,
            dropped: 0,
            open: [Vec::new(), Vec::new()],
            tail: VecDeque::new(),
        };
        Self {
            connector: label.connector.clone(),
            task: label.task.map(|task| task.to_string()).unwrap_or_default(),
            lines_per_s,
            inner: Mutex::new(inner),
        }
    }

    /// Writes one line, unless there were too many in this second.
    pub(crate) fn line(&self, level: Level, text: &str) {
        let dropped = {
            let mut inner = self.lock();
            let now = time::now();
            let dropped = if now.duration_since(inner.second) >= Duration::from_secs(1) {
                inner.second = now;
                inner.lines = 0;
                std::mem::take(&mut inner.dropped)
            } else {
                0
            };
            if inner.lines >= self.lines_per_s {
                inner.dropped += 1;
                return;
            }
            inner.lines += 1;
            dropped
        };
        if dropped > 0 {
            self.emit(Level::WARN, &format!("{dropped} log lines of this plugin were dropped"));
        }
        self.emit(level, &printable(text));
    }

    /// The last lines of the standard error since the last call of this, an unfinished one included.
    pub(crate) fn take_tail(&self) -> Vec<String> {
        let mut inner = self.lock();
        let mut tail: Vec<String> = std::mem::take(&mut inner.tail).into();
        let [_, open] = &mut inner.open;
        if !open.is_empty() {
            tail.push(printable(&String::from_utf8_lossy(&std::mem::take(open))));
        }
        tail
    }

    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut finished = Vec::new();
        {
            let mut inner = self.lock();
            let Inner { open: [out, err], tail, .. } = &mut *inner;
            let open = if stream == Stream::Out { out } else { err };
            let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
            while let Some(part) = parts.next() {
                let room = LINE_MAX.saturating_sub(open.len());
                open.extend_from_slice(part.get(..room).unwrap_or(part));
                if parts.peek().is_some() {
                    finished.push(String::from_utf8_lossy(&std::mem::take(open)).into_owned());
                }
            }
            if stream == Stream::Err {
                for line in finished.iter().filter(|line| !line.trim().is_empty()) {
                    if tail.len() == TAIL_LINES {
                        tail.pop_front();
                    }
                    tail.push_back(printable(line));
                }
            }
        }
        let level = if stream == Stream::Out { Level::INFO } else { Level::WARN };
        for line in finished.iter().filter(|line| !line.trim().is_empty()) {
            self.line(level, line);
        }
    }

    fn emit(&self, level: Level, text: &str) {
        let (connector, task) = (&self.connector, &self.task);
        // A level is part of an event's fixed description: one branch for each.
        match level {
            Level::ERROR => tracing::error!(target: "guest", connector, task, "{text}"),
            Level::WARN => tracing::warn!(target: "guest", connector, task, "{text}"),
            Level::INFO => tracing::info!(target: "guest", connector, task, "{text}"),
            Level::DEBUG => tracing::debug!(target: "guest", connector, task, "{text}"),
            Level::TRACE => tracing::trace!(target: "guest", connector, task, "{text}"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        let dropped = self.lock().dropped;
        if dropped > 0 {
            self.emit(Level::WARN, &format!("{dropped} log lines of this plugin were dropped"));
        }
    }
}

/// A guest must not be able to fake lines or move the cursor of whoever reads the log.
fn printable(text: &str) -> String {
    let end =
        text.char_indices().map(|(at, _)| at).take_while(|at| *at <= LINE_MAX).last().unwrap_or_default();
    let text = if text.len() > LINE_MAX { text.get(..end).unwrap_or_default() } else { text };
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        if c.is_control() && c != '\t' { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

// === the standard streams ===

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// A guest's standard output or error.
#[derive(Clone, Debug)]
pub(crate) struct GuestStream {
    pub(crate) log: Arc<GuestLog>,
    pub(crate) stream: Stream,
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.log.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_fake_a_line() {
        assert_eq!(printable("a\n2025 ERROR \u{1b}[2J\tb\r\n"), "a\\n2025 ERROR \\u{1b}[2J\tb");
        assert_eq!(printable(&"ü".repeat(LINE_MAX)).len(), LINE_MAX);
    }

    #[test]
    fn the_tail_is_the_end_of_the_standard_error() {
        let log = GuestLog::new(&Label::default(), 10);
        log.write(Stream::Out, b"not this\n");
        for n in 0..6 {
            log.write(Stream::Err, format!("line {n}\npart").as_bytes());
            log.write(Stream::Err, b"\n");
        }
        log.write(Stream::Err, b"open end");
        assert_eq!(log.take_tail(), ["line 4", "part", "line 5", "part", "open end"]);
        assert_eq!(log.take_tail(), Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn lines_beyond_the_bound_are_counted() {
        let log = GuestLog::new(&Label::default(), 3);
        for _ in 0..10 {
            log.line(Level::INFO, "again");
        }
        assert_eq!(log.lock().dropped, 7);
        tokio::time::advance(Duration::from_secs(1)).await;
        log.line(Level::INFO, "next second");
        let inner = log.lock();
        assert_eq!((inner.dropped, inner.lines), (0, 1));
    }
}
