//! The codec of `wit/FRAME.md`: how one batch of records crosses the component boundary, and how
//! structured values lie inside it.
//!
//! The host and the Rust SDK compile this very crate, so the two ends cannot drift apart. It has no
//! dependencies and never panics on foreign bytes: [`Frame::parse`] checks every offset, count and
//! text once, after which the accessors are infallible; the [`rows`] readers check as they go.

mod build;
pub mod bytes;
pub mod datum;
mod entry;
mod frame;
pub mod rows;
mod schema;
mod table;
pub mod tape;
pub mod text;
pub mod values;

pub use build::Builder;
pub use datum::Datum;
pub use entry::{Entry, EntryRef, Flags, Position, Span};
pub use frame::{Frame, Header, Headers, Invalid, Record};
pub use schema::{Field, Kind, Schema, SchemaId, logical};

/// First four bytes of every frame; the digit is the layout's version.
pub const MAGIC: [u8; 4] = *b"CDF1";
/// Bytes before the heap.
pub const HEAD_BYTES: usize = 48;
/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 64;
/// Most topics or source partitions of one frame.
pub const TABLE_ROWS_MAX: usize = u16::MAX as usize;
/// Deepest nesting of arrays, maps and structs that a reader follows.
pub const DEPTH_MAX: usize = 64;
/// A length or index that stands for "null" or "none".
pub const NONE: u32 = u32::MAX;
