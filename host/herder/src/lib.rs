//! The control path: configuration to running tasks.
