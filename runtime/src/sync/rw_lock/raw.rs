//! The lock without what it guards: who is in, who waits, and how a hold passes on.
//!
//! One word:
//!
//! | bits | mean |
//! | --- | --- |
//! | `WRITER` | a writer is in |
//! | `WAITED` | somebody may be in the list: readers do not join the readers that are in, and whoever leaves settles |
//! | `INSISTED` | the first in the list is a writer that insists: nobody gets in but by a grant |
//! | the rest | how many readers are in |
//!
//! Without contention, getting in and out is one compare-and-swap each (an addition for a reader that leaves).
//!
//! Waiters are in one list, in the order they came. Whoever leaves, and finds `WAITED` and nobody left inside, *settles*: lets in
//! what can get in, under the list's lock. Readers at the front get in all together, by a grant. A writer at the front is
//! woken, but the lock stays open until it runs, so that a running fiber may take it first, which saves a switch per
//! hand-over; if it finds the lock taken, it insists, goes to the front, and is let in by a grant.
//!
//! Who is overtaken by whom: readers that come while anybody waits and readers are in, wait, so readers do not starve a
//! writer. A waiter is overtaken by nobody that comes later, but for a writer from when it is woken until it runs, and
//! by the holds that it then finds. A writer that gives up settles, for the readers that waited only for it.
//!
//! Rejected: handing over always (each hand-over then costs a switch, also between two fibers of which one runs); letting in
//! all waiting readers when a writer leaves, as phase-fair locks do (a writer could be overtaken by readers that came after
//! it, and to find them the whole list would be walked).

use crate::fiber::Reason;
use crate::sched::{Ask, GaveUp, WaitList, Woken};
use crate::sync::time_left::TimeLeft;
use crate::sys::sync::ConstAtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const WRITER: usize = 1;
const WAITED: usize = 2;
const INSISTED: usize = 4;
/// One reader. There is no overflow: 2^61 guards cannot even be leaked within a life.
const READER: usize = 8;

/// What waiters ask for.
const TO_READ: usize = 0;
const TO_WRITE: usize = 1;

/// The lock.
pub(in crate::sync) struct RawRwLock {
    state: ConstAtomicUsize,
    waiters: WaitList,
}

/// Whether a reader that comes gets in. Into an open lock also if others wait: those were woken.
fn may_read(state: usize) -> bool {
    state & (WRITER | INSISTED) == 0 && (state & WAITED == 0 || state < READER)
}

fn with_reader(state: usize) -> usize {
    state + READER
}

fn may_write(state: usize) -> bool {
    state & !WAITED == 0
}

fn with_writer(state: usize) -> usize {
    state | WRITER
}

impl RawRwLock {
    pub(in crate::sync) const fn new() -> RawRwLock {
        RawRwLock { state: ConstAtomicUsize::new(0), waiters: WaitList::new() }
    }

    /// Lets a reader in, and waits for that if need be; a cancelled fiber unwinds from the wait.
    #[inline]
    pub(in crate::sync) fn read(&self) {
        if !self.try_read() {
            self.read_contended(TimeLeft::UNLIMITED);
        }
    }

    /// Lets a reader in within the time; whether it is in.
    #[inline]
    pub(in crate::sync) fn read_within(&self, left: impl FnOnce() -> TimeLeft) -> bool {
        self.try_read() || self.read_contended(left())
    }

    #[inline]
    pub(in crate::sync) fn try_read(&self) -> bool {
        self.enter(may_read, with_reader)
    }

    /// As [`read`](Self::read), for a writer.
    #[inline]
    pub(in crate::sync) fn write(&self) {
        if !self.write_open() {
            self.write_contended(TimeLeft::UNLIMITED);
        }
    }

    /// Lets a writer in if nobody is in or waits; whether it did.
    #[inline]
    pub(in crate::sync) fn write_open(&self) -> bool {
        self.state.compare_exchange(0, WRITER, Acquire, Relaxed).is_ok()
    }

    /// Whether a writer is in, at the moment of the call.
    pub(in crate::sync) fn has_writer(&self) -> bool {
        self.state.load(Relaxed) & WRITER != 0
    }

    /// As [`read_within`](Self::read_within), for a writer.
    #[inline]
    pub(in crate::sync) fn write_within(&self, left: impl FnOnce() -> TimeLeft) -> bool {
        self.write_open() || self.write_contended(left())
    }

    #[inline]
    pub(in crate::sync) fn try_write(&self) -> bool {
        self.enter(may_write, with_writer)
    }

    /// Changes the state if it allows that; whether it did.
    #[inline]
    fn enter(&self, may: fn(usize) -> bool, change: fn(usize) -> usize) -> bool {
        let mut state = self.state.load(Relaxed);
        while may(state) {
            match self.state.compare_exchange_weak(state, change(state), Acquire, Relaxed) {
                Ok(_) => return true,
                Err(seen) => state = seen,
            }
        }
        false
    }

    /// Under the list's lock: enters, or else marks that somebody waits. So whoever is inside either sees the mark when it
    /// leaves, or has left already.
    fn enter_or_mark(&self, may: fn(usize) -> bool, change: fn(usize) -> usize, mark: usize) -> bool {
        let mut state = self.state.load(Relaxed);
        loop {
            let enters = may(state);
            let next = if enters { change(state) } else { state | mark };
            match self.state.compare_exchange_weak(state, next, Acquire, Relaxed) {
                Ok(_) => return enters,
                Err(seen) => state = seen,
            }
        }
    }

    #[cold]
    fn read_contended(&self, left: TimeLeft) -> bool {
        let ask = Ask { insists: false, what: TO_READ };
        let must_wait = || !self.enter_or_mark(may_read, with_reader, WAITED);
        // Readers are woken by grants only, so in every case that is not an error this one is in.
        match self.waiters.wait_for(Reason::ReadLock, left.get(), ask, must_wait, || ()) {
            Ok(Woken::Granted | Woken::Look) => true,
            Err(gave_up) => self.give_up(&gave_up),
        }
    }

    #[cold]
    fn write_contended(&self, left: TimeLeft) -> bool {
        let mut insists = false;
        let mut entered = self.try_write();
        while !entered {
            let mark = if insists { WAITED | INSISTED } else { WAITED };
            // One that insists does so against others; in an open lock it is not held up by its like.
            let must_wait = || {
                entered = self.enter_or_mark(may_write, with_writer, mark);
                !entered
            };
            let ask = Ask { insists, what: TO_WRITE };
            match self.waiters.wait_for(Reason::WriteLock, left.get(), ask, must_wait, || ()) {
                Ok(Woken::Granted) => return true,
                Ok(Woken::Look) => {
                    insists = true;
                    entered = entered || self.try_write();
                }
                Err(gave_up) => return self.give_up(&gave_up),
            }
        }
        true
    }

    /// Ends a wait in vain. Others may have waited for this waiter only, and it may have been woken before and found the
    /// lock taken.
    fn give_up(&self, gave_up: &GaveUp<'_>) -> bool {
        self.settle();
        match gave_up {
            GaveUp::TimedOut => false,
            GaveUp::Interrupted(interruption) => interruption.raise(),
        }
    }

    /// Lets a reader out. Never waits.
    #[inline]
    pub(in crate::sync) fn leave_read(&self) {
        let before = self.state.fetch_sub(READER, Release);
        if before & WAITED != 0 && before < 2 * READER {
            self.settle();
        }
    }

    /// Lets the writer out. Never waits.
    #[inline]
    pub(in crate::sync) fn leave_write(&self) {
        if self.state.compare_exchange(WRITER, 0, Release, Relaxed).is_err() {
            self.state.fetch_sub(WRITER, Release);
            self.settle();
        }
    }

    /// Makes the writer a reader, and lets in the readers that are first in the list.
    pub(in crate::sync) fn downgrade(&self) {
        let before = self.state.fetch_add(READER - WRITER, Release);
        if before & WAITED != 0 {
            self.settle();
        }
    }

    /// Lets in whoever is first and can get in, and makes the marks fit the list.
    #[cold]
    fn settle(&self) {
        let mut done = false;
        self.waiters.wake_while(|first| {
            let Some(first) = first else {
                self.state.fetch_and(!(WAITED | INSISTED), Relaxed);
                return None;
            };
            if first.insists {
                // Also if it came to be first only now.
                self.state.fetch_or(INSISTED, Relaxed);
            } else {
                self.state.fetch_and(!INSISTED, Relaxed);
            }
            if done {
                return None;
            }
            if first.what == TO_READ {
                return self.enter(|state| state & WRITER == 0, with_reader).then_some(Woken::Granted);
            }
            done = true;
            if first.insists {
                self.enter(|state| state & !(WAITED | INSISTED) == 0, with_writer).then_some(Woken::Granted)
            } else {
                may_write(self.state.load(Relaxed)).then_some(Woken::Look)
            }
        });
    }
}

#[cfg(all(test, loom))]
mod loom_models;
