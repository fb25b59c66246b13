//! Fibers and threads that wait for the same thing, in order: what is under every lock and join.
//!
//! An intrusive doubly linked list behind a lock. A node lives in the frame of [`WaitList::wait`], on the waiter's stack, and
//! that frame does not go before the node is out of the list. Whoever takes a node out, under the lock, sets its `outcome`
//! under the lock too and as the last thing it does to it; the waiter is woken after the lock is released, through a
//! counted reference that does not point into the node.
//!
//! Giving up (cancellation, deadline) races with being woken only for the lock: either the waiter finds itself in the list
//! and takes itself out, or its outcome is set, and then it has been woken and must not say otherwise: what came with
//! the wake (a permit, a lock) would be lost.

use super::cancel::Interruption;
use super::current::Current;
use super::timer::Timer;
use crate::fiber::Reason;
use crate::fiber::record::Waiter;
use crate::sys::sync::{AtomicU8, Lock, LockGuard};
use crate::sys::threads;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomPinned;
use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

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

const WAITING: u8 = 0;
const LOOK: u8 = 1;
const GRANTED: u8 = 2;

struct Node {
    waiter: Waiter,
    outcome: AtomicU8,
    /// Whether the waiter insists on being handed what it waits for.
    insists: bool,
    links: UnsafeCell<Links>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy)]
struct Links {
    previous: *const Node,
    next: *const Node,
}

/// The list.
pub(crate) struct WaitList {
    ends: Lock<Ends>,
}

/// The list while it is locked.
pub(crate) struct Ends {
    first: *const Node,
    last: *const Node,
}

// SAFETY: the pointers are to nodes in the frames of waits that are going on; they are followed under the lock only.
unsafe impl Send for Ends {}

impl WaitList {
    pub(crate) const fn new() -> WaitList {
        WaitList { ends: Lock::new(Ends { first: ptr::null(), last: ptr::null() }) }
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
        match Current::get() {
            Some(current) => self.wait_as_fiber(current, reason, timeout, insists, must_wait),
            None => self.wait_as_thread(timeout, insists, must_wait),
        }
    }

    fn wait_as_fiber<'a>(
        &self,
        current: Current<'a>,
        reason: Reason,
        timeout: Option<Duration>,
        insists: bool,
        mut must_wait: impl FnMut() -> bool,
    ) -> Result<Woken, GaveUp<'a>> {
        if let Some(interruption) = current.interruption() {
            return Err(GaveUp::Interrupted(interruption));
        }
        let node = Node::new(Waiter::Fiber(current.fiber()), insists);
        let passed = Cell::new(false);
        let _timer = super::cancel::deadline(timeout).map(|deadline| Timer::set(current, deadline, &passed));
        let mut enlisted = false;
        loop {
            current.suspend_then(reason, || {
                if !enlisted {
                    enlisted = true;
                    let mut ends = self.lock();
                    if !must_wait() {
                        node.outcome.store(LOOK, Relaxed);
                        return false;
                    }
                    // SAFETY: this function does not return or unwind before the node has an outcome or was taken out.
                    unsafe { ends.enlist(&node) };
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
        insists: bool,
        mut must_wait: impl FnMut() -> bool,
    ) -> Result<Woken, GaveUp<'a>> {
        let deadline = timeout.and_then(|timeout| std::time::Instant::now().checked_add(timeout));
        // A thread that waits without a limit cannot wake a fiber: the stall report counts on it.
        let counted = timeout.is_none();
        let node = Node::new(Waiter::thread(counted), insists);
        {
            let mut ends = self.lock();
            if !must_wait() {
                return Ok(Woken::Look);
            }
            // SAFETY: as in `wait_as_fiber`.
            unsafe { ends.enlist(&node) };
        }
        if counted {
            threads::blocked();
        }
        loop {
            if let Some(woken) = node.outcome() {
                return Ok(woken);
            }
            match deadline {
                None => std::thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(std::time::Instant::now());
                    if left.is_zero() {
                        return self.give_up(&node, GaveUp::TimedOut);
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
    }

    fn give_up<'a>(&self, node: &Node, gave_up: GaveUp<'a>) -> Result<Woken, GaveUp<'a>> {
        let mut ends = self.lock();
        match node.outcome() {
            Some(woken) => Ok(woken),
            None => {
                // SAFETY: without an outcome it is in the list.
                unsafe { ends.remove(node) };
                Err(gave_up)
            }
        }
    }

    /// Whether anybody waits, at the moment of the call.
    #[cfg(all(test, loom))]
    pub(crate) fn has_waiters(&self) -> bool {
        !self.lock().first.is_null()
    }

    /// Wakes the first waiter, if there is one. `decide` runs under the lock, in any case, and gives the outcome; it is told
    /// whether the waiter (if there is one) insists, and whether others are left behind it.
    pub(crate) fn wake_first(&self, decide: impl FnOnce(Option<bool>, bool) -> Woken) {
        let mut ends = self.lock();
        let Some((first, insists)) = ends.remove_first() else {
            decide(None, false);
            return;
        };
        let woken = decide(Some(insists), !ends.first.is_null());
        // SAFETY: it was just taken out, under the lock.
        let waiter = unsafe { Node::finish(first, woken) };
        drop(ends);
        waiter.wake();
    }

    /// Wakes all waiters.
    pub(crate) fn wake_all(&self) {
        let mut waiters = Vec::new();
        {
            let mut ends = self.lock();
            while let Some((first, _)) = ends.remove_first() {
                // SAFETY: it was just taken out, under the lock.
                waiters.push(unsafe { Node::finish(first, Woken::Look) });
            }
        }
        waiters.into_iter().for_each(Waiter::wake);
    }
}

impl Ends {
    /// # Safety
    ///
    /// The node is in no list and stays where it is until it is removed.
    unsafe fn enlist(&mut self, node: &Node) {
        let (previous, next) = if node.insists { (ptr::null(), self.first) } else { (self.last, ptr::null()) };
        // SAFETY: links are touched under the lock only, which `&mut self` stands for.
        unsafe { *node.links.get() = Links { previous, next } };
        self.join(previous, node);
        self.join(node, next);
    }

    /// Takes the first node out: the node, and whether its waiter insists.
    fn remove_first(&mut self) -> Option<(*const Node, bool)> {
        let first = self.first;
        // SAFETY: nodes in the list are alive.
        let node = unsafe { first.as_ref() }?;
        // SAFETY: it is in the list.
        unsafe { self.remove(node) };
        Some((first, node.insists))
    }

    /// # Safety
    ///
    /// The node is in this list.
    unsafe fn remove(&mut self, node: &Node) {
        // SAFETY: as in `enlist`.
        let Links { previous, next } = unsafe { *node.links.get() };
        self.join(previous, next);
    }

    /// Makes two nodes neighbours; null stands for the end of the list.
    fn join(&mut self, previous: *const Node, next: *const Node) {
        // SAFETY: both are in the list, or about to be, hence alive; links are touched under the lock.
        match unsafe { previous.as_ref() } {
            // SAFETY: as above.
            Some(previous) => unsafe { (*previous.links.get()).next = next },
            None => self.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            // SAFETY: as above.
            Some(next) => unsafe { (*next.links.get()).previous = previous },
            None => self.last = previous,
        }
    }
}

impl Node {
    fn new(waiter: Waiter, insists: bool) -> Node {
        Node {
            waiter,
            outcome: AtomicU8::new(WAITING),
            insists,
            links: UnsafeCell::new(Links { previous: ptr::null(), next: ptr::null() }),
            _pinned: PhantomPinned,
        }
    }

    fn outcome(&self) -> Option<Woken> {
        match self.outcome.load(Acquire) {
            LOOK => Some(Woken::Look),
            GRANTED => Some(Woken::Granted),
            _ => None,
        }
    }

    /// Sets the outcome. The node may be gone when this returns, or sooner, hence the pointer.
    ///
    /// # Safety
    ///
    /// The node has no outcome, and the caller has taken it out of its list, whose lock it holds.
    unsafe fn finish(node: *const Node, woken: Woken) -> Waiter {
        // SAFETY: the waiter stays in its frame until it sees an outcome.
        let waiter = unsafe { (*node).waiter.clone() };
        // SAFETY: as above; this is the last access.
        unsafe { (*node).outcome.store(if woken == Woken::Granted { GRANTED } else { LOOK }, Release) };
        waiter
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// A waiter, as far as the list is concerned: enlisted, then either woken or giving up. What it was left with.
    fn wait_or_give_up(list: &WaitList, cell: &AtomicUsize) -> bool {
        let node = Node::new(Waiter::thread(false), false);
        {
            let mut ends = list.lock();
            if cell.load(Acquire) > 0 {
                return true;
            }
            // SAFETY: the function returns after `give_up`, which leaves the node out of the list.
            unsafe { ends.enlist(&node) };
        }
        list.give_up(&node, GaveUp::TimedOut).is_ok()
    }

    /// Cancellation against completion: a wake meets a waiter that gives up. The wake is taken by the waiter, or finds nobody;
    /// it is never lost on one that says it gave up, and the node is out of the list either way.
    #[test]
    fn loom_wait_list_giving_up_never_swallows_a_wake() {
        loom::model(|| {
            let list = Arc::new(WaitList::new());
            let permits = Arc::new(AtomicUsize::new(0));
            let waker = {
                let (list, permits) = (list.clone(), permits.clone());
                thread::spawn(move || {
                    let mut woke = false;
                    list.wake_first(|waiter, _| {
                        woke = waiter.is_some();
                        if !woke {
                            permits.fetch_add(1, Release);
                        }
                        Woken::Granted
                    });
                    woke
                })
            };
            let got = wait_or_give_up(&list, &permits);
            let woke = waker.join().unwrap();
            assert!(!woke || got, "the permit went to a waiter that gave up");
            assert!(!list.has_waiters());
        });
    }

    /// Two waiters and one wake: exactly one of them gets it, unless it came before either was there.
    #[test]
    fn loom_wait_list_one_wake_is_for_one_waiter() {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(3);
        bounded.check(|| {
            let list = Arc::new(WaitList::new());
            let nothing = Arc::new(AtomicUsize::new(0));
            let waiters: Vec<_> = (0..2)
                .map(|_| {
                    let (list, nothing) = (list.clone(), nothing.clone());
                    thread::spawn(move || wait_or_give_up(&list, &nothing))
                })
                .collect();
            let mut woke = false;
            list.wake_first(|waiter, _| {
                woke = waiter.is_some();
                Woken::Granted
            });
            let got = waiters.into_iter().map(|waiter| waiter.join().unwrap()).filter(|&got| got).count();
            assert_eq!(got, usize::from(woke));
            assert!(!list.has_waiters());
        });
    }
}
