//! The counters of one task. Everything that runs per batch is an atomic or a lock of its own, so
//! counting looks nothing up and waits for nobody.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_stdx::time::{Instant, now, wall_ms};

use crate::window::Window;

/// Which way a task's records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Into Kafka.
    Source,
    /// Out of Kafka.
    Sink,
}

/// What a task's guests used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestUsage {
    /// Processor time.
    pub cpu: Duration,
    /// Memory held now.
    pub memory_bytes: u64,
    /// Most memory held at any time.
    pub memory_peak_bytes: u64,
}

/// Counts for one task. Clones count for the same task; its series go with the last clone, so keep
/// one for as long as the worker knows the task, a failed one included.
#[derive(Clone, Debug)]
pub struct TaskMetrics(pub(crate) Arc<TaskSeries>);

/// Most series that a plugin may make of its own, and the longest name of one.
const PLUGIN_SERIES_MAX: usize = 64;
const PLUGIN_NAME_MAX: usize = 128;

/// Upper bounds of the buckets of batch times, in seconds.
pub(crate) const BUCKETS: [f64; 9] = [0.000_1, 0.000_5, 0.002_5, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];

#[derive(Debug)]
pub(crate) struct TaskSeries {
    pub(crate) connector: String,
    pub(crate) task: u32,
    pub(crate) kind: TaskKind,
    /// Records taken in: polled by a source, read by a sink.
    pub(crate) records_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    /// Records handed on: written by a source, sent to a sink's put.
    pub(crate) records_out: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) active: AtomicI64,
    pub(crate) partitions: AtomicU64,
    pub(crate) record_errors: AtomicU64,
    pub(crate) record_failures: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) errors_logged: AtomicU64,
    pub(crate) dlq_requests: AtomicU64,
    pub(crate) dlq_failures: AtomicU64,
    pub(crate) last_error_ms: AtomicI64,
    pub(crate) commits: AtomicU64,
    pub(crate) commit_failures: AtomicU64,
    pub(crate) commit_skips: AtomicU64,
    pub(crate) commit_seq: AtomicU64,
    pub(crate) last_commit_ms: AtomicI64,
    /// Sizes of batches taken in, and of those handed on.
    pub(crate) batch_in: Window,
    pub(crate) batch_out: Window,
    /// Time of poll (source) or put (sink), in ms.
    pub(crate) batch_ms: Window,
    pub(crate) batch_time: Histogram,
    pub(crate) commit_ms: Window,
    pub(crate) state: Mutex<StateClock>,
    pub(crate) lags: Mutex<BTreeMap<(String, i32), i64>>,
    pub(crate) guest: Mutex<Option<GuestProbe>>,
    pub(crate) plugin_counts: Mutex<BTreeMap<String, u64>>,
    pub(crate) plugin_gauges: Mutex<BTreeMap<String, f64>>,
}

impl TaskMetrics {
    pub(crate) fn new(connector: &str, task: u32, kind: TaskKind) -> Self {
        Self(Arc::new(TaskSeries::new(connector, task, kind)))
    }

    /// The task is now in this state (`RUNNING`, `PAUSED`, …).
    pub fn state(&self, state: &'static str) {
        lock(&self.0.state).change(state);
    }

    /// A source: the guest answered a poll.
    pub fn polled(&self, records: u64, bytes: u64, took: Duration) {
        let s = &self.0;
        s.take_in(records, bytes);
        s.active.fetch_add(signed(records), Relaxed);
        s.batch_took(took);
    }

    /// A source: Kafka acknowledged these records.
    pub fn written(&self, records: u64, bytes: u64) {
        self.0.hand_on(records, bytes);
        self.0.active.fetch_sub(signed(records), Relaxed);
    }

    /// A source: polled records that will not be written, because a transform or the error
    /// tolerance dropped them.
    pub fn dropped(&self, records: u64) {
        self.0.active.fetch_sub(signed(records), Relaxed);
    }

    /// A sink: records came from its consumer.
    pub fn read(&self, records: u64, bytes: u64) {
        self.0.take_in(records, bytes);
    }

    /// A sink: records were handed to put, which took this long.
    pub fn sent(&self, records: u64, bytes: u64, took: Duration) {
        self.0.hand_on(records, bytes);
        self.0.batch_took(took);
    }

    /// A sink: records handed to put whose offsets are not committed yet.
    pub fn active(&self, records: u64) {
        self.0.active.store(signed(records), Relaxed);
    }

    /// A sink: how many partitions it is assigned. Their lags are forgotten when it is none.
    pub fn assigned(&self, partitions: usize) {
        self.0.partitions.store(partitions as u64, Relaxed);
        if partitions == 0 {
            lock(&self.0.lags).clear();
        }
    }

    /// A sink: records of a partition that it has not read yet; none when it no longer has it.
    pub fn lag(&self, topic: &str, partition: i32, lag: Option<i64>) {
        let mut lags = lock(&self.0.lags);
        let key = (topic.to_owned(), partition);
        match lag {
            Some(lag) => lags.insert(key, lag),
            None => lags.remove(&key),
        };
    }

    /// An attempt at an operation on these records failed; it may be tried again.
    pub fn record_errors(&self, records: u64) {
        self.0.record_errors.fetch_add(records, Relaxed);
        self.0.last_error_ms.store(wall_ms(), Relaxed);
    }

    /// An operation on these records failed for good, tolerated or not.
    pub fn record_failures(&self, records: u64) {
        self.0.record_failures.fetch_add(records, Relaxed);
        self.0.last_error_ms.store(wall_ms(), Relaxed);
    }

    /// Records were left out because errors are tolerated.
    pub fn skipped(&self, records: u64) {
        self.0.skipped.fetch_add(records, Relaxed);
    }

    /// An operation was tried again.
    pub fn retried(&self) {
        self.0.retries.fetch_add(1, Relaxed);
    }

    /// The task was started again after a failure, by its policy.
    pub fn restarted(&self) {
        self.0.restarts.fetch_add(1, Relaxed);
    }

    /// Errors were written to the log.
    pub fn errors_logged(&self, errors: u64) {
        self.0.errors_logged.fetch_add(errors, Relaxed);
    }

    /// Records were sent to the dead letter queue.
    pub fn dlq_requests(&self, records: u64) {
        self.0.dlq_requests.fetch_add(records, Relaxed);
    }

    /// Records could not be written to the dead letter queue.
    pub fn dlq_failures(&self, records: u64) {
        self.0.dlq_failures.fetch_add(records, Relaxed);
    }

    /// A commit of offsets was asked for; answers its number.
    pub fn commit_started(&self) -> u64 {
        self.0.commit_seq.fetch_add(1, Relaxed) + 1
    }

    /// Offsets were committed.
    pub fn commit_succeeded(&self, took: Duration) {
        self.0.commits.fetch_add(1, Relaxed);
        self.0.last_commit_ms.store(wall_ms(), Relaxed);
        self.0.commit_ms.add(millis(took));
    }

    /// A commit of offsets failed.
    pub fn commit_failed(&self) {
        self.0.commit_failures.fetch_add(1, Relaxed);
    }

    /// The answer to a commit came after that to a newer one.
    pub fn commit_skipped(&self) {
        self.0.commit_skips.fetch_add(1, Relaxed);
    }

    /// `probe` tells what the task's guests use; asked only when somebody reads `/metrics`.
    pub fn watch_guest(&self, probe: impl Fn() -> GuestUsage + Send + Sync + 'static) {
        *lock(&self.0.guest) = Some(GuestProbe(Box::new(probe)));
    }

    /// A plugin counts something of its own. Answers false when it has too many series already.
    pub fn plugin_count(&self, name: &str, by: u64) -> bool {
        update(&self.0.plugin_counts, name, |count| *count = count.saturating_add(by))
    }

    /// A plugin shows a value of its own. Answers false when it has too many series already, or for
    /// a value that is no number.
    pub fn plugin_gauge(&self, name: &str, value: f64) -> bool {
        !value.is_nan() && update(&self.0.plugin_gauges, name, |gauge| *gauge = value)
    }
}

// === impl TaskSeries ===

impl TaskSeries {
    fn new(connector: &str, task: u32, kind: TaskKind) -> Self {
        Self {
            connector: connector.to_owned(),
            task,
            kind,
            records_in: AtomicU64::default(),
            bytes_in: AtomicU64::default(),
            records_out: AtomicU64::default(),
            bytes_out: AtomicU64::default(),
            active: AtomicI64::default(),
            partitions: AtomicU64::default(),
            record_errors: AtomicU64::default(),
            record_failures: AtomicU64::default(),
            skipped: AtomicU64::default(),
            retries: AtomicU64::default(),
            restarts: AtomicU64::default(),
            errors_logged: AtomicU64::default(),
            dlq_requests: AtomicU64::default(),
            dlq_failures: AtomicU64::default(),
            last_error_ms: AtomicI64::default(),
            commits: AtomicU64::default(),
            commit_failures: AtomicU64::default(),
            commit_skips: AtomicU64::default(),
            commit_seq: AtomicU64::default(),
            last_commit_ms: AtomicI64::default(),
            batch_in: Window::new(),
            batch_out: Window::new(),
            batch_ms: Window::new(),
            batch_time: Histogram::default(),
            commit_ms: Window::new(),
            state: Mutex::new(StateClock::new()),
            lags: Mutex::default(),
            guest: Mutex::default(),
            plugin_counts: Mutex::default(),
            plugin_gauges: Mutex::default(),
        }
    }

    fn take_in(&self, records: u64, bytes: u64) {
        self.records_in.fetch_add(records, Relaxed);
        self.bytes_in.fetch_add(bytes, Relaxed);
        self.batch_in.add(real(records));
    }

    fn hand_on(&self, records: u64, bytes: u64) {
        self.records_out.fetch_add(records, Relaxed);
        self.bytes_out.fetch_add(bytes, Relaxed);
        self.batch_out.add(real(records));
    }

    fn batch_took(&self, took: Duration) {
        self.batch_ms.add(millis(took));
        self.batch_time.observe(took);
    }

    /// What the guests use, if the task has any.
    pub(crate) fn guest_usage(&self) -> Option<GuestUsage> {
        lock(&self.guest).as_ref().map(|probe| (probe.0)())
    }
}

// === StateClock ===

/// The present state, and how long the task was in the two that the ratios are about.
#[derive(Debug)]
pub(crate) struct StateClock {
    pub(crate) state: &'static str,
    born: Instant,
    since: Instant,
    running: Duration,
    paused: Duration,
}

impl StateClock {
    fn new() -> Self {
        let now = now();
        Self { state: "UNASSIGNED", born: now, since: now, running: Duration::ZERO, paused: Duration::ZERO }
    }

    fn change(&mut self, state: &'static str) {
        let now = now();
        let spent = now.duration_since(self.since);
        match self.state {
            "RUNNING" => self.running += spent,
            "PAUSED" => self.paused += spent,
            _ => {}
        }
        self.state = state;
        self.since = now;
    }

    /// Shares of the task's life spent running and paused.
    pub(crate) fn ratios(&mut self) -> (f64, f64) {
        self.change(self.state);
        let life = self.since.duration_since(self.born).as_secs_f64();
        let share = |spent: Duration| if life > 0.0 { spent.as_secs_f64() / life } else { 0.0 };
        (share(self.running), share(self.paused))
    }
}

// === Histogram ===

/// Counts of durations by [`BUCKETS`], the last one for all that is longer.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Sum in seconds, count, and the count of each bucket with its upper bound.
    pub(crate) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = BUCKETS.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.counts.iter().map(|count| count.load(Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (real(self.sum_ns.load(Relaxed)) / 1e9, count, buckets)
    }
}

// === small things ===

pub(crate) struct GuestProbe(Box<dyn Fn() -> GuestUsage + Send + Sync>);

impl fmt::Debug for GuestProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestProbe")
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn update<T: Default>(map: &Mutex<BTreeMap<String, T>>, name: &str, change: impl FnOnce(&mut T)) -> bool {
    let mut map = lock(map);
    if let Some(value) = map.get_mut(name) {
        change(value);
        return true;
    }
    if map.len() >= PLUGIN_SERIES_MAX || name.len() > PLUGIN_NAME_MAX {
        return false;
    }
    change(map.entry(name.to_owned()).or_default());
    true
}

fn signed(records: u64) -> i64 {
    i64::try_from(records).unwrap_or(i64::MAX)
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

#[allow(clippy::cast_precision_loss, reason = "metrics are doubles; exact up to 2^53")]
pub(crate) fn real(n: u64) -> f64 {
    n as f64
}
