//! Recorded answers of Kafka Connect, compared with this worker's own.
//!
//! Each case goes the way that a record goes in a worker: the registry of schemas, the converters, a
//! frame, the shipped guest in its sandbox, and back. What a case file holds is told in [`case`],
//! what is compared in [`smt`] and [`converters`]. Differences that are meant are listed in
//! `departures.jsonl` with their reasons and counted apart.
//!
//! Nothing here decides what is right: the recordings do.

pub mod case;
pub mod config_defs;
pub mod converters;
pub mod departures;
pub mod envelope;
pub mod orders;
pub mod part;
pub mod read;
pub mod report;
pub mod sandbox;
pub mod schema;
pub mod smt;
pub mod write;

use std::path::Path;

use case::{Case, Suite};
use departures::Departures;
use report::{Report, Tally};
use write::Misfit;

/// Runs the cases of `file` and writes what differs to `out`.
///
/// # Errors
/// When the file cannot be read or a line of it is no case, or the guests cannot be started.
pub async fn run(
    suite: Suite,
    file: &Path,
    departures: &Departures,
    out: &mut (dyn std::io::Write + Send),
) -> anyhow::Result<Tally> {
    let cases = case::load(suite, file)?;
    let mut report = Report::new(departures, out);
    match suite {
        Suite::Smt => {
            let guests = sandbox::guests().await?;
            for case in &cases {
                report.add(case, smt::differences(&guests, case).await)?;
            }
        }
        Suite::Converters => {
            for case in &cases {
                report.add(case, converters::differences(case))?;
            }
        }
    }
    Ok(report.finish()?)
}

/// Something of a case that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which part.
    pub part: String,
    /// As recorded.
    pub wanted: String,
    /// As it is here.
    pub got: String,
}

impl Difference {
    fn new(part: impl Into<String>, wanted: impl ToString, got: impl ToString) -> Self {
        Self { part: part.into(), wanted: wanted.to_string(), got: got.to_string() }
    }

    /// A case that cannot be put to this worker at all.
    fn not_representable(case: &Case, why: &Misfit) -> Self {
        Self::new("case", case.answer(), format!("not representable: {why}"))
    }
}

/// Adds a difference unless the two are equal.
fn compare<T: PartialEq + ToString>(found: &mut Vec<Difference>, part: &str, wanted: &T, got: &T) {
    if wanted != got {
        found.push(Difference::new(part, wanted.to_string(), got.to_string()));
    }
}
