//! Errors in the shape that Kafka Connect shows them: a Java class name, a message, causes.
//!
//! Statuses, dead letter headers and log lines are read by people and tools that know these texts,
//! so what happens here is told in them. A guest's backtrace takes the place of Java's frames.

use std::borrow::Cow;
use std::fmt::Write as _;

use cofferdam_plugins::{CallError, GuestError};

/// The task or connector cannot go on.
pub(crate) const CONNECT: &str = "org.apache.kafka.connect.errors.ConnectException";
/// A record is at fault.
pub(crate) const DATA: &str = "org.apache.kafka.connect.errors.DataException";
/// It may work later.
pub(crate) const RETRIABLE: &str = "org.apache.kafka.connect.errors.RetriableException";
/// A configuration is at fault.
pub(crate) const CONFIG: &str = "org.apache.kafka.common.config.ConfigException";
/// Another producer has the transactional id.
pub(crate) const FENCED: &str = "org.apache.kafka.common.errors.ProducerFencedException";
/// What Kafka or its client answered.
pub(crate) const KAFKA: &str = "org.apache.kafka.common.KafkaException";

/// What Java would call a `Throwable`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    /// Java's class name.
    pub(crate) class: Cow<'static, str>,
    /// What it says, if anything.
    pub(crate) message: Option<String>,
    /// A guest's backtrace.
    frames: String,
    cause: Option<Box<Exception>>,
}

impl Exception {
    /// An exception without a cause.
    pub(crate) fn new(class: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { class: class.into(), message: Some(message.into()), frames: String::new(), cause: None }
    }

    /// The same, with `cause` behind its last cause.
    pub(crate) fn caused_by(mut self, cause: Self) -> Self {
        let mut last = &mut self.cause;
        while let Some(exception) = last {
            last = &mut exception.cause;
        }
        *last = Some(Box::new(cause));
        self
    }

    /// An error of this host with all its causes.
    pub(crate) fn from_error(class: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        let exception = Self::parse(&error.to_string(), class);
        match error.source() {
            Some(cause) => exception.caused_by(Self::from_error(KAFKA, cause)),
            None => exception,
        }
    }

    /// What a guest says went wrong. A text in Java's shape, `class: message` with lines
    /// `Caused by: …`, is taken at its word; any other text is the message of a `default`.
    pub(crate) fn from_guest(text: &str, default: &'static str) -> Self {
        let mut parts = text.split("\nCaused by: ");
        let first = parts.next().unwrap_or_default();
        let mut exception = Self::parse(first, default);
        for cause in parts {
            exception = exception.caused_by(Self::parse(cause, default));
        }
        exception
    }

    /// What a failed call into a guest means.
    pub(crate) fn from_call(error: &CallError) -> Self {
        match error {
            CallError::Guest(GuestError::Fatal(message)) => Self::from_guest(message, CONNECT),
            CallError::Guest(GuestError::Retriable { message, .. }) => Self::from_guest(message, RETRIABLE),
            CallError::Guest(GuestError::BadRecords(_)) => Self::new(DATA, error.to_string()),
            CallError::Guest(GuestError::Config(_)) => Self::new(CONFIG, error.to_string()),
            CallError::Trap { backtrace, .. } => {
                Self { frames: backtrace.clone(), ..Self::new(CONNECT, error.to_string()) }
            }
            _ => Self::new(CONNECT, error.to_string()),
        }
    }

    fn parse(text: &str, default: &'static str) -> Self {
        let text = text.strip_suffix('\n').unwrap_or(text);
        match text.split_once(": ") {
            Some((class, message)) if is_java_class(class) => Self::new(class.to_owned(), message),
            _ if is_java_class(text) => Self { message: None, ..Self::new(text.to_owned(), "") },
            _ => Self::new(default, text),
        }
    }

    /// As Java prints a stack trace: each exception on a line of its own, then its frames.
    pub(crate) fn trace(&self) -> String {
        let mut out = String::new();
        let mut next = Some(self);
        while let Some(exception) = next {
            if !out.is_empty() {
                out.push_str("Caused by: ");
            }
            out.push_str(&exception.headline());
            out.push('\n');
            if !exception.frames.is_empty() {
                out.push_str(exception.frames.trim_end());
                out.push('\n');
            }
            next = exception.cause.as_deref();
        }
        out
    }

    /// Class and message, on one line where the message has one.
    pub(crate) fn headline(&self) -> String {
        let mut out = self.class.to_string();
        if let Some(message) = &self.message {
            // Writing to a String cannot fail.
            _ = write!(out, ": {message}");
        }
        out
    }
}

/// `java.lang.NullPointerException` and the like.
fn is_java_class(text: &str) -> bool {
    let identifier = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))
    };
    text.contains('.')
        && text.split('.').all(identifier)
        && (text.ends_with("Exception") || text.ends_with("Error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_javas_shape_keeps_its_class_and_causes() {
        let text = "java.lang.NullPointerException: x is null\nCaused by: a.b.SomeError\nCaused by: why";
        let exception = Exception::from_guest(text, DATA);
        assert_eq!(exception.class, "java.lang.NullPointerException");
        assert_eq!(exception.message.as_deref(), Some("x is null"));
        assert_eq!(
            exception.trace(),
            format!("{}\nCaused by: a.b.SomeError\nCaused by: {DATA}: why\n", exception.headline())
        );
    }

    #[test]
    fn any_other_text_is_a_message() {
        for text in ["Only Struct objects supported for [x], found: a.b.C", "e.g. no: Exception", ""] {
            let exception = Exception::from_guest(text, DATA);
            assert_eq!((exception.class.as_ref(), exception.message.as_deref()), (DATA, Some(text)));
        }
    }

    #[test]
    fn a_trap_shows_its_backtrace_below_its_message() {
        let error = CallError::Trap {
            call: "put",
            message: "unreachable".to_owned(),
            backtrace: "  0: sink!put\n".to_owned(),
        };
        let exception = Exception::new(CONNECT, "outer").caused_by(Exception::from_call(&error));
        let expected = format!(
            "{CONNECT}: outer\nCaused by: {CONNECT}: the plugin crashed in put: unreachable\n  0: sink!put\n"
        );
        assert_eq!(exception.trace(), expected);
    }
}
