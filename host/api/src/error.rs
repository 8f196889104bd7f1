//! The two questions that every error of the host answers: what can be done ([`Class`]) and who
//! has to do it ([`Blame`]). A caller asks; it does not match on texts.

use std::error::Error;

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A configuration must be changed.
    Config,
    /// What was named does not exist.
    NotFound,
    /// It exists already, or is in use.
    Exists,
    /// Not now: workers are agreeing on who does what.
    Rebalancing,
    /// The same call may succeed later.
    Retriable,
    /// A record cannot be handled: `errors.tolerance` decides.
    Data,
    /// The task or connector fails.
    Fatal,
    /// A fault in Cofferdam itself.
    Bug,
}

/// Who caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Whoever wrote the configuration or the request.
    User,
    /// The plugin.
    Guest,
    /// Kafka.
    Broker,
    /// This worker or its machine.
    Host,
}

/// An error that answers both questions.
pub trait Classified: Error {
    /// What can be done.
    fn class(&self) -> Class;
    /// Who caused it.
    fn blame(&self) -> Blame;
}

/// The messages of an error and all its causes, joined by `: `. Messages never repeat their cause,
/// so this is the whole text.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
