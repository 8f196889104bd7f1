//! What is printed of a run, and its count.

use std::io::{self, Write};

use crate::Difference;
use crate::case::Case;
use crate::departures::Departures;

/// One case in a hundred may depart, no more.
const DEPARTURES_MAX_PER_CENT: usize = 1;

/// The count of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases that are as recorded.
    pub passed: usize,
    /// Cases that are not.
    pub failed: usize,
    /// Cases that are not, and are not meant to be.
    pub departed: usize,
}

impl Tally {
    /// Whether more cases depart than may.
    #[must_use]
    pub const fn departs_too_much(&self) -> bool {
        self.departed * 100 > (self.passed + self.failed + self.departed) * DEPARTURES_MAX_PER_CENT
    }

    /// Whether the run is good.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.failed == 0 && !self.departs_too_much()
    }
}

/// Prints differences as they come and counts.
pub struct Report<'a> {
    departures: &'a Departures,
    out: &'a mut (dyn Write + Send),
    tally: Tally,
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl<'a> Report<'a> {
    /// Nothing counted yet.
    pub fn new(departures: &'a Departures, out: &'a mut (dyn Write + Send)) -> Self {
        Self { departures, out, tally: Tally::default() }
    }

    /// Counts a case by what differs of it.
    ///
    /// # Errors
    /// When nothing can be printed.
    pub fn add(&mut self, case: &Case, differences: Vec<Difference>) -> io::Result<()> {
        match (self.departures.reason(case), differences.is_empty()) {
            (None, true) => self.tally.passed += 1,
            (Some(_), false) => self.tally.departed += 1,
            (Some(reason), true) => {
                self.tally.passed += 1;
                writeln!(self.out, "{}: passes, its departure is no longer needed: {reason}", title(case))?;
            }
            (None, false) => {
                self.tally.failed += 1;
                writeln!(self.out, "{}", title(case))?;
                for Difference { part, wanted, got } in differences {
                    writeln!(self.out, "    {part}: wanted {wanted}")?;
                    writeln!(self.out, "    {:1$}  got    {got}", "", part.len())?;
                }
            }
        }
        Ok(())
    }

    /// Prints the count.
    ///
    /// # Errors
    /// When nothing can be printed.
    pub fn finish(self) -> io::Result<Tally> {
        let Self { out, tally, .. } = self;
        if tally.departs_too_much() {
            writeln!(out, "more than {DEPARTURES_MAX_PER_CENT} % of the cases depart")?;
        }
        if tally.departed > 0 {
            writeln!(out, "{} deliberate departures (tests/conformance/departures.jsonl)", tally.departed)?;
        }
        writeln!(out, "{} passed, {} failed", tally.passed, tally.failed)?;
        Ok(tally)
    }
}

/// Number, class, configuration and record of a case.
fn title(case: &Case) -> String {
    let class = case.simple_class();
    let what = ["record", "direction"].iter().find_map(|name| case.get(name).as_str()).unwrap_or_default();
    format!("case {} {class} {} {what}", case.id(), case.get("config"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Suite;

    fn case(id: u32) -> Case {
        let line =
            format!(r#"{{"smt":"a.B$C","config":{{"k":"v"}},"record":"flat","input":{{}},"id":{id}}}"#);
        Case::parse(Suite::Smt, &line).unwrap()
    }

    fn differs() -> Vec<Difference> {
        vec![Difference::new("topic", "a", "b")]
    }

    fn run(departures: &Departures, cases: &[(Case, Vec<Difference>)]) -> (Tally, String) {
        let mut out = Vec::new();
        let mut report = Report::new(departures, &mut out);
        for (case, differences) in cases {
            report.add(case, differences.clone()).unwrap();
        }
        let tally = report.finish().unwrap();
        (tally, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_failure_is_shown_in_full_and_the_count_comes_last() {
        let (tally, text) = run(&Departures::default(), &[(case(1), vec![]), (case(2), differs())]);
        assert!(!tally.is_good());
        let expected =
            "case 2 B$C {\"k\":\"v\"} flat\n    topic: wanted a\n           got    b\n1 passed, 1 failed\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn departures_are_counted_apart_up_to_one_in_a_hundred() {
        let line = format!(r#"{{"digest":"{}","id":7,"reason":"a Java object id"}}"#, case(7).digest());
        let departures = Departures::parse(&line).unwrap();
        // The digest does not know the number.
        assert_eq!(departures.reason(&case(8)), Some("a Java object id"));
        let other = || Case::parse(Suite::Smt, r#"{"smt":"x","config":{},"input":{}}"#).unwrap();
        let mut cases: Vec<_> = (0..99).map(|_| (other(), vec![])).collect();
        cases.push((case(7), differs()));
        let (tally, text) = run(&departures, &cases);
        assert!(tally.is_good());
        assert_eq!(
            text,
            "1 deliberate departures (tests/conformance/departures.jsonl)\n99 passed, 0 failed\n"
        );
        cases.pop();
        cases.extend([(case(7), differs()), (case(7), differs())]);
        let (tally, text) = run(&departures, &cases);
        assert!(!tally.is_good() && text.starts_with("more than 1 % of the cases depart\n"), "{text}");
    }

    #[test]
    fn a_departure_that_passes_is_named() {
        let line = format!(r#"{{"digest":"{}","reason":"r"}}"#, case(7).digest());
        let (tally, text) = run(&Departures::parse(&line).unwrap(), &[(case(7), vec![])]);
        assert_eq!((tally.passed, tally.departed), (1, 0));
        assert!(text.contains("its departure is no longer needed: r"), "{text}");
    }
}
