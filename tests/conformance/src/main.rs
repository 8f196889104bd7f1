//! `conformance smt FILE` and `conformance converters FILE`: runs a case file, prints what differs, and
//! ends with `N passed, N failed`.
//!
//! The exit status is 0 when all passed, 1 when something failed, 2 when nothing could be run.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use conformance::case::Suite;
use conformance::departures::Departures;

const USAGE: &str = "usage: conformance smt FILE | conformance converters FILE";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (suite, file) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["smt", file] => (Suite::Smt, *file),
        ["converters", file] => (Suite::Converters, *file),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(suite, Path::new(file)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(suite: Suite, file: &Path) -> anyhow::Result<bool> {
    let departures = Departures::load()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let tally = runtime.block_on(conformance::run(suite, file, &departures, &mut out))?;
    out.flush()?;
    Ok(tally.is_good())
}
