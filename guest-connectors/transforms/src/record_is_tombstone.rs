//! RecordIsTombstone: true for records whose value is null.

use cofferdam_sdk::{Config, Part, PluginInfo, Predicate, Record, Result};

use crate::operand;
use crate::plugin::predicate;

/// Tells records without a value.
pub(crate) struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn info() -> PluginInfo {
        predicate("RecordIsTombstone")
            .doc("A predicate which is true for records which are tombstones (i.e. have null value).")
            .without_key()
            .without_headers()
    }

    fn configure(_: &Config) -> Result<Self> {
        Ok(Self)
    }

    fn test(&mut self, record: &Record<'_>) -> Result<bool> {
        Ok(operand::is_null_part(record, Part::Value))
    }
}
