//! Numbers that look random and come again with the same seed. Knows no source of chance: whoever wants another
//! run gives another seed.

/// A generator of 64-bit numbers: a counter that steps by the golden ratio, its bits mixed (SplitMix64, as
/// Steele, Lea and Flood published it in 2014). Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, all of them equally likely but for one part in 2^64 / `bound`.
    ///
    /// # Panics
    /// If the bound is zero: there is no such number.
    pub const fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below zero");
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        let mut words = bytes.chunks_exact_mut(8);
        for word in &mut words {
            word.copy_from_slice(&self.next().to_le_bytes());
        }
        let rest = words.into_remainder();
        rest.copy_from_slice(&self.next().to_le_bytes()[..rest.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_sequence() {
        let mut rng = Rng::new(1_234_567);
        let first = [rng.next(), rng.next(), rng.next()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn every_number_below_a_bound_comes_and_none_beyond() {
        let mut rng = Rng::new(7);
        let mut seen = [0; 6];
        (0..600).for_each(|_| seen[rng.below(6) as usize] += 1);
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
    }

    #[test]
    fn filling_leaves_no_byte_out() {
        for len in 0..40 {
            let mut bytes = vec![0; len];
            let mut touched = vec![false; len];
            for seed in 0..40 {
                Rng::new(seed).fill(&mut bytes);
                touched.iter_mut().zip(&bytes).for_each(|(touched, &byte)| *touched |= byte != 0);
            }
            assert!(touched.iter().all(|&touched| touched), "{len} bytes");
        }
    }
}
