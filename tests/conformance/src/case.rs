//! Case files: one JSON object a line.
//!
//! A case of transforms names its class under `smt` or `predicate` and has `config`, `input`, and one
//! of `output` (null for a dropped record), `result` and `error`. A case of converters has `converter`,
//! `config`, `direction`, and `schema`, `value`, `bytes` or `error`.
//!
//! Values are given as JsonConverter writes them and, beside it, with a tag on each leaf that names
//! its Java type (`{"int8":-5}`); the second is what counts, the first shows the schema.

use std::path::Path;

use anyhow::{Context as _, bail};
use cofferdam_api::ConfigMap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Calls of transforms and predicates.
    Smt,
    /// Calls of converters.
    Converters,
}

/// One recorded call.
#[derive(Clone, Debug)]
pub struct Case(Value);

/// Reads the cases of a file. Empty lines are left out.
///
/// # Errors
/// When the file cannot be read, or a line is no case; the message names the line.
pub fn load(suite: Suite, file: &Path) -> anyhow::Result<Vec<Case>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            Case::parse(suite, line).with_context(|| format!("{}, line {}", file.display(), at + 1))
        })
        .collect()
}

impl Case {
    /// Reads one line.
    ///
    /// # Errors
    /// When something is missing without which it cannot be run.
    pub fn parse(suite: Suite, line: &str) -> anyhow::Result<Self> {
        let case = Self(serde_json::from_str(line).context("not JSON")?);
        let has = |name: &str| case.get(name).is_string();
        let named = match suite {
            Suite::Smt => (has("smt") || has("predicate")) && case.get("input").is_object(),
            Suite::Converters => has("converter") && has("direction"),
        };
        match (named, suite) {
            (true, _) if case.get("config").is_object() => Ok(case),
            (true, _) => bail!("a case has an object \"config\""),
            (false, Suite::Smt) => bail!("a case has \"smt\" or \"predicate\", and \"input\""),
            (false, Suite::Converters) => bail!("a case has \"converter\" and \"direction\""),
        }
    }

    /// A member; null when it is not there.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        member(&self.0, name)
    }

    /// Whether the member is there, be it null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// Its number in the recording.
    #[must_use]
    pub fn id(&self) -> String {
        self.get("id").to_string()
    }

    /// The class that was called.
    #[must_use]
    pub fn class(&self) -> &str {
        ["smt", "predicate", "converter"].iter().find_map(|name| self.get(name).as_str()).unwrap_or_default()
    }

    /// The class without its package.
    #[must_use]
    pub fn simple_class(&self) -> &str {
        self.class().rsplit('.').next().unwrap_or_default()
    }

    /// The configuration that it was called with.
    #[must_use]
    pub fn config(&self) -> ConfigMap {
        let pairs = self.get("config").as_object().into_iter().flatten();
        pairs
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| {
                (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect()
    }

    /// What Kafka Connect answered, for people.
    #[must_use]
    pub fn answer(&self) -> String {
        let names = ["error", "output", "result", "bytes", "value"];
        names.iter().find(|name| self.has(name)).map(|name| self.get(name).to_string()).unwrap_or_default()
    }

    /// SHA-256 of the case without its number, members in the order of their names: the same case in
    /// another file has the same digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut case = self.0.clone();
        if let Some(members) = case.as_object_mut() {
            members.shift_remove("id");
        }
        case.sort_all_objects();
        Sha256::digest(case.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A member of an object; null when it is not there.
pub(crate) fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}
