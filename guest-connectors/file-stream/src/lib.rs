//! Kafka Connect's FileStream connectors: a source that follows a file line by line, and a sink that
//! appends a line for each record. Names, keys and offsets are those of the original; the README
//! says where the two differ. Beside them a sink of our own that writes each record exactly once.

mod disk;
mod follow;
mod lines;
mod offset;
mod scan;
mod segment_sink;
mod segments;
mod sink;
mod source;

use segment_sink::FileSegmentSink;
use sink::FileStreamSink;
use source::FileStreamSource;

cofferdam_sdk::plugins! {
    source FileStreamSource;
    sink FileStreamSink;
    sink FileSegmentSink;
}

/// The key that names the file.
const FILE: &str = "file";
