//! Schemas as a recording describes them.
//!
//! Cases of converters describe a schema in full. Cases of transforms leave out what is below the
//! topmost one and the default value; those stand in what JsonConverter wrote.

use cofferdam_api::Schemas;
use cofferdam_frame::{Field, Kind, Schema, SchemaId};
use serde_json::{Map, Value, json};

use crate::case::member;
use crate::write::{Misfit, put};

const KINDS: [(&str, Kind); 12] = [
    ("int8", Kind::Int8),
    ("int16", Kind::Int16),
    ("int32", Kind::Int32),
    ("int64", Kind::Int64),
    ("float32", Kind::Float32),
    ("float64", Kind::Float64),
    ("boolean", Kind::Boolean),
    ("string", Kind::String),
    ("bytes", Kind::Bytes),
    ("array", Kind::Array),
    ("map", Kind::Map),
    ("struct", Kind::Struct),
];

/// How recordings call a type.
#[must_use]
pub fn kind_name(kind: Kind) -> &'static str {
    KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name)
}

/// The type that recordings call `name`.
pub(crate) fn kind(name: &str) -> Result<Kind, Misfit> {
    let known = KINDS.iter().find(|(known, _)| *known == name);
    known.map(|(_, kind)| *kind).ok_or_else(|| Misfit::Unreadable(format!("the type {name:?}")))
}

/// Interns a recorded schema; 0 for null.
///
/// # Errors
/// When it cannot be understood, or has a default that does not fit it.
pub fn define(schemas: &Schemas, recorded: &Value) -> Result<SchemaId, Misfit> {
    if recorded.is_null() {
        return Ok(0);
    }
    let kind = kind(member(recorded, "type").as_str().unwrap_or_default())?;
    let text = |name| member(recorded, name).as_str().map(str::to_owned);
    let mut schema = Schema {
        optional: member(recorded, "optional") == true,
        name: text("name"),
        version: member(recorded, "version").as_i64().and_then(|version| i32::try_from(version).ok()),
        doc: text("doc"),
        parameters: parameters(recorded),
        ..Schema::of(kind)
    };
    for field in member(recorded, "fields").as_array().into_iter().flatten() {
        let name = member(field, "field").as_str().unwrap_or_default().to_owned();
        schema.fields.push(Field { name, schema: define(schemas, member(field, "schema"))? });
    }
    let child = |name| define(schemas, member(recorded, name)).map(|id| (id != 0).then_some(id));
    schema.key = child("keys")?;
    schema.value = child(if kind == Kind::Map { "values" } else { "items" })?;
    let define =
        |schema: &Schema| schemas.define(schema.clone()).map_err(|error| Misfit::from(error.to_string()));
    if recorded.get("default").is_some() {
        let plain = define(&schema)?;
        let mut default = Vec::new();
        put(schemas, plain, member(recorded, "default"), &mut default)?;
        schema.default = Some(default);
    }
    define(&schema)
}

fn parameters(recorded: &Value) -> Vec<(String, String)> {
    let pairs = member(recorded, "parameters").as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// The schema `id` as a recording would describe it; null for 0.
#[must_use]
pub fn describe(schemas: &Schemas, id: SchemaId) -> Value {
    let Some(schema) = schemas.get(id) else { return Value::Null };
    let mut out = brief_of(&schema);
    let mut set = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    if let Some(default) = &schema.default {
        set("default", crate::read::value(schemas, id, Some(default)).unwrap_or(Value::Null));
    }
    match schema.kind {
        Kind::Struct => {
            let field =
                |field: &Field| json!({"field": field.name, "schema": describe(schemas, field.schema)});
            set("fields", schema.fields.iter().map(field).collect());
        }
        Kind::Array => set("items", describe(schemas, schema.value.unwrap_or(0))),
        Kind::Map => {
            set("keys", describe(schemas, schema.key.unwrap_or(0)));
            set("values", describe(schemas, schema.value.unwrap_or(0)));
        }
        _ => {}
    }
    normal(&out.into())
}

/// The same without what is below it and without its default.
#[must_use]
pub fn describe_briefly(schemas: &Schemas, id: SchemaId) -> Value {
    schemas.get(id).map_or(Value::Null, |schema| normal(&brief_of(&schema).into()))
}

fn brief_of(schema: &Schema) -> Map<String, Value> {
    let mut out = Map::new();
    let mut set = |name: &str, value: Value| out.insert(name.to_owned(), value);
    set("type", kind_name(schema.kind).into());
    set("optional", schema.optional.into());
    set("name", json!(schema.name));
    set("version", json!(schema.version));
    set("doc", json!(schema.doc));
    if !schema.parameters.is_empty() {
        let pairs = schema.parameters.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        set("parameters", Value::Object(pairs.collect()));
    }
    set("has_default", schema.default.is_some().into());
    out
}

/// A description in which equal schemas are equal: without members that are null, values canonical.
#[must_use]
pub fn normal(description: &Value) -> Value {
    match description {
        Value::Object(members) => {
            let one = |(name, value): (&String, &Value)| {
                let value = if name == "default" { crate::read::canonical(value) } else { normal(value) };
                (name.clone(), value)
            };
            members.iter().filter(|(_, value)| !value.is_null()).map(one).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        leaf => leaf.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_comes_back() {
        let text = r#"{"type":"struct","optional":true,"name":"n","version":3,"doc":null,"has_default":false,
            "parameters":{"a":"b"},"fields":[{"field":"i","schema":{"type":"int32","optional":false,"name":null,
            "doc":"d","has_default":true,"default":{"int32":5}}},{"field":"m","schema":{"type":"map","optional":false,
            "name":null,"doc":null,"has_default":false,"keys":{"type":"string","optional":false,"name":null,"doc":null,
            "has_default":false},"values":null}}]}"#;
        let recorded: Value = serde_json::from_str(text).unwrap();
        let schemas = Schemas::default();
        let id = define(&schemas, &recorded).unwrap();
        assert_eq!(describe(&schemas, id), normal(&recorded));
        let brief = describe_briefly(&schemas, id);
        assert_eq!(brief.get("parameters"), Some(&json!({"a": "b"})));
        assert_eq!(brief.get("fields"), None);
    }
}
