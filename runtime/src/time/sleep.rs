//! Sleeping.

use crate::sched::{Current, clock, timer};
use std::time::{Duration, Instant};

/// Suspends the running fiber for at least `duration`. On a thread, [`std::thread::sleep`].
///
/// How precisely it ends [the module](crate::time) says: to some tens of microseconds on an idle worker, to 200 us more where many timers come due
/// one shortly after the other.
///
/// A zero duration yields. A cancellation point that cannot return an error: a cancelled fiber unwinds from it.
///
/// # Examples
///
/// ```
/// use fiber::time::sleep;
/// use std::time::{Duration, Instant};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let begin = Instant::now();
/// // A thousand fibers sleep at once.
/// let sleepers: Vec<_> = (0..1000).map(|_| fiber::spawn(|| sleep(Duration::from_millis(10)))).collect();
/// sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
/// assert!(begin.elapsed() >= Duration::from_millis(10));
/// # });
/// ```
pub fn sleep(duration: Duration) {
    match Current::get() {
        Some(current) => timer::sleep_until(current, clock::after(duration)),
        None => std::thread::sleep(duration),
    }
}

/// Suspends the running fiber until `deadline` has passed; a deadline in the past yields. As [`sleep`].
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let mut next = Instant::now();
/// for _ in 0..3 {
///     next += Duration::from_millis(1);
///     fiber::time::sleep_until(next);
/// }
/// assert!(Instant::now() >= next);
/// # });
/// ```
pub fn sleep_until(deadline: Instant) {
    match Current::get() {
        Some(current) => timer::sleep_until(current, clock::at(deadline)),
        None => std::thread::sleep(deadline.saturating_duration_since(Instant::now())),
    }
}
