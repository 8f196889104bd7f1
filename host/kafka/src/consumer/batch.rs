//! From librdkafka's messages to a frame: one copy of each record.

use cofferdam_api::TopicPartition;
use cofferdam_frame::{Builder, Entry, Flags, Position, Span};

use super::Consumer;
use crate::native::{Message, Timestamp};

/// Most messages taken at once: taking is quick, but holds librdkafka's lock for each.
const CHUNK_MAX: usize = 1000;
/// What a record costs besides its own bytes.
const RECORD_BYTES: usize = cofferdam_frame::ENTRY_BYTES;

/// Records of one partition in a row share the look-ups.
struct Run {
    topic_id: usize,
    partition: TopicPartition,
    topic: u16,
    deliver: bool,
    position: Option<i64>,
}

impl Consumer {
    /// Everything that is there now, within the bounds; none when there is nothing to deliver.
    pub(super) fn take(&mut self, max_records: usize, max_bytes: usize) -> Option<Vec<u8>> {
        let max_records = max_records.max(1);
        let mut frame = Builder::with_capacity(max_records.min(CHUNK_MAX), 0);
        let mut run: Option<Run> = None;
        while frame.len() < max_records && self.error.is_none() {
            let Some(mut message) = self.pending.pop_front() else {
                // Changes of assignment come before the records that follow them.
                if self.client.shared.rebalance_waits() || !self.fetch(max_records, max_bytes, &frame) {
                    break;
                }
                continue;
            };
            if let Some(cause) = message.error() {
                let from = describe(&message);
                self.note(from, cause);
                continue;
            }
            if !run.as_ref().is_some_and(|run| run.is_of(&message)) {
                self.leave(run.take());
                run = self.enter(&message, &mut frame);
                // Too many topics for one frame: the rest makes the next one.
                if run.is_none() {
                    self.pending.push_front(message);
                    break;
                }
            }
            let Some(run) = run.as_mut().filter(|run| run.deliver) else { continue };
            let full = frame.byte_len() + message.len() + RECORD_BYTES > max_bytes;
            if full && !frame.is_empty() {
                self.pending.push_front(message);
                break;
            }
            append(&mut frame, &mut message, run.topic);
            run.position = Some(message.offset() + 1);
        }
        self.leave(run);
        self.finish(frame)
    }

    /// Takes more from librdkafka, about as much as still fits. Says whether there was any.
    fn fetch(&mut self, max_records: usize, max_bytes: usize, frame: &Builder) -> bool {
        let records = max_records.saturating_sub(frame.len());
        let bytes = max_bytes.saturating_sub(frame.byte_len()) / self.mean_bytes.max(1);
        let count = records.min(bytes).clamp(1, CHUNK_MAX);
        self.queue.take(count, &mut self.pending) > 0
    }

    /// Begins a run of records of one partition.
    fn enter(&self, message: &Message, frame: &mut Builder) -> Option<Run> {
        let partition = TopicPartition::new(message.topic(), message.partition());
        let place = self.assigned.get(&partition);
        let deliver = place.is_some_and(|place| place.seek.is_none() && !place.paused);
        let topic = if deliver { frame.topic(&partition.topic).ok()? } else { 0 };
        Some(Run { topic_id: message.topic_id(), partition, topic, deliver, position: None })
    }

    /// Ends a run: its partition stands after its last record.
    fn leave(&mut self, run: Option<Run>) {
        let Some(run) = run else { return };
        if let (Some(position), Some(place)) = (run.position, self.assigned.get_mut(&run.partition)) {
            place.position = Some(position);
        }
    }

    fn finish(&mut self, frame: Builder) -> Option<Vec<u8>> {
        let records = frame.len();
        if records == 0 {
            return None;
        }
        self.client.shared.alive();
        let mean = frame.byte_len() / records;
        self.mean_bytes = (self.mean_bytes * 3 + mean) / 4;
        Some(frame.finish())
    }
}

impl Run {
    fn is_of(&self, message: &Message) -> bool {
        self.topic_id == message.topic_id() && self.partition.partition == message.partition()
    }
}

/// Copies a record into the frame.
fn append(frame: &mut Builder, message: &mut Message, topic: u16) {
    let mut entry = Entry::new(topic);
    entry.partition = Some(message.partition());
    entry.position = Position::Kafka(message.offset());
    (entry.timestamp, entry.flags) = match message.timestamp() {
        Timestamp::None => (None, entry.flags),
        Timestamp::Create(at) => (Some(at), entry.flags),
        Timestamp::Append(at) => (Some(at), entry.flags.with(Flags::LOG_APPEND_TIME)),
    };
    entry.key = frame.put_option(message.key());
    entry.value = frame.put_option(message.value());
    let mut block = Span { at: 0, len: 0 };
    let mut count: u16 = 0;
    message.headers(|key, value| {
        // More headers than a frame can count are cut; Kafka's limit on record size comes first in practice.
        if count < u16::MAX {
            frame.header(&mut block, key, 0, value);
            count += 1;
        }
    });
    entry.headers = block;
    entry.n_headers = count;
    frame.push(&entry);
}

/// What an error is about.
fn describe(message: &Message) -> String {
    match message.topic() {
        "" => "the group".to_owned(),
        topic if message.partition() < 0 => topic.to_owned(),
        topic => format!("{topic}-{}", message.partition()),
    }
}
