//! Scopes: fibers that borrow from the frame that spawned them.

use super::builder::Builder;
use super::current::Fiber;
use super::join_error::JoinError;
use super::join_event::Joined;
use super::join_handle::wait_for;
use crate::fiber::Reason;
use crate::fiber::identity::{Identity, Parent};
use crate::fiber::record::{FiberRef, Handle, drop_quietly};
use crate::fiber::unwind::{AbortOnUnwind, CancelReason, Raised};
use crate::sched::{Current, GaveUp, WaitList, cancel, clock, timer};
use crate::select::{Event, Selectable};
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};

/// Runs `f` with a scope into which it can spawn fibers that borrow, and returns when all of them have ended.
///
/// As [`std::thread::scope`], on fibers and on threads: the caller is suspended, or blocked, until the last child has ended,
/// whatever happens. If the caller is cancelled, or its time limit passes, the children are cancelled and awaited, and then the
/// caller unwinds. Children have the [time limit](crate::time::timeout) of whoever spawns them from the start: past it, they are
/// cancelled, whatever the caller is doing.
///
/// # Panics
///
/// If `f` panics, with its panic; else, if a child panicked that nobody joined, with the first such panic.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let text = String::from("shared by all");
/// let mut total = 0;
/// fiber::scope(|s| {
///     let one = s.spawn(|| text.len());
///     let two = s.spawn(|| text.matches('a').count());
///     total = one.join().unwrap() + two.join().unwrap();
/// });
/// assert_eq!(total, 15);
/// # });
/// ```
///
/// A child cannot borrow from the closure's own frame, which is gone before the scope waits:
///
/// ```compile_fail
/// fiber::scope(|s| {
///     let short = String::new();
///     s.spawn(|| short.len());
/// });
/// ```
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    if let Some(current) = Current::get() {
        // It cannot refuse at its end, when its fibers still borrow.
        current.may_suspend(Reason::Scope);
    }
    let scope = Scope {
        children: Arc::new(Children {
            running: AtomicUsize::new(0),
            late: AtomicBool::new(false),
            panic: Mutex::new(None),
            fibers: Mutex::new(Fibers { list: Vec::new(), prune_at: 32, leaving: None }),
            ended: WaitList::new(),
        }),
        scope: PhantomData,
        env: PhantomData,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if let Err(payload) = &outcome
        && let Some(raised) = payload.downcast_ref::<Raised>()
    {
        scope.children.leave(raised.reason);
    }
    let cut_short = scope.children.wait();
    // The list holds the children and the children hold the list.
    scope.children.fibers().list.clear();
    let panic = scope.children.take_panic();
    match (outcome, panic) {
        (Err(payload), panic) => {
            drop_quietly(panic);
            resume_unwind(payload)
        }
        (Ok(_), Some(payload)) => resume_unwind(payload),
        (Ok(value), None) => {
            if cut_short && let Some(current) = Current::get() {
                // The children did not do what they were to do, so the caller must not go on as if they had.
                current.interruption_point();
            }
            if scope.children.late.load(Relaxed) {
                end_by_own_limit();
            }
            value
        }
    }
}

/// A scope to spawn borrowing fibers into, made by [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    children: Arc<Children>,
    /// Invariant, as std's: otherwise the lifetime could be shrunk and the borrow checker fooled.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

struct Children {
    running: AtomicUsize,
    /// Whether a child was cancelled by a time limit, and nobody joined it.
    late: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    fibers: Mutex<Fibers>,
    ended: WaitList,
}

/// The children, to be cancelled. Ended ones are dropped whenever the list has doubled.
struct Fibers {
    list: Vec<FiberRef>,
    prune_at: usize,
    /// Whether the scope is being left, and why: later ones are cancelled as they come.
    leaving: Option<CancelReason>,
}

impl Parent for Children {
    fn child_panicked(&self, payload: Box<dyn Any + Send>) {
        if let Some(raised) = payload.downcast_ref::<Raised>() {
            if raised.reason == CancelReason::Deadline {
                self.late.store(true, Relaxed);
            }
            return;
        }
        let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            *first = Some(payload);
        } else {
            // Not under the lock: its destructor may wait.
            drop(first);
            drop_quietly(payload);
        }
    }

    fn child_ended(&self) {
        if self.running.fetch_sub(1, Release) == 1 {
            self.ended.wake_all();
        }
    }
}

impl Children {
    fn all_ended(&self) -> bool {
        self.running.load(Acquire) == 0
    }

    /// Waits for every child, come what may: they borrow from frames below. Whether the caller was to end its wait before, so
    /// that the children were cancelled.
    fn wait(&self) -> bool {
        let guard = AbortOnUnwind("a scope whose children still run");
        let mut cancelled = false;
        while !self.all_ended() {
            let wait = || match self.ended.wait(Reason::Scope, None, false, || !self.all_ended()) {
                Err(GaveUp::Interrupted(interruption)) => Some(interruption.reason()),
                Err(GaveUp::TimedOut) | Ok(_) => None,
            };
            if cancelled {
                cancel::shielded(wait);
            } else if let Some(reason) = wait() {
                cancelled = true;
                self.leave(reason);
            }
        }
        guard.disarm();
        cancelled
    }

    fn cancel(&self, reason: CancelReason) {
        let fibers = std::mem::take(&mut self.fibers().list);
        fibers.iter().for_each(|fiber| cancel::cancel(fiber, reason));
    }

    /// Cancels all children, also those that are spawned from now on.
    fn leave(&self, reason: CancelReason) {
        self.fibers().leaving.get_or_insert(reason);
        self.cancel(reason);
    }

    fn fibers(&self) -> std::sync::MutexGuard<'_, Fibers> {
        self.fibers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a fiber that may borrow what outlives the scope. As [`std::thread::Scope::spawn`].
    ///
    /// # Panics
    ///
    /// On a thread, if no runtime is up.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Builder::new().spawn_scoped(self, f)
    }

    /// Cancels every child of the scope that was spawned so far. As [`JoinHandle::cancel`](crate::JoinHandle::cancel) for each.
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// fiber::scope(|s| {
    ///     s.spawn(fiber::park);
    ///     s.spawn(fiber::park);
    ///     s.cancel();
    /// });
    /// # });
    /// ```
    pub fn cancel(&self) {
        self.children.cancel(CancelReason::User);
    }

    /// Cancels every child of the scope, also those that are spawned from now on: a part of the work that they do together has failed.
    pub(super) fn fail(&self) {
        self.children.leave(CancelReason::SiblingFailed);
    }

    /// Counts a fiber that is about to be spawned, and makes it report here.
    pub(super) fn adopt(&self, identity: &mut Identity) {
        self.children.running.fetch_add(1, Relaxed);
        identity.parent = Some(self.children.clone());
    }

    /// Remembers a fiber, so that it can be cancelled.
    pub(super) fn enlist(&self, fiber: &FiberRef) {
        let mut fibers = self.children.fibers();
        if fibers.list.len() >= fibers.prune_at {
            fibers.list.retain(|fiber| !fiber.join.is_done());
            fibers.prune_at = (fibers.list.len() * 2).max(32);
        }
        fibers.list.push(fiber.clone());
        if let Some(reason) = fibers.leaving {
            drop(fibers);
            cancel::cancel(fiber, reason);
        }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("running", &self.children.running.load(Relaxed)).finish_non_exhaustive()
    }
}

/// If a child was cancelled because the time limit has passed that it has from the running fiber, then that limit has passed for the
/// running fiber, too, although its own timer may be a moment behind: unwinds by it, rather than report a failure of the child.
fn own_limit_first<T>(result: Result<T, JoinError>) -> Result<T, JoinError> {
    if let Err(error) = &result
        && error.cancel_reason() == Some(CancelReason::Deadline)
    {
        end_by_own_limit();
    }
    result
}

/// Unwinds if a time limit of the running fiber has passed.
fn end_by_own_limit() {
    if let Some(current) = Current::get()
        && let Some(deadline) = current.deadline().filter(|&deadline| deadline <= clock::now())
    {
        timer::sleep_until(current, deadline);
        current.interruption_point();
    }
}

/// Waits for a fiber of a [`scope`], and takes its result. Dropping it leaves the fiber to the scope.
pub struct ScopedJoinHandle<'scope, T> {
    handle: Handle<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    pub(super) fn new(handle: Handle<T>) -> Self {
        ScopedJoinHandle { handle, scope: PhantomData }
    }

    /// Waits for the fiber to end and returns its result. As [`JoinHandle::join`](crate::JoinHandle::join).
    ///
    /// # Errors
    ///
    /// As [`JoinHandle::join`](crate::JoinHandle::join). A panic that was returned here is not raised again by the scope.
    pub fn join(self) -> Result<T, JoinError> {
        wait_for(&self.handle.fiber, Reason::Join, |current: Current<'_>| current.interruption_point());
        own_limit_first(self.handle.take().map_err(JoinError::new))
    }

    /// The end of the fiber, as an event for [`select!`](crate::select!), where it is what `join()` stands for. It happens once, and uses the
    /// handle up: the result is taken with it.
    ///
    /// # Panics
    ///
    /// If it is selected again after it has happened; so does `join`.
    pub fn join_event(&mut self) -> impl Event<Output = Result<T, JoinError>> {
        Joined::new(&mut self.handle).map(own_limit_first)
    }

    /// Whether the fiber has ended. As [`JoinHandle::is_finished`](crate::JoinHandle::is_finished).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.fiber.join.is_done()
    }

    /// The fiber. As [`JoinHandle::fiber`](crate::JoinHandle::fiber).
    #[must_use]
    pub fn fiber(&self) -> Fiber {
        Fiber::new(self.handle.fiber.clone())
    }

    /// Asks the fiber to end. As [`JoinHandle::cancel`](crate::JoinHandle::cancel).
    pub fn cancel(&self) {
        cancel::cancel(&self.handle.fiber, CancelReason::User);
    }
}

/// The fiber's end.
impl<T> Selectable for &mut ScopedJoinHandle<'_, T> {
    type Output = Result<T, JoinError>;

    fn into_event(self) -> impl Event<Output = Self::Output> {
        self.join_event()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").field("fiber", &self.fiber()).finish_non_exhaustive()
    }
}
