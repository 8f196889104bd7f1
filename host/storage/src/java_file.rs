//! Reads the offsets file of Kafka Connect's standalone mode: a `HashMap<byte[], byte[]>` as Java's
//! object stream writes it. Nothing else that such a stream may hold is understood.

/// First bytes of every Java object stream.
pub(crate) const MAGIC: [u8; 4] = [0xac, 0xed, 0x00, 0x05];

const TC_NULL: u8 = 0x70;
const TC_REFERENCE: u8 = 0x71;
const TC_CLASSDESC: u8 = 0x72;
const TC_OBJECT: u8 = 0x73;
const TC_ARRAY: u8 = 0x75;
const TC_BLOCKDATA: u8 = 0x77;
const TC_ENDBLOCKDATA: u8 = 0x78;
const FIRST_HANDLE: u32 = 0x007e_0000;

/// A key and its value; null values are left out.
pub(crate) type Pair<'a> = (&'a [u8], &'a [u8]);

/// The pairs of the map in the order of the stream.
pub(crate) fn read(stream: &[u8]) -> Result<Vec<Pair<'_>>, String> {
    let mut reader = Reader { rest: stream, handles: Vec::new() };
    if reader.take(MAGIC.len())? != MAGIC {
        return Err("it is no Java object stream".to_owned());
    }
    reader.expect(TC_OBJECT, "an object")?;
    reader.class("java.util.HashMap")?;
    reader.handles.push(None);
    // Load factor and threshold, then a block with capacity and size.
    reader.take(8)?;
    reader.expect(TC_BLOCKDATA, "the size of the map")?;
    reader.expect(8, "the size of the map")?;
    reader.take(4)?;
    let size = reader.u32()?;
    let mut pairs = Vec::new();
    for _ in 0..size {
        let key = reader.bytes()?;
        let value = reader.bytes()?;
        pairs.extend(key.zip(value));
    }
    reader.expect(TC_ENDBLOCKDATA, "the end of the map")?;
    Ok(pairs)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// What has been read and can be referred to; arrays are kept, the rest only counts.
    handles: Vec<Option<&'a [u8]>>,
}

impl<'a> Reader<'a> {
    /// A byte array, or null.
    fn bytes(&mut self) -> Result<Option<&'a [u8]>, String> {
        match self.u8()? {
            TC_NULL => Ok(None),
            TC_REFERENCE => match self.handle()? {
                Some(bytes) => Ok(Some(bytes)),
                None => Err("a reference leads to no byte array".to_owned()),
            },
            TC_ARRAY => {
                self.class("[B")?;
                let length = self.u32()?;
                let bytes = self.take(length as usize)?;
                self.handles.push(Some(bytes));
                Ok(Some(bytes))
            }
            other => Err(format!("0x{other:02x} was found in place of a byte array")),
        }
    }

    /// The description of the class `name`, or a reference to one.
    fn class(&mut self, name: &str) -> Result<(), String> {
        match self.u8()? {
            TC_REFERENCE => self.handle().map(|_| ()),
            TC_CLASSDESC => {
                let found = self.text()?;
                if found != name.as_bytes() {
                    return Err(format!(
                        "it holds a {} in place of a {name}",
                        String::from_utf8_lossy(found)
                    ));
                }
                self.handles.push(None);
                // Serial version and flags.
                self.take(9)?;
                for _ in 0..self.u16()? {
                    let primitive =
                        matches!(self.u8()?, b'B' | b'C' | b'D' | b'F' | b'I' | b'J' | b'S' | b'Z');
                    if !primitive {
                        return Err(format!("{name} has unexpected fields"));
                    }
                    self.text()?;
                }
                self.expect(TC_ENDBLOCKDATA, "the end of a class")?;
                self.expect(TC_NULL, "the end of a class")
            }
            other => Err(format!("0x{other:02x} was found in place of a class")),
        }
    }

    fn handle(&mut self) -> Result<Option<&'a [u8]>, String> {
        let place = self.u32()?.checked_sub(FIRST_HANDLE).and_then(|n| self.handles.get(n as usize));
        place.copied().ok_or_else(|| "a reference leads nowhere".to_owned())
    }

    fn text(&mut self) -> Result<&'a [u8], String> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), String> {
        match self.u8()? {
            found if found == byte => Ok(()),
            found => Err(format!("0x{found:02x} was found in place of {what}")),
        }
    }

    fn u8(&mut self) -> Result<u8, String> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(too_short)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(too_short)?;
        self.rest = rest;
        Ok(bytes)
    }
}

fn too_short() -> String {
    "it ends in the middle".to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use base64::Engine as _;

    use super::*;

    /// Written by Kafka Connect 4.3.1 in standalone mode.
    fn original() -> Vec<u8> {
        let text = include_str!("../testdata/standalone-offsets.b64");
        base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap()
    }

    #[test]
    fn the_file_of_a_real_worker_is_read() {
        let file = original();
        let pairs = read(&file).unwrap();
        assert_eq!(pairs.len(), 9);
        let (key, value) = pairs[0];
        assert_eq!(key, br#"["sa-src",{"filename":"/tmp/lab/kafka/run/gold-data/in.txt"}]"#);
        assert_eq!(value, br#"{"position":14}"#);
        assert!(pairs.iter().all(|(key, _)| crate::offsets::json::parse_key(key).is_some()));
    }

    #[test]
    fn no_damage_makes_the_reader_panic_or_lose_pairs_silently() {
        let file = original();
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "cut at {length}");
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0xff;
            // Bytes inside of keys and values are beyond what this layer can judge.
            _ = read(&damaged);
        }
    }
}
