//! Tasks against the embedded broker and real guests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests"
)]

mod bench;
mod converters;
mod exactly_once;
mod failures;
mod files;
mod lifecycle;
#[path = "../../../../tests/programs/support.rs"]
mod programs;
mod sinks;
mod sources;
