//! Random choices, and what follows from them.

use std::io;
use std::time::Duration;

/// Seeded random numbers: splitmix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    /// Another, whose numbers do not depend on how many of these are taken.
    pub(crate) fn split(&mut self) -> Random {
        Random(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A length up to this, mostly much smaller.
    pub(crate) fn length(&mut self, most: usize) -> usize {
        let bits = self.below(u64::from(most.ilog2()) + 1);
        (self.below(1 << bits) as usize + 1).min(most)
    }

    /// From nothing to some milliseconds.
    pub(crate) fn moment(&mut self) -> Duration {
        let bits = self.below(13);
        Duration::from_micros(self.below(1 << bits))
    }

    /// Makes a call, now and then under a time limit. Nothing if that came first: then the call has done nothing.
    pub(crate) fn try_for<T>(&mut self, call: impl FnOnce() -> io::Result<T>) -> Option<T> {
        let result = match self.below(3) {
            0 => fiber::time::timeout(self.moment(), call).ok()?,
            _ => call(),
        };
        match result {
            Ok(value) => Some(value),
            Err(error) if is_interruption(&error) => None,
            Err(error) => panic!("a call failed: {error:?}"),
        }
    }
}

/// Whether a wait ended because its fiber was cancelled, or ran out of time.
pub(crate) fn is_interruption(error: &io::Error) -> bool {
    let cancelled = error.get_ref().is_some_and(|source| source.is::<fiber::Cancelled>());
    cancelled || matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// The byte at this place of a stream of this number.
pub(crate) fn byte(stream: u64, at: u64) -> u8 {
    ((at ^ stream).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}
