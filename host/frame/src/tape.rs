//! Values without a schema: each carries a tag, containers are found by their ends
//! (`wit/FRAME.md`, Tape).
//!
//! The tags keep Java's types apart (an `Integer` is not a `Long`), since transforms and converters
//! answer differently for them.

use crate::bytes::same;
use crate::rows::{self, List, ListWriter};

/// First byte of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// Null; nothing follows.
    Null = 0,
    /// One byte follows.
    Boolean = 1,
    /// `Byte`; eight bytes follow, as for every integer.
    Int8 = 2,
    /// `Short`.
    Int16 = 3,
    /// `Integer`.
    Int32 = 4,
    /// `Long`.
    Int64 = 5,
    /// `Float`; eight bytes follow, as for every floating-point number.
    Float32 = 6,
    /// `Double`.
    Float64 = 7,
    /// UTF-8 text follows.
    String = 8,
    /// Bytes follow.
    Bytes = 9,
    /// A list of values follows.
    Array = 10,
    /// A list of keys and values in turn follows.
    Map = 11,
    /// `BigDecimal`: scale (i32), then the big-endian unscaled value.
    Decimal = 12,
    /// `java.util.Date`: milliseconds since the epoch.
    Date = 13,
    /// A struct: schema id (u32), then its row.
    Struct = 14,
}

impl Tag {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Null,
            1 => Self::Boolean,
            2 => Self::Int8,
            3 => Self::Int16,
            4 => Self::Int32,
            5 => Self::Int64,
            6 => Self::Float32,
            7 => Self::Float64,
            8 => Self::String,
            9 => Self::Bytes,
            10 => Self::Array,
            11 => Self::Map,
            12 => Self::Decimal,
            13 => Self::Date,
            14 => Self::Struct,
            _ => return None,
        })
    }
}

/// One value, read one level deep.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Null.
    Null,
    /// True or false.
    Boolean(bool),
    /// Integers; the tag keeps the width.
    Int(Tag, i64),
    /// Floating-point numbers; the tag keeps the width.
    Float(Tag, f64),
    /// Text.
    String(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Items, each a tagged value.
    Array(List<'a>),
    /// Keys and values in turn, each a tagged value.
    Map(List<'a>),
    /// Scale and big-endian unscaled value.
    Decimal(i32, &'a [u8]),
    /// Milliseconds since the epoch.
    Date(i64),
    /// Schema id and row.
    Struct(u32, &'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads one value, whose bytes are all of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let tag = Tag::from_byte(*tag)?;
        Some(match tag {
            Tag::Null if rest.is_empty() => Self::Null,
            Tag::Null => return None,
            Tag::Boolean => Self::Boolean(rows::boolean(rest)?),
            Tag::Int8 | Tag::Int16 | Tag::Int32 | Tag::Int64 => Self::Int(tag, rows::int(rest)?),
            Tag::Float32 | Tag::Float64 => Self::Float(tag, rows::float(rest)?),
            Tag::String => Self::String(rows::text(rest)?),
            Tag::Bytes => Self::Bytes(rest),
            Tag::Array => Self::Array(List::new(rest)?),
            Tag::Map => {
                let list = List::new(rest)?;
                if !list.len().is_multiple_of(2) {
                    return None;
                }
                Self::Map(list)
            }
            Tag::Decimal => {
                let (scale, unscaled) = rest.split_first_chunk()?;
                Self::Decimal(i32::from_le_bytes(*scale), unscaled)
            }
            Tag::Date => Self::Date(rows::int(rest)?),
            Tag::Struct => {
                let (schema, row) = rest.split_first_chunk()?;
                Self::Struct(u32::from_le_bytes(*schema), row)
            }
        })
    }

    /// The value of the string key `key` in a map, if this is one.
    #[must_use]
    pub fn entry(self, key: &str) -> Option<&'a [u8]> {
        let Self::Map(list) = self else { return None };
        pairs(list).find_map(|(name, value)| is_string(name, key).then_some(value))
    }
}

/// The pairs of a map, each key and value a tagged value.
pub fn pairs(map: List<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    (0..map.len() / 2).filter_map(move |pair| Some((map.get(pair * 2)??, map.get(pair * 2 + 1)??)))
}

/// Whether a tagged value is the string `text`.
#[inline]
#[must_use]
pub fn is_string(value: &[u8], text: &str) -> bool {
    string_bytes(value).is_some_and(|bytes| same(bytes, text.as_bytes()))
}

/// Text bytes of a tagged string, without the check that they are UTF-8.
#[must_use]
pub fn string_bytes(value: &[u8]) -> Option<&[u8]> {
    match value.split_first() {
        Some((tag, text)) if *tag == Tag::String as u8 => Some(text),
        _ => None,
    }
}

/// Appends null.
pub fn put_null(out: &mut Vec<u8>) {
    out.push(Tag::Null as u8);
}

/// Appends a boolean.
pub fn put_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(&[Tag::Boolean as u8, value.into()]);
}

/// Appends an integer of the width that `tag` names.
pub fn put_int(out: &mut Vec<u8>, tag: Tag, value: i64) {
    out.push(tag as u8);
    rows::put_int(out, value);
}

/// Appends a floating-point number of the width that `tag` names.
pub fn put_float(out: &mut Vec<u8>, tag: Tag, value: f64) {
    out.push(tag as u8);
    rows::put_float(out, value);
}

/// Appends text.
pub fn put_string(out: &mut Vec<u8>, value: &str) {
    out.push(Tag::String as u8);
    out.extend_from_slice(value.as_bytes());
}

/// Appends bytes.
pub fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.push(Tag::Bytes as u8);
    out.extend_from_slice(value);
}

/// Appends a decimal.
pub fn put_decimal(out: &mut Vec<u8>, scale: i32, unscaled: &[u8]) {
    out.push(Tag::Decimal as u8);
    out.extend_from_slice(&scale.to_le_bytes());
    out.extend_from_slice(unscaled);
}

/// Appends a `java.util.Date`, in milliseconds since the epoch.
pub fn put_date(out: &mut Vec<u8>, millis: i64) {
    out.push(Tag::Date as u8);
    rows::put_int(out, millis);
}

/// Starts an array: append tagged items and say so to the writer, then finish it.
pub fn start_array(out: &mut Vec<u8>) -> ListWriter {
    out.push(Tag::Array as u8);
    ListWriter::start(out)
}

/// Starts a map: append tagged keys and values in turn, saying so each time, then finish it.
pub fn start_map(out: &mut Vec<u8>) -> ListWriter {
    out.push(Tag::Map as u8);
    ListWriter::start(out)
}
