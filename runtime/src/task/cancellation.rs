//! What a fiber can know and say about its own cancellation.

use crate::fiber::unwind::CancelReason;
use crate::sched::{Current, cancel};
use std::panic::Location;

/// Whether the running fiber is to end what it is doing: it was cancelled, a time limit has passed, or a token that it runs under was
/// cancelled. For work that does not wait, and so is not interrupted. Also within [`shield`]. `false` on a thread.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let (begin, begun) = fiber::sync::oneshot::channel();
/// let busy = fiber::spawn(|| {
///     begin.send(()).unwrap();
///     let mut turns = 0u64;
///     loop {
///         turns += 1;
///         if fiber::is_cancelled() {
///             break;
///         }
///         fiber::yield_now();
///     }
///     turns
/// });
/// begun.recv().unwrap();
/// busy.cancel();
/// assert!(busy.join().is_ok_and(|turns| turns > 0));
/// # });
/// ```
#[must_use]
pub fn is_cancelled() -> bool {
    cancel_reason().is_some()
}

/// Why the running fiber is to end what it is doing, as [`is_cancelled`] says whether.
///
/// ```
/// use fiber::CancelReason;
/// use fiber::time::{Duration, sleep, timeout};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let reason = timeout(Duration::from_millis(1), || {
///     fiber::shield(|| sleep(Duration::from_millis(5)));
///     fiber::cancel_reason()
/// });
/// assert_eq!(reason, Ok(Some(CancelReason::Deadline)));
/// # });
/// ```
#[must_use]
pub fn cancel_reason() -> Option<CancelReason> {
    Current::get()?.cancellation()
}

/// Runs `f` with the running fiber's cancellation postponed to its end: no wait in it is cut short, by cancellation, time limit, token or
/// shutdown. The first wait after it is. On a thread it just runs `f`.
///
/// For steps that have to be done together, and for calls through foreign code, which must not be unwound. A shielded wait for something
/// that never comes holds up whoever waits for the fiber, the end of the program included.
///
/// ```
/// use fiber::sync::mpsc::channel;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let (begin, begun) = channel();
/// let (sender, receiver) = channel();
/// let fiber = fiber::spawn(move || {
///     fiber::shield(|| {
///         begin.send(()).unwrap();
///         receiver.recv().unwrap()
///     })
/// });
/// begun.recv().unwrap();
/// fiber.cancel();
/// sender.send("received all the same").unwrap();
/// assert_eq!(fiber.join().unwrap(), "received all the same");
/// # });
/// ```
pub fn shield<T>(f: impl FnOnce() -> T) -> T {
    cancel::shielded(f)
}

/// Runs `f`, and panics in it where it would suspend the running fiber: in a wait that does not end at once, in
/// [`yield_now`](crate::yield_now), at the beginning of a [`scope`](crate::scope). On a thread it just runs `f`.
///
/// For code that other fibers of the same thread must not come in between of: that borrows a thread-local or a `RefCell` which they use
/// too, or relies on leaving a thread as it found it. Waits that end at once are allowed, so the panic may come only when something is
/// contended: it says that the code is wrong, as a panic of `RefCell` does.
///
/// # Panics
///
/// Where `f` would suspend. The message names the wait, and the place of this call.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let lock = fiber::sync::Mutex::new(1);
/// assert_eq!(fiber::no_suspend(|| *lock.lock().unwrap()), 1);
/// let refused = std::panic::catch_unwind(|| fiber::no_suspend(fiber::yield_now));
/// assert!(refused.is_err());
/// # });
/// ```
#[track_caller]
pub fn no_suspend<T>(f: impl FnOnce() -> T) -> T {
    crate::sched::no_suspend_for(Location::caller(), f)
}
