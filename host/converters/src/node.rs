//! A schema with its children resolved: what the JSON converter walks beside a value, so that no
//! field costs a look-up in the registry.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use cofferdam_api::Schemas;
use cofferdam_frame::tape::{Tag, Value};
use cofferdam_frame::text::TextError;
use cofferdam_frame::{DEPTH_MAX, Kind, Schema, SchemaId, logical};

use crate::DataError;
use crate::json::put_string;

/// One schema.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: SchemaId,
    pub(crate) schema: Arc<Schema>,
    pub(crate) logical: Option<Logical>,
    /// Fields of a struct.
    pub(crate) fields: Vec<FieldNode>,
    /// Places of the fields by name.
    places: HashMap<String, usize>,
    /// Keys of a map.
    pub(crate) key: Option<Arc<Node>>,
    /// Values of a map, items of an array.
    pub(crate) value: Option<Arc<Node>>,
    /// Whether JSON objects had the fields in this order so far: a guess that saves a pass.
    pub(crate) in_order: AtomicBool,
    /// Levels of containers from here downwards.
    levels: usize,
}

/// One field of a struct.
#[derive(Debug)]
pub(crate) struct FieldNode {
    /// The name as a JSON string, quotes included.
    pub(crate) quoted: Vec<u8>,
    pub(crate) node: Arc<Node>,
}

/// The logical types of Connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logical {
    /// With its scale, where the schema has one.
    Decimal(Option<i32>),
    Date,
    Time,
    Timestamp,
}

/// Nodes by schema id.
#[derive(Debug, Default)]
pub(crate) struct Nodes(RwLock<HashMap<SchemaId, Arc<Node>>>);

// === impl Node ===

impl Node {
    /// Place of the field `name`.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Whether a map of this schema is a JSON object: keys are text.
    pub(crate) fn has_text_keys(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.schema.kind == Kind::String)
    }
}

// === impl Nodes ===

impl Nodes {
    /// The node of the schema `id`.
    pub(crate) fn get(&self, schemas: &Schemas, id: SchemaId) -> Result<Arc<Node>, DataError> {
        if let Some(node) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Arc::clone(node));
        }
        self.build(schemas, id, 0)
    }

    fn build(&self, schemas: &Schemas, id: SchemaId, depth: usize) -> Result<Arc<Node>, DataError> {
        if depth > DEPTH_MAX {
            return Err(DataError::too_deep());
        }
        let schema = schemas.get(id).ok_or(TextError::UnknownSchema(id))?;
        let child = |id: SchemaId| {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
            known.map_or_else(|| self.build(schemas, id, depth + 1), Ok)
        };
        let mut fields = Vec::with_capacity(schema.fields.len());
        for field in &schema.fields {
            let mut quoted = Vec::with_capacity(field.name.len() + 2);
            put_string(&mut quoted, &field.name);
            fields.push(FieldNode { quoted, node: child(field.schema)? });
        }
        let places =
            schema.fields.iter().enumerate().map(|(place, field)| (field.name.clone(), place)).collect();
        let key = schema.key.map(child).transpose()?;
        let value = schema.value.map(child).transpose()?;
        let below = fields.iter().map(|field| &field.node).chain(&key).chain(&value);
        let levels = below.map(|node| node.levels + 1).max().unwrap_or(0);
        if levels > DEPTH_MAX {
            return Err(DataError::too_deep());
        }
        let logical = logical_of(&schema);
        let node = Arc::new(Node {
            id,
            schema,
            logical,
            fields,
            places,
            key,
            value,
            in_order: AtomicBool::new(true),
            levels,
        });
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&node));
        Ok(node)
    }
}

fn logical_of(schema: &Schema) -> Option<Logical> {
    Some(match (schema.name.as_deref()?, schema.kind) {
        (logical::DECIMAL, Kind::Bytes) => {
            let scale = schema.parameters.iter().find(|(key, _)| key == "scale");
            Logical::Decimal(scale.and_then(|(_, scale)| scale.parse().ok()))
        }
        (logical::DATE, Kind::Int32) => Logical::Date,
        (logical::TIME, Kind::Int32) => Logical::Time,
        (logical::TIMESTAMP, Kind::Int64) => Logical::Timestamp,
        _ => return None,
    })
}

/// Kafka Connect's name of a type.
pub(crate) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int8 => "INT8",
        Kind::Int16 => "INT16",
        Kind::Int32 => "INT32",
        Kind::Int64 => "INT64",
        Kind::Float32 => "FLOAT32",
        Kind::Float64 => "FLOAT64",
        Kind::Boolean => "BOOLEAN",
        Kind::String => "STRING",
        Kind::Bytes => "BYTES",
        Kind::Array => "ARRAY",
        Kind::Map => "MAP",
        Kind::Struct => "STRUCT",
    }
}

/// The Java class of a schemaless value, as messages name it.
pub(crate) const fn java_class(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "java.lang.Boolean",
        Value::Int(Tag::Int8, _) => "java.lang.Byte",
        Value::Int(Tag::Int16, _) => "java.lang.Short",
        Value::Int(Tag::Int32, _) => "java.lang.Integer",
        Value::Int(..) => "java.lang.Long",
        Value::Float(Tag::Float32, _) => "java.lang.Float",
        Value::Float(..) => "java.lang.Double",
        Value::String(_) => "java.lang.String",
        Value::Bytes(_) => "[B",
        Value::Array(_) => "java.util.ArrayList",
        Value::Map(_) => "java.util.HashMap",
        Value::Decimal(..) => "java.math.BigDecimal",
        Value::Date(_) => "java.util.Date",
        Value::Struct(..) => "org.apache.kafka.connect.data.Struct",
    }
}

/// The Java class of a value with this schema.
pub(crate) fn schema_class(schema: &Schema) -> &'static str {
    match (logical_of(schema), schema.kind) {
        (Some(Logical::Decimal(_)), _) => "java.math.BigDecimal",
        (Some(Logical::Date | Logical::Time | Logical::Timestamp), _) => "java.util.Date",
        (None, Kind::Int8) => "java.lang.Byte",
        (None, Kind::Int16) => "java.lang.Short",
        (None, Kind::Int32) => "java.lang.Integer",
        (None, Kind::Int64) => "java.lang.Long",
        (None, Kind::Float32) => "java.lang.Float",
        (None, Kind::Float64) => "java.lang.Double",
        (None, Kind::Boolean) => "java.lang.Boolean",
        (None, Kind::String) => "java.lang.String",
        (None, Kind::Bytes) => "[B",
        (None, Kind::Array) => "java.util.ArrayList",
        (None, Kind::Map) => "java.util.HashMap",
        (None, Kind::Struct) => "org.apache.kafka.connect.data.Struct",
    }
}
