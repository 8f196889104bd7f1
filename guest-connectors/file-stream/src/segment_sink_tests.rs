//! The sink on real files: deaths and rivals between any two steps, and what it refuses.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use cofferdam_sdk::config::Pairs;
use cofferdam_sdk::frame::{Builder, Entry, Position};
use cofferdam_sdk::guest::Instance;
use cofferdam_sdk::{schemas, testing};

use super::*;
use crate::PLUGINS;
use crate::disk::fate;

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: "t".to_owned(), partition: number }
}

fn at(offset: i64) -> TopicOffset {
    TopicOffset { topic: "t".to_owned(), partition: 0, offset }
}

/// Records of one topic and partition, each the text of its offset.
fn frame(topic: &str, partition: i32, offsets: &[i64]) -> Vec<u8> {
    let text = schemas::string().unwrap();
    let mut builder = Builder::default();
    let topic = builder.topic(topic).unwrap();
    for offset in offsets {
        let value = builder.put_option(Some(offset.to_string().as_bytes()));
        builder.push(&Entry {
            value,
            value_schema: text,
            partition: Some(partition),
            position: Position::Kafka(*offset),
            ..Entry::new(topic)
        });
    }
    builder.finish()
}

/// What a partition holds: 40 records, of which some were compacted away.
fn topic() -> Vec<i64> {
    (0..60).filter(|offset| offset % 3 != 1).collect()
}

#[derive(Clone)]
struct Folder(PathBuf);

impl Folder {
    fn new(dir: &tempfile::TempDir) -> Self {
        Self(dir.path().to_owned())
    }

    fn config(&self, more: &[(&str, &str)]) -> Pairs {
        let pairs = [("directory", self.0.to_str().unwrap())];
        pairs.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join("t-0")).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn segments(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| !name.starts_with('.')).collect()
    }

    /// Hidden files that are of use to nobody.
    fn litter(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| name.starts_with('.') && !name.ends_with(".commit")).collect()
    }

    /// What readers find, file after file.
    fn lines(&self) -> Vec<i64> {
        let text = |name: &String| std::fs::read_to_string(self.0.join("t-0").join(name)).unwrap();
        self.segments().iter().map(text).flat_map(|text| numbers(&text)).collect()
    }
}

fn numbers(text: &str) -> Vec<i64> {
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// A task as the worker runs it: reads on from where the sink wants, commits what it calls safe.
struct Task {
    instance: Instance,
    /// Offset of the next record to read.
    position: i64,
}

impl Task {
    /// Reads from `committed`, unless the sink knows better.
    fn start(folder: &Folder, committed: i64) -> Result<Self> {
        let mut instance = Instance::new(PLUGINS);
        instance.start_sink("FileSegmentSink", folder.config(&[]))?;
        _ = testing::take_requests();
        instance.open(&[partition(0)])?;
        let mut task = Self { instance, position: committed };
        task.heed();
        Ok(task)
    }

    fn heed(&mut self) {
        for seek in testing::take_requests().seek {
            self.position = seek.offset;
        }
    }

    /// Puts the next `n` records.
    fn put(&mut self, n: usize) -> Result<()> {
        let offsets: Vec<i64> =
            topic().into_iter().filter(|offset| *offset >= self.position).take(n).collect();
        let Some(last) = offsets.last() else { return Ok(()) };
        self.instance.put(&frame("t", 0, &offsets))?;
        self.position = last + 1;
        self.heed();
        Ok(())
    }

    fn commit(&mut self) -> Result<Vec<TopicOffset>> {
        let safe = self.instance.pre_commit(vec![at(self.position)])?;
        self.heed();
        Ok(safe)
    }

    /// Everything that is left.
    fn finish(mut self) {
        self.put(usize::MAX).unwrap();
        self.commit().unwrap();
        self.put(usize::MAX).unwrap();
        self.commit().unwrap();
        self.instance.close(&[partition(0)]).unwrap();
        self.instance.stop_sink();
    }
}

/// A life with several commits; tells `committed` what was called safe.
fn life(folder: &Folder, committed: &Cell<i64>) -> Result<()> {
    let mut task = Task::start(folder, committed.get())?;
    for batches in [&[3_usize][..], &[2, 4], &[1], &[5, 1]] {
        for n in batches {
            task.put(*n)?;
        }
        for safe in task.commit()? {
            committed.set(safe.offset);
        }
    }
    task.put(2)
}

#[test]
fn a_death_between_any_two_steps_loses_and_repeats_nothing() {
    for kafka_forgets in [false, true] {
        let mut deaths = 0;
        for step in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let folder = Folder::new(&dir);
            let committed = Cell::new(0);
            fate::die(step);
            let survived = life(&folder, &committed).is_ok();
            fate::reset();
            assert!(topic().starts_with(&folder.lines()), "dead at step {step}: {:?}", folder.lines());
            let next = if kafka_forgets { 0 } else { committed.get() };
            // Even the next one dies.
            fate::die(step % 7);
            _ = life(&folder, &Cell::new(next));
            fate::reset();
            Task::start(&folder, next).unwrap().finish();
            assert_eq!(folder.lines(), topic(), "dead at step {step}");
            assert!(folder.litter().is_empty(), "dead at step {step}: {:?}", folder.litter());
            if survived {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 30, "{deaths}");
    }
}

#[test]
fn a_rival_between_any_two_steps_loses_and_repeats_nothing() {
    for step in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir);
        let (committed, happened) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let rival = {
            let (folder, committed, happened) = (folder.clone(), Rc::clone(&committed), Rc::clone(&happened));
            move || {
                happened.set(true);
                let mut task = Task::start(&folder, committed.get()).unwrap();
                task.put(4).unwrap();
                task.commit().unwrap();
                task.put(3).unwrap();
                task.commit().unwrap();
                // And something that it never commits.
                task.put(1).unwrap();
            }
        };
        fate::let_happen(step, rival);
        life(&folder, &committed).unwrap();
        fate::reset();
        Task::start(&folder, committed.get()).unwrap().finish();
        assert_eq!(folder.lines(), topic(), "a rival at step {step}");
        assert!(folder.litter().is_empty(), "a rival at step {step}: {:?}", folder.litter());
        if !happened.get() {
            break;
        }
    }
}

#[test]
fn a_rival_that_only_looks_takes_nothing_away() {
    for step in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir);
        let (committed, happened) = (Cell::new(0), Rc::new(Cell::new(false)));
        let rival = {
            let (folder, happened) = (folder.clone(), Rc::clone(&happened));
            move || {
                happened.set(true);
                drop(Task::start(&folder, 0).unwrap());
            }
        };
        fate::let_happen(step, rival);
        life(&folder, &committed).unwrap();
        fate::reset();
        // What was said to be safe is visible, every line of it.
        let safe: Vec<i64> = topic().into_iter().filter(|offset| *offset < committed.get()).collect();
        assert_eq!(folder.lines(), safe, "a rival at step {step}");
        if !happened.get() {
            break;
        }
    }
}

#[test]
fn two_tasks_by_turns_share_the_partition_and_repeat_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let (mut one, mut other) = (Task::start(&folder, 0).unwrap(), Task::start(&folder, 0).unwrap());
    one.put(3).unwrap();
    other.put(5).unwrap();
    assert_eq!(one.commit().unwrap(), [at(4)]);
    // The slower one answers nothing and goes on behind the other.
    assert_eq!(other.commit().unwrap(), []);
    assert_eq!(other.position, 4);
    other.put(2).unwrap();
    assert_eq!(other.commit().unwrap(), [at(7)]);
    // A zombie, which knows nothing of that.
    one.put(9).unwrap();
    assert_eq!(one.commit().unwrap(), []);
    assert_eq!(one.position, 7);
    one.finish();
    assert_eq!(folder.lines(), topic());
    let log = testing::take_log();
    assert!(log.iter().any(|(_, line)| line.starts_with("another task writes t-0 to ")), "{log:?}");
}

#[test]
fn segments_are_named_by_where_they_begin_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let mut task = Task::start(&folder, 12).unwrap();
    task.put(2).unwrap();
    assert_eq!(folder.segments(), Vec::<String>::new(), "nothing is visible before it is committed");
    task.commit().unwrap();
    assert_eq!(task.commit().unwrap(), [at(15)], "a commit without records makes no segment");
    task.put(1).unwrap();
    // The worker has dealt with records that never came here, and says so.
    assert_eq!(task.instance.pre_commit(vec![at(18)]).unwrap(), [at(18)]);
    let expected =
        ["00000000000000000012-00000000000000000015.txt", "00000000000000000015-00000000000000000018.txt"];
    assert_eq!(folder.segments(), expected);
    assert_eq!(folder.lines(), [12, 14, 15]);
    let commit = std::fs::read_to_string(folder.0.join("t-0/.00000000000000000015.commit")).unwrap();
    let head = "{\"file\":\"00000000000000000015-00000000000000000018.txt\",\"bytes\":3,\"records\":1,\"end\":18,\"lines\":\"";
    assert!(commit.starts_with(head), "{commit}");
    // Readers may take segments away.
    std::fs::remove_file(folder.0.join("t-0").join(expected[1])).unwrap();
    assert_eq!(Task::start(&folder, 0).unwrap().position, 18);
}

#[test]
fn a_batch_that_the_worker_has_not_dealt_with_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let mut task = Task::start(&folder, 0).unwrap();
    task.put(2).unwrap();
    task.put(2).unwrap();
    // A record of the second batch was refused and that is not tolerated: the task ends.
    assert_eq!(task.instance.pre_commit(vec![at(3)]).unwrap(), []);
    task.instance.close(&[partition(0)]).unwrap();
    assert_eq!(folder.names(), Vec::<String>::new());
    Task::start(&folder, 0).unwrap().finish();
    assert_eq!(folder.lines(), topic());
}

#[test]
fn what_is_stored_already_is_passed_over_once_and_refused_twice() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let mut task = Task::start(&folder, 0).unwrap();
    task.put(6).unwrap();
    task.commit().unwrap();
    let mut next = Task::start(&folder, 0).unwrap();
    assert_eq!(next.position, 9);
    // What was on its way when the folder was opened, then what goes beyond what is stored.
    next.instance.put(&frame("t", 0, &[3, 5])).unwrap();
    assert_eq!(testing::take_requests().seek, [at(9)]);
    next.instance.put(&frame("t", 0, &[6, 8, 9, 11])).unwrap();
    assert_eq!(testing::take_requests().seek, []);
    assert_eq!(next.instance.pre_commit(vec![at(12)]).unwrap(), [at(12)]);
    assert_eq!(folder.lines(), [0, 2, 3, 5, 6, 8, 9, 11]);
    // A partition that begins anew, though offset 12 was asked for.
    next.instance.put(&frame("t", 0, &[0])).unwrap();
    assert_eq!(testing::take_requests().seek, [at(12)]);
    let error = next.instance.put(&frame("t", 0, &[0])).unwrap_err();
    assert!(
        matches!(&error, Error::Fatal(text) if text.starts_with("t-0 has ended before offset 12")),
        "{error}"
    );
    assert!(next.instance.pre_commit(vec![at(1)]).is_err(), "nothing is said to be safe after that");
}

#[test]
fn records_that_were_made_from_one_are_all_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let mut task = Task::start(&folder, 0).unwrap();
    task.instance.put(&frame("t", 0, &[0, 0, 0, 1])).unwrap();
    task.instance.pre_commit(vec![at(2)]).unwrap();
    assert_eq!(folder.lines(), [0, 0, 0, 1]);
}

#[test]
fn partitions_of_a_batch_go_to_folders_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let mut task = Task::start(&folder, 0).unwrap();
    task.instance.open(&[partition(7)]).unwrap();
    for offsets in [[0, 1], [2, 3]] {
        task.instance.put(&frame("t", 0, &offsets)).unwrap();
        task.instance.put(&frame("t", 7, &offsets)).unwrap();
    }
    let delivered = vec![at(4), TopicOffset { partition: 7, ..at(4) }];
    assert_eq!(task.instance.pre_commit(delivered.clone()).unwrap(), delivered);
    assert_eq!(folder.lines(), [0, 1, 2, 3]);
    let other = folder.0.join("t-7/00000000000000000000-00000000000000000004.txt");
    assert_eq!(numbers(&std::fs::read_to_string(other).unwrap()), [0, 1, 2, 3]);
}

#[test]
fn a_record_of_a_partition_that_is_not_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut task = Task::start(&Folder::new(&dir), 0).unwrap();
    for strange in [frame("routed", 0, &[0]), frame("t", 1, &[0])] {
        let error = task.instance.put(&strange).unwrap_err();
        assert!(error.to_string().contains("which this task does not read"), "{error}");
    }
}

#[test]
fn a_full_segment_asks_for_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    for bound in [("segment.max.records", "3"), ("segment.max.bytes", "6")] {
        let mut instance = Instance::new(PLUGINS);
        instance.start_sink("FileSegmentSink", Folder::new(&dir).config(&[bound])).unwrap();
        instance.open(&[partition(0)]).unwrap();
        instance.put(&frame("t", 0, &[0, 1])).unwrap();
        assert!(!testing::take_requests().commit, "{bound:?}");
        instance.put(&frame("t", 0, &[2])).unwrap();
        assert!(testing::take_requests().commit, "{bound:?}");
        instance.stop_sink();
    }
}

#[test]
fn a_damaged_folder_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let mut task = Task::start(&folder, 0).unwrap();
    task.put(2).unwrap();
    task.commit().unwrap();
    let commit = folder.0.join("t-0/.00000000000000000000.commit");
    for damage in ["", "{}", "{\"file\":\"../x\",\"bytes\":1,\"records\":1,\"end\":9,\"lines\":\"y\"}"] {
        std::fs::write(&commit, damage).unwrap();
        let error = Task::start(&folder, 0).err().unwrap();
        assert!(error.to_string().contains("the segment from 0 is damaged"), "{error}");
    }
}

#[test]
fn a_disk_that_fails_ends_the_task() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let mut task = Task::start(&folder, 0).unwrap();
    task.put(2).unwrap();
    fate::die(0);
    assert!(task.commit().is_err());
    fate::reset();
    // The worker goes on after a commit that failed; the sink does not.
    let error = task.instance.put(&[]).unwrap_err();
    let head = format!("Writing t-0 to {} failed: ", folder.0.display());
    assert!(matches!(&error, Error::Fatal(text) if text.starts_with(&head)), "{error}");
}

#[test]
fn the_folder_may_be_written_with_a_slash() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&dir);
    let slash = Folder(PathBuf::from(format!("{}/", dir.path().display())));
    Task::start(&slash, 0).unwrap().finish();
    assert_eq!(folder.lines(), topic());
}
