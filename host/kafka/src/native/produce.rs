//! Handing records over. librdkafka copies keys and values; each record carries one count of the
//! `Arc<Delivery>` that is told of its end.

use std::ffi::c_void;
use std::sync::Arc;

use super::client::{TopicHandle, taken};
use super::{Client, Code, OK, sys};
use crate::Delivery;
use crate::error::Cause;

/// No partition chosen: the partitioner decides.
const ANY_PARTITION: i32 = -1;

/// A record for a topic.
pub(crate) struct Outgoing<'a> {
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: cofferdam_frame::Headers<'a>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) delivery: Option<&'a Arc<Delivery>>,
}

impl Client {
    /// Hands over records of one topic in order. Says how many were taken, and why no more.
    pub(crate) fn produce<'a>(
        &self,
        topic: &str,
        records: impl Iterator<Item = Outgoing<'a>>,
    ) -> (usize, Option<Cause>) {
        let topic = match self.topic(topic) {
            Ok(topic) => topic,
            Err(cause) => return (0, Some(cause)),
        };
        let mut taken = 0;
        for record in records {
            if let Err(cause) = self.produce_one(topic, &record) {
                return (taken, Some(cause));
            }
            taken += 1;
        }
        (taken, None)
    }

    /// As [`Client::produce`], in one call: for records without partition, timestamp and headers, which it does
    /// not know.
    pub(crate) fn produce_batch<'a>(
        &self,
        topic: &str,
        records: impl Iterator<Item = Outgoing<'a>>,
    ) -> (usize, Option<Cause>) {
        let topic = match self.topic(topic) {
            Ok(topic) => topic,
            Err(cause) => return (0, Some(cause)),
        };
        let message = |record: Outgoing<'_>| {
            let ((payload, len), (key, key_len)) = (parts(record.value), parts(record.key));
            sys::rd_kafka_message_t {
                err: OK,
                rkt: std::ptr::null_mut(),
                partition: ANY_PARTITION,
                payload,
                len,
                key,
                key_len,
                offset: 0,
                _private: opaque(record.delivery),
            }
        };
        let mut messages: Vec<_> = records.map(message).collect();
        // SAFETY: the topic's handle lives as long as the client. With F_COPY librdkafka reads the
        // bytes before it returns; it writes to `err` of the messages only.
        unsafe {
            sys::rd_kafka_produce_batch(
                topic.0.as_ptr(),
                ANY_PARTITION,
                sys::RD_KAFKA_MSG_F_COPY,
                messages.as_mut_ptr(),
                i32::try_from(messages.len()).unwrap_or(i32::MAX),
            )
        };
        // A full queue and an unknown topic refuse all that follow. Other errors cannot come: sizes
        // were checked by the caller, and partitions are left to the partitioner.
        let failed = |message: &sys::rd_kafka_message_t| message.err != OK;
        let count = messages.iter().position(failed).unwrap_or(messages.len());
        for message in messages.iter().skip(count).filter(|message| failed(message)) {
            // SAFETY: librdkafka did not take the message, so its count is still here.
            unsafe { forget(message._private) };
        }
        (count, messages.get(count).map(|message| Cause::of(message.err)))
    }

    fn produce_one(&self, topic: TopicHandle, record: &Outgoing<'_>) -> Result<(), Cause> {
        use sys::rd_kafka_vtype_t as Type;
        let headers = Headers::new(record.headers)?;
        let opaque = opaque(record.delivery);
        let ((value, value_len), (key, key_len)) = (parts(record.value), parts(record.key));
        let native_headers = headers.as_ref().map_or(std::ptr::null_mut(), |headers| headers.0);
        // The last one is left out where there are no headers.
        let arguments = [
            argument(Type::RD_KAFKA_VTYPE_RKT, |u| u.rkt = topic.0.as_ptr()),
            argument(Type::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = record.partition.unwrap_or(ANY_PARTITION)),
            argument(Type::RD_KAFKA_VTYPE_MSGFLAGS, |u| u.i = sys::RD_KAFKA_MSG_F_COPY),
            argument(Type::RD_KAFKA_VTYPE_VALUE, |u| u.mem = Memory { ptr: value, size: value_len }),
            argument(Type::RD_KAFKA_VTYPE_KEY, |u| u.mem = Memory { ptr: key, size: key_len }),
            argument(Type::RD_KAFKA_VTYPE_OPAQUE, |u| u.ptr = opaque),
            // Kafka's "now".
            argument(Type::RD_KAFKA_VTYPE_TIMESTAMP, |u| u.i64_ = record.timestamp.unwrap_or(0)),
            argument(Type::RD_KAFKA_VTYPE_HEADERS, |u| u.headers = native_headers),
        ];
        let n_arguments = if headers.is_some() { arguments.len() } else { arguments.len() - 1 };
        // SAFETY: the arguments have the members that their types call for; librdkafka copies key
        // and value, and takes the headers over when it takes the record.
        match unsafe { taken(sys::rd_kafka_produceva(self.rk(), arguments.as_ptr(), n_arguments)) } {
            Ok(()) => {
                std::mem::forget(headers);
                Ok(())
            }
            Err(cause) => {
                // SAFETY: librdkafka did not take the record, so its count is still here.
                unsafe { forget(opaque) };
                Err(cause)
            }
        }
    }
}

type Memory = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1;

fn argument(
    vtype: sys::rd_kafka_vtype_t,
    set: impl FnOnce(&mut sys::rd_kafka_vu_s__bindgen_ty_1),
) -> sys::rd_kafka_vu_t {
    let mut u = sys::rd_kafka_vu_s__bindgen_ty_1 { _pad: [0; 64] };
    set(&mut u);
    sys::rd_kafka_vu_t { vtype, u }
}

/// Headers on their way to librdkafka.
struct Headers(*mut sys::rd_kafka_headers_t);

impl Headers {
    fn new(headers: cofferdam_frame::Headers<'_>) -> Result<Option<Self>, Cause> {
        if headers.len() == 0 {
            return Ok(None);
        }
        // SAFETY: takes a number.
        let native = Self(unsafe { sys::rd_kafka_headers_new(headers.len()) });
        for header in headers {
            let (value, len) = parts(header.value);
            let too_long = |_| Cause::of(Code::RD_KAFKA_RESP_ERR_INVALID_RECORD);
            let name_len = isize::try_from(header.key.len()).map_err(too_long)?;
            let len = isize::try_from(len).map_err(too_long)?;
            // SAFETY: the headers are ours; librdkafka copies name and value.
            super::client::done(unsafe {
                sys::rd_kafka_header_add(native.0, header.key.as_ptr().cast(), name_len, value, len)
            })?;
        }
        Ok(Some(native))
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: the headers are ours: they are forgotten when librdkafka takes them.
        unsafe { sys::rd_kafka_headers_destroy(self.0) };
    }
}

/// Pointer and length as librdkafka wants them: null is null, empty is not.
fn parts(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((std::ptr::null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}

/// One count of a delivery as a pointer.
fn opaque(delivery: Option<&Arc<Delivery>>) -> *mut c_void {
    delivery.map_or(std::ptr::null_mut(), |delivery| Arc::into_raw(Arc::clone(delivery)).cast_mut().cast())
}

/// Gives a count back.
///
/// # Safety
/// `opaque` comes from [`opaque`] and is used for the last time.
unsafe fn forget(opaque: *mut c_void) {
    if !opaque.is_null() {
        // SAFETY: see above.
        drop(unsafe { Arc::from_raw(opaque.cast_const().cast::<Delivery>()) });
    }
}
