//! A cursor over JSON text: it finds tokens and decodes strings, and keeps nothing.
//!
//! What is JSON follows Jackson as Kafka Connect sets it up: leading zeros are numbers, only the
//! first value of a text counts, a byte order mark is skipped; comments, single quotes and bare NaN
//! are refused.

use cofferdam_frame::DEPTH_MAX;

use crate::DataError;

/// Longest number; Jackson's limit.
const NUMBER_CHARS_MAX: usize = 1000;

#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The text ends here because the next byte is not UTF-8.
    broken: bool,
}

/// What a value is, seen from its first character. The cursor stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

impl Token {
    /// Jackson's name of the type.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::True | Self::False => "BOOLEAN",
            Self::Number => "NUMBER",
            Self::String => "STRING",
            Self::Array => "ARRAY",
            Self::Object => "OBJECT",
        }
    }
}

/// A number as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    pub(crate) text: &'a str,
    /// Neither fraction nor exponent.
    pub(crate) integral: bool,
}

/// What follows a value in an array or object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Item,
    End,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match simdutf8::compat::from_utf8(bytes) {
            Ok(text) => Self { text, at: 0, broken: false },
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                Self { text: std::str::from_utf8(valid).unwrap_or_default(), at: 0, broken: true }
            }
        }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Goes to a place where the cursor was before.
    pub(crate) const fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The text between two places.
    pub(crate) fn between(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Skips `text` if it comes next.
    pub(crate) fn skip_if(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Skips white space and looks at the next character; 0 at the end.
    pub(crate) fn peek(&mut self) -> u8 {
        let rest = self.rest();
        match rest.first() {
            Some(b' ' | b'\t' | b'\n' | b'\r') => {
                let space =
                    rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
                self.at += space;
                rest.get(space).copied().unwrap_or(0)
            }
            Some(byte) => *byte,
            None => 0,
        }
    }

    /// Whether there is nothing but white space.
    pub(crate) fn is_blank(&mut self) -> bool {
        self.peek() == 0 && self.at == self.text.len() && !self.broken
    }

    /// What the next value is.
    pub(crate) fn token(&mut self) -> Result<Token, DataError> {
        Ok(match self.peek() {
            b'{' => Token::Object,
            b'[' => Token::Array,
            b'"' => Token::String,
            b'-' | b'0'..=b'9' => Token::Number,
            b't' => Token::True,
            b'f' => Token::False,
            b'n' => Token::Null,
            _ => return Err(self.unexpected("expected a valid value")),
        })
    }

    /// Takes the `true`, `false` or `null` that [`Scanner::token`] saw.
    pub(crate) fn literal(&mut self, token: Token) -> Result<(), DataError> {
        let word: &[u8] = match token {
            Token::True => b"true",
            Token::False => b"false",
            _ => b"null",
        };
        let rest = self.rest();
        let follows = rest.get(word.len()).copied().unwrap_or(0);
        if rest.starts_with(word) && !follows.is_ascii_alphanumeric() && follows != b'_' && follows != b'$' {
            self.at += word.len();
            return Ok(());
        }
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count().min(256);
        let word = self.between(self.at, self.at + word);
        Err(self.fault(&format!(
            "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' \
             or 'false')"
        )))
    }

    /// Takes a number.
    pub(crate) fn number(&mut self) -> Result<Number<'a>, DataError> {
        let start = self.at;
        self.skip_if(b"-");
        self.digits("expected digit (0-9) to follow minus sign, for valid numeric value")?;
        let mut integral = true;
        if self.skip_if(b".") {
            integral = false;
            self.digits("Decimal point not followed by a digit")?;
        }
        if self.skip_if(b"e") || self.skip_if(b"E") {
            integral = false;
            let _ = self.skip_if(b"+") || self.skip_if(b"-");
            self.digits("Exponent indicator not followed by a digit")?;
        }
        let text = self.between(start, self.at);
        if text.len() > NUMBER_CHARS_MAX {
            let length = text.len();
            return Err(self.fault(&format!(
                "Number value length ({length}) exceeds the maximum allowed ({NUMBER_CHARS_MAX})"
            )));
        }
        match self.rest().first() {
            None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r') => Ok(Number { text, integral }),
            Some(_) => Err(self.unexpected("Expected space separating root-level values")),
        }
    }

    /// A number that is the whole text ends where the text does, or at white space. What follows other
    /// values is not looked at.
    pub(crate) fn check_root(&mut self) -> Result<(), DataError> {
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            return Ok(());
        }
        let start = self.at;
        self.number()?;
        if matches!(self.rest().first(), Some(b',' | b'}' | b']')) {
            return Err(self.unexpected("Expected space separating root-level values"));
        }
        self.go_to(start);
        Ok(())
    }

    fn digits(&mut self, fault: &str) -> Result<(), DataError> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.unexpected(fault));
        }
        self.at += digits;
        Ok(())
    }

    /// Takes a string and appends what it stands for.
    pub(crate) fn string(&mut self, out: &mut Vec<u8>) -> Result<(), DataError> {
        self.at += 1;
        loop {
            let rest = self.rest();
            let plain = plain_prefix(rest);
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match rest.get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(out)?,
                _ => return Err(self.unfinished_string()),
            }
        }
    }

    /// Takes a string without decoding it.
    fn skip_string(&mut self) -> Result<(), DataError> {
        self.at += 1;
        loop {
            let rest = self.rest();
            let plain = plain_prefix(rest);
            self.at += plain;
            match rest.get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(&mut Vec::new())?,
                _ => return Err(self.unfinished_string()),
            }
        }
    }

    #[cold]
    fn unfinished_string(&self) -> DataError {
        match self.rest().first() {
            Some(byte) => self.fault(&format!(
                "Illegal unquoted character ((CTRL-CHAR, code {byte})): has to be escaped using backslash to be \
                 included in string value"
            )),
            None => self.unexpected("was expecting closing quote for a string value"),
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), DataError> {
        let byte = match self.rest().get(1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode_escape(out),
            Some(_) => {
                self.at += 1;
                return Err(self.unexpected("Unrecognized character escape"));
            }
            None => {
                self.at += 1;
                return Err(self.unexpected("in character escape sequence"));
            }
        };
        self.at += 2;
        out.push(byte);
        Ok(())
    }

    /// `\uXXXX`, or two of them for one character. Half a pair is no character: U+FFFD.
    fn unicode_escape(&mut self, out: &mut Vec<u8>) -> Result<(), DataError> {
        let first = self.hex()?;
        let mut char = char::from_u32(first);
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with(b"\\u") {
            let here = self.at;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                char = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            } else {
                self.at = here;
            }
        }
        let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, DataError> {
        let digits = self.rest().get(2..6).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(code) = code else {
            self.at += 2;
            return Err(self.unexpected("expected a hex-digit for character escape sequence"));
        };
        self.at += 6;
        Ok(code)
    }

    /// Enters the array or object at the cursor; [`Next::End`] when it is empty.
    pub(crate) fn enter(&mut self, close: u8) -> Next {
        self.at += 1;
        if self.peek() == close {
            self.at += 1;
            return Next::End;
        }
        Next::Item
    }

    /// After a value inside an array or object: on to the next, or out of it.
    pub(crate) fn next(&mut self, close: u8) -> Result<Next, DataError> {
        match self.peek() {
            b',' => {
                self.at += 1;
                // `[1,]` fails here: the next value must be one.
                Ok(Next::Item)
            }
            byte if byte == close => {
                self.at += 1;
                Ok(Next::End)
            }
            _ if close == b']' => Err(self.unexpected("was expecting comma to separate Array entries")),
            _ => Err(self.unexpected("was expecting comma to separate Object entries")),
        }
    }

    /// Takes the name of an object's field, and its colon.
    pub(crate) fn name(&mut self, out: &mut Vec<u8>) -> Result<(), DataError> {
        if self.peek() != b'"' {
            return Err(self.unexpected("was expecting double-quote to start field name"));
        }
        self.string(out)?;
        self.colon()
    }

    /// Takes the colon behind a name.
    pub(crate) fn colon(&mut self) -> Result<(), DataError> {
        if self.peek() != b':' {
            return Err(self.unexpected("was expecting a colon to separate field name and value"));
        }
        self.at += 1;
        Ok(())
    }

    /// Takes any value, checking only that it is JSON.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), DataError> {
        let token = self.token()?;
        let (close, depth) = match token {
            Token::Null | Token::True | Token::False => return self.literal(token),
            Token::Number => return self.number().map(|_| ()),
            Token::String => return self.skip_string(),
            Token::Array => (b']', below(depth)?),
            Token::Object => (b'}', below(depth)?),
        };
        let mut next = self.enter(close);
        while next == Next::Item {
            if token == Token::Object {
                if self.peek() != b'"' {
                    return Err(self.unexpected("was expecting double-quote to start field name"));
                }
                self.skip_string()?;
                self.colon()?;
            }
            self.skip(depth)?;
            next = self.next(close)?;
        }
        Ok(())
    }

    /// The character at the cursor does not belong there.
    #[cold]
    pub(crate) fn unexpected(&self, expected: &str) -> DataError {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(char) => {
                self.fault(&format!("Unexpected character ('{char}' (code {})): {expected}", u32::from(char)))
            }
            None if self.broken => self.fault("Invalid UTF-8"),
            None => self.fault(&format!("Unexpected end-of-input: {expected}")),
        }
    }

    #[cold]
    fn fault(&self, message: &str) -> DataError {
        let before = self.between(0, self.at);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        DataError::new("Converting byte[] to Kafka Connect data failed due to serialization error: ").because(
            "org.apache.kafka.common.errors.SerializationException",
            format!("{message} at line {line}, column {column}"),
        )
    }
}

/// One level deeper.
pub(crate) fn below(depth: usize) -> Result<usize, DataError> {
    if depth >= DEPTH_MAX { Err(DataError::too_deep()) } else { Ok(depth + 1) }
}

/// Bytes up to the next quote, backslash or control character.
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest flag is exact: a borrow can only reach bytes above one that is really found.
        let quote = zeros(word ^ (ONES * 0x22));
        let backslash = zeros(word ^ (ONES * 0x5c));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quote | backslash | control;
        if found != 0 {
            return index * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let tail = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    words.len() * 8 + tail
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_end_of_plain_text_is_found_at_every_place() {
        for end in 0..40 {
            for stop in ["\"", "\\", "\n", "\0", "\x1f"] {
                let text =
                    format!("{}{stop}{}", "aé \x7f€".chars().cycle().take(end).collect::<String>(), "b\"c");
                let expected = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap();
                assert_eq!(plain_prefix(text.as_bytes()), expected, "{text:?}");
            }
        }
        assert_eq!(plain_prefix(b"0123456789"), 10);
    }

    #[test]
    fn skipping_ends_behind_the_value() {
        for (text, rest) in [
            ("1 2", " 2"),
            (" {\"a\":[1,{\"b\":null}],\"c\\\"\":\"}\"} x", " x"),
            ("[]]", "]"),
            ("\"a\\u00e9\"b", "b"),
            ("007", ""),
        ] {
            let mut scanner = Scanner::new(text.as_bytes());
            scanner.skip(0).unwrap();
            assert_eq!(scanner.between(scanner.at(), text.len()), rest);
        }
    }
}
