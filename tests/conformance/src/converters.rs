//! Cases of converters: one value, read or written.
//!
//! Compared are bytes, or schema and value; of errors their class and message.

use cofferdam_api::Schemas;
use cofferdam_converters::{Converter, DataError, Format, Side};
use serde_json::Value;

use crate::case::{Case, member};
use crate::write::{Misfit, put, recorded_bytes};
use crate::{Difference, compare, envelope, read, schema};

const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";

/// What of `case` is not as recorded.
#[must_use]
pub fn differences(case: &Case) -> Vec<Difference> {
    let direction = case.get("direction").as_str().unwrap_or_default();
    let side = if direction.ends_with("Header") { Side::Header } else { Side::Value };
    let converter = match Converter::new(case.class(), &case.config(), side) {
        Ok(converter) => converter,
        Err(error) => {
            return failed(case, "org.apache.kafka.common.config.ConfigException", &error.to_string());
        }
    };
    let schemas = Schemas::default();
    let found = if direction.starts_with("to") {
        reading(case, &schemas, &converter)
    } else {
        writing(case, &schemas, &converter)
    };
    found.unwrap_or_else(|why| vec![Difference::not_representable(case, &why)])
}

/// From the bytes of a topic.
fn reading(case: &Case, schemas: &Schemas, converter: &Converter) -> Result<Vec<Difference>, Misfit> {
    let bytes = recorded_bytes(case.get("bytes"))?;
    let mut out = Vec::new();
    let converted = match converter.to_connect(schemas, Format::Rows, bytes.as_deref(), &mut out) {
        Ok(converted) => converted,
        Err(error) => return Ok(bad(case, &error)),
    };
    let value = read::value(schemas, converted.schema, (!converted.null).then_some(&*out));
    let value = value.unwrap_or_else(|| format!("bytes that are no value: {out:?}").into());
    let mut found = Vec::new();
    if asked_null(case) {
        compare(&mut found, "value", &Value::Null, &value);
        compare(&mut found, "schema", &0, &converted.schema);
        return Ok(found);
    }
    if case.has("error") {
        found.push(Difference::new("case", case.answer(), &value));
        return Ok(found);
    }
    compare(&mut found, "value", &read::canonical(case.get("value")), &read::canonical(&value));
    let got = schema::describe(schemas, converted.schema);
    compare(&mut found, "schema", &schema::normal(case.get("schema")), &got);
    Ok(found)
}

/// Whether it is the recorder that failed: it asked Java's null for its schema. Kafka Connect itself takes
/// such an answer for null without a schema (`ConnectHeaders.add`).
fn asked_null(case: &Case) -> bool {
    let message = member(case.get("error"), "message").as_str().unwrap_or_default();
    message.starts_with("Cannot invoke \"org.apache.kafka.connect.data.SchemaAndValue.schema()\"")
}

/// To the bytes of a topic.
fn writing(case: &Case, schemas: &Schemas, converter: &Converter) -> Result<Vec<Difference>, Misfit> {
    let id = schema::define(schemas, case.get("schema"))?;
    let value = case.get("value");
    let mut rows = Vec::new();
    let (id, null) = match (put(schemas, id, value, &mut rows), case.simple_class()) {
        (Ok(null), _) => (id, null),
        // These print what a value is, whatever its schema says: they are given it without.
        (Err(Misfit::Refused(_)), "StringConverter" | "SimpleHeaderConverter") => {
            rows.clear();
            match put(schemas, 0, value, &mut rows) {
                Err(Misfit::Refused(why)) => return Ok(failed(case, DATA_EXCEPTION, &why.to_string())),
                null => (0, null?),
            }
        }
        // This looks at the schema first, and at no value of another type.
        (Err(Misfit::Refused(_)), "ByteArrayConverter") => {
            rows.clear();
            (id, false)
        }
        (Err(Misfit::Refused(why)), _) => return Ok(failed(case, DATA_EXCEPTION, &why.to_string())),
        (Err(why), _) => return Err(why),
    };
    let mut out = Vec::new();
    let written = converter.from_connect(schemas, Format::Rows, id, (!null).then_some(&*rows), &mut out);
    let null = match written {
        Ok(null) => null,
        Err(error) => return Ok(bad(case, &error)),
    };
    let got = (!null).then_some(out);
    let show =
        |bytes: Option<&[u8]>| bytes.map_or("null".to_owned(), |bytes| bytes.escape_ascii().to_string());
    let wanted = recorded_bytes(case.get("bytes"))?;
    let text = |bytes: &Option<Vec<u8>>| bytes.clone().and_then(|bytes| String::from_utf8(bytes).ok());
    let same = wanted == got
        || text(&wanted).zip(text(&got)).is_some_and(|(wanted, got)| envelope::same(&wanted, &got));
    if case.has("error") || !same {
        let wanted = if case.has("error") { case.answer() } else { show(wanted.as_deref()) };
        return Ok(vec![Difference::new("bytes", wanted, show(got.as_deref()))]);
    }
    Ok(Vec::new())
}

fn bad(case: &Case, error: &DataError) -> Vec<Difference> {
    failed(case, error.exception_class, &error.message)
}

fn failed(case: &Case, class: &str, message: &str) -> Vec<Difference> {
    if !case.has("error") {
        return vec![Difference::new("case", case.answer(), format!("{class}: {message}"))];
    }
    let recorded = |name| member(case.get("error"), name).as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    compare(&mut found, "class", &recorded("class"), &class.to_owned());
    compare(&mut found, "message", &recorded("message"), &message.to_owned());
    found
}
