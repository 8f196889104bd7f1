//! Schemas, known by their ids within a task.
//!
//! The worker keeps them; the answers are cached here for the instance's life, so that asking for a
//! schema once a record costs a look into a table.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_frame::{Field, Kind, Schema, SchemaId, logical};

use crate::{Error, Result, host};

/// The schema called `id`; none for 0 and for an id that this task never saw.
#[must_use]
pub fn get(id: SchemaId) -> Option<Arc<Schema>> {
    if id == 0 {
        return None;
    }
    CACHE.with_borrow_mut(|cache| {
        cache
            .by_id
            .get_or_try_insert(id, || {
                let schema = Arc::new(host::schema(id).ok_or(())?);
                Ok::<_, ()>(schema)
            })
            .ok()
            .cloned()
    })
}

/// Id of `schema`; equal schemas have equal ids. Define the schemas of fields, keys and items first.
/// A task may use 100,000 schemas: never make one for each record.
///
/// # Errors
/// When a child is unknown or there are too many.
pub fn define(schema: &Schema) -> Result<SchemaId> {
    if let Some(id) = CACHE.with_borrow(|cache| cache.ids.get(schema).copied()) {
        return Ok(id);
    }
    let id = host::define(schema).map_err(Error::fatal)?;
    CACHE.with_borrow_mut(|cache| cache.ids.insert(schema.clone(), id));
    Ok(id)
}

/// A required value of `kind`, one of those without children.
///
/// # Errors
/// As [`define`].
pub fn of(kind: Kind) -> Result<SchemaId> {
    define(&Schema::of(kind))
}

/// A value of `kind`, one of those without children, or null.
///
/// # Errors
/// As [`define`].
pub fn optional(kind: Kind) -> Result<SchemaId> {
    define(&Schema::of(kind).optional())
}

/// Required text.
///
/// # Errors
/// As [`define`].
pub fn string() -> Result<SchemaId> {
    of(Kind::String)
}

/// A required 64-bit integer.
///
/// # Errors
/// As [`define`].
pub fn int64() -> Result<SchemaId> {
    of(Kind::Int64)
}

/// A required Timestamp: milliseconds since the epoch.
///
/// # Errors
/// As [`define`].
pub fn timestamp() -> Result<SchemaId> {
    named(Kind::Int64, logical::TIMESTAMP)
}

/// A required Date: days since the epoch.
///
/// # Errors
/// As [`define`].
pub fn date() -> Result<SchemaId> {
    named(Kind::Int32, logical::DATE)
}

/// A required Time: milliseconds after midnight.
///
/// # Errors
/// As [`define`].
pub fn time() -> Result<SchemaId> {
    named(Kind::Int32, logical::TIME)
}

/// A required Decimal of `scale`: the bytes are its unscaled value, big-endian two's complement.
///
/// # Errors
/// As [`define`].
pub fn decimal(scale: i32) -> Result<SchemaId> {
    let mut schema = Schema::of(Kind::Bytes);
    schema.name = Some(logical::DECIMAL.to_owned());
    schema.version = Some(1);
    schema.parameters = vec![("scale".to_owned(), scale.to_string())];
    define(&schema)
}

/// A required array.
///
/// # Errors
/// As [`define`].
pub fn array(items: SchemaId) -> Result<SchemaId> {
    define(&Schema { value: Some(items), ..Schema::of(Kind::Array) })
}

/// A required map.
///
/// # Errors
/// As [`define`].
pub fn map(keys: SchemaId, values: SchemaId) -> Result<SchemaId> {
    define(&Schema { key: Some(keys), value: Some(values), ..Schema::of(Kind::Map) })
}

/// A required struct, with a name unless it is empty.
///
/// # Errors
/// As [`define`].
pub fn structure(name: &str, fields: &[(&str, SchemaId)]) -> Result<SchemaId> {
    let fields = fields.iter().map(|&(name, schema)| Field { name: name.to_owned(), schema }).collect();
    let name = (!name.is_empty()).then(|| name.to_owned());
    define(&Schema { name, fields, ..Schema::of(Kind::Struct) })
}

fn named(kind: Kind, name: &str) -> Result<SchemaId> {
    define(&Schema { name: Some(name.to_owned()), version: Some(1), ..Schema::of(kind) })
}

/// Something worked out once for each schema, such as where a field lies: a table by schema id.
#[derive(Debug)]
pub struct BySchema<T>(Vec<Option<T>>);

impl<T> Default for BySchema<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> BySchema<T> {
    /// Nothing worked out yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was worked out for schema `id`, by `make` when this is the first time.
    ///
    /// # Errors
    /// What `make` answered; it is asked again next time.
    pub fn get_or_try_insert<E>(
        &mut self,
        id: SchemaId,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&mut T, E> {
        let at = id as usize;
        if at >= self.0.len() {
            self.0.resize_with(at + 1, || None);
        }
        match self.0.get_mut(at) {
            Some(Some(known)) => Ok(known),
            Some(empty) => Ok(empty.insert(make()?)),
            // The table was just made long enough.
            None => unreachable!("a table of {at} rows and one more"),
        }
    }
}

#[derive(Default)]
struct Cache {
    by_id: BySchema<Arc<Schema>>,
    ids: HashMap<Schema, SchemaId>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}
