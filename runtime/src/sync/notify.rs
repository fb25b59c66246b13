//! Notifications without a value.
//!
//! One byte: `PERMIT` if a notification lies there for the next one that waits, or `WAITED` while somebody may be in the list.
//! Nobody waits while a notification lies there. Taking a notification that is there, and leaving one where nobody waits, is
//! one compare-and-swap. Everything else happens under the list's lock.

use crate::fiber::Reason;
use crate::sched::{Attempt, End, Ended, Hand, Stranger, WaitQueue, Wakes, awaited, in_line, io, wait_in};
use crate::select::{Event, Selectable};
use crate::sync::channel::after;
use crate::sys::sync::{ConstAtomicU8, Lock};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

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
    waiters: Lock<WaitQueue<()>>,
}

// Nothing of it is ever half done.
impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}

impl Notify {
    /// One without a notification.
    #[must_use]
    pub const fn new() -> Notify {
        Notify { state: ConstAtomicU8::new(EMPTY), waiters: Lock::new(WaitQueue::new()) }
    }

    /// Takes the notification that lies there, or waits for one.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it, and has taken no
    /// notification.
    #[inline]
    pub fn notified(&self) {
        self.notified_until(|| None);
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
        self.notified_until(|| after(timeout))
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
        let mut wakes = Wakes::none();
        self.waiters.lock().grant_all(&mut wakes);
        wakes.wake();
    }

    /// A notification, as an event for [`select!`](crate::select!), where it is what `notified()` stands for. One that did not happen has
    /// taken no notification.
    ///
    /// ```
    /// use fiber::select;
    /// use fiber::sync::Notify;
    ///
    /// let (one, other) = (Notify::new(), Notify::new());
    /// one.notify_one();
    /// select! {
    ///     () = one.notified() => {}
    ///     () = other.notified() => unreachable!("nobody notifies it"),
    /// }
    /// ```
    pub fn notified_event(&self) -> impl Event<Output = ()> {
        in_line(Notified(self), None)
    }

    /// Waiting for a notification in async code: a future. It can be dropped at any time; one that came to it and that it did not give goes to the next waiter. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    pub fn notified_async(&self) -> impl Future<Output = ()> {
        awaited(Notified(self), None)
    }

    #[cold]
    fn notify_waiter(&self) {
        let mut wakes = Wakes::none();
        let mut waiters = self.waiters.lock();
        // While somebody is in the list, the state is `WAITED`.
        if waiters.give((), &mut wakes).is_err() {
            self.state.swap(PERMIT, Release);
        } else if waiters.is_empty() {
            self.state.swap(EMPTY, Release);
        }
        drop(waiters);
        wakes.wake();
    }

    #[inline]
    fn notified_until(&self, deadline: impl FnOnce() -> Option<Instant>) -> bool {
        io::charge();
        self.take() || self.wait(deadline())
    }

    #[cold]
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let waiters = self.waiters.lock();
        while !self.mark_waited() {
            if self.take() {
                return true;
            }
        }
        match wait_in(&self.waiters, waiters, |waiters| waiters, &Hand::new(None), Reason::Notify, deadline) {
            End::Granted | End::Closed => true,
            End::TimedOut => false,
            End::Interrupted(interruption) => interruption.raise(),
        }
    }

    /// Takes the notification that lies there.
    #[inline]
    fn take(&self) -> bool {
        self.state.compare_exchange(PERMIT, EMPTY, Acquire, Relaxed).is_ok()
    }

    /// Under the list's lock: marks that somebody waits, so that whoever notifies comes to the list; `false` if a notification lies there.
    fn mark_waited(&self) -> bool {
        match self.state.compare_exchange(EMPTY, WAITED, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(state) => state == WAITED,
        }
    }
}

/// Being notified as one of several things that may happen.
struct Notified<'a>(&'a Notify);

impl Attempt for Notified<'_> {
    type State = WaitQueue<()>;
    type Message = ();
    type Output = ();

    fn lock(&self) -> &Lock<WaitQueue<()>> {
        &self.0.waiters
    }

    fn queue(waiters: &mut WaitQueue<()>) -> &mut WaitQueue<()> {
        waiters
    }

    fn attempt(&mut self, _: Option<()>) -> Result<(), Option<()>> {
        if self.0.take() { Ok(()) } else { Err(None) }
    }

    fn must_wait(&self, _: &WaitQueue<()>, _: Stranger) -> bool {
        self.0.mark_waited()
    }

    fn ended(&mut self, _: Ended, _: Option<()>) -> Option<()> {
        Some(())
    }

    /// One of many that were notified has nothing to pass on: then there is no message.
    fn give_back(&mut self, notification: Option<()>) {
        if notification.is_some() {
            self.0.notify_one();
        }
    }
}

/// A notification.
impl Selectable for &Notify {
    type Output = ();

    fn into_event(self) -> impl Event<Output = ()> {
        self.notified_event()
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
            // Not this thread: loom takes a wake that comes late for the end of a join.
            let waiter = beside(&notify, move |notify| {
                while written.load(Relaxed) != 3 {
                    notify.notified();
                }
            });
            waiter.join().unwrap();
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
