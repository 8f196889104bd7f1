//! What a plugin may answer instead of a result. The worker acts by the kind, so the kind matters
//! more than the words.

use std::fmt;
use std::time::Duration;

/// A key of the configuration and what is wrong with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key.
    pub key: String,
    /// What is wrong, as a sentence for the person who wrote the configuration.
    pub message: String,
}

impl Problem {
    /// `message` about `key`.
    #[must_use]
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The same call may succeed later: the worker tries it again after a pause.
    Retriable {
        /// What happened.
        message: String,
        /// The pause to make; the worker's own back-off when none.
        backoff: Option<Duration>,
    },
    /// This record cannot be handled: `errors.tolerance` and the dead letter queue decide. For
    /// transforms and predicates; a sink names its records with [`crate::Batch::reject`].
    BadRecord(String),
    /// The configuration is wrong.
    Config(Vec<Problem>),
    /// The connector or task fails.
    Fatal(String),
}

impl Error {
    /// The same call may succeed later.
    #[must_use]
    pub fn retriable(message: impl Into<String>) -> Self {
        Self::Retriable { message: message.into(), backoff: None }
    }

    /// The same call may succeed after `backoff`.
    #[must_use]
    pub fn retriable_after(message: impl Into<String>, backoff: Duration) -> Self {
        Self::Retriable { message: message.into(), backoff: Some(backoff) }
    }

    /// This record cannot be handled.
    #[must_use]
    pub fn bad_record(message: impl Into<String>) -> Self {
        Self::BadRecord(message.into())
    }

    /// The record cannot be handled: reported as the Java exception `class` in place of a
    /// `DataException`, for those who look at `__connect.errors.exception.class.name`.
    #[must_use]
    pub fn bad_record_as(class: &str, message: impl fmt::Display) -> Self {
        Self::BadRecord(format!("{class}: {message}"))
    }

    /// The value of `key` is wrong.
    #[must_use]
    pub fn config(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Config(vec![Problem::new(key, message)])
    }

    /// The value of `key` is wrong, in Kafka's words: `Invalid value v for configuration k: why`.
    #[must_use]
    pub fn invalid(key: &str, value: &str, why: impl fmt::Display) -> Self {
        Self::config(key, format!("Invalid value {value} for configuration {key}: {why}"))
    }

    /// The connector or task fails.
    #[must_use]
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::Fatal(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retriable { message, .. } | Self::BadRecord(message) | Self::Fatal(message) => {
                f.write_str(message)
            }
            Self::Config(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    if index > 0 {
                        f.write_str("; ")?;
                    }
                    f.write_str(&problem.message)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}

/// Result of what an author writes.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A record that could not be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Position in the batch.
    pub index: u32,
    /// Position of the step in a chain of transforms; else 0.
    pub step: u32,
    /// What is wrong with it.
    pub message: String,
}
