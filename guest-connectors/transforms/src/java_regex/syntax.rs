//! What Java says about a faulty pattern, for the usual faults. The engine reads some patterns that
//! Java refuses, so this is asked first.

/// Letters that mean something behind a backslash.
const ESCAPES: &str = "ABDGHNPQRSVWXZabcdefhknprstuvwxz";
const FLAGS: &str = "idmsuxU-";

/// The message of Java's exception; none for patterns without a fault, and for faults not looked for.
pub(super) fn fault(pattern: &str) -> Option<String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut scan = Scan { chars: &chars, at: 0, depth: 0, repeatable: false };
    let fault = match scan.run() {
        Ok(()) => return None,
        Err(Stop::Unsure) => return None,
        Err(Stop::Fault(fault)) => fault,
    };
    let mut message = fault.what;
    let Some(index) = fault.index else { return Some(format!("{message}\n{pattern}")) };
    message.push_str(&format!(" near index {index}\n{pattern}"));
    if index < chars.len() {
        message.push('\n');
        message.extend(chars.iter().take(index).map(|char| if *char == '\t' { '\t' } else { ' ' }));
        message.push('^');
    }
    Some(message)
}

struct Fault {
    what: String,
    index: Option<usize>,
}

enum Stop {
    Fault(Fault),
    /// The pattern has something that is not followed here.
    Unsure,
}

fn stop<T>(what: impl Into<String>, index: Option<usize>) -> Result<T, Stop> {
    Err(Stop::Fault(Fault { what: what.into(), index }))
}

struct Scan<'a> {
    chars: &'a [char],
    at: usize,
    /// Of groups.
    depth: usize,
    /// Whether there is something that a `*` could repeat.
    repeatable: bool,
}

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += 1;
        Some(char)
    }

    fn next_if(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn run(&mut self) -> Result<(), Stop> {
        while let Some(char) = self.next() {
            let here = self.at - 1;
            match char {
                '*' | '+' | '?' if !self.repeatable => {
                    return stop(format!("Dangling meta character '{char}'"), Some(here));
                }
                '*' | '+' | '?' => self.end_of_repetition(),
                '{' => {
                    self.repetition(here)?;
                    self.end_of_repetition();
                }
                '(' => self.group()?,
                ')' if self.depth == 0 => return stop("Unmatched closing ')'", here.checked_sub(1)),
                ')' => {
                    self.depth -= 1;
                    self.repeatable = true;
                }
                '|' => self.repeatable = false,
                '[' => {
                    self.class()?;
                    self.repeatable = true;
                }
                '\\' => {
                    self.escape()?;
                    self.repeatable = true;
                }
                _ => self.repeatable = true,
            }
        }
        if self.depth > 0 { stop("Unclosed group", Some(self.chars.len())) } else { Ok(()) }
    }

    /// A repetition may be lazy or possessive, and cannot be repeated.
    fn end_of_repetition(&mut self) {
        if !self.next_if('?') {
            self.next_if('+');
        }
        self.repeatable = false;
    }

    /// Behind a `{`.
    fn repetition(&mut self, open: usize) -> Result<(), Stop> {
        let Some(least) = self.number() else { return stop("Illegal repetition", open.checked_sub(1)) };
        let most = if self.next_if(',') { self.number() } else { Some(least) };
        if !self.next_if('}') {
            return stop("Unclosed counted closure", Some(self.at));
        }
        if most.is_some_and(|most| most < least) {
            return stop("Illegal repetition range", Some(self.at - 1));
        }
        Ok(())
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = None;
        while let Some(digit) = self.peek().and_then(|char| char.to_digit(10)) {
            number = Some(number.unwrap_or(0_u64).saturating_mul(10).saturating_add(digit.into()));
            self.at += 1;
        }
        number
    }

    /// Behind a `(`.
    fn group(&mut self) -> Result<(), Stop> {
        self.repeatable = false;
        if !self.next_if('?') {
            self.depth += 1;
            return Ok(());
        }
        match self.peek() {
            Some(':' | '=' | '!' | '>') => self.at += 1,
            Some('<') => {
                self.at += 1;
                if !matches!(self.peek(), Some('=' | '!')) {
                    if !self.peek().is_some_and(|char| char.is_ascii_alphabetic()) {
                        let what = "capturing group name does not start with a Latin letter";
                        return stop(what, Some(self.at));
                    }
                    while self.peek().is_some_and(|char| char.is_ascii_alphanumeric()) {
                        self.at += 1;
                    }
                    if self.peek() != Some('>') {
                        return Err(Stop::Unsure);
                    }
                }
                self.at += 1;
            }
            _ => return self.flags(),
        }
        self.depth += 1;
        Ok(())
    }

    /// Flags for the rest of the group around them, or for a group of their own.
    fn flags(&mut self) -> Result<(), Stop> {
        while let Some(flag) = self.peek().filter(|char| FLAGS.contains(*char)) {
            // Comments are not followed.
            if flag == 'x' {
                return Err(Stop::Unsure);
            }
            self.at += 1;
        }
        match self.next() {
            Some(')') => {}
            Some(':') => self.depth += 1,
            Some(_) => return stop("Unknown inline modifier", Some(self.at - 1)),
            None => return stop("Unknown inline modifier", Some(self.at)),
        }
        Ok(())
    }

    /// Behind a backslash.
    fn escape(&mut self) -> Result<(), Stop> {
        match self.next() {
            None if self.depth > 0 => Err(Stop::Unsure),
            None => stop("Unexpected internal error", Some(self.at)),
            Some('Q') => {
                let rest = self.chars.get(self.at..).unwrap_or_default();
                let end = rest.windows(2).position(|two| two == ['\\', 'E']);
                self.at = end.map_or(self.chars.len(), |end| self.at + end + 2);
                Ok(())
            }
            Some('p' | 'P' | 'x' | 'k' | 'N')
                if self.peek().is_some_and(|char| char == '{' || char == '<') =>
            {
                while !matches!(self.next().ok_or(Stop::Unsure)?, '}' | '>') {}
                Ok(())
            }
            Some(letter) if letter.is_ascii_alphabetic() && !ESCAPES.contains(letter) => {
                stop("Illegal/unsupported escape sequence", Some(self.at - 1))
            }
            Some(_) => Ok(()),
        }
    }

    /// Behind a `[`.
    fn class(&mut self) -> Result<(), Stop> {
        self.next_if('^');
        let mut is_empty = true;
        loop {
            let Some(char) = self.next() else {
                return stop("Unclosed character class", self.chars.len().checked_sub(1));
            };
            match char {
                ']' if !is_empty => return Ok(()),
                '[' => self.class()?,
                '\\' => self.escape()?,
                from => self.range(from)?,
            }
            is_empty = false;
        }
    }

    /// Behind a character of a class.
    fn range(&mut self, from: char) -> Result<(), Stop> {
        if self.peek() != Some('-') {
            return Ok(());
        }
        match self.chars.get(self.at + 1) {
            Some(to) if !matches!(to, '[' | ']' | '\\') => {
                if *to < from {
                    return stop("Illegal character range", Some(self.at + 1));
                }
                self.at += 2;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn faults_are_told_in_javas_words() {
        for (pattern, expected) in [
            ("*a", "Dangling meta character '*' near index 0\n*a\n^"),
            ("a|+b", "Dangling meta character '+' near index 2\na|+b\n  ^"),
            ("a**", "Dangling meta character '*' near index 2\na**\n  ^"),
            ("(?i)?", "Dangling meta character '?' near index 4\n(?i)?\n    ^"),
            ("\t(*)", "Dangling meta character '*' near index 2\n\t(*)\n\t ^"),
            ("[", "Unclosed character class near index 0\n[\n^"),
            ("a[bc", "Unclosed character class near index 3\na[bc\n   ^"),
            ("[]", "Unclosed character class near index 1\n[]\n ^"),
            ("[a[b]", "Unclosed character class near index 4\n[a[b]\n    ^"),
            ("[z-a]", "Illegal character range near index 3\n[z-a]\n   ^"),
            ("(", "Unclosed group near index 1\n("),
            ("(a(b)", "Unclosed group near index 5\n(a(b)"),
            (")", "Unmatched closing ')'\n)"),
            ("a)", "Unmatched closing ')' near index 0\na)\n^"),
            ("{", "Illegal repetition\n{"),
            ("a{b}", "Illegal repetition near index 0\na{b}\n^"),
            ("a{1", "Unclosed counted closure near index 3\na{1"),
            ("a{3,1}", "Illegal repetition range near index 5\na{3,1}\n     ^"),
            ("\\", "Unexpected internal error near index 1\n\\"),
            ("\\q", "Illegal/unsupported escape sequence near index 1\n\\q\n ^"),
            (
                "(?<1a>x)",
                "capturing group name does not start with a Latin letter near index 3\n(?<1a>x)\n   ^",
            ),
            ("(?z)", "Unknown inline modifier near index 2\n(?z)\n  ^"),
        ] {
            assert_eq!(fault(pattern).as_deref(), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn sound_patterns_have_none() {
        for pattern in [
            "",
            "a*?b++c?+",
            "a{2}b{2,}c{2,3}?",
            "(a|b)*",
            "(?:a)+(?<n>b)?",
            "(?i:a)*",
            "(?i)a",
            "(?<=a)b(?!c)",
            "[]a]+",
            "[^]a]",
            "[a-z&&[^b]]",
            "[a-]",
            "[\\]]*",
            "\\Q*(\\E*",
            "\\Q(",
            "\\p{L}+\\x{41}",
            "^*$?",
            "\\\\*",
            "a}",
            "]",
            "(?x)# (",
        ] {
            assert_eq!(fault(pattern), None, "{pattern}");
        }
    }
}
