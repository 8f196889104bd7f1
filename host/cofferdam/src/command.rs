//! Commands that ask a running worker.

pub(crate) mod connector;
pub(crate) mod plugin;

use serde_json::Value;

use crate::cli::{Output, Remote};
use crate::client::{Answer, Client};
use crate::show;

impl Remote {
    fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.url)
    }

    /// Prints an answer: as it came, or as `human` makes it of its JSON.
    fn show(&self, answer: &Answer, human: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
        match self.output {
            Output::Human => show::print(&human(&answer.json))?,
            Output::Json if answer.text.is_empty() => {}
            Output::Json => show::print(&format!("{}\n", answer.text.trim_end()))?,
        }
        Ok(())
    }
}

/// A text in an answer; empty where there is none.
fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A list in an answer; empty where there is none.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
