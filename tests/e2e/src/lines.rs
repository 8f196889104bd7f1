//! Numbered lines in files, and what is left of them at the other end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The line with a number: `line <n> <filler>`, 99 bytes.
#[must_use]
pub fn line(number: u64) -> String {
    let mut line = format!("line {number:012} ");
    line.extend(std::iter::repeat_n(char::from(b'a' + (number % 26) as u8), 99 - line.len()));
    line
}

/// The number of a line, if it is as [`line()`] made it, to the last byte.
#[must_use]
pub fn number_of(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text.get(5..17)?).ok()?;
    let number = digits.parse().ok()?;
    (text == line(number).as_bytes()).then_some(number)
}

/// Writes the lines of `numbers`, 100 bytes each with the newline, appending.
///
/// # Errors
/// When the file cannot be written.
pub fn write_lines(path: &Path, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let mut out = BufWriter::new(file);
    for number in numbers {
        out.write_all(line(number).as_bytes())?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Number of newlines in a file; 0 while it does not exist.
#[must_use]
pub fn count_lines(path: &Path) -> u64 {
    let Ok(file) = std::fs::File::open(path) else { return 0 };
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut n = 0;
    while let Ok(chunk) = reader.fill_buf() {
        if chunk.is_empty() {
            break;
        }
        n += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        let len = chunk.len();
        reader.consume(len);
    }
    n
}

/// How often each line occurs in the files, by its text.
///
/// # Errors
/// When a file cannot be read.
pub fn lines_of(paths: &[&Path]) -> anyhow::Result<BTreeMap<String, u32>> {
    let mut seen = BTreeMap::new();
    for path in paths {
        for line in BufReader::new(std::fs::File::open(path)?).lines() {
            *seen.entry(line?).or_default() += 1;
        }
    }
    Ok(seen)
}

/// SHA-256 of a file's content, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn checksum(path: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut Hasher(&mut hash))?;
    Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    }))
}

struct Hasher<'a>(&'a mut Sha256);

impl std::io::Write for Hasher<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
