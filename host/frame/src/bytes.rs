//! Short runs of bytes, in the few words that it takes: what wasm programs are linked with goes byte by
//! byte, or calls out.

/// Whether two short texts or names are equal, eight bytes at a time.
#[inline]
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (one, one_rest) = one.as_chunks::<8>();
    let (other, other_rest) = other.as_chunks::<8>();
    let words_differ =
        one.iter().zip(other).any(|(one, other)| u64::from_le_bytes(*one) != u64::from_le_bytes(*other));
    let rest = one_rest.iter().zip(other_rest);
    !words_differ && rest.fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn texts_are_compared_whole() {
        let text = "shop-orders-of-a-day".as_bytes();
        for end in 0..=text.len() {
            let (one, rest) = text.split_at(end);
            let (longer, inserted) = ([one, b"X"].concat(), [one, b"X", rest].concat());
            assert!(same(one, one), "{end}");
            assert!(!same(one, &longer), "{end}");
            assert!(!same(&[one, b"Y"].concat(), &longer), "{end}");
            assert!(!same(text, &inserted), "{end}");
            let mut other = text.to_vec();
            if let Some(byte) = other.get_mut(end) {
                *byte ^= 1;
                assert!(!same(text, &other), "{end}");
            }
        }
    }
}
