//! What can fail when state is kept, with class and blame.

use std::path::PathBuf;
use std::time::Duration;

use cofferdam_api::{Blame, Class, Classified};

/// An operation that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The offset file could not be read.
    #[error("cannot read the offset file {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The offset file could not be written.
    #[error("cannot write the offset file {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The offset file is damaged.
    #[error("the offset file {} is damaged: {reason}; to start without offsets, move it away", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A source partition or offset that cannot be kept.
    #[error("the {what} {text} of connector {connector} cannot be kept: {reason}")]
    BadOffset {
        /// The connector.
        connector: String,
        /// `source partition` or `source offset`.
        what: &'static str,
        /// The text as it came.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Kafka did not answer in time.
    #[error("{what} {topic} was not done after {} s", after.as_secs())]
    Timeout {
        /// What was to be done.
        what: &'static str,
        /// The topic.
        topic: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// An internal topic cannot be used as it is.
    #[error("{0}")]
    UnfitTopic(String),
    /// Something to do with an internal topic failed.
    #[error("{what} {topic}")]
    Topic {
        /// What was to be done.
        what: &'static str,
        /// The topic.
        topic: String,
        /// Why it was not.
        #[source]
        source: cofferdam_kafka::Error,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::ReadFile { .. } | Self::WriteFile { .. } | Self::Timeout { .. } => Class::Retriable,
            Self::BadFile { .. } | Self::UnfitTopic(_) => Class::Config,
            Self::BadOffset { .. } => Class::Fatal,
            Self::Topic { source, .. } => source.class(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::ReadFile { .. } | Self::WriteFile { .. } | Self::BadFile { .. } => Blame::Host,
            Self::Timeout { .. } => Blame::Broker,
            Self::UnfitTopic(_) => Blame::User,
            Self::BadOffset { .. } => Blame::Guest,
            Self::Topic { source, .. } => source.blame(),
        }
    }
}
