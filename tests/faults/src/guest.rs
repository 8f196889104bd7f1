//! Guests that do wrong, and the neighbour in the same worker that must not notice.

use anyhow::ensure;
use cofferdam_e2e::{Broker, Topics, program};
use rdkafka::message::Message as _;
use serde_json::{Value, json};

use crate::kill::numbered;
use crate::numbers::{Lines, Tally};
use crate::rig::{Neighbour, QUIET, Rig, await_file, file_sink, until, with};
use crate::{Outcome, Scale};

/// What each 1,000th line has in it, and no other.
const EACH_THOUSANDTH: &str = "000 ";
const LIMITS: &str = "cofferdam.guest.call.timeout.ms=1000\ncofferdam.guest.memory.max=32MiB";

/// A worker with the hostile component and a neighbour.
struct Case {
    topics: Topics,
    rig: Rig,
    neighbour: Neighbour,
}

impl Case {
    fn start(name: &str, properties: &str) -> anyhow::Result<Self> {
        let broker = Broker::shared()?;
        let topics = Topics::new(broker.bootstrap());
        let rig = Rig::start(name, broker.bootstrap(), properties)?;
        let uploaded = rig.worker()?.upload(&program("misbehaving"))?;
        ensure!(uploaded.status == 201, "{uploaded:?}");
        let mut neighbour = Neighbour::start(&rig, &topics, name)?;
        neighbour.must_go_on()?;
        Ok(Self { topics, rig, neighbour })
    }

    /// The end: the neighbour goes on, the worker ends as it should.
    fn finish(mut self) -> anyhow::Result<()> {
        self.neighbour.must_go_on()?;
        self.rig.stop()
    }
}

pub(crate) fn trap_in_transform(scale: Scale) -> anyhow::Result<Outcome> {
    let more = json!({
        "transforms": "t", "transforms.t.type": "test.Transform", "transforms.t.trap.on": EACH_THOUSANDTH,
    });
    let sink = |file: &std::path::Path, topic: &str| with(file_sink(file, topic, 1), &more);
    poisoned("trap-transform", scale.pick(100_000, 10_000), 1_000, "TRANSFORMATION", "", sink)
}

pub(crate) fn trap_in_predicate(scale: Scale) -> anyhow::Result<Outcome> {
    // Asked by the host, since the transform is another component's.
    let more = json!({
        "transforms": "t", "transforms.t.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.t.regex": "(.*)", "transforms.t.replacement": "$1", "transforms.t.predicate": "p",
        "predicates": "p", "predicates.p.type": "test.Predicate", "predicates.p.trap.on": EACH_THOUSANDTH,
    });
    let sink = |file: &std::path::Path, topic: &str| with(file_sink(file, topic, 1), &more);
    poisoned("trap-predicate", scale.pick(100_000, 10_000), 1_000, "TRANSFORMATION", "", sink)
}

pub(crate) fn trap_in_converter(scale: Scale) -> anyhow::Result<Outcome> {
    let more = json!({"value.converter": "test.Converter", "value.converter.trap.on": EACH_THOUSANDTH});
    let sink = |file: &std::path::Path, topic: &str| with(file_sink(file, topic, 1), &more);
    poisoned("trap-converter", scale.pick(100_000, 10_000), 1_000, "VALUE_CONVERTER", "", sink)
}

pub(crate) fn trap_in_idempotent_sink(scale: Scale) -> anyhow::Result<Outcome> {
    let sink = |file: &std::path::Path, topic: &str| {
        let more = json!({"connector.class": "test.IdempotentSink", "trap.on": EACH_THOUSANDTH});
        with(file_sink(file, topic, 1), &more)
    };
    poisoned("trap-idempotent", scale.pick(100_000, 10_000), 1_000, "TASK_PUT", "", sink)
}

/// A transform that never comes back from one record, or takes all the memory there is for it.
pub(crate) fn poison_in_transform(scale: Scale) -> anyhow::Result<Outcome> {
    let mut all: Option<Outcome> = None;
    for kind in scale.pick(&["loop", "sleep", "grow"][..], &["loop", "grow"][..]) {
        let name = format!("poison-{kind}");
        let n = 5_000;
        let more = json!({
            "transforms": "t", "transforms.t.type": "test.Transform", "transforms.t.trap.on": "000000002500 ",
            "transforms.t.poison": kind,
        });
        let sink = |file: &std::path::Path, topic: &str| with(file_sink(file, topic, 1), &more);
        let outcome = poisoned(&name, n, n, "TRANSFORMATION", LIMITS, sink)?;
        all = Some(match all {
            None => outcome,
            Some(sum) => Outcome {
                runs: sum.runs + outcome.runs,
                records: sum.records + outcome.records,
                lost: sum.lost + outcome.lost,
                duplicated: sum.duplicated + outcome.duplicated,
                ..outcome
            },
        });
    }
    Ok(Outcome {
        note: "found by bisection, in the dead letter queue; the rest goes on".to_owned(),
        ..all.unwrap_or_else(empty)
    })
}

fn empty() -> Outcome {
    Outcome { runs: 0, records: 0, lost: 0, duplicated: 0, duplicates_max: 0, note: String::new() }
}

/// `n` lines of which one in `each` is poison: those are dead letters of `stage`, the rest arrives, once.
fn poisoned(
    name: &str,
    n: u64,
    each: u64,
    stage: &str,
    properties: &str,
    sink: impl Fn(&std::path::Path, &str) -> Value,
) -> anyhow::Result<Outcome> {
    let mut case = Case::start(name, properties)?;
    let (dlq, out) = (format!("{name}-dlq"), case.rig.path("out.txt"));
    case.topics.create(name, 1)?;
    case.topics.create(&dlq, 1)?;
    case.topics.send_messages(name, numbered(0..n, 1))?;
    let more = json!({
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dlq,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    case.rig.worker()?.create(name, &with(sink(&out, name), &more))?;
    case.neighbour.must_go_on()?;
    let n_poison = n / each;
    let (tail, mut dead, mut wrong) = (case.topics.tail(&dlq)?, Tally::new(n), None);
    let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
    until("the rest arrives, the poison is reported", || {
        // The converter of the test puts what it reads in angle brackets.
        let bare = |line: &[u8]| {
            let line = line.strip_prefix(b"<").and_then(|line| line.strip_suffix(b">")).unwrap_or(line);
            line.to_vec()
        };
        lines.read(|line| tally.line(&bare(line)))?;
        tail.read(std::time::Duration::from_millis(50), |record| {
            dead.line(record.payload().unwrap_or_default());
            if let Some(problem) = not_as_promised(record, stage) {
                wrong.get_or_insert(problem);
            }
        })?;
        let all = tally.arrived() == n - n_poison && dead.arrived() == n_poison;
        Ok(if all { Ok(()) } else { Err(format!("{} and {} dead of {n}", tally.arrived(), dead.arrived())) })
    })?;
    ensure!(wrong.is_none(), "{wrong:?}");
    ensure!(dead.damaged == 0, "what is in the dead letter queue is not what was sent");
    case.rig.worker()?.await_state(name, "RUNNING", "RUNNING")?;
    until("all is committed", || {
        let committed = case.topics.committed(&format!("connect-{name}"), name, 1)?;
        Ok(if committed == [Some(n as i64)] { Ok(()) } else { Err(format!("{committed:?} of {n}")) })
    })?;
    case.finish()?;
    Ok(Outcome {
        runs: n_poison,
        records: n,
        lost: (tally.lost() + dead.lost()).saturating_sub(n),
        duplicated: tally.duplicated() + dead.duplicated(),
        duplicates_max: 0,
        note: format!("{n_poison} in the dead letter queue as {stage} with a backtrace; the rest goes on"),
    })
}

/// What is wrong with the headers of a dead letter, if anything.
fn not_as_promised(record: &rdkafka::message::BorrowedMessage<'_>, stage: &str) -> Option<String> {
    use rdkafka::message::Headers as _;
    let header = |name: &str| {
        let value = record.headers()?.iter().find(|header| header.key == name)?.value?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let found = header("__connect.errors.stage").unwrap_or_default();
    if found != stage {
        return Some(format!("stage {found} instead of {stage}"));
    }
    let trace = header("__connect.errors.exception.stacktrace").unwrap_or_default();
    // What ran out of time or memory has no backtrace, but a limit.
    let told = trace.contains("wasm") || trace.contains("cofferdam.guest.");
    (!told).then(|| format!("neither backtrace nor limit in the trace: {trace}"))
}

/// A sink that makes no promise: the task fails, nothing is committed over the batch; mended, all arrives.
pub(crate) fn trap_in_sink(scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(100_000, 10_000);
    let mut case = Case::start("trap-sink", "")?;
    let out = case.rig.path("out.txt");
    case.topics.create("trap-sink", 1)?;
    case.topics.send_messages("trap-sink", numbered(0..n, 1))?;
    let poison = n / 2;
    let healthy = with(file_sink(&out, "trap-sink", 1), &json!({"connector.class": "test.Sink"}));
    let more = json!({"trap.on": format!("{poison:012} "), "errors.tolerance": "all"});
    case.rig.submit("trap-sink", &with(healthy.clone(), &more))?;
    let trace = case.rig.worker()?.await_failure("trap-sink")?;
    ensure!(trace.contains("wasm") && trace.contains("misbehaving"), "no backtrace: {trace}");
    case.neighbour.must_go_on()?;
    let committed = case.topics.committed("connect-trap-sink", "trap-sink", 1)?;
    let committed = committed.into_iter().flatten().next().unwrap_or(0) as u64;
    ensure!(committed <= poison, "offset {committed} is committed over the record {poison}");
    let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
    lines.read(|line| tally.line(line))?;
    let again = tally.end(0, 1).saturating_sub(committed);
    case.rig.configure("trap-sink", &healthy)?;
    await_file(&mut lines, &mut tally, n)?;
    case.finish()?;
    Ok(Outcome {
        runs: 1,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: again,
        note: format!("FAILED with a backtrace, {committed} committed below {poison}; mended, all is there"),
    })
}

/// The records of `test.Source` for a topic, until there are `n`.
fn await_short_lines(case: &Case, topic: &str, n: u64) -> anyhow::Result<Tally> {
    let (tail, mut tally) = (case.topics.tail(topic)?, Tally::new(n));
    until("all records arrive", || {
        tail.read(QUIET, |record| tally.short_line(record.payload().unwrap_or_default()))?;
        Ok(if tally.arrived() == n { Ok(()) } else { Err(format!("{} of {n}", tally.arrived())) })
    })?;
    Ok(tally)
}

fn test_source(topic: &str, n: u64) -> Value {
    json!({"connector.class": "test.Source", "tasks.max": "1", "topic": topic, "records": n.to_string()})
}

/// The task fails each time, what it had answered is delivered and its offset stored; a restart goes on there.
pub(crate) fn trap_in_source(scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(20_000, 4_000);
    let mut case = Case::start("trap-source", "")?;
    case.topics.create("trap-source", 1)?;
    case.rig.submit("trap-source", &with(test_source("trap-source", n), &json!({"trap.each": "1000"})))?;
    let traps = n / 1_000;
    for run in 1..=traps {
        let behind = format!("told to panic behind record {}", run * 1_000);
        until("the next trap", || {
            let trace = case.rig.worker()?.await_failure("trap-source")?;
            ensure!(trace.contains("wasm") && trace.contains("misbehaving"), "no backtrace: {trace}");
            // The text of a panic is in the log, not in the trace.
            Ok(if case.rig.worker()?.log().contains(&behind) { Ok(()) } else { Err(trace) })
        })?;
        if run % 5 == 1 {
            case.neighbour.must_go_on()?;
        }
        case.rig.worker()?.restart("trap-source", false)?;
    }
    let tally = await_short_lines(&case, "trap-source", n)?;
    case.finish()?;
    Ok(Outcome {
        runs: traps,
        records: n,
        lost: tally.lost(),
        duplicated: tally.duplicated(),
        duplicates_max: 0,
        note: "FAILED with a backtrace each time; restarted, goes on at the offset".to_owned(),
    })
}

pub(crate) fn hog_in_source(scale: Scale) -> anyhow::Result<Outcome> {
    let timeout = "cofferdam.guest.call.timeout.ms";
    let faults = [
        ("poll", "loop", timeout),
        ("poll", "sleep", timeout),
        ("poll", "grow", "32 MiB"),
        ("start", "loop", timeout),
        ("committed", "loop", timeout),
    ];
    let faults = faults.map(|(call, kind, expected)| {
        (
            json!({format!("fault.{call}"): kind, "fault.after": if call == "poll" { "2" } else { "0" }}),
            expected,
        )
    });
    wrong_sources("hog", &faults, scale)
}

pub(crate) fn damaged_frames(scale: Scale) -> anyhow::Result<Outcome> {
    let faults = ["noise", "short", "span", "schema", "src", "huge"]
        .map(|kind| (json!({"fault.frame": kind, "fault.after": "2"}), "ConnectException: the plugin"));
    wrong_sources("damage", &faults, scale)
}

/// Sources that begin well and go wrong: FAILED with a reason, the neighbour goes on; mended, all arrives once.
fn wrong_sources(name: &str, faults: &[(Value, &str)], scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(20_000, 6_000);
    let mut case = Case::start(name, LIMITS)?;
    let mut sum = Outcome { runs: faults.len() as u64, ..empty() };
    for (at, (fault, expected)) in faults.iter().enumerate() {
        let topic = format!("{name}-{at}");
        case.topics.create(&topic, 1)?;
        let healthy = test_source(&topic, n);
        case.rig.submit(&topic, &with(healthy.clone(), fault))?;
        case.neighbour.must_go_on()?;
        let trace = case.rig.worker()?.await_failure(&topic)?;
        ensure!(trace.contains(expected), "{fault}: the trace does not say {expected:?}: {trace}");
        case.neighbour.must_go_on()?;
        case.rig.configure(&topic, &healthy)?;
        let tally = await_short_lines(&case, &topic, n)?;
        sum.records += n;
        sum.lost += tally.lost();
        sum.duplicated += tally.duplicated();
    }
    case.finish()?;
    Ok(Outcome { note: "FAILED with the reason; mended, goes on at the offset".to_owned(), ..sum })
}

pub(crate) fn wrong_answers(scale: Scale) -> anyhow::Result<Outcome> {
    let n = scale.pick(20_000, 4_000);
    let mut case = Case::start("wrong", LIMITS)?;
    let transform = |fault: &str, kind: &str| {
        json!({
            "transforms": "t", "transforms.t.type": "test.Transform", format!("transforms.t.fault.{fault}"): kind,
        })
    };
    // Asked by the host, since the transform is another component's.
    let predicate = json!({
        "transforms": "t", "transforms.t.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.t.regex": "(.*)", "transforms.t.replacement": "$1", "transforms.t.predicate": "p",
        "predicates": "p", "predicates.p.type": "test.Predicate", "predicates.p.fault.answers": "few",
    });
    // A sink that takes bytes has nothing converted.
    let converter = |fault: &str, kind: &str| {
        json!({
            "connector.class": "FileStreamSink", "value.converter": "test.Converter",
            format!("value.converter.fault.{fault}"): kind,
        })
    };
    let faults = [
        ("transform-src", transform("frame", "src")),
        ("transform-step", transform("bad", "step")),
        ("predicate-few", predicate),
        ("converter-src", converter("src", "same")),
        ("converter-few", converter("answers", "few")),
        ("sink-index", json!({"fault.bad": "index"})),
    ];
    let mut sum = Outcome { runs: faults.len() as u64, ..empty() };
    for (name, fault) in &faults {
        let name = format!("wrong-{name}");
        let out = case.rig.path(&name);
        case.topics.create(&name, 1)?;
        case.topics.send_messages(&name, numbered(0..n, 1))?;
        let healthy = with(file_sink(&out, &name, 1), &json!({"connector.class": "test.Sink"}));
        // Tolerance is about records: a plugin that answers nonsense is not to be believed in anything.
        let hostile = with(with(healthy.clone(), fault), &json!({"errors.tolerance": "all"}));
        case.rig.submit(&name, &hostile)?;
        let trace = case.rig.worker()?.await_failure(&name)?;
        ensure!(trace.contains("Exception"), "{name}: {trace}");
        case.neighbour.must_go_on()?;
        let committed = case.topics.committed(&format!("connect-{name}"), &name, 1)?;
        ensure!(committed == [None], "{name}: {committed:?} was committed");
        let (mut lines, mut tally) = (Lines::new(&out), Tally::new(n));
        lines.read(|line| tally.line(line))?;
        // The sink wrote its first batch before it answered nonsense.
        sum.duplicates_max += tally.arrived();
        case.rig.configure(&name, &healthy)?;
        await_file(&mut lines, &mut tally, n)?;
        sum.records += n;
        sum.lost += tally.lost();
        sum.duplicated += tally.duplicated();
    }
    case.finish()?;
    Ok(Outcome { note: "FAILED, nothing committed; mended, all is there".to_owned(), ..sum })
}
