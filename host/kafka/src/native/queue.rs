//! Queues of librdkafka that wake a future instead of blocking a thread.

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Client, Message, OK, callbacks, sys, text};
use crate::error::{Cause, Result};

/// A queue. librdkafka tells `wake` when it is no longer empty; as a wake-up is remembered and told
/// only then, a reader takes until nothing comes before it waits.
pub(crate) struct Queue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    wake: Arc<Notify>,
    /// Reused by `take`.
    taken: Vec<*mut sys::rd_kafka_message_t>,
    /// Held for its life: the queue must end before it.
    _client: Arc<Client>,
}

// SAFETY: librdkafka's queues may be used from any thread; `taken` is empty between calls.
unsafe impl Send for Queue {}
// SAFETY: what takes `&self` only calls functions of librdkafka that lock the queue.
unsafe impl Sync for Queue {}

impl Queue {
    /// A new queue of `client`, for answers to requests or for records.
    pub(crate) fn new(client: &Arc<Client>) -> Result<Self, Cause> {
        // SAFETY: the client is valid.
        let queue = unsafe { sys::rd_kafka_queue_new(client.rk()) };
        Self::over(client, queue, Arc::default())
    }

    /// Takes over a reference to a queue and makes it wake `wake`.
    pub(super) fn over(
        client: &Arc<Client>,
        queue: *mut sys::rd_kafka_queue_t,
        wake: Arc<Notify>,
    ) -> Result<Self, Cause> {
        let queue = NonNull::new(queue).ok_or_else(|| Cause::bug("the client has no such queue"))?;
        // SAFETY: the queue is valid. `wake` lives as long as `self`, and `Drop` switches the
        // callback off under the queue's lock before it lets go of `wake`.
        unsafe {
            let opaque = Arc::as_ptr(&wake).cast_mut().cast();
            sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(callbacks::on_event), opaque);
        }
        Ok(Self { queue, wake, taken: Vec::new(), _client: Arc::clone(client) })
    }

    /// The pointer, for calls of this module.
    pub(super) const fn ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.queue.as_ptr()
    }

    /// Returns when there may be something in the queue.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes at most `max` messages and runs the callbacks in between; never blocks. With 0 it only
    /// tells librdkafka that the application is alive.
    pub(crate) fn take(&mut self, max: usize, into: &mut VecDeque<Message>) -> usize {
        self.taken.clear();
        self.taken.reserve(max);
        // SAFETY: the queue is valid, and `taken` has room for `max` pointers.
        let count = unsafe { sys::rd_kafka_consume_batch_queue(self.ptr(), 0, self.taken.as_mut_ptr(), max) };
        let count = usize::try_from(count).unwrap_or_default().min(max);
        // SAFETY: librdkafka wrote `count` pointers.
        unsafe { self.taken.set_len(count) };
        // SAFETY: each is a message that is ours now.
        into.extend(self.taken.drain(..).filter_map(|message| unsafe { Message::owned(message) }));
        count
    }

    /// Waits for the answer to a request that was given this queue.
    pub(crate) async fn reply(&self, timeout: Duration) -> Result<Reply, Cause> {
        let answer = async {
            loop {
                // SAFETY: the queue is valid; the event is ours.
                if let Some(event) = NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.ptr(), 0) }) {
                    return Reply(event);
                }
                self.woken().await;
            }
        };
        let late = |_| Cause::timeout("no answer within the time allowed");
        let reply = tokio::time::timeout(timeout, answer).await.map_err(late)?;
        reply.check()?;
        Ok(reply)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is valid and the reference ours. After the first call no callback runs.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.ptr(), None, std::ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.ptr());
        }
    }
}

/// An answer.
pub(crate) struct Reply(NonNull<sys::rd_kafka_event_t>);

// SAFETY: an event belongs to whoever polled it.
unsafe impl Send for Reply {}

impl Reply {
    pub(super) const fn ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }

    fn check(&self) -> Result<(), Cause> {
        // SAFETY: the event is valid.
        match unsafe { sys::rd_kafka_event_error(self.ptr()) } {
            OK => Ok(()),
            // SAFETY: as above; the text is a C string of the event.
            code => Err(Cause::said(code, unsafe { text(sys::rd_kafka_event_error_string(self.ptr())) })),
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // SAFETY: the event is valid and ours.
        unsafe { sys::rd_kafka_event_destroy(self.ptr()) };
    }
}
