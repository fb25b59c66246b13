//! A wait, whatever it is for: its state, and who sleeps in it.

use super::Wakes;
use crate::fiber::Reason;
use crate::fiber::record::{FiberRef, Header, Waiter};
use crate::sched::cancel::Interruption;
use crate::sched::timer::{Flag, Timer};
use crate::sched::worker::Worker;
use crate::sched::{Current, clock};
use crate::sys::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::sys::sync::{AtomicPtr, AtomicU8, thread};
use crate::sys::threads;
use std::mem::ManuallyDrop;
use std::ptr;
use std::task::Waker;
use std::time::Instant;

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const GRANTED: u8 = 2;
const CLOSED: u8 = 3;

/// A fiber or a thread that waits, in one queue or in several.
pub(crate) struct Wait {
    state: AtomicU8,
    /// Whether it stands in several queues, with locks of their own.
    shared: bool,
    /// Which of several places ended it.
    ended_at: AtomicPtr<()>,
    sleeper: Sleeper,
}

/// Whom to wake.
enum Sleeper {
    /// The fiber in whose frame this is: it lives as long, so the reference is not counted.
    Fiber(ManuallyDrop<FiberRef>),
    Other(Waiter),
}

/// How a wait was ended by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By its purpose: the message has moved; or, where none moves, there is something to look at.
    Granted,
    /// Nobody is left who could grant it.
    Closed,
}

/// Why a waiter goes on.
pub(in crate::sched) enum Paused<'a> {
    /// The wait has an end.
    Ended,
    /// The waiter has noticed something else.
    Noticed,
    /// The deadline passed.
    TimedOut,
    /// The fiber is to end its wait.
    Interrupted(Interruption<'a>),
}

/// The frame must not go while others have pointers into it.
pub(in crate::sched) struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}

impl Wait {
    /// A wait of the running fiber, or of the thread if there is none.
    ///
    /// A thread that waits for nothing but fibers, without a limit, is counted: the stall report wants to know. It must be woken once.
    #[inline]
    pub(in crate::sched) fn new(current: Option<Current<'_>>, counted: bool, shared: bool) -> Wait {
        Wait::of(
            match current {
                Some(current) => Sleeper::Fiber(current.slot.fiber()),
                None => Sleeper::Other(Waiter::thread(counted)),
            },
            shared,
        )
    }

    fn of(sleeper: Sleeper, shared: bool) -> Wait {
        Wait { state: AtomicU8::new(WAITING), shared, ended_at: AtomicPtr::new(ptr::null_mut()), sleeper }
    }

    /// A wait of a task of async code, in one queue.
    pub(super) fn of_task(waker: &Waker) -> Wait {
        Wait::of(Sleeper::Other(Waiter::Task(waker.clone())), false)
    }

    /// Makes it the wait of a task that has another waker now.
    ///
    /// # Safety
    ///
    /// The wait is a task's and has not ended, and the caller has the lock of its queue.
    pub(super) unsafe fn set_waker(wait: *mut Wait, waker: &Waker) {
        // SAFETY: those who read it have the lock, and the caller has.
        if let Sleeper::Other(Waiter::Task(before)) = unsafe { &mut (*wait).sleeper } {
            before.clone_from(waker);
        }
    }

    #[cfg(all(test, loom))]
    pub(super) fn of_thread(shared: bool) -> Wait {
        Wait::of(Sleeper::Other(Waiter::thread(false)), shared)
    }

    /// Whom to wake, for others than queues.
    pub(crate) fn waiter(&self) -> Waiter {
        match &self.sleeper {
            Sleeper::Fiber(fiber) => Waiter::Fiber(FiberRef::clone(fiber)),
            Sleeper::Other(waiter) => waiter.clone(),
        }
    }

    /// How it was ended by others, if it was.
    #[inline]
    pub(in crate::sched) fn ended(&self) -> Option<Ended> {
        match self.state.load(Acquire) {
            GRANTED => Some(Ended::Granted),
            CLOSED => Some(Ended::Closed),
            _ => None,
        }
    }

    /// The place that ended it, which it has.
    pub(in crate::sched) fn ended_at(&self) -> *const () {
        self.ended_at.load(Relaxed)
    }

    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.state.load(Acquire) >= GRANTED
    }

    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.state.load(Relaxed) == WAITING
    }

    /// Suspends the fiber, or parks the thread, until the wait has ended, something else is noticed, or the wait is to be given up.
    /// `noticed` must not wait.
    #[inline]
    pub(in crate::sched) fn pause<'a>(
        &self,
        current: Option<Current<'a>>,
        reason: Reason,
        deadline: Option<Instant>,
        noticed: impl Fn() -> bool,
    ) -> Paused<'a> {
        match current {
            Some(current) => self.suspend(current, reason, deadline, noticed),
            None => self.park(deadline, noticed),
        }
    }

    fn suspend<'a>(
        &self,
        current: Current<'a>,
        reason: Reason,
        deadline: Option<Instant>,
        noticed: impl Fn() -> bool,
    ) -> Paused<'a> {
        let passed = Flag::new();
        let _timer = deadline.map(|deadline| Timer::set(current, clock::at(deadline), &passed));
        loop {
            if self.has_ended() {
                return Paused::Ended;
            }
            if let Some(interruption) = current.interruption() {
                return Paused::Interrupted(interruption);
            }
            if noticed() {
                return Paused::Noticed;
            }
            if passed.get() {
                return Paused::TimedOut;
            }
            current.suspend(reason);
        }
    }

    fn park<'a>(&self, deadline: Option<Instant>, noticed: impl Fn() -> bool) -> Paused<'a> {
        if let Sleeper::Other(Waiter::Thread { counted: true, .. }) = self.sleeper {
            threads::blocked();
        }
        loop {
            if self.has_ended() {
                return Paused::Ended;
            }
            if noticed() {
                return Paused::Noticed;
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(left) if left.is_zero() => return Paused::TimedOut,
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    /// Makes the caller the one who ends the wait; `false` if somebody else is.
    #[inline]
    pub(super) fn claim(&self) -> bool {
        !self.shared || self.state.compare_exchange(WAITING, CLAIMED, AcqRel, Relaxed).is_ok()
    }

    /// Ends the wait. It may be gone when this returns, or sooner, hence the pointer.
    ///
    /// # Safety
    ///
    /// The caller has claimed the wait, and holds the lock of the queue that it took the place from.
    #[inline]
    pub(super) unsafe fn finish(wait: *const Wait, place: *const (), end: Ended, wakes: &mut Wakes) {
        // SAFETY: the waiter stays in its frame until it sees the end.
        let this = unsafe { &*wait };
        this.sleeper.wake(wakes);
        if this.shared {
            this.ended_at.store(place.cast_mut(), Relaxed);
        }
        // SAFETY: as above; this is the last access.
        unsafe { (*wait).state.store(if end == Ended::Granted { GRANTED } else { CLOSED }, Release) };
    }
}

impl Sleeper {
    /// Wakes a fiber of the calling worker at once, as it cannot run before its worker is done here; notes anybody else, and a fiber that
    /// another worker might take.
    #[inline]
    fn wake(&self, wakes: &mut Wakes) {
        match self {
            Sleeper::Fiber(fiber) => match Worker::current() {
                Some(worker) if is_of(fiber, worker) => worker.look_at(fiber),
                _ => wakes.add(Waiter::Fiber(FiberRef::clone(fiber))),
            },
            Sleeper::Other(waiter) => wakes.add(waiter.clone()),
        }
    }
}

/// Whether it is a fiber of this worker, and stays that.
#[inline]
fn is_of(fiber: &Header, worker: &Worker) -> bool {
    !fiber.roam.is_migratable() && fiber.home().is_some_and(|home| ptr::eq(home, worker.home()))
}
