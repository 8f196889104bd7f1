//! Connect's stock converters, native and trusted.
