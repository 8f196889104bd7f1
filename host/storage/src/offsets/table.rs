//! What the records of the offsets topic mean.
//!
//! A record's key is the JSON list of connector and source partition. Kafka Connect compares its
//! bytes, so one partition may have several keys in the topic, one for each order in which somebody
//! wrote its fields. Here they are one partition: the latest record counts, an update reuses the key
//! that is there, and other spellings are removed with it.

use std::collections::HashMap;

use cofferdam_api::JsonText;
use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::json::{self, Json};
use crate::Error;
use crate::log::{KeyValue, Record};

/// What has been read so far: canonical partitions by connector.
#[derive(Debug, Default)]
pub(crate) struct Table(HashMap<String, IndexMap<String, Vec<Spelling>>>);

/// One key in the topic, by which a partition is known.
#[derive(Debug)]
struct Spelling {
    key: Vec<u8>,
    /// None until the write that made up this key is read back.
    value: Option<JsonText>,
    timestamp: i64,
}

impl Table {
    /// Takes the next record. Malformed ones are logged and skipped.
    pub(crate) fn apply(&mut self, record: &Record<'_>) {
        let malformed = |what: &str| {
            let key = String::from_utf8_lossy(record.key);
            tracing::warn!(offset = record.offset, %key, "{what} in the offsets is malformed; skipped");
        };
        let Some((connector, partition)) = json::parse_key(record.key) else { return malformed("a key") };
        let value = match record.value.map(read_value) {
            Some(None) => return malformed("a value"),
            value => value.flatten(),
        };
        let partitions = self.0.entry(connector).or_default();
        let spellings = partitions.entry(partition.canonical.clone()).or_default();
        spellings.retain(|spelling| spelling.key != record.key);
        if value.is_some() {
            // In the order of time, so that the last one counts.
            let place = spellings.partition_point(|spelling| spelling.timestamp <= record.timestamp);
            let spelling = Spelling { key: record.key.to_vec(), value, timestamp: record.timestamp };
            spellings.insert(place, spelling);
        } else if spellings.is_empty() {
            partitions.swap_remove(&partition.canonical);
        }
    }

    /// Offsets of `partitions`.
    pub(crate) fn get(
        &self,
        connector: &str,
        partitions: &[JsonText],
    ) -> Result<Vec<Option<JsonText>>, Error> {
        let known = self.0.get(connector);
        let offset = |partition: &JsonText| {
            let partition = json::parse(connector, "source partition", partition)?;
            let spellings = known.and_then(|known| known.get(&partition.canonical));
            Ok(spellings.and_then(|spellings| current(spellings)).map(|(_, value)| value.clone()))
        };
        partitions.iter().map(offset).collect()
    }

    /// All partitions of a connector that have an offset; a null partition has no place in a list.
    pub(crate) fn list(&self, connector: &str) -> Vec<(JsonText, JsonText)> {
        let partitions = self.0.get(connector).into_iter().flatten();
        let offset = |(_, spellings): (&String, &Vec<Spelling>)| {
            let (key, value) = current(spellings)?;
            let (_, partition) = json::parse_key(key)?;
            (!partition.is_null).then(|| (partition.text, value.clone()))
        };
        partitions.filter_map(offset).collect()
    }

    /// The records that set `offsets`; remembers the keys it makes up, so that two writes of a new
    /// partition agree on one.
    pub(crate) fn plan(
        &mut self,
        connector: &str,
        offsets: &[(JsonText, Option<JsonText>)],
    ) -> Result<Vec<KeyValue>, Error> {
        let mut wanted = IndexMap::new();
        for (partition, offset) in offsets {
            let partition = json::parse(connector, "source partition", partition)?;
            let offset = match offset {
                Some(text) => {
                    Some(json::parse(connector, "source offset", text)?).filter(|value| !value.is_null)
                }
                None => None,
            };
            wanted.insert(partition.canonical.clone(), (partition, offset));
        }
        let known = self.0.entry(connector.to_owned()).or_default();
        let mut records = Vec::new();
        for (canonical, (partition, offset)) in wanted {
            let Some(offset) = offset else {
                let spellings = known.get(&canonical).into_iter().flatten();
                records.extend(spellings.map(|spelling| (spelling.key.clone(), None)));
                continue;
            };
            let spellings = known.entry(canonical).or_default();
            if spellings.is_empty() {
                let key = json::key(connector, &partition).into_bytes();
                spellings.push(Spelling { key, value: None, timestamp: i64::MIN });
            }
            let Some((latest, others)) = spellings.split_last() else { continue };
            records.push((latest.key.clone(), Some(offset.text.into_bytes())));
            records.extend(others.iter().map(|spelling| (spelling.key.clone(), None)));
        }
        Ok(records)
    }

    /// Everything, for a file.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &[u8], &str)> {
        self.0.iter().flat_map(|(connector, partitions)| {
            let current = partitions.values().filter_map(|spellings| current(spellings));
            current.map(|(key, value)| (connector.as_str(), key, value.as_str()))
        })
    }
}

/// The spelling that counts.
fn current(spellings: &[Spelling]) -> Option<(&[u8], &JsonText)> {
    spellings.iter().rev().find_map(|spelling| Some((spelling.key.as_slice(), spelling.value.as_ref()?)))
}

/// An offset's text; none when it is no JSON object.
fn read_value(value: &[u8]) -> Option<JsonText> {
    let raw: &RawValue = serde_json::from_slice(value).ok()?;
    Json::of(raw).filter(|offset| !offset.is_null).map(|offset| offset.text)
}
