//! `departures.jsonl`: the cases in which this worker deliberately answers otherwise, each with its
//! digest ([`Case::digest`]) and the reason.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::Value;

use crate::case::{Case, member};

/// Reasons by digest.
#[derive(Clone, Debug, Default)]
pub struct Departures(HashMap<String, String>);

impl Departures {
    /// Those of this repository.
    ///
    /// # Errors
    /// When a line of the file is wrong.
    pub fn load() -> anyhow::Result<Self> {
        Self::parse(include_str!("../departures.jsonl")).context("departures.jsonl")
    }

    /// One JSON object a line, with `digest` and `reason`.
    ///
    /// # Errors
    /// When a line has not both.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |line: &str| {
            let value: Value = serde_json::from_str(line).ok()?;
            let text =
                |name| member(&value, name).as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            Some((text("digest")?, text("reason")?))
        };
        lines
            .map(|(at, line)| read(line).with_context(|| format!("line {}: no digest or no reason", at + 1)))
            .collect::<anyhow::Result<_>>()
            .map(Self)
    }

    /// Why the case departs, if it does.
    #[must_use]
    pub fn reason(&self, case: &Case) -> Option<&str> {
        self.0.get(&case.digest()).map(String::as_str)
    }

    /// The digests of all of them.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
