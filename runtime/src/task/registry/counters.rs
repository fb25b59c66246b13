//! How many fibers of one task are queued, running, done, panicked.

use std::sync::atomic::{AtomicU64, Ordering};

/// Workers count in shards of their own, so that two of them that run the same task do not pass a cache line back and
/// forth at every fiber. With more workers than this, some share.
const SHARDS: usize = 8;

/// The counters of one task.
///
/// Each only grows; what is asked for is a difference of two sums. All accesses are relaxed: nothing is published
/// through these numbers. They are plain `core` atomics even under a model checker, because descriptors are statics and
/// the checker's atomics cannot be made in constants; no protocol depends on them.
#[derive(Debug)]
pub(crate) struct Counters {
    shards: [Shard; SHARDS],
}

/// Padded to the pair of lines that x86-64 prefetches together (and to the 128-byte lines of some aarch64 cores).
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    spawned: AtomicU64,
    started: AtomicU64,
    finished: AtomicU64,
    panicked: AtomicU64,
    withdrawn: AtomicU64,
}

impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            shards: [const {
                Shard {
                    spawned: AtomicU64::new(0),
                    started: AtomicU64::new(0),
                    finished: AtomicU64::new(0),
                    panicked: AtomicU64::new(0),
                    withdrawn: AtomicU64::new(0),
                }
            }; SHARDS],
        }
    }

    /// A fiber was queued. `shard` is the number of the worker that counts, or anything from a thread.
    pub(crate) fn spawned(&self, shard: usize) {
        self.add(shard, |shard| &shard.spawned);
    }

    /// A queued fiber got its stack and runs.
    pub(crate) fn started(&self, shard: usize) {
        self.add(shard, |shard| &shard.started);
    }

    /// A started fiber ended, by a panic of its own or otherwise (a cancelled one counts as finished).
    pub(crate) fn finished(&self, shard: usize, panicked: bool) {
        self.add(shard, |shard| if panicked { &shard.panicked } else { &shard.finished });
    }

    /// A queued fiber was cancelled, or got no stack, before it started.
    pub(crate) fn withdrawn(&self, shard: usize) {
        self.add(shard, |shard| &shard.withdrawn);
    }

    pub(super) fn queued(&self) -> u64 {
        // What takes away is read first: a fiber that starts in between then counts as queued once more, instead of
        // making the difference negative.
        let left = self.sum(|shard| &shard.started) + self.sum(|shard| &shard.withdrawn);
        self.sum(|shard| &shard.spawned).saturating_sub(left)
    }

    pub(super) fn running(&self) -> u64 {
        let ended = self.done() + self.panicked();
        self.sum(|shard| &shard.started).saturating_sub(ended)
    }

    pub(super) fn done(&self) -> u64 {
        self.sum(|shard| &shard.finished)
    }

    pub(super) fn panicked(&self) -> u64 {
        self.sum(|shard| &shard.panicked)
    }

    fn add(&self, shard: usize, counter: impl FnOnce(&Shard) -> &AtomicU64) {
        counter(&self.shards[shard % SHARDS]).fetch_add(1, Ordering::Relaxed);
    }

    fn sum(&self, counter: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| counter(shard).load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Counters;

    fn numbers(counters: &Counters) -> [u64; 4] {
        [counters.queued(), counters.running(), counters.done(), counters.panicked()]
    }

    #[test]
    fn a_fiber_moves_through_the_states() {
        let counters = Counters::new();
        assert_eq!(numbers(&counters), [0, 0, 0, 0]);
        for shard in 0..4 {
            counters.spawned(shard);
        }
        assert_eq!(numbers(&counters), [4, 0, 0, 0]);
        // Stolen: started and ended in other shards than it was spawned in.
        counters.started(7);
        counters.started(8);
        counters.started(usize::MAX);
        assert_eq!(numbers(&counters), [1, 3, 0, 0]);
        counters.withdrawn(5);
        assert_eq!(numbers(&counters), [0, 3, 0, 0]);
        counters.finished(7, false);
        counters.finished(1, true);
        assert_eq!(numbers(&counters), [0, 1, 1, 1]);
    }

    #[test]
    fn an_end_seen_before_its_start_is_not_negative() {
        let counters = Counters::new();
        counters.finished(0, false);
        counters.started(0);
        counters.started(0);
        assert_eq!(numbers(&counters), [0, 1, 1, 0]);
    }
}
