//! TimestampRouter: a topic name made of the topic's own and the record's timestamp.

use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, PluginInfo, Record, Result, Transform,
};

use crate::date_format::DateFormat;
use crate::plugin::transform;

/// Renames topics by time.
pub(crate) struct TimestampRouter {
    topic_format: String,
    /// Kafka Connect reads the pattern with the first record, so its faults are the records'.
    timestamp_format: Result<DateFormat, String>,
    granularity_ms: i64,
    last: Last,
}

/// The record before, whose topic this one's mostly is.
#[derive(Default)]
struct Last {
    topic: String,
    period: i64,
    routed: Option<String>,
}

impl Transform for TimestampRouter {
    fn info() -> PluginInfo {
        transform("TimestampRouter")
            .doc(
                "Update the record's topic field as a function of the original topic value and the record timestamp. \
                 This is mainly useful for sink connectors, where the topic often names the destination.",
            )
            .config(
                ConfigDef::new()
                    .key(ConfigKey::string("topic.format").default("${topic}-${timestamp}").high().doc(
                        "Format string which can contain ${topic} and ${timestamp} as placeholders for the topic \
                         and timestamp, respectively.",
                    ))
                    .key(ConfigKey::string("timestamp.format").default("yyyyMMdd").high().doc(
                        "Format string for the timestamp that is compatible with java.text.SimpleDateFormat.",
                    )),
            )
            .without_key()
            .without_value()
            .without_headers()
    }

    fn configure(config: &Config) -> Result<Self> {
        let timestamp_format = DateFormat::new(config.string("timestamp.format")?);
        Ok(Self {
            topic_format: config.string("topic.format")?.to_owned(),
            granularity_ms: timestamp_format.as_ref().map_or(1, DateFormat::granularity_ms),
            timestamp_format,
            last: Last::default(),
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let Some(timestamp) = record.timestamp() else {
            let partition = record.partition().map_or_else(|| "null".to_owned(), |number| number.to_string());
            return Err(Error::bad_record(format!(
                "Timestamp missing on record: ConnectRecord{{topic='{}', kafkaPartition={partition}, timestamp=null}}",
                record.topic()
            )));
        };
        let format = self.timestamp_format.as_ref().map_err(Error::bad_record)?;
        let period = timestamp.div_euclid(self.granularity_ms);
        let last = &mut self.last;
        if last.routed.is_none() || last.period != period || last.topic != record.topic() {
            record.topic().clone_into(&mut last.topic);
            last.period = period;
            let routed = self.topic_format.replace("${topic}", record.topic());
            last.routed = Some(routed.replace("${timestamp}", &format.to_text(timestamp)));
        }
        if let Some(routed) = &last.routed {
            record.set_topic(routed);
        }
        Ok(Flow::Keep)
    }
}
