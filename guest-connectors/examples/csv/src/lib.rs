//! An example of a converter: a line of CSV in the topic is a struct for connectors and transforms.
//!
//! ```properties
//! value.converter=dev.cofferdam.examples.CsvConverter
//! value.converter.columns=id:int64,name,price:float64
//! ```
//!
//! An empty field is null, and so is an empty or missing message. Structs, and maps without a schema,
//! are written by the names of the columns.

use cofferdam_sdk::frame::text;
use cofferdam_sdk::rows::{self, Row, RowWriter};
use cofferdam_sdk::tape::Value;
use cofferdam_sdk::{
    Config, ConfigDef, Converted, Converter, Datum, Error, Key, Kind, PluginInfo, Problem, Result, SchemaId,
    Target, schemas,
};
use csv::{ByteRecord, ReaderBuilder, WriterBuilder};

const COLUMNS: &str = "columns";
const SEPARATOR: &str = "separator";

struct CsvConverter {
    columns: Vec<Column>,
    separator: u8,
    /// Of all columns, each of which may be null.
    schema: SchemaId,
    /// Used again for every line.
    line: ByteRecord,
}

struct Column {
    name: String,
    kind: Kind,
}

cofferdam_sdk::plugins! {
    converter CsvConverter;
}

impl Converter for CsvConverter {
    fn info() -> PluginInfo {
        PluginInfo::converter("dev.cofferdam.examples.CsvConverter")
            .version(env!("CARGO_PKG_VERSION"))
            .doc("Lines of CSV as structs.")
            .config(
                ConfigDef::new()
                    .key(Key::list(COLUMNS).non_empty().high().doc(
                        "Columns in order, as name or name:type; types are string, int32, int64, float64, boolean",
                    ))
                    .key(Key::string(SEPARATOR).default(",").doc("The character between fields")),
            )
    }

    fn validate(config: &Config) -> Vec<Problem> {
        match (columns(config), separator(config)) {
            (Err(Error::Config(problems)), _) | (_, Err(Error::Config(problems))) => problems,
            _ => Vec::new(),
        }
    }

    fn configure(config: &Config, _: Target) -> Result<Self> {
        let columns = columns(config)?;
        let mut fields = Vec::with_capacity(columns.len());
        for column in &columns {
            fields.push((column.name.as_str(), schemas::optional(column.kind)?));
        }
        let schema = schemas::structure("", &fields)?;
        Ok(Self { schema, separator: separator(config)?, columns, line: ByteRecord::new() })
    }

    fn to_connect(&mut self, datum: &Datum<'_>, out: &mut Vec<u8>) -> Result<Converted> {
        let bytes = datum.bytes().unwrap_or_default();
        let mut lines = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.separator)
            .buffer_capacity(bytes.len().max(1))
            .from_reader(bytes);
        if !lines.read_byte_record(&mut self.line).map_err(bad)? {
            return Ok(Converted::null(0));
        }
        if self.line.len() != self.columns.len() {
            return Err(Error::bad_record(format!(
                "the line has {} fields, there are {} columns",
                self.line.len(),
                self.columns.len()
            )));
        }
        let mut row = RowWriter::start(out, self.columns.len());
        for (column, field) in self.columns.iter().zip(&self.line) {
            column.read(field, out)?;
            row.field(out, field.is_empty());
        }
        if lines.read_byte_record(&mut self.line).map_err(bad)? {
            return Err(Error::bad_record("there is more than one line in the message"));
        }
        Ok(Converted::value(self.schema))
    }

    fn from_connect(&mut self, datum: &Datum<'_>, out: &mut Vec<u8>) -> Result<Converted> {
        let Some(value) = datum.bytes() else { return Ok(Converted::null(0)) };
        self.line.clear();
        for Column { name, .. } in &self.columns {
            match field(datum.schema(), value, name)? {
                (_, None) => self.line.push_field(b""),
                (schema, value) => {
                    let text = text::to_text(&schemas::get, schema, value);
                    self.line
                        .push_field(text.map_err(|error| Error::bad_record(error.to_string()))?.as_bytes());
                }
            }
        }
        let mut line = WriterBuilder::new().delimiter(self.separator).from_writer(&mut *out);
        line.write_byte_record(&self.line).map_err(bad)?;
        line.flush().map_err(|error| Error::bad_record(error.to_string()))?;
        drop(line);
        // One message is one line; what ends it is for files.
        while out.last() == Some(&b'\n') {
            out.pop();
        }
        Ok(Converted::value(0))
    }
}

impl Column {
    fn new(text: &str) -> Option<Self> {
        let (name, kind) = text.split_once(':').unwrap_or((text, "string"));
        let kind = match kind {
            "string" => Kind::String,
            "int32" => Kind::Int32,
            "int64" => Kind::Int64,
            "float64" => Kind::Float64,
            "boolean" => Kind::Boolean,
            _ => return None,
        };
        (!name.is_empty()).then(|| Self { name: name.to_owned(), kind })
    }

    /// Appends a field; nothing for an empty one.
    fn read(&self, field: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let wrong = || {
            let text = String::from_utf8_lossy(field);
            Error::bad_record(format!("\"{text}\" in column {} is no {:?}", self.name, self.kind))
        };
        let text = std::str::from_utf8(field).map_err(|_| wrong())?;
        match self.kind {
            _ if field.is_empty() => {}
            Kind::Int32 => rows::put_int(out, text.parse::<i32>().map_err(|_| wrong())?.into()),
            Kind::Int64 => rows::put_int(out, text.parse().map_err(|_| wrong())?),
            Kind::Float64 => rows::put_float(out, text.parse().map_err(|_| wrong())?),
            Kind::Boolean => rows::put_boolean(out, text.parse().map_err(|_| wrong())?),
            _ => out.extend_from_slice(field),
        }
        Ok(())
    }
}

/// The field `name` of a struct or map with its schema; none = null, or not there.
fn field<'a>(schema: SchemaId, value: &'a [u8], name: &str) -> Result<(SchemaId, Option<&'a [u8]>)> {
    let layout = || Error::bad_record("only structs and maps can be written as CSV");
    if schema == 0 {
        let map = Value::new(value).filter(|value| matches!(value, Value::Map(_))).ok_or_else(layout)?;
        let entry = map.entry(name).filter(|entry| !matches!(Value::new(entry), Some(Value::Null)));
        return Ok((0, entry));
    }
    let schema = schemas::get(schema).filter(|schema| schema.kind == Kind::Struct).ok_or_else(layout)?;
    let row = Row::new(value, schema.fields.len()).ok_or_else(layout)?;
    let Some(place) = schema.field_index(name) else { return Ok((0, None)) };
    let field = schema.fields.get(place).map_or(0, |field| field.schema);
    Ok((field, row.get(place).flatten()))
}

fn columns(config: &Config) -> Result<Vec<Column>> {
    let column = |text: &str| {
        let wrong = "a column is name or name:type, with one of string, int32, int64, float64, boolean";
        Column::new(text).ok_or_else(|| Error::invalid(COLUMNS, text, wrong))
    };
    config.list(COLUMNS).into_iter().map(column).collect()
}

fn separator(config: &Config) -> Result<u8> {
    match config.string(SEPARATOR)?.as_bytes() {
        [one] if !matches!(one, b'"' | b'\n' | b'\r') => Ok(*one),
        _ => Err(Error::invalid(SEPARATOR, config.string(SEPARATOR)?, "one ASCII character is needed")),
    }
}

fn bad(error: csv::Error) -> Error {
    Error::bad_record(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use cofferdam_sdk::frame::{Builder, Entry, Frame};
    use cofferdam_sdk::guest::Instance;
    use cofferdam_sdk::{Direction, Part};

    use super::*;

    fn converter(columns: &str) -> Instance {
        let mut instance = Instance::new(PLUGINS);
        let config = vec![(COLUMNS.to_owned(), columns.to_owned())];
        instance
            .configure_converter("dev.cofferdam.examples.CsvConverter", config, Target::Part(Part::Value))
            .unwrap();
        instance
    }

    fn frame(schema: SchemaId, values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut out = Builder::default();
        for value in values {
            let topic = out.topic("t").unwrap();
            let value = out.put_option(*value);
            out.push(&Entry { value, value_schema: schema, ..Entry::new(topic) });
        }
        out.finish()
    }

    fn to_rows(instance: &mut Instance, lines: &[&str]) -> (Vec<u8>, Vec<String>) {
        let lines: Vec<Option<&[u8]>> = lines.iter().map(|line| Some(line.as_bytes())).collect();
        let (made, bad) = instance.convert(Direction::ToConnect, &frame(0, &lines)).unwrap();
        (made, bad.into_iter().map(|bad| format!("{} {}", bad.index, bad.message)).collect())
    }

    #[test]
    fn lines_become_structs_and_lines_again() {
        let mut csv = converter("id:int64,name,price:float64,sold:boolean");
        let lines = ["1,\"rope, long\",9.95,true", "-2,,,", "3,\"say \"\"hi\"\"\",1.0,false"];
        let (made, bad) = to_rows(&mut csv, &lines);
        assert_eq!(bad, [""; 0]);
        let made = Frame::parse(&made).unwrap();
        let texts: Vec<String> = made
            .iter()
            .map(|record| text::to_text(&schemas::get, record.entry.value_schema, record.value()).unwrap())
            .collect();
        assert_eq!(texts[0], "Struct{id=1,name=rope, long,price=9.95,sold=true}");
        assert_eq!(texts[1], "Struct{id=-2}");
        let schema = made.get(0).unwrap().entry.value_schema;
        let values: Vec<Option<&[u8]>> = made.iter().map(|record| record.value()).collect();
        let (written, bad) = csv.convert(Direction::FromConnect, &frame(schema, &values)).unwrap();
        assert!(bad.is_empty());
        let written = Frame::parse(&written).unwrap();
        let written_lines: Vec<&str> =
            written.iter().map(|record| std::str::from_utf8(record.value().unwrap()).unwrap()).collect();
        assert_eq!(written_lines, lines);
    }

    #[test]
    fn bad_lines_are_named_and_do_not_touch_the_others() {
        let mut csv = converter("id:int32,name");
        let (made, bad) = to_rows(&mut csv, &["1,a", "x,b", "1,2,3", "4,d\n5,e", "6,f"]);
        assert_eq!(
            bad,
            [
                "1 \"x\" in column id is no Int32",
                "2 the line has 3 fields, there are 2 columns",
                "3 there is more than one line in the message"
            ]
        );
        let made = Frame::parse(&made).unwrap();
        assert_eq!(made.iter().filter_map(|record| record.entry.src).collect::<Vec<_>>(), [0, 4]);
    }

    #[test]
    fn nothing_is_null_both_ways() {
        let mut csv = converter("id");
        let (made, bad) = csv.convert(Direction::ToConnect, &frame(0, &[None, Some(b"")])).unwrap();
        assert!(bad.is_empty());
        assert!(Frame::parse(&made).unwrap().iter().all(|record| record.value().is_none()));
        let (made, _) = csv.convert(Direction::FromConnect, &frame(0, &[None])).unwrap();
        assert!(Frame::parse(&made).unwrap().get(0).unwrap().value().is_none());
    }

    #[test]
    fn a_wrong_configuration_is_named() {
        let problems = |columns: &str, separator: &str| {
            let config =
                vec![(COLUMNS.to_owned(), columns.to_owned()), (SEPARATOR.to_owned(), separator.to_owned())];
            Instance::new(PLUGINS).validate("dev.cofferdam.examples.CsvConverter", config)
        };
        assert_eq!(problems("a", ";"), []);
        assert_eq!(problems("a", "ab")[0].key, SEPARATOR);
        assert!(problems("a:decimal", ",")[0].message.contains("Invalid value a:decimal"));
    }
}
