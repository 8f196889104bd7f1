//! `bench [CASE...] [--quick] [--rounds N] [--records N] [--bytes N] [--partitions N] [--json FILE]`: Cofferdam
//! beside the real Kafka Connect. Exit codes: 0 all came to an end and moved what it should, whatever the rates;
//! 1 something did not; 2 wrong usage.

use std::process::ExitCode;

use anyhow::Context as _;
use cofferdam_bench::{Bench, Case, Contestant, Measured, Size, Table, cases};
use cofferdam_e2e::skip_without_kafka;

struct Options {
    cases: Vec<Case>,
    rounds: usize,
    size: Size,
    json: Option<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!(
                "{error:#}\nusage: bench [CASE...] [--quick] [--rounds N] [--records N] [--bytes N] [--partitions N] [--json FILE], with CASE one of"
            );
            cases().iter().for_each(|case| eprintln!("  {}  {}", case.name, case.about));
            return ExitCode::from(2);
        }
    };
    if skip_without_kafka("bench") {
        return ExitCode::FAILURE;
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options {
        cases: Vec::new(),
        rounds: 3,
        size: Size { records: 1_000_000, bytes: 99, partitions: 1 },
        json: None,
    };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => {
                options.rounds = 1;
                options.size.records = 200_000;
            }
            "--rounds" => options.rounds = value()?.parse()?,
            "--records" => options.size.records = value()?.parse()?,
            "--bytes" => options.size.bytes = value()?.parse()?,
            "--partitions" => options.size.partitions = value()?.parse()?,
            "--json" => options.json = Some(value()?),
            name => {
                let case = cases().iter().find(|case| case.name == name);
                options.cases.push(*case.with_context(|| format!("there is no case or option {name}"))?);
            }
        }
    }
    if options.cases.is_empty() {
        options.cases = cases().to_vec();
    }
    Ok(options)
}

fn run(options: &Options) -> anyhow::Result<()> {
    let mut bench = Bench::new(options.size)?;
    let mut measured = Measured::default();
    for round in 1..=options.rounds {
        for contestant in Contestant::ALL {
            eprintln!("round {round} of {}: {}", options.rounds, contestant.name());
            bench.turn(contestant, round, &options.cases, &mut measured)?;
        }
    }
    let table = Table::new(&options.cases, &measured);
    let Size { records, bytes, partitions } = options.size;
    println!(
        "{records} records of {bytes} bytes, {partitions} partition(s), {} round(s); medians, ratios with smallest and largest",
        options.rounds
    );
    println!("{}", table.markdown());
    if let Some(file) = &options.json {
        std::fs::write(file, format!("{:#}\n", table.json())).with_context(|| format!("write {file}"))?;
    }
    Ok(())
}
