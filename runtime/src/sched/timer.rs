//! A timer of the running fiber: raises a flag on its stack and wakes it.

use super::current::Current;
use super::timers::{NEVER, TimerKey};
use super::worker::Alarm;
use crate::fiber::Reason;
use std::cell::Cell;
use std::ptr::NonNull;

/// What a timer raises.
#[derive(Default)]
pub(crate) struct Flag(Cell<State>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Down,
    /// By somebody else than the timer, which is still set.
    #[cfg(feature = "internals")]
    Raised,
    /// By the timer, which is over.
    Fired,
}

impl Flag {
    pub(crate) fn new() -> Flag {
        Flag::default()
    }

    /// Whether it is raised.
    #[inline]
    pub(crate) fn get(&self) -> bool {
        self.0.get() != State::Down
    }

    /// Raises it before its time.
    #[cfg(feature = "internals")]
    pub(super) fn raise(&self) {
        if self.0.get() == State::Down {
            self.0.set(State::Raised);
        }
    }

    /// The timer raises it, and is set no more. By the worker that has the timer.
    #[inline]
    pub(super) fn fire(&self) {
        self.0.set(State::Fired);
    }

    fn has_fired(&self) -> bool {
        self.0.get() == State::Fired
    }
}

/// A timer that is set, until dropped. It borrows its flag, so it is cancelled before the flag goes.
pub(crate) struct Timer<'a> {
    current: Current<'a>,
    key: Option<TimerKey>,
    flag: &'a Flag,
}

impl<'a> Timer<'a> {
    /// Sets `flag` and wakes the fiber once the clock reads `deadline`, never earlier.
    pub(crate) fn set(current: Current<'a>, deadline: u64, flag: &'a Flag) -> Timer<'a> {
        let alarm = Alarm::Fiber { flag, slot: NonNull::from(current.slot) };
        let key = (deadline != NEVER).then(|| {
            current.header().own.ties.tie();
            current.worker().timers.borrow_mut().insert(deadline, alarm)
        });
        Timer { current, key, flag }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        // Once it has fired, the fiber may have left the worker that it was set at.
        if let Some(key) = self.key
            && !self.flag.has_fired()
        {
            self.current.worker().timers.borrow_mut().cancel(key);
            self.current.header().own.ties.untie();
        }
    }
}

/// Suspends the running fiber until the clock reads `deadline`.
pub(crate) fn sleep_until(current: Current<'_>, deadline: u64) {
    let fired = Flag::new();
    current.may_suspend(Reason::Sleep);
    current.interruption_point();
    // A timer also where none would ever fire: who sleeps for as long as there is has asked for that, and it is no deadlock.
    let _timer = Timer::set(current, deadline.min(NEVER - 1), &fired);
    while !fired.get() {
        current.suspend(Reason::Sleep);
        if !fired.get() {
            current.interruption_point();
        }
    }
}
