//! Holds `tests/layers.rs`: which crate may use which.
