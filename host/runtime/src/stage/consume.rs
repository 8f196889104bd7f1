//! A sink's consumer, with what is known of each of its partitions.
//!
//! Invariant: a partition's `delivered` offset passes a record only when the sink took it, a transform
//! dropped it, or its failure was reported.

use std::collections::{HashMap, HashSet};

use cofferdam_api::{TopicOffset, TopicPartition, chain};
use cofferdam_frame::Frame;
use cofferdam_kafka::{Consumer, Error as KafkaError};
use cofferdam_telemetry::TaskMetrics;

/// The consumer of a sink task.
pub(crate) struct Consume {
    pub(crate) consumer: Consumer,
    partitions: HashMap<TopicPartition, Progress>,
    /// Paused by the guest.
    held: HashSet<TopicPartition>,
    /// All are to be paused: the connector is, or a batch has to be put again first.
    hold_all: bool,
    /// Paused at the consumer.
    paused: HashSet<TopicPartition>,
}

/// Next offsets of one partition; none = not known yet.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    delivered: Option<i64>,
    committed: Option<i64>,
}

impl Consume {
    /// Reads with `consumer`.
    pub(crate) fn new(consumer: Consumer) -> Self {
        Self {
            consumer,
            partitions: HashMap::new(),
            held: HashSet::new(),
            hold_all: false,
            paused: HashSet::new(),
        }
    }

    /// Does `work`, however long it takes, while the consumer keeps its place in the group: a guest that
    /// is slow for longer than `max.poll.interval.ms` does not lose its partitions.
    pub(crate) async fn while_busy<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = tokio::time::sleep(self.consumer.keep_alive_every()) => self.consumer.keep_alive(),
            }
        }
    }

    /// Takes over partitions that were assigned.
    pub(crate) async fn assign(&mut self, new: &[TopicPartition]) -> Result<(), KafkaError> {
        self.consumer.assign(new)?;
        // Where reading starts is what is delivered and committed so far, as in Kafka Connect.
        let positions = match self.consumer.position(new).await {
            Ok(positions) => positions,
            Err(error) => {
                tracing::warn!("positions are not known yet, the first records will tell: {}", chain(&error));
                Vec::new()
            }
        };
        for (index, partition) in new.iter().enumerate() {
            let position = positions.get(index).copied().filter(|position| *position >= 0);
            self.partitions.insert(partition.clone(), Progress { delivered: position, committed: position });
        }
        // librdkafka remembers a pause across a rebalance: a partition that was given up while it was held
        // and that comes back would stay silent for ever.
        self.consumer.resume(new)?;
        self.apply_pauses()
    }

    /// Gives partitions up.
    pub(crate) fn unassign(&mut self, gone: &[TopicPartition]) -> Result<(), KafkaError> {
        for partition in gone {
            self.partitions.remove(partition);
            self.held.remove(partition);
            self.paused.remove(partition);
        }
        self.consumer.unassign(gone)
    }

    /// Partitions that are assigned.
    pub(crate) fn assignment(&self) -> Vec<TopicPartition> {
        let mut all: Vec<TopicPartition> = self.partitions.keys().cloned().collect();
        all.sort();
        all
    }

    /// Whether there is any partition.
    pub(crate) fn is_assigned(&self) -> bool {
        !self.partitions.is_empty()
    }

    /// The records of `input` are dealt with, all of them but those of the partitions in `gone`.
    pub(crate) fn advance(&mut self, input: Frame<'_>, gone: &[TopicPartition]) {
        // Records come in runs of one partition: look each run up once.
        let mut run: Option<(TopicPartition, i64, i64)> = None;
        for record in input.iter() {
            let (Some(partition), Some(offset)) = (record.entry.partition, record.kafka_offset()) else {
                continue;
            };
            match &mut run {
                Some((of, _, last)) if of.partition == partition && &*of.topic == record.topic() => {
                    *last = offset
                }
                _ => {
                    self.pass(run.take(), gone);
                    run = Some((TopicPartition::new(record.topic(), partition), offset, offset));
                }
            }
        }
        self.pass(run, gone);
    }

    fn pass(&mut self, run: Option<(TopicPartition, i64, i64)>, gone: &[TopicPartition]) {
        let Some((partition, first, last)) = run else { return };
        if gone.contains(&partition) {
            return;
        }
        if let Some(progress) = self.partitions.get_mut(&partition) {
            progress.delivered = Some(last + 1);
            progress.committed.get_or_insert(first);
        }
    }

    /// What may be committed, of these partitions or of all.
    pub(crate) fn delivered(&self, of: Option<&[TopicPartition]>) -> Vec<TopicOffset> {
        let wanted = |partition: &TopicPartition| of.is_none_or(|of| of.contains(partition));
        let known = self.partitions.iter().filter(|(partition, _)| wanted(partition));
        let mut offsets: Vec<TopicOffset> = known
            .filter_map(|(partition, progress)| {
                Some(TopicOffset { partition: partition.clone(), offset: progress.delivered? })
            })
            .collect();
        offsets.sort_by(|a, b| a.partition.cmp(&b.partition));
        offsets
    }

    /// Of what the sink calls safe, what is to be committed: known, delivered, and new.
    pub(crate) fn committable(&self, safe: Vec<TopicOffset>) -> Vec<TopicOffset> {
        let is_new = |offset: &TopicOffset| {
            let Some(progress) = self.partitions.get(&offset.partition) else {
                tracing::warn!(
                    "the sink wants to commit {}, which is not assigned; ignored",
                    offset.partition
                );
                return false;
            };
            if progress.delivered.is_none_or(|delivered| offset.offset > delivered) {
                tracing::warn!(
                    "the sink wants to commit {} at {}, which it was not given yet; ignored",
                    offset.partition,
                    offset.offset
                );
                return false;
            }
            progress.committed != Some(offset.offset)
        };
        safe.into_iter().filter(is_new).collect()
    }

    /// Kafka has these offsets.
    pub(crate) fn committed(&mut self, offsets: &[TopicOffset]) {
        for offset in offsets {
            if let Some(progress) = self.partitions.get_mut(&offset.partition) {
                progress.committed = Some(offset.offset);
            }
        }
    }

    /// Goes back to what was committed last.
    pub(crate) fn rewind(&mut self) -> Result<(), KafkaError> {
        let offsets: Vec<TopicOffset> = self
            .partitions
            .iter()
            .filter_map(|(partition, progress)| {
                Some(TopicOffset { partition: partition.clone(), offset: progress.committed? })
            })
            .collect();
        self.seek(&offsets)
    }

    /// Reads on from `offsets`, as if everything before were delivered.
    pub(crate) fn seek(&mut self, offsets: &[TopicOffset]) -> Result<(), KafkaError> {
        let known: Vec<TopicOffset> = offsets
            .iter()
            .filter(|offset| self.partitions.contains_key(&offset.partition))
            .cloned()
            .collect();
        for offset in &known {
            let progress = Progress { delivered: Some(offset.offset), committed: Some(offset.offset) };
            self.partitions.insert(offset.partition.clone(), progress);
        }
        if known.is_empty() { Ok(()) } else { self.consumer.seek(&known) }
    }

    /// Holds partitions back, or lets them go, for the guest.
    pub(crate) fn hold(
        &mut self,
        pause: &[TopicPartition],
        resume: &[TopicPartition],
    ) -> Result<(), KafkaError> {
        self.held.extend(pause.iter().filter(|partition| self.partitions.contains_key(*partition)).cloned());
        for partition in resume {
            self.held.remove(partition);
        }
        self.apply_pauses()
    }

    /// Holds everything back, or only what the guest wants to be.
    pub(crate) fn hold_all(&mut self, hold: bool) -> Result<(), KafkaError> {
        if self.hold_all == hold {
            return Ok(());
        }
        self.hold_all = hold;
        self.apply_pauses()
    }

    fn apply_pauses(&mut self) -> Result<(), KafkaError> {
        let wanted: HashSet<TopicPartition> = self
            .partitions
            .keys()
            .filter(|partition| self.hold_all || self.held.contains(*partition))
            .cloned()
            .collect();
        let pause: Vec<TopicPartition> = wanted.difference(&self.paused).cloned().collect();
        let resume: Vec<TopicPartition> = self.paused.difference(&wanted).cloned().collect();
        if !pause.is_empty() {
            self.consumer.pause(&pause)?;
        }
        if !resume.is_empty() {
            self.consumer.resume(&resume)?;
        }
        self.paused = wanted;
        Ok(())
    }

    /// Shows how far behind each partition is.
    pub(crate) fn measure(&self, metrics: &TaskMetrics) {
        for partition in self.partitions.keys() {
            metrics.lag(&partition.topic, partition.partition, self.consumer.lag(partition));
        }
    }
}
