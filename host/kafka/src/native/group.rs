//! Calls of a consumer: subscription, assignment, offsets, and reading without a group.

use std::sync::Arc;

use cofferdam_api::{TopicOffset, TopicPartition};

use super::client::{answer, c_string, done, taken};
use super::list::List;
use super::queue::Reply;
use super::{Client, OK, Queue, Rebalance, list, sys};
use crate::error::Cause;

/// How long a seek may take to be accepted; it is a message to librdkafka's own thread and back.
const SEEK_MS: i32 = 5000;

impl Client {
    /// The queue of a group's member: records, rebalances and all callbacks.
    pub(crate) fn consumer_queue(self: &Arc<Self>) -> Result<Queue, Cause> {
        // SAFETY: the client is a consumer that lives.
        let queue = unsafe {
            done(sys::rd_kafka_poll_set_consumer(self.rk()))?;
            sys::rd_kafka_queue_get_consumer(self.rk())
        };
        Queue::over(self, queue, Arc::clone(&self.shared.wake))
    }

    /// Subscribes, replacing what was subscribed.
    pub(crate) fn subscribe(&self, topics: &[String]) -> Result<(), Cause> {
        let list = List::topics(topics)?;
        // SAFETY: the client lives; librdkafka copies the list.
        done(unsafe { sys::rd_kafka_subscribe(self.rk(), list.ptr()) })
    }

    /// Answers a rebalance.
    pub(crate) fn answer(&self, rebalance: &Rebalance) -> Result<(), Cause> {
        // SAFETY: the client is a consumer that lives.
        unsafe { answer(self.rk(), rebalance) }
    }

    /// Pauses or resumes.
    pub(crate) fn pause(&self, partitions: &[TopicPartition], pause: bool) -> Result<(), Cause> {
        let list = List::of(partitions)?;
        // SAFETY: the client lives, and so does the list, to which librdkafka writes errors.
        done(unsafe {
            if pause {
                sys::rd_kafka_pause_partitions(self.rk(), list.ptr())
            } else {
                sys::rd_kafka_resume_partitions(self.rk(), list.ptr())
            }
        })?;
        match list.rows().iter().find_map(|row| row.error) {
            Some(code) => Err(Cause::of(code)),
            None => Ok(()),
        }
    }

    /// Moves one partition.
    pub(crate) fn seek(&self, to: &TopicOffset) -> Result<(), Cause> {
        let list = List::at(std::slice::from_ref(to))?;
        // SAFETY: the client lives, and so does the list, to which librdkafka writes errors.
        unsafe { taken(sys::rd_kafka_seek_partitions(self.rk(), list.ptr(), SEEK_MS))? };
        match list.rows().iter().find_map(|row| row.error) {
            Some(code) => Err(Cause::of(code)),
            None => Ok(()),
        }
    }

    /// Asks for a commit; the answer comes to `queue`.
    pub(crate) fn commit(&self, offsets: &[TopicOffset], queue: &Queue) -> Result<(), Cause> {
        let list = List::at(offsets)?;
        // SAFETY: client and queue live; librdkafka copies the list. Without a callback the answer
        // becomes an event of the queue.
        done(unsafe {
            sys::rd_kafka_commit_queue(self.rk(), list.ptr(), queue.ptr(), None, std::ptr::null_mut())
        })
    }

    /// Committed offsets in the order asked. Blocks.
    pub(crate) fn committed(
        &self,
        partitions: &[TopicPartition],
        timeout_ms: i32,
    ) -> Result<Vec<Option<i64>>, Cause> {
        let list = List::of(partitions)?;
        // SAFETY: the client lives, and so does the list, to which librdkafka writes offsets.
        done(unsafe { sys::rd_kafka_committed(self.rk(), list.ptr(), timeout_ms) })?;
        let offset = |row: list::Row| match row.error {
            Some(code) => Err(Cause::of(code)),
            None => Ok(u64::try_from(row.offset).is_ok().then_some(row.offset)),
        };
        list.rows().into_iter().map(offset).collect()
    }

    /// The end of a partition as the last fetch answer said.
    pub(crate) fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        let topic = c_string(&partition.topic).ok()?;
        let (mut low, mut high) = (0, 0);
        // SAFETY: the client lives, the topic is a C string; both numbers are ours.
        let code = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.rk(),
                topic.as_ptr(),
                partition.partition,
                &raw mut low,
                &raw mut high,
            )
        };
        (code == OK && high >= 0).then_some(high)
    }

    /// Reads all partitions of a topic from these offsets on into `queue`, without a group; from their beginning where
    /// the offset is negative. Errors of the client go there too.
    pub(crate) fn read_from(&self, topic: &str, offsets: &[i64], queue: &Queue) -> Result<(), Cause> {
        let handle = self.topic(topic)?;
        let beginning = i64::from(sys::RD_KAFKA_OFFSET_BEGINNING);
        for (partition, offset) in (0..).zip(offsets) {
            let offset = if *offset < 0 { beginning } else { *offset };
            // SAFETY: the topic's handle lives as long as the client, and so does the queue.
            let code = unsafe {
                sys::rd_kafka_consume_start_queue(handle.0.as_ptr(), partition, offset, queue.ptr())
            };
            if code != 0 {
                // SAFETY: takes nothing.
                return Err(Cause::of(unsafe { sys::rd_kafka_last_error() }));
            }
        }
        // SAFETY: client and queue live; the reference to the main queue is given back.
        unsafe {
            let main = sys::rd_kafka_queue_get_main(self.rk());
            sys::rd_kafka_queue_forward(main, queue.ptr());
            sys::rd_kafka_queue_destroy(main);
        }
        Ok(())
    }

    /// Ends what `read_from` began, before its queue ends.
    pub(crate) fn stop_reading(&self, topic: &str, partitions: i32) {
        let Ok(handle) = self.topic(topic) else { return };
        for partition in 0..partitions {
            // SAFETY: the topic's handle lives as long as the client.
            unsafe { sys::rd_kafka_consume_stop(handle.0.as_ptr(), partition) };
        }
        // SAFETY: the client lives; the reference to the main queue is given back.
        unsafe {
            let main = sys::rd_kafka_queue_get_main(self.rk());
            sys::rd_kafka_queue_forward(main, std::ptr::null_mut());
            sys::rd_kafka_queue_destroy(main);
        }
    }
}

impl Reply {
    /// The first partition whose commit failed.
    pub(crate) fn committed(&self) -> Result<(), Cause> {
        // SAFETY: the event is valid and owns the list.
        let rows = unsafe { list::read(sys::rd_kafka_event_topic_partition_list(self.ptr())) };
        match rows.iter().find_map(|row| row.error) {
            Some(code) => Err(Cause::of(code)),
            None => Ok(()),
        }
    }
}
