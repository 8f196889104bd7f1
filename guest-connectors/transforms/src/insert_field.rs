//! InsertField: fields from the record's metadata, or a constant.

use std::marker::PhantomData;

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::tape::{self, Tag};
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, Kind, PluginInfo, Problem, Record, Result, Schema,
    SchemaId, Transform, logical, rows, schemas,
};

use crate::operand::{self, Copied, MapWriter, add_field, copy_basics};
use crate::plugin::{REPLACE_NULL_WITH_DEFAULT, Side, problems, replace_null_with_default, sided};

const PURPOSE: &str = "field insertion";

/// Adds fields to a key or value.
pub(crate) struct InsertField<S> {
    /// In the order in which they are added.
    insertions: Vec<Insertion>,
    defaults: bool,
    plans: BySchema<Plan>,
    map: MapWriter,
    side: PhantomData<S>,
}

struct Insertion {
    field: String,
    optional: bool,
    what: What,
}

enum What {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(String),
}

struct Plan {
    schema: SchemaId,
    /// Those that were there before.
    fields: Vec<Copied>,
    /// Whether all of them are copied as they are.
    is_plain: bool,
}

impl<S: Side> Transform for InsertField<S> {
    fn info() -> PluginInfo {
        let field = |name: &str, what: &str| {
            ConfigKey::string(name).optional().doc(&format!(
                "Field name for {what}. Suffix with ! to make this a required field, or ? to keep it optional (the \
                 default)."
            ))
        };
        sided::<S>("InsertField")
            .doc("Insert field(s) using attributes from the record metadata or a configured static value.")
            .config(
                ConfigDef::new()
                    .key(field("topic.field", "Kafka topic"))
                    .key(field("partition.field", "Kafka partition"))
                    .key(field("offset.field", "Kafka offset - only applicable to sink connectors"))
                    .key(field("timestamp.field", "record timestamp"))
                    .key(field("static.field", "static data field"))
                    .key(
                        ConfigKey::string("static.value")
                            .optional()
                            .doc("Static field value, if field name configured."),
                    )
                    .key(replace_null_with_default()),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        problems(insertions(config))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            insertions: insertions(config)?,
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
        let (insertions, map) = (&self.insertions, &mut self.map);
        if schema == 0 {
            record.rewrite(S::PART, |record, out| {
                insert_into_map(insertions, operand::map(record.get(S::PART), PURPOSE)?, record, map, out)?;
                Ok(0)
            })?;
            return Ok(Flow::Keep);
        }
        let defaults = self.defaults;
        let plan = self.plans.get_or_try_insert(schema, || {
            Plan::new(insertions, &*operand::struct_schema(schema, PURPOSE, false)?, defaults)
        })?;
        record.rewrite(S::PART, |record, out| {
            let bytes = record.get(S::PART).unwrap_or_default();
            plan.insert(insertions, bytes, record, out)?;
            Ok(plan.schema)
        })?;
        Ok(Flow::Keep)
    }
}

fn insertions(config: &Config) -> Result<Vec<Insertion>> {
    let static_value = config.optional("static.value");
    let mut insertions = Vec::new();
    let keys = ["topic.field", "partition.field", "offset.field", "timestamp.field", "static.field"];
    let whats = [What::Topic, What::Partition, What::Offset, What::Timestamp];
    let whats = whats.into_iter().chain(static_value.map(|value| What::Static(value.to_owned())));
    let mut whats = whats.map(Some).chain(std::iter::repeat_with(|| None));
    for key in keys {
        let what = whats.next().flatten();
        let Some(spec) = config.optional(key) else { continue };
        let Some(what) = what else {
            return Err(Error::invalid(
                "static.value",
                "null",
                format_args!("No value specified for static field: {spec}"),
            ));
        };
        let (field, optional) = match spec.strip_suffix('!') {
            Some(field) => (field, false),
            None => (spec.strip_suffix('?').unwrap_or(spec), true),
        };
        insertions.push(Insertion { field: field.to_owned(), optional, what });
    }
    if insertions.is_empty() {
        return Err(Error::config("static.field", "No field insertion configured"));
    }
    Ok(insertions)
}

/// A name that is there already gets the new value.
fn insert_into_map(
    insertions: &[Insertion],
    map: operand::Map<'_>,
    record: &Record<'_>,
    writer: &mut MapWriter,
    out: &mut Vec<u8>,
) -> Result<()> {
    let overwrites =
        |insertion: &Insertion| insertion.what.is_set(record) && map.get(&insertion.field).is_some();
    if insertions.iter().any(overwrites) {
        writer.start(out);
        let replaced = |key: &[u8]| {
            insertions
                .iter()
                .any(|insertion| insertion.what.is_set(record) && tape::is_string(key, &insertion.field))
        };
        for (key, value) in map.pairs().filter(|(key, _)| !replaced(key)) {
            writer.copy(out, key, value);
        }
    } else {
        writer.start_from(out, map);
    }
    for (at, insertion) in insertions.iter().enumerate() {
        // Of two insertions with one name the later one counts.
        let again = insertions
            .iter()
            .skip(at + 1)
            .any(|later| later.field == insertion.field && later.what.is_set(record));
        if !again && insertion.what.is_set(record) {
            writer.key(out, &insertion.field);
            insertion.what.put_tape(record, out)?;
            writer.item(out);
        } else if again {
            insertion.what.check(record)?;
        }
    }
    writer.finish(out);
    Ok(())
}

// === impl Plan ===

impl Plan {
    fn new(insertions: &[Insertion], schema: &Schema, defaults: bool) -> Result<Self> {
        let mut wider = copy_basics(schema);
        wider.fields.clone_from(&schema.fields);
        for insertion in insertions {
            add_field(&mut wider, &insertion.field, insertion.what.schema(insertion.optional)?)?;
        }
        let fields = operand::copied(schema, defaults)?;
        Ok(Self { schema: schemas::define(&wider)?, is_plain: fields.iter().all(Copied::is_plain), fields })
    }

    fn insert(
        &self,
        insertions: &[Insertion],
        bytes: &[u8],
        record: &Record<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let known = self.fields.len();
        let row = operand::row(bytes, known)?;
        let mut writer = RowWriter::start(out, known + insertions.len());
        if self.is_plain {
            operand::copy_run(&mut writer, out, row, 0..known)?;
        } else {
            for (field, value) in self.fields.iter().zip(row.iter()) {
                field.copy(value, &mut writer, out)?;
            }
        }
        for insertion in insertions {
            let null = !insertion.what.put_rows(record, out)?;
            writer.field(out, null);
        }
        Ok(())
    }
}

// === impl What ===

impl What {
    fn schema(&self, optional: bool) -> Result<SchemaId> {
        let mut schema = Schema::of(match self {
            Self::Topic | Self::Static(_) => Kind::String,
            Self::Partition => Kind::Int32,
            Self::Offset | Self::Timestamp => Kind::Int64,
        });
        if matches!(self, Self::Timestamp) {
            schema.name = Some(logical::TIMESTAMP.to_owned());
            schema.version = Some(1);
        }
        schema.optional = optional;
        schemas::define(&schema)
    }

    /// Whether the record has it. An offset that it has not is an error, found by [`What::check`].
    fn is_set(&self, record: &Record<'_>) -> bool {
        match self {
            Self::Partition => record.partition().is_some(),
            Self::Timestamp => record.timestamp().is_some(),
            Self::Topic | Self::Offset | Self::Static(_) => true,
        }
    }

    fn check(&self, record: &Record<'_>) -> Result<()> {
        if matches!(self, Self::Offset) { offset(record).map(|_| ()) } else { Ok(()) }
    }

    /// Appends the value as a field of a struct, unless it is null; answers which.
    fn put_rows(&self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<bool> {
        match self {
            Self::Topic => out.extend_from_slice(record.topic().as_bytes()),
            Self::Static(value) => out.extend_from_slice(value.as_bytes()),
            Self::Offset => rows::put_int(out, offset(record)?),
            Self::Partition => match record.partition() {
                Some(partition) => rows::put_int(out, partition.into()),
                None => return Ok(false),
            },
            Self::Timestamp => match record.timestamp() {
                Some(timestamp) => rows::put_int(out, timestamp),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn put_tape(&self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Topic => tape::put_string(out, record.topic()),
            Self::Static(value) => tape::put_string(out, value),
            Self::Offset => tape::put_int(out, Tag::Int64, offset(record)?),
            Self::Partition => tape::put_int(out, Tag::Int32, record.partition().unwrap_or_default().into()),
            Self::Timestamp => tape::put_int(out, Tag::Int64, record.timestamp().unwrap_or_default()),
        }
        Ok(())
    }
}

fn offset(record: &Record<'_>) -> Result<i64> {
    record.kafka_offset().ok_or_else(|| {
        Error::bad_record(format!(
            "Only SinkRecord supported for [{PURPOSE}], found: org.apache.kafka.connect.source.SourceRecord"
        ))
    })
}
