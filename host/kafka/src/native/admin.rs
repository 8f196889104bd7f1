//! Requests to the cluster. Each is sent with a queue of its own, to which the answer comes.

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::TopicPartition;

use super::client::{c_string, done, taken};
use super::list::List;
use super::queue::Reply;
use super::{Client, Code, ERROR_TEXT_MAX, OK, Queue, sys, text};
use crate::error::Cause;
use crate::{NewTopic, OffsetSpec};

/// What we wait longer than librdkafka, so that its answer, which says more, comes first.
const GRACE: Duration = Duration::from_secs(1);

/// A topic of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
}

impl Client {
    /// The cluster's id.
    pub(crate) async fn cluster_id(self: &Arc<Self>, timeout: Duration) -> Result<String, Cause> {
        let queue = Queue::new(self)?;
        {
            let options =
                Options::new(self, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, timeout)?;
            // SAFETY: client, options and queue live.
            unsafe { sys::rd_kafka_DescribeCluster(self.rk(), options.ptr(), queue.ptr()) };
        }
        let reply = self.answered(&queue, timeout).await?;
        // SAFETY: the event is valid and owns the result; the id is null or a C string.
        Ok(unsafe {
            let result = sys::rd_kafka_event_DescribeCluster_result(reply.ptr());
            if result.is_null() {
                return Err(unexpected());
            }
            text(sys::rd_kafka_DescribeCluster_result_cluster_id(result))
        })
    }

    /// Creates topics; an answer each, in order.
    pub(crate) async fn create_topics(
        self: &Arc<Self>,
        topics: &[NewTopic],
        timeout: Duration,
    ) -> Result<Vec<Result<(), Cause>>, Cause> {
        let queue = Queue::new(self)?;
        {
            let owned = topics.iter().map(Requested::new).collect::<Result<Vec<_>, _>>()?;
            let mut pointers: Vec<_> = owned.iter().map(|topic| topic.0.as_ptr()).collect();
            let options =
                Options::new(self, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout)?;
            // Wait until the topics can be used.
            options.operation_timeout(timeout)?;
            // SAFETY: all live; librdkafka copies the topics.
            unsafe {
                sys::rd_kafka_CreateTopics(
                    self.rk(),
                    pointers.as_mut_ptr(),
                    pointers.len(),
                    options.ptr(),
                    queue.ptr(),
                );
            }
        }
        let reply = self.answered(&queue, timeout).await?;
        let mut answers = BTreeMap::new();
        // SAFETY: the event is valid and owns the results, which have names and texts.
        unsafe {
            let result = sys::rd_kafka_event_CreateTopics_result(reply.ptr());
            if result.is_null() {
                return Err(unexpected());
            }
            let mut len = 0;
            let rows = sys::rd_kafka_CreateTopics_result_topics(result, &raw mut len);
            for row in slice(rows.cast_const(), len) {
                let answer = match sys::rd_kafka_topic_result_error(*row) {
                    OK => Ok(()),
                    code => Err(Cause::said(code, text(sys::rd_kafka_topic_result_error_string(*row)))),
                };
                answers.insert(text(sys::rd_kafka_topic_result_name(*row)), answer);
            }
        }
        Ok(topics
            .iter()
            .map(|topic| answers.remove(&topic.name).unwrap_or_else(|| Err(unexpected())))
            .collect())
    }

    /// The configuration in force for a topic.
    pub(crate) async fn topic_config(
        self: &Arc<Self>,
        topic: &str,
        timeout: Duration,
    ) -> Result<BTreeMap<String, String>, Cause> {
        let queue = Queue::new(self)?;
        {
            let name = c_string(topic)?;
            let options =
                Options::new(self, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout)?;
            // SAFETY: all live; librdkafka copies the resource, which is freed here.
            unsafe {
                let kind = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
                let mut resource = sys::rd_kafka_ConfigResource_new(kind, name.as_ptr());
                sys::rd_kafka_DescribeConfigs(self.rk(), &raw mut resource, 1, options.ptr(), queue.ptr());
                sys::rd_kafka_ConfigResource_destroy(resource);
            }
        }
        let reply = self.answered(&queue, timeout).await?;
        let mut config = BTreeMap::new();
        // SAFETY: the event is valid and owns the resources, their entries and texts.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(reply.ptr());
            if result.is_null() {
                return Err(unexpected());
            }
            let mut len = 0;
            let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut len);
            for resource in slice(resources.cast_const(), len) {
                match sys::rd_kafka_ConfigResource_error(*resource) {
                    OK => {}
                    code => {
                        return Err(Cause::said(
                            code,
                            text(sys::rd_kafka_ConfigResource_error_string(*resource)),
                        ));
                    }
                }
                let mut len = 0;
                let entries = sys::rd_kafka_ConfigResource_configs(*resource, &raw mut len);
                for entry in slice(entries.cast_const(), len) {
                    let value = text(sys::rd_kafka_ConfigEntry_value(*entry));
                    config.insert(text(sys::rd_kafka_ConfigEntry_name(*entry)), value);
                }
            }
        }
        Ok(config)
    }

    /// First or last offsets, in the order asked, open transactions included.
    pub(crate) async fn list_offsets(
        self: &Arc<Self>,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
        timeout: Duration,
    ) -> Result<Vec<i64>, Cause> {
        let queue = Queue::new(self)?;
        {
            let mark = match spec {
                OffsetSpec::Earliest => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST,
                OffsetSpec::Latest => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST,
            };
            let list = List::marked(partitions, i64::from(mark as i32))?;
            let options =
                Options::new(self, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout)?;
            // SAFETY: all live; librdkafka copies the list.
            unsafe { sys::rd_kafka_ListOffsets(self.rk(), list.ptr(), options.ptr(), queue.ptr()) };
        }
        let reply = self.answered(&queue, timeout).await?;
        let mut offsets = BTreeMap::new();
        // SAFETY: the event is valid and owns the rows and their partitions.
        unsafe {
            let result = sys::rd_kafka_event_ListOffsets_result(reply.ptr());
            if result.is_null() {
                return Err(unexpected());
            }
            let mut len = 0;
            let rows = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut len);
            for row in slice(rows.cast_const(), len) {
                let Some(row) = sys::rd_kafka_ListOffsetsResultInfo_topic_partition(*row).as_ref() else {
                    continue;
                };
                let offset = if row.err == OK { Ok(row.offset) } else { Err(Cause::of(row.err)) };
                offsets.insert((text(row.topic), row.partition), offset);
            }
        }
        let offset = |partition: &TopicPartition| {
            let key = (partition.topic.to_string(), partition.partition);
            offsets.remove(&key).unwrap_or_else(|| Err(unexpected()))
        };
        partitions.iter().map(offset).collect()
    }

    /// All topics, or one. Blocks.
    pub(crate) fn metadata(&self, topic: Option<&str>, timeout_ms: i32) -> Result<Vec<Topic>, Cause> {
        let handle = topic.map(|topic| self.topic(topic)).transpose()?;
        let only = handle.map_or(std::ptr::null_mut(), |topic| topic.0.as_ptr());
        let all = i32::from(topic.is_none());
        let mut metadata = std::ptr::null();
        // SAFETY: the client and the topic's handle live; the answer is ours.
        done(unsafe { sys::rd_kafka_metadata(self.rk(), all, only, &raw mut metadata, timeout_ms) })?;
        self.shared.alive();
        let mut topics = Ok(Vec::new());
        // SAFETY: the answer is valid until it is destroyed, and has `topic_cnt` topics.
        unsafe {
            if let Some(metadata) = metadata.as_ref() {
                let rows = slice(
                    metadata.topics.cast_const(),
                    usize::try_from(metadata.topic_cnt).unwrap_or_default(),
                );
                topics = rows.iter().map(|row| topic_row(row)).filter_map(Result::transpose).collect();
            }
            sys::rd_kafka_metadata_destroy(metadata);
        }
        topics
    }

    /// The answer to a request; an answer means that a broker is alive.
    pub(crate) async fn answered(&self, queue: &Queue, timeout: Duration) -> Result<Reply, Cause> {
        let reply = queue.reply(timeout + GRACE).await;
        match &reply {
            Ok(_) => self.shared.alive(),
            // Numbers from 1 on are a broker's.
            Err(cause) if cause.code as i32 > 0 => self.shared.alive(),
            Err(_) => {}
        }
        reply.map_err(|cause| self.explain(cause))
    }
}

/// A topic of an answer; none when the cluster does not have it.
///
/// # Safety
/// `row` is part of a valid answer.
unsafe fn topic_row(row: &sys::rd_kafka_metadata_topic) -> Result<Option<Topic>, Cause> {
    match row.err {
        // SAFETY: the name is a C string.
        OK => Ok(Some(Topic { name: unsafe { text(row.topic) }, partitions: row.partition_cnt })),
        Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART | Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC => Ok(None),
        code => Err(Cause::of(code)),
    }
}

/// A topic on its way to librdkafka.
struct Requested(NonNull<sys::rd_kafka_NewTopic_t>);

impl Requested {
    fn new(topic: &NewTopic) -> Result<Self, Cause> {
        let name = c_string(&topic.name)?;
        let mut said: [std::ffi::c_char; ERROR_TEXT_MAX] = [0; ERROR_TEXT_MAX];
        // SAFETY: the name is a C string, and `said` has the size given.
        let native = unsafe {
            sys::rd_kafka_NewTopic_new(
                name.as_ptr(),
                topic.partitions,
                i32::from(topic.replication),
                said.as_mut_ptr(),
                said.len(),
            )
        };
        let Some(native) = NonNull::new(native) else {
            // SAFETY: librdkafka wrote a C string.
            return Err(Cause::said(Code::RD_KAFKA_RESP_ERR__INVALID_ARG, unsafe { text(said.as_ptr()) }));
        };
        let native = Self(native);
        for (key, value) in &topic.configs {
            let (key, value) = (c_string(key)?, c_string(value)?);
            // SAFETY: the topic is ours; librdkafka copies both strings.
            done(unsafe {
                sys::rd_kafka_NewTopic_set_config(native.0.as_ptr(), key.as_ptr(), value.as_ptr())
            })?;
        }
        Ok(native)
    }
}

impl Drop for Requested {
    fn drop(&mut self) {
        // SAFETY: the topic is ours.
        unsafe { sys::rd_kafka_NewTopic_destroy(self.0.as_ptr()) };
    }
}

/// Options of a request.
struct Options(NonNull<sys::rd_kafka_AdminOptions_t>);

impl Options {
    fn new(client: &Client, operation: sys::rd_kafka_admin_op_t, timeout: Duration) -> Result<Self, Cause> {
        // SAFETY: the client lives.
        let options = unsafe { sys::rd_kafka_AdminOptions_new(client.rk(), operation) };
        let options = NonNull::new(options).map(Self).ok_or_else(unexpected)?;
        // SAFETY: the options are ours; no text is asked for.
        done(unsafe {
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options.ptr(),
                millis(timeout),
                std::ptr::null_mut(),
                0,
            )
        })?;
        if matches!(operation, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS) {
            let level = sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED;
            // SAFETY: the options are ours.
            unsafe { taken(sys::rd_kafka_AdminOptions_set_isolation_level(options.ptr(), level))? };
        }
        Ok(options)
    }

    fn operation_timeout(&self, timeout: Duration) -> Result<(), Cause> {
        // SAFETY: the options are ours; no text is asked for.
        done(unsafe {
            sys::rd_kafka_AdminOptions_set_operation_timeout(
                self.ptr(),
                millis(timeout),
                std::ptr::null_mut(),
                0,
            )
        })
    }

    const fn ptr(&self) -> *mut sys::rd_kafka_AdminOptions_t {
        self.0.as_ptr()
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: the options are ours.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.ptr()) };
    }
}

/// A result of the wrong kind, or without what was asked for.
fn unexpected() -> Cause {
    Cause::said(Code::RD_KAFKA_RESP_ERR__FAIL, "the answer lacks what was asked for")
}

/// A time as librdkafka wants it.
fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(3_600_000).clamp(1, 3_600_000)
}

/// An array of librdkafka.
///
/// # Safety
/// `rows` is null or points to `len` rows that live for `'a`.
const unsafe fn slice<'a, T>(rows: *const T, len: usize) -> &'a [T] {
    if rows.is_null() {
        return &[];
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { std::slice::from_raw_parts(rows, len) }
}
