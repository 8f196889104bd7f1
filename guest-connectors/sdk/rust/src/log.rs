//! Lines for the worker's log, where they stand with the connector and task they come from. The
//! worker bounds how many lines a second it takes, so never log once a record.

use std::fmt;

use crate::host;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For a developer who follows single records.
    Trace,
    /// For a developer.
    Debug,
    /// A state changed.
    Info,
    /// Unexpected, carried on.
    Warn,
    /// Someone must act.
    Error,
}

/// Whether a line of this level would be written.
#[must_use]
pub fn enabled(level: Level) -> bool {
    level >= host::max_level()
}

/// Writes a line; the macros below are more comfortable.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    if enabled(level) {
        match message.as_str() {
            Some(text) => host::write_log(level, text),
            None => host::write_log(level, &message.to_string()),
        }
    }
}

/// Logs at level ERROR: someone must act.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Error, ::core::format_args!($($message)+)) };
}

/// Logs at level WARN: unexpected, carried on.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($message)+)) };
}

/// Logs at level INFO: a state changed.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Info, ::core::format_args!($($message)+)) };
}

/// Logs at level DEBUG.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($message)+)) };
}

/// Logs at level TRACE.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Trace, ::core::format_args!($($message)+)) };
}
