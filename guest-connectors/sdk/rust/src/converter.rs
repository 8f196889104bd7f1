//! Converters: between the bytes of a topic and values.

use cofferdam_frame::{Builder, Entry, Frame, Header, Record as Input, Span};

use crate::config::Config;
use crate::error::{BadRecord, Error, Problem, Result};
use crate::info::PluginInfo;
use crate::transform::trusted;
use crate::{Part, SchemaId};

/// What a converter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Keys or values of records.
    Part(Part),
    /// Values of headers.
    Headers,
}

/// A converter: reads the bytes of a topic into values, and writes values as bytes. It may keep what
/// it learned of schemas, but no record may change the outcome of another.
pub trait Converter: Sized + 'static {
    /// What the plugin says about itself. Called in an instance that is thrown away.
    fn info() -> PluginInfo;

    /// Checks what the keys' types and validators cannot express.
    fn validate(config: &Config) -> Vec<Problem> {
        let _ = config;
        Vec::new()
    }

    /// Makes the converter for one task. The configuration's keys are without `value.converter.` and
    /// the like.
    ///
    /// # Errors
    /// When the configuration is wrong; the task does not start.
    fn configure(config: &Config, target: Target) -> Result<Self>;

    /// Appends the value of `datum`'s bytes to `out`.
    ///
    /// # Errors
    /// [`Error::BadRecord`] leaves this record to `errors.tolerance`; any other kind ends the call.
    fn to_connect(&mut self, datum: &Datum<'_>, out: &mut Vec<u8>) -> Result<Converted>;

    /// Appends the bytes of `datum`'s value to `out`. The schema of the answer has no meaning.
    ///
    /// # Errors
    /// [`Error::BadRecord`] leaves this record to `errors.tolerance`; any other kind ends the call.
    #[allow(clippy::wrong_self_convention, reason = "named as in the contract and in Kafka Connect")]
    fn from_connect(&mut self, datum: &Datum<'_>, out: &mut Vec<u8>) -> Result<Converted>;
}

/// What is to be converted.
#[derive(Clone, Copy, Debug)]
pub struct Datum<'a>(Input<'a>);

/// What a converter made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    schema: SchemaId,
    is_null: bool,
}

// === impl Datum ===

impl<'a> Datum<'a> {
    /// The topic of the record.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.0.topic()
    }

    /// Name of the header that is converted; none for keys and values.
    #[must_use]
    pub fn header(&self) -> Option<&'a str> {
        self.0.key().and_then(|name| std::str::from_utf8(name).ok())
    }

    /// Its bytes: those of the topic, or of a value laid out by its schema. None = null.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        self.0.value()
    }

    /// Schema of a value; 0 = none.
    #[must_use]
    pub const fn schema(&self) -> SchemaId {
        self.0.entry.value_schema
    }

    /// Headers of the record, as they are in the topic. None for converters that said they need none.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> {
        self.0.headers()
    }
}

// === impl Converted ===

impl Converted {
    /// What was appended, laid out by `schema`; 0 = none, and for bytes.
    #[must_use]
    pub const fn value(schema: SchemaId) -> Self {
        Self { schema, is_null: false }
    }

    /// Null, whatever was appended.
    #[must_use]
    pub const fn null(schema: SchemaId) -> Self {
        Self { schema, is_null: true }
    }
}

/// From the bytes of a topic, or to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the bytes of a topic.
    ToConnect,
    /// To the bytes of a topic.
    FromConnect,
}

pub(crate) trait AnyConverter {
    fn convert(&mut self, direction: Direction, datum: &Datum<'_>, out: &mut Vec<u8>) -> Result<Converted>;
}

impl<C: Converter> AnyConverter for C {
    fn convert(&mut self, direction: Direction, datum: &Datum<'_>, out: &mut Vec<u8>) -> Result<Converted> {
        match direction {
            Direction::ToConnect => self.to_connect(datum, out),
            Direction::FromConnect => self.from_connect(datum, out),
        }
    }
}

/// Converts a batch: the frame of what was made, and the records that could not be converted.
pub(crate) fn convert(
    converter: &mut dyn AnyConverter,
    direction: Direction,
    batch: &[u8],
) -> Result<(Vec<u8>, Vec<BadRecord>)> {
    let frame: Frame<'_> = trusted(batch)?;
    let mut out = Builder::with_capacity(frame.len(), frame.heap().len());
    let mut bad = Vec::new();
    for (index, record) in (0_u32..).zip(frame.iter()) {
        let mut made = Converted::null(0);
        let written = out.try_write(|heap| -> Result<()> {
            made = converter.convert(direction, &Datum(record), heap)?;
            Ok(())
        });
        let span = match written {
            Ok(span) => span,
            Err(Error::BadRecord(message)) => {
                bad.push(BadRecord { index, step: 0, message });
                continue;
            }
            Err(error) => return Err(error),
        };
        let topic = out.topic(record.topic()).map_err(|error| Error::fatal(error.to_string()))?;
        out.push(&Entry {
            src: Some(index),
            value: if made.is_null { Span::NULL } else { span },
            value_schema: made.schema,
            ..Entry::new(topic)
        });
    }
    Ok((out.finish(), bad))
}
