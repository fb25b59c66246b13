//! Notifications without a value.
//!
//! One byte: `PERMIT` if a notification lies there for the next one that waits, or `WAITED` while somebody may be in the list.
//! Nobody waits while a notification lies there. Taking a notification that is there, and leaving one where nobody waits, is
//! one compare-and-swap.

use crate::fiber::Reason;
use crate::sched::{GaveUp, WaitList, Woken, io};
use crate::sync::time_left::TimeLeft;
use crate::sys::sync::ConstAtomicU8;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

const EMPTY: u8 = 0;
const PERMIT: u8 = 1;
const WAITED: u8 = 2;

/// Tells one waiter, or all, that something has happened. Waiting suspends the fiber, not the worker.
///
/// [`notify_one`](Self::notify_one) notifies the waiter that came first, or, if nobody waits, the next one to come; at most one
/// notification lies there for it. So no notification is missed by one who looks at the condition and then waits, without a
/// lock. What the notifier wrote before is visible to the one that is notified.
///
/// It works between fibers, between threads, where it parks the thread, and across; also across runtimes.
///
/// # Examples
///
/// ```
/// use fiber::sync::Notify;
/// use std::sync::Arc;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let ready = Arc::new(Notify::new());
/// let waiter = fiber::spawn({
///     let ready = Arc::clone(&ready);
///     move || ready.notified()
/// });
/// // Whether or not it waits already.
/// ready.notify_one();
/// waiter.join().unwrap();
/// # });
/// ```
pub struct Notify {
    state: ConstAtomicU8,
    waiters: WaitList,
}

// Nothing of it is ever half done.
impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}

impl Notify {
    /// One without a notification.
    #[must_use]
    pub const fn new() -> Notify {
        Notify { state: ConstAtomicU8::new(EMPTY), waiters: WaitList::new() }
    }

    /// Takes the notification that lies there, or waits for one.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it, and has taken no
    /// notification.
    #[inline]
    pub fn notified(&self) {
        self.notified_within(|| TimeLeft::UNLIMITED);
    }

    /// Takes the notification that lies there, or waits for one, at most for `timeout`. Whether there was one.
    ///
    /// A cancellation point, as [`notified`](Self::notified).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let notify = fiber::sync::Notify::new();
    /// notify.notify_one();
    /// assert!(notify.notified_timeout(Duration::from_millis(1)));
    /// assert!(!notify.notified_timeout(Duration::from_millis(1)));
    /// ```
    pub fn notified_timeout(&self, timeout: Duration) -> bool {
        self.notified_within(|| TimeLeft::of(timeout))
    }

    /// Notifies the waiter that came first; if nobody waits, the next one to come. Never waits.
    pub fn notify_one(&self) {
        let mut state = self.state.load(Relaxed);
        while state != WAITED {
            // Also if one lies there: whoever takes it is to see what this notifier wrote.
            match self.state.compare_exchange_weak(state, PERMIT, Release, Relaxed) {
                Ok(_) => return,
                Err(seen) => state = seen,
            }
        }
        self.notify_waiter();
    }

    /// Notifies all that wait at the moment. Leaves nothing for those to come. Never waits.
    pub fn notify_waiters(&self) {
        self.waiters.wake_all();
    }

    #[cold]
    fn notify_waiter(&self) {
        // Under the list's lock: while somebody is in the list, the state is `WAITED`.
        self.waiters.wake_first(|first, others| {
            if first.is_none() {
                self.state.swap(PERMIT, Release);
            } else if !others {
                self.state.swap(EMPTY, Release);
            }
            Woken::Granted
        });
    }

    #[inline]
    fn notified_within(&self, left: impl FnOnce() -> TimeLeft) -> bool {
        io::charge();
        self.state.compare_exchange(PERMIT, EMPTY, Acquire, Relaxed).is_ok() || self.wait(left())
    }

    #[cold]
    fn wait(&self, left: TimeLeft) -> bool {
        // Under the list's lock: takes a notification after all, or else marks that somebody waits; whoever notifies sees that.
        let must_wait = || {
            let mut state = self.state.load(Relaxed);
            loop {
                let next = if state == PERMIT { EMPTY } else { WAITED };
                match self.state.compare_exchange_weak(state, next, Acquire, Relaxed) {
                    Ok(_) => return next == WAITED,
                    Err(seen) => state = seen,
                }
            }
        };
        match self.waiters.wait(Reason::Notify, left.get(), false, must_wait) {
            Ok(Woken::Granted | Woken::Look) => true,
            Err(GaveUp::TimedOut) => false,
            Err(GaveUp::Interrupted(interruption)) => interruption.raise(),
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Notify::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    fn notify() -> Arc<Notify> {
        let notify = Notify::new();
        // Makes the atomic before any thread starts.
        assert_eq!(notify.state.load(Relaxed), EMPTY);
        Arc::new(notify)
    }

    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(3);
        bounded.check(model);
    }

    fn beside<T: 'static>(notify: &Arc<Notify>, f: impl FnOnce(&Notify) -> T + 'static) -> thread::JoinHandle<T> {
        let notify = notify.clone();
        thread::spawn(move || f(&notify))
    }

    /// Whoever is notified sees what the notifier wrote, also if another notification lay there.
    #[test]
    fn loom_notify_carries_what_was_written() {
        check(|| {
            let (notify, written) = (notify(), Arc::new(AtomicUsize::new(0)));
            let notifiers = [1, 2].map(|bit| {
                let written = written.clone();
                beside(&notify, move |notify| {
                    written.fetch_add(bit, Relaxed);
                    notify.notify_one();
                })
            });
            while written.load(Relaxed) != 3 {
                notify.notified();
            }
            notifiers.into_iter().for_each(|notifier| notifier.join().unwrap());
        });
    }

    /// Two that wait one after the other: each passes the notification on, so one is enough.
    #[test]
    fn loom_notify_one_is_enough_to_pass_on() {
        check(|| {
            let notify = notify();
            let pass_on = |notify: &Notify| {
                notify.notified();
                notify.notify_one();
            };
            let others = [beside(&notify, pass_on), beside(&notify, pass_on)];
            notify.notify_one();
            others.into_iter().for_each(|other| other.join().unwrap());
            assert!(notify.notified_timeout(Duration::ZERO));
        });
    }

    /// One that gives up while it is notified has the notification, or another has.
    #[test]
    fn loom_notify_no_notification_is_lost() {
        check(|| {
            let notify = notify();
            let hasty = beside(&notify, |notify| notify.notified_timeout(Duration::ZERO));
            notify.notify_one();
            if !hasty.join().unwrap() {
                notify.notified();
            }
        });
    }
}
