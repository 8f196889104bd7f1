//! ReplaceField: fields are left out or get other names.

use std::marker::PhantomData;
use std::ops::Range;

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, PluginInfo, Problem, Record, Result, Schema, SchemaId,
    Transform, schemas, tape,
};

use crate::operand::{self, Copied, MapWriter, add_field, copy_basics, extend_run};
use crate::plugin::{
    REPLACE_NULL_WITH_DEFAULT, Side, problems, replace_null_with_default, sided, some_names,
};

const PURPOSE: &str = "field replacement";

/// Filters and renames fields of a key or value.
pub(crate) struct ReplaceField<S> {
    rules: Rules,
    defaults: bool,
    plans: BySchema<Plan>,
    map: MapWriter,
    side: PhantomData<S>,
}

struct Rules {
    exclude: Vec<String>,
    include: Vec<String>,
    /// Old name and new name.
    renames: Vec<(String, String)>,
}

struct Plan {
    schema: SchemaId,
    /// Number of fields before.
    n_fields: usize,
    /// Number of fields after.
    n_kept: usize,
    steps: Vec<Step>,
}

/// Where the next fields are, by their places before.
enum Step {
    /// These come as they are.
    Copy(Range<usize>),
    /// This one may not be null.
    One(usize, Copied),
}

impl<S: Side> Transform for ReplaceField<S> {
    fn info() -> PluginInfo {
        sided::<S>("ReplaceField").doc("Filter or rename fields.").config(
            ConfigDef::new()
                .key(
                    ConfigKey::list("exclude")
                        .default("")
                        .doc("Fields to exclude. This takes precedence over the fields to include."),
                )
                .key(
                    ConfigKey::list("include")
                        .default("")
                        .doc("Fields to include. If specified, only these fields will be used."),
                )
                .key(
                    ConfigKey::list("renames").default("").doc(
                        "Field rename mappings, as a list of old and new name with a colon between them.",
                    ),
                )
                .key(replace_null_with_default()),
        )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        problems(rules(config))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            rules: rules(config)?,
            defaults: config.boolean(REPLACE_NULL_WITH_DEFAULT)?,
            plans: BySchema::new(),
            map: MapWriter::default(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let schema = record.schema(S::PART);
        let is_null =
            if schema == 0 { operand::is_null(record.get(S::PART)) } else { record.get(S::PART).is_none() };
        if is_null {
            return Ok(Flow::Keep);
        }
        let (rules, writer) = (&self.rules, &mut self.map);
        if schema == 0 {
            record.rewrite(S::PART, |record, out| {
                rules.map(operand::map(record.get(S::PART), PURPOSE)?, writer, out)?;
                Ok(0)
            })?;
            return Ok(Flow::Keep);
        }
        let defaults = self.defaults;
        let plan = self.plans.get_or_try_insert(schema, || {
            rules.plan(&*operand::struct_schema(schema, PURPOSE, false)?, defaults)
        })?;
        record.rewrite(S::PART, |record, out| {
            let row = operand::row(record.get(S::PART).unwrap_or_default(), plan.n_fields)?;
            let mut writer = RowWriter::start(out, plan.n_kept);
            for step in &plan.steps {
                match step {
                    Step::Copy(fields) => operand::copy_run(&mut writer, out, row, fields.clone())?,
                    Step::One(place, field) => {
                        field.copy(row.get(*place).ok_or_else(operand::layout)?, &mut writer, out)?;
                    }
                }
            }
            Ok(plan.schema)
        })?;
        Ok(Flow::Keep)
    }
}

fn rules(config: &Config) -> Result<Rules> {
    Ok(Rules {
        exclude: some_names(config, "exclude")?,
        include: some_names(config, "include")?,
        renames: renames(config)?,
    })
}

fn renames(config: &Config) -> Result<Vec<(String, String)>> {
    let mappings = config.list("renames");
    let mut renames: Vec<(String, String)> = Vec::new();
    for mapping in &mappings {
        // As Java splits: what is empty at the end does not count as a part.
        let parts = match mapping.trim_end_matches(':').split(':').collect::<Vec<_>>().as_slice() {
            [old, new] => Some(((*old).to_owned(), (*new).to_owned())),
            _ => None,
        };
        let Some((old, new)) = parts else {
            let value = format!("[{}]", mappings.join(", "));
            return Err(Error::invalid("renames", &value, format_args!("Invalid rename mapping: {mapping}")));
        };
        // Of two mappings of one field the later one counts.
        renames.retain(|(known, _)| *known != old);
        renames.push((old, new));
    }
    Ok(renames)
}

impl Rules {
    fn keeps(&self, name: &str) -> bool {
        !self.exclude.iter().any(|excluded| excluded == name)
            && (self.include.is_empty() || self.include.iter().any(|included| included == name))
    }

    fn renamed<'a>(&'a self, name: &'a str) -> &'a str {
        self.renames.iter().find(|(old, _)| old == name).map_or(name, |(_, new)| new)
    }

    /// The old name of a field of the result.
    fn named_before<'a>(&'a self, name: &'a str) -> &'a str {
        self.renames.iter().rev().find(|(_, new)| new == name).map_or(name, |(old, _)| old)
    }

    fn plan(&self, schema: &Schema, defaults: bool) -> Result<Plan> {
        let mut changed = copy_basics(schema);
        for field in schema.fields.iter().filter(|field| self.keeps(&field.name)) {
            add_field(&mut changed, self.renamed(&field.name), field.schema)?;
        }
        let mut steps = Vec::new();
        for field in &changed.fields {
            let before = self.named_before(&field.name);
            let place = schema
                .field_index(before)
                .ok_or_else(|| Error::bad_record(format!("{before} is not a valid field name")))?;
            let field = schema.fields.get(place).ok_or_else(operand::layout)?;
            let copied = Copied::of(field, defaults)?;
            let last = steps.last_mut().and_then(|step| match step {
                Step::Copy(run) => Some(run),
                Step::One(..) => None,
            });
            if !copied.is_plain() {
                steps.push(Step::One(place, copied));
            } else if !extend_run(last, place) {
                steps.push(Step::Copy(place..place + 1));
            }
        }
        let (n_fields, n_kept) = (schema.fields.len(), changed.fields.len());
        Ok(Plan { schema: schemas::define(&changed)?, n_fields, n_kept, steps })
    }

    fn map(&self, map: operand::Map<'_>, writer: &mut MapWriter, out: &mut Vec<u8>) -> Result<()> {
        for (key, _) in map.pairs() {
            // Kafka Connect takes every key for a text or null, and fails where it is neither.
            let key = tape::Value::new(key).ok_or_else(operand::layout)?;
            if !matches!(key, tape::Value::String(_) | tape::Value::Null) {
                return Err(operand::no_string(&key));
            }
        }
        writer.start(out);
        if self.renames.is_empty() {
            for (key, value) in map.pairs() {
                if text(key).map_or(self.include.is_empty(), |name| self.keeps(name)) {
                    writer.copy(out, key, value);
                }
            }
        } else {
            self.rename(map, writer, out);
        }
        writer.finish(out);
        Ok(())
    }

    /// New names may meet names that are there: as in a Java map, the later value counts, at the
    /// place of the first. Only names that something is renamed to can meet.
    fn rename(&self, map: operand::Map<'_>, writer: &mut MapWriter, out: &mut Vec<u8>) {
        let named = |key| {
            let name = text(key)?;
            self.keeps(name).then(|| self.renamed(name))
        };
        for (at, (key, value)) in map.pairs().enumerate() {
            let Some(name) = text(key) else {
                if self.include.is_empty() {
                    writer.copy(out, key, value);
                }
                continue;
            };
            if !self.keeps(name) {
                continue;
            }
            let new = self.renamed(name);
            let mut value = value;
            if self.renames.iter().any(|(_, target)| target == new) {
                if map.pairs().take(at).any(|(key, _)| named(key) == Some(new)) {
                    continue;
                }
                for (key, later) in map.pairs().skip(at + 1) {
                    if named(key) == Some(new) {
                        value = later;
                    }
                }
            }
            writer.key(out, new);
            out.extend_from_slice(value);
            writer.item(out);
        }
    }
}

fn text(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(tape::string_bytes(key)?).ok()
}
