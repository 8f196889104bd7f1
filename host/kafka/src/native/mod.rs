//! librdkafka behind safe types: the only place of this crate with `unsafe`.
//!
//! Three rules make the calls sound. A [`Client`] owns its `rd_kafka_t` and what callbacks point to,
//! and ends it aside, after everything that refers to it: queues and messages hold the client. What
//! the callbacks share ([`Shared`]) is only behind locks and atomics. Callbacks never call back into
//! librdkafka, except that a rebalance is answered on the spot while a consumer closes.
#![allow(unsafe_code, reason = "calls to librdkafka; each is argued for")]

mod admin;
mod callbacks;
mod client;
mod group;
mod list;
mod message;
mod produce;
mod queue;
mod shared;
mod transaction;

pub(crate) use admin::Topic;
pub(crate) use client::{Client, Kind, aside, config_cause, describe};
pub(crate) use message::{Message, Timestamp};
pub(crate) use produce::Outgoing;
pub(crate) use queue::Queue;
pub(crate) use shared::{Rebalance, Shared};
pub(crate) use transaction::Refusal;

use std::ffi::{CStr, c_char};

use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t as Code;

/// No error.
const OK: Code = Code::RD_KAFKA_RESP_ERR_NO_ERROR;
/// Room for librdkafka's messages.
const ERROR_TEXT_MAX: usize = 512;

/// A copy of a C string; empty for none.
///
/// # Safety
/// `text` is null or a C string.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The bytes at `data`; none for null.
///
/// # Safety
/// `data` is null or points to `len` bytes that live and stay as they are for `'a`.
const unsafe fn bytes<'a>(data: *const std::ffi::c_void, len: usize) -> Option<&'a [u8]> {
    if data.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the rest.
    Some(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}
