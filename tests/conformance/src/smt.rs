//! Cases of transforms and predicates: one record through one step.
//!
//! Compared are topic, partition, timestamp, offset, key, value and headers with their schemas, what
//! a predicate answers, whether the record was dropped; of errors their phase, class and message.

use std::sync::Arc;

use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_converters::{Converter, Side};
use cofferdam_frame::{Builder, Entry, Flags, Frame, Position, Record, Span};
use cofferdam_plugins::{CallError, GuestError, PluginInfo, PluginKind, Plugins, TransformStep, Usage};
use cofferdam_runtime::Thrown;
use serde_json::Value;

use crate::case::{Case, member};
use crate::part::{Part, Recorded};
use crate::sandbox::spec;
use crate::write::Misfit;
use crate::{Difference, compare};

const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";

/// What became of the record of a case.
enum Answer {
    /// The predicate's answer.
    Predicate(bool),
    /// The transform's output.
    Records(Vec<Output>),
    /// It failed.
    Failed { phase: &'static str, class: String, message: String },
}

/// The record of a case, as the host holds it.
struct Input {
    topic: String,
    partition: Option<i32>,
    timestamp: Option<i64>,
    log_append_time: bool,
    /// A sink's record has one.
    offset: Option<i64>,
    key: Part,
    value: Part,
    headers: Vec<(String, Part)>,
}

/// A record behind a transform.
struct Output {
    topic: String,
    partition: Option<i32>,
    timestamp: Option<i64>,
    offset: Option<i64>,
    key: Part,
    value: Part,
    headers: Vec<(String, Part)>,
}

/// What a case is run with: schemas and converters belong to a task, and each case is one.
struct Task<'a> {
    plugins: &'a Plugins,
    schemas: Arc<Schemas>,
    json: Converter,
}

/// What of `case` is not as recorded.
pub async fn differences(plugins: &Plugins, case: &Case) -> Vec<Difference> {
    let json = match Converter::new("JsonConverter", &ConfigMap::new(), Side::Value) {
        Ok(json) => json,
        Err(error) => return vec![Difference::new("JsonConverter", "", error)],
    };
    let task = Task { plugins, schemas: Arc::default(), json };
    match task.input(case.get("input")) {
        Err(why) => vec![Difference::not_representable(case, &why)],
        Ok(input) => match task.run(case, &input).await {
            Err(problem) => vec![Difference::new("case", case.answer(), problem)],
            Ok(answer) => task.compare(case, answer),
        },
    }
}

impl Task<'_> {
    fn input(&self, recorded: &Value) -> Result<Input, Misfit> {
        let part = |recorded: Recorded<'_>| recorded.part(&self.schemas, &self.json);
        let header = |header| -> Result<_, Misfit> {
            let name = member(header, "key").as_str().ok_or("a header without a name")?;
            Ok((name.to_owned(), part(Recorded::header(header))?))
        };
        let headers = member(recorded, "headers").as_array().into_iter().flatten();
        Ok(Input {
            topic: member(recorded, "topic").as_str().ok_or("a record without a topic")?.to_owned(),
            partition: member(recorded, "partition").as_i64().and_then(|number| i32::try_from(number).ok()),
            timestamp: member(recorded, "timestamp").as_i64(),
            log_append_time: member(recorded, "timestamp_type") == "LogAppendTime",
            offset: member(recorded, "offset").as_i64(),
            key: part(Recorded::of(recorded, "key"))?,
            value: part(Recorded::of(recorded, "value"))?,
            headers: headers.map(header).collect::<Result<_, _>>()?,
        })
    }

    /// # Errors
    /// When the case cannot be run here, or the guest does what no guest should.
    async fn run(&self, case: &Case, input: &Input) -> Result<Answer, String> {
        let is_predicate = case.get("predicate").is_string();
        let kind = if is_predicate { PluginKind::Predicate } else { PluginKind::Transform };
        let (class, config) = (case.class(), case.config());
        let info = self.plugins.plugin(class, &[kind]).ok_or_else(|| format!("no plugin {class}"))?;
        // Kafka Connect parses by the definition first, and stops at the first fault.
        if let Some((_, message)) = info.config_def.parse(&config).errors.first() {
            return Ok(Answer::configure(CONFIG_EXCEPTION, message));
        }
        let spec = spec(&info.class, config.clone(), &self.schemas, &Arc::new(Usage::default()));
        let batch = frame(input, &info)?;
        if is_predicate {
            return Ok(match self.plugins.predicate(spec).await {
                Err(error) => Answer::failed("configure", &error)?,
                Ok(mut predicate) => match predicate.test(&batch).await {
                    Err(error) => Answer::failed("test", &error)?,
                    Ok(answers) => Answer::Predicate(answers.first() == Some(&true)),
                },
            });
        }
        let step = TransformStep { class: info.class.clone(), config, condition: None };
        Ok(match self.plugins.transform(spec, &[step]).await {
            Err(error) => Answer::failed("configure", &error)?,
            Ok(mut transform) => match transform.apply(&batch).await {
                Err(error) => Answer::failed("apply", &error)?,
                Ok(done) => match done.bad.first() {
                    Some(bad) => Answer::thrown("apply", &Thrown::by_record(&bad.message)),
                    None => Answer::Records(outputs(input, &done.output)?),
                },
            },
        })
    }

    fn compare(&self, case: &Case, answer: Answer) -> Vec<Difference> {
        let mut found = Vec::new();
        match answer {
            Answer::Failed { phase, class, message } if case.has("error") => {
                let error = case.get("error");
                let recorded = |name| member(error, name).as_str().unwrap_or_default().to_owned();
                compare(&mut found, "phase", &recorded("phase"), &phase.to_owned());
                compare(&mut found, "class", &recorded("class"), &class);
                let (wanted, got) = (recorded("message"), message);
                if without_identities(&wanted) != without_identities(&got) {
                    found.push(Difference::new("message", wanted, got));
                }
            }
            Answer::Predicate(got) if case.has("result") => {
                compare(&mut found, "result", case.get("result"), &Value::Bool(got));
            }
            Answer::Records(outputs) if case.has("output") => match (case.get("output"), &*outputs) {
                (Value::Null, []) => {}
                (Value::Object(_), [output]) => self.compare_record(case.get("output"), output, &mut found),
                (wanted, outputs) => {
                    found.push(Difference::new("record", wanted, format!("{} records", outputs.len())));
                }
            },
            other => found.push(Difference::new("case", case.answer(), other.describe())),
        }
        found
    }

    fn compare_record(&self, recorded: &Value, got: &Output, found: &mut Vec<Difference>) {
        let got_fields = [
            ("topic", Value::from(got.topic.as_str())),
            ("partition", Value::from(got.partition)),
            ("timestamp", Value::from(got.timestamp)),
            ("offset", Value::from(got.offset)),
        ];
        for (name, got) in got_fields {
            compare(found, name, member(recorded, name), &got);
        }
        for (name, part) in [("key", &got.key), ("value", &got.value)] {
            Recorded::of(recorded, name).compare(name, &self.schemas, &self.json, part, found);
        }
        let wanted: Vec<&Value> = member(recorded, "headers").as_array().into_iter().flatten().collect();
        let names = |names: Vec<&str>| names.join(", ");
        let wanted_names = names(wanted.iter().filter_map(|header| member(header, "key").as_str()).collect());
        let got_names = names(got.headers.iter().map(|(name, _)| name.as_str()).collect());
        compare(found, "headers", &wanted_names, &got_names);
        if wanted_names == got_names {
            for (wanted, (name, part)) in wanted.into_iter().zip(&got.headers) {
                let name = format!("header {name}");
                Recorded::header(wanted).compare(&name, &self.schemas, &self.json, part, found);
            }
        }
    }
}

impl Answer {
    fn configure(class: &str, message: &str) -> Self {
        Self::Failed { phase: "configure", class: class.to_owned(), message: message.to_owned() }
    }

    /// # Errors
    /// When the guest did not answer, or not in a way that a task would report as the record's or the
    /// configuration's fault.
    fn failed(phase: &'static str, error: &CallError) -> Result<Self, String> {
        match error {
            CallError::Guest(GuestError::Config(problems)) => {
                let first = problems.first().map(|(_, message)| message.as_str());
                Ok(Self::Failed {
                    phase,
                    class: CONFIG_EXCEPTION.to_owned(),
                    message: first.unwrap_or_default().to_owned(),
                })
            }
            CallError::Guest(GuestError::BadRecords(records)) => {
                let first = records.first().map(|bad| bad.message.as_str());
                Ok(Self::thrown(phase, &Thrown::by_record(first.unwrap_or_default())))
            }
            CallError::Guest(_) => Ok(Self::thrown(phase, &Thrown::by_call(error))),
            error => Err(error.trace()),
        }
    }

    fn thrown(phase: &'static str, thrown: &Thrown) -> Self {
        let message = thrown.message().unwrap_or_default().to_owned();
        Self::Failed { phase, class: thrown.class().to_owned(), message }
    }

    fn describe(&self) -> String {
        match self {
            Self::Predicate(answer) => answer.to_string(),
            Self::Records(outputs) => format!("{} records", outputs.len()),
            Self::Failed { phase, class, message } => format!("{phase}: {class}: {message}"),
        }
    }
}

/// The frame that the worker would hand over: without what the plugin never looks at.
fn frame(input: &Input, info: &PluginInfo) -> Result<Vec<u8>, String> {
    let mut out = Builder::default();
    let mut entry = Entry::new(out.topic(&input.topic).map_err(|error| error.to_string())?);
    entry.partition = input.partition;
    entry.timestamp = input.timestamp;
    if input.log_append_time {
        entry.flags = Flags::LOG_APPEND_TIME;
    }
    entry.position = input.offset.map_or(Position::None, Position::Kafka);
    if info.needs_key {
        entry.key = out.put_option(input.key.bytes.as_deref());
        entry.key_schema = input.key.schema;
    }
    if info.needs_value {
        entry.value = out.put_option(input.value.bytes.as_deref());
        entry.value_schema = input.value.schema;
    }
    if info.needs_headers {
        let mut block = Span { at: 0, len: 0 };
        for (name, part) in &input.headers {
            out.header(&mut block, name, part.schema, part.bytes.as_deref());
            entry.n_headers += 1;
        }
        entry.headers = block;
    }
    out.push(&entry);
    Ok(out.finish())
}

/// What the guest answered, completed with what it kept.
fn outputs(input: &Input, output: &[u8]) -> Result<Vec<Output>, String> {
    let frame = Frame::parse(output).map_err(|error| error.to_string())?;
    Ok(frame.iter().map(|record| merge(input, &record)).collect())
}

fn merge(input: &Input, made: &Record<'_>) -> Output {
    let flags = made.entry.flags;
    let part = |flag, kept: &Part, schema, bytes: Option<&[u8]>| {
        if flags.has(flag) { kept.clone() } else { Part { schema, bytes: bytes.map(<[u8]>::to_vec) } }
    };
    let mut headers = if flags.has(Flags::KEEP_HEADERS) { input.headers.clone() } else { Vec::new() };
    headers.extend(made.headers().map(|header| {
        let bytes = header.value.map(<[u8]>::to_vec);
        (header.key.to_owned(), Part { schema: header.schema, bytes })
    }));
    Output {
        topic: made.topic().to_owned(),
        partition: made.entry.partition,
        timestamp: made.entry.timestamp,
        // Not the transform's to change.
        offset: input.offset,
        key: part(Flags::KEEP_KEY, &input.key, made.entry.key_schema, made.key()),
        value: part(Flags::KEEP_VALUE, &input.value, made.entry.value_schema, made.value()),
        headers,
    }
}

/// A message without the identities of Java's objects (`Spec@5f049ea1`), which differ from one run of
/// Kafka Connect to the next.
fn without_identities(message: &str) -> String {
    let mut parts = message.split('@');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let hex = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push('@');
        out.push_str(if (1..=8).contains(&hex) { part.get(hex..).unwrap_or_default() } else { part });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_identities;

    #[test]
    fn identities_of_objects_do_not_count() {
        assert_eq!(without_identities("No value: a.B$C@5f049ea1"), without_identities("No value: a.B$C@1"));
        assert_ne!(without_identities("a@example"), without_identities("b@example"));
        assert_eq!(without_identities("x@zone, y"), "x@zone, y");
    }
}
