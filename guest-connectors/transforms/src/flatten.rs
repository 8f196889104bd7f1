//! Flatten: nested structs and maps become fields of the outermost one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::marker::PhantomData;

use cofferdam_sdk::rows::{Row, RowWriter};
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::tape::{self, Tag, Value};
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, Kind, PluginInfo, Record, Result, Schema, SchemaId,
    Transform, schemas,
};

use crate::operand::{self, MapWriter, add_field, class_of_value, copy_basics};
use crate::plugin::{Side, sided};

const PURPOSE: &str = "flattening";

/// Takes nesting away.
pub(crate) struct Flatten<S> {
    delimiter: String,
    plans: BySchema<Plan>,
    map: MapWriter,
    side: PhantomData<S>,
}

struct Plan {
    schema: SchemaId,
    /// Of the flat struct.
    n_fields: usize,
    root: Node,
}

/// A struct on the way down.
struct Node {
    fields: Vec<Child>,
}

enum Child {
    /// A field of the flat struct, and what stands in place of null.
    Leaf(Option<Vec<u8>>),
    Struct(Node),
}

impl<S: Side> Transform for Flatten<S> {
    fn info() -> PluginInfo {
        sided::<S>("Flatten")
            .doc(
                "Flatten a nested data structure, generating names for each field by concatenating the field names \
                 at each level with a configurable delimiter character. Applies to Struct when schema present, or a \
                 Map in the case of schemaless data. Array fields and their contents are not modified.",
            )
            .config(ConfigDef::new().key(ConfigKey::string("delimiter").default(".").doc(
                "Delimiter to insert between field names from the input record when generating field names for the \
                 output record",
            )))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            delimiter: config.string("delimiter")?.to_owned(),
            plans: BySchema::new(),
            map: MapWriter::default(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        if operand::is_null_part(record, S::PART) {
            return Ok(Flow::Keep);
        }
        let schema = record.schema(S::PART);
        let delimiter = &self.delimiter;
        if schema == 0 {
            if is_flat(operand::map(record.get(S::PART), PURPOSE)?)? {
                return Ok(Flow::Keep);
            }
            let writer = &mut self.map;
            record.rewrite(S::PART, |record, out| {
                let mut leaves = Leaves { delimiter, ..Leaves::default() };
                leaves.collect(operand::map(record.get(S::PART), PURPOSE)?)?;
                leaves.write(writer, out);
                Ok(0)
            })?;
            return Ok(Flow::Keep);
        }
        let plan = self.plans.get_or_try_insert(schema, || {
            Plan::new(delimiter, &*operand::struct_schema(schema, PURPOSE, false)?)
        })?;
        record.rewrite(S::PART, |record, out| {
            let mut writer = RowWriter::start(out, plan.n_fields);
            plan.root.write(record.get(S::PART), &mut writer, out)?;
            Ok(plan.schema)
        })?;
        Ok(Flow::Keep)
    }
}

// === impl Plan ===

impl Plan {
    fn new(delimiter: &str, schema: &Schema) -> Result<Self> {
        let mut flat = copy_basics(schema);
        let root = node(delimiter, schema, "", &mut flat, schema.optional, schema.default.as_deref())?;
        Ok(Self { schema: schemas::define(&flat)?, n_fields: flat.fields.len(), root })
    }
}

/// Adds the fields of `schema` to `flat`. What is inside an optional struct is optional, and has its
/// defaults from that struct's unless it has its own.
fn node(
    delimiter: &str,
    schema: &Schema,
    prefix: &str,
    flat: &mut Schema,
    optional: bool,
    default: Option<&[u8]>,
) -> Result<Node> {
    let defaults = default.map(|bytes| operand::row(bytes, schema.fields.len())).transpose()?;
    let mut fields = Vec::with_capacity(schema.fields.len());
    for (place, field) in schema.fields.iter().enumerate() {
        let name = joined(prefix, delimiter, &field.name);
        let inner = operand::schema(field.schema)?;
        let optional = optional || inner.optional;
        let default = inner.default.as_deref().or_else(|| defaults?.get(place)?);
        fields.push(match inner.kind {
            Kind::Struct => Child::Struct(node(delimiter, &inner, &name, flat, optional, default)?),
            Kind::Map => {
                return Err(Error::bad_record(format!(
                    "Flatten transformation does not support MAP for record with schemas (for field {name})."
                )));
            }
            _ => {
                let leaf = Schema { optional, default: default.map(<[u8]>::to_vec), ..Schema::clone(&inner) };
                add_field(flat, &name, schemas::define(&leaf)?)?;
                Child::Leaf(inner.default.clone())
            }
        });
    }
    Ok(Node { fields })
}

impl Node {
    fn write(&self, bytes: Option<&[u8]>, writer: &mut RowWriter, out: &mut Vec<u8>) -> Result<()> {
        let row = bytes.map(|bytes| operand::row(bytes, self.fields.len())).transpose()?;
        for (place, child) in self.fields.iter().enumerate() {
            let value = row.and_then(|row: Row<'_>| row.get(place)).flatten();
            match child {
                // In a struct that is null nothing has a default.
                Child::Leaf(default) => {
                    writer.copy(out, value.or(default.as_deref().filter(|_| row.is_some())));
                }
                Child::Struct(node) => node.write(value, writer, out)?,
            }
        }
        Ok(())
    }
}

fn joined(prefix: &str, delimiter: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { [prefix, delimiter, name].concat() }
}

// === maps ===

/// Whether a map has nothing to flatten; what cannot be in one is refused.
fn is_flat(map: operand::Map<'_>) -> Result<bool> {
    for (key, value) in map.pairs() {
        text(key)?;
        match value.first() {
            Some(tag) if *tag <= Tag::Array as u8 => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The leaves of a map, with the names that they get.
#[derive(Default)]
struct Leaves<'a> {
    delimiter: &'a str,
    /// Names one behind the other.
    names: String,
    /// End of the name, and the value.
    leaves: Vec<(usize, &'a [u8])>,
    /// The name of the map that is being read.
    prefix: String,
    /// Whether two leaves may have one name: only when the delimiter is part of one.
    may_meet: bool,
}

impl<'a> Leaves<'a> {
    fn collect(&mut self, map: operand::Map<'a>) -> Result<()> {
        let prefix = self.prefix.len();
        for (key, value) in map.pairs() {
            let key = text(key)?;
            self.may_meet |= key.is_empty() || key.contains(self.delimiter);
            if prefix > 0 {
                self.prefix.push_str(self.delimiter);
            }
            self.prefix.push_str(key);
            match Value::new(value).ok_or_else(operand::layout)? {
                Value::Map(_) => self.collect(operand::map(Some(value), PURPOSE)?)?,
                other => self.leaf(&other, value)?,
            }
            self.prefix.truncate(prefix);
        }
        Ok(())
    }

    fn leaf(&mut self, value: &Value<'_>, bytes: &'a [u8]) -> Result<()> {
        let class = class_of_value(value);
        match value {
            Value::Decimal(..) | Value::Date(_) => {
                return Err(Error::bad_record(format!(
                    "Flatten transformation was passed a value of type class {class} which is not supported by \
                     Connect's data API"
                )));
            }
            Value::Struct(..) => {
                return Err(Error::bad_record(format!(
                    "Flatten transformation does not support class {class} for record without schemas (for field \
                     {}).",
                    self.prefix
                )));
            }
            _ => {}
        }
        self.names.push_str(&self.prefix);
        self.leaves.push((self.names.len(), bytes));
        Ok(())
    }

    fn write(&self, writer: &mut MapWriter, out: &mut Vec<u8>) {
        writer.start(out);
        let mut start = 0;
        let named = self.leaves.iter().map(|(end, value)| {
            let name = self.names.get(start..*end).unwrap_or_default();
            start = *end;
            (name, *value)
        });
        let mut put = |(name, value): (&str, &[u8])| {
            writer.key(out, name);
            out.extend_from_slice(value);
            writer.item(out);
        };
        if self.may_meet {
            later_values(named).into_iter().for_each(&mut put);
        } else {
            named.for_each(&mut put);
        }
        writer.finish(out);
    }
}

/// Of two values with one name the later one counts, at the place of the first.
fn later_values<'n, 'v>(named: impl Iterator<Item = (&'n str, &'v [u8])>) -> Vec<(&'n str, &'v [u8])> {
    let mut places = HashMap::new();
    let mut kept: Vec<(&str, &[u8])> = Vec::new();
    for (name, value) in named {
        match places.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(kept.len());
                kept.push((name, value));
            }
            Entry::Occupied(entry) => {
                if let Some(place) = kept.get_mut(*entry.get()) {
                    place.1 = value;
                }
            }
        }
    }
    kept
}

/// The name that a key is. Kafka Connect takes every key for one, and fails where it is not.
fn text(key: &[u8]) -> Result<&str> {
    match Value::new(key).ok_or_else(operand::layout)? {
        Value::String(_) => tape::string_bytes(key)
            .and_then(|name| std::str::from_utf8(name).ok())
            .ok_or_else(operand::layout),
        other => Err(operand::no_string(&other)),
    }
}
