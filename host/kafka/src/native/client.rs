//! One `rd_kafka_t`: made from a configuration, ended aside.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::error::KafkaError;

use super::list::List;
use super::{Code, ERROR_TEXT_MAX, OK, Rebalance, Shared, callbacks, sys, text};
use crate::error::{Cause, Error, Result};
use crate::{ClientConfig, rescue};

/// Which of librdkafka's two kinds of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Writes; also what asks the cluster.
    Producer,
    /// Reads.
    Consumer,
}

/// A client of librdkafka. Dropping the last handle ends it on a thread where waiting is allowed.
pub(crate) struct Client {
    rk: NonNull<sys::rd_kafka_t>,
    kind: Kind,
    bootstrap_servers: Option<CString>,
    pub(crate) shared: Arc<Shared>,
    /// Topic handles by name; they end with the client.
    topics: Mutex<HashMap<String, TopicHandle>>,
}

// SAFETY: librdkafka's functions may be called from any thread, also at the same time.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

/// A topic of one client; valid as long as the client.
#[derive(Clone, Copy)]
pub(super) struct TopicHandle(pub(super) NonNull<sys::rd_kafka_topic_t>);

// SAFETY: as for the client.
unsafe impl Send for TopicHandle {}

impl Client {
    /// Starts a client.
    ///
    /// # Errors
    /// Settings that contradict each other, or files they name that cannot be read.
    pub(crate) fn new(kind: Kind, config: &ClientConfig) -> Result<Arc<Self>> {
        let name = config.client_id().to_owned();
        let failed = |cause| Error::Start { client: name.clone(), cause };
        let mut settings = rdkafka::ClientConfig::new();
        for (key, value) in config.settings(kind) {
            settings.set(key, value);
        }
        let native = settings.create_native_config().map_err(|error| failed(config_cause(error)))?;
        let shared = Arc::new(Shared::new(&name));
        // SAFETY: `native` holds a valid configuration; its copy is ours.
        let conf = unsafe { sys::rd_kafka_conf_dup(native.ptr()) };
        // SAFETY: `conf` is valid. The opaque pointer is used by callbacks only, which end before
        // `shared` does: `End` keeps it until `rd_kafka_destroy` has returned.
        unsafe {
            sys::rd_kafka_conf_set_opaque(conf, Arc::as_ptr(&shared).cast_mut().cast());
            sys::rd_kafka_conf_set_log_cb(conf, Some(callbacks::on_log));
            sys::rd_kafka_conf_set_error_cb(conf, Some(callbacks::on_error));
            match kind {
                Kind::Producer => sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(callbacks::on_delivery)),
                Kind::Consumer => sys::rd_kafka_conf_set_rebalance_cb(conf, Some(callbacks::on_rebalance)),
            }
        }
        let rk_type = match kind {
            Kind::Producer => sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
            Kind::Consumer => sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
        };
        let mut said: [c_char; ERROR_TEXT_MAX] = [0; ERROR_TEXT_MAX];
        // SAFETY: `conf` is valid and becomes librdkafka's on success; `said` has the size given.
        let rk = unsafe { sys::rd_kafka_new(rk_type, conf, said.as_mut_ptr(), said.len()) };
        let Some(rk) = NonNull::new(rk) else {
            // SAFETY: on failure the configuration is still ours, and `said` is a C string.
            let said = unsafe {
                sys::rd_kafka_conf_destroy(conf);
                text(said.as_ptr())
            };
            // librdkafka names the setting at most, not the file it could not read.
            let files = config.files(kind);
            let said =
                if files.is_empty() { said } else { format!("{said} (files named: {})", files.join(", ")) };
            return Err(failed(Cause::said(Code::RD_KAFKA_RESP_ERR__INVALID_ARG, said)));
        };
        let bootstrap_servers = config.settings(kind).find(|(key, _)| *key == "bootstrap.servers");
        let bootstrap_servers = bootstrap_servers.and_then(|(_, servers)| c_string(servers).ok());
        let client = Arc::new(Self { rk, kind, bootstrap_servers, shared, topics: Mutex::default() });
        rescue::watch(&client);
        Ok(client)
    }

    /// Makes known the brokers of `bootstrap.servers` that are not.
    pub(crate) fn add_bootstrap_servers(&self) {
        if let Some(servers) = &self.bootstrap_servers {
            // SAFETY: the client is valid, the list a C string that is copied.
            unsafe { sys::rd_kafka_brokers_add(self.rk(), servers.as_ptr()) };
        }
    }

    /// The pointer, for calls of this module.
    pub(super) const fn rk(&self) -> *mut sys::rd_kafka_t {
        self.rk.as_ptr()
    }

    /// Makes librdkafka tell `shared.wake` when callbacks wait: deliveries and errors.
    pub(crate) fn wake_on_events(&self) {
        // SAFETY: the client is valid; the reference to its queue is given back. `wake` lives as
        // long as `shared`, which outlives the client.
        unsafe {
            let queue = sys::rd_kafka_queue_get_main(self.rk());
            let opaque = Arc::as_ptr(&self.shared.wake).cast_mut().cast();
            sys::rd_kafka_queue_cb_event_enable(queue, Some(callbacks::on_event), opaque);
            sys::rd_kafka_queue_destroy(queue);
        }
    }

    /// Runs the callbacks that wait. Never blocks.
    pub(crate) fn serve(&self) -> usize {
        // SAFETY: the client is valid.
        let served = unsafe { sys::rd_kafka_poll(self.rk(), 0) };
        usize::try_from(served).unwrap_or_default()
    }

    /// Records that were handed over and not yet settled, and events not yet served.
    pub(crate) fn outstanding(&self) -> usize {
        // SAFETY: the client is valid.
        usize::try_from(unsafe { sys::rd_kafka_outq_len(self.rk()) }).unwrap_or_default()
    }

    /// Waits for deliveries, at most `timeout_ms`. Blocks.
    pub(crate) fn flush(&self, timeout_ms: i32) -> Result<(), Cause> {
        // SAFETY: the client is valid.
        match unsafe { sys::rd_kafka_flush(self.rk(), timeout_ms) } {
            OK => Ok(()),
            code => Err(Cause::of(code)),
        }
    }

    /// The error that ended the client, if one did.
    pub(crate) fn fatal(&self) -> Option<Cause> {
        let mut said: [c_char; ERROR_TEXT_MAX] = [0; ERROR_TEXT_MAX];
        // SAFETY: the client is valid and `said` has the size given.
        let code = unsafe { sys::rd_kafka_fatal_error(self.rk(), said.as_mut_ptr(), said.len()) };
        if code == OK {
            return None;
        }
        // SAFETY: librdkafka wrote a C string.
        let mut cause = Cause::said(code, unsafe { text(said.as_ptr()) });
        cause.class = cofferdam_api::Class::Fatal;
        Some(cause)
    }

    /// The handle of a topic, made when new.
    pub(super) fn topic(&self, name: &str) -> Result<TopicHandle, Cause> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Ok(*topic);
        }
        let c_name = c_string(name)?;
        // SAFETY: the client is valid, the name a C string; no configuration means the default one.
        let topic = unsafe { sys::rd_kafka_topic_new(self.rk(), c_name.as_ptr(), std::ptr::null_mut()) };
        // SAFETY: takes nothing.
        let topic = NonNull::new(topic).ok_or_else(|| Cause::of(unsafe { sys::rd_kafka_last_error() }))?;
        topics.insert(name.to_owned(), TopicHandle(topic));
        Ok(TopicHandle(topic))
    }

    /// Adds to a cause what is known about the connection.
    pub(crate) fn explain(&self, mut cause: Cause) -> Cause {
        if let Some(reason) = self.shared.transport() {
            cause.text = format!("{} ({reason})", cause.text);
        }
        cause
    }

    /// Answers what the application has not, and leaves the group. Blocks.
    pub(crate) fn close_consumer(&self, unanswered: Option<&Rebalance>) -> Result<(), Cause> {
        let queued = self.shared.close();
        for rebalance in unanswered.into_iter().chain(&queued) {
            // SAFETY: the client is valid. An answer that is not wanted any more does no harm.
            _ = unsafe { answer(self.rk(), rebalance) };
        }
        // SAFETY: the client is valid; rebalances are answered by the callback from here on.
        match unsafe { sys::rd_kafka_consumer_close(self.rk()) } {
            OK => Ok(()),
            code => Err(Cause::of(code)),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let topics = std::mem::take(self.topics.get_mut().unwrap_or_else(PoisonError::into_inner));
        let end = End {
            rk: self.rk,
            kind: self.kind,
            queued: self.shared.close(),
            shared: Arc::clone(&self.shared),
            topics: topics.into_values().collect(),
        };
        // Whoever serves the queue must notice that there is no client any more.
        self.shared.wake.notify_one();
        self.shared.trouble_came.notify_one();
        aside(move || end.run());
    }
}

/// A client that ends.
struct End {
    rk: NonNull<sys::rd_kafka_t>,
    kind: Kind,
    queued: VecDeque<Rebalance>,
    shared: Arc<Shared>,
    topics: Vec<TopicHandle>,
}

// SAFETY: as for the client.
unsafe impl Send for End {}

impl End {
    /// How long deliveries that were cancelled may take to be told.
    const CANCELLED_MS: i32 = 1000;

    fn run(self) {
        let rk = self.rk.as_ptr();
        // SAFETY: this is the last owner of the client: queues and messages hold the `Client`, and
        // topic handles are used through it only. `shared` is dropped after the last callback.
        unsafe {
            match self.kind {
                Kind::Producer => {
                    // Whoever waits for a delivery hears that it will not come.
                    sys::rd_kafka_purge(rk, sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT);
                    sys::rd_kafka_flush(rk, Self::CANCELLED_MS);
                }
                Kind::Consumer => {
                    for rebalance in &self.queued {
                        _ = answer(rk, rebalance);
                    }
                }
            }
            for topic in &self.topics {
                sys::rd_kafka_topic_destroy(topic.0.as_ptr());
            }
            sys::rd_kafka_destroy(rk);
        }
        drop(self.shared);
    }
}

/// Answers a rebalance in the terms of the group's protocol.
///
/// # Safety
/// `rk` is a consumer that lives.
pub(super) unsafe fn answer(rk: *mut sys::rd_kafka_t, rebalance: &Rebalance) -> Result<(), Cause> {
    let (take, partitions) = match rebalance {
        Rebalance::Assign(partitions) => (true, partitions),
        Rebalance::Revoke(partitions) | Rebalance::Lose(partitions) => (false, partitions),
    };
    let list = List::of(partitions)?;
    // SAFETY: the consumer lives; the protocol's name is a static C string.
    let cooperative = unsafe { text(sys::rd_kafka_rebalance_protocol(rk)) } == "COOPERATIVE";
    // SAFETY: the consumer lives; librdkafka copies the list.
    unsafe {
        match (cooperative, take) {
            (true, true) => taken(sys::rd_kafka_incremental_assign(rk, list.ptr())),
            (true, false) => taken(sys::rd_kafka_incremental_unassign(rk, list.ptr())),
            (false, true) => done(sys::rd_kafka_assign(rk, list.ptr())),
            (false, false) => done(sys::rd_kafka_assign(rk, std::ptr::null())),
        }
    }
}

/// Runs what blocks where blocking is allowed.
pub(crate) fn aside(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

/// Text of a code.
pub(crate) fn describe(code: Code) -> String {
    // SAFETY: takes a number, returns a static C string.
    unsafe { text(sys::rd_kafka_err2str(code)) }
}

/// What librdkafka says to a setting.
pub(crate) fn config_cause(error: KafkaError) -> Cause {
    let said = match error {
        KafkaError::ClientConfig(_, said, _, _) => said,
        other => other.to_string(),
    };
    Cause::said(Code::RD_KAFKA_RESP_ERR__INVALID_ARG, said)
}

/// A string for librdkafka.
pub(super) fn c_string(text: &str) -> Result<CString, Cause> {
    let bad = |_| Cause::said(Code::RD_KAFKA_RESP_ERR__INVALID_ARG, format!("{text:?} contains a zero byte"));
    CString::new(text).map_err(bad)
}

/// A code as a result.
pub(super) fn done(code: Code) -> Result<(), Cause> {
    if code == OK { Ok(()) } else { Err(Cause::of(code)) }
}

/// An error object as a result; it is freed.
///
/// # Safety
/// `error` is null or an error object that is ours.
pub(super) unsafe fn taken(error: *mut sys::rd_kafka_error_t) -> Result<(), Cause> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null and ours; its text is a C string that is copied before it is freed.
    let cause = unsafe {
        let said = CStr::from_ptr(sys::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        let cause = Cause::said(sys::rd_kafka_error_code(error), said);
        sys::rd_kafka_error_destroy(error);
        cause
    };
    Err(cause)
}
