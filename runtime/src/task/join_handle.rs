//! The right to wait for a fiber and to take its result.

use super::current::Fiber;
use super::join_error::JoinError;
use super::join_event::Joined;
use crate::fiber::Reason;
use crate::fiber::record::{FiberRef, Handle, Waiter};
use crate::fiber::unwind::CancelReason;
use crate::sched::{Current, cancel};
use crate::select::{Event, Selectable};
use crate::sys::threads;
use std::fmt;
use std::marker::PhantomData;

/// Suspends the caller (or blocks it, if it is a thread) until the fiber has ended.
///
/// `give_up` is asked whenever the running fiber is to end its wait; `true` gives up, with the waker taken back.
pub(crate) fn wait_for(fiber: &FiberRef, reason: Reason, mut on_interruption: impl FnMut(Current<'_>)) {
    if fiber.join.is_done() {
        return crate::sched::io::charge();
    }
    let Some(current) = Current::get() else {
        if fiber.join.register(Waiter::thread(true)) {
            threads::blocked();
            while !fiber.join.is_done() {
                std::thread::park();
            }
        }
        return;
    };
    /// Takes the waker back when the wait ends early, by an unwinding out of `on_interruption`.
    struct Registered<'a>(&'a FiberRef, bool);
    impl Drop for Registered<'_> {
        fn drop(&mut self) {
            if self.1 {
                self.0.join.unregister();
            }
        }
    }
    current.may_suspend(reason);
    on_interruption(current);
    let mut registered = Registered(fiber, false);
    while !fiber.join.is_done() {
        current.suspend_then(reason, || {
            if !registered.1 {
                registered.1 = fiber.join.register(Waiter::Fiber(current.fiber()));
                return registered.1;
            }
            !fiber.join.is_done()
        });
        if !fiber.join.is_done() {
            on_interruption(current);
        }
    }
    registered.1 = false;
}

fn join<T>(handle: Handle<T>) -> Result<T, JoinError> {
    wait_for(&handle.fiber, Reason::Join, |current| current.interruption_point());
    handle.take().map_err(JoinError::new)
}

/// Waits for a fiber and takes its result. Made by [`spawn`](crate::spawn); works on fibers and on threads.
///
/// Dropping the handle detaches the fiber: it runs on, its result is dropped (on the fiber, if it is still running), and a
/// panic is reported on standard error with the fiber's name and task. No fiber outlives its runtime, detached or not.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let sum = fiber::spawn(|| (1..=10).sum::<u32>());
/// assert_eq!(sum.join().unwrap(), 55);
/// # });
/// ```
pub struct JoinHandle<T> {
    handle: Handle<T>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(handle: Handle<T>) -> Self {
        JoinHandle { handle }
    }

    pub(super) fn fiber_ref(&self) -> &FiberRef {
        &self.handle.fiber
    }

    /// Waits for the fiber to end and returns its result.
    ///
    /// Suspends the calling fiber; blocks the thread, if the caller is none. The wait is a cancellation point that cannot
    /// return an error: if the caller is cancelled it unwinds, and the fiber is detached.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the fiber panicked, was cancelled, or could not be started for want of memory for its stack.
    pub fn join(self) -> Result<T, JoinError> {
        join(self.handle)
    }

    /// The end of the fiber, as an event for [`select!`](crate::select!), where it is what `join()` stands for. It happens once, and uses the
    /// handle up: the result is taken with it.
    ///
    /// # Panics
    ///
    /// If it is selected again after it has happened; so does `join`.
    ///
    /// ```
    /// use fiber::select;
    /// use fiber::time::{Duration, after};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let mut query = fiber::spawn(|| 6 * 7);
    /// select! {
    ///     answer = query.join() => assert_eq!(answer.unwrap(), 42),
    ///     () = after(Duration::from_secs(60)) => query.cancel(),
    /// }
    /// # });
    /// ```
    pub fn join_event(&mut self) -> impl Event<Output = Result<T, JoinError>> {
        Joined::new(&mut self.handle)
    }

    /// Whether the fiber has ended; if so, [`join`](Self::join) returns at once.
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let parked = fiber::spawn(|| fiber::park());
    /// assert!(!parked.is_finished());
    /// parked.fiber().unpark();
    /// while !parked.is_finished() {
    ///     fiber::yield_now();
    /// }
    /// # });
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.fiber.join.is_done()
    }

    /// The fiber: its identity, and [`unpark`](Fiber::unpark).
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let named = fiber::Builder::new().name("loader").spawn(|| ());
    /// assert_eq!(named.fiber().name(), Some("loader"));
    /// # });
    /// ```
    #[must_use]
    pub fn fiber(&self) -> Fiber {
        Fiber::new(self.handle.fiber.clone())
    }

    /// Asks the fiber to end: the wait it is in, or its next one, returns an error whose source is
    /// [`Cancelled`](crate::Cancelled) if it can return one, and every wait after that unwinds the fiber without a panic message.
    /// A fiber that has not started does not run. Does not wait; returns at once, on fibers and threads.
    ///
    /// What the fiber returns on its way out is still its result: only a fiber that was unwound gives
    /// [`JoinError::is_cancelled`].
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let waiting = fiber::spawn(|| fiber::park());
    /// waiting.cancel();
    /// assert!(waiting.join().unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn cancel(&self) {
        cancel::cancel(&self.handle.fiber, CancelReason::User);
    }
}

/// The fiber's end.
impl<T> Selectable for &mut JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn into_event(self) -> impl Event<Output = Self::Output> {
        self.join_event()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("fiber", &self.fiber()).finish_non_exhaustive()
    }
}

/// Waits for a fiber that was spawned with [`spawn_local`](crate::spawn_local), and takes its result.
///
/// Like [`JoinHandle`], but it stays on its thread, as the fiber does: neither closure nor result need be `Send`.
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<fiber::LocalJoinHandle<u8>>();
/// ```
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let shared = Rc::new(5);
/// let local = fiber::spawn_local({
///     let shared = Rc::clone(&shared);
///     move || shared
/// });
/// assert_eq!(*local.join().unwrap(), 5);
/// # });
/// ```
pub struct LocalJoinHandle<T> {
    handle: Handle<T>,
    /// The result may be `!Send`, so the handle stays where the result is.
    stays: PhantomData<*mut T>,
}

impl<T> LocalJoinHandle<T> {
    pub(super) fn new(handle: Handle<T>) -> Self {
        LocalJoinHandle { handle, stays: PhantomData }
    }

    /// Waits for the fiber to end and returns its result. As [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// As [`JoinHandle::join`].
    pub fn join(self) -> Result<T, JoinError> {
        join(self.handle)
    }

    /// The end of the fiber, as an event for [`select!`](crate::select!), where it is what `join()` stands for. It happens once, and uses the
    /// handle up: the result is taken with it.
    ///
    /// # Panics
    ///
    /// If it is selected again after it has happened; so does `join`.
    pub fn join_event(&mut self) -> impl Event<Output = Result<T, JoinError>> {
        Joined::new(&mut self.handle)
    }

    /// Whether the fiber has ended. As [`JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.fiber.join.is_done()
    }

    /// The fiber. As [`JoinHandle::fiber`].
    #[must_use]
    pub fn fiber(&self) -> Fiber {
        Fiber::new(self.handle.fiber.clone())
    }

    /// Asks the fiber to end. As [`JoinHandle::cancel`].
    pub fn cancel(&self) {
        cancel::cancel(&self.handle.fiber, CancelReason::User);
    }
}

/// The fiber's end.
impl<T> Selectable for &mut LocalJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn into_event(self) -> impl Event<Output = Self::Output> {
        self.join_event()
    }
}

impl<T> fmt::Debug for LocalJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalJoinHandle").field("fiber", &self.fiber()).finish_non_exhaustive()
    }
}
