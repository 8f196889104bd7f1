//! HeaderFrom: fields are copied or moved to headers.

use std::marker::PhantomData;

use cofferdam_sdk::rows::RowWriter;
use cofferdam_sdk::schemas::BySchema;
use cofferdam_sdk::{
    Config, ConfigDef, Error, Flow, Key as ConfigKey, PluginInfo, Problem, Record, Result, Schema, SchemaId,
    Transform, schemas, tape,
};

use crate::operand::{self, Copied, MapWriter, add_field, copy_basics};
use crate::plugin::{
    REPLACE_NULL_WITH_DEFAULT, Side, non_empty_list, problems, replace_null_with_default, sided,
};

const OPERATIONS: [&str; 2] = ["move", "copy"];

/// Makes headers of fields.
pub(crate) struct HeaderFrom<S> {
    rule: Rule,
    defaults: bool,
    plans: BySchema<Plan>,
    map: MapWriter,
    side: PhantomData<S>,
}

struct Rule {
    /// Field and header.
    pairs: Vec<(String, String)>,
    moves: bool,
    purpose: &'static str,
}

struct Plan {
    n_fields: usize,
    headers: Vec<NewHeader>,
    /// What the value becomes, when fields are moved.
    rest: Option<Rest>,
}

struct NewHeader {
    name: String,
    place: usize,
    schema: SchemaId,
    default: Option<Vec<u8>>,
    /// What a null is answered with, where the schema forbids it.
    required: Option<String>,
}

struct Rest {
    schema: SchemaId,
    fields: Vec<(usize, Copied)>,
}

impl<S: Side> Transform for HeaderFrom<S> {
    fn info() -> PluginInfo {
        sided::<S>("HeaderFrom")
            .doc(
                "Moves or copies fields in the key/value of a record into that record's headers. Corresponding \
                 elements of fields and headers together identify a field and the header it should be moved or \
                 copied to.",
            )
            .config(
                ConfigDef::new()
                    .key(ConfigKey::list("fields").high().doc(
                        "Field names in the record whose values are to be copied or moved to headers.",
                    ))
                    .key(ConfigKey::list("headers").high().doc(
                        "Header names, in the same order as the field names listed in the fields configuration \
                         property.",
                    ))
                    .key(ConfigKey::string("operation").high().one_of(&OPERATIONS).doc(
                        "Either move if the fields are to be moved to the headers (removed from the key/value), or \
                         copy if the fields are to be copied to the headers (retained in the key/value).",
                    ))
                    .key(replace_null_with_default()),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        problems(rule(config))
    }

    fn configure(config: &Config) -> Result<Self> {
        Ok(Self {
            rule: rule(config)?,
            defaults: config.boolean(REPLACE_NULL_WITH_DEFAULT)?,
            plans: BySchema::new(),
            map: MapWriter::default(),
            side: PhantomData,
        })
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        let schema = record.schema(S::PART);
        if schema == 0 {
            self.schemaless(record)?
        } else {
            self.with_schema(schema, record)?
        }
        Ok(Flow::Keep)
    }
}

impl<S: Side> HeaderFrom<S> {
    fn schemaless(&mut self, record: &mut Record<'_>) -> Result<()> {
        let rule = &self.rule;
        record.add_headers(|record, headers| {
            let map = operand::map(record.get(S::PART), rule.purpose)?;
            for (field, header) in &rule.pairs {
                let value = map.get(field).filter(|value| !operand::is_null(Some(value)));
                headers.add(header, 0, value);
            }
            Ok(())
        })?;
        if !rule.moves {
            return Ok(());
        }
        let writer = &mut self.map;
        record.rewrite(S::PART, |record, out| {
            writer.start(out);
            for (key, value) in operand::map(record.get(S::PART), rule.purpose)?.pairs() {
                let name = tape::string_bytes(key);
                if !rule.pairs.iter().any(|(field, _)| name == Some(field.as_bytes())) {
                    writer.copy(out, key, value);
                }
            }
            writer.finish(out);
            Ok(0)
        })
    }

    fn with_schema(&mut self, schema: SchemaId, record: &mut Record<'_>) -> Result<()> {
        let (rule, defaults) = (&self.rule, self.defaults);
        let is_null = record.get(S::PART).is_none();
        let plan = self.plans.get_or_try_insert(schema, || {
            rule.plan(&*operand::struct_schema(schema, rule.purpose, is_null)?, defaults, is_null)
        })?;
        if is_null {
            return Err(operand::null_struct(rule.purpose));
        }
        record.add_headers(|record, headers| {
            let row = operand::row(record.get(S::PART).unwrap_or_default(), plan.n_fields)?;
            for header in &plan.headers {
                let value = row.get(header.place).ok_or_else(operand::layout)?.or(header.default.as_deref());
                if let (None, Some(refusal)) = (value, &header.required) {
                    return Err(Error::bad_record(refusal));
                }
                headers.add(&header.name, header.schema, value);
            }
            Ok(())
        })?;
        let Some(rest) = &plan.rest else { return Ok(()) };
        record.rewrite(S::PART, |record, out| {
            let row = operand::row(record.get(S::PART).unwrap_or_default(), plan.n_fields)?;
            let mut writer = RowWriter::start(out, rest.fields.len());
            for (place, field) in &rest.fields {
                field.copy(row.get(*place).ok_or_else(operand::layout)?, &mut writer, out)?;
            }
            Ok(rest.schema)
        })
    }
}

fn rule(config: &Config) -> Result<Rule> {
    let fields = non_empty_list(config, "fields")?;
    let headers = non_empty_list(config, "headers")?;
    let moves = match config.string("operation")? {
        "move" => true,
        "copy" => false,
        other => {
            let why = format!("String must be one of: {}", OPERATIONS.join(", "));
            return Err(Error::invalid("operation", other, why));
        }
    };
    if fields.len() != headers.len() {
        return Err(Error::config(
            "fields",
            "'fields' config must have the same number of elements as 'headers' config.",
        ));
    }
    let purpose = if moves { "header move" } else { "header copy" };
    Ok(Rule { pairs: fields.into_iter().zip(headers).collect(), moves, purpose })
}

impl Rule {
    fn plan(&self, schema: &Schema, defaults: bool, is_null: bool) -> Result<Plan> {
        if is_null {
            return Err(operand::null_struct(self.purpose));
        }
        let copied = operand::copied(schema, defaults)?;
        let rest = if self.moves { Some(self.rest(schema, copied)?) } else { None };
        let mut headers = Vec::with_capacity(self.pairs.len());
        for (field, header) in &self.pairs {
            let place = schema.field_index(field).ok_or_else(no_such_field)?;
            let id = schema.fields.get(place).map_or(0, |field| field.schema);
            let schema = operand::schema(id)?;
            headers.push(NewHeader {
                name: header.clone(),
                place,
                schema: id,
                default: schema.default.clone().filter(|_| defaults),
                required: (!schema.optional).then(|| {
                    format!("A null value requires an optional schema but was {}", operand::show(&schema))
                }),
            });
        }
        Ok(Plan { n_fields: schema.fields.len(), headers, rest })
    }

    fn rest(&self, schema: &Schema, copied: Vec<Copied>) -> Result<Rest> {
        let mut changed = copy_basics(schema);
        let mut fields = Vec::new();
        for ((place, copied), field) in copied.into_iter().enumerate().zip(&schema.fields) {
            if !self.pairs.iter().any(|(name, _)| *name == field.name) {
                add_field(&mut changed, &field.name, field.schema)?;
                fields.push((place, copied));
            }
        }
        Ok(Rest { schema: schemas::define(&changed)?, fields })
    }
}

/// Kafka Connect runs into a null here; the text is the virtual machine's.
fn no_such_field() -> Error {
    Error::bad_record(
        "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of \
         \"org.apache.kafka.connect.data.Schema.field(String)\" is null",
    )
}
