//! Poison: the mark that a panic left on a lock.
//!
//! An unwinding by cancellation leaves none. While another fiber of the same worker waits in a destructor in the middle of its own
//! unwinding, the thread's panic count speaks for both; telling them apart is best effort then.

use crate::sched::{begin_hold, charge_hold, is_panicking};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{LockResult, PoisonError};

/// The mark of one lock. The lock itself orders it with what it guards.
pub(super) struct Poison(AtomicBool);

/// What is to be known at the beginning of a hold to judge its end.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    /// A panic was under way already: then it is not the holder's.
    panicking: bool,
}

impl Watch {
    /// Begins a hold.
    #[inline]
    pub(super) fn begin() -> Watch {
        Watch { panicking: begin_hold() }
    }

    /// Counts an operation, and begins a hold: before the lock is taken, because a fiber that yields with it makes all the others wait.
    #[inline(always)]
    pub(super) fn charge() -> Watch {
        Watch { panicking: charge_hold() }
    }
}

impl Poison {
    pub(super) const fn new() -> Poison {
        Poison(AtomicBool::new(false))
    }

    #[inline]
    pub(super) fn get(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Relaxed);
    }

    /// Ends a hold.
    #[inline]
    pub(super) fn leave(&self, watch: &Watch) {
        if !watch.panicking && is_panicking() {
            self.0.store(true, Relaxed);
        }
    }

    /// A value, in an error if the lock is poisoned.
    #[inline]
    pub(super) fn wrap<T>(&self, value: T) -> LockResult<T> {
        if self.get() { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}
