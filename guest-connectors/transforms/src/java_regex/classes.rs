//! Classes of characters that Java and the engine call by other names, or take for other characters:
//! `\p{Alpha}` is unknown to the engine, and `\d`, `\w` and `\s` are ASCII in Java.

use std::borrow::Cow;

/// What is between the brackets of a class, by its name in `\p{...}`.
const NAMED: [(&str, &str); 20] = [
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", "\\x00-\\x7F"),
    ("Alpha", "a-zA-Z"),
    ("Digit", "0-9"),
    ("Alnum", "a-zA-Z0-9"),
    ("Punct", "!-/:-@\\[-`{-~"),
    ("Graph", "!-~"),
    ("Print", "\\x20-~"),
    ("Blank", "\\x20\\t"),
    ("Cntrl", "\\x00-\\x1F\\x7F"),
    ("XDigit", "0-9a-fA-F"),
    ("Space", "\\x20\\t-\\r"),
    ("javaLowerCase", "\\p{Lowercase}"),
    ("javaUpperCase", "\\p{Uppercase}"),
    ("javaLetter", "\\p{L}"),
    ("javaDigit", "\\p{Nd}"),
    ("javaLetterOrDigit", "\\p{L}\\p{Nd}"),
    ("javaAlphabetic", "\\p{Alphabetic}"),
    ("javaTitleCase", "\\p{Lt}"),
];

/// The pattern with these classes written so that the engine takes them for what Java does.
pub(super) fn translate(pattern: &str) -> Cow<'_, str> {
    // Under this flag Java's classes are as wide as the engine's.
    if !pattern.contains('\\') || pattern.contains("(?U") {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let Some(letter) = after.chars().next() else {
            out.push('\\');
            return Cow::Owned(out);
        };
        let behind = after.get(letter.len_utf8()..).unwrap_or_default();
        let (text, taken) = match letter {
            'Q' => {
                let end = behind.find("\\E").map_or(behind.len(), |end| end + 2);
                (None, end)
            }
            'd' => (Some("[0-9]".to_owned()), 0),
            'D' => (Some("[^0-9]".to_owned()), 0),
            'w' => (Some("[a-zA-Z0-9_]".to_owned()), 0),
            'W' => (Some("[^a-zA-Z0-9_]".to_owned()), 0),
            's' => (Some("[\\x20\\t-\\r]".to_owned()), 0),
            'S' => (Some("[^\\x20\\t-\\r]".to_owned()), 0),
            'p' | 'P' => property(letter, behind),
            _ => (None, 0),
        };
        let end = letter.len_utf8() + taken;
        match text {
            Some(text) => out.push_str(&text),
            None => {
                out.push('\\');
                out.push_str(after.get(..end).unwrap_or_default());
            }
        }
        rest = after.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What stands for `\p{...}` and how many bytes that takes; none for what the engine knows as well.
fn property(letter: char, behind: &str) -> (Option<String>, usize) {
    let Some((name, _)) = behind.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
        return (None, 0);
    };
    let taken = name.len() + 2;
    let text = match NAMED.iter().find(|(known, _)| *known == name) {
        Some((_, class)) if letter == 'p' => Some(format!("[{class}]")),
        Some((_, class)) => Some(format!("[^{class}]")),
        // Scripts and binary properties have a prefix.
        None => name.strip_prefix("Is").map(|name| format!("\\{letter}{{{name}}}")),
    };
    (text, taken)
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn classes_are_javas() {
        for (pattern, expected) in [
            ("\\p{Alpha}+", "[a-zA-Z]+"),
            ("[\\p{Digit}_]\\P{Upper}", "[[0-9]_][^A-Z]"),
            ("\\p{IsLatin}\\p{L}\\pL", "\\p{Latin}\\p{L}\\pL"),
            ("[\\w.-]+\\.\\d", "[[a-zA-Z0-9_].-]+\\.[0-9]"),
            ("\\Q\\d\\E\\d", "\\Q\\d\\E[0-9]"),
            ("\\\\d", "\\\\d"),
            ("(?U)\\w", "(?U)\\w"),
            ("é\\é\\", "é\\é\\"),
            ("\\p{L", "\\p{L"),
        ] {
            assert_eq!(translate(pattern), expected, "{pattern}");
        }
    }
}
