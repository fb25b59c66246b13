//! Waits of async code: for a descriptor to be ready, or for a time, ended by a call of a waker.
//!
//! A future cannot suspend in `poll`, and what it is lent there, a buffer above all, is gone when `poll` returns. So nothing of it is ever in
//! flight: it tries without waiting, and where there is nothing yet it has somebody keep a lookout, which names no memory.
//!
//! 1. **Kept.** Polled on a fiber, the fiber's worker keeps it: as a poll operation of its driver, or a timer of its wheel. Polled elsewhere,
//!    by another executor's thread, a thread of this process does, with a driver and a wheel of its own ([`watchman`]), because a future must
//!    not need a runtime of ours to go on.
//! 2. **Ended.** The keeper notes what came, and calls the waker, which is somebody else's code: with nothing borrowed, on no fiber.
//! 3. **Taken back**, when the future is dropped before. By the keeping worker at once, by others as an errand that they leave with the
//!    keeper: an io_uring poll holds its file open, and a connection that was closed must be seen to be closed.
//! 4. A worker that ends, with its runtime, ends what it keeps as if it had happened. The future tries again, and has a new lookout kept
//!    wherever it is polled then.
//!
//! Whoever ends and whoever takes back agree under the lock of the lookout's state; the table of the keeper ([`table`]) holds an entry until the
//! driver has handed out its operation.

mod table;
mod watchman;

pub(super) use table::{Table, place};
pub(crate) use watchman::resting_threads;

use super::current::Current;
use super::home::Home;
use super::worker::Worker;
use crate::fiber::record::Waiter;
use crate::sys::sync::Lock;
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError, atomic};
use std::task::{Context, Poll, Waker};
use watchman::Watchman;

/// What to look out for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight {
    /// One of these events (`POLLIN` and the like) of a descriptor, or its failure. Whoever has the lookout keeps the descriptor open.
    Ready { fd: RawFd, events: i16 },
    /// This reading of the clock.
    Time(u64),
}

/// A lookout that somebody keeps until it has ended or this is dropped.
pub(crate) struct Lookout(Arc<Kept>);

/// What keeper and future share of it.
pub(super) struct Kept {
    sight: Sight,
    keeper: Keeper,
    state: Lock<State>,
    /// Where it is in the keeper's table. The keeper's thread alone reads and writes it.
    place: AtomicU32,
}

#[derive(Clone, Copy)]
enum Keeper {
    Worker(&'static Home),
    Watchman(&'static Watchman),
}

enum State {
    Kept(Waker),
    /// With what the operation ended.
    Ended(i32),
    TakenBack,
}

impl Lookout {
    /// Has somebody look out, and then call the waker.
    ///
    /// # Errors
    ///
    /// Off a fiber, where the system refuses what the first lookout there takes: a thread, and two descriptors.
    pub(crate) fn begin(sight: Sight, waker: Waker) -> io::Result<Lookout> {
        let current = Current::get();
        let keeper = match current {
            Some(current) => Keeper::Worker(current.worker().home),
            None => Keeper::Watchman(Watchman::get()?),
        };
        let kept = Arc::new(Kept { sight, keeper, state: Lock::new(State::Kept(waker)), place: AtomicU32::new(0) });
        match (keeper, current) {
            (Keeper::Watchman(watchman), _) => watchman.leave(Errand::Keep(kept.clone())),
            (Keeper::Worker(_), Some(current)) => current.worker().keep(kept.clone()),
            (Keeper::Worker(_), None) => unreachable!("a worker keeps lookouts of its fibers"),
        }
        Ok(Lookout(kept))
    }

    /// With what it has ended: the events or `-errno` of a descriptor, zero of a time. Until then, whom to wake.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<i32> {
        match &*self.0.state.lock() {
            State::Ended(result) => return Poll::Ready(*result),
            State::Kept(waker) if waker.will_wake(context.waker()) => return Poll::Pending,
            State::Kept(_) => {}
            State::TakenBack => unreachable!("it is taken back when it is dropped"),
        }
        // Wakers are cloned and dropped by somebody else's code: not under our lock.
        let new = context.waker().clone();
        let mut state = self.0.state.lock();
        let State::Kept(waker) = &mut *state else {
            drop(state);
            return self.poll(context);
        };
        let old = std::mem::replace(waker, new);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        let was = std::mem::replace(&mut *self.0.state.lock(), State::TakenBack);
        if !matches!(was, State::Kept(_)) {
            return;
        }
        match (self.0.keeper, Current::get()) {
            (Keeper::Worker(home), Some(current)) if ptr::eq(current.worker().home, home) => {
                current.worker().let_go(&self.0);
            }
            (Keeper::Worker(home), _) => home.leave(Errand::LetGo(self.0.clone())),
            (Keeper::Watchman(watchman), _) => watchman.leave(Errand::LetGo(self.0.clone())),
        }
    }
}

impl Kept {
    /// Ends it, and tells whoever waits for that.
    fn end(&self, result: i32) {
        let mut state = self.state.lock();
        if let State::Kept(_) = *state {
            let was = std::mem::replace(&mut *state, State::Ended(result));
            drop(state);
            if let State::Kept(waker) = was {
                Waiter::Task(waker).wake();
            }
        }
    }
}

/// What another thread asks of a keeper.
pub(super) enum Errand {
    Keep(Arc<Kept>),
    LetGo(Arc<Kept>),
}

/// Where errands are left. Whoever leaves one wakes the keeper afterwards, if it sleeps.
pub(super) struct Errands<T> {
    /// Whether there are any: what a busy keeper looks at, instead of the lock.
    any: atomic::AtomicBool,
    list: Mutex<Vec<T>>,
}

impl<T> Default for Errands<T> {
    fn default() -> Self {
        Errands { any: atomic::AtomicBool::new(false), list: Mutex::default() }
    }
}

impl<T> Errands<T> {
    pub(super) fn leave(&self, errand: T) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(errand);
        self.any.store(true, Release);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        !self.any.load(Acquire)
    }

    pub(super) fn take(&self) -> Vec<T> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Release);
        std::mem::take(&mut *list)
    }
}

impl Worker {
    fn keep(&self, kept: Arc<Kept>) {
        self.lookouts.borrow_mut().keep(kept, &mut self.driver.borrow_mut(), &mut self.timers.borrow_mut());
    }

    fn let_go(&self, kept: &Arc<Kept>) {
        self.lookouts.borrow_mut().let_go(kept, &mut self.driver.borrow_mut(), &mut self.timers.borrow_mut());
    }

    /// Runs the errands that other threads have left, and calls the wakers of what has ended. On no fiber, with nothing borrowed.
    #[inline]
    pub(super) fn attend_lookouts(&self) {
        if !self.home.errands().is_empty() {
            self.run_errands();
        }
        if self.lookouts.borrow().has_ended() {
            self.tell_of_lookouts();
        }
    }

    #[cold]
    fn run_errands(&self) {
        for errand in self.home.errands().take() {
            match errand {
                Errand::Keep(kept) => self.keep(kept),
                Errand::LetGo(kept) => self.let_go(&kept),
            }
        }
    }

    fn tell_of_lookouts(&self) {
        // Not in the condition of a loop, where it would be borrowed during the body.
        let next = || self.lookouts.borrow_mut().next_ended();
        while let Some((kept, result)) = next() {
            kept.end(result);
        }
    }

    /// Ends all that this worker keeps, because it ends itself.
    pub(super) fn end_lookouts(&self) {
        let all = self.lookouts.borrow_mut().take_all();
        for kept in all {
            kept.end(-libc::ECANCELED);
        }
    }
}
