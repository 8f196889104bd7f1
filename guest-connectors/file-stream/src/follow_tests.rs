//! The follower against real files.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::*;

struct Case {
    _dir: tempfile::TempDir,
    path: PathBuf,
    follower: Follower,
    now: Instant,
}

impl Case {
    fn new(content: Option<&str>, position: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.txt");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let follower = Follower::new(path.to_str().unwrap(), position);
        Self { _dir: dir, path, follower, now: Instant::now() }
    }

    fn append(&self, text: &str) {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// Everything there is, as `line@position behind it`; what is left of a file that ended so is
    /// marked with `!`.
    fn read(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let run = self.follower.take(1000, usize::MAX);
            for line in run.lines {
                let text = String::from_utf8_lossy(&run.bytes[line.start as usize..line.end as usize]);
                lines.push(format!("{text}@{}", run.position + u64::from(line.next)));
            }
            if !run.lines.is_empty() {
                continue;
            }
            match self.follower.step(self.now).unwrap() {
                Step::Read => {}
                Step::Nothing => return lines,
                Step::Over(None) => lines.push("!".to_owned()),
                Step::Over(Some(left)) => lines.push(format!("{}!", String::from_utf8_lossy(&left))),
            }
        }
    }
}

#[test]
fn lines_end_as_in_the_original() {
    let mut case = Case::new(Some("a\nb\r\nc\rd\n\n\r\ré\nlast"), 0);
    assert_eq!(case.read(), ["a@2", "b@5", "c@7", "d@9", "@10", "@11", "@12", "é@15"]);
    case.append(" line\n");
    assert_eq!(case.read(), ["last line@25"]);
}

#[test]
fn a_carriage_return_waits_for_what_follows() {
    let mut case = Case::new(Some("a\r"), 0);
    assert!(case.read().is_empty());
    assert!(case.read().is_empty());
    case.append("\nb\r");
    assert_eq!(case.read(), ["a@3"]);
    case.append("c");
    assert_eq!(case.read(), ["b@5"]);
}

#[test]
fn a_file_that_comes_later_is_waited_for_and_noted_once() {
    let mut case = Case::new(None, 0);
    assert!(case.read().is_empty());
    assert!(case.read().is_empty());
    assert_eq!(cofferdam_sdk::testing::take_log().len(), 1);
    case.append("a\n");
    assert_eq!(case.read(), ["a@2"]);
}

#[test]
fn reading_goes_on_at_the_stored_position() {
    assert_eq!(Case::new(Some("a\nb\nc\n"), 2).read(), ["b@4", "c@6"]);
    assert!(Case::new(Some("a\nb\nc\n"), 6).read().is_empty());
}

#[test]
fn a_position_of_another_file_is_not_trusted() {
    // Shorter than what was read: replaced or cut while nobody looked.
    assert_eq!(Case::new(Some("a\n"), 20).read(), ["a@2"]);
    // Long enough, but no line ends there.
    assert_eq!(Case::new(Some("abc\ndef\n"), 2).read(), ["abc@4", "def@8"]);
    assert!(
        cofferdam_sdk::testing::take_log().iter().any(|(level, _)| *level == cofferdam_sdk::log::Level::Warn)
    );
}

#[test]
fn a_file_that_was_cut_is_read_from_its_beginning() {
    let mut case = Case::new(Some("one\ntwo\nunfini"), 0);
    assert_eq!(case.read(), ["one@4", "two@8"]);
    OpenOptions::new().write(true).open(&case.path).unwrap().set_len(0).unwrap();
    assert_eq!(case.read(), ["unfini!"]);
    case.append("three\n");
    assert_eq!(case.read(), ["three@6"]);
}

#[test]
fn a_replaced_file_is_read_to_its_end_first() {
    let mut case = Case::new(Some("one\n"), 0);
    assert_eq!(case.read(), ["one@4"]);
    let old = case.path.with_extension("1");
    std::fs::rename(&case.path, &old).unwrap();
    assert!(case.read().is_empty(), "the name is free: the next file is still to come");
    // Its writer still has the old file open, and the new one is there already.
    std::fs::write(&case.path, "first of the next\n").unwrap();
    assert!(case.read().is_empty());
    OpenOptions::new().append(true).open(&old).unwrap().write_all(b"two\nhalf").unwrap();
    case.now += ROTATION_GRACE * 2;
    assert_eq!(case.read(), ["two@8"], "what came in the meantime starts the wait again");
    case.now += ROTATION_GRACE / 2;
    assert!(case.read().is_empty());
    case.now += ROTATION_GRACE;
    assert_eq!(case.read(), ["half!", "first of the next@18"]);
    case.append("x\n");
    assert_eq!(case.read(), ["x@20"]);
}

#[test]
fn a_copy_under_the_name_does_not_hide_that_the_file_grows() {
    let mut case = Case::new(Some("one\n"), 0);
    assert_eq!(case.read(), ["one@4"]);
    let old = case.path.with_extension("1");
    std::fs::rename(&case.path, &old).unwrap();
    std::fs::write(&case.path, "one\n").unwrap();
    let written = std::fs::metadata(&old).unwrap().modified().unwrap();
    File::options().write(true).open(&case.path).unwrap().set_modified(written).unwrap();
    assert!(case.read().is_empty());
    OpenOptions::new().append(true).open(&old).unwrap().write_all(b"two\n").unwrap();
    let looks: Vec<_> = (0..GLANCES_MAX).flat_map(|_| case.read()).collect();
    assert_eq!(looks, ["two@8"]);
}

#[test]
fn lines_longer_than_the_buffer_are_whole() {
    let long = "é".repeat(READS * READ_BYTES_MAX);
    let mut case = Case::new(Some(&format!("short\n{long}\r\nend\n")), 0);
    let lines = case.read();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1], format!("{long}@{}", 6 + 2 * READS * READ_BYTES_MAX + 2));
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let case = Case::new(Some(""), 0);
    let file = OpenOptions::new().write(true).open(&case.path).unwrap();
    file.set_len(2 * LINE_BYTES_MAX as u64).unwrap();
    let mut follower = case.follower;
    let error = loop {
        assert!(follower.take(10, usize::MAX).lines.is_empty());
        if let Err(error) = follower.step(case.now) {
            break error;
        }
    };
    assert!(error.to_string().contains("is longer than"), "{error}");
}

#[test]
fn a_batch_takes_what_fits_and_leaves_the_rest() {
    let content: String = (0..1000).map(|n| format!("line {n}\n")).collect();
    for (most, bytes) in [(1, usize::MAX), (7, usize::MAX), (1000, 1), (1000, 300), (64, 2000)] {
        let mut case = Case::new(Some(&content), 0);
        let mut position = 0;
        let mut seen = String::new();
        loop {
            let run = case.follower.take(most, bytes);
            assert!(run.lines.len() <= most);
            assert!(run.lines.len() <= 1 || run.bytes.len() + run.lines.len() * RECORD_BYTES <= bytes);
            assert_eq!(run.position, position);
            assert!(run.ascii);
            position += run.bytes.len() as u64;
            seen.push_str(std::str::from_utf8(run.bytes).unwrap());
            if run.lines.is_empty() && case.follower.step(case.now).unwrap() == Step::Nothing {
                break;
            }
        }
        assert!(seen == content, "{most} lines, {bytes} bytes");
    }
}

#[test]
fn what_is_not_ascii_is_told_even_when_it_was_seen_before() {
    let mut case = Case::new(Some("é"), 0);
    assert!(case.read().is_empty());
    case.append("abc\nplain\n");
    assert_eq!(case.follower.step(case.now).unwrap(), Step::Read);
    let run = case.follower.take(1, usize::MAX);
    assert_eq!((run.lines.len(), run.ascii), (1, false));
    let run = case.follower.take(1, usize::MAX);
    assert_eq!((run.lines.len(), run.ascii), (1, true));
}
