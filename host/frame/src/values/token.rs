//! The tokens of a text: what lies between the delimiters, and the delimiters themselves.

/// Reads tokens, with one token of look-ahead.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    /// Behind the last token that was read, peeked ones included.
    at: usize,
    peeked: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, peeked: None }
    }

    /// The whole text.
    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    pub(super) const fn has_next(&self) -> bool {
        self.peeked.is_some() || self.at < self.text.len()
    }

    /// The next token; empty at the end.
    pub(super) fn next(&mut self) -> &'a str {
        self.peeked.take().unwrap_or_else(|| self.read())
    }

    /// The text of the next `n` tokens; none when there are fewer, and then nothing is consumed.
    pub(super) fn next_n(&mut self, n: usize) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..n {
            if !self.has_next() {
                self.rewind(start);
                return None;
            }
            self.next();
        }
        self.text.get(start..self.at)
    }

    /// Consumes the next token if it is `expected`, with blanks around it or not. Blank tokens before
    /// it are lost either way.
    pub(super) fn consume(&mut self, expected: &str) -> bool {
        if !self.has_next() {
            return false;
        }
        let mut token = self.next();
        while trim(token).is_empty() && self.at < self.text.len() {
            token = self.read();
        }
        if trim(token) == expected {
            return true;
        }
        self.peeked = Some(token);
        false
    }

    /// Where the next token starts, for [`Tokens::rewind`].
    pub(super) fn mark(&self) -> usize {
        self.at - self.peeked.map_or(0, str::len)
    }

    pub(super) const fn rewind(&mut self, mark: usize) {
        self.at = mark;
        self.peeked = None;
    }

    fn read(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut escaped = false;
        let delimiter = rest.bytes().position(|byte| {
            let ends = !escaped && matches!(byte, b':' | b',' | b'{' | b'}' | b'[' | b']' | b'"');
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let len = delimiter.map_or(rest.len(), |at| at.max(1));
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }
}

/// Without blanks and control characters at either end, which is what Java trims.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|char| char <= ' ')
}
