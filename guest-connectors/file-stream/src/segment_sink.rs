//! The sink that writes each record exactly once: the offsets are stored with the lines, in one step
//! ([`Segments`]), and reading goes on where the folder says. What Kafka has as committed is a hint for
//! whoever looks at it.
//!
//! It is not `idempotent` in the sense of the contract: after a trap the lines of earlier batches that
//! were not published are gone, so that a batch may not simply be put again. The task fails, its
//! successor opens the folder and reads from there.

use cofferdam_sdk::{
    Batch, Config, ConfigDef, Error, Key, PluginInfo, Result, Sink, SinkContext, TopicOffset, TopicPartition,
    warn,
};

use crate::lines::Lines;
use crate::segments::{Published, Segments};

const DIRECTORY: &str = "directory";
const RECORDS_MAX: &str = "segment.max.records";
const BYTES_MAX: &str = "segment.max.bytes";
/// A buffer larger than this is not kept for the next batch.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

pub(crate) struct FileSegmentSink {
    directory: String,
    records_max: u64,
    bytes_max: u64,
    context: SinkContext,
    lines: Lines,
    places: Vec<Place>,
    /// Why nothing is written any more: only a new task, which looks at the disk again, knows what is there.
    failed: Option<String>,
}

/// Where an open partition stands.
struct Place {
    partition: TopicPartition,
    segments: Segments,
    /// Offset behind the last record that came; none before the first, where the folder knows of none.
    next: Option<i64>,
    /// Records came from before what is stored although they were not to come.
    is_behind: bool,
    /// Lines of the present batch.
    buffer: Vec<u8>,
}

/// What the present batch has brought one partition.
#[derive(Clone, Copy, Default)]
struct News {
    records: u64,
    /// Offset of the first record that was new.
    first: Option<i64>,
    /// Offset behind the last one.
    next: i64,
    /// Offset of the last record, new or not.
    last: i64,
}

impl Sink for FileSegmentSink {
    fn info() -> PluginInfo {
        PluginInfo::sink("io.cofferdam.file.FileSegmentSinkConnector")
            .alias("FileSegmentSinkConnector")
            .alias("FileSegmentSink")
            .task_class("io.cofferdam.file.FileSegmentSinkTask")
            .version(env!("CARGO_PKG_VERSION"))
            .doc("Writes the text of each value exactly once, a line each, to segment files that become visible when they are complete and carry their offsets.")
            .config(
                ConfigDef::new()
                    .key(Key::string(DIRECTORY).non_empty().high().doc("Folder that gets a folder for each partition. It must exist, on one file system with hard links"))
                    .key(Key::long(RECORDS_MAX).default(0).at_least(0.0).doc("About the most records of a segment; 0 for no bound but the commit interval"))
                    .key(Key::long(BYTES_MAX).default(128 * 1024 * 1024).at_least(0.0).doc("About the most bytes of a segment; 0 for no bound but the commit interval")),
            )
            .without_key()
            .without_headers()
            .writes_file("${directory}/*")
    }

    fn start(config: &Config, context: &SinkContext) -> Result<Self> {
        let bound = |key| match config.optional(key) {
            None => Ok(u64::MAX),
            Some(_) => config.long(key).map(|most| if most > 0 { most as u64 } else { u64::MAX }),
        };
        let directory = config.string(DIRECTORY)?;
        // The grant is for the folder without a slash behind it.
        let trimmed = directory.trim_end_matches('/');
        Ok(Self {
            directory: if trimmed.is_empty() { directory } else { trimmed }.to_owned(),
            records_max: bound(RECORDS_MAX)?,
            bytes_max: bound(BYTES_MAX)?,
            context: *context,
            lines: Lines::default(),
            places: Vec::new(),
            failed: None,
        })
    }

    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.check()?;
        for partition in partitions {
            self.forget(partition);
            let place = self.place(partition)?;
            self.places.push(place);
        }
        Ok(())
    }

    fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        partitions.iter().for_each(|partition| self.forget(partition));
        Ok(())
    }

    fn put(&mut self, batch: &Batch<'_>) -> Result<()> {
        self.check()?;
        let outcome = self.take(batch);
        self.remember(outcome)
    }

    fn pre_commit(&mut self, delivered: Vec<TopicOffset>) -> Result<Vec<TopicOffset>> {
        self.check()?;
        let outcome = self.publish(delivered);
        // The worker does not end a task whose commit fails: the next call will.
        self.remember(outcome)
    }

    fn stop(&mut self) {
        self.places.iter_mut().for_each(|place| place.segments.discard());
        self.places.clear();
    }
}

impl FileSegmentSink {
    /// Opens the folder of a partition and has its records come from where that ends.
    fn place(&self, partition: &TopicPartition) -> Result<Place> {
        let segments = Segments::open(&self.directory, partition).map_err(|error| {
            Error::fatal(format!(
                "The segments of {}-{} in {} could not be read: {error}",
                partition.topic, partition.partition, self.directory
            ))
        })?;
        let next = segments.end();
        if let Some(offset) = next {
            self.seek(partition, offset);
        }
        Ok(Place { partition: partition.clone(), segments, next, is_behind: false, buffer: Vec::new() })
    }

    fn seek(&self, partition: &TopicPartition, offset: i64) {
        let (topic, partition) = (partition.topic.clone(), partition.partition);
        self.context.seek(vec![TopicOffset { topic, partition, offset }]);
    }

    fn forget(&mut self, partition: &TopicPartition) {
        if let Some(at) = self.places.iter().position(|place| place.partition == *partition) {
            self.places.swap_remove(at).segments.discard();
        }
    }

    fn check(&self) -> Result<()> {
        self.failed.as_ref().map_or(Ok(()), |message| Err(Error::fatal(message)))
    }

    fn remember<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if let Err(error) = &outcome {
            self.failed = Some(error.to_string());
        }
        outcome
    }

    fn take(&mut self, batch: &Batch<'_>) -> Result<()> {
        let mut all = vec![News::default(); self.places.len()];
        // Records come in runs of one partition.
        let mut at = 0;
        for record in batch.iter() {
            let is_of = |place: &Place| {
                place.partition.partition == record.partition() && place.partition.topic == record.topic()
            };
            if !self.places.get(at).is_some_and(is_of) {
                at = self.places.iter().position(is_of).ok_or_else(|| {
                    Error::fatal(format!(
                        "A record came as {}-{}, which this task does not read: transforms that change topics or \
                         partitions cannot be used here, since what is written is known by topic, partition and offset",
                        record.topic(),
                        record.partition()
                    ))
                })?;
            }
            let (Some(place), Some(news)) = (self.places.get_mut(at), all.get_mut(at)) else { continue };
            let offset = record.offset();
            news.last = offset;
            // Several records of one offset are what a transform made of one.
            if place.next.is_some_and(|next| offset < next) {
                news.next = news.next.max(offset + 1);
                continue;
            }
            news.next = offset + 1;
            if self.lines.put(&mut place.buffer, batch, &record) {
                news.first.get_or_insert(offset);
                news.records += 1;
            }
        }
        let mut is_full = false;
        for (at, news) in all.into_iter().enumerate().filter(|(_, news)| news.next > 0) {
            let behind = self.settle(at, news)?;
            if let (Some(offset), Some(place)) = (behind, self.places.get(at)) {
                self.seek(&place.partition, offset);
            }
            let pending = self.places.get(at).map_or((0, 0), |place| place.segments.pending());
            is_full |= pending.0 >= self.bytes_max || pending.1 >= self.records_max;
        }
        if is_full {
            self.context.request_commit();
        }
        Ok(())
    }

    /// Writes what a batch has brought the partition at `at`. Answers the offset to go to when all of it
    /// is there already.
    fn settle(&mut self, at: usize, news: News) -> Result<Option<i64>> {
        let Some(place) = self.places.get_mut(at) else { return Ok(None) };
        if let Some(next) = place.next.filter(|next| news.last < *next) {
            // Once may be a batch that was on its way when the folder was opened. Twice is a partition that
            // begins anew: what it has below `next` are other records.
            if place.is_behind {
                return Err(Error::fatal(format!(
                    "{}-{} has ended before offset {next}, up to which it is in {}: it may have been deleted and made \
                     again, or have lost its end. To take it from its beginning, move its folder away",
                    place.partition.topic, place.partition.partition, self.directory
                )));
            }
            place.is_behind = true;
            return Ok(Some(next));
        }
        place.is_behind = false;
        place.next = Some(news.next);
        if let Some(first) = news.first {
            let written = place.segments.append(&place.buffer, news.records, first);
            written.map_err(|error| failed(&self.directory, &place.partition, &error))?;
            place.buffer.clear();
            if place.buffer.capacity() > BUFFER_BYTES_MAX {
                place.buffer = Vec::new();
            }
        }
        Ok(None)
    }

    fn publish(&mut self, delivered: Vec<TopicOffset>) -> Result<Vec<TopicOffset>> {
        let mut safe = Vec::with_capacity(delivered.len());
        for to in delivered {
            let is_of = |place: &Place| {
                place.partition.partition == to.partition && place.partition.topic == to.topic
            };
            let Some(at) = self.places.iter().position(is_of) else { continue };
            let Some(place) = self.places.get_mut(at) else { continue };
            // The last batch failed, maybe by a record that was refused: nothing may say that it is dealt with.
            if place.next.is_some_and(|next| to.offset < next) {
                continue;
            }
            if place.segments.pending().1 > 0 {
                let published = place.segments.publish(to.offset);
                if published.map_err(|error| failed(&self.directory, &place.partition, &error))?
                    == Published::Theirs
                {
                    self.follow(at)?;
                    continue;
                }
                place.next = Some(to.offset);
            }
            safe.push(to);
        }
        Ok(safe)
    }

    /// Another task was quicker: goes on behind what it has published.
    fn follow(&mut self, at: usize) -> Result<()> {
        let Some(partition) = self.places.get(at).map(|place| place.partition.clone()) else { return Ok(()) };
        warn!(
            "another task writes {}-{} to {} as well; going on behind what it has published",
            partition.topic, partition.partition, self.directory
        );
        let place = self.place(&partition)?;
        if let Some(old) = self.places.get_mut(at) {
            *old = place;
        }
        Ok(())
    }
}

fn failed(directory: &str, partition: &TopicPartition, error: &std::io::Error) -> Error {
    // A WASI stream that has failed does not tell why.
    let (topic, partition) = (&partition.topic, partition.partition);
    Error::fatal(format!("Writing {topic}-{partition} to {directory} failed: {error}; the disk may be full"))
}

#[cfg(test)]
#[path = "segment_sink_tests.rs"]
mod tests;
