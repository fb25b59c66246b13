//! Fibers and threads that wait for the same thing, in order: what is under every lock and channel.
//!
//! An intrusive doubly linked list behind a lock ([`ends`]). A node lives in the frame of [`WaitList::wait`], on the waiter's stack,
//! and that frame does not go before the node is out of the list. Whoever takes a node out, under the lock, sets its `outcome`
//! under the lock too and as the last thing it does to it; the waiter is woken after the lock is released, through a
//! counted reference that does not point into the node.
//!
//! Giving up (cancellation, deadline) races with being woken only for the lock: either the waiter finds itself in the list
//! and takes itself out, or its outcome is set, and then it has been woken and must not say otherwise: what came with
//! the wake (a permit, a lock) would be lost.
//!
//! Waking all is two steps: they are *released* in one, and then woken some at a time (no allocation, the lock held for
//! short times only) or each by the one before it (no herd). Between the steps they are the head of the list; a waiter that gives
//! up there finds that it was woken, and later wakes are for those behind.

mod ends;
#[cfg(all(test, loom))]
mod loom_models;

use self::ends::{Ends, Node};
use super::cancel::Interruption;
use super::current::Current;
use super::timer::{Flag, Timer};
use crate::fiber::Reason;
use crate::fiber::record::Waiter;
use crate::sys::sync::{Lock, LockGuard, thread};
use crate::sys::threads;
use std::time::{Duration, Instant};

/// How a wait ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What was waited for may be there: look.
    Look,
    /// What was waited for was handed over.
    Granted,
}

/// How a wait ended otherwise.
pub(crate) enum GaveUp<'a> {
    /// The deadline passed.
    TimedOut,
    /// The fiber is to end its wait.
    Interrupted(Interruption<'a>),
}

/// What a waiter says of itself to its wakers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ask {
    /// Whether it insists on being handed what it waits for. Then it goes to the front. Not in a list whose waiters are woken all
    /// at once.
    pub(crate) insists: bool,
    /// What it waits for, in the terms of the lock.
    pub(crate) what: usize,
}

/// The list.
pub(crate) struct WaitList {
    ends: Lock<Ends>,
}

impl WaitList {
    pub(crate) const fn new() -> WaitList {
        WaitList { ends: Lock::new(Ends::new()) }
    }

    fn lock(&self) -> LockGuard<'_, Ends> {
        self.ends.lock()
    }

    /// Waits until woken, as a fiber by suspending, as a thread by parking.
    ///
    /// `must_wait` is asked once, under the list's lock: `false` ends the wait with [`Woken::Look`]. An insistent waiter goes to the
    /// front, and [`wake_first`](Self::wake_first) tells its waker that it insists.
    pub(crate) fn wait(
        &self,
        reason: Reason,
        timeout: Option<Duration>,
        insists: bool,
        must_wait: impl FnMut() -> bool,
    ) -> Result<Woken, GaveUp<'_>> {
        self.wait_for(reason, timeout, Ask { insists, what: 0 }, must_wait, || ())
    }

    /// As [`wait`](Self::wait). `enlisted` runs after the waiter is in the list and before it sleeps, without the list's lock, perhaps
    /// on the scheduler's stack: it must not wait and must not panic. Not at all if the waiter did not have to wait, or gave up
    /// before.
    pub(crate) fn wait_for(
        &self,
        reason: Reason,
        timeout: Option<Duration>,
        ask: Ask,
        must_wait: impl FnMut() -> bool,
        enlisted: impl FnMut(),
    ) -> Result<Woken, GaveUp<'_>> {
        match Current::get() {
            Some(current) => self.wait_as_fiber(current, reason, timeout, ask, must_wait, enlisted),
            None => self.wait_as_thread(timeout, ask, must_wait, enlisted),
        }
    }

    fn wait_as_fiber<'a>(
        &self,
        current: Current<'a>,
        reason: Reason,
        timeout: Option<Duration>,
        ask: Ask,
        mut must_wait: impl FnMut() -> bool,
        mut enlisted: impl FnMut(),
    ) -> Result<Woken, GaveUp<'a>> {
        current.may_suspend(reason);
        if let Some(interruption) = current.interruption() {
            return Err(GaveUp::Interrupted(interruption));
        }
        let node = Node::new(Waiter::Fiber(current.fiber()), ask);
        let passed = Flag::new();
        let _timer = super::cancel::deadline(timeout).map(|deadline| Timer::set(current, deadline, &passed));
        let mut began = false;
        loop {
            current.suspend_then(reason, || {
                if !began {
                    began = true;
                    let mut ends = self.lock();
                    if !must_wait() {
                        node.set_unneeded();
                        return false;
                    }
                    // SAFETY: this function does not return or unwind before the node has an outcome or was taken out.
                    unsafe { ends.enlist(&node) };
                    drop(ends);
                    enlisted();
                }
                node.outcome().is_none()
            });
            if let Some(woken) = node.outcome() {
                return Ok(woken);
            }
            let gave_up = match current.interruption() {
                Some(interruption) => GaveUp::Interrupted(interruption),
                None if passed.get() => GaveUp::TimedOut,
                None => continue,
            };
            return self.give_up(&node, gave_up);
        }
    }

    fn wait_as_thread<'a>(
        &self,
        timeout: Option<Duration>,
        ask: Ask,
        mut must_wait: impl FnMut() -> bool,
        mut enlisted: impl FnMut(),
    ) -> Result<Woken, GaveUp<'a>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        // A thread that waits without a limit cannot wake a fiber: the stall report counts on it.
        let counted = timeout.is_none();
        let node = Node::new(Waiter::thread(counted), ask);
        {
            let mut ends = self.lock();
            if !must_wait() {
                return Ok(Woken::Look);
            }
            // SAFETY: as in `wait_as_fiber`.
            unsafe { ends.enlist(&node) };
        }
        enlisted();
        if counted {
            threads::blocked();
        }
        loop {
            if let Some(woken) = node.outcome() {
                return Ok(woken);
            }
            match deadline {
                None => thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return self.give_up(&node, GaveUp::TimedOut);
                    }
                    thread::park_timeout(left);
                }
            }
        }
    }

    fn give_up<'a>(&self, node: &Node, gave_up: GaveUp<'a>) -> Result<Woken, GaveUp<'a>> {
        let mut ends = self.lock();
        if let Some(woken) = node.outcome() {
            return Ok(woken);
        }
        let released = ends.is_released(node);
        // SAFETY: without an outcome it is in the list.
        unsafe { ends.remove(node) };
        if released { Ok(Woken::Look) } else { Err(gave_up) }
    }

    /// Whether anybody waits, at the moment of the call.
    #[cfg(loom)]
    pub(crate) fn has_waiters(&self) -> bool {
        self.lock().first_waiting().is_some()
    }

    /// Wakes the first waiter, if there is one.
    pub(crate) fn wake_one(&self) {
        self.wake_first(|_, _| Woken::Look);
    }

    /// Wakes the first waiter, if there is one. `decide` runs under the lock, in any case, and gives the outcome; it is told
    /// whether the waiter (if there is one) insists, and whether others are left behind it.
    pub(crate) fn wake_first(&self, decide: impl FnOnce(Option<bool>, bool) -> Woken) {
        let mut ends = self.lock();
        let Some((first, ask)) = ends.take_first_waiting() else {
            decide(None, false);
            return;
        };
        let woken = decide(Some(ask.insists), ends.first_waiting().is_some());
        // SAFETY: it was just taken out, under the lock.
        let waiter = unsafe { Node::finish(first, woken) };
        drop(ends);
        waiter.wake();
    }

    /// Wakes waiters from the first on for as long as `decide` gives an outcome. It runs under the lock and is told what the
    /// waiter asks, and after the last of them `None`.
    ///
    /// The lock is released now and then, between one waiter and the next.
    pub(crate) fn wake_while(&self, mut decide: impl FnMut(Option<Ask>) -> Option<Woken>) {
        let mut more = true;
        while more {
            let mut batch = Batch::new();
            let mut ends = self.lock();
            while more && !batch.is_full() {
                let woken = decide(ends.first_waiting());
                more = match (woken, ends.first_waiting()) {
                    (Some(woken), Some(_)) => {
                        let (first, _) = ends.take_first_waiting().expect("it is there");
                        // SAFETY: it was just taken out, under the lock.
                        batch.add(unsafe { Node::finish(first, woken) });
                        true
                    }
                    _ => false,
                };
            }
            drop(ends);
            batch.wake();
        }
    }

    /// Wakes all waiters.
    pub(crate) fn wake_all(&self) {
        self.lock().release_all();
        let mut more = true;
        while more {
            let mut batch = Batch::new();
            let mut ends = self.lock();
            while more && !batch.is_full() {
                more = match ends.take_released() {
                    Some(first) => {
                        // SAFETY: it was just taken out, under the lock.
                        batch.add(unsafe { Node::finish(first, Woken::Look) });
                        true
                    }
                    None => false,
                };
            }
            drop(ends);
            batch.wake();
        }
    }

    /// Releases all waiters and wakes the first of them, with [`Woken::Granted`]: it has to call
    /// [`wake_next`](Self::wake_next), and so has each that is woken by that.
    pub(crate) fn wake_in_turn(&self) {
        let mut ends = self.lock();
        let under_way = ends.has_released();
        ends.release_all();
        if !under_way {
            WaitList::wake_released(ends);
        }
    }

    /// Wakes the next of the released waiters, with [`Woken::Granted`].
    pub(crate) fn wake_next(&self) {
        WaitList::wake_released(self.lock());
    }

    fn wake_released(mut ends: LockGuard<'_, Ends>) {
        if let Some(first) = ends.take_released() {
            // SAFETY: it was just taken out, under the lock.
            let waiter = unsafe { Node::finish(first, Woken::Granted) };
            drop(ends);
            waiter.wake();
        }
    }
}

/// Waiters that were taken out and are to be woken once the lock is released.
struct Batch {
    waiters: [Option<Waiter>; BATCH],
    len: usize,
}

/// How many are woken at once, or made to wait for each other under loom.
const BATCH: usize = if cfg!(loom) { 1 } else { 16 };

impl Batch {
    fn new() -> Batch {
        Batch { waiters: [const { None }; BATCH], len: 0 }
    }

    fn is_full(&self) -> bool {
        self.len == BATCH
    }

    fn add(&mut self, waiter: Waiter) {
        self.waiters[self.len] = Some(waiter);
        self.len += 1;
    }

    fn wake(self) {
        self.waiters.into_iter().flatten().for_each(Waiter::wake);
    }
}
