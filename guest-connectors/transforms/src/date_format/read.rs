//! Reading a text by a pattern.

use super::{Century, Item, MONTHS, SHORT, WEEKDAYS};
use crate::calendar::{Field, Fields};

const MINUTE_MS: i32 = 60_000;

/// Names of time zones, and minutes east of Greenwich. Where one name is prefix of another the longer
/// one comes first.
const ZONES: [(&str, i32); 41] = [
    ("Coordinated Universal Time", 0),
    ("Greenwich Mean Time", 0),
    ("Pacific Standard Time", -480),
    ("Pacific Daylight Time", -420),
    ("Mountain Standard Time", -420),
    ("Mountain Daylight Time", -360),
    ("Central Standard Time", -360),
    ("Central Daylight Time", -300),
    ("Eastern Standard Time", -300),
    ("Eastern Daylight Time", -240),
    ("Central European Standard Time", 60),
    ("Central European Summer Time", 120),
    ("Eastern European Standard Time", 120),
    ("Eastern European Summer Time", 180),
    ("Western European Standard Time", 0),
    ("Western European Summer Time", 60),
    ("British Summer Time", 60),
    ("UTC", 0),
    ("GMT", 0),
    ("PST", -480),
    ("PDT", -420),
    ("MST", -420),
    ("MDT", -360),
    ("CST", -360),
    ("CDT", -300),
    ("EST", -300),
    ("EDT", -240),
    ("AKST", -540),
    ("AKDT", -480),
    ("HST", -600),
    ("CEST", 120),
    ("CET", 60),
    ("EEST", 180),
    ("EET", 120),
    ("WEST", 60),
    ("WET", 0),
    ("BST", 60),
    ("IST", 120),
    ("IDT", 180),
    ("JST", 540),
    ("MSK", 180),
];

/// Milliseconds since the epoch.
pub(super) fn read(items: &[Item], century: Century, text: &str) -> Option<i64> {
    let mut reader = Reader { text, at: 0, fields: Fields::default(), century, ambiguous: false };
    let mut items = items.iter().peekable();
    while let Some(item) = items.next() {
        match item {
            Item::Text(expected) => {
                reader.at += reader.rest().strip_prefix(expected.as_str()).map(|_| expected.len())?
            }
            Item::Field(letter, count) => {
                // Numbers without anything between them have as many digits as letters.
                let next_is_number =
                    matches!(items.peek(), Some(Item::Field(next, n)) if is_number(*next, *n));
                reader.field(*letter, *count, next_is_number)?;
            }
        }
    }
    if reader.at == 0 {
        return None;
    }
    let millis = reader.fields.millis();
    if reader.ambiguous && millis < century.start {
        reader.fields.add_years(100);
        return Some(reader.fields.millis());
    }
    Some(millis)
}

fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'M' | 'L' => count <= 2,
        letter => "ydkHmsSDFwWhKYu".contains(letter),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// What was read of it, in bytes.
    at: usize,
    fields: Fields,
    century: Century,
    /// Two digits that may belong to either of two centuries.
    ambiguous: bool,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn field(&mut self, letter: char, count: usize, obey_count: bool) -> Option<()> {
        let start = self.rest();
        let trimmed = start.trim_start_matches([' ', '\t']);
        if trimmed.is_empty() {
            return None;
        }
        match letter {
            // Names are looked for where the spaces start.
            'G' => self.name(Field::Era, &[("Before Christ", 0), ("Anno Domini", 1), ("BC", 0), ("AD", 1)]),
            'a' => self.name(Field::AmPm, &[("AM", 0), ("PM", 1)]),
            'M' | 'L' if count >= 3 => self.list_name(Field::Month, &MONTHS, 0),
            'E' => self.list_name(Field::DayOfWeek, &WEEKDAYS, 1),
            'z' | 'Z' => {
                self.at += start.len() - trimmed.len();
                self.zone_name(start)
            }
            'X' => {
                self.at += start.len() - trimmed.len();
                self.iso_zone(count)
            }
            _ => {
                let (value, digits) = self.number(start, trimmed, count, obey_count)?;
                self.number_field(letter, count, value, digits);
                Some(())
            }
        }
    }

    /// A number, and its text where that is nothing but digits.
    fn number(
        &mut self,
        start: &'a str,
        trimmed: &'a str,
        count: usize,
        obey: bool,
    ) -> Option<(i32, &'a str)> {
        let spaces = start.len() - trimmed.len();
        // The spaces belong to the width.
        let limit = if obey { width(start, count)? } else { start.len() };
        let within = start.get(spaces..limit)?;
        let (value, length) = number(within)?;
        self.at += spaces + length;
        let text = within.get(..length).unwrap_or_default();
        Some((value, if text.bytes().all(|byte| byte.is_ascii_digit()) { text } else { "" }))
    }

    fn number_field(&mut self, letter: char, count: usize, value: i32, digits: &str) {
        let (field, value) = match letter {
            'y' | 'Y' => {
                let field = if letter == 'y' { Field::Year } else { Field::WeekYear };
                (field, if count <= 2 && digits.len() == 2 { self.full_year(value) } else { value })
            }
            'M' | 'L' => (Field::Month, value.wrapping_sub(1)),
            'd' => (Field::DayOfMonth, value),
            'k' => (Field::HourOfDay, if value == 24 { 0 } else { value }),
            'H' => (Field::HourOfDay, value),
            'h' => (Field::Hour, if value == 12 { 0 } else { value }),
            'K' => (Field::Hour, value),
            'm' => (Field::Minute, value),
            's' => (Field::Second, value),
            'S' => (Field::Millisecond, value),
            'D' => (Field::DayOfYear, value),
            'F' => (Field::DayOfWeekInMonth, value),
            'w' => (Field::WeekOfYear, value),
            'W' => (Field::WeekOfMonth, value),
            // 'u', from Monday; other numbers are put right when the day is looked for.
            _ => (
                Field::DayOfWeek,
                match value {
                    7 => 1,
                    1..=6 => value + 1,
                    _ => value,
                },
            ),
        };
        self.fields.set(field, value);
    }

    /// Two digits stand for the year that lies less than 80 years back or less than 20 ahead.
    fn full_year(&mut self, two_digits: i32) -> i32 {
        let year = self.century.year as i32;
        let turn = year % 100;
        self.ambiguous = two_digits == turn;
        two_digits + year / 100 * 100 + if two_digits < turn { 100 } else { 0 }
    }

    fn name(&mut self, field: Field, names: &[(&str, i32)]) -> Option<()> {
        let (name, value) = names.iter().find(|(name, _)| starts_with(self.rest(), name))?;
        self.at += name.len();
        self.fields.set(field, *value);
        Some(())
    }

    /// A long name or a short one.
    fn list_name(&mut self, field: Field, names: &[&str], from: i32) -> Option<()> {
        let rest = self.rest();
        let long = names.iter().position(|name| starts_with(rest, name));
        let short = |name: &&str| name.get(..SHORT).is_some_and(|short| starts_with(rest, short));
        let (at, length) = match long {
            Some(at) => (at, names.get(at)?.len()),
            None => (names.iter().position(short)?, SHORT),
        };
        self.at += length;
        self.fields.set(field, at as i32 + from);
        Some(())
    }

    /// `+hhmm`, `GMT`, `GMT+hh:mm`, or a name.
    fn zone_name(&mut self, start: &str) -> Option<()> {
        if let Some(sign) = sign(self.rest()) {
            self.at += 1;
            return self.offset(sign, 0, false);
        }
        if starts_with(start, "GMT") {
            self.at += "GMT".len();
            return match sign(self.rest()) {
                Some(sign) => {
                    self.at += 1;
                    self.offset(sign, 0, true)
                }
                None => {
                    self.fields.set(Field::Zone, 0);
                    Some(())
                }
            };
        }
        let (name, minutes) = ZONES.iter().find(|(name, _)| starts_with(self.rest(), name))?;
        self.at += name.len();
        self.fields.set(Field::Zone, minutes * MINUTE_MS);
        Some(())
    }

    /// `Z`, or an offset in as many parts as there are letters.
    fn iso_zone(&mut self, count: usize) -> Option<()> {
        if self.rest().starts_with('Z') {
            self.at += 1;
            self.fields.set(Field::Zone, 0);
            return Some(());
        }
        let sign = sign(self.rest())?;
        self.at += 1;
        self.offset(sign, count, count == 3)
    }

    /// Hours, and minutes unless `count` is 1. One digit will do for the hours where a colon follows
    /// and the text is no ISO zone.
    fn offset(&mut self, sign: i32, count: usize, colon: bool) -> Option<()> {
        let first = self.digit()?;
        let hours = match self.digit() {
            Some(second) => first * 10 + second,
            None if count > 0 || !colon || self.rest().is_empty() => return None,
            None => first,
        };
        let mut minutes = hours * 60;
        if hours > 23 {
            return None;
        }
        if count != 1 {
            if colon {
                self.at += self.rest().strip_prefix(':').map(|_| 1)?;
            }
            let part = self.digit()? * 10 + self.digit()?;
            if part > 59 {
                return None;
            }
            minutes += part;
        }
        self.fields.set(Field::Zone, minutes * MINUTE_MS * sign);
        Some(())
    }

    fn digit(&mut self) -> Option<i32> {
        let digit = self.rest().bytes().next().filter(u8::is_ascii_digit)?;
        self.at += 1;
        Some((digit - b'0').into())
    }
}

fn sign(text: &str) -> Option<i32> {
    match text.bytes().next()? {
        b'+' => Some(1),
        b'-' => Some(-1),
        _ => None,
    }
}

fn starts_with(text: &str, name: &str) -> bool {
    text.as_bytes().get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

/// Bytes of the first `count` characters, as Java counts them; none when there are fewer.
fn width(text: &str, count: usize) -> Option<usize> {
    let mut left = count;
    for (at, char) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.saturating_sub(char.len_utf16());
    }
    (left == 0).then_some(text.len())
}

/// A number as `DecimalFormat` reads it, narrowed to an `int`: digits, a sign in front, an exponent
/// behind. What does not fit a `long` is as large as an `int` can be.
fn number(text: &str) -> Option<(i32, usize)> {
    let negative = text.starts_with('-');
    let digits_at = usize::from(negative);
    let n_digits = digits(text.get(digits_at..)?);
    if n_digits == 0 {
        return None;
    }
    let mut end = digits_at + n_digits;
    let mut exponent = 0_i32;
    if let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix('E')) {
        let sign_len = usize::from(rest.starts_with('-'));
        let n = digits(rest.get(sign_len..).unwrap_or_default());
        if n > 0 {
            let read = rest.get(..sign_len + n).and_then(|digits| digits.parse().ok());
            exponent = read.unwrap_or(if sign_len > 0 { -1000 } else { 1000 });
            end += 1 + sign_len + n;
        }
    }
    let mantissa = text.get(..digits_at + n_digits)?;
    let value = match mantissa.parse::<i64>() {
        Ok(whole) if exponent == 0 => whole as i32,
        _ => {
            let number: f64 = format!("{mantissa}e{exponent}").parse().ok()?;
            if number.fract() == 0.0 && number.abs() < 9.0e18 { number as i64 as i32 } else { number as i32 }
        }
    };
    Some((value, end))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}
