//! Numbers that look random and follow from a seed and a record's number (SplitMix64).

/// The dice of one record: throws come in the same order each time.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of record `k`.
    pub(crate) fn of(seed: u64, k: u64) -> Self {
        // The seed is mixed first: neighbouring seeds must not give shifted sequences.
        let mut dice = Self(seed);
        Self(dice.throw() ^ k.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// 64 bits.
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        // The upper half of the product is below `end`: no division.
        (((self.throw() >> 32) * u64::from(end)) >> 32) as u32
    }

    /// One of `choices`.
    pub(crate) fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices.get(self.below(choices.len() as u32) as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_record_has_the_same_throws() {
        let throws = |seed, k| {
            let mut dice = Dice::of(seed, k);
            [dice.throw(), dice.throw()]
        };
        assert_eq!(throws(1, 7), throws(1, 7));
        assert_ne!(throws(1, 7), throws(1, 8));
        assert_ne!(throws(1, 7), throws(2, 7));
    }

    #[test]
    fn every_side_comes_up() {
        let mut seen = [0; 6];
        for k in 0..6000 {
            let side = Dice::of(42, k).below(6);
            if let Some(count) = seen.get_mut(side as usize) {
                *count += 1;
            }
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    }
}
