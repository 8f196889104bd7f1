//! Kafka Connect's own transforms and predicates, in one component, so that neighbours in a chain
//! run in one call. Names, keys, results and error texts are those of the original.
//!
//! Values are never taken apart further than a transform has to: rows and tape are copied in
//! stretches of bytes, and what depends on a schema is worked out once for each.

mod calendar;
mod cast;
mod date_format;
mod drop_headers;
mod extract_field;
mod filter;
mod flatten;
mod has_header_key;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod java_regex;
mod mask_field;
mod number;
mod operand;
mod plugin;
mod record_is_tombstone;
mod regex_router;
mod replace_field;
mod set_schema_metadata;
mod timestamp_converter;
mod timestamp_router;
mod topic_name_matches;
mod value_to_key;

use cast::Cast;
use drop_headers::DropHeaders;
use extract_field::ExtractField;
use filter::Filter;
use flatten::Flatten;
use has_header_key::HasHeaderKey;
use header_from::HeaderFrom;
use hoist_field::HoistField;
use insert_field::InsertField;
use insert_header::InsertHeader;
use mask_field::MaskField;
use plugin::{Key, Value};
use record_is_tombstone::RecordIsTombstone;
use regex_router::RegexRouter;
use replace_field::ReplaceField;
use set_schema_metadata::SetSchemaMetadata;
use timestamp_converter::TimestampConverter;
use timestamp_router::TimestampRouter;
use topic_name_matches::TopicNameMatches;
use value_to_key::ValueToKey;

cofferdam_sdk::plugins! {
    transform Cast<Key>;
    transform Cast<Value>;
    transform DropHeaders;
    transform ExtractField<Key>;
    transform ExtractField<Value>;
    transform Filter;
    transform Flatten<Key>;
    transform Flatten<Value>;
    transform HeaderFrom<Key>;
    transform HeaderFrom<Value>;
    transform HoistField<Key>;
    transform HoistField<Value>;
    transform InsertField<Key>;
    transform InsertField<Value>;
    transform InsertHeader;
    transform MaskField<Key>;
    transform MaskField<Value>;
    transform RegexRouter;
    transform ReplaceField<Key>;
    transform ReplaceField<Value>;
    transform SetSchemaMetadata<Key>;
    transform SetSchemaMetadata<Value>;
    transform TimestampConverter<Key>;
    transform TimestampConverter<Value>;
    transform TimestampRouter;
    transform ValueToKey;
    predicate HasHeaderKey;
    predicate RecordIsTombstone;
    predicate TopicNameMatches;
}

/// The plugins of this component, for whoever links it natively.
#[cfg(not(target_family = "wasm"))]
#[must_use]
pub fn plugins() -> &'static [cofferdam_sdk::guest::Offer] {
    PLUGINS
}

#[cfg(test)]
mod tests;
