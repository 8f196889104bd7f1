//! The components that are part of the binary; `build.rs` builds them.

/// Each built-in component.
pub(crate) const COMPONENTS: &[&[u8]] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));
