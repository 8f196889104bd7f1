//! The source. Task `i` of `n` makes the records `i`, `i + n`, `i + 2n`, …: together the tasks make
//! each record of the sequence once.

use std::time::Instant;

use cofferdam_sdk::config::{Pairs, Problems};
use cofferdam_sdk::json::{self, Object};
use cofferdam_sdk::{
    BatchWriter, Config, ConfigDef, Connector, Error, Key, PluginInfo, Problem, Result, SchemaId, Source,
    SourceContext, rows, schemas,
};

use crate::dice::Dice;
use crate::pace::Pace;
use crate::template::Template;

const TOPIC: &str = "topic";
const TEMPLATE: &str = "template";
const COUNT: &str = "count";
const RATE: &str = "rate";
const SEED: &str = "seed";
const BATCH_SIZE: &str = "batch.size";
/// What the connector adds to the configuration of each task.
const TASK: &str = "datagen.task";
const TASKS: &str = "datagen.tasks";

pub(crate) struct DatagenSource {
    topic: String,
    template: Template,
    seed: u64,
    batch_size: usize,
    pace: Pace,
    /// The source partition, as it is written.
    partition: String,
    /// Number of the next record.
    next: i64,
    /// From one record of this task to its next.
    step: i64,
    /// Behind the last record.
    end: i64,
    key_schema: SchemaId,
    value_schema: SchemaId,
}

impl Source for DatagenSource {
    fn info() -> PluginInfo {
        PluginInfo::source("io.cofferdam.datagen.DatagenSourceConnector")
            .alias("DatagenSourceConnector")
            .alias("DatagenSource")
            .task_class("io.cofferdam.datagen.DatagenSourceTask")
            .version(env!("CARGO_PKG_VERSION"))
            .doc("Makes up records of a template, the same for the same seed, at a given rate or as fast as possible.")
            .config(
                ConfigDef::new()
                    .key(Key::string(TOPIC).non_empty().high().doc("The topic to publish data to"))
                    .key(Key::string(TEMPLATE).default("orders").one_of(Template::NAMES).high().doc("What the records are about"))
                    .key(Key::long(COUNT).default(-1).at_least(-1.0).doc("How many records all tasks make together; -1 for no end"))
                    .key(Key::double(RATE).default(0).at_least(0.0).doc("Records a second that each task makes; 0 for as many as possible"))
                    .key(Key::long(SEED).default(0).low().doc("The same seed gives the same records"))
                    .key(Key::int(BATCH_SIZE).default(2000).at_least(1.0).low().doc("The maximum number of records made each time the task is polled")),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        let mut problems = Problems::new();
        // Without an end the rate may be anything; a number that is none at all may not.
        if let Some(rate) = problems.check(config.double(RATE))
            && !rate.is_finite()
        {
            problems.invalid(RATE, &rate.to_string(), "Value must be a number of records a second");
        }
        problems.into_vec()
    }

    fn connector(config: &Config) -> Result<Box<dyn Connector>> {
        Ok(Box::new(Tasks(config.pairs().to_vec())))
    }

    fn start(config: &Config, context: &SourceContext) -> Result<Self> {
        let number = |key: &str, default: i64| match config.optional(key) {
            None => Ok(default),
            Some(_) => config.long(key),
        };
        let (task, tasks) = (number(TASK, 0)?, number(TASKS, 1)?.max(1));
        let partition = json::object_of_int("task", task);
        let next = match context.offset(&partition)? {
            None => task,
            Some(offset) => resume(&offset, task, tasks)?,
        };
        let template = Template::named(config.string(TEMPLATE)?)?;
        let count = config.long(COUNT)?;
        Ok(Self {
            topic: config.string(TOPIC)?.to_owned(),
            template,
            seed: config.long(SEED)? as u64,
            batch_size: usize::try_from(config.int(BATCH_SIZE)?).unwrap_or(1),
            pace: Pace::new(config.double(RATE)?, Instant::now()),
            partition,
            next,
            step: tasks,
            end: if count < 0 { i64::MAX } else { count },
            key_schema: schemas::int64()?,
            value_schema: template.schema()?,
        })
    }

    fn poll(&mut self, out: &mut BatchWriter) -> Result<()> {
        let until = Instant::now() + out.wait();
        loop {
            let now = Instant::now();
            let wanted = self.left().min(self.batch_size).min(out.room());
            let n = self.pace.take(wanted, now);
            if n > 0 {
                return self.make(n, out);
            }
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return Ok(());
            }
            // Behind the last record there is nothing to wait for but the end of the task.
            std::thread::sleep(if wanted == 0 { left } else { self.pace.wait().min(left) });
        }
    }
}

impl DatagenSource {
    /// How many records this task still has to make.
    fn left(&self) -> usize {
        let distance = self.end.saturating_sub(self.next);
        if distance <= 0 { 0 } else { usize::try_from((distance - 1) / self.step + 1).unwrap_or(usize::MAX) }
    }

    fn make(&mut self, n: usize, out: &mut BatchWriter) -> Result<()> {
        let topic = out.topic(&self.topic)?;
        let partition = out.partition(&self.partition)?;
        for _ in 0..n {
            if out.is_full() {
                break;
            }
            let k = self.next;
            // The offset names the next record: what is behind it need not be made again.
            self.next += self.step;
            let mut dice = Dice::of(self.seed, k as u64);
            out.record_of(topic)
                .key_with(self.key_schema, |out| rows::put_int(out, k))
                .value_with(self.value_schema, |out| self.template.write(&mut dice, k, out))
                .offset_with(partition, |out| json::put_object_of_int(out, "n", self.next))
                .send();
        }
        Ok(())
    }
}

/// Numbers the tasks.
struct Tasks(Pairs);

impl Connector for Tasks {
    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<Pairs>> {
        Ok((0..max_tasks)
            .map(|task| {
                let mut config = self.0.clone();
                config.push((TASK.to_owned(), task.to_string()));
                config.push((TASKS.to_owned(), max_tasks.to_string()));
                config
            })
            .collect())
    }
}

/// The record to go on with: that of the stored offset, or the first of this task's behind it when
/// the number of tasks has changed.
fn resume(offset: &str, task: i64, tasks: i64) -> Result<i64> {
    let next = Object::parse(offset)
        .and_then(|object| object.int("n"))
        .ok_or_else(|| Error::fatal(format!("The stored offset has no number n: {offset}")))?
        .max(0);
    Ok(next + (task - next).rem_euclid(tasks))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
