//! Metrics of the plugin's own; the worker adds connector and task as labels.

use crate::host;

/// Adds `by` to the counter `name`.
pub fn count(name: &str, by: u64) {
    host::count(name, by);
}

/// Sets the gauge `name`.
pub fn gauge(name: &str, value: f64) {
    host::gauge(name, value);
}
