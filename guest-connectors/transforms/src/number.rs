//! Java's numbers: what narrowing leaves of them, and which texts are some.

use cofferdam_sdk::frame::text;
use cofferdam_sdk::{Error, Result};

/// A `java.lang.Number`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number<'a> {
    /// Of any width.
    Int(i64),
    Float(f32),
    Double(f64),
    /// Scale, and big-endian unscaled value.
    Decimal(i32, &'a [u8]),
}

impl Number<'_> {
    /// `longValue`.
    pub(crate) fn to_i64(self) -> Result<i64> {
        Ok(match self {
            Self::Int(value) => value,
            Self::Float(value) => value as i64,
            Self::Double(value) => value as i64,
            Self::Decimal(scale, unscaled) => whole(scale, unscaled)?,
        })
    }

    /// `intValue`: the lower half of a long, the nearest int of a floating-point number. Shorter
    /// types take the lower part of this.
    pub(crate) fn to_i32(self) -> Result<i32> {
        Ok(match self {
            Self::Float(value) => value as i32,
            Self::Double(value) => value as i32,
            Self::Int(_) | Self::Decimal(..) => self.to_i64()? as i32,
        })
    }

    /// `floatValue`.
    pub(crate) fn to_f32(self) -> Result<f32> {
        Ok(match self {
            Self::Int(value) => value as f32,
            Self::Float(value) => value,
            Self::Double(value) => value as f32,
            Self::Decimal(scale, unscaled) => decimal_text(scale, unscaled)?.parse().unwrap_or(f32::NAN),
        })
    }

    /// `doubleValue`.
    pub(crate) fn to_f64(self) -> Result<f64> {
        Ok(match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value.into(),
            Self::Double(value) => value,
            Self::Decimal(scale, unscaled) => decimal_text(scale, unscaled)?.parse().unwrap_or(f64::NAN),
        })
    }

    /// Appends `toString`.
    pub(crate) fn write(self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Int(value) => text::put_int(out, value),
            Self::Float(value) => text::put_float(out, value),
            Self::Double(value) => text::put_double(out, value),
            Self::Decimal(scale, unscaled) => put_decimal(out, scale, unscaled)?,
        }
        Ok(())
    }
}

/// `Float.parseFloat`, but for hexadecimal numbers: spaces around it, and an `f` or `d` behind it, do
/// not matter.
pub(crate) fn parse_float<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim_matches(|char: char| char <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    let number = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let is_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    if number.as_bytes().iter().all(is_number) { number.parse().ok() } else { None }
}

/// The lower 64 bits of a decimal without its fraction.
fn whole(scale: i32, unscaled: &[u8]) -> Result<i64> {
    let mut text = Vec::new();
    put_decimal(&mut text, 0, unscaled)?;
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text.as_slice()),
    };
    let fraction = usize::try_from(scale).unwrap_or(0);
    let digits = digits.get(..digits.len().saturating_sub(fraction)).unwrap_or_default();
    let mut value = digits
        .iter()
        .fold(0_i64, |value, digit| value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')));
    // 10^64 is a multiple of 2^64: nothing is left from there on.
    for _ in 0..scale.min(0).unsigned_abs().min(64) {
        value = value.wrapping_mul(10);
    }
    Ok(if negative { value.wrapping_neg() } else { value })
}

fn decimal_text(scale: i32, unscaled: &[u8]) -> Result<String> {
    let mut text = Vec::new();
    put_decimal(&mut text, scale, unscaled)?;
    String::from_utf8(text).map_err(|_| crate::operand::layout())
}

fn put_decimal(out: &mut Vec<u8>, scale: i32, unscaled: &[u8]) -> Result<()> {
    text::put_decimal(out, scale, unscaled).map_err(|error| Error::bad_record(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Number, parse_float};

    #[test]
    fn narrows_as_java_does() {
        for (number, long, int, float) in [
            (Number::Int(6_400_000_000), 6_400_000_000, 2_105_032_704, 6.4e9),
            (Number::Double(-1.5e20), i64::MIN, i32::MIN, -1.5e20),
            (Number::Double(300.7), 300, 300, 300.7),
            (Number::Double(-1.7), -1, -1, -1.7),
            (Number::Float(1e10), 10_000_000_000, i32::MAX, 1e10),
            (Number::Decimal(2, &[0x1e, 0x61]), 77, 77, 77.77),
            (Number::Decimal(2, &[0xe1, 0x9f]), -77, -77, -77.77),
            (Number::Decimal(5, &[7]), 0, 0, 7e-5),
            (Number::Decimal(-3, &[7]), 7000, 7000, 7000.0),
            (Number::Decimal(-64, &[1]), 0, 0, 1e64_f64 as f32),
            // 2^64 + 5
            (Number::Decimal(0, &[1, 0, 0, 0, 0, 0, 0, 0, 5]), 5, 5, 1.8446744e19),
        ] {
            assert_eq!(number.to_i64().unwrap(), long, "{number:?}");
            assert_eq!(number.to_i32().unwrap(), int, "{number:?}");
            assert_eq!(number.to_f32().unwrap(), float, "{number:?}");
            assert_eq!(number.to_f64().unwrap() as f32, float, "{number:?}");
        }
        assert_eq!(Number::Double(f64::NAN).to_i64().unwrap(), 0);
    }

    #[test]
    fn reads_floats_as_java_does() {
        for (text, expected) in [
            ("1e5", Some(1e5)),
            (" 7 ", Some(7.0)),
            ("1.", Some(1.0)),
            (".5", Some(0.5)),
            ("+3.2f", Some(3.2)),
            ("-3.2D", Some(-3.2)),
            ("Infinity", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", Some(f64::INFINITY)),
            ("inf", None),
            ("infinity", None),
            ("nan", None),
            ("f", None),
            ("1e", None),
            ("1 2", None),
            ("Infinityf", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(parse_float::<f64>(text), expected, "{text}");
        }
        assert!(parse_float::<f64>("NaN").is_some_and(f64::is_nan));
        assert!(parse_float::<f32>("-NaN").is_some_and(f32::is_nan));
    }
}
