//! What was measured, as ratios.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::run::{Measured, Result};
use crate::spread::Spread;
use crate::{Case, Contestant};

/// A figure of a run.
type Figure = fn(&Result) -> f64;

const FIGURES: [(&str, &str, Figure); 2] = [
    ("per_cpu_second", "records per CPU-second", |result| result.records as f64 / result.cpu),
    ("per_second", "records per second", |result| result.records as f64 / result.wall),
];

/// A comparison, ready to be shown.
#[derive(Debug)]
pub struct Table<'a> {
    cases: &'a [Case],
    measured: &'a Measured,
}

impl<'a> Table<'a> {
    /// Of these cases.
    #[must_use]
    pub const fn new(cases: &'a [Case], measured: &'a Measured) -> Self {
        Self { cases, measured }
    }

    /// Rows of Markdown: the medians of each contestant, and how many times better Cofferdam is than the others.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for (_, title, figure) in FIGURES {
            self.head(&mut out, title);
            for case in self.cases {
                let of = |who| self.series(case.name, who, figure);
                let row = row(of, |ours, theirs| (ours.to_vec(), theirs.to_vec()));
                // Writing to a String cannot fail.
                _ = writeln!(out, "| {} {} | {row} |", case.name, case.about);
            }
        }
        self.head(&mut out, "less is better");
        for (title, what) in [("start, s", 0), ("memory at rest, MiB", 1), ("memory at most, MiB", 2)] {
            let of = |who| self.upkeep(who, what);
            let row = row(of, |ours, theirs| (theirs.to_vec(), ours.to_vec()));
            _ = writeln!(out, "| {title} | {row} |");
        }
        out
    }

    /// Every figure of every round.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut cases = BTreeMap::new();
        for case in self.cases {
            let mut of_case = BTreeMap::new();
            for who in Contestant::ALL {
                let figures: BTreeMap<_, _> = FIGURES
                    .iter()
                    .map(|(name, _, figure)| (*name, self.series(case.name, who, *figure)))
                    .collect();
                of_case.insert(who.name(), figures);
            }
            cases.insert(case.name, of_case);
        }
        let upkeep: BTreeMap<_, _> = Contestant::ALL
            .iter()
            .map(|who| {
                let figures = json!({
                    "start_s": self.upkeep(*who, 0), "idle_mib": self.upkeep(*who, 1), "peak_mib": self.upkeep(*who, 2),
                });
                (who.name(), figures)
            })
            .collect();
        json!({"cases": cases, "workers": upkeep})
    }

    fn head(&self, out: &mut String, title: &str) {
        _ = self;
        _ = writeln!(
            out,
            "\n| {title} | cofferdam | connect | connect-tuned | × connect | × connect-tuned |"
        );
        _ = writeln!(out, "| --- | --: | --: | --: | --: | --: |");
    }

    fn series(&self, case: &str, who: Contestant, figure: Figure) -> Vec<f64> {
        let of_it = self.measured.results.iter().filter(|it| it.case == case && it.contestant == who);
        of_it.map(figure).collect()
    }

    fn upkeep(&self, who: Contestant, what: usize) -> Vec<f64> {
        let of_it = self.measured.upkeep.iter().filter(|it| it.contestant == who);
        of_it
            .map(|it| match what {
                0 => it.start,
                1 => it.idle as f64 / 1024.0,
                _ => it.peak as f64 / 1024.0,
            })
            .collect()
    }
}

/// The cells of a row. `sides` says what is divided by what.
fn row(
    of: impl Fn(Contestant) -> Vec<f64>,
    sides: impl Fn(&[f64], &[f64]) -> (Vec<f64>, Vec<f64>),
) -> String {
    let medians = Contestant::ALL
        .iter()
        .map(|who| Spread::of(&of(*who)).map_or_else(|| "-".to_owned(), |spread| number(spread.median)));
    let ours = of(Contestant::Cofferdam);
    let ratios = [Contestant::Connect, Contestant::Tuned].map(|who| {
        let (above, below) = sides(&ours, &of(who));
        Spread::of_ratios(&above, &below).map_or_else(|| "-".to_owned(), |ratio| ratio.to_string())
    });
    medians.chain(ratios).collect::<Vec<_>>().join(" | ")
}

/// Whole, with its thousands apart, unless it is small.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;
    use crate::run::Upkeep;

    #[test]
    fn a_row_shows_medians_and_ratios_round_by_round() {
        let result = |contestant, cpu| Result { case: "a", contestant, records: 1_000_000, cpu, wall: 2.0 };
        let measured = Measured {
            results: vec![
                result(Contestant::Cofferdam, 1.0),
                result(Contestant::Connect, 8.0),
                result(Contestant::Cofferdam, 1.0),
                result(Contestant::Connect, 6.0),
            ],
            upkeep: vec![
                Upkeep { contestant: Contestant::Cofferdam, start: 0.5, idle: 10_240, peak: 20_480 },
                Upkeep { contestant: Contestant::Connect, start: 10.0, idle: 102_400, peak: 204_800 },
            ],
        };
        let cases: Vec<Case> = cases().iter().filter(|case| case.name == "a").copied().collect();
        let text = Table::new(&cases, &measured).markdown();
        assert!(text.contains("| 1,000,000 | 145,833 | - | 7.00 (6.00..8.00) | - |"), "{text}");
        assert!(text.contains("| start, s | 0.5 | 10.0 | - | 20.00 (20.00..20.00) | - |"), "{text}");
    }
}
