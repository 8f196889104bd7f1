//! One record as librdkafka has it: its bytes stay in the fetch answer until it is copied.

use std::ffi::{CStr, c_void};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::{Code, OK, bytes, sys, text};
use crate::RefusedRecord;
use crate::error::Cause;

/// A record, or an error that came in its place. Ends before its consumer does.
pub(crate) struct Message(NonNull<sys::rd_kafka_message_t>);

// SAFETY: a message belongs to whoever took it.
unsafe impl Send for Message {}
// SAFETY: what takes `&self` reads, except for headers; those are parsed by the one owner.
unsafe impl Sync for Message {}

/// When a record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timestamp {
    /// Not known.
    None,
    /// The producer's time.
    Create(i64),
    /// The broker's time.
    Append(i64),
}

impl Message {
    /// Takes a message over.
    ///
    /// # Safety
    /// `message` is null or a message that is ours.
    pub(super) unsafe fn owned(message: *mut sys::rd_kafka_message_t) -> Option<Self> {
        NonNull::new(message).map(Self)
    }

    /// A message that stays the caller's.
    ///
    /// # Safety
    /// `message` is valid, and used by nobody else, for as long as what is answered.
    pub(super) unsafe fn lent(message: &sys::rd_kafka_message_t) -> ManuallyDrop<Self> {
        ManuallyDrop::new(Self(NonNull::from(message)))
    }

    /// The topic of a message, whoever owns it.
    ///
    /// # Safety
    /// `message` is valid for `'a`.
    pub(super) unsafe fn topic_of<'a>(message: &sys::rd_kafka_message_t) -> &'a str {
        if message.rkt.is_null() {
            return "";
        }
        // SAFETY: a message keeps its topic; the name is a C string that lives as long as that.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(message.rkt)) };
        name.to_str().unwrap_or_default()
    }

    const fn get(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: the message is valid and ours.
        unsafe { self.0.as_ref() }
    }

    /// The topic; empty when this is an error of the group.
    pub(crate) fn topic(&self) -> &str {
        // SAFETY: the message is valid as long as `self`.
        unsafe { Self::topic_of(self.get()) }
    }

    /// A number that is the same for all messages of a topic.
    pub(crate) fn topic_id(&self) -> usize {
        self.get().rkt.addr()
    }

    /// The partition.
    pub(crate) const fn partition(&self) -> i32 {
        self.get().partition
    }

    /// The offset.
    pub(crate) const fn offset(&self) -> i64 {
        self.get().offset
    }

    /// Whether this says that the end of the partition was reached; its offset is the next one.
    pub(crate) fn is_end(&self) -> bool {
        self.get().err == Code::RD_KAFKA_RESP_ERR__PARTITION_EOF
    }

    /// The error that came instead of a record.
    pub(crate) fn error(&self) -> Option<Cause> {
        let code = self.get().err;
        if code == OK {
            return None;
        }
        // SAFETY: the message is valid; its text is null or a C string of the message.
        let said = unsafe { text(sys::rd_kafka_message_errstr(self.0.as_ptr())) };
        Some(if said.is_empty() { Cause::of(code) } else { Cause::said(code, said) })
    }

    /// The key; none = null.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        // SAFETY: the bytes live as long as the message.
        unsafe { bytes(self.get().key, self.get().key_len) }
    }

    /// The value; none = null.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        // SAFETY: the bytes live as long as the message.
        unsafe { bytes(self.get().payload, self.get().len) }
    }

    /// The time.
    pub(crate) fn timestamp(&self) -> Timestamp {
        use sys::rd_kafka_timestamp_type_t::{
            RD_KAFKA_TIMESTAMP_CREATE_TIME, RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME,
        };
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid; librdkafka writes one of the enum's values.
        let at = unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), &raw mut kind) };
        match kind {
            RD_KAFKA_TIMESTAMP_CREATE_TIME if at >= 0 => Timestamp::Create(at),
            RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME if at >= 0 => Timestamp::Append(at),
            _ => Timestamp::None,
        }
    }

    /// Bytes of key and value.
    pub(crate) const fn len(&self) -> usize {
        self.get().key_len + self.get().len
    }

    /// The record of a message that was to be sent.
    pub(super) fn copy(&mut self) -> RefusedRecord {
        let mut headers = Vec::new();
        self.headers(|name, value| headers.push((name.to_owned(), value.map(<[u8]>::to_vec))));
        let timestamp = match self.timestamp() {
            Timestamp::Create(at) => Some(at),
            Timestamp::None | Timestamp::Append(_) => None,
        };
        let copy = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        RefusedRecord { key: copy(self.key()), value: copy(self.value()), timestamp, headers }
    }

    /// Shows each header in order. `&mut`: librdkafka parses them at the first call.
    pub(crate) fn headers(&mut self, mut show: impl FnMut(&str, Option<&[u8]>)) {
        let mut headers = std::ptr::null_mut();
        // SAFETY: the message is valid; the headers stay the message's.
        if unsafe { sys::rd_kafka_message_headers(self.0.as_ptr(), &raw mut headers) } != OK {
            return;
        }
        for index in 0.. {
            let mut name = std::ptr::null();
            let mut value: *const c_void = std::ptr::null();
            let mut len = 0;
            // SAFETY: the headers are valid as long as the message.
            let code = unsafe {
                sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut len)
            };
            if code != OK || name.is_null() {
                return;
            }
            // SAFETY: name and value live as long as the message; the name is a C string.
            let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value, len)) };
            show(&name.to_string_lossy(), value);
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: the message is valid and ours.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) };
    }
}
