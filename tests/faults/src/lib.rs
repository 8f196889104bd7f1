//! Faults, each against a real Kafka broker and a real worker process, with numbered records: what was
//! lost, what came twice.
//!
//! Every row of the table is a function that brings the fault about, waits until all is well again, and
//! counts. What a row promises beyond the count (the class of an error, offsets not committed too far, a
//! neighbour that goes on) it checks itself: where that is not so it fails.

mod broker;
mod guest;
mod kill;
mod numbers;
mod rate;
mod rebalance;
mod refuse;
mod rig;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is asked for by.
    pub name: &'static str,
    /// What is done to the worker.
    pub fault: &'static str,
    run: fn(Scale) -> anyhow::Result<Outcome>,
}

/// How much of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As much as is promised.
    Full,
    /// A part of it, for every test run.
    Short,
}

impl Scale {
    fn pick<T>(self, full: T, short: T) -> T {
        match self {
            Self::Full => full,
            Self::Short => short,
        }
    }
}

/// What came of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many times the fault was brought about.
    pub runs: u64,
    /// Records that had to arrive.
    pub records: u64,
    /// Those that did not.
    pub lost: u64,
    /// Arrivals beyond the first.
    pub duplicated: u64,
    /// As many of them are within what is promised: what lay behind the last commit.
    pub duplicates_max: u64,
    /// What else there is to know.
    pub note: String,
}

impl Outcome {
    /// Whether what is promised held.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.lost == 0 && self.duplicated <= self.duplicates_max
    }
}

impl Row {
    /// Brings the fault about and counts.
    ///
    /// # Errors
    /// When something else than a count is not as promised.
    pub fn run(&self, scale: Scale) -> anyhow::Result<Outcome> {
        (self.run)(scale)
    }
}

const fn row(name: &'static str, fault: &'static str, run: fn(Scale) -> anyhow::Result<Outcome>) -> Row {
    Row { name, fault, run }
}

const ROWS: &[Row] = &[
    row("kill-source", "kill -9 of the worker, source", kill::source),
    row("kill-sink", "kill -9 of the worker, sink", kill::sink),
    row("kill-source-exactly-once", "kill -9 of the worker, exactly-once source", kill::source_exactly_once),
    row("kill-sink-exactly-once", "kill -9 of the worker, exactly-once sink", kill::sink_exactly_once),
    row("broker-kill", "kill -9 of the broker, and its restart", broker::killed),
    row("broker-pause", "SIGSTOP of the broker", broker::paused),
    row("leader-move", "leader killed, then elected again, 3 nodes", broker::leader_moved),
    row("dlq-refused", "dead letter queue refuses a record for its size", refuse::dead_letters),
    row("dlq-denied", "no right to write to the dead letter queue", refuse::denied_dead_letters),
    row("dlq-disk", "disk of the dead letter queue takes no more", refuse::dead_letters_without_room),
    row("too-large", "message.max.bytes refuses a record, tolerance none", refuse::too_large),
    row("too-large-all", "message.max.bytes refuses records, tolerance all", refuse::too_large_tolerated),
    row("denied-write", "no right to write, source", refuse::denied_write),
    row("denied-read", "no right to read, sink", refuse::denied_read),
    row("trap-transform", "transform traps on each 1,000th record", guest::trap_in_transform),
    row("trap-predicate", "predicate traps on each 1,000th record", guest::trap_in_predicate),
    row("trap-converter", "converter traps on each 1,000th record", guest::trap_in_converter),
    row(
        "trap-idempotent-sink",
        "idempotent sink traps on each 1,000th record",
        guest::trap_in_idempotent_sink,
    ),
    row("trap-sink", "sink traps", guest::trap_in_sink),
    row("trap-source", "source traps behind each 1,000th record", guest::trap_in_source),
    row("poison", "transform loops, sleeps, hogs memory on a record", guest::poison_in_transform),
    row("hog", "source loops, sleeps, hogs memory", guest::hog_in_source),
    row("damage", "source answers damaged frames", guest::damaged_frames),
    row("wrong-answers", "transform, predicate, sink answer wrong indexes, counts", guest::wrong_answers),
    row("neighbour-rate", "six hostile connectors; the neighbours' rate", rate::beside_hostile),
    row("slow-put", "a put that takes longer than a consumer may be silent", rebalance::slow_put),
    row("tasks-restarted", "sink tasks restarted under load", rebalance::tasks_restarted),
    row(
        "member-comes-and-goes",
        "another member joins and leaves the group",
        rebalance::member_comes_and_goes,
    ),
    row("two-workers", "a second worker joins the group and is stopped", rebalance::second_worker),
    row("two-workers-kill", "a second worker joins the group and is killed", rebalance::second_worker_killed),
];

/// All rows in their order.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
}
