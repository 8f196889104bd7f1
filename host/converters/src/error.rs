//! What can go wrong: a wrong configuration, once; bytes or values that a converter cannot handle,
//! per record.

use cofferdam_api::{Blame, Class, Classified, SchemaError};
use cofferdam_frame::text::TextError;

/// Class name that Kafka Connect gives to bad data.
pub(crate) const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";

/// Why there is no converter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No converter of this name is built in.
    #[error("the converter {class} is not available; the ones that come with Kafka Connect are")]
    NotAvailable {
        /// As it was named.
        class: String,
    },
    /// An option has a wrong value; the message is Kafka's.
    #[error("{message}")]
    Option {
        /// Name of the option.
        key: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        Class::Config
    }

    fn blame(&self) -> Blame {
        Blame::User
    }
}

/// Why a value cannot be converted. The texts are Kafka Connect's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DataError {
    /// What is wrong.
    pub message: String,
    /// Name of the Java exception that Kafka Connect throws here: dead letter headers carry it.
    pub exception_class: &'static str,
    /// What caused it, outermost first.
    pub causes: Vec<Cause>,
    blame: Blame,
}

/// One cause of a [`DataError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Name of the Java exception.
    pub class: &'static str,
    /// Its message.
    pub message: String,
}

impl DataError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exception_class: DATA_EXCEPTION,
            causes: Vec::new(),
            blame: Blame::User,
        }
    }

    pub(crate) fn because(mut self, class: &'static str, message: impl Into<String>) -> Self {
        self.causes.push(Cause { class, message: message.into() });
        self
    }

    /// The value does not lie as its schema says: a fault of the plugin that wrote it.
    pub(crate) fn layout() -> Self {
        Self::from(TextError::Layout)
    }

    pub(crate) fn too_deep() -> Self {
        Self::from(TextError::TooDeep)
    }
}

impl From<TextError> for DataError {
    fn from(error: TextError) -> Self {
        Self { blame: Blame::Guest, ..Self::new(error.to_string()) }
    }
}

impl From<SchemaError> for DataError {
    fn from(error: SchemaError) -> Self {
        Self::new(error.to_string())
    }
}

impl Classified for DataError {
    fn class(&self) -> Class {
        Class::Data
    }

    fn blame(&self) -> Blame {
        self.blame
    }
}
