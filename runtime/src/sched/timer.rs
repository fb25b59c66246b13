//! A timer of the running fiber: raises a flag on its stack and wakes it.

use super::current::Current;
use super::timers::{NEVER, TimerKey};
use super::worker::Alarm;
use crate::fiber::Reason;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A timer that is set, until dropped. It borrows its flag, so it is cancelled before the flag goes.
pub(crate) struct Timer<'a> {
    current: Current<'a>,
    key: Option<TimerKey>,
    flag: PhantomData<&'a Cell<bool>>,
}

impl<'a> Timer<'a> {
    /// Sets `flag` and wakes the fiber once the clock reads `deadline`, never earlier.
    pub(crate) fn set(current: Current<'a>, deadline: u64, flag: &'a Cell<bool>) -> Timer<'a> {
        let alarm = Alarm::Fiber { flag, slot: NonNull::from(current.slot) };
        let key = (deadline != NEVER).then(|| current.worker.timers.borrow_mut().insert(deadline, alarm));
        Timer { current, key, flag: PhantomData }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.current.worker.timers.borrow_mut().cancel(key);
        }
    }
}

/// Suspends the running fiber until the clock reads `deadline`.
pub(crate) fn sleep_until(current: Current<'_>, deadline: u64) {
    let fired = Cell::new(false);
    current.may_suspend(Reason::Sleep);
    current.interruption_point();
    let _timer = Timer::set(current, deadline, &fired);
    while !fired.get() {
        current.suspend(Reason::Sleep);
        if !fired.get() {
            current.interruption_point();
        }
    }
}
