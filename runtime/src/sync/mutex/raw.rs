//! The lock without what it guards.
//!
//! One byte: `LOCKED`, and `WAITED` while somebody may be in the list. Without contention, locking and unlocking are one
//! compare-and-swap each. An unlock with waiters wakes the first of them but leaves the lock open, so that a running fiber may
//! take it first, which saves a switch per hand-over. A waiter that was woken and found the lock taken insists: it goes to
//! the front, and the next unlock hands the lock to it. So a waiter at the front is overtaken until it runs, and then by the hold
//! that it finds, and by no other.

use crate::fiber::Reason;
use crate::sched::{Ask, GaveUp, WaitList, Woken};
use crate::sync::time_left::TimeLeft;
use crate::sys::sync::ConstAtomicU8;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const LOCKED: u8 = 1;
const WAITED: u8 = 2;

/// The lock.
pub(in crate::sync) struct RawMutex {
    state: ConstAtomicU8,
    waiters: WaitList,
}

impl RawMutex {
    pub(in crate::sync) const fn new() -> RawMutex {
        RawMutex { state: ConstAtomicU8::new(0), waiters: WaitList::new() }
    }

    /// Locks it, and waits for that if need be; a cancelled fiber unwinds from the wait.
    #[inline]
    pub(in crate::sync) fn lock(&self) {
        if !self.lock_open() {
            self.lock_contended(TimeLeft::UNLIMITED);
        }
    }

    /// Locks it if it is open and nobody waits; whether it did.
    #[inline]
    pub(in crate::sync) fn lock_open(&self) -> bool {
        self.state.compare_exchange(0, LOCKED, Acquire, Relaxed).is_ok()
    }

    /// Locks it within the time; whether it did.
    #[inline]
    pub(in crate::sync) fn lock_within(&self, left: impl FnOnce() -> TimeLeft) -> bool {
        self.lock_open() || self.lock_contended(left())
    }

    /// Takes the lock if it is open, whether or not somebody waits.
    #[inline]
    pub(in crate::sync) fn try_lock(&self) -> bool {
        let mut state = self.state.load(Relaxed);
        while state & LOCKED == 0 {
            match self.state.compare_exchange_weak(state, state | LOCKED, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(seen) => state = seen,
            }
        }
        false
    }

    #[cold]
    fn lock_contended(&self, left: TimeLeft) -> bool {
        let mut insists = false;
        while !self.try_lock() {
            // Under the list's lock: either the holder sees the mark when it unlocks, or it has unlocked already.
            let must_wait = || self.state.fetch_or(WAITED, Relaxed) & LOCKED != 0;
            let ask = Ask { insists, what: 0 };
            // Whoever gives up leaves nothing undone: it was woken to an open lock at most, and found it taken by one who
            // will wake the next.
            match self.waiters.wait_for(Reason::Lock, left.get(), ask, must_wait, || ()) {
                Ok(Woken::Granted) => return true,
                Ok(Woken::Look) => insists = true,
                Err(GaveUp::TimedOut) => return false,
                Err(GaveUp::Interrupted(interruption)) => interruption.raise(),
            }
        }
        true
    }

    /// Unlocks it, for the holder. Never waits.
    #[inline]
    pub(in crate::sync) fn unlock(&self) {
        if self.state.compare_exchange(LOCKED, 0, Release, Relaxed).is_err() {
            self.unlock_contended();
        }
    }

    #[cold]
    fn unlock_contended(&self) {
        self.waiters.wake_first(|insists, others| {
            let waited = if others { WAITED } else { 0 };
            if insists == Some(true) {
                // The list's lock orders what the holder wrote before what the next one reads.
                self.state.store(LOCKED | waited, Relaxed);
                Woken::Granted
            } else {
                self.state.store(waited, Release);
                Woken::Look
            }
        });
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;
    use std::time::Duration;

    /// A counter that loom watches, and its lock.
    struct Counter {
        lock: RawMutex,
        value: loom::cell::UnsafeCell<usize>,
    }

    // SAFETY: the value is touched under the lock; loom checks that.
    unsafe impl Sync for Counter {}
    // SAFETY: as above.
    unsafe impl Send for Counter {}

    impl Counter {
        fn new() -> Arc<Counter> {
            let counter = Counter { lock: RawMutex::new(), value: loom::cell::UnsafeCell::new(0) };
            // Makes the atomics before any thread starts.
            assert!(counter.lock.try_lock());
            counter.lock.unlock();
            Arc::new(counter)
        }

        fn add(&self) {
            // SAFETY: the caller holds the lock; loom checks that.
            self.value.with_mut(|value| unsafe { *value += 1 });
            self.lock.unlock();
        }

        fn value(&self) -> usize {
            // SAFETY: the other threads have ended; loom checks that.
            self.value.with(|value| unsafe { *value })
        }
    }

    /// Two threads lock twice each: one at a time, and nobody is left behind asleep.
    #[test]
    fn loom_mutex_excludes_and_wakes() {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(3);
        bounded.check(|| {
            let counter = Counter::new();
            let other = thread::spawn({
                let counter = counter.clone();
                move || {
                    for _ in 0..2 {
                        counter.lock.lock();
                        counter.add();
                    }
                }
            });
            for _ in 0..2 {
                counter.lock.lock();
                counter.add();
            }
            other.join().unwrap();
            assert_eq!(counter.value(), 4);
        });
    }

    /// Three threads, one of which gives up: whatever wake it had goes on to the others.
    #[test]
    fn loom_mutex_giving_up_loses_no_wake() {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(2);
        bounded.check(|| {
            let counter = Counter::new();
            let patient = thread::spawn({
                let counter = counter.clone();
                move || {
                    counter.lock.lock();
                    counter.add();
                }
            });
            let hasty = thread::spawn({
                let counter = counter.clone();
                move || {
                    let locked = counter.lock.lock_within(|| TimeLeft::of(Duration::ZERO));
                    if locked {
                        counter.add();
                    }
                    usize::from(locked)
                }
            });
            counter.lock.lock();
            counter.add();
            patient.join().unwrap();
            let hasty = hasty.join().unwrap();
            assert_eq!(counter.value(), 2 + hasty);
        });
    }
}
