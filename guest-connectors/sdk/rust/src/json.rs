//! The little JSON that source partitions and offsets need: flat objects, read and written without
//! a library, so that a small guest stays small.

/// A member's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number without fraction or exponent, within 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// An array or object, as it stands.
    Nested(String),
}

/// An object: its members in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(pub Vec<(String, Value)>);

impl Object {
    /// Reads an object; none when `text` is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { text, at: 0 };
        let object = reader.object()?;
        reader.space();
        (reader.at == text.len()).then_some(object)
    }

    /// The value of the member `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The integer `name`.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
}

/// Appends `text` as a JSON string.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let hex = |nibble: u8| char::from_digit(nibble.into(), 16).map_or(b'0', |digit| digit as u8);
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends `number` in decimal. It runs once a record, so it allocates nothing, divides in 32 bits
/// (64-bit division is slow and has no shortcut in wasm) and copies a fixed number of bytes.
pub fn put_int(out: &mut Vec<u8>, number: i64) {
    const CHUNK: u64 = 100_000_000;
    if number < 0 {
        out.push(b'-');
    }
    let number = number.unsigned_abs();
    match u32::try_from(number) {
        Ok(number) => put_u32(out, number),
        Err(_) => {
            let (high, low) = (number / CHUNK, (number % CHUNK) as u32);
            match u32::try_from(high) {
                Ok(high) => put_u32(out, high),
                Err(_) => {
                    put_u32(out, (high / CHUNK) as u32);
                    put_eight(out, (high % CHUNK) as u32);
                }
            }
            put_eight(out, low);
        }
    }
}

fn put_u32(out: &mut Vec<u8>, mut left: u32) {
    let digits = left.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut text = [b'0'; 10];
    for slot in text.iter_mut().take(digits).rev() {
        *slot = b'0' + (left % 10) as u8;
        left /= 10;
    }
    let end = out.len() + digits;
    out.extend_from_slice(&text);
    out.truncate(end);
}

fn put_eight(out: &mut Vec<u8>, mut left: u32) {
    let mut text = [b'0'; 8];
    for slot in text.iter_mut().rev() {
        *slot = b'0' + (left % 10) as u8;
        left /= 10;
    }
    out.extend_from_slice(&text);
}

/// An object with one member that is a text, such as `{"filename":"/data/in.txt"}`.
#[must_use]
pub fn object_of_text(name: &str, value: &str) -> String {
    let mut out = Vec::with_capacity(name.len() + value.len() + 8);
    out.push(b'{');
    put_text(&mut out, name);
    out.push(b':');
    put_text(&mut out, value);
    out.push(b'}');
    // Only characters were escaped, none was split.
    String::from_utf8(out).unwrap_or_default()
}

/// An object with one member that is an integer, such as `{"task":0}`.
#[must_use]
pub fn object_of_int(name: &str, value: i64) -> String {
    let mut out = Vec::with_capacity(name.len() + 24);
    put_object_of_int(&mut out, name, value);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends an object with one member that is an integer, such as `{"position":0}`.
pub fn put_object_of_int(out: &mut Vec<u8>, name: &str, value: i64) {
    out.push(b'{');
    put_text(out, name);
    out.push(b':');
    put_int(out, value);
    out.push(b'}');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.space();
        self.rest().starts_with(token).then(|| self.at += token.len())
    }

    fn object(&mut self) -> Option<Object> {
        self.take("{")?;
        let mut members = Vec::new();
        if self.take("}").is_some() {
            return Some(Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.take(":")?;
            members.push((name, self.value()?));
            if self.take(",").is_none() {
                self.take("}")?;
                return Some(Object(members));
            }
        }
    }

    fn value(&mut self) -> Option<Value> {
        self.space();
        for (token, value) in
            [("null", Value::Null), ("true", Value::Boolean(true)), ("false", Value::Boolean(false))]
        {
            if self.take(token).is_some() {
                return Some(value);
            }
        }
        match self.rest().bytes().next()? {
            b'"' => self.string().map(Value::Text),
            b'{' | b'[' => self.nested(),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let len =
            rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let number = rest.get(..len)?;
        self.at += len;
        number.parse().map(Value::Int).or_else(|_| number.parse().map(Value::Float)).ok()
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let stop = rest.find(['"', '\\'])?;
            out.push_str(rest.get(..stop)?);
            self.at += stop;
            if self.take("\"").is_some() {
                return Some(out);
            }
            self.at += 1;
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = self.rest().chars().next()?;
        self.at += kind.len_utf8();
        Some(match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.unit()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                if !self.rest().starts_with("\\u") {
                    return Some(char::REPLACEMENT_CHARACTER);
                }
                self.at += 2;
                let low = self.unit()?.wrapping_sub(0xdc00);
                char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low & 0x3ff)).filter(|_| low < 0x400)?
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let unit = u32::from_str_radix(self.rest().get(..4)?, 16).ok()?;
        self.at += 4;
        Some(unit)
    }

    /// Skips to the bracket that closes the one here, texts aside.
    fn nested(&mut self) -> Option<Value> {
        let from = self.at;
        let mut depth = 0_usize;
        loop {
            match self.rest().chars().next()? {
                '"' => {
                    self.string()?;
                    continue;
                }
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                _ => {}
            }
            self.at += self.rest().chars().next()?.len_utf8();
            if depth == 0 {
                return Some(Value::Nested(self.text.get(from..self.at)?.to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_offsets_hold() {
        let object = Object::parse(
            r#" {"position": 12, "name":"a\"\u00e4\ud83d\ude00", "x":[1,{"]":2}], "f":1.5, "n":null} "#,
        );
        let object = object.unwrap_or_default();
        assert_eq!(object.int("position"), Some(12));
        assert_eq!(object.get("name"), Some(&Value::Text("a\"ä😀".to_owned())));
        assert_eq!(object.get("x"), Some(&Value::Nested(r#"[1,{"]":2}]"#.to_owned())));
        assert_eq!(object.get("f"), Some(&Value::Float(1.5)));
        assert_eq!(object.get("n"), Some(&Value::Null));
        assert_eq!(Object::parse("{}"), Some(Object::default()));
        for broken in
            ["", "{", "[]", "{\"a\"}", "{\"a\":1,}", "{\"a\":1} x", "{\"a\":\"\\ud83d\\u0041\"}", "{\"a\":[}"]
        {
            assert_eq!(Object::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for number in
            [0, 7, 10, 99, -1, 4294967295, 4294967296, 100000000000000001, 1234567890123, i64::MAX, i64::MIN]
        {
            assert_eq!(object_of_int("n", number), format!("{{\"n\":{number}}}"));
        }
        let name = "a \"quoted\"\\ \u{1}\n/ä😀";
        let json = object_of_text("filename", name);
        assert_eq!(
            Object::parse(&json).and_then(|object| object.get("filename").cloned()),
            Some(Value::Text(name.to_owned()))
        );
        assert_eq!(object_of_text("filename", "/data/in.txt"), r#"{"filename":"/data/in.txt"}"#);
    }
}
