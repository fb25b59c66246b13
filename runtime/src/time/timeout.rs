//! Limits on how long something may take.

use crate::sched::cancel::{self, Elapsed};
use crate::sched::{Current, clock};
use std::time::{Duration, Instant};

/// Runs `f` on the running fiber, and ends its waits once `duration` has passed.
///
/// When the limit passes, the wait that `f` is in, or its next one, ends: with an [`io::Error`](std::io::Error) of kind
/// [`TimedOut`](std::io::ErrorKind::TimedOut) if it can return one, and every wait after that by unwinding, without a panic message,
/// up to here. Operations in flight are cancelled and awaited first. Code that does not wait is not interrupted.
///
/// Limits nest: the one that passes first ends what is inside it. With `panic = "abort"` a wait that cannot return an error
/// ends the process.
///
/// # Errors
///
/// [`Elapsed`] if `f` was unwound by this limit. If `f` returned, whatever it returned, that is the result, also after
/// the limit.
///
/// # Panics
///
/// On a thread that is no fiber, which could not be interrupted.
///
/// # Examples
///
/// ```
/// use fiber::time::{sleep, timeout};
/// use std::time::Duration;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// assert_eq!(timeout(Duration::from_secs(60), || 5), Ok(5));
/// assert!(timeout(Duration::from_millis(1), || sleep(Duration::from_secs(60))).is_err());
/// # });
/// ```
#[track_caller]
pub fn timeout<T>(duration: Duration, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    limit(clock::after(duration), f)
}

/// As [`timeout`], with the moment at which the limit passes.
///
/// # Errors
///
/// As [`timeout`].
///
/// # Panics
///
/// As [`timeout`].
///
/// # Examples
///
/// ```
/// use fiber::time::timeout_at;
/// use std::time::{Duration, Instant};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let deadline = Instant::now() + Duration::from_millis(1);
/// assert!(timeout_at(deadline, fiber::park).is_err());
/// # });
/// ```
#[track_caller]
pub fn timeout_at<T>(deadline: Instant, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    limit(clock::at(deadline), f)
}

/// When the first of the running fiber's time limits passes: its own, and that of the scope that it belongs to. `None` without one, and on
/// a thread. For whoever has to tell somebody else how long there is.
///
/// ```
/// use fiber::time::{Duration, Instant, deadline, timeout_at};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// assert_eq!(deadline(), None);
/// let limit = Instant::now() + Duration::from_secs(60);
/// timeout_at(limit, || {
///     let inherited = fiber::scope(|s| s.spawn(deadline).join().unwrap());
///     assert_eq!(inherited, deadline());
///     assert_eq!(inherited, Some(limit));
/// })
/// .unwrap();
/// # });
/// ```
#[must_use]
pub fn deadline() -> Option<Instant> {
    Current::get()?.deadline().and_then(clock::instant)
}

#[track_caller]
fn limit<T>(deadline: u64, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    let current = Current::get()
        .expect("fiber::time::timeout was called on a thread that is not a fiber; run it in fiber::spawn");
    cancel::with_limit(current, deadline, f)
}
