//! Logging set-up and the metric registry.
