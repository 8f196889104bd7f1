//! What librdkafka calls. None of these may unwind, block or take long.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use tokio::sync::Notify;

use super::client::answer;
use super::{Code, Message, Rebalance, Shared, list, sys, text};
use crate::Delivery;
use crate::error::Cause;

/// The client's shared state behind its opaque pointer.
///
/// # Safety
/// `opaque` is what `Client::new` set, which lives as long as the client.
unsafe fn shared<'a>(opaque: *const c_void) -> Option<&'a Shared> {
    // SAFETY: null or a `Shared` that outlives the client, says the caller.
    unsafe { opaque.cast::<Shared>().as_ref() }
}

/// A queue is no longer empty.
///
/// # Safety
/// `opaque` is a `Notify` that lives until the queue's callback is switched off.
pub(super) unsafe extern "C" fn on_event(_client: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: see above.
    if let Some(notify) = unsafe { opaque.cast::<Notify>().as_ref() } {
        notify.notify_one();
    }
}

/// librdkafka logs something, on any of its threads.
///
/// # Safety
/// Called by librdkafka for a client of ours.
pub(super) unsafe extern "C" fn on_log(
    client: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    message: *const c_char,
) {
    // SAFETY: librdkafka passes C strings, and the client whose opaque pointer we set.
    let (name, facility, message) = unsafe {
        let opaque = if client.is_null() { std::ptr::null_mut() } else { sys::rd_kafka_opaque(client) };
        (shared(opaque).map_or("", |shared| shared.name.as_str()), text(facility), text(message))
    };
    match level {
        // Said at each attempt to connect; `Shared` tells once that brokers are down and back.
        _ if ["FAIL", "ERROR"].contains(&facility.as_str()) => {
            tracing::debug!(target: "librdkafka", client = name, facility, "{message}");
        }
        ..=4 => tracing::warn!(target: "librdkafka", client = name, facility, "{message}"),
        5 => tracing::info!(target: "librdkafka", client = name, facility, "{message}"),
        _ => tracing::debug!(target: "librdkafka", client = name, facility, "{message}"),
    }
}

/// An error that belongs to no call. Runs while the client's queue is served.
///
/// # Safety
/// Called by librdkafka for a client of ours.
pub(super) unsafe extern "C" fn on_error(
    _client: *mut sys::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes a C string and our opaque pointer.
    let (Some(shared), reason) = (unsafe { (shared(opaque), text(reason)) }) else { return };
    let is = |which: Code| code == which as c_int;
    if is(Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        shared.brokers_down(&reason);
    } else if is(Code::RD_KAFKA_RESP_ERR__AUTHENTICATION) || is(Code::RD_KAFKA_RESP_ERR__SSL) {
        // There is a broker, but it is of no use; this does not mend by itself.
        shared.connection_failed(&reason);
        shared.brokers_down(&reason);
    } else if is(Code::RD_KAFKA_RESP_ERR__TRANSPORT) || is(Code::RD_KAFKA_RESP_ERR__RESOLVE) {
        shared.connection_failed(&reason);
    } else if is(Code::RD_KAFKA_RESP_ERR__FATAL) {
        tracing::error!(client = shared.name, reason, "a Kafka client cannot go on");
    } else {
        tracing::debug!(client = shared.name, code, reason, "Kafka client error");
    }
}

/// The group wants partitions taken or given up. Runs while the consumer's queue is served.
///
/// librdkafka waits in `WAIT_ASSIGN_CALL` or `WAIT_UNASSIGN_CALL` until one of the `assign` calls
/// comes, whether that is from in here or later: `rd_kafka_poll_cb` only calls this function, and the
/// `ASSIGN` op is what moves `rd_kafka_cgrp` on. So the list is kept and the application answers
/// when it is ready; fetching is paused in the meantime.
///
/// # Safety
/// Called by librdkafka for a client of ours.
pub(super) unsafe extern "C" fn on_rebalance(
    client: *mut sys::rd_kafka_t,
    code: Code,
    partitions: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes the client, a list that it owns, and our opaque pointer.
    let (Some(shared), partitions, lost) =
        (unsafe { (shared(opaque), list::read(partitions), sys::rd_kafka_assignment_lost(client) != 0) })
    else {
        return;
    };
    let partitions = partitions.into_iter().map(|row| row.partition).collect();
    let rebalance = match code {
        Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(partitions),
        Code::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if !lost => Rebalance::Revoke(partitions),
        _ => Rebalance::Lose(partitions),
    };
    if let Err(now) = shared.rebalance(rebalance) {
        // SAFETY: the client lives: it is the one that calls.
        if let Err(cause) = unsafe { answer(client, &now) } {
            tracing::debug!(client = shared.name, %cause, "answering a rebalance while closing");
        }
    }
}

/// A record was acknowledged or given up. Runs while the producer's queue is served.
///
/// # Safety
/// Called by librdkafka for a client of ours, once for each record that it took.
pub(super) unsafe extern "C" fn on_delivery(
    _client: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes a message and our opaque pointer.
    let (Some(message), Some(shared)) = (unsafe { (message.as_ref(), shared(opaque)) }) else { return };
    let failed = message.err != super::OK;
    if !failed {
        shared.alive();
    }
    if message._private.is_null() {
        return;
    }
    // SAFETY: `produce` leaves one count of an `Arc<Delivery>` with each record it hands over.
    let delivery = unsafe { Arc::from_raw(message._private.cast_const().cast::<Delivery>()) };
    if failed {
        let cause = Cause::of(message.err);
        // SAFETY: the message lives for the length of this call, in which nothing else looks at it.
        let mut message = unsafe { Message::lent(message) };
        let (topic, partition) = (message.topic().to_owned(), message.partition());
        delivery.fail(topic, partition, &cause, || message.copy());
    } else {
        delivery.arrived(message.partition, message.offset);
    }
    delivery.settle(1);
}
