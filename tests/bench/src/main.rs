//! `bench [CASE...] [--quick] [--rounds N] [--records N] [--bytes N] [--partitions N] [--json FILE] [--report FILE]`:
//! Cofferdam beside the real Kafka Connect. Without a case everything is measured. Exit codes: 0 all came to an end
//! and moved what it should, whatever the rates; 1 something did not; 2 wrong usage.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use cofferdam_bench::{Bench, Case, Cell, Contestant, Plan, Samples, Size, Table, bare, cases, report};
use cofferdam_e2e::skip_without_kafka;

struct Options {
    plan: Plan,
    rounds: usize,
    json: Option<String>,
    report: Option<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "bare"
    {
        return ended(bare::main(rest));
    }
    let options = match options(&arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!(
                "{error:#}\nusage: bench [CASE...] [--quick] [--rounds N] [--records N] [--bytes N] [--partitions N] \
                 [--json FILE] [--report FILE], with CASE one of"
            );
            cases().iter().for_each(|case| eprintln!("  {}  {}", case.name, case.about));
            eprintln!("  g  many connectors\n  j  latency");
            return ExitCode::from(2);
        }
    };
    if skip_without_kafka("bench") {
        return ExitCode::FAILURE;
    }
    ended(run(&options))
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Everything: all cases with small records and one partition, the same with large ones, and what partitions
/// make a difference for.
fn everything() -> Plan {
    let cell = |records, bytes, partitions, names: &str| Cell {
        size: Size { records, bytes, partitions },
        cases: cases().iter().filter(|case| names.contains(case.name)).copied().collect(),
    };
    Plan {
        contestants: Contestant::WORKERS.to_vec(),
        cells: vec![
            cell(1_000_000, 99, 1, "abcdef"),
            cell(150_000, 1_023, 1, "abcdef"),
            cell(500_000, 99, 4, "abd"),
            cell(150_000, 1_023, 4, "abd"),
        ],
        warm_up: 100_000,
        crowds: vec![200],
        crowds_once: vec![1_000],
        latency: Some(Duration::from_secs(20)),
    }
}

/// What a change can be judged by within three minutes.
fn quick() -> Plan {
    let size = Size { records: 200_000, bytes: 99, partitions: 1 };
    Plan {
        contestants: vec![Contestant::Cofferdam, Contestant::Connect],
        cells: vec![Cell { size, cases: cases().to_vec() }],
        warm_up: 0,
        crowds: vec![20],
        crowds_once: vec![],
        latency: Some(Duration::from_secs(3)),
    }
}

fn options(arguments: &[String]) -> anyhow::Result<Options> {
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let mut plan = if is_quick { quick() } else { everything() };
    let (mut rounds, mut json, mut report) = (if is_quick { 1 } else { 3 }, None, None);
    let (mut chosen, mut size): (Vec<Case>, Option<Size>) = (Vec::new(), None);
    let (mut crowds, mut latency) = (false, false);
    let first = plan.cells.first().context("a plan without cells")?.size;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => {}
            "--rounds" => rounds = value()?.parse()?,
            "--records" => size.get_or_insert(first).records = value()?.parse()?,
            "--bytes" => size.get_or_insert(first).bytes = value()?.parse()?,
            "--partitions" => size.get_or_insert(first).partitions = value()?.parse()?,
            "--json" => json = Some(value()?.clone()),
            "--report" => report = Some(value()?.clone()),
            "g" => crowds = true,
            "j" => latency = true,
            name => {
                let case = cases().iter().find(|case| case.name == name);
                chosen.push(*case.with_context(|| format!("there is no case or option {name}"))?);
            }
        }
    }
    if crowds || latency || !chosen.is_empty() {
        if !crowds {
            plan.crowds.clear();
            plan.crowds_once.clear();
        }
        plan.latency = plan.latency.filter(|_| latency);
        for cell in &mut plan.cells {
            cell.cases.retain(|case| chosen.iter().any(|chosen| chosen.name == case.name));
        }
    }
    if let Some(size) = size {
        plan.cells.truncate(1);
        plan.cells.iter_mut().for_each(|cell| cell.size = size);
    }
    plan.cells.retain(|cell| !cell.cases.is_empty());
    Ok(Options { plan, rounds, json, report })
}

fn run(options: &Options) -> anyhow::Result<()> {
    let Options { plan, rounds, json, report: file } = options;
    let mut bench = Bench::new(plan)?;
    let mut samples = Samples::default();
    for round in 1..=*rounds {
        bench.round(plan, round, &mut samples)?;
        // Whatever happens later, this much is known.
        if let Some(file) = json {
            let json = Table::new(plan, &samples).json();
            std::fs::write(file, format!("{json:#}\n")).with_context(|| format!("write {file}"))?;
        }
    }
    println!("{}", Table::legend());
    println!("Rounds: {rounds}. Medians, and × how many times better, with the smallest and the largest");
    println!("{}", Table::new(plan, &samples).markdown());
    if let Some(file) = file {
        std::fs::write(file, report(plan, *rounds, &samples)).with_context(|| format!("write {file}"))?;
    }
    Ok(())
}
