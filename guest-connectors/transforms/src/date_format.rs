//! `java.text.SimpleDateFormat` in UTC with English names: prints and reads moments by a pattern, as
//! leniently as the original.
//!
//! Time zones are read as offsets (`+0100`, `GMT+01:00`, `Z` where Java takes it) and as the common
//! English names; the names of other regions are refused as unreadable text.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::calendar::{DAY_MS, Day, Field, Fields};

mod read;

/// In the order in which Java numbers them.
const LETTERS: &str = "GyMdkHmsSEDFwWahKzZYuXL";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const SHORT: usize = 3;

/// A pattern, taken apart.
#[derive(Debug)]
pub(crate) struct DateFormat {
    items: Vec<Item>,
    /// From here on two digits of a year count a century: 80 years before the format was made.
    century: Century,
}

#[derive(Debug, PartialEq, Eq)]
enum Item {
    Text(String),
    /// Letter, and how often it stands there.
    Field(char, usize),
}

#[derive(Clone, Copy, Debug)]
struct Century {
    start: i64,
    year: i64,
}

impl DateFormat {
    /// Reads a pattern; what is wrong with it is said in Java's words.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        Self::at(pattern, now)
    }

    /// As made at the moment `now`.
    fn at(pattern: &str, now: i64) -> Result<Self, String> {
        Ok(Self { items: items(pattern)?, century: Century::at(now) })
    }

    /// How long a printed text stays the same, counted from the epoch: a divisor of every unit that
    /// is printed.
    pub(crate) fn granularity_ms(&self) -> i64 {
        let of_item = |item: &Item| match item {
            Item::Field('S', _) => 1,
            Item::Field('s', _) => 1_000,
            Item::Field('m', _) => 60_000,
            Item::Field('H' | 'k' | 'K' | 'h' | 'a', _) => 3_600_000,
            Item::Field(..) | Item::Text(_) => DAY_MS,
        };
        self.items.iter().map(of_item).min().unwrap_or(DAY_MS)
    }

    /// Appends the moment `millis` after the epoch.
    pub(crate) fn write(&self, out: &mut Vec<u8>, millis: i64) {
        let day = Day::of(millis.div_euclid(DAY_MS));
        let time = millis.rem_euclid(DAY_MS);
        for item in &self.items {
            match item {
                Item::Text(text) => out.extend_from_slice(text.as_bytes()),
                Item::Field(letter, count) => put(out, *letter, *count, day, time),
            }
        }
    }

    /// As [`Self::write`], into a text of its own.
    pub(crate) fn to_text(&self, millis: i64) -> String {
        let mut out = Vec::new();
        self.write(&mut out, millis);
        String::from_utf8(out).unwrap_or_default()
    }

    /// Milliseconds since the epoch of a text that starts as the pattern says; what follows does not
    /// matter.
    pub(crate) fn read(&self, text: &str) -> Option<i64> {
        read::read(&self.items, self.century, text)
    }
}

impl Century {
    fn at(now: i64) -> Self {
        let today = Day::of(now.div_euclid(DAY_MS));
        let mut fields = Fields::default();
        let year = today.year - 80;
        fields.set(Field::Year, year as i32);
        fields.set(Field::Month, today.month as i32);
        // No 29th of February in a year that has none.
        let day = if today.month == 1 && year.rem_euclid(4) != 0 { today.day.min(28) } else { today.day };
        fields.set(Field::DayOfMonth, day as i32);
        Self { start: fields.millis() + now.rem_euclid(DAY_MS), year }
    }
}

/// Letters in a row are a field; quotes enclose text, two of them are one.
fn items(pattern: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut chars = pattern.chars().peekable();
    let mut in_quote = false;
    let mut quoted = String::new();
    while let Some(char) = chars.next() {
        match char {
            '\'' if chars.next_if_eq(&'\'').is_some() => {
                if in_quote {
                    quoted.push('\'')
                } else {
                    push_text(&mut items, "'")
                }
            }
            '\'' if in_quote => {
                push_text(&mut items, &quoted);
                quoted.clear();
                in_quote = false;
            }
            '\'' => in_quote = true,
            char if in_quote => quoted.push(char),
            char if char.is_ascii_alphabetic() => {
                if !LETTERS.contains(char) {
                    return Err(format!("Illegal pattern character '{char}'"));
                }
                let mut count = 1;
                while chars.next_if_eq(&char).is_some() {
                    count += 1;
                }
                if char == 'X' && count > 3 {
                    return Err(format!("invalid ISO 8601 format: length={count}"));
                }
                items.push(Item::Field(char, count));
            }
            char => push_text(&mut items, char.encode_utf8(&mut [0; 4])),
        }
    }
    if in_quote { Err("Unterminated quote".to_owned()) } else { Ok(items) }
}

fn push_text(items: &mut Vec<Item>, text: &str) {
    match items.last_mut() {
        Some(Item::Text(before)) => before.push_str(text),
        _ => items.push(Item::Text(text.to_owned())),
    }
}

fn put(out: &mut Vec<u8>, letter: char, count: usize, day: Day, time: i64) {
    let hour = time / 3_600_000;
    let number = match letter {
        'G' => return put_text(out, era_name(day.year > 0)),
        'y' => return put_year(out, if day.year > 0 { day.year } else { 1 - day.year }, count),
        'Y' => return put_year(out, day.week_year(), count),
        'M' | 'L' if count >= 3 => return put_name(out, &MONTHS, day.month, count),
        'M' | 'L' => day.month + 1,
        'E' => return put_name(out, &WEEKDAYS, day.weekday() - 1, count),
        'a' => return put_text(out, if hour < 12 { "AM" } else { "PM" }),
        'z' => return put_text(out, if count < 4 { "UTC" } else { "Coordinated Universal Time" }),
        'Z' => return put_text(out, "+0000"),
        'X' => return put_text(out, "Z"),
        'd' => day.day,
        'k' if hour == 0 => 24,
        'k' | 'H' => hour,
        'K' => hour % 12,
        'h' if hour % 12 == 0 => 12,
        'h' => hour % 12,
        'm' => time / 60_000 % 60,
        's' => time / 1_000 % 60,
        'S' => time % 1_000,
        'D' => day.day_of_year(),
        'F' => day.weekday_in_month(),
        'w' => day.week_of_year(),
        'W' => day.week_of_month(),
        // 'u', from Monday
        _ => (day.weekday() + 5) % 7 + 1,
    };
    put_number(out, number, count);
}

/// The same for any count of letters.
const fn era_name(common: bool) -> &'static str {
    if common { "AD" } else { "BC" }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Fewer than four letters ask for the short name.
fn put_name(out: &mut Vec<u8>, names: &[&str], at: i64, count: usize) {
    let name = usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default();
    put_text(out, if count >= 4 { name } else { name.get(..SHORT).unwrap_or(name) });
}

/// Two letters ask for the last two digits.
fn put_year(out: &mut Vec<u8>, year: i64, count: usize) {
    put_number(out, if count == 2 { year % 100 } else { year }, count);
}

fn put_number(out: &mut Vec<u8>, number: i64, digits: usize) {
    if number < 0 {
        out.push(b'-');
    }
    let mut reversed = [b'0'; 20];
    let mut left = number.unsigned_abs();
    let mut n_digits = 0;
    for digit in &mut reversed {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        n_digits += 1;
        if left == 0 {
            break;
        }
    }
    out.resize(out.len() + digits.saturating_sub(n_digits), b'0');
    out.extend(reversed.iter().take(n_digits).rev());
}

#[cfg(test)]
mod tests;
