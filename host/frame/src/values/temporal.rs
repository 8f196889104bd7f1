//! Dates, times and timestamps as text, in UTC: `2019-08-23`, `14:34:54.346Z` and
//! `2019-08-23T14:34:54.346Z`.
//!
//! Reading is as lenient as Java's `SimpleDateFormat`: numbers may have any length and lie beyond
//! their range, blanks may stand before them, and what follows the text is ignored.

use std::borrow::Cow;

use super::number::digit;
use super::value::{Datum, Type, Value};
use crate::text::{DAY_MS, days_of, gregorian, put_int};

/// Appends the moment `millis` after the epoch as Kafka Connect does where a date becomes text: what
/// lies within the first day is a time, whole days are dates, everything else is a timestamp.
pub fn put_temporal(out: &mut Vec<u8>, millis: i64) {
    if millis < DAY_MS {
        return put_time(out, millis.rem_euclid(DAY_MS));
    }
    let (year, month, day) = gregorian(millis / DAY_MS);
    for _ in 0..year.checked_ilog10().map_or(3, |log| 3_u32.saturating_sub(log)) {
        out.push(b'0');
    }
    put_int(out, year);
    out.push(b'-');
    put_padded(out, month as i64 + 1, 2);
    out.push(b'-');
    put_padded(out, day, 2);
    if millis % DAY_MS != 0 {
        out.push(b'T');
        put_time(out, millis % DAY_MS);
    }
}

fn put_time(out: &mut Vec<u8>, millis: i64) {
    for (part, width, behind) in [
        (millis / 3_600_000, 2, b':'),
        (millis / 60_000 % 60, 2, b':'),
        (millis / 1000 % 60, 2, b'.'),
        (millis % 1000, 3, b'Z'),
    ] {
        put_padded(out, part, width);
        out.push(behind);
    }
}

fn put_padded(out: &mut Vec<u8>, number: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10_i64.pow(place) % 10) as u8);
    }
}

/// Reads a date, a time or a timestamp. Which one it may be is told by the length alone.
pub(super) fn parse(text: &str) -> Option<Value> {
    // Longer ones are none even when each colon is escaped and each character is of four bytes.
    if text.len() > 4 * 48 {
        return None;
    }
    // Colons may be escaped, since they are delimiters.
    let text = if text.contains("\\:") { Cow::from(text.replace("\\:", ":")) } else { Cow::from(text) };
    let mut fields = Fields(&text);
    let (of, millis) = match text.encode_utf16().count() {
        10 => (Type::Date, fields.days()?.saturating_mul(DAY_MS)),
        13 => (Type::Time, fields.millis()?),
        24 => {
            let days = fields.days()?;
            fields.literal('T')?;
            (Type::Timestamp, days.saturating_mul(DAY_MS).saturating_add(fields.millis()?))
        }
        _ => return None,
    };
    Some(Value { of, datum: Datum::Date(millis) })
}

/// The text that is not read yet.
struct Fields<'a>(&'a str);

impl Fields<'_> {
    /// `yyyy-MM-dd`, as days since the epoch.
    fn days(&mut self) -> Option<i64> {
        let year = self.number()?;
        self.literal('-')?;
        // Java takes one from the month before it is stored in 32 bits.
        let month = (self.number()? as i32).wrapping_sub(1);
        self.literal('-')?;
        let day = self.number()?;
        let year = year + i64::from(month).div_euclid(12);
        Some(days_of(year, month.rem_euclid(12) as usize, day))
    }

    /// `HH:mm:ss.SSS'Z'`, as milliseconds.
    fn millis(&mut self) -> Option<i64> {
        let mut millis = 0;
        for (unit, behind) in [(3_600_000, ':'), (60_000, ':'), (1000, '.'), (1, 'Z')] {
            millis += self.number()? * unit;
            self.literal(behind)?;
        }
        Some(millis)
    }

    fn literal(&mut self, char: char) -> Option<()> {
        self.0 = self.0.strip_prefix(char)?;
        Some(())
    }

    /// A whole number as `DecimalFormat` reads it, exponent included, cut to 32 bits.
    fn number(&mut self) -> Option<i64> {
        let mut rest = self.0.trim_start_matches([' ', '\t']);
        let negative = rest.starts_with('-');
        rest = rest.strip_prefix('-').unwrap_or(rest);
        let mut value = take_digits(&mut rest)?;
        let mut behind = rest;
        if let Some(tail) = rest.strip_prefix('E') {
            let negative = tail.starts_with('-');
            behind = tail.strip_prefix('-').unwrap_or(tail);
            // Without digits it is no exponent, and the E is left where it is.
            match take_digits(&mut behind) {
                None => behind = rest,
                Some(exponent) => {
                    let factor = 10_f64.powf(exponent as f64);
                    let scaled = if negative { value as f64 / factor } else { value as f64 * factor };
                    value = scaled as u128;
                }
            }
        }
        self.0 = behind;
        let value = i128::try_from(value).unwrap_or(i128::MAX);
        let value = if negative { -value } else { value };
        // What no long holds is a double to Java, which is cut to the largest number, not wrapped.
        Some(match i64::try_from(value) {
            Ok(value) => (value as i32).into(),
            Err(_) if negative => i32::MIN.into(),
            Err(_) => i32::MAX.into(),
        })
    }
}

fn take_digits(text: &mut &str) -> Option<u128> {
    let mut value = None;
    while let Some(digit) = text.chars().next().and_then(digit) {
        value = Some(value.unwrap_or(0_u128).saturating_mul(10).saturating_add(digit.into()));
        let mut chars = text.chars();
        chars.next();
        *text = chars.as_str();
    }
    value
}
