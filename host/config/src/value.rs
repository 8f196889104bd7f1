//! Values as `ConfigDef` parses them, and as Java prints them in messages and answers.

use crate::def::ConfigType;

/// A parsed value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Not given and without a default, or not parseable.
    #[default]
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// INT, SHORT or LONG.
    Integer(i64),
    /// DOUBLE.
    Double(f64),
    /// STRING or CLASS, trimmed.
    String(String),
    /// LIST.
    List(Vec<String>),
    /// PASSWORD; printed as `[hidden]`.
    Password(String),
}

/// What stands for a password wherever a value is shown.
pub const HIDDEN: &str = "[hidden]";

impl Value {
    /// Reads `text` as `config_type`; the error is the part of Kafka's message behind the colon.
    ///
    /// # Errors
    /// When the text is no value of the type. Texts, lists and classes always are.
    pub fn parse(text: &str, config_type: ConfigType) -> Result<Self, String> {
        let trimmed = trim(text);
        let number = || format!("Not a number of type {}", config_type.as_str());
        Ok(match config_type {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Self::Boolean(true),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Self::Boolean(false),
            ConfigType::Boolean => return Err("Expected value to be either true or false".to_owned()),
            ConfigType::String | ConfigType::Class => Self::String(trimmed.to_owned()),
            ConfigType::Password => Self::Password(trimmed.to_owned()),
            ConfigType::Int => Self::Integer(trimmed.parse::<i32>().map_err(|_| number())?.into()),
            ConfigType::Short => Self::Integer(trimmed.parse::<i16>().map_err(|_| number())?.into()),
            ConfigType::Long => Self::Integer(trimmed.parse::<i64>().map_err(|_| number())?),
            ConfigType::Double => Self::Double(parse_double(trimmed).ok_or_else(number)?),
            ConfigType::List => Self::List(split_list(trimmed)),
        })
    }

    /// The value as REST answers print it: lists joined by commas, passwords hidden.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Double(value) => java_double(*value),
            Self::String(value) => value.clone(),
            Self::List(items) => items.join(","),
            Self::Password(_) => HIDDEN.to_owned(),
        })
    }

    /// The value as Java's messages print it: `null`, and lists as `[a, b]`.
    #[must_use]
    pub fn in_message(&self) -> String {
        match self {
            Self::List(items) => format!("[{}]", items.join(", ")),
            value => value.to_text().unwrap_or_else(|| "null".to_owned()),
        }
    }
}

/// Java's `String.trim`: everything up to the space goes, other white space stays.
#[must_use]
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// A LIST: commas with white space around them; empty items stay, the empty text has none.
#[must_use]
pub fn split_list(text: &str) -> Vec<String> {
    let text = trim(text);
    if text.is_empty() {
        return Vec::new();
    }
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
    text.split(',').map(|item| item.trim_matches(is_space).to_owned()).collect()
}

/// `Double.parseDouble` without hexadecimal numbers.
fn parse_double(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // Rust also reads "inf" and "nan" in any case; Java does not.
    let is_number = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    digits.parse().ok().filter(|_| is_number)
}

/// `Double.toString`: `1.0`, `1.0E10`.
fn java_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[track_caller]
    fn check(config_type: ConfigType, text: &str, expected: Result<&str, &str>) {
        let value = Value::parse(text, config_type).map(|value| value.in_message());
        assert_eq!(value.as_deref().map_err(String::as_str), expected, "{text:?}");
    }

    #[test]
    fn values_are_read_as_java_reads_them() {
        check(ConfigType::Boolean, " TRUE ", Ok("true"));
        check(ConfigType::Boolean, "yes", Err("Expected value to be either true or false"));
        check(ConfigType::Int, "+5", Ok("5"));
        check(ConfigType::Int, " -5\t", Ok("-5"));
        for text in ["", "1_000", "0x10", "5L", "2147483648", "--5", "1.0"] {
            check(ConfigType::Int, text, Err("Not a number of type INT"));
        }
        check(ConfigType::Short, "32768", Err("Not a number of type SHORT"));
        check(ConfigType::Long, "9223372036854775807", Ok("9223372036854775807"));
        check(ConfigType::Double, "1e3", Ok("1000.0"));
        check(ConfigType::Double, "1d", Ok("1.0"));
        check(ConfigType::Double, "1e10", Ok("1.0E10"));
        check(ConfigType::Double, "0.00012", Ok("1.2E-4"));
        check(ConfigType::Double, "NaN", Ok("NaN"));
        check(ConfigType::Double, "inf", Err("Not a number of type DOUBLE"));
        check(ConfigType::String, "  a b ", Ok("a b"));
        check(ConfigType::Password, "secret", Ok("[hidden]"));
    }

    #[test]
    fn lists_keep_empty_items() {
        check(ConfigType::List, "", Ok("[]"));
        check(ConfigType::List, "  ", Ok("[]"));
        check(ConfigType::List, "a , b,c", Ok("[a, b, c]"));
        check(ConfigType::List, "a,,b,", Ok("[a, , b, ]"));
        check(ConfigType::List, ",", Ok("[, ]"));
    }
}
