//! Between the types of the contract and the host's own.

use std::time::Duration;

use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_frame::{Frame, SchemaId};

use crate::bindings::imports::connect_types as wit;
use crate::{BadRecord, CallError, Format, GuestError, KeyErrors};

pub(crate) fn config_out(config: &ConfigMap) -> Vec<(String, String)> {
    config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub(crate) fn config_in(config: Vec<(String, String)>) -> ConfigMap {
    config.into_iter().collect()
}

/// What a guest answered, its list of bad records checked against the batch it was given:
/// `records` of it and `steps` transforms.
pub(crate) fn answer<T>(result: Result<T, wit::Error>, records: usize, steps: usize) -> Result<T, CallError> {
    result.map_err(|error| match error {
        wit::Error::Retriable(retry) => {
            let backoff = retry.backoff_ms.map(Duration::from_millis);
            GuestError::Retriable { message: retry.message, backoff }.into()
        }
        wit::Error::BadRecords(list) => match bad_records(list, records, steps) {
            Ok(list) => GuestError::BadRecords(list).into(),
            Err(error) => error,
        },
        wit::Error::Config(problems) => {
            GuestError::Config(problems.into_iter().map(|problem| (problem.key, problem.message)).collect())
                .into()
        }
        wit::Error::Fatal(message) => GuestError::Fatal(message).into(),
    })
}

/// A guest's list of bad records, sorted, each named once.
pub(crate) fn bad_records(
    list: Vec<wit::BadRecord>,
    records: usize,
    steps: usize,
) -> Result<Vec<BadRecord>, CallError> {
    let mut out = Vec::with_capacity(list.len());
    for bad in list {
        if bad.index as usize >= records {
            return Err(CallError::BadFrame(format!(
                "it calls record {} bad, of a batch of {records} records",
                bad.index
            )));
        }
        if bad.step as usize >= steps.max(1) {
            return Err(CallError::BadFrame(format!(
                "it names transform {} of a chain of {steps}",
                bad.step
            )));
        }
        out.push(BadRecord { index: bad.index, step: bad.step, message: bad.message });
    }
    out.sort_by_key(|bad| bad.index);
    out.dedup_by_key(|bad| bad.index);
    Ok(out)
}

/// What of a guest's frame has to be checked beyond its layout.
pub(crate) struct Expect<'a> {
    /// Records of the frame that the guest was given: what `src` may name.
    pub(crate) inputs: u32,
    pub(crate) key_format: Format,
    pub(crate) value_format: Format,
    pub(crate) schemas: &'a Schemas,
}

/// Checks a frame that a guest made. Nothing of it is trusted before.
pub(crate) fn check_frame(bytes: &[u8], expect: &Expect<'_>) -> Result<(), CallError> {
    // Batches use few schemas, mostly the one of the record before: only a change is looked up.
    let mut known: [SchemaId; 2] = [0, 0];
    let rows = [expect.key_format == Format::Rows, expect.value_format == Format::Rows];
    Frame::parse_with(bytes, |index, entry| {
        if let Some(src) = entry.src().filter(|src| *src >= expect.inputs) {
            return Err(CallError::BadFrame(format!(
                "record {index} comes from record {src}, of a batch of {}",
                expect.inputs
            )));
        }
        let ids = [entry.key_schema(), entry.value_schema()];
        for ((id, known), rows) in ids.into_iter().zip(&mut known).zip(rows) {
            if rows && id != *known && id != 0 {
                if expect.schemas.get(id).is_none() {
                    return Err(CallError::BadFrame(format!("record {index} has the unknown schema {id}")));
                }
                *known = id;
            }
        }
        Ok(())
    })?;
    Ok(())
}

pub(crate) fn key_errors(list: Vec<crate::bindings::exported::plugin_api::KeyErrors>) -> Vec<KeyErrors> {
    list.into_iter()
        .filter(|key| !key.errors.is_empty())
        .map(|key| KeyErrors { name: key.name, errors: key.errors })
        .collect()
}
