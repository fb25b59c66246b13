//! Waits that end with something handed over: what is under every channel.
//!
//! A [`WaitQueue`] lies inside the lock of what is waited for, so that looking and getting in line are one step, and so are
//! finding who waits, moving a message to it (or from it), and ending its wait: one locked instruction an operation, and a message
//! for which somebody waits never passes through a buffer. ([`WaitList`](super::WaitList) has a lock of its own, and its
//! waiters look again for themselves. That is right for locks, whose state is an atomic.)
//!
//! A waiter has one [`Wait`], and a [`Place`] in each queue that it stands in. Both lie in the waiter's frame, which does not go
//! before every place is out of its queue; a place enters and leaves its queue under the queue's lock. Life of a wait:
//!
//! ```text
//!            ┌────────────── claim ─────────────┐
//!   WAITING ─┤                                  ├─► CLAIMED ── finish ──► GRANTED | CLOSED ──► the waiter is woken
//!            └── taken back by the waiter ──► WAITING, in no queue
//! ```
//!
//! 1. The waiter, under the lock: finds that it has to wait, puts its place at the end of the queue, releases the lock, suspends.
//!    (It still runs when others can see it. They may wake it then: a wake that comes before the switch is looked at after
//!    it, because its worker looks at its inbox only between fibers.)
//! 2. Somebody, under the lock: takes the first place out, claims its wait, moves the message, and finishes. Finishing reads whom to
//!    wake and then stores the end of the wait, with release; after that the place and the wait are gone.
//! 3. The waiter sees the end, with acquire, and leaves with what it was handed.
//! 4. Or it gives up (deadline, cancellation): under the lock it either finds itself in the queue and leaves it, or its wait has an
//!    end by then, and it leaves with that. So a message goes to somebody who takes it, and a wake is never for somebody who left.
//!
//! A wait with one place is only ever looked at under one lock, so claiming it is free. One with several is claimed by
//! compare-and-swap: of all that want to end it, under locks of their own, exactly one does, and the others find a place whose wait is
//! claimed, drop it from their queue, and go on to the next. Its waiter then takes its other places back, each under its lock. That
//! is the state machine of Parallel Concurrent ML (J. Reppy, C. Russo, Y. Xiao, ICFP 2009) with the simplification that a waiter in
//! line is passive: it never claims others.
//!
//! So a channel has, for each of its operations, three parts: try it, under the lock; put a place in line, under the lock under which
//! it was just seen to be impossible; take the place back. [`wait_in`] is the three for one channel, [`Attempt`] for a wait for the first
//! of several ([`select`](super::select)).

mod awaited;
mod in_line;
#[cfg(all(test, loom))]
mod loom_models;
mod wait;

pub(crate) use self::awaited::awaited;
pub(crate) use self::in_line::{Attempt, Stranger, in_line};
pub(super) use self::wait::{AbortOnUnwind, Paused};
pub(crate) use self::wait::{Ended, Wait};

use super::Current;
use super::cancel::Interruption;
use crate::fiber::Reason;
use crate::fiber::record::Waiter;
use crate::sys::sync::{Lock, LockGuard, UnsafeCell};
use std::cell;
use std::ptr;
use std::time::Instant;

/// How a wait ended.
pub(crate) enum End<'a> {
    /// By its purpose: the message has moved; or, where none moves, there is something to look at.
    Granted,
    /// Nobody is left who could grant it.
    Closed,
    /// The deadline passed.
    TimedOut,
    /// The fiber is to end its wait.
    Interrupted(Interruption<'a>),
}

/// A wait's place in one queue.
struct Place<M> {
    wait: *const Wait,
    hand: *const Hand<M>,
    /// Touched under the queue's lock only.
    links: cell::UnsafeCell<Links<M>>,
}

struct Links<M> {
    previous: *const Place<M>,
    next: *const Place<M>,
    enlisted: bool,
}

/// Places in the order they came. It lies inside a lock, and is dropped or moved only while it is empty: whoever stands in line
/// borrows the lock.
pub(crate) struct WaitQueue<M> {
    first: *const Place<M>,
    last: *const Place<M>,
}

// SAFETY: the pointers are to places in the frames of waits that are going on, which are followed under the queue's lock only;
// through them, messages change threads.
unsafe impl<M: Send> Send for WaitQueue<M> {}

/// Whom to wake, after the lock is released.
#[must_use = "waits have ended, and their waiters have to learn of it"]
pub(crate) struct Wakes {
    first: Option<Waiter>,
    others: Option<Box<Others>>,
}

/// Boxed: most have none, and then there is no vector to be looked at and dropped.
#[derive(Default)]
struct Others(Vec<Waiter>);

impl Wakes {
    #[inline]
    pub(crate) fn none() -> Wakes {
        Wakes { first: None, others: None }
    }

    #[cold]
    fn add(&mut self, waiter: Waiter) {
        match &mut self.first {
            first @ None => *first = Some(waiter),
            Some(_) => self.others.get_or_insert_default().0.push(waiter),
        }
    }

    /// By reference: it lies where it was filled, and most are empty.
    #[inline]
    pub(crate) fn wake(&mut self) {
        if self.first.is_some() {
            self.wake_elsewhere();
        }
    }

    #[cold]
    fn wake_elsewhere(&mut self) {
        let others = self.others.take().unwrap_or_default();
        self.first.take().into_iter().chain(others.0).for_each(Waiter::wake);
    }
}

/// Where a message lies for somebody who waits: the one that is handed over, or the waiter's own that somebody may take.
pub(crate) struct Hand<M>(UnsafeCell<Option<M>>);

impl<M> Hand<M> {
    #[inline]
    pub(crate) fn new(message: Option<M>) -> Hand<M> {
        Hand(UnsafeCell::new(message))
    }

    /// Puts a message into it, before a wait; there is none in it.
    pub(super) fn put(&mut self, message: M) {
        // SAFETY: nobody else has it, and nothing is lost: it is empty.
        self.0.with_mut(|hand| unsafe { hand.write(Some(message)) });
    }

    /// Takes what it holds, before or after a wait.
    pub(super) fn take(&mut self) -> Option<M> {
        // SAFETY: as in `into_inner`.
        self.0.with_mut(|message| unsafe { (*message).take() })
    }

    /// What it holds, after the wait.
    #[inline]
    pub(crate) fn into_inner(self) -> Option<M> {
        // SAFETY: nobody else has it: those who could reach it did so by a place that had borrowed it.
        self.0.with_mut(|message| unsafe { (*message).take() })
    }
}

/// Stands in line until somebody ends the wait or it has to be given up, as a fiber by suspending, as a thread by parking. After
/// that, `hand` holds what was handed over, or what nobody took.
///
/// The caller has just seen, under `guard`, which is `lock`'s, that it has to wait. `queue` finds the queue in what is locked.
/// A deadline that has passed is not waited for.
pub(crate) fn wait_in<'a, S, M>(
    lock: &Lock<S>,
    mut guard: LockGuard<'_, S>,
    queue: impl Fn(&mut S) -> &mut WaitQueue<M>,
    hand: &Hand<M>,
    reason: Reason,
    deadline: Option<Instant>,
) -> End<'a> {
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        return End::TimedOut;
    }
    let current = Current::get();
    if let Some(current) = current {
        current.may_suspend(reason);
    }
    let wait = Wait::new(current, deadline.is_none(), false);
    let place = Place::new(&wait, hand);
    let in_line = AbortOnUnwind;
    // SAFETY: below, this function comes to its end only after the wait has one, or the place was taken out; and it does not
    // unwind.
    unsafe { queue(&mut guard).enlist(&place) };
    drop(guard);
    let gave_up = match wait.pause(current, reason, deadline, || false) {
        Paused::Ended | Paused::Noticed => None,
        Paused::TimedOut => Some(End::TimedOut),
        Paused::Interrupted(interruption) => Some(End::Interrupted(interruption)),
    };
    let taken_back = gave_up.filter(|_| {
        // SAFETY: it was put into this queue.
        unsafe { queue(&mut lock.lock()).remove(&place) }
    });
    std::mem::forget(in_line);
    taken_back.unwrap_or_else(|| match wait.ended() {
        Some(Ended::Granted) => End::Granted,
        Some(Ended::Closed) => End::Closed,
        None => unreachable!("a place that others took out is that of a wait which has ended"),
    })
}

impl<M> Place<M> {
    /// A place that is good for nothing yet.
    fn nowhere() -> Place<M> {
        Place { wait: ptr::null(), hand: ptr::null(), links: cell::UnsafeCell::new(Links::NONE) }
    }

    /// A place that is good as long as the wait and the hand are where they are.
    #[inline]
    fn new(wait: &Wait, hand: &Hand<M>) -> Place<M> {
        Place { wait, hand, links: cell::UnsafeCell::new(Links::NONE) }
    }
}

impl<M> WaitQueue<M> {
    pub(crate) const fn new() -> WaitQueue<M> {
        WaitQueue { first: ptr::null(), last: ptr::null() }
    }

    /// Whether nobody stands in line.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Ends the first wait by handing it a message; gives the message back if nobody waits.
    #[inline]
    pub(crate) fn give(&mut self, message: M, wakes: &mut Wakes) -> Result<(), M> {
        let Some(place) = self.claim_first() else {
            return Err(message);
        };
        // SAFETY: its wait was claimed and has not ended, so the waiter's frame is alive and leaves the hand alone.
        let Place { wait, hand, .. } = unsafe { &*place };
        // SAFETY: as above; an empty hand has nothing to drop.
        unsafe { &**hand }.0.with_mut(|hand| unsafe { hand.write(Some(message)) });
        // SAFETY: claimed just now; `&mut self` stands for the lock.
        unsafe { Wait::finish(*wait, place.cast(), Ended::Granted, wakes) };
        Ok(())
    }

    /// Ends the first wait by taking the message from it.
    #[inline]
    pub(crate) fn take(&mut self, wakes: &mut Wakes) -> Option<M> {
        let place = self.claim_first()?;
        // SAFETY: as in `give`.
        let Place { wait, hand, .. } = unsafe { &*place };
        // SAFETY: as in `give`.
        let message = unsafe { &**hand }.0.with_mut(|hand| unsafe { (*hand).take() });
        // SAFETY: as in `give`.
        unsafe { Wait::finish(*wait, place.cast(), Ended::Granted, wakes) };
        message
    }

    /// Ends the waits from the first on for which `reserve` sets aside what they ask for, which is what their hands hold, until it cannot.
    /// `undo` takes that back for a wait that turns out to have been ended elsewhere. `emptied` is called when nobody is left in line, and
    /// before the last that was there can see its end.
    pub(crate) fn grant_while(
        &mut self,
        mut reserve: impl FnMut(&M) -> bool,
        mut undo: impl FnMut(&M),
        mut emptied: impl FnMut(),
        wakes: &mut Wakes,
    ) {
        // SAFETY: a place in the queue is alive, and so are its wait and its hand.
        while let Some(place) = unsafe { self.first.as_ref() } {
            // SAFETY: as above; a waiter leaves its hand alone until its place is out of the queue, for which it needs the lock.
            let asks = unsafe { &*place.hand };
            // SAFETY: as above.
            let is_reserved = asks.0.with_mut(|asks| unsafe { (*asks).as_ref() }.is_some_and(&mut reserve));
            if !is_reserved {
                return;
            }
            // SAFETY: it is this queue's first.
            unsafe { self.remove(place) };
            if self.is_empty() {
                emptied();
            }
            // SAFETY: as in `claim_first`.
            if unsafe { (*place.wait).claim() } {
                // SAFETY: claimed just now; `&mut self` stands for the lock.
                unsafe { Wait::finish(place.wait, ptr::from_ref(place).cast(), Ended::Granted, wakes) };
            } else {
                // SAFETY: as above: the waiter needs the lock to take its place back, although it is out.
                asks.0.with_mut(|asks| unsafe { (*asks).as_ref() }.into_iter().for_each(&mut undo));
            }
        }
    }

    /// Ends all waits: there is something to look at.
    pub(crate) fn grant_all(&mut self, wakes: &mut Wakes) {
        self.finish_all(Ended::Granted, wakes);
    }

    /// Ends all waits: they are in vain. Waiters keep their messages.
    pub(crate) fn close(&mut self, wakes: &mut Wakes) {
        self.finish_all(Ended::Closed, wakes);
    }

    fn finish_all(&mut self, end: Ended, wakes: &mut Wakes) {
        while let Some(place) = self.claim_first() {
            // SAFETY: as in `give`.
            unsafe { Wait::finish((*place).wait, place.cast(), end, wakes) };
        }
    }

    /// Whether anybody but this waiter stands in line whose wait could be claimed at this moment. One whose wait was claimed elsewhere
    /// will not be here for long.
    pub(super) fn has_other(&self, wait: *const Wait) -> bool {
        let mut next = self.first;
        // SAFETY: places in the queue are alive, and so are their waits; links are touched under the lock, which `&self` stands for.
        while let Some(place) = unsafe { next.as_ref() } {
            // SAFETY: as above.
            if !ptr::eq(place.wait, wait) && unsafe { (*place.wait).is_waiting() } {
                return true;
            }
            // SAFETY: as above.
            next = unsafe { (*place.links.get()).next };
        }
        false
    }

    /// Takes places out until the wait of one could be claimed.
    #[inline]
    fn claim_first(&mut self) -> Option<*const Place<M>> {
        loop {
            let first = self.first;
            // SAFETY: a place in the queue is alive, and so is its wait.
            let place = unsafe { first.as_ref() }?;
            // SAFETY: it is this queue's first.
            unsafe { self.remove(place) };
            // SAFETY: as above. The waiter stays until it has taken this place back, for which it needs the lock, or until the
            // wait has an end.
            if unsafe { (*place.wait).claim() } {
                return Some(first);
            }
        }
    }

    /// Puts a place at the end.
    ///
    /// # Safety
    ///
    /// The place was in no queue before. It and its wait stay where they are until it was removed; if others remove it to end the
    /// wait, until the wait has ended.
    #[inline]
    unsafe fn enlist(&mut self, place: &Place<M>) {
        let previous = self.last;
        // SAFETY: links are touched under the lock only, which `&mut self` stands for.
        unsafe { *place.links.get() = Links { previous, next: ptr::null(), enlisted: true } };
        self.last = place;
        // SAFETY: as above; what is in the queue is alive.
        match unsafe { previous.as_ref() } {
            // SAFETY: as above.
            Some(previous) => unsafe { (*previous.links.get()).next = place },
            None => self.first = place,
        }
    }

    /// Takes a place out; `false` if somebody has done it before.
    ///
    /// # Safety
    ///
    /// The place is alive, and was put into this queue and no other.
    #[inline]
    unsafe fn remove(&mut self, place: &Place<M>) -> bool {
        // SAFETY: as in `enlist`.
        let Links { previous, next, enlisted } = unsafe { ptr::replace(place.links.get(), Links::NONE) };
        if !enlisted {
            return false;
        }
        // SAFETY: neighbours are in the queue, hence alive; links are touched under the lock.
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
        true
    }
}

impl<M> Links<M> {
    const NONE: Links<M> = Links { previous: ptr::null(), next: ptr::null(), enlisted: false };
}
