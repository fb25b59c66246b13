//! The choices that a scheduler makes at random, behind one type so that a seeded run repeats them.

use std::cell::Cell;

/// A small generator of choices: xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators,
/// scrambled", ACM TOMS 42, 2016).
pub(crate) struct Choice(Cell<u64>);

impl Choice {
    /// Two generators with different seeds make different choices; any seed will do.
    pub(crate) fn seeded(seed: u64) -> Choice {
        Choice(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&self, bound: usize) -> usize {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        let high = x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        // Multiply and shift instead of a division (D. Lemire, "Fast random integer generation in an interval", 2019).
        ((high * bound as u64) >> 32) as usize
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_made() {
        let choice = Choice::seeded(7);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[choice.below(5)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
    }

    #[test]
    fn a_seed_repeats() {
        let (a, b) = (Choice::seeded(3), Choice::seeded(3));
        assert!((0..100).all(|_| a.below(1000) == b.below(1000)));
    }
}
