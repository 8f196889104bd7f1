//! JSON without a schema to tape, in one pass.

use std::collections::HashMap;

use cofferdam_frame::tape::{self, Tag};

use super::number::integer;
use super::scan::{Next, Scanner, Token, below};
use crate::DataError;

/// Most pairs of an object that are compared with each other to find a name that comes twice;
/// beyond it a table is made.
const PAIRWISE_MAX: usize = 16;

/// Reads values, with room that is used again for each container.
#[derive(Debug, Default)]
pub(crate) struct TapeReader {
    /// Ends of the items of all containers that are open.
    ends: Vec<u32>,
}

impl TapeReader {
    /// Appends the value at the cursor.
    pub(crate) fn value(
        &mut self,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        let token = scanner.token()?;
        match token {
            Token::Null => {
                scanner.literal(token)?;
                tape::put_null(out);
            }
            Token::True | Token::False => {
                scanner.literal(token)?;
                tape::put_boolean(out, token == Token::True);
            }
            Token::Number => {
                let number = scanner.number()?;
                if number.integral {
                    tape::put_int(out, Tag::Int64, integer(number));
                } else {
                    tape::put_float(out, Tag::Float64, number.text.parse().unwrap_or(f64::NAN));
                }
            }
            Token::String => {
                out.push(Tag::String as u8);
                scanner.string(out)?;
            }
            Token::Array => self.array(scanner, out, below(depth)?)?,
            Token::Object => self.object(scanner, out, below(depth)?)?,
        }
        Ok(())
    }

    fn array(&mut self, scanner: &mut Scanner<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), DataError> {
        out.push(Tag::Array as u8);
        let (base, items_at) = (self.ends.len(), out.len());
        let mut next = scanner.enter(b']');
        while next == Next::Item {
            self.value(scanner, out, depth)?;
            self.ends.push((out.len() - items_at) as u32);
            next = scanner.next(b']')?;
        }
        self.finish(base, out);
        Ok(())
    }

    fn object(
        &mut self,
        scanner: &mut Scanner<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DataError> {
        out.push(Tag::Map as u8);
        let (base, items_at) = (self.ends.len(), out.len());
        // One bit a name, by a hash that costs next to nothing: no bit set twice, no name twice.
        let (mut seen, mut maybe_twice) = (0_u64, false);
        let mut next = scanner.enter(b'}');
        while next == Next::Item {
            let name_at = out.len();
            out.push(Tag::String as u8);
            scanner.name(out)?;
            let bit = 1 << bucket(out.get(name_at + 1..).unwrap_or_default());
            maybe_twice |= seen & bit != 0;
            seen |= bit;
            self.ends.push((out.len() - items_at) as u32);
            self.value(scanner, out, depth)?;
            self.ends.push((out.len() - items_at) as u32);
            next = scanner.next(b'}')?;
        }
        if maybe_twice {
            self.keep_last(base, items_at, out);
        }
        self.finish(base, out);
        Ok(())
    }

    /// Writes the ends of the container that was opened at `base`, and closes it.
    fn finish(&mut self, base: usize, out: &mut Vec<u8>) {
        let ends = self.ends.get(base..).unwrap_or_default();
        out.reserve(ends.len() * 4 + 4);
        for end in ends {
            out.extend_from_slice(&end.to_le_bytes());
        }
        out.extend_from_slice(&(ends.len() as u32).to_le_bytes());
        self.ends.truncate(base);
    }

    /// Of pairs with one name the last value counts, at the place of the first.
    fn keep_last(&mut self, base: usize, items_at: usize, out: &mut Vec<u8>) {
        let items = out.get(items_at..).unwrap_or_default();
        let ends = self.ends.get(base..).unwrap_or_default();
        let mut start = 0;
        let mut pairs = Vec::with_capacity(ends.len() / 2);
        for pair in ends.as_chunks::<2>().0 {
            let [name, value] = pair.map(|end| end as usize);
            pairs.push((
                items.get(start..name).unwrap_or_default(),
                items.get(name..value).unwrap_or_default(),
            ));
            start = value;
        }
        let mut kept: Vec<(&[u8], &[u8])> = Vec::with_capacity(pairs.len());
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        for (name, value) in &pairs {
            let place = if pairs.len() <= PAIRWISE_MAX {
                kept.iter().position(|(known, _)| known == name)
            } else {
                places.get(name).copied()
            };
            match place.and_then(|place| kept.get_mut(place)) {
                Some(slot) => slot.1 = value,
                None => {
                    places.insert(name, kept.len());
                    kept.push((name, value));
                }
            }
        }
        if kept.len() == pairs.len() {
            return;
        }
        let (mut bytes, mut new_ends) = (Vec::with_capacity(items.len()), Vec::with_capacity(kept.len() * 2));
        for (name, value) in kept {
            for part in [name, value] {
                bytes.extend_from_slice(part);
                new_ends.push(bytes.len() as u32);
            }
        }
        out.truncate(items_at);
        out.extend_from_slice(&bytes);
        self.ends.truncate(base);
        self.ends.extend_from_slice(&new_ends);
    }
}

fn bucket(name: &[u8]) -> u8 {
    let first = name.first().copied().unwrap_or(0);
    let middle = name.get(name.len() / 2).copied().unwrap_or(0);
    let last = name.last().copied().unwrap_or(0);
    let hash =
        first.wrapping_mul(7).wrapping_add(middle.wrapping_mul(31)).wrapping_add(last.wrapping_mul(13));
    hash.wrapping_add((name.len() as u8).wrapping_mul(17)) & 63
}
