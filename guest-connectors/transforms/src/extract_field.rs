//! ExtractField: one field becomes the whole key or value.

use std::marker::PhantomData;

use cofferdam_sdk::rows::Row;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::tape::Value;
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, Kind, PluginInfo, Problem, Record, Result, SchemaId,
    Transform,
};

use crate::operand;
use crate::plugin::{REPLACE_NULL_WITH_DEFAULT, Side, problems, replace_null_with_default, sided};

const PURPOSE: &str = "field extraction";
const SYNTAX: &str = "field.syntax.version";

/// Takes one field of a key or value.
pub(crate) struct ExtractField<S> {
    /// As it was configured.
    field: String,
    path: Vec<String>,
    defaults: bool,
    plans: BySchema<Plan>,
    side: PhantomData<S>,
}

struct Plan {
    /// Of the field.
    schema: SchemaId,
    /// For each step the place of the field, and how many its struct has.
    places: Vec<(usize, usize)>,
    default: Option<Vec<u8>>,
}

impl<S: Side> Transform for ExtractField<S> {
    fn info() -> PluginInfo {
        sided::<S>("ExtractField")
            .doc(
                "Extract the specified field from a Struct when schema present, or a Map in the case of schemaless \
                 data. Any null values are passed through unmodified.",
            )
            .config(
                ConfigDef::new()
                    .key(ConfigKey::string("field").doc("Field name to extract."))
                    .key(replace_null_with_default())
                    .key(ConfigKey::string(SYNTAX).default("V1").high().one_of_ignore_case(&["V1", "V2"]).doc(
                        "Version of the syntax to access fields. With V1 the name is that of a field. With V2 it is \
                         a path: dots lead into nested fields, backticks enclose a name that has dots.",
                    )),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        problems(path(config))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            field: config.string("field")?.to_owned(),
            path: path(config)?,
            defaults: config.boolean(REPLACE_NULL_WITH_DEFAULT)?,
            plans: BySchema::new(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let schema = record.schema(S::PART);
        let (field, path, defaults) = (&self.field, &self.path, self.defaults);
        let mut is_null = false;
        if schema == 0 {
            record.rewrite(S::PART, |record, out| {
                match from_map(path, record.get(S::PART))? {
                    Some(value) => out.extend_from_slice(value),
                    None => is_null = true,
                }
                Ok(0)
            })?;
        } else {
            let no_value = record.get(S::PART).is_none();
            let plan = self
                .plans
                .get_or_try_insert(schema, || Plan::new(field, path, schema, no_value, defaults))?;
            record.rewrite(S::PART, |record, out| {
                match plan.find(record.get(S::PART))? {
                    Some(value) => out.extend_from_slice(value),
                    None => is_null = true,
                }
                Ok(plan.schema)
            })?;
        }
        if is_null {
            record.set(S::PART, record.schema(S::PART), None);
        }
        Ok(Flow::Keep)
    }
}

impl Plan {
    fn new(field: &str, path: &[String], schema: SchemaId, no_value: bool, defaults: bool) -> Result<Self> {
        let mut schema_id = schema;
        let mut schema = operand::schema(schema)?;
        if schema.kind != Kind::Struct && !no_value {
            operand::struct_schema(schema_id, PURPOSE, false)?;
        }
        let mut places = Vec::with_capacity(path.len());
        for step in path {
            if schema.kind != Kind::Struct {
                return Err(Error::bad_record("Cannot look up fields on non-struct type"));
            }
            let place = schema
                .field_index(step)
                .ok_or_else(|| Error::bad_record(format!("Unknown field: {field}")))?;
            places.push((place, schema.fields.len()));
            schema_id = schema.fields.get(place).map_or(0, |field| field.schema);
            schema = operand::schema(schema_id)?;
        }
        Ok(Self { schema: schema_id, places, default: schema.default.clone().filter(|_| defaults) })
    }

    fn find<'a>(&'a self, value: Option<&'a [u8]>) -> Result<Option<&'a [u8]>> {
        let mut current = value;
        for (step, (place, n_fields)) in self.places.iter().enumerate() {
            let Some(bytes) = current else { return Ok(None) };
            current =
                Row::new(bytes, *n_fields).and_then(|row| row.get(*place)).ok_or_else(operand::layout)?;
            if step + 1 == self.places.len() {
                return Ok(current.or(self.default.as_deref()));
            }
        }
        Ok(current)
    }
}

/// The value at `path`; none for null and for what is not there.
fn from_map<'a>(path: &[String], value: Option<&'a [u8]>) -> Result<Option<&'a [u8]>> {
    let mut current = value;
    for (step, name) in path.iter().enumerate() {
        if operand::is_null(current) {
            return Ok(None);
        }
        let purpose = if step == 0 { PURPOSE } else { "nested field access" };
        current = operand::map(current, purpose)?.get(name);
    }
    Ok(current.filter(|value| !matches!(Value::new(value), Some(Value::Null))))
}

fn path(config: &Config) -> Result<Vec<String>> {
    let field = config.string("field")?;
    match config.string(SYNTAX)? {
        version if version.eq_ignore_ascii_case("V1") => Ok(vec![field.to_owned()]),
        version if version.eq_ignore_ascii_case("V2") => steps(field),
        version => Err(Error::invalid(SYNTAX, version, "String must be one of (case insensitive): V1, V2")),
    }
}

/// The steps of a path: dots part them; backticks enclose a step that has dots, and close it only at
/// the end or before a dot; a backslash before such a backtick takes that meaning from it.
fn steps(path: &str) -> Result<Vec<String>> {
    if path.is_empty() {
        return Ok(vec![String::new()]);
    }
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('`') {
            let opened_at = path.len() - rest.len();
            let (step, after) = quoted_step(quoted).ok_or_else(|| {
                let position = path.get(..opened_at).unwrap_or_default().encode_utf16().count();
                Error::config("field", format!(
                    "Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at \
                     position {position} to escape it"
                ))
            })?;
            steps.push(step);
            rest = after;
        } else if let Some((step, after)) = rest.split_once('.') {
            steps.push(step.to_owned());
            rest = after;
        } else {
            steps.push(rest.to_owned());
            rest = "";
        }
    }
    if path.ends_with('.') {
        steps.push(String::new());
    }
    Ok(steps)
}

/// A step up to its closing backtick, and what follows behind the dot.
fn quoted_step(quoted: &str) -> Option<(String, &str)> {
    let mut step = String::new();
    let mut taken = 0;
    for (at, _) in quoted.match_indices('`') {
        let escaped = quoted.get(..at)?.ends_with('\\');
        let after = quoted.get(at + 1..)?;
        match (after.chars().next(), escaped) {
            // At the end there is nothing left that could close it.
            (None, true) => return None,
            (Some('.'), true) => {
                step.push_str(quoted.get(taken..at - 1)?);
                step.push('`');
                taken = at + 1;
            }
            (None | Some('.'), false) => {
                step.push_str(quoted.get(taken..at)?);
                return Some((step, after.strip_prefix('.').unwrap_or(after)));
            }
            (Some(_), _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn paths_are_taken_apart() {
        for (path, expected) in [
            ("a", &["a"][..]),
            ("a.b.c", &["a", "b", "c"]),
            ("a.`b.c`", &["a", "b.c"]),
            ("`a.b`.c", &["a.b", "c"]),
            ("a.", &["a", ""]),
            (".a", &["", "a"]),
            ("`a`b.c`.d", &["a`b.c", "d"]),
            ("`a\\`.b`", &["a`.b"]),
            ("a`b", &["a`b"]),
            ("", &[""]),
        ] {
            assert_eq!(
                steps(path).ok().as_deref(),
                Some(&expected.iter().map(|&step| step.to_owned()).collect::<Vec<_>>()[..]),
                "{path}"
            );
        }
        for path in ["`a", "`", "a.`b`c", "`a\\`"] {
            assert!(steps(path).is_err(), "{path}");
        }
        assert_eq!(
            steps("a.`b.c").map_err(|error| error.to_string()).err().as_deref(),
            Some(
                "Incomplete backtick pair in path: [a.`b.c], consider adding a backslash before backtick at \
                 position 2 to escape it"
            )
        );
    }
}
