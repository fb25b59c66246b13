//! Parking: a wait for one permit, as `std::thread` has it.

use crate::fiber::Reason;
use crate::sched::io::charge;
use crate::sched::timer::{Flag, Timer};
use crate::sched::{Current, clock};
use std::time::Duration;

/// Suspends the running fiber until its permit is made available by [`Fiber::unpark`](crate::Fiber::unpark), and takes it.
///
/// Returns at once if the permit is there already. There is at most one: two `unpark`s before a `park` are one. As
/// [`std::thread::park`], and on a thread it is that; unlike there, a fiber's `park` does not return without a permit.
/// It is a cancellation point: a cancelled fiber unwinds from it.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let parked = fiber::spawn(|| fiber::park());
/// parked.fiber().unpark();
/// parked.join().unwrap();
/// # });
/// ```
pub fn park() {
    match Current::get() {
        Some(current) => park_until(current, None),
        None => std::thread::park(),
    }
}

/// As [`park`], for at most `timeout`.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let begin = Instant::now();
/// fiber::park_timeout(Duration::from_millis(2));
/// assert!(begin.elapsed() >= Duration::from_millis(2));
/// # });
/// ```
pub fn park_timeout(timeout: Duration) {
    match Current::get() {
        Some(current) => park_until(current, Some(clock::after(timeout))),
        None => std::thread::park_timeout(timeout),
    }
}

fn park_until(current: Current<'_>, deadline: Option<u64>) {
    let header = current.header();
    if header.permit_take() {
        return charge();
    }
    current.may_suspend(Reason::Park);
    current.interruption_point();
    let passed = Flag::new();
    let _timer = deadline.map(|deadline| Timer::set(current, deadline, &passed));
    loop {
        current.suspend_then(Reason::Park, || header.permit_park());
        if header.permit_unpark() || passed.get() {
            return;
        }
        current.interruption_point();
    }
}
