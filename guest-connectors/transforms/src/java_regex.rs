//! Java's regular expressions: whole matches, and replacement texts with `$1`, `${name}` and `\`.

use cofferdam_sdk::{Error, Result};
use fancy_regex::Regex;

use crate::operand::ILLEGAL_ARGUMENT;

mod classes;
mod syntax;

/// A pattern that has to match a whole text.
#[derive(Debug)]
pub(crate) struct WholeMatch(Regex);

impl WholeMatch {
    /// Compiles the pattern of `key`.
    pub(crate) fn new(key: &str, pattern: &str) -> Result<Self> {
        // The pattern alone first: its faults must not be blamed on the brackets around it.
        compile(key, pattern)?;
        compile(key, &format!("^(?:{pattern})\\z")).map(Self)
    }

    /// Whether all of `text` matches. A match that takes too many steps counts as none.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}

/// Compiles the pattern of `key`. The usual faults are told in Java's words, others in the engine's.
pub(crate) fn compile(key: &str, pattern: &str) -> Result<Regex> {
    let refuse = |fault: String| Error::invalid(key, pattern, format_args!("Invalid regex: {fault}"));
    match syntax::fault(pattern) {
        Some(fault) => Err(refuse(fault)),
        None => Regex::new(&classes::translate(pattern)).map_err(|error| refuse(error.to_string())),
    }
}

/// A replacement, taken apart: what stands for itself, and groups.
#[derive(Debug)]
pub(crate) struct Replacement {
    parts: Vec<Part>,
    /// What Java would throw when it comes to this place.
    fault: Option<String>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Reads `text` as `Matcher.replaceFirst` does. Java finds faults only when there is a match, so
    /// they are kept until then.
    pub(crate) fn new(text: &str, regex: &Regex) -> Self {
        let mut replacement = Self { parts: Vec::new(), fault: None };
        replacement.fault = replacement.read(text, regex).err();
        replacement
    }

    fn read(&mut self, text: &str, regex: &Regex) -> Result<(), String> {
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '\\' => self.push(chars.next().ok_or("character to be escaped is missing")?),
                '$' => {
                    let next = chars.next().ok_or("Illegal group reference: group index is missing")?;
                    if next == '{' {
                        let mut name = String::new();
                        while let Some(char) = chars.next_if(char::is_ascii_alphanumeric) {
                            name.push(char);
                        }
                        if name.is_empty() {
                            return Err("named capturing group has 0 length name".to_owned());
                        }
                        if chars.next() != Some('}') {
                            return Err("named capturing group is missing trailing '}'".to_owned());
                        }
                        self.parts.push(Part::Group(named(regex, &name)?));
                    } else {
                        let mut group = digit(next).ok_or("Illegal group reference")?;
                        // More digits belong to the number as long as there is such a group.
                        while let Some(longer) =
                            chars.peek().and_then(|char| digit(*char)).map(|next| group * 10 + next)
                            && longer < regex.captures_len()
                        {
                            group = longer;
                            chars.next();
                        }
                        if group >= regex.captures_len() {
                            return Err(format!("No group {group}"));
                        }
                        self.parts.push(Part::Group(group));
                    }
                }
                char => self.push(char),
            }
        }
        Ok(())
    }

    fn push(&mut self, char: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(char),
            _ => self.parts.push(Part::Text(char.to_string())),
        }
    }

    /// `text` with its first match replaced.
    pub(crate) fn replace_first(&self, regex: &Regex, text: &str) -> Result<String> {
        let Ok(Some(captures)) = regex.captures(text) else {
            return Ok(text.to_owned());
        };
        if let Some(fault) = &self.fault {
            // Java's Matcher tells a number of a group that is not there from all else that is wrong.
            let class = match fault.strip_prefix("No group ") {
                Some(group) if !group.starts_with("with") => "java.lang.IndexOutOfBoundsException",
                _ => ILLEGAL_ARGUMENT,
            };
            return Err(Error::bad_record_as(class, fault));
        }
        let Some(whole) = captures.get(0) else { return Ok(text.to_owned()) };
        let mut out = text.get(..whole.start()).unwrap_or_default().to_owned();
        for part in &self.parts {
            out.push_str(match part {
                Part::Text(text) => text,
                // A group that took no part in the match is empty.
                Part::Group(group) => captures.get(*group).map_or("", |group| group.as_str()),
            });
        }
        out.push_str(text.get(whole.end()..).unwrap_or_default());
        Ok(out)
    }
}

fn named(regex: &Regex, name: &str) -> Result<usize, String> {
    if name.starts_with(|char: char| char.is_ascii_digit()) {
        return Err(format!("capturing group name {{{name}}} starts with digit character"));
    }
    regex
        .capture_names()
        .position(|known| known == Some(name))
        .ok_or_else(|| format!("No group with name {{{name}}}"))
}

fn digit(char: char) -> Option<usize> {
    char.to_digit(10).map(|digit| digit as usize)
}
