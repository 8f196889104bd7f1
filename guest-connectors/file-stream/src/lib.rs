//! Kafka Connect's FileStream connectors: a source that follows a file line by line, and a sink that
//! appends a line for each record. Names, keys and offsets are those of the original; the README
//! says where the two differ.

mod follow;
mod offset;
mod scan;
mod sink;
mod source;

use sink::FileStreamSink;
use source::FileStreamSource;

cofferdam_sdk::plugins! {
    source FileStreamSource;
    sink FileStreamSink;
}

/// The key that names the file.
const FILE: &str = "file";
