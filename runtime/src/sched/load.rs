//! What other workers may see of a worker's load, and what it has learned of the fibers it started: by these [`placement`] decides
//! where a fiber that will stay for long starts.
//!
//! The worker writes once in a turn, and only if something has changed, so that a look from elsewhere seldom waits for a cache line. The figure is
//! a hint: as of the worker's last turn, and nothing depends on it but where a fiber starts.
//!
//! [`placement`]: super::worker
//!
//! A worker that a fiber holds does not come to its inbox, and what was given to it would wait there. So fibers are given to workers that sleep,
//! and that find them before they run anything; it takes a giver that is interrupted between its look and its gift to miss that.

use crate::fiber::record::Kind;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64};

/// Kinds of fibers that are told apart; others share a place.
const KINDS: usize = 64;
/// What is known of a kind counts from zero, "ends at once", to this, "stays".
const CERTAIN: u8 = 7;
/// What is taken as staying, and what a kind begins with that nobody has seen.
const LIKELY: u8 = 4;

/// The share of its time that a worker is awake, in 256ths.
pub(crate) type Busy = u8;

/// The load of one worker.
#[repr(align(128))]
pub(crate) struct Load {
    /// A packed [`Figure`]. Written by the worker alone.
    figure: AtomicU64,
    /// How many fibers others gave it, modulo 2^16. The figure has how many of them it has taken.
    given: AtomicU16,
    /// For each kind of fiber whether it tends to stay. Two-bit counters as branch predictors have them (J. E. Smith, "A Study of Branch
    /// Prediction Strategies", ISCA 1981), with three bits. Written by the worker alone.
    kinds: [AtomicU8; KINDS],
}

/// A worker's load, as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Fibers that it has started and that have not ended, and those in its queue.
    pub(crate) fibers: u32,
    /// The share of time that it was awake, lately, as far as fibers kept it awake that it still has.
    pub(crate) busy: Busy,
    /// Whether it sleeps.
    pub(crate) resting: bool,
    /// How many given fibers it has taken, modulo 2^16.
    pub(crate) taken: u16,
}

impl Figure {
    fn pack(self) -> u64 {
        u64::from(self.fibers)
            | u64::from(self.busy) << 32
            | u64::from(self.resting) << 40
            | u64::from(self.taken) << 48
    }

    fn unpack(packed: u64) -> Figure {
        Figure {
            fibers: packed as u32,
            busy: (packed >> 32) as u8,
            resting: packed >> 40 & 1 == 1,
            taken: (packed >> 48) as u16,
        }
    }

    /// How much a worker has to do: its fibers, and up to twice that if it is awake all the time. In 256ths of a fiber.
    pub(crate) fn weight(self) -> u64 {
        (u64::from(self.fibers) + 1) * (256 + u64::from(self.busy))
    }
}

impl Load {
    pub(crate) fn new() -> Load {
        Load { figure: AtomicU64::new(0), given: AtomicU16::new(0), kinds: [const { AtomicU8::new(LIKELY) }; KINDS] }
    }

    /// Forgets everything, for the next worker.
    pub(crate) fn reset(&self) {
        self.figure.store(0, Relaxed);
        self.given.store(0, Relaxed);
        self.kinds.iter().for_each(|kind| kind.store(LIKELY, Relaxed));
    }

    /// The worker says how it is. By the worker.
    pub(crate) fn publish(&self, figure: Figure) {
        let packed = figure.pack();
        if self.figure.load(Relaxed) != packed {
            self.figure.store(packed, Relaxed);
        }
    }

    /// The worker's load, with what was given to it and has not arrived. From anywhere.
    pub(crate) fn seen(&self) -> Figure {
        let figure = Figure::unpack(self.figure.load(Relaxed));
        let on_the_way = self.given.load(Relaxed).wrapping_sub(figure.taken);
        Figure { fibers: figure.fibers.saturating_add(u32::from(on_the_way)), ..figure }
    }

    /// A fiber is on its way to the worker.
    pub(crate) fn one_is_given(&self) {
        self.given.fetch_add(1, Relaxed);
    }

    /// Whether fibers of this kind tend to stay, as far as the worker knows.
    #[inline(always)]
    pub(crate) fn stays(&self, kind: Kind) -> bool {
        self.kinds[place(kind)].load(Relaxed) >= LIKELY
    }

    /// A fiber of this kind was resumed for the first time. By the worker.
    #[inline(always)]
    pub(crate) fn note(&self, kind: Kind, stayed: bool) {
        let known = &self.kinds[place(kind)];
        let before = known.load(Relaxed);
        let after = if stayed { (before + 1).min(CERTAIN) } else { before.saturating_sub(1) };
        if after != before {
            known.store(after, Relaxed);
        }
    }
}

/// Where a kind's counter is. Fibonacci hashing (D. Knuth, "The Art of Computer Programming", vol. 3, 6.4).
#[inline(always)]
fn place(kind: Kind) -> usize {
    const { assert!(KINDS == 1 << 6) };
    ((kind.0 as u32).wrapping_mul(0x9e37_79b1) >> (32 - 6)) as usize
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn figures_are_packed_and_unpacked() {
        for figure in [
            Figure::default(),
            Figure { fibers: 7, busy: 200, resting: true, taken: 3 },
            Figure { fibers: u32::MAX, busy: u8::MAX, resting: false, taken: u16::MAX },
        ] {
            assert_eq!(Figure::unpack(figure.pack()), figure);
        }
    }

    #[test]
    fn what_is_on_its_way_counts() {
        let load = Load::new();
        load.publish(Figure { fibers: 5, taken: u16::MAX, ..Figure::default() });
        (0..u16::MAX).for_each(|_| load.one_is_given());
        assert_eq!(load.seen().fibers, 5);
        (0..3).for_each(|_| load.one_is_given());
        assert_eq!(load.seen().fibers, 8);
        load.publish(Figure { fibers: 8, taken: 2, ..Figure::default() });
        assert_eq!(load.seen().fibers, 8);
    }

    #[test]
    fn a_worker_that_is_awake_all_the_time_weighs_more() {
        let figure = |fibers, busy| Figure { fibers, busy, ..Figure::default() }.weight();
        assert!(figure(10, 0) < figure(10, 100));
        assert!(figure(10, 255) < figure(21, 0), "at most twice as much");
    }

    #[test]
    fn kinds_are_learned() {
        let load = Load::new();
        let (short, long) = (Kind(0x1000), Kind(0x1028));
        assert_ne!(place(short), place(long));
        assert!(load.stays(short) && load.stays(long), "nothing is known");
        load.note(short, false);
        assert!(!load.stays(short) && load.stays(long));
        (0..20).for_each(|_| load.note(short, false));
        (0..3).for_each(|_| load.note(short, true));
        assert!(!load.stays(short), "a few do not count");
        (0..2).for_each(|_| load.note(short, true));
        assert!(load.stays(short));
    }
}
