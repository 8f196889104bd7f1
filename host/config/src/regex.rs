//! Java's regular expressions, by `fancy_regex`: look-around, possessive quantifiers and back
//! references work; the classes that are translated are those of the stock transforms, which share the file.

use fancy_regex::{Error, ParseError, Regex};

#[path = "../../../guest-connectors/transforms/src/java_regex/classes.rs"]
mod classes;
#[path = "../../../guest-connectors/transforms/src/java_regex/syntax.rs"]
mod syntax;

/// Compiles `pattern`; the error is Java's text where it is known, else `fancy_regex`'s.
///
/// # Errors
/// When the pattern is no regular expression or uses what is not supported.
pub fn java_regex(pattern: &str) -> Result<Regex, String> {
    match syntax::fault(pattern) {
        Some(fault) => Err(fault),
        None => Regex::new(&classes::translate(pattern)).map_err(|error| java_text(pattern, &error)),
    }
}

/// Compiles `pattern` so that a match is a match of the whole text (`Matcher.matches`).
///
/// # Errors
/// As [`java_regex`].
pub fn java_full_regex(pattern: &str) -> Result<Regex, String> {
    // The pattern alone first: its faults must not be blamed on the brackets around it.
    java_regex(pattern)?;
    java_regex(&format!("^(?:{pattern})\\z"))
}

/// Whether all of `text` matches a regex of [`java_full_regex`]. A match that takes too many steps
/// counts as none.
#[must_use]
pub fn full_match(regex: &Regex, text: &str) -> bool {
    regex.is_match(text).unwrap_or(false)
}

/// `PatternSyntaxException.getMessage` for the mistakes people make; a program that shows these
/// texts to its users finds the same ones here.
fn java_text(pattern: &str, error: &Error) -> String {
    let length = pattern.chars().count();
    let known = match error {
        Error::ParseError(_, ParseError::InvalidClass) if unclosed_class(pattern) => {
            Some(("Unclosed character class", length.saturating_sub(1)))
        }
        Error::ParseError(_, ParseError::UnclosedOpenParen) => Some(("Unclosed group", length)),
        Error::ParseError(at, ParseError::TargetNotRepeatable | ParseError::InvalidRepeat) => {
            dangling(pattern, *at)
        }
        _ => None,
    };
    let Some((text, index)) = known else {
        return error.to_string().replace('\n', " ");
    };
    let caret = if index < length { format!("\n{}^", " ".repeat(index)) } else { String::new() };
    format!("{text} near index {index}\n{pattern}{caret}")
}

fn unclosed_class(pattern: &str) -> bool {
    let mut depth = 0usize;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth > 0
}

/// A quantifier with nothing before it.
fn dangling(pattern: &str, at: usize) -> Option<(&'static str, usize)> {
    let index = pattern.get(..at)?.chars().count();
    match pattern.get(at..)?.chars().next()? {
        '*' => Some(("Dangling meta character '*'", index)),
        '+' => Some(("Dangling meta character '+'", index)),
        '?' => Some(("Dangling meta character '?'", index)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn common_mistakes_read_as_in_java() {
        for (pattern, text) in [
            ("[", "Unclosed character class near index 0\n[\n^"),
            ("ab[c", "Unclosed character class near index 3\nab[c\n   ^"),
            ("(a", "Unclosed group near index 2\n(a"),
            ("*a", "Dangling meta character '*' near index 0\n*a\n^"),
        ] {
            assert_eq!(java_regex(pattern).unwrap_err(), text);
        }
    }

    #[test]
    fn a_full_match_covers_the_text() {
        let regex = java_full_regex("a|ab").unwrap();
        assert!(full_match(&regex, "ab"));
        assert!(!full_match(&regex, "abc"));
        assert!(full_match(&java_full_regex("(?!internal-).*").unwrap(), "orders"));
        assert!(full_match(&java_full_regex("x*+y").unwrap(), "xxy"));
    }
}
