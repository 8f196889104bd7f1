//! Telling about records that failed: the dead letter queue, the log.
//!
//! Invariant: no offset is committed past a record whose dead letter the broker has not acknowledged.
//! Kafka Connect logs a dead letter that could not be written and goes on; here the task fails, since
//! the record would be lost.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{Schemas, TaskId};
use cofferdam_config::connector::{DlqSettings, ErrorSettings, Tolerance};
use cofferdam_frame::{Builder, Entry, Flags, Frame, Invalid, Kind, Record, Span};
use cofferdam_kafka::{Admin, Delivery, DeliveryFailure, NewTopic, Producer};
use cofferdam_telemetry::TaskMetrics;
use tokio::sync::Notify;

use super::polled::Polled;
use super::{Exception, Failed, KAFKA};
use crate::Error;
use crate::batch::Batch;
use crate::chain::Layout;
use crate::error::Thrown;
use crate::stage::Stage;

/// Most characters of a value that the log shows.
const LOGGED_CHARS_MAX: usize = 1_000;
/// What Kafka Connect names when a record cannot be sent.
pub(crate) const SOURCE_TASK: &str = "org.apache.kafka.connect.source.SourceTask";

/// Decides about records that failed and tells of them.
pub(crate) struct Reporter {
    id: TaskId,
    settings: ErrorSettings,
    schemas: Arc<Schemas>,
    dead_letters: Option<DeadLetters>,
    metrics: TaskMetrics,
}

/// The dead letter queue of one task.
pub(crate) struct DeadLetters {
    settings: DlqSettings,
    producer: Producer,
    done: Arc<Notify>,
    unsettled: Vec<Arc<Delivery>>,
    /// Why a letter could not even be handed over. It never comes to its topic, so nothing is settled again.
    refusal: Option<String>,
    /// How a source's records become bytes; none for a sink, whose records are.
    polled: Option<Polled>,
}

impl Reporter {
    /// Reports of the task `id`.
    pub(crate) fn new(
        id: TaskId,
        settings: ErrorSettings,
        schemas: Arc<Schemas>,
        dead_letters: Option<DeadLetters>,
        metrics: TaskMetrics,
    ) -> Self {
        Self { id, settings, schemas, dead_letters, metrics }
    }

    /// The dead letters are of records that a source polled and laid out so.
    ///
    /// # Errors
    /// None for the converters that are always there.
    pub(crate) fn letters_of(&mut self, layout: Layout) -> Result<(), Error> {
        if let Some(dead_letters) = &mut self.dead_letters {
            dead_letters.polled = Some(Polled::new(layout)?);
        }
        Ok(())
    }

    /// The error settings of the connector.
    pub(crate) const fn settings(&self) -> &ErrorSettings {
        &self.settings
    }

    /// Whether records that fail are skipped.
    pub(crate) fn tolerates(&self) -> bool {
        self.settings.tolerance == Tolerance::All
    }

    /// Takes note of records that failed: tolerated, they are reported; else the batch ends before
    /// the first of them and [`Reporter::raise`] has the last word.
    pub(crate) async fn settle(&mut self, batch: &mut Batch, failed: Vec<Failed>) -> Result<(), Error> {
        if failed.is_empty() {
            return Ok(());
        }
        self.metrics.record_errors(failed.len() as u64);
        if !self.tolerates() {
            for failed in failed {
                batch.end_before(failed);
            }
            return Ok(());
        }
        self.metrics.record_failures(failed.len() as u64);
        self.metrics.skipped(failed.len() as u64);
        self.report(batch, &failed).await
    }

    /// Ends the task if the batch was ended by a failure. It is reported like any other, so that the
    /// record is in the dead letter queue although the task fails.
    pub(crate) async fn raise(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Some(failed) = batch.ended_by.take() else { return Ok(()) };
        self.metrics.record_failures(1);
        self.report(batch, std::slice::from_ref(&*failed)).await?;
        Err(Error::Tolerance(Thrown(failed.exception)))
    }

    /// Takes note of records that were handed over and that Kafka did not take; tolerated. Their dead
    /// letters are what was sent.
    pub(crate) async fn refused(&mut self, failures: &[DeliveryFailure]) -> Result<(), Error> {
        if failures.is_empty() {
            return Ok(());
        }
        let n = failures.len() as u64;
        self.metrics.record_errors(n);
        self.metrics.record_failures(n);
        self.metrics.skipped(n);
        if self.settings.log_enable {
            self.metrics.errors_logged(n);
            for failure in failures {
                tracing::error!(
                    "Error encountered in task {}. Executing stage '{}' with class '{SOURCE_TASK}'.\n{} ({}-{})",
                    self.id,
                    Stage::KafkaProduce.as_str(),
                    failure.error,
                    failure.topic,
                    failure.partition
                );
            }
        }
        let Some(dead_letters) = &mut self.dead_letters else { return Ok(()) };
        self.metrics.dlq_requests(n);
        let sent = as_sent(failures).map_err(|error| dead_letters.refused(error.to_string()))?;
        let sent = Frame::trust(&sent).unwrap_or(Frame::EMPTY);
        let failed: Vec<Failed> = failures.iter().enumerate().map(as_failed).collect();
        let letters = dead_letters.letters(&self.id, None, &self.schemas, sent, &failed);
        dead_letters.send(&letters).await
    }

    async fn report(&mut self, batch: &Batch, failed: &[Failed]) -> Result<(), Error> {
        if self.settings.log_enable {
            for failed in failed {
                self.log(batch.input(), failed);
            }
        }
        let Some(dead_letters) = &mut self.dead_letters else { return Ok(()) };
        self.metrics.dlq_requests(failed.len() as u64);
        let polled = dead_letters.polled.as_ref();
        let letters = dead_letters.letters(&self.id, polled, &self.schemas, batch.input(), failed);
        dead_letters.send(&letters).await
    }

    fn log(&self, input: Frame<'_>, failed: &Failed) {
        let mut text = format!(
            "Error encountered in task {}. Executing stage '{}' with class '{}'",
            self.id,
            failed.stage.as_str(),
            failed.class
        );
        if self.settings.log_include_messages
            && let Some(record) = input.get(failed.origin as usize)
        {
            text.push_str(&self.describe(&record));
        }
        self.metrics.errors_logged(1);
        tracing::error!("{text}.\n{}", failed.exception.trace().trim_end());
    }

    fn describe(&self, record: &Record<'_>) -> String {
        match record.kafka_offset() {
            Some(offset) => describe_consumed(record, offset),
            None => describe_polled(record, &self.schemas),
        }
    }

    /// Whether every dead letter is in its topic; waits at most `patience` for it.
    ///
    /// # Errors
    /// When one was refused for good.
    pub(crate) async fn settled(&mut self, patience: Duration) -> Result<bool, Error> {
        let Some(dead_letters) = &mut self.dead_letters else { return Ok(true) };
        let settled = tokio::time::timeout(patience, dead_letters.settle()).await;
        if let Ok(Err(_)) = settled {
            self.metrics.dlq_failures(1);
        }
        settled.unwrap_or(Ok(())).map(|()| settled_all(dead_letters))
    }
}

/// The records as they were handed to the producer.
fn as_sent(failures: &[DeliveryFailure]) -> Result<Vec<u8>, Invalid> {
    let mut out = Builder::default();
    for failure in failures {
        let mut entry = Entry::new(out.topic(&failure.topic)?);
        entry.partition = Some(failure.partition).filter(|partition| *partition >= 0);
        if let Some(record) = &failure.record {
            entry.timestamp = record.timestamp;
            entry.key = out.put_option(record.key.as_deref());
            entry.value = out.put_option(record.value.as_deref());
            let mut block = Span { at: 0, len: 0 };
            for (name, value) in &record.headers {
                out.header(&mut block, name, 0, value.as_deref());
            }
            entry.headers = block;
            entry.n_headers = u16::try_from(record.headers.len()).unwrap_or(u16::MAX);
        }
        out.push(&entry);
    }
    Ok(out.finish())
}

fn as_failed((index, failure): (usize, &DeliveryFailure)) -> Failed {
    Failed {
        origin: index as u32,
        stage: Stage::KafkaProduce,
        class: SOURCE_TASK.into(),
        exception: Exception::from_guest(&failure.error, KAFKA),
    }
}

fn settled_all(dead_letters: &DeadLetters) -> bool {
    dead_letters.unsettled.is_empty()
}

// === impl DeadLetters ===

impl DeadLetters {
    /// Opens the queue, making its topic when it is missing.
    pub(crate) async fn open(
        settings: &DlqSettings,
        producer: Producer,
        admin: &Admin,
    ) -> Result<Self, Error> {
        let topic = &settings.topic;
        let failed = |error| Error::DeadLetterTopic { topic: topic.clone(), error };
        if !admin.topics().await.map_err(failed)?.contains(topic) {
            tracing::info!("Topic {topic} doesn't exist. Will attempt to create topic.");
            let new = NewTopic {
                name: topic.clone(),
                partitions: 1,
                replication: settings.replication_factor,
                configs: std::collections::BTreeMap::new(),
            };
            admin.create_topic(&new).await.map_err(failed)?;
        }
        Ok(Self {
            settings: settings.clone(),
            producer,
            done: Arc::default(),
            unsettled: Vec::new(),
            refusal: None,
            polled: None,
        })
    }

    async fn send(&mut self, letters: &[u8]) -> Result<(), Error> {
        let delivery = Delivery::new(Arc::clone(&self.done));
        self.unsettled.push(Arc::clone(&delivery));
        let letters = Frame::trust(letters).unwrap_or(Frame::EMPTY);
        let to = vec![0; letters.len()];
        let sent = self.producer.send(&letters, &[delivery], &to).await;
        sent.map_err(|error| self.refused(cofferdam_api::chain(&error)))
    }

    /// A letter will not come to its topic: no offset may be stored past its record, whatever ends the task.
    fn refused(&mut self, reason: String) -> Error {
        self.refusal = Some(reason.clone());
        Error::DeadLetter { topic: self.settings.topic.clone(), reason }
    }

    /// Dead letters of records of `input`, which are bytes unless `polled` makes bytes of them.
    fn letters(
        &self,
        id: &TaskId,
        polled: Option<&Polled>,
        schemas: &Schemas,
        input: Frame<'_>,
        failed: &[Failed],
    ) -> Vec<u8> {
        let mut out = Builder::default();
        let topic = out.topic(&self.settings.topic).unwrap_or_default();
        for failed in failed {
            let Some(record) = input.get(failed.origin as usize) else { continue };
            let mut entry = Entry::new(topic);
            // A source says -1 where it has no timestamp.
            entry.timestamp = record.entry.timestamp.filter(|timestamp| *timestamp >= 0);
            let (key, value) = (record.key(), record.value());
            match polled {
                None => {
                    entry.key = out.put_option(key);
                    entry.value = out.put_option(value);
                }
                Some(polled) => {
                    let (key_schema, value_schema) = (record.entry.key_schema, record.entry.value_schema);
                    entry.key = out.put_option(polled.key(schemas, key_schema, key).as_deref());
                    entry.value = out.put_option(polled.value(schemas, value_schema, value).as_deref());
                }
            }
            let mut block = Span { at: 0, len: 0 };
            let mut n_headers = 0_u16;
            let mut header = |key: &str, value: Option<&[u8]>| {
                out.header(&mut block, key, 0, value);
                n_headers = n_headers.saturating_add(1);
            };
            for original in record.headers() {
                match polled {
                    None => header(original.key, original.value),
                    Some(polled) => {
                        let value = polled.value(schemas, original.schema, original.value);
                        header(original.key, value.as_deref());
                    }
                }
            }
            if self.settings.context_headers {
                context(id, &record, failed, |key, value| header(key, value.map(str::as_bytes)));
            }
            entry.headers = block;
            entry.n_headers = n_headers;
            out.push(&entry);
        }
        out.finish()
    }

    /// Waits for the broker's answer to every letter.
    async fn settle(&mut self) -> Result<(), Error> {
        if let Some(reason) = self.refusal.clone() {
            return Err(Error::DeadLetter { topic: self.settings.topic.clone(), reason });
        }
        while let Some(delivery) = self.unsettled.last() {
            // Several deliveries share one notification: look again after each.
            while delivery.pending() > 0 {
                self.done.notified().await;
            }
            if let Some(failure) = delivery.failures().first() {
                let reason = failure.error.clone();
                return Err(Error::DeadLetter { topic: self.settings.topic.clone(), reason });
            }
            self.unsettled.pop();
        }
        Ok(())
    }
}

/// Kafka Connect's context headers, in its order. It has none for sources: of a record that was polled
/// they name the topic that it was for, and in place of partition and offset those of the source.
fn context(id: &TaskId, record: &Record<'_>, failed: &Failed, mut header: impl FnMut(&str, Option<&str>)) {
    let Failed { stage, class, exception, .. } = failed;
    let mut named = |name: &str, value: Option<&str>| header(&format!("__connect.errors.{name}"), value);
    named("topic", Some(record.topic()));
    match record.kafka_offset() {
        Some(offset) => {
            named("partition", Some(&record.entry.partition.unwrap_or(-1).to_string()));
            named("offset", Some(&offset.to_string()));
        }
        None => {
            named("source.partition", record.source_partition());
            named("source.offset", record.source_offset());
        }
    }
    named("connector.name", Some(id.connector.as_str()));
    named("task.id", Some(&id.task.to_string()));
    named("stage", Some(stage.as_str()));
    named("class.name", Some(class));
    named("exception.class.name", Some(&exception.class));
    named("exception.message", exception.message.as_deref());
    named("exception.stacktrace", Some(&Exception::trace(exception)));
}

// === records in the log ===

fn describe_consumed(record: &Record<'_>, offset: i64) -> String {
    let mut text = format!(
        ", where consumed record is {{topic='{}', partition={}, offset={offset}",
        record.topic(),
        record.entry.partition.unwrap_or(-1)
    );
    if let Some(timestamp) = record.entry.timestamp {
        let log_append_time = record.entry.flags.has(Flags::LOG_APPEND_TIME);
        let kind = if log_append_time { "LogAppendTime" } else { "CreateTime" };
        _ = write!(text, ", timestamp={timestamp}, timestampType={kind}");
    }
    text.push('}');
    text
}

fn describe_polled(record: &Record<'_>, schemas: &Schemas) -> String {
    let or_null = |number: Option<String>| number.unwrap_or_else(|| "null".to_owned());
    let headers: Vec<String> =
        record.headers().map(|header| format!("ConnectHeader(key={})", header.key)).collect();
    let (key, key_schema) = describe_value(record.key(), record.entry.key_schema, schemas);
    let (value, value_schema) = describe_value(record.value(), record.entry.value_schema, schemas);
    format!(
        ", where source record is = SourceRecord{{sourcePartition={}, sourceOffset={}}} ConnectRecord{{topic='{}', \
         kafkaPartition={}, key={key}, keySchema={key_schema}, value={value}, valueSchema={value_schema}, \
         timestamp={}, headers=ConnectHeaders(headers={})}}",
        java_map(record.source_partition()),
        java_map(record.source_offset()),
        record.topic(),
        or_null(record.entry.partition.map(|n| n.to_string())),
        or_null(record.entry.timestamp.map(|n| n.to_string())),
        headers.join(", "),
    )
}

/// A key or value and its schema, as far as they are text.
fn describe_value(bytes: Option<&[u8]>, schema: u32, schemas: &Schemas) -> (String, String) {
    let schema = schemas.get(schema);
    let kind = schema.as_ref().map(|schema| schema.kind);
    let text = match bytes {
        None => "null".to_owned(),
        Some(bytes) => match (std::str::from_utf8(bytes), kind) {
            (Ok(text), Some(Kind::String)) => text.chars().take(LOGGED_CHARS_MAX).collect(),
            _ => format!("<{} bytes>", bytes.len()),
        },
    };
    let name = schema.map_or("null".to_owned(), |schema| {
        let kind = format!("{:?}", schema.kind).to_uppercase();
        match &schema.name {
            Some(name) => format!("Schema{{{name}:{kind}}}"),
            None => format!("Schema{{{kind}}}"),
        }
    });
    (text, name)
}

/// A JSON object as Java prints a map.
fn java_map(json: Option<&str>) -> String {
    let Some(json) = json else { return "null".to_owned() };
    let Ok(serde_json::Value::Object(map)) = serde_json::from_str(json) else { return json.to_owned() };
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}
