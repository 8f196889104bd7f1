//! The log: one event after the other on standard error, for people or as JSON.
//!
//! An event says which connector and task it is about. That comes from its own fields `connector`
//! and `task` or else from the spans around it, so the code that logs need not know. Text of guests
//! cannot forge lines: control characters are escaped, further lines of a message are indented.

use std::fmt::{self, Debug, Write as _};
use std::io::IsTerminal as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How events are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `2026-11-22T21:45:33.123Z INFO  [orders-0] message key=value`
    #[default]
    Human,
    /// One JSON object a line: `time`, `level`, `connector`, `task`, `target`, `message` and the
    /// event's other fields.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is no list of `LEVEL` and `target=LEVEL`.
    #[error(
        "{0:?} is no log filter; use a level (error, warn, info, debug, trace) or a list such as info,cofferdam_kafka=debug"
    )]
    Filter(String),
    /// Somebody else set up the log of this process.
    #[error("the log is set up already")]
    Again,
}

/// Libraries that say at `info` and below what only their authors want to know.
const QUIET: &[&str] =
    &["cranelift_codegen", "cranelift_frontend", "noida", "noida_db", "regalloc2", "ureq", "wasmtime"];

/// Starts logging to standard error. `filter` is a level, or a list of `target=level`.
///
/// # Errors
/// When `filter` cannot be read, or logging was started before.
pub fn init(format: Format, filter: &str) -> Result<(), Error> {
    let color =
        format == Format::Human && std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    subscriber(format, filter, color, std::io::stderr)?.try_init().map_err(|_| Error::Again)
}

fn subscriber<W>(
    format: Format,
    filter: &str,
    color: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().event_format(Lines { format, color }).with_writer(writer);
    Ok(tracing_subscriber::registry().with(env_filter(filter)?).with(Origins).with(lines))
}

/// A single level is meant for Cofferdam: chatty libraries stay at `warn`.
fn env_filter(filter: &str) -> Result<EnvFilter, Error> {
    let mut text = filter.to_owned();
    if filter.parse::<Level>().is_ok() {
        for library in QUIET {
            _ = write!(text, ",{library}=warn");
        }
    }
    EnvFilter::builder().parse(&text).map_err(|_| Error::Filter(filter.to_owned()))
}

/// What an event is about.
#[derive(Clone, Debug, Default)]
struct Origin {
    connector: Option<String>,
    /// A number when it is a task's; the supervisor's spans have the kind of work here.
    task: Option<String>,
    /// How the supervisor calls this work.
    name: Option<String>,
}

impl Origin {
    /// Connector and task, or the name of the work where there are none.
    fn label(&self) -> Option<String> {
        match (&self.connector, self.task_number()) {
            (Some(connector), Some(task)) => Some(format!("{connector}-{task}")),
            (Some(connector), None) => Some(connector.clone()),
            (None, _) => self.name.clone().filter(|name| !name.is_empty()),
        }
    }

    fn task_number(&self) -> Option<u32> {
        self.task.as_ref()?.parse().ok()
    }

    /// A task may be named in full, as `orders-0`.
    fn split_task_id(&mut self) {
        let Some((connector, task)) = self.task.as_ref().and_then(|task| task.rsplit_once('-')) else {
            return;
        };
        if self.connector.is_none() && task.parse::<u32>().is_ok() {
            (self.connector, self.task) = (Some(connector.to_owned()), Some(task.to_owned()));
        }
    }

    /// Fills what is missing from the span around.
    fn inherit(&mut self, outer: &Self) {
        let same = self.connector.is_none() || self.connector == outer.connector;
        self.connector = self.connector.take().or_else(|| outer.connector.clone());
        // A task number belongs to the connector that is named beside it.
        if same {
            self.task = self.task.take().or_else(|| outer.task.clone());
        }
        self.name = self.name.take().or_else(|| outer.name.clone());
    }
}

impl Visit for Origin {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "connector" => self.connector = Some(format!("{value:?}").trim_matches('"').to_owned()),
            "task" => self.task = Some(format!("{value:?}")),
            "name" => self.name = Some(format!("{value:?}").trim_matches('"').to_owned()),
            _ => {}
        }
    }
}

/// Remembers the origin that each span names.
struct Origins;

impl<S: Subscriber + for<'s> LookupSpan<'s>> tracing_subscriber::Layer<S> for Origins {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut origin = Origin::default();
        attributes.record(&mut origin);
        origin.split_task_id();
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(origin);
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    origin: Origin,
    /// Target of a line that came by way of the `log` crate.
    target: Option<String>,
    rest: Vec<(&'static str, serde_json::Value)>,
}

impl Said {
    fn add(&mut self, field: &Field, value: serde_json::Value) {
        let as_text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match field.name() {
            "message" => self.message = as_text(),
            "connector" => self.origin.connector = Some(as_text()),
            "task" => self.origin.task = Some(as_text()),
            "log.target" => self.target = Some(as_text()),
            name if name.starts_with("log.") => {}
            name => self.rest.push((name, value)),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.add(field, text.into());
    }
}

struct Lines {
    format: Format,
    color: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        said.origin.split_task_id();
        for span in context.event_scope().into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Origin>() {
                said.origin.inherit(outer);
            }
        }
        let meta = event.metadata();
        let target = said.target.clone().unwrap_or_else(|| meta.target().to_owned());
        let time = utc(cofferdam_stdx::time::wall_ms());
        match self.format {
            Format::Human => self.human(writer, &time, *meta.level(), &target, &said),
            Format::Json => json(writer, time, *meta.level(), target, said),
        }
    }
}

impl Lines {
    fn human(&self, mut to: Writer<'_>, time: &str, level: Level, target: &str, said: &Said) -> fmt::Result {
        let (on, off) = match level {
            _ if !self.color => ("", ""),
            Level::ERROR => ("\x1b[1;31m", "\x1b[0m"),
            Level::WARN => ("\x1b[33m", "\x1b[0m"),
            Level::INFO => ("\x1b[32m", "\x1b[0m"),
            _ => ("\x1b[2m", "\x1b[0m"),
        };
        write!(to, "{time} {on}{:<5}{off} ", level.as_str())?;
        if let Some(label) = said.origin.label() {
            write!(to, "[{}] ", printable(&label))?;
        }
        write!(to, "{}", printable(&said.message))?;
        for (name, value) in &said.rest {
            match value.as_str() {
                Some(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => {
                    write!(to, " {name}={}", printable(text))?
                }
                Some(text) => write!(to, " {name}={}", printable(&format!("{text:?}")))?,
                None => write!(to, " {name}={value}")?,
            }
        }
        // Where a line comes from matters to those who asked for such lines.
        if level >= Level::DEBUG {
            write!(to, " ({target})")?;
        }
        writeln!(to)
    }
}

fn json(mut to: Writer<'_>, time: String, level: Level, target: String, said: Said) -> fmt::Result {
    let task = said.origin.task_number();
    let work = said.origin.name.filter(|name| said.origin.connector.is_none() && !name.is_empty());
    let mut line = serde_json::Map::new();
    line.insert("time".into(), time.into());
    line.insert("level".into(), level.as_str().into());
    let optional = [
        ("connector", said.origin.connector.map(Into::into)),
        ("task", task.map(Into::into)),
        ("work", work.map(Into::into)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            line.insert(name.to_owned(), value);
        }
    }
    line.insert("target".into(), target.into());
    line.insert("message".into(), said.message.into());
    for (name, value) in said.rest {
        // The fields above are what readers rely on.
        line.entry(name).or_insert(value);
    }
    writeln!(to, "{}", serde_json::Value::Object(line))
}

/// Text without control characters; the lines after the first are indented.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\n    "),
            '\t' => out.push('\t'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// `2026-11-22T21:45:33.123Z`. The calendar of days since 1970 is that of the Gregorian 400-year era,
/// whose years are counted from March so that the leap day is the last.
fn utc(ms: i64) -> String {
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let day = days + 719_468;
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + carry;
    let (s, ms) = (ms / 1_000, ms % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z", s / 3_600, s / 60 % 60, s % 60)
}

#[cfg(test)]
#[path = "logging_tests.rs"]
mod tests;
