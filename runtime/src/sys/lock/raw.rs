//! The lock without what it guards.
//!
//! It costs one locked instruction, where the usual lock takes one to lock and one to unlock: without contention such an instruction is
//! most of the price. Unlocking is a plain store, and then a plain load that says whether anybody sleeps. That load must not be done before
//! the store is seen by others, or a thread could fall asleep unseen on a lock that is open; and what keeps the two in order is a fence,
//! as dear as what was saved. So the fence is left to those who go to sleep, which is rare: membarrier(2) makes every thread of the
//! process that runs at this moment pass one, and the unlocking thread pays only for telling the compiler.
//!
//! 1. Unlocking: `locked` becomes 0 (release); [`light`](barrier::light) fence; if `sleepers` is not 0, one of them is woken.
//! 2. Going to sleep, after a while of trying: `sleepers` grows; [`heavy`](barrier::heavy) fence; as long as the lock cannot be taken, sleep
//!    while `locked` is 1, which the kernel looks at.
//!
//! Either the store of 1 comes before the fence of 2 in its thread, and then the sleeper finds the lock open; or the load of 1 comes after it,
//! and finds the sleeper. A kernel that refuses membarrier(2), or a sandbox, leaves the sleeper to look for itself every millisecond.

use crate::sys::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sys::sync::{ConstAtomicU32, spin_loop};
use crate::sys::{barrier, futex};
use std::time::Duration;

/// How often a thread that finds the lock taken looks again, with pauses that become longer, before it goes to sleep: it is taken for
/// less than that, unless its holder has lost its processor.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 10 };
/// The longest of the pauses, as a power of two of the processor's own.
const LONGEST_PAUSE: u32 = 7;
/// How long a sleeper sleeps where nobody can be relied upon to wake it.
const NAP: Duration = Duration::from_millis(1);

/// The lock.
pub(super) struct RawLock {
    /// 1 while it is held.
    locked: ConstAtomicU32,
    /// How many threads sleep until it is open, or are about to.
    sleepers: ConstAtomicU32,
}

impl RawLock {
    pub(super) const fn new() -> RawLock {
        RawLock { locked: ConstAtomicU32::new(0), sleepers: ConstAtomicU32::new(0) }
    }

    #[inline]
    pub(super) fn lock(&self) {
        if !self.try_lock() {
            self.lock_contended();
        }
    }

    #[inline]
    pub(super) fn try_lock(&self) -> bool {
        self.locked.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
    }

    #[cold]
    fn lock_contended(&self) {
        for look in 0..LOOKS {
            (0..1_u32 << look.min(LONGEST_PAUSE)).for_each(|_| spin_loop());
            if self.locked.load(Relaxed) == 0 && self.try_lock() {
                return;
            }
        }
        self.sleepers.fetch_add(1, Relaxed);
        let is_seen = barrier::heavy();
        while !self.try_lock() {
            futex::wait(&self.locked, 1, if is_seen { None } else { Some(NAP) });
        }
        self.sleepers.fetch_sub(1, Relaxed);
    }

    #[inline]
    pub(super) fn unlock(&self) {
        self.locked.store(0, Release);
        barrier::light();
        if self.sleepers.load(Relaxed) != 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        futex::wake_one(&self.locked);
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    struct Counter {
        lock: RawLock,
        value: loom::cell::UnsafeCell<usize>,
    }

    // SAFETY: the value is touched under the lock; loom checks that.
    unsafe impl Sync for Counter {}
    // SAFETY: as above.
    unsafe impl Send for Counter {}

    impl Counter {
        fn add(&self) {
            self.lock.lock();
            // SAFETY: under the lock; loom checks that.
            self.value.with_mut(|value| unsafe { *value += 1 });
            self.lock.unlock();
        }
    }

    fn count(threads: usize, times: usize, preemptions: usize) {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(preemptions);
        bounded.check(move || {
            let counter = Arc::new(Counter { lock: RawLock::new(), value: loom::cell::UnsafeCell::new(0) });
            // Makes the atomics before any thread starts.
            counter.lock.lock();
            counter.lock.unlock();
            let others = (1..threads).map(|_| {
                let counter = counter.clone();
                thread::spawn(move || (0..times).for_each(|_| counter.add()))
            });
            let others: Vec<_> = others.collect();
            (0..times).for_each(|_| counter.add());
            others.into_iter().for_each(|other| other.join().unwrap());
            // SAFETY: the other threads have ended; loom checks that.
            assert_eq!(counter.value.with(|value| unsafe { *value }), threads * times);
        });
    }

    /// One at a time, and nobody sleeps on a lock that is open.
    #[test]
    fn loom_lock_excludes_and_wakes_two() {
        count(2, 2, 4);
    }

    #[test]
    fn loom_lock_excludes_and_wakes_three() {
        count(3, 1, 2);
    }
}
