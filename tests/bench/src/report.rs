//! The report that is kept: tables, and what a reader needs to judge them or to measure again.

use std::fmt::Write as _;

use crate::Contestant;
use crate::contestant::{STOCK_JVM, TUNED, TUNED_JVM};
use crate::machine;
use crate::run::Plan;
use crate::sample::{Metric, Samples};
use crate::table::Table;

/// Cases, what they are compared with, by which figure, and how many times better Cofferdam is meant to be.
const AIMS: [(&[&str], Contestant, Metric, f64); 10] = [
    (&["a", "f"], Contestant::Connect, Metric::PerCpuSecond, 6.0),
    (&["a", "f"], Contestant::Tuned, Metric::PerCpuSecond, 2.0),
    (&["b", "e"], Contestant::Connect, Metric::PerCpuSecond, 3.5),
    (&["b", "e"], Contestant::Tuned, Metric::PerCpuSecond, 2.0),
    (&["c", "d"], Contestant::Connect, Metric::PerCpuSecond, 4.0),
    (&["a"], Contestant::Connect, Metric::PerSecond, 3.0),
    (&["b"], Contestant::Connect, Metric::PerSecond, 1.5),
    (&["a", "b"], Contestant::Bare, Metric::PerCpuSecond, 0.7),
    (&[], Contestant::Connect, Metric::Start, 20.0),
    (&[], Contestant::Connect, Metric::Peak(false), 10.0),
];
/// The same, with so many connectors.
const CROWD: usize = 200;
const CROWD_AIMS: [(Metric, f64); 2] = [(Metric::Running(CROWD), 10.0), (Metric::CrowdMemory(CROWD), 4.0)];

/// A report in Markdown.
#[must_use]
pub fn report(plan: &Plan, rounds: usize, samples: &Samples) -> String {
    let table = Table::new(plan, samples);
    let facts = machine::facts().into_iter().fold(String::new(), |mut out, (name, value)| {
        _ = writeln!(out, "| {name} | {value} |");
        out
    });
    let (tuned, tuned_jvm, stock_jvm) =
        (TUNED.replace('\n', "\n    "), TUNED_JVM.join(" "), STOCK_JVM.join(" "));
    format!(
        "# Benchmarks

Cofferdam beside Kafka Connect: the same connectors, on the same machine and the same broker, one worker after the
other and in turns, {rounds} times. Written by `just bench`; `just bench-quick` measures the same in short.

Figures are medians over the rounds. A ratio (×) says how many times better Cofferdam is; it is taken within a
round, and stands with the smallest and the largest of the rounds. Absolute figures are this machine's, ratios are what
counts.

## Cases

{}
`connect` is Kafka Connect as it comes, `connect-tuned` the same with what people set who look for speed (below),
`bare` a Rust program without any worker that reads or writes the same file with Cofferdam's Kafka client and its
settings.

## Aims

{}
## Figures
{}
## Method

* Processor time is that of the worker's process, from the creation of the connector until all records have
  arrived. The rate by the clock counts from the first record that is seen to the last.
* One task for each connector. Topics and files are made beforehand, and what arrived is checked by number and
  checksum, whatever the case.
{}* Memory is resident memory: before there is a connector, and at most over all cases. The start counts until REST
  answers, with topics still to be made and guests compiled before, as on every start of a machine but the first.
* Crowds: so many FileStreamSource connectors, each with a task and a file of its own, created by one request after the
  other; 5 seconds after the last one runs they are at rest. The largest crowd comes once, and who needs more than five
  minutes for it has no figures.
* Latency: lines at 1,000 a second; the FileStreamSource of Kafka Connect looks for new lines once a second.

| | |
| --- | --- |
{facts}
Kafka Connect runs with `{stock_jvm}`, tuned with `{tuned_jvm}` and

    {tuned}
",
        Table::legend(),
        aims(plan, &table),
        table.markdown(),
        warm_up(plan.warm_up),
    )
}

fn warm_up(records: u64) -> String {
    if records == 0 {
        return "* Nothing is moved before it is measured: a JVM still compiles what it runs.\n".to_owned();
    }
    let records = crate::table::number(records as f64);
    format!(
        "* Each worker moves {records} records through every case before anything is measured, so that a JVM has compiled \
         what it runs.\n* Most of the free memory is written to once before the first turn: a virtual machine gets \
         it from its host page by page, which\n  whoever comes first would pay for.\n"
    )
}

fn aims(plan: &Plan, table: &Table<'_>) -> String {
    let mut out = String::from("| what | at least × | measured × | |\n| --- | --: | --- | --- |\n");
    let mut line = |what: String, aim: f64, ratios: &[(String, f64)]| {
        if ratios.is_empty() {
            return;
        }
        let missed = ratios.iter().filter(|(_, ratio)| *ratio < aim).count();
        let shown: Vec<String> = ratios.iter().map(|(name, ratio)| format!("{name}{ratio:.1}")).collect();
        let verdict =
            if missed == 0 { "met".to_owned() } else { format!("missed by {missed} of {}", ratios.len()) };
        _ = writeln!(out, "| {what} | {aim} | {} | {verdict} |", shown.join(", "));
    };
    for (names, other, metric, aim) in AIMS {
        let what = format!("{}, against {}", metric.title(), other.name());
        if names.is_empty() {
            let ratio = table.ratio(None, other, metric);
            line(
                what,
                aim,
                &ratio.map(|ratio| (String::new(), ratio.median)).into_iter().collect::<Vec<_>>(),
            );
            continue;
        }
        let mut ratios = Vec::new();
        for cell in &plan.cells {
            for case in cell.cases.iter().filter(|case| names.contains(&case.name)) {
                let ratio = table.ratio(Some((cell.size, case.name)), other, metric);
                ratios.extend(ratio.map(|ratio| (format!("{} ", case.name), ratio.median)));
            }
        }
        line(what, aim, &ratios);
    }
    for (metric, aim) in CROWD_AIMS {
        let ratio = table.ratio(None, Contestant::Connect, metric);
        let ratio: Vec<_> = ratio.map(|ratio| (String::new(), ratio.median)).into_iter().collect();
        line(format!("{}, against connect", metric.title()), aim, &ratio);
    }
    out
}
