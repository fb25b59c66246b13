//! Waiting for an operation of the outside world. All that `net` and its neighbours know of the scheduler.

use super::cancel::{Interruption, deadline};
use super::current::Current;
use super::timer::{Flag, Timer};
use super::wait_list::{GaveUp, WaitList};
use super::worker::Pending;
use crate::driver::{Operation, Token};
use crate::fiber::Reason;
use crate::fiber::roam::Ties;
use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// Whether the caller runs on a fiber.
#[inline]
pub(crate) fn on_fiber() -> bool {
    Current::get().is_some()
}

pub(crate) use super::current::charge;

/// As [`charge`], for a future, which cannot yield by itself: `false` says that it is its fiber's turn to give way.
#[inline]
pub(crate) fn may_go_on() -> bool {
    Current::get().is_none_or(|current| current.may_go_on())
}

/// Suspends the running fiber until `ready` gives a value, asking it after each wake. For what another thread does on the
/// fiber's behalf: it has a [`Waiter`](crate::fiber::record::Waiter) of the fiber and wakes it when done.
///
/// When the wait is to end before, `take_back` is asked, once, to take the matter out of the thread's hands. If it cannot, the wait goes
/// on until there is a value, come what may.
///
/// Never unwinds, unless one of the closures does.
///
/// # Panics
///
/// Off a fiber.
pub(crate) fn wait_for_thread<'a, T>(
    reason: Reason,
    mut ready: impl FnMut() -> Option<T>,
    take_back: impl FnOnce() -> bool,
) -> Result<T, Interruption<'a>> {
    let current = Current::get().expect("a thread's answer is awaited on a fiber");
    let _served = current.served_by_thread();
    let mut take_back = Some(take_back);
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if take_back.is_some()
            && let Some(interruption) = current.interruption()
            && take_back.take().is_some_and(|take_back| take_back())
        {
            return Err(interruption);
        }
        current.suspend(reason);
    }
}

/// Counts a fiber among those that wait for a thread, which is not stalled although every fiber waits.
pub(crate) struct Served<'a> {
    count: &'a Cell<usize>,
    ties: &'a Ties,
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.ties.untie();
    }
}

impl<'a> Current<'a> {
    /// Counts the fiber until this is dropped.
    pub(crate) fn served_by_thread(&self) -> Served<'a> {
        let served = &self.worker().served;
        served.set(served.get() + 1);
        // The count is the worker's.
        let ties = &self.header().own.ties;
        ties.tie();
        Served { count: served, ties }
    }
}

/// Whether the running fiber's driver has this operation. Not off a fiber.
pub(crate) fn supports(operation: &Operation) -> bool {
    Current::get().is_some_and(|current| current.worker().driver.borrow().supports(operation))
}

/// What goes wrong around the running fiber, in a test that says so.
#[cfg(test)]
pub(crate) fn plan() -> Option<std::sync::Arc<crate::driver::faulty::Plan>> {
    match &*Current::get()?.worker().driver.borrow() {
        crate::driver::Driver::Faulty(driver) => Some(driver.plan().clone()),
        _ => None,
    }
}

/// Whether the running fiber's driver accepts and connects on descriptors in non-blocking mode only. Not off a fiber.
#[inline]
pub(crate) fn needs_nonblocking() -> bool {
    Current::get().is_some_and(|current| current.worker().driver.borrow().needs_nonblocking())
}

/// To be called by a fiber that is about to begin what it will have to wait for.
///
/// # Panics
///
/// If it must not suspend.
pub(crate) fn may_suspend(reason: Reason) {
    if let Some(current) = Current::get() {
        current.may_suspend(reason);
    }
}

/// Calls `f`, which goes on with a call of which a part is done. An interruption ends it with an error, never by unwinding, and is not
/// told by that: the caller reports the part, and the next wait gives the interruption again.
pub(crate) fn with_part_done<T>(f: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    struct Restore<'a>(&'a Cell<bool>, bool);
    impl Drop for Restore<'_> {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _restore = Current::get().map(|current| {
        let partly_done = &current.header().own.partly_done;
        Restore(partly_done, partly_done.replace(true))
    });
    f()
}

/// [`with_part_done`], if a part is done.
pub(crate) fn going_on<T>(part_done: bool, f: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if part_done { with_part_done(f) } else { f() }
}

/// Submits an operation and suspends the running fiber until it has completed.
///
/// An operation that succeeded is reported as such whatever came meanwhile: no accepted connection and no byte is lost to a
/// cancellation that came too late.
///
/// # Errors
///
/// What the kernel reports; `ETIME` once `timeout` has passed (`ETIMEDOUT` is what a connection itself can fail with); the error of a cancellation or of a time limit around the
/// call (or an unwinding, see `cancel`). In every case the operation is over: what was in flight was cancelled and awaited.
///
/// # Panics
///
/// Off a fiber.
///
/// # Safety
///
/// The memory that the operation names stays valid until this function returns or unwinds.
pub(crate) unsafe fn wait(operation: Operation, reason: Reason, timeout: Option<Duration>) -> io::Result<u32> {
    let current = Current::get().expect("an operation is awaited on a fiber");
    current.may_suspend(reason);
    if let Some(interruption) = current.interruption() {
        return Err(interruption.into_error());
    }
    let pending = Pending { result: Cell::new(None), slot: ptr::from_ref(current.slot) };
    let token = Token::new(ptr::from_ref(&pending).expose_provenance() as u64);
    let passed = Flag::new();
    let timer = deadline(timeout).map(|deadline| Timer::set(current, deadline, &passed));
    current.header().own.ties.tie();
    // SAFETY: the caller vouches for the memory until this function ends, and it does not end before the completion: nothing
    // below unwinds while `pending.result` is empty.
    unsafe { current.worker().driver.borrow_mut().submit(&operation, token) };
    let cancel = || current.worker().driver.borrow_mut().cancel(token);
    let (result, cause) = suspend_until_done(current, reason, &passed, || pending.result.get(), cancel);
    drop(timer);
    told(result, cause)
}

/// Why an operation was cancelled.
pub(super) enum Cause<'a> {
    TimedOut,
    Interrupted(Interruption<'a>),
}

/// Suspends the running fiber until an operation has a result, and cancels it when that has to be. Does not unwind.
pub(super) fn suspend_until_done<'a>(
    current: Current<'a>,
    reason: Reason,
    passed: &Flag,
    result: impl Fn() -> Option<i32>,
    cancel: impl Fn(),
) -> (i32, Option<Cause<'a>>) {
    let mut cause = None;
    loop {
        current.suspend(reason);
        if let Some(result) = result() {
            return (result, cause);
        }
        if cause.is_none() {
            cause = match current.interruption() {
                Some(interruption) => Some(Cause::Interrupted(interruption)),
                None => passed.get().then_some(Cause::TimedOut),
            };
            if cause.is_some() {
                cancel();
            }
        }
    }
}

/// What a caller is told of a result; the cause, if that ended the operation.
pub(super) fn told(result: i32, cause: Option<Cause<'_>>) -> io::Result<u32> {
    if result >= 0 {
        return Ok(result.cast_unsigned());
    }
    match cause {
        Some(cause) if matches!(-result, libc::ECANCELED | libc::EINTR) => Err(match cause {
            Cause::TimedOut => io::Error::from_raw_os_error(libc::ETIME),
            Cause::Interrupted(interruption) => interruption.into_error(),
        }),
        _ => Err(io::Error::from_raw_os_error(-result)),
    }
}

/// Suspends the running fiber until the descriptor is ready for one of these events (`POLLIN` and the like) or has failed.
///
/// # Errors
///
/// As [`wait`].
///
/// # Panics
///
/// Off a fiber.
pub(crate) fn poll(fd: BorrowedFd<'_>, events: i16, reason: Reason, timeout: Option<Duration>) -> io::Result<()> {
    loop {
        // SAFETY: no memory is named.
        match unsafe { wait(Operation::Poll { fd: fd.as_raw_fd(), events: events as u32 }, reason, timeout) } {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

/// Asks again and again, after 1 to 32 ms, until there is an answer: for what the kernel offers no wait that could be cancelled.
///
/// # Errors
///
/// Those of the question; that of a cancellation or of a time limit around the call (or an unwinding).
pub(crate) fn ask_patiently<T>(reason: Reason, mut question: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    // Nobody wakes this list: it is for a pause that ends with an error.
    let nobody = WaitList::new();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(answer) = question()? {
            charge();
            return Ok(answer);
        }
        if let Err(GaveUp::Interrupted(interruption)) = nobody.wait(reason, Some(pause), false, || true) {
            return Err(interruption.into_error());
        }
        pause = (pause * 2).min(Duration::from_millis(32));
    }
}
