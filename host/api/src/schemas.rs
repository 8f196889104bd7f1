//! The schemas of one task, interned: equal schemas have equal ids, ids are never reused.
//!
//! A registry belongs to one task, so a guest can neither see nor exhaust those of others.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use cofferdam_frame::{Schema, SchemaId};

/// Why a schema cannot be interned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A field, key or item schema was never defined.
    #[error("the schema refers to schema {0}, which this task does not know")]
    UnknownChild(SchemaId),
    /// A few schemas that each use the one before twice describe a value of unbounded size.
    #[error("the schema has more than {0} parts, those of its fields, keys and items included")]
    TooLarge(usize),
    /// The registry is full.
    #[error("this task already uses {0} schemas; a plugin must not make a schema for each record")]
    TooMany(usize),
}

/// Interned schemas of one task.
#[derive(Debug, Default)]
pub struct Schemas(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_id: Vec<Arc<Schema>>,
    /// Number of parts of each: itself and all below it, as often as they are used.
    sizes: Vec<usize>,
    ids: HashMap<Arc<Schema>, SchemaId>,
}

impl Schemas {
    /// Most schemas of one task.
    pub const MAX: usize = 100_000;
    /// Most parts of one schema. A part is written for each use of it, in the schemas that
    /// JsonConverter writes above all, so a guest must not be able to make them double and double again.
    pub const PARTS_MAX: usize = 100_000;

    /// The schema called `id`.
    #[must_use]
    pub fn get(&self, id: SchemaId) -> Option<Arc<Schema>> {
        self.read().by_id.get(id.checked_sub(1)? as usize).cloned()
    }

    /// Id of `schema`, interned when new.
    ///
    /// # Errors
    /// When a child is unknown or the registry is full.
    pub fn define(&self, schema: Schema) -> Result<SchemaId, SchemaError> {
        if let Some(id) = self.read().ids.get(&schema) {
            return Ok(*id);
        }
        let mut inner = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(id) = inner.ids.get(&schema) {
            return Ok(*id);
        }
        let known = inner.by_id.len();
        let children = schema.fields.iter().map(|field| field.schema).chain(schema.key).chain(schema.value);
        let mut size = 1_usize;
        for child in children {
            let place = (child as usize).checked_sub(1);
            let of_child = place.and_then(|place| inner.sizes.get(place));
            size = size.saturating_add(*of_child.ok_or(SchemaError::UnknownChild(child))?);
        }
        if size > Self::PARTS_MAX {
            return Err(SchemaError::TooLarge(Self::PARTS_MAX));
        }
        if known >= Self::MAX {
            return Err(SchemaError::TooMany(known));
        }
        let schema = Arc::new(schema);
        let id = known as SchemaId + 1;
        inner.by_id.push(Arc::clone(&schema));
        inner.sizes.push(size);
        inner.ids.insert(schema, id);
        Ok(id)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use cofferdam_frame::{Field, Kind};

    use super::*;

    #[test]
    fn equal_schemas_have_one_id() {
        let schemas = Schemas::default();
        let text = schemas.define(Schema::of(Kind::String)).ok();
        assert_eq!(text, Some(1));
        assert_eq!(schemas.define(Schema::of(Kind::String).optional()).ok(), Some(2));
        assert_eq!(schemas.define(Schema::of(Kind::String)).ok(), text);
        assert_eq!(schemas.get(1).as_deref(), Some(&Schema::of(Kind::String)));
        assert_eq!(schemas.get(0), None);
        assert_eq!(schemas.get(3), None);
    }

    #[test]
    fn schemas_cannot_double_without_end() {
        let schemas = Schemas::default();
        let mut last = schemas.define(Schema::of(Kind::String)).unwrap();
        let doubled = (0..64).find_map(|_| {
            let fields = ["a", "b"].map(|name| Field { name: name.into(), schema: last }).to_vec();
            match schemas.define(Schema { fields, ..Schema::of(Kind::Struct) }) {
                Ok(id) => last = id,
                Err(error) => return Some(error),
            }
            None
        });
        assert_eq!(doubled, Some(SchemaError::TooLarge(Schemas::PARTS_MAX)));
        // A wide one is fine.
        let fields = (0..5_000).map(|at| Field { name: format!("f{at}"), schema: 1 }).collect();
        assert!(schemas.define(Schema { fields, ..Schema::of(Kind::Struct) }).is_ok());
    }

    #[test]
    fn a_child_must_be_known() {
        let schemas = Schemas::default();
        let mut outer = Schema::of(Kind::Struct);
        outer.fields.push(Field { name: "a".into(), schema: 1 });
        assert_eq!(schemas.define(outer), Err(SchemaError::UnknownChild(1)));
    }
}
