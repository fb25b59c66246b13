//! What a running fiber can do about itself: suspend.

use super::scheduler::Scheduler;
use super::worker::{After, OPERATIONS, Worker};
use crate::fiber::Reason;
use crate::fiber::nested::{Section, is_raised_on_thread};
use crate::fiber::record::{FiberRef, Header};
use crate::fiber::slot::{Phase, Slot};
use crate::sys::stderr::say;
use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The running fiber and its worker. Good on that fiber until it ends.
///
/// A started fiber does not change its worker, so the worker is kept here. With the feature `migrate` a fiber may, wherever it suspends with
/// nothing registered ([`Ties`](crate::fiber::roam::Ties)): then the worker is asked for anew at each use. What came from
/// [`worker`](Self::worker) before a suspension is not used after it.
#[derive(Clone, Copy)]
pub(crate) struct Current<'a> {
    #[cfg(not(feature = "migrate"))]
    worker: &'a Worker,
    pub(crate) slot: &'a Slot,
}

impl<'a> Current<'a> {
    /// The fiber that the caller runs on, if it runs on one.
    #[inline(always)]
    pub(crate) fn get() -> Option<Current<'a>> {
        let worker = Worker::current()?;
        Some(Current::of(worker, worker.current_slot()?))
    }

    /// The fiber in this slot, which runs on this worker, or is about to, or has just been suspended there.
    #[inline(always)]
    pub(super) fn of(worker: &'a Worker, slot: &'a Slot) -> Current<'a> {
        #[cfg(feature = "migrate")]
        let _ = worker;
        Current {
            #[cfg(not(feature = "migrate"))]
            worker,
            slot,
        }
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &'a Header {
        self.slot.header()
    }

    /// What the workers of the fiber's runtime share.
    pub(crate) fn scheduler(&self) -> &'a Arc<Scheduler> {
        self.worker().scheduler()
    }

    /// The fiber's worker, until it suspends.
    #[inline(always)]
    pub(crate) fn worker(&self) -> &'a Worker {
        #[cfg(not(feature = "migrate"))]
        return self.worker;
        #[cfg(feature = "migrate")]
        Worker::current().expect("a fiber runs on a worker")
    }

    /// A reference to the fiber.
    pub(crate) fn fiber(&self) -> FiberRef {
        FiberRef::clone(&self.slot.fiber())
    }

    /// Suspends the fiber until somebody wakes it, for whatever cause: the caller looks at its condition and, if it does not
    /// hold, suspends again.
    ///
    /// `publish` tells the world that the fiber waits, and says whether it has to wait at all; if not, it goes on.
    ///
    /// A fiber that stays with its worker is resumed by that alone, after it has switched away: whoever wakes it from elsewhere does so by way of
    /// the worker's inbox, which is looked at between fibers. So it publishes before it switches. One that may move can be taken by another worker at
    /// once: for that `publish` runs after the switch, on the scheduler's stack.
    #[inline]
    pub(crate) fn suspend_then<F: FnMut() -> bool>(&self, reason: Reason, mut publish: F) {
        /// # Safety
        ///
        /// `data` is the `F` of the frame below, which is suspended.
        unsafe fn call<F: FnMut() -> bool>(data: *mut ()) -> bool {
            // SAFETY: passed on to the caller.
            unsafe { (*data.cast::<F>())() }
        }
        let own = &self.header().own;
        let Some(spans) = own.spans.leave() else {
            return;
        };
        if self.slot.roams() {
            self.worker().after.set(Some(After { call: call::<F>, data: ptr::from_mut(&mut publish).cast() }));
            self.wait(reason);
        } else {
            self.set_waiting(reason);
            let has_to_wait = publish();
            match self.slot.phase() {
                Phase::Waiting if has_to_wait => self.switch(),
                // Woken already: it is queued, and has to leave to be resumed.
                Phase::Ready => self.switch(),
                _ => {
                    self.slot.set_running();
                    charge();
                }
            }
        }
        own.spans.enter(spans);
    }

    /// [`suspend_then`](Self::suspend_then) without anything to publish: for waits whose waker is on the fiber's own worker
    /// (timers, completions), or was told before.
    pub(crate) fn suspend(&self, reason: Reason) {
        let own = &self.header().own;
        if let Some(spans) = own.spans.leave() {
            self.wait(reason);
            own.spans.enter(spans);
        }
    }

    fn wait(&self, reason: Reason) {
        self.set_waiting(reason);
        self.switch();
    }

    #[inline]
    fn set_waiting(&self, reason: Reason) {
        self.slot.set_waiting(reason, self.worker().home.coarse_now.load(Relaxed));
    }

    /// Lets the other fibers of the worker run, and then goes on.
    #[inline]
    pub(crate) fn yield_now(&self) {
        let own = &self.header().own;
        if let Some(spans) = own.spans.leave() {
            self.slot.set_yielding();
            // SAFETY: `self` is the running fiber.
            if self.is_unwinding() || !unsafe { self.worker().pass_on(self.slot) } {
                self.requeue(|worker| worker.enqueue(self.slot));
                self.switch();
            }
            own.spans.enter(spans);
        }
    }

    /// Queues the running fiber. One that may move is queued once it is off its stack.
    #[inline(always)]
    fn requeue(&self, queue: impl FnOnce(&Worker)) {
        if !self.slot.roams() {
            queue(self.worker());
        }
    }

    /// As [`yield_now`](Self::yield_now), because the time slice is used up.
    pub(super) fn yield_used_up(&self) {
        let own = &self.header().own;
        if let Some(spans) = own.spans.leave() {
            self.slot.set_yielding();
            self.requeue(|worker| worker.enqueue_used_up(self.slot));
            self.switch();
            own.spans.enter(spans);
        }
    }

    /// As [`charge`], without the yield: `false` says that it is due. Says so once, so that whoever cannot be made to yield goes
    /// on all the same.
    #[inline]
    pub(crate) fn may_go_on(&self) -> bool {
        let left = self.worker().allowance.get();
        let due = left == 0 && !self.is_to_stay();
        self.worker().allowance.set(if due { OPERATIONS } else { left.saturating_sub(1) });
        !due
    }

    /// Called where the fiber is about to suspend, before anybody else sees anything of its wait.
    ///
    /// # Panics
    ///
    /// If it must not.
    #[inline]
    pub(crate) fn may_suspend(&self, reason: Reason) {
        if self.is_to_stay() {
            self.refuse_to_suspend(reason);
        }
    }

    #[cold]
    fn refuse_to_suspend(&self, reason: Reason) -> ! {
        let entered = self.worker().no_suspend.get().or_else(|| self.header().own.stays_below());
        let entered = entered.expect("it is in a section");
        panic!("what must not suspend the fiber, at {entered}, would have done so: {reason}")
    }

    /// Whether it is in a `no_suspend` section.
    #[inline]
    pub(crate) fn is_to_stay(&self) -> bool {
        self.worker().no_suspend.get().is_some()
            || self.slot.has_coroutines() && self.header().own.stays_below().is_some()
    }

    /// Where the worker keeps which of the fiber's `no_suspend` sections is the innermost.
    pub(crate) fn innermost_section(&self) -> &'a Cell<Section> {
        &self.worker().no_suspend
    }

    #[inline]
    fn switch(&self) {
        if self.is_to_stay() {
            say(format_args!("fiber {}: a wait in fiber::no_suspend that cannot be refused\n", self.header().id));
            std::process::abort();
        }
        let unwinding = self.is_unwinding();
        if unwinding {
            self.switch_unwinding();
            return;
        }
        // SAFETY: `self` is the running fiber (`get` made it so, and it cannot leave the fiber).
        unsafe { self.worker().leave(self.slot) };
    }

    /// A destructor waits while a panic unwinds this fiber. Its siblings will see `std::thread::panicking()`; the worker counts
    /// such fibers, so that at least our own types can tell whose unwinding it is.
    #[cold]
    fn switch_unwinding(&self) {
        let own = &self.header().own;
        own.unwinding.set(true);
        self.worker().unwinding.set(self.worker().unwinding.get() + 1);
        // SAFETY: as in `switch`.
        unsafe { self.slot.suspend() };
        self.worker().unwinding.set(self.worker().unwinding.get() - 1);
        if self.worker().unwinding.get() == 0 {
            // The thread's own count is exact again.
            own.unwinding.set(false);
        }
    }

    /// Whether this fiber is being unwound. Best effort while another fiber of the same worker is suspended in the middle of an
    /// unwinding, because the thread's panic count then speaks for both.
    #[inline]
    pub(crate) fn is_unwinding(&self) -> bool {
        std::thread::panicking() && (self.worker().unwinding.get() == 0 || self.header().own.unwinding.get())
    }
}

/// Runs `f` on the running fiber, if there is one, and lets it panic where it would suspend. The panic names the place `here`.
pub(crate) fn no_suspend_for<T>(here: &'static Location<'static>, f: impl FnOnce() -> T) -> T {
    /// Puts back the section around it.
    struct Within<'a>(&'a Cell<Section>, Section);
    impl Drop for Within<'_> {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _within = Current::get().map(|current| {
        let innermost = &current.worker().no_suspend;
        Within(innermost, innermost.replace(Some(here)))
    });
    // Which does not suspend, so the count is that of the fiber's worker to the end.
    f()
}

/// Counts an operation that completed without a wait against the running fiber's share, and yields when that is used up: otherwise a
/// copy loop between two ready streams would hold the worker.
#[inline(always)]
pub(crate) fn charge() {
    // Whether the worker runs a fiber at all is asked when the allowance is spent: in between, nobody reads it.
    if let Some(worker) = Worker::current() {
        match worker.allowance.get() {
            0 => give_way(),
            left => worker.allowance.set(left - 1),
        }
    }
}

/// The allowance is spent.
#[cold]
fn give_way() {
    // In a section that must not suspend: at the first chance after it.
    if let Some(current) = Current::get()
        && !current.is_to_stay()
    {
        current.yield_now();
        current.worker().allowance.set(OPERATIONS);
    }
}

/// [`charge`] for a lock that is about to be taken, and [`begin_hold`]; with one look at the worker for both.
#[inline(always)]
pub(crate) fn charge_hold() -> bool {
    if let Some(worker) = Worker::current() {
        let left = worker.allowance.get();
        if left == 0 || worker.has_raised.get() {
            return charge_hold_slowly();
        }
        worker.allowance.set(left - 1);
    }
    is_panicking()
}

#[cold]
fn charge_hold_slowly() -> bool {
    charge();
    begin_hold()
}

/// To be called where a lock is taken that a panic would poison: whether [a panic](is_panicking) is under way already, which is then not
/// the holder's.
#[inline]
pub(crate) fn begin_hold() -> bool {
    if !std::thread::panicking()
        && let Some(current) = Current::get()
        && current.worker().has_raised.get()
    {
        // The unwinding by cancellation, if there was one, is over: it was caught on its way.
        current.header().own.raised.set(false);
    }
    is_panicking()
}

/// Whether the caller is being unwound by a panic, as opposed to by cancellation, or as a coroutine that is dropped: these poison
/// nothing.
// Out of line where a fiber may come back from a wait on another thread: std's count is the thread's.
#[cfg_attr(not(feature = "migrate"), inline(always))]
#[cfg_attr(feature = "migrate", inline(never))]
pub(crate) fn is_panicking() -> bool {
    std::thread::panicking() && is_own_panic()
}

/// Whether the panic on this thread is the caller's.
#[cold]
fn is_own_panic() -> bool {
    match Current::get() {
        Some(current) => current.is_unwinding() && !current.header().own.raised.get(),
        None => !is_raised_on_thread(),
    }
}
