//! The keys that every connector has, and their typed form.

mod defs;
mod exactly_once;
mod restart;
mod settings;
mod topics;

pub use defs::{common, predicate, sink, source, transform};
pub use exactly_once::{Boundary, ExactlyOnceSettings};
pub(crate) use restart::keys as restart_keys;
pub use restart::{RestartCause, RestartSettings};
pub use settings::{
    ConnectorSettings, ConverterSettings, DlqSettings, ErrorSettings, PredicateSettings, Tolerance, Topics,
    TransformSettings,
};
pub(crate) use settings::{converter_options, with_prefix};
pub use topics::{TopicGroup, check_sink, topic_groups};

/// Prefix of a connector's settings for producers.
pub const PRODUCER_OVERRIDE: &str = "producer.override.";
/// Prefix of a connector's settings for consumers.
pub const CONSUMER_OVERRIDE: &str = "consumer.override.";
/// Prefix of a connector's settings for admin clients.
pub const ADMIN_OVERRIDE: &str = "admin.override.";

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::panic, reason = "tests")]
mod tests;
