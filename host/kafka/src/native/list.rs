//! librdkafka's lists of partitions.

use std::ptr::NonNull;

use cofferdam_api::{TopicOffset, TopicPartition};

use super::client::{c_string, done};
use super::{Code, OK, sys, text};
use crate::error::Cause;

/// A list that is ours.
pub(super) struct List(NonNull<sys::rd_kafka_topic_partition_list_t>);

/// One row of a list.
pub(super) struct Row {
    pub(super) partition: TopicPartition,
    /// Below zero: none, or one of librdkafka's marks.
    pub(super) offset: i64,
    pub(super) error: Option<Code>,
}

impl List {
    fn new(len: usize) -> Result<Self, Cause> {
        // SAFETY: takes a number.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(i32::try_from(len).unwrap_or_default()) };
        NonNull::new(list).map(Self).ok_or_else(|| Cause::of(Code::RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE))
    }

    /// Partitions without offsets.
    pub(super) fn of(partitions: &[TopicPartition]) -> Result<Self, Cause> {
        let mut list = Self::new(partitions.len())?;
        for partition in partitions {
            list.add(&partition.topic, partition.partition, None)?;
        }
        Ok(list)
    }

    /// Partitions with offsets.
    pub(super) fn at(offsets: &[TopicOffset]) -> Result<Self, Cause> {
        let mut list = Self::new(offsets.len())?;
        for row in offsets {
            list.add(&row.partition.topic, row.partition.partition, Some(row.offset))?;
        }
        Ok(list)
    }

    /// Partitions, all with the same mark for an offset.
    pub(super) fn marked(partitions: &[TopicPartition], mark: i64) -> Result<Self, Cause> {
        let mut list = Self::new(partitions.len())?;
        for partition in partitions {
            list.add(&partition.topic, partition.partition, Some(mark))?;
        }
        Ok(list)
    }

    /// Whole topics.
    pub(super) fn topics(topics: &[String]) -> Result<Self, Cause> {
        let mut list = Self::new(topics.len())?;
        for topic in topics {
            list.add(topic, -1, None)?;
        }
        Ok(list)
    }

    fn add(&mut self, topic: &str, partition: i32, offset: Option<i64>) -> Result<(), Cause> {
        let topic = c_string(topic)?;
        // SAFETY: the list is valid and the topic a C string; librdkafka copies it.
        unsafe { sys::rd_kafka_topic_partition_list_add(self.ptr(), topic.as_ptr(), partition) };
        match offset {
            // SAFETY: as above.
            Some(offset) => done(unsafe {
                sys::rd_kafka_topic_partition_list_set_offset(self.ptr(), topic.as_ptr(), partition, offset)
            }),
            None => Ok(()),
        }
    }

    pub(super) const fn ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        // SAFETY: the list is valid.
        unsafe { read(self.ptr()) }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list is valid and ours.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.ptr()) };
    }
}

/// Copies a list, whoever owns it.
///
/// # Safety
/// `list` is null or a valid list.
pub(super) unsafe fn read(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Row> {
    // SAFETY: null or valid.
    let Some(list) = (unsafe { list.as_ref() }) else { return Vec::new() };
    let len = usize::try_from(list.cnt).unwrap_or_default();
    if list.elems.is_null() {
        return Vec::new();
    }
    // SAFETY: a valid list has `cnt` elements.
    let rows = unsafe { std::slice::from_raw_parts(list.elems, len) };
    let mut known: Option<std::sync::Arc<str>> = None;
    let copy = |row: &sys::rd_kafka_topic_partition_t| {
        // SAFETY: the topic of a valid element is a C string.
        let name = unsafe { text(row.topic) };
        // Lists name the same topic many times over.
        let topic = match &known {
            Some(topic) if **topic == *name => std::sync::Arc::clone(topic),
            _ => name.into(),
        };
        known = Some(std::sync::Arc::clone(&topic));
        Row {
            partition: TopicPartition { topic, partition: row.partition },
            offset: row.offset,
            error: (row.err != OK).then_some(row.err),
        }
    };
    rows.iter().map(copy).collect()
}
