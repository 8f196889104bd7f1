//! What was measured, as tables and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Contestant;
use crate::case::cases;
use crate::run::{Cell, Plan, Size};
use crate::sample::{Metric, Samples};
use crate::spread::Spread;

/// A comparison, ready to be shown.
#[derive(Debug)]
pub struct Table<'a> {
    plan: &'a Plan,
    samples: &'a Samples,
}

/// What a row is of: a case with records of one size, or a worker.
type Of = Option<(Size, &'static str)>;

impl<'a> Table<'a> {
    /// Of what was planned.
    #[must_use]
    pub const fn new(plan: &'a Plan, samples: &'a Samples) -> Self {
        Self { plan, samples }
    }

    /// Tables of Markdown: the median of each contestant, and how many times better Cofferdam is than the others,
    /// with the smallest and the largest of the rounds.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for cell in &self.plan.cells {
            for metric in [Metric::PerCpuSecond, Metric::PerSecond] {
                _ = writeln!(out, "\n**{}**, {}\n", metric.title(), of_size(cell.size));
                self.head(&mut out, "case");
                for case in &cell.cases {
                    let of = Some((cell.size, case.name));
                    _ = writeln!(out, "| {} | {} |", case.name, self.row(of, metric));
                }
            }
        }
        let metrics = self.samples.worker_metrics();
        if !metrics.is_empty() {
            _ = writeln!(out, "\n**The worker**, less is better\n");
            self.head(&mut out, "figure");
            for metric in metrics {
                _ = writeln!(out, "| {} | {} |", metric.title(), self.row(None, metric));
            }
        }
        out
    }

    /// What the letters of the cases stand for.
    #[must_use]
    pub fn legend() -> String {
        cases().iter().fold(String::new(), |mut out, case| {
            _ = writeln!(out, "* {}: {}", case.name, case.about);
            out
        })
    }

    /// Every figure of every round.
    #[must_use]
    pub fn json(&self) -> Value {
        let figure = |of: Of, metric: Metric| -> Value {
            let series =
                |who: &Contestant| (who.name().to_owned(), json!(self.samples.series(of, *who, metric)));
            let all = self.plan.contestants.iter().chain([&Contestant::Bare]).map(series);
            Value::Object(all.filter(|(_, figures)| figures != &json!([])).collect())
        };
        let of_cell = |cell: &Cell| {
            let of_case = |name: &'static str| {
                let figures = |metric| figure(Some((cell.size, name)), metric);
                json!({"per_cpu_second": figures(Metric::PerCpuSecond), "per_second": figures(Metric::PerSecond)})
            };
            let cases: serde_json::Map<String, Value> =
                cell.cases.iter().map(|case| (case.name.to_owned(), of_case(case.name))).collect();
            let Size { records, bytes, partitions } = cell.size;
            json!({"records": records, "bytes": bytes, "partitions": partitions, "cases": cases})
        };
        let workers: serde_json::Map<String, Value> =
            self.samples.worker_metrics().into_iter().map(|it| (it.title(), figure(None, it))).collect();
        json!({"cells": self.plan.cells.iter().map(of_cell).collect::<Vec<_>>(), "workers": workers})
    }

    /// How many times better Cofferdam is than `other`, round by round.
    #[must_use]
    pub fn ratio(&self, of: Of, other: Contestant, metric: Metric) -> Option<Spread> {
        let [ours, theirs] = [Contestant::Cofferdam, other].map(|who| self.samples.series(of, who, metric));
        if metric.more_is_better() {
            Spread::of_ratios(&ours, &theirs)
        } else {
            Spread::of_ratios(&theirs, &ours)
        }
    }

    fn others(&self) -> impl Iterator<Item = Contestant> {
        let ours = Contestant::Cofferdam;
        self.plan.contestants.iter().copied().chain([Contestant::Bare]).filter(move |who| *who != ours)
    }

    fn head(&self, out: &mut String, first: &str) {
        _ = write!(out, "| {first} | {}", Contestant::Cofferdam.name());
        self.others().for_each(|who| _ = write!(out, " | {}", who.name()));
        self.others().for_each(|who| _ = write!(out, " | × {}", who.name()));
        let columns = 1 + 2 * self.others().count();
        _ = writeln!(out, " |\n| ---{} |", " | --:".repeat(columns));
    }

    fn row(&self, of: Of, metric: Metric) -> String {
        let median = |who| {
            let spread = Spread::of(&self.samples.series(of, who, metric));
            spread.map_or_else(String::new, |spread| number(spread.median))
        };
        let ratio = |who| {
            let spread = self.ratio(of, who, metric);
            spread.map_or_else(String::new, |ratio| ratio.to_string())
        };
        let medians = [Contestant::Cofferdam].into_iter().chain(self.others()).map(median);
        medians.chain(self.others().map(ratio)).collect::<Vec<_>>().join(" | ")
    }
}

/// In words.
pub(crate) fn of_size(size: Size) -> String {
    let Size { records, bytes, partitions } = size;
    let partitions =
        if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") };
    format!("{} records of {bytes} bytes, {partitions}", number(records as f64))
}

/// With its thousands apart, and decimals where it is small.
pub(crate) fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
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

    #[test]
    fn a_row_shows_medians_and_ratios_round_by_round() {
        let size = Size { records: 1_000_000, bytes: 99, partitions: 1 };
        let cases = cases().iter().filter(|case| case.name == "a").copied().collect();
        let plan = Plan {
            contestants: vec![Contestant::Cofferdam, Contestant::Connect],
            cells: vec![Cell { size, cases }],
            warm_up: 0,
            crowds: Vec::new(),
            crowds_once: Vec::new(),
            latency: None,
        };
        let mut samples = Samples::default();
        for (ours, theirs) in [(1e6, 125e3), (1e6, 200e3)] {
            samples.of_case(size, "a", Contestant::Cofferdam, Metric::PerCpuSecond, ours);
            samples.of_case(size, "a", Contestant::Connect, Metric::PerCpuSecond, theirs);
        }
        samples.of_worker(Contestant::Cofferdam, Metric::Start, 0.5);
        samples.of_worker(Contestant::Connect, Metric::Start, 10.0);
        let text = Table::new(&plan, &samples).markdown();
        assert!(text.contains("| a | 1,000,000 | 162,500 |  | 6.50 (5.00..8.00) |  |"), "{text}");
        assert!(text.contains("answers, s | 0.50 | 10.0 |  | 20.00 (20.00..20.00) |  |"), "{text}");
    }
}
