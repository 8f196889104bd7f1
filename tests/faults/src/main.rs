//! `faults [NAME...] [--short]`: brings faults about and prints what came of them as a table.
//!
//! Exit codes: 0 all is as promised, 1 something was lost, or doubled beyond what is promised, or is not as it
//! should be, 2 wrong usage.

use std::process::ExitCode;
use std::time::Instant;

use cofferdam_e2e::skip_without_kafka;
use cofferdam_faults::{Outcome, Row, Scale, rows};

fn main() -> ExitCode {
    let mut scale = Scale::Full;
    let mut names = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--short" => scale = Scale::Short,
            name if rows().any(|row| row.name == name) => names.push(argument),
            _ => {
                eprintln!("usage: faults [NAME...] [--short], where NAME is one of");
                rows().for_each(|row| eprintln!("  {:24} {}", row.name, row.fault));
                return ExitCode::from(2);
            }
        }
    }
    if skip_without_kafka("faults") {
        return ExitCode::FAILURE;
    }
    let mut good = true;
    line("fault", "runs", "records", "lost", "duplicated", "note");
    for row in rows().filter(|row| names.is_empty() || names.iter().any(|name| name == row.name)) {
        good &= run(row, scale);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[allow(clippy::disallowed_methods, reason = "says how long a row took; nothing waits for it")]
fn run(row: &Row, scale: Scale) -> bool {
    let began = Instant::now();
    let outcome = row.run(scale);
    let seconds = began.elapsed().as_secs();
    match outcome {
        Ok(outcome) => {
            let Outcome { runs, records, lost, duplicated, note, .. } = &outcome;
            let bad = if outcome.is_good() { "" } else { "FAILED: " };
            let note = format!("{bad}{note} ({seconds} s)");
            line(row.fault, &num(*runs), &num(*records), &num(*lost), &num(*duplicated), &note);
            outcome.is_good()
        }
        Err(error) => {
            line(row.fault, "-", "-", "-", "-", &format!("FAILED: {error:#} ({seconds} s)"));
            false
        }
    }
}

fn line(fault: &str, runs: &str, records: &str, lost: &str, duplicated: &str, note: &str) {
    println!("{fault:<56} {runs:>5} {records:>10} {lost:>5} {duplicated:>10}  {note}");
}

/// A number with its thousands apart.
fn num(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
