//! Sending a source's records and keeping count of what has arrived.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{Class, Classified as _, TaskId};
use cofferdam_kafka::{Delivery, DeliveryFailure, OnDemand, SendError};
use cofferdam_telemetry::TaskMetrics;
use cofferdam_worker_api::Listener;
use indexmap::IndexMap;
use tokio::sync::Notify;

use super::Stage;
use super::poll::check_object;
use crate::Error;
use crate::batch::Batch;
use crate::control::Control;
use crate::errors::{Exception, Failed, KAFKA, Reporter, SOURCE_TASK};
use crate::offsets::{Committable, InFlight, Progress, Submitted};

/// Most records on their way before a source is asked for more.
const IN_FLIGHT_RECORDS_MAX: usize = 50_000;
/// Most bytes on their way before a source is asked for more.
const IN_FLIGHT_BYTES_MAX: usize = 32 << 20;
/// What could not be done when there is no producer.
pub(crate) const STARTING: &str = "the producer of this task could not be started";
/// Pause before a record that cannot be handed over for the moment is tried again.
const RESEND_DELAY: Duration = Duration::from_millis(100);
/// Most source partitions whose canonical text is remembered.
const PARTITIONS_MAX: usize = 10_000;

/// The way into Kafka of a source task.
pub(crate) struct Produce {
    id: TaskId,
    producer: OnDemand,
    listener: Arc<dyn Listener>,
    metrics: TaskMetrics,
    submitted: Submitted<Arc<Delivery>>,
    /// Notified when a group of records has arrived.
    done: Arc<Notify>,
    /// Canonical texts by the guest's own.
    partitions: HashMap<String, Arc<str>>,
    topics: HashSet<String>,
    sending: Sending,
    /// In transactions: what has been handed over since the last commit, by partition.
    unsaved: IndexMap<Arc<str>, Committable>,
}

/// The records of one batch and one source partition.
struct Group {
    key: Arc<str>,
    text: String,
    progress: Progress,
    delivery: Arc<Delivery>,
    n_records: usize,
    n_bytes: usize,
}

/// How the producer of a task sends, which decides what a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// librdkafka puts records together and a broker refuses them together: which of them is at fault is not
    /// known.
    InBatches,
    /// A request for each record: what is refused is at fault, and can be tolerated.
    OneByOne,
    /// A record that is refused spoils its transaction, whatever is tolerated.
    InTransactions,
}

impl Produce {
    /// Sends with `producer`, in the way that it does.
    pub(crate) fn new(
        id: TaskId,
        producer: OnDemand,
        listener: Arc<dyn Listener>,
        metrics: TaskMetrics,
        failures_pass: bool,
        sending: Sending,
    ) -> Self {
        Self {
            id,
            producer,
            listener,
            metrics,
            submitted: Submitted::new(failures_pass && sending == Sending::OneByOne),
            done: Arc::default(),
            partitions: HashMap::new(),
            topics: HashSet::new(),
            unsaved: IndexMap::new(),
            sending,
        }
    }

    /// Hands the records of `batch` to the producer and remembers what they stand for.
    ///
    /// Records that are not in the batch any more were dropped or tolerated: the offsets behind them
    /// count as well. Nothing is remembered of a batch that could not be handed over as a whole, so
    /// none of its offsets is ever committed.
    pub(crate) async fn send(
        &mut self,
        batch: &mut Batch,
        reporter: &mut Reporter,
        control: &mut Control,
    ) -> Result<(), Error> {
        let (groups, delivery_of) = self.group(batch)?;
        let deliveries: Vec<Arc<Delivery>> = groups.iter().map(|group| Arc::clone(&group.delivery)).collect();
        let n_polled = batch.ended_by.as_ref().map_or(batch.input().len(), |failed| failed.origin as usize);
        self.metrics.dropped(n_polled.saturating_sub(batch.len()) as u64);
        let producer = self.producer.get().map_err(|error| Error::Kafka { doing: STARTING, error })?;
        let mut failed = Vec::new();
        let mut from = 0;
        while from < batch.len() {
            let frame = batch.frame();
            let sending = producer.send_range(&frame, from..frame.len(), &deliveries, &delivery_of);
            let sent = tokio::select! {
                // A stop does not undo what has been handed over already.
                biased;
                sent = sending => sent,
                () = control.stopped() => return Err(Error::Stopping),
            };
            let Err(SendError { index, error }) = sent else { break };
            match error.class() {
                Class::Retriable => {
                    from = index;
                    if !control.sleep(RESEND_DELAY).await {
                        return Err(Error::Stopping);
                    }
                }
                // Too large, for example: this record will never go, the next one may.
                Class::Data if reporter.tolerates() && self.sending != Sending::InTransactions => {
                    from = index + 1;
                    let exception = Exception::from_error(KAFKA, &error);
                    let class = SOURCE_TASK.into();
                    failed.push(Failed {
                        origin: batch.origin(index),
                        stage: Stage::KafkaProduce,
                        class,
                        exception,
                    });
                }
                _ => return Err(Error::Send(SendError { index, error })),
            }
        }
        for group in groups {
            let Group { key, text, progress, delivery, n_records, n_bytes } = group;
            if let (Sending::InTransactions, Progress::At(offset)) = (self.sending, &progress) {
                self.unsaved.insert(Arc::clone(&key), (text.clone(), offset.clone()));
            }
            self.submitted.submit(&key, &text, progress, delivery, n_records, n_bytes);
        }
        self.note_topics(batch);
        reporter.settle(batch, failed).await
    }

    fn group(&mut self, batch: &Batch) -> Result<(Vec<Group>, Vec<u32>), Error> {
        let (input, frame) = (batch.input(), batch.frame());
        let end = batch.ended_by.as_ref().map_or(input.len(), |failed| failed.origin as usize);
        let mut groups: Vec<Group> = Vec::new();
        // Frames name few source partitions: a list is searched faster than a map.
        let mut find = |groups: &mut Vec<Group>, text: Option<&str>| match groups
            .iter()
            .rposition(|group| text == (group.progress != Progress::Untracked).then_some(group.text.as_str()))
        {
            Some(at) => at,
            None => {
                let key = self.canonical(text);
                groups.push(Group {
                    key,
                    text: text.unwrap_or_default().to_owned(),
                    progress: if text.is_some() { Progress::At(None) } else { Progress::Untracked },
                    delivery: Delivery::new(Arc::clone(&self.done)),
                    n_records: 0,
                    n_bytes: 0,
                });
                groups.len() - 1
            }
        };
        // The last offset of each group counts: only that one is copied.
        let mut last: Vec<usize> = Vec::new();
        for (index, record) in input.iter().take(end).enumerate() {
            // A record without an offset says nothing about its partition.
            let tracked = matches!(record.entry.position, cofferdam_frame::Position::Source(_));
            let at = find(&mut groups, record.source_partition().filter(|_| tracked));
            last.resize(groups.len().max(last.len()), index);
            if let Some(last) = last.get_mut(at) {
                *last = index;
            }
        }
        for (group, last) in groups.iter_mut().zip(last) {
            if let Progress::At(offset) = &mut group.progress {
                *offset = input.get(last).and_then(|record| record.source_offset().map(str::to_owned));
            }
        }
        for group in &groups {
            if let Progress::At(Some(offset)) = &group.progress {
                check_object("source offset", offset).map_err(Error::UnusableBatch)?;
            }
        }
        let mut delivery_of = Vec::with_capacity(frame.len());
        for record in frame.iter() {
            let tracked = matches!(record.entry.position, cofferdam_frame::Position::Source(_));
            let at = find(&mut groups, record.source_partition().filter(|_| tracked));
            delivery_of.push(at as u32);
            if let Some(group) = groups.get_mut(at) {
                group.n_records += 1;
                group.n_bytes += record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
            }
        }
        Ok((groups, delivery_of))
    }

    /// The same text for the same partition, however the guest writes it.
    fn canonical(&mut self, text: Option<&str>) -> Arc<str> {
        let Some(text) = text else { return "".into() };
        if let Some(key) = self.partitions.get(text) {
            return Arc::clone(key);
        }
        let key: Arc<str> = match serde_json::from_str::<serde_json::Value>(text) {
            Ok(mut value) => {
                value.sort_all_objects();
                value.to_string().into()
            }
            Err(_) => text.into(),
        };
        if self.partitions.len() >= PARTITIONS_MAX {
            self.partitions.clear();
        }
        self.partitions.insert(text.to_owned(), Arc::clone(&key));
        key
    }

    fn note_topics(&mut self, batch: &Batch) {
        let frame = batch.frame();
        for topic in (0..frame.n_topics() as u16).filter_map(|index| frame.topic(index)) {
            if !self.topics.contains(topic) {
                self.topics.insert(topic.to_owned());
                self.listener.topic(&self.id, topic);
            }
        }
    }

    /// Fails when a record was given up and that is not tolerated. Tolerated are records that are at fault
    /// themselves: a topic that may not be written would have all of them skipped.
    pub(crate) fn check(&self, reporter: &Reporter) -> Result<(), Error> {
        let failures = || self.submitted.groups().flat_map(|delivery| delivery.failures());
        let failure = match self.sending {
            Sending::InBatches => failures().next(),
            Sending::OneByOne => {
                let tolerated =
                    |failure: &DeliveryFailure| failure.class == Class::Data && reporter.tolerates();
                failures().find(|failure| !tolerated(failure))
            }
            Sending::InTransactions => {
                // What was given up along with another record says nothing.
                let first = failures().find(|failure| failure.class != Class::Retriable);
                first.or_else(|| failures().next())
            }
        };
        failure.map_or(Ok(()), |failure| {
            let text = format!("{} ({}-{})", failure.error, failure.topic, failure.partition);
            match failure.class {
                Class::Data if self.sending == Sending::InBatches => Err(Error::RefusedInBatch(text)),
                _ => Err(Error::SendCallback(text)),
            }
        })
    }

    /// In transactions: offsets of everything that was handed over since the last time.
    pub(crate) fn take_unsaved(&mut self) -> Vec<Committable> {
        std::mem::take(&mut self.unsaved).into_values().collect()
    }

    /// Offsets that may be committed since the last time, and the records among them that Kafka did not
    /// take, which is tolerated.
    pub(crate) fn take_committable(&mut self) -> (Vec<Committable>, Vec<DeliveryFailure>) {
        let (metrics, mut refused) = (&self.metrics, Vec::new());
        let committable = self.submitted.take_committable(|delivery, size| {
            let failures = delivery.failures();
            let n_written = size.n_records.saturating_sub(failures.len());
            metrics.written(n_written as u64, size.n_bytes as u64);
            refused.extend(failures);
        });
        (committable, refused)
    }

    /// Whether there is room for another batch.
    pub(crate) fn has_room(&self) -> bool {
        let InFlight { n_records, n_bytes } = self.submitted.in_flight();
        n_records < IN_FLIGHT_RECORDS_MAX && n_bytes < IN_FLIGHT_BYTES_MAX
    }

    /// Lets the producer end if it was idle for long.
    pub(crate) fn rest(&mut self) {
        if self.submitted.in_flight().n_records == 0 {
            self.producer.rest();
        }
    }

    /// Waits until something has arrived.
    pub(crate) async fn arrived(&self) {
        self.done.notified().await;
    }

    /// Waits until everything has arrived, or was given up.
    pub(crate) async fn all_arrived(&self) {
        while self.submitted.in_flight().n_records > 0 {
            self.arrived().await;
        }
    }

    /// Waits until everything has arrived, at most `patience`.
    pub(crate) async fn drain(&self, patience: Duration) {
        // What has not arrived by then is not committed, and sent again after a restart.
        _ = tokio::time::timeout(patience, self.all_arrived()).await;
    }
}
