//! Kafka Connect's own transforms and predicates, in one component, so that neighbours in a chain
//! run in one call. Names, keys, results and error texts are those of the original.
//!
//! Values are never taken apart further than a transform has to: rows and tape are copied in
//! stretches of bytes, and what depends on a schema is worked out once for each.

mod extract_field;
mod hoist_field;
mod insert_field;
mod java_regex;
mod mask_field;
mod operand;
mod plugin;
mod regex_router;
mod replace_field;
mod topic_name_matches;
mod value_to_key;

use extract_field::ExtractField;
use hoist_field::HoistField;
use insert_field::InsertField;
use mask_field::MaskField;
use plugin::{Key, Value};
use regex_router::RegexRouter;
use replace_field::ReplaceField;
use topic_name_matches::TopicNameMatches;
use value_to_key::ValueToKey;

cofferdam_sdk::plugins! {
    transform ExtractField<Key>;
    transform ExtractField<Value>;
    transform HoistField<Key>;
    transform HoistField<Value>;
    transform InsertField<Key>;
    transform InsertField<Value>;
    transform MaskField<Key>;
    transform MaskField<Value>;
    transform RegexRouter;
    transform ReplaceField<Key>;
    transform ReplaceField<Value>;
    transform ValueToKey;
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
