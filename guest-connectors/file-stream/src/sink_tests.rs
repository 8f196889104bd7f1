//! The sink against real files, and against a disk that is full.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::cell::RefCell;
use std::rc::Rc;

use cofferdam_sdk::config::Pairs;
use cofferdam_sdk::frame::{Builder, Entry, Position};
use cofferdam_sdk::guest::Instance;
use cofferdam_sdk::{Kind, SchemaId, TopicOffset, rows, schemas, tape};

use super::*;
use crate::PLUGINS;

fn pairs(file: &str) -> Pairs {
    vec![("file".to_owned(), file.to_owned())]
}

/// A frame of values with their schemas.
fn frame(values: &[(SchemaId, Option<&[u8]>)]) -> Vec<u8> {
    let mut builder = Builder::default();
    let topic = builder.topic("t").unwrap();
    for (index, (schema, value)) in values.iter().enumerate() {
        let value = builder.put_option(*value);
        builder.push(&Entry {
            value,
            value_schema: *schema,
            partition: Some(0),
            position: Position::Kafka(index as i64),
            ..Entry::new(topic)
        });
    }
    builder.finish()
}

#[test]
fn values_become_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.txt");
    std::fs::write(&path, "before\n").unwrap();
    let mut instance = Instance::new(PLUGINS);
    instance.start_sink("FileStreamSink", pairs(path.to_str().unwrap())).unwrap();
    let text = schemas::string().unwrap();
    let bytes = schemas::optional(Kind::Bytes).unwrap();
    let number = schemas::int64().unwrap();
    let point = schemas::structure("", &[("x", number), ("name", text)]).unwrap();
    let mut row = Vec::new();
    let mut writer = rows::RowWriter::start(&mut row, 2);
    rows::put_int(&mut row, 7);
    writer.field(&mut row, false);
    row.extend_from_slice(b"seven");
    writer.field(&mut row, false);
    let mut map = Vec::new();
    let mut pairs = tape::start_map(&mut map);
    tape::put_string(&mut map, "a");
    pairs.item(&map, false);
    tape::put_int(&mut map, tape::Tag::Int64, 1);
    pairs.item(&map, false);
    pairs.finish(&mut map);
    let bad = instance
        .put(&frame(&[
            (text, Some("grün".as_bytes())),
            (bytes, Some(b"\x00\xffraw")),
            (number, Some(&42_i64.to_le_bytes())),
            (0, None),
            (number, Some(b"no number")),
            (point, Some(&row)),
            (0, Some(&map)),
            (text, Some(b"")),
        ]))
        .unwrap();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].index, 4);
    let offsets = vec![TopicOffset { topic: "t".to_owned(), partition: 0, offset: 8 }];
    assert_eq!(instance.pre_commit(offsets.clone()).unwrap(), offsets);
    let expected = b"before\ngr\xc3\xbcn\n\x00\xffraw\n42\nnull\nStruct{x=7,name=seven}\n{a=1}\n\n";
    assert_eq!(std::fs::read(&path).unwrap(), expected);
    assert!(instance.put(&[]).unwrap().is_empty(), "a call without records does nothing");
}

#[test]
fn a_line_that_a_crash_has_torn_is_ended_before_the_next_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.txt");
    std::fs::write(&path, "one\ntw").unwrap();
    let text = schemas::string().unwrap();
    for value in ["two", "three"] {
        let mut instance = Instance::new(PLUGINS);
        instance.start_sink("FileStreamSink", pairs(path.to_str().unwrap())).unwrap();
        assert!(instance.put(&[]).unwrap().is_empty());
        assert!(instance.put(&frame(&[(text, Some(value.as_bytes()))])).unwrap().is_empty());
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\ntwo\nthree\n");
}

#[test]
fn a_write_of_another_task_is_no_torn_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.txt");
    let open = || OpenOptions::new().create(true).read(true).append(true).open(&path).unwrap();
    let mut piece = vec![b'x'; 9_000];
    piece[8_999] = b'\n';
    let (mut other, mut file) = (open(), open());
    other.write_all(&piece).unwrap();
    let writing = std::thread::spawn(move || (0..10_000).for_each(|_| other.write_all(&piece).unwrap()));
    while !writing.is_finished() {
        assert!(!file.is_torn());
    }
    writing.join().unwrap();
}

#[test]
fn a_file_in_a_missing_folder_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("no/out.txt");
    let error =
        Instance::new(PLUGINS).start_sink("FileStreamSink", pairs(path.to_str().unwrap())).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("Couldn't find or create file '{}'", path.display())),
        "{error}"
    );
}

#[test]
fn as_many_tasks_as_are_allowed() {
    let mut instance = Instance::new(PLUGINS);
    instance.start_connector("FileStreamSink", pairs("/out")).unwrap();
    assert_eq!(instance.task_configs(3).unwrap(), [pairs("/out"), pairs("/out"), pairs("/out")]);
}

/// A disk with so much room.
#[derive(Default)]
struct Disk {
    content: Vec<u8>,
    room: usize,
    cannot_cut: bool,
    syncs: u32,
}

#[derive(Clone, Default)]
struct SmallDisk(Rc<RefCell<Disk>>);

impl Out for SmallDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.borrow_mut();
        let room = disk.room - disk.content.len();
        if room == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(room);
        disk.content.extend_from_slice(&bytes[..written]);
        Ok(written)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.borrow().content.len() as u64)
    }

    fn is_torn(&mut self) -> bool {
        self.0.borrow().content.last().is_some_and(|last| *last != b'\n')
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        if disk.cannot_cut {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        disk.content.truncate(length as usize);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.borrow_mut().syncs += 1;
        Ok(())
    }
}

fn on(disk: &SmallDisk) -> FileStreamSink {
    let mut sink = FileStreamSink::new("/out", Box::new(disk.clone()), false);
    sink.buffer.extend_from_slice(b"0123456789\n");
    sink
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was_and_fails_the_task() {
    let disk = SmallDisk::default();
    disk.0.borrow_mut().content = b"before\n".to_vec();
    disk.0.borrow_mut().room = 12;
    let mut sink = on(&disk);
    let error = sink.append().unwrap_err();
    assert!(
        matches!(&error, Error::Fatal(message) if message.starts_with("Writing /out failed: ")),
        "{error:?}"
    );
    assert_eq!(disk.0.borrow().content, b"before\n");
    // Somebody made room: the same batch comes again and is there once.
    disk.0.borrow_mut().room = 100;
    sink.append().unwrap();
    assert_eq!(disk.0.borrow().content, b"before\n0123456789\n");
    sink.flush().unwrap();
    sink.flush().unwrap();
    assert_eq!(disk.0.borrow().syncs, 1, "what is synced is not synced again");
}

#[test]
fn half_a_batch_that_cannot_be_taken_back_fails_the_task() {
    let disk = SmallDisk::default();
    disk.0.borrow_mut().room = 5;
    disk.0.borrow_mut().cannot_cut = true;
    assert!(matches!(on(&disk).append().unwrap_err(), Error::Fatal(_)));
}

#[test]
fn what_another_task_wrote_is_never_cut() {
    let disk = SmallDisk::default();
    disk.0.borrow_mut().content = b"theirs\n".to_vec();
    disk.0.borrow_mut().room = 10;
    let mut sink = on(&disk);
    sink.shared = true;
    assert!(matches!(sink.append().unwrap_err(), Error::Fatal(_)));
    assert_eq!(disk.0.borrow().content, b"theirs\n012");
    let length = disk.0.borrow().content.len();
    assert!(matches!(sink.append().unwrap_err(), Error::Fatal(_)));
    assert_eq!(disk.0.borrow().content.len(), length, "the file is as it was");
}

#[test]
fn pieces_end_with_a_line() {
    let line = [b'x'; 999];
    let mut all = Vec::new();
    for _ in 0..200 {
        all.extend_from_slice(&line);
        all.push(b'\n');
    }
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let piece = piece(rest);
        assert!(piece.len() <= PIECE_BYTES && piece.ends_with(b"\n"));
        rest = &rest[piece.len()..];
    }
    let long = vec![b'x'; 3 * PIECE_BYTES];
    assert_eq!(piece(&long).len(), PIECE_BYTES);
}
