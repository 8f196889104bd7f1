//! The key `spec`: what is to be cast to what.

use cofferdam_sdk::{Config, Error, Kind, Result};

const OUTPUTS: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]";

/// What is to be cast.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Casts {
    /// The key or value as a whole.
    Whole(Kind),
    /// Fields by name.
    Fields(Vec<(String, Kind)>),
}

pub(super) fn read(config: &Config) -> Result<Casts> {
    config.string("spec")?;
    let mappings = config.list("spec");
    if mappings.is_empty() {
        return Err(refuse("Must specify at least one field to cast."));
    }
    let mut whole = None;
    let mut fields: Vec<(String, Kind)> = Vec::new();
    for mapping in &mappings {
        // As Java splits: what is empty at the end does not count as a part.
        let parts: Vec<_> = mapping.trim_end_matches(':').split(':').collect();
        match (mapping.is_empty(), parts.as_slice()) {
            (false, [""]) => {
                return Err(refuse("Index 1 out of bounds for length 0"));
            }
            (_, [name]) => whole = Some(output(kind(name)?)?),
            (_, [field, name]) => {
                let kind = output(kind(name)?)?;
                // Of two casts of one field the later one counts.
                fields.retain(|(known, _)| known != field.trim());
                fields.push((field.trim().to_owned(), kind));
            }
            _ => {
                return Err(refuse(format!(
                    "Invalid value [{}] for configuration renames: Invalid rename mapping: {mapping}",
                    mappings.join(", ")
                )));
            }
        }
    }
    match whole {
        Some(_) if mappings.len() > 1 => Err(refuse(
            "Cast transformations that specify a type to cast the entire value to may only specify a single cast in \
             their spec",
        )),
        Some(kind) => Ok(Casts::Whole(kind)),
        None => Ok(Casts::Fields(fields)),
    }
}

fn refuse(message: impl Into<String>) -> Error {
    Error::config("spec", message)
}

fn kind(name: &str) -> Result<Kind> {
    let (given, name) = (name.trim(), name.trim().to_uppercase());
    [
        Kind::Int8,
        Kind::Int16,
        Kind::Int32,
        Kind::Int64,
        Kind::Float32,
        Kind::Float64,
        Kind::Boolean,
        Kind::String,
        Kind::Bytes,
        Kind::Array,
        Kind::Map,
        Kind::Struct,
    ]
    .into_iter()
    .find(|kind| kind.as_str() == name)
    .ok_or_else(|| {
        // The key of this complaint is the complaint, in the original too.
        refuse(format!(
            "Invalid value java.lang.IllegalArgumentException: No enum constant \
             org.apache.kafka.connect.data.Schema.Type.{name} for configuration Invalid type found in casting \
             spec: {given}"
        ))
    })
}

fn output(kind: Kind) -> Result<Kind> {
    match kind {
        Kind::Bytes | Kind::Array | Kind::Map | Kind::Struct => Err(refuse(format!(
            "Cast transformation does not support casting to {}; supported types are {OUTPUTS}",
            kind.as_str()
        ))),
        kind => Ok(kind),
    }
}
