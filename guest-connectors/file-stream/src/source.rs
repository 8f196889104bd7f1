//! The source: one task that follows one file.

use std::time::{Duration, Instant, SystemTime};

use cofferdam_sdk::frame::rows;
use cofferdam_sdk::json::{self, Object, Value};
use cofferdam_sdk::{
    BatchWriter, Config, ConfigDef, Error, Key, Partition, PluginInfo, Problem, Problems, Result, SchemaId,
    Source, SourceContext, Span, Topic, schemas,
};

use crate::FILE;
use crate::follow::{Follower, Run, Step};
use crate::offset::OffsetText;

const TOPIC: &str = "topic";
const BATCH_SIZE: &str = "batch.size";
const FILENAME: &str = "filename";

/// How long more lines are waited for when there were some just now. In a quiet file it is the worker that waits, longer
/// and longer, between two polls.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct FileStreamSource {
    topic: String,
    /// The source partition, as it is written.
    partition: String,
    batch_size: usize,
    follower: Follower,
    schema: SchemaId,
    /// Whether the last poll gave lines.
    is_busy: bool,
    offset: OffsetText,
}

impl Source for FileStreamSource {
    fn info() -> PluginInfo {
        PluginInfo::source("org.apache.kafka.connect.file.FileStreamSourceConnector")
            .alias("FileStreamSourceConnector")
            .alias("FileStreamSource")
            .task_class("org.apache.kafka.connect.file.FileStreamSourceTask")
            .version(env!("CARGO_PKG_VERSION"))
            .doc("Follows a text file: one record for each complete line, resumed at the byte behind the last one.")
            .config(
                ConfigDef::new()
                    .key(Key::string(FILE).optional().high().doc("Source filename. It must be given: a connector has no standard input to read"))
                    .key(Key::string(TOPIC).non_empty().high().doc("The topic to publish data to"))
                    .key(Key::int(BATCH_SIZE).default(2000).low().doc(
                        "The maximum number of records the source task can read from the file each time it is polled",
                    )),
            )
            .reads_file("${file}")
    }

    fn validate(config: &Config) -> Vec<Problem> {
        let mut problems = Problems::new();
        problems.check(file(config));
        problems.into_vec()
    }

    fn start(config: &Config, context: &SourceContext) -> Result<Self> {
        let file = file(config)?;
        let partition = json::object_of_text(FILENAME, file);
        let position = position(context.offset(&partition)?.as_deref())?;
        Ok(Self {
            topic: config.string(TOPIC)?.to_owned(),
            batch_size: usize::try_from(config.int(BATCH_SIZE)?).unwrap_or_default().max(1),
            follower: Follower::new(file, position),
            schema: schemas::string()?,
            is_busy: false,
            offset: OffsetText::default(),
            partition,
        })
    }

    fn poll(&mut self, out: &mut BatchWriter) -> Result<()> {
        let until = Instant::now() + out.wait();
        loop {
            let now = Instant::now();
            match self.fill(out, now) {
                // What was read must reach the worker; the error will be there again next time.
                Err(_) if !out.is_empty() => return Ok(()),
                filled => filled?,
            }
            let left = until.saturating_duration_since(now);
            if !out.is_empty() || left.is_zero() || !self.is_busy {
                self.is_busy = !out.is_empty();
                return Ok(());
            }
            self.is_busy = false;
            std::thread::sleep(PAUSE.min(left));
        }
    }
}

impl FileStreamSource {
    /// Moves lines to the batch until it is full or there are no more.
    fn fill(&mut self, out: &mut BatchWriter, now: Instant) -> Result<()> {
        // As the original does, each record is stamped with the time at which it was read.
        let timestamp = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        let mut to = To {
            topic: out.topic(&self.topic)?,
            partition: out.partition(&self.partition)?,
            schema: self.schema,
            timestamp,
            offset: &mut self.offset,
        };
        loop {
            let room = out.room().min(self.batch_size.saturating_sub(out.len()));
            if room == 0 {
                return Ok(());
            }
            let run = self.follower.take(room, out.bytes_left());
            if !run.lines.is_empty() {
                to.write(out, &run);
                continue;
            }
            match self.follower.step(now)? {
                Step::Read => {}
                Step::Nothing => return Ok(()),
                Step::Over(None) => {}
                // The position is where the next file starts: this line is the last of the one before.
                Step::Over(Some(line)) => {
                    let span = out.share(String::from_utf8_lossy(&line).as_bytes());
                    to.send(out, span, 0);
                }
            }
        }
    }
}

/// What all records of a batch have in common.
struct To<'a> {
    topic: Topic,
    partition: Partition,
    schema: SchemaId,
    timestamp: i64,
    offset: &'a mut OffsetText,
}

impl To<'_> {
    fn write(&mut self, out: &mut BatchWriter, run: &Run<'_>) {
        if run.ascii || rows::text(run.bytes).is_some() {
            // One copy for all lines; each record then names its part of it.
            let all = out.share(run.bytes);
            for line in run.lines {
                let span = Span { at: all.at + line.start, len: line.end - line.start };
                self.send(out, span, run.position + u64::from(line.next));
            }
        } else {
            // As Java decodes: what is not UTF-8 is replaced.
            for line in run.lines {
                let bytes = run.bytes.get(line.start as usize..line.end as usize).unwrap_or_default();
                let span = out.share(String::from_utf8_lossy(bytes).as_bytes());
                self.send(out, span, run.position + u64::from(line.next));
            }
        }
    }

    fn send(&mut self, out: &mut BatchWriter, value: Span, position: u64) {
        out.record_of(self.topic)
            .value_at(self.schema, value)
            .timestamp(self.timestamp)
            .offset_with(self.partition, |out| self.offset.put(position, out))
            .send();
    }
}

/// The file's name, which has to be given.
fn file(config: &Config) -> Result<&str> {
    match config.optional(FILE) {
        None | Some("") => Err(Error::invalid(
            FILE,
            "null",
            "Without a file the original reads the standard input of the worker, which a connector in a sandbox does \
             not have: name the file to read",
        )),
        Some(file) => Ok(file),
    }
}

/// The position in a stored offset; 0 without one.
fn position(offset: Option<&str>) -> Result<u64> {
    let Some(offset) = offset else { return Ok(0) };
    let object = Object::parse(offset)
        .ok_or_else(|| Error::fatal(format!("The stored offset is not a JSON object: {offset}")))?;
    match object.get("position") {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Int(position)) => Ok(u64::try_from(*position).unwrap_or_default()),
        Some(_) => Err(Error::fatal("Offset position is the incorrect type")),
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
