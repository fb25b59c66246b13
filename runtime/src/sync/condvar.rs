//! A condition variable.

use super::mutex::MutexGuard;
use super::mutex::raw::RawMutex;
use crate::fiber::Reason;
use crate::sched::{Ask, GaveUp, WaitList, Woken};
use crate::sync::time_left::TimeLeft;
use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

/// A condition variable, as [`std::sync::Condvar`], for fiber's [`Mutex`](super::Mutex): waiting suspends the fiber, not the
/// worker.
///
/// A waiter is in line before its mutex is unlocked, so no notification is missed by one who changes the condition under the
/// mutex. There are no spurious wake-ups at the time of writing; do not rely on it. Use it with one mutex at a time.
///
/// It works between fibers, between threads, where it parks the thread, and across; also across runtimes.
///
/// # Fairness
///
/// Waiters are notified in the order they came. [`notify_all`](Self::notify_all) wakes the first, and each wakes the next once it
/// has the mutex: they could not go on together anyway, and nobody is woken to find the mutex taken by those woken with it.
///
/// # Cancellation
///
/// Waits are cancellation points that cannot return an error: a cancelled fiber unwinds from them, without the mutex, which is
/// not poisoned by that. A notification that it had received goes to the next waiter.
///
/// # Examples
///
/// ```
/// use fiber::sync::{Condvar, Mutex};
/// use std::sync::Arc;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let ready = Arc::new((Mutex::new(false), Condvar::new()));
/// fiber::spawn({
///     let ready = Arc::clone(&ready);
///     move || {
///         *ready.0.lock().unwrap() = true;
///         ready.1.notify_one();
///     }
/// });
/// let (mutex, condvar) = &*ready;
/// let guard = condvar.wait_while(mutex.lock().unwrap(), |ready| !*ready).unwrap();
/// assert!(*guard);
/// # });
/// ```
pub struct Condvar {
    waiters: WaitList,
}

// Nothing of it is ever half done.
impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

/// Whether a wait of a [`Condvar`] ended because its time had passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time had passed.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub const fn new() -> Condvar {
        Condvar { waiters: WaitList::new() }
    }

    /// Unlocks the mutex, waits to be notified, and locks it again.
    ///
    /// The condition may have changed again by then: call it in a loop, or use [`wait_while`](Self::wait_while).
    ///
    /// # Errors
    ///
    /// The guard, in an error, if the mutex is poisoned.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, TimeLeft::UNLIMITED).map(|(guard, _)| guard).map_err(|error| {
            let (guard, _) = error.into_inner();
            PoisonError::new(guard)
        })
    }

    /// Waits for as long as `condition` is true of what the mutex guards.
    ///
    /// # Errors
    ///
    /// The guard, in an error, if the mutex is poisoned.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), but is notified of no more after `timeout`. Locking the mutex again takes as long as it takes.
    ///
    /// # Errors
    ///
    /// The same, in an error, if the mutex is poisoned.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        self.wait_until(guard, TimeLeft::of(timeout))
    }

    /// As [`wait_while`](Self::wait_while), for at most `timeout`. The result says whether the condition was still true then.
    ///
    /// # Errors
    ///
    /// The same, in an error, if the mutex is poisoned.
    ///
    /// ```
    /// use fiber::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// let (mutex, condvar) = (Mutex::new(false), Condvar::new());
    /// let guard = mutex.lock().unwrap();
    /// let (guard, result) =
    ///     condvar.wait_timeout_while(guard, Duration::from_millis(1), |done| !*done).unwrap();
    /// assert!(result.timed_out() && !*guard);
    /// ```
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let left = TimeLeft::of(timeout);
        loop {
            if !condition(&mut *guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if left.get().is_some_and(|left| left.is_zero()) {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            guard = self.wait_until(guard, left)?.0;
        }
    }

    /// Notifies the first waiter, if there is one. Never waits.
    pub fn notify_one(&self) {
        self.waiters.wake_one();
    }

    /// Notifies all waiters. Never waits.
    pub fn notify_all(&self) {
        self.waiters.wake_in_turn();
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        left: TimeLeft,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let mutex = guard.mutex;
        // From here on it is unlocked when the waiter is in line; or dropped, if the wait does not begin.
        let guard = Cell::new(Some(guard));
        let unlock = || {
            if let Some(guard) = guard.take() {
                ManuallyDrop::new(guard).mutex.raw.unlock();
            }
        };
        let timed_out = self.wait_and_lock(&mutex.raw, left, unlock);
        match mutex.guard() {
            Ok(guard) => Ok((guard, WaitTimeoutResult(timed_out))),
            Err(error) => Err(PoisonError::new((error.into_inner(), WaitTimeoutResult(timed_out)))),
        }
    }

    /// Waits, unlocks in the meantime, and says whether the time had passed.
    fn wait_and_lock(&self, mutex: &RawMutex, left: TimeLeft, unlock: impl FnMut()) -> bool {
        /// Hands on what the waiter received: a turn in any case, a notification only if it did not come to use it.
        struct Received<'a> {
            condvar: &'a Condvar,
            woken: Woken,
        }
        impl Drop for Received<'_> {
            fn drop(&mut self) {
                match self.woken {
                    Woken::Granted => self.condvar.waiters.wake_next(),
                    Woken::Look => self.condvar.waiters.wake_one(),
                }
            }
        }
        let waited = self.waiters.wait_for(Reason::Condition, left.get(), Ask::default(), || true, unlock);
        let received = match waited {
            Ok(woken) => Some(Received { condvar: self, woken }),
            Err(GaveUp::TimedOut) => None,
            Err(GaveUp::Interrupted(interruption)) => interruption.raise(),
        };
        mutex.lock();
        let timed_out = received.is_none();
        match received {
            Some(received) if received.woken == Woken::Look => std::mem::forget(received),
            others_turn => drop(others_turn),
        }
        timed_out
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// A mutex, what it guards, and the condition that it is not 0.
    struct Tokens {
        mutex: RawMutex,
        count: loom::sync::atomic::AtomicUsize,
        condvar: Condvar,
    }

    const RELAXED: loom::sync::atomic::Ordering = loom::sync::atomic::Ordering::Relaxed;

    impl Tokens {
        fn new() -> Arc<Tokens> {
            let (mutex, condvar) = (RawMutex::new(), Condvar::new());
            // Makes the atomics before any thread starts.
            assert!(mutex.try_lock());
            mutex.unlock();
            Arc::new(Tokens { mutex, count: loom::sync::atomic::AtomicUsize::new(0), condvar })
        }

        fn add(&self, tokens: usize) {
            self.mutex.lock();
            self.count.fetch_add(tokens, RELAXED);
            self.mutex.unlock();
        }

        /// Takes a token, waiting for one.
        fn take(&self) {
            self.mutex.lock();
            while self.count.load(RELAXED) == 0 {
                self.condvar.wait_and_lock(&self.mutex, TimeLeft::UNLIMITED, || self.mutex.unlock());
            }
            self.count.fetch_sub(1, RELAXED);
            self.mutex.unlock();
        }

        /// Takes a token if there is one, or is one after a wait that is cut short at any moment.
        fn take_hastily(&self) -> usize {
            self.mutex.lock();
            if self.count.load(RELAXED) == 0 {
                self.condvar.wait_and_lock(&self.mutex, TimeLeft::of(Duration::ZERO), || self.mutex.unlock());
            }
            let taken = usize::from(self.count.load(RELAXED) > 0);
            self.count.fetch_sub(taken, RELAXED);
            self.mutex.unlock();
            taken
        }
    }

    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(2);
        bounded.check(model);
    }

    fn beside<T: 'static>(tokens: &Arc<Tokens>, f: impl FnOnce(&Tokens) -> T + 'static) -> thread::JoinHandle<T> {
        let tokens = tokens.clone();
        thread::spawn(move || f(&tokens))
    }

    /// Two waiters, two tokens, and a notification for each.
    #[test]
    fn loom_condvar_no_notification_is_missed() {
        check(|| {
            let tokens = Tokens::new();
            let waiters = [beside(&tokens, Tokens::take), beside(&tokens, Tokens::take)];
            for _ in 0..2 {
                tokens.add(1);
                tokens.condvar.notify_one();
            }
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
            assert_eq!(tokens.count.load(RELAXED), 0);
        });
    }

    /// Two waiters and one notification of all: the first wakes the second.
    #[test]
    fn loom_condvar_all_are_woken_in_turn() {
        check(|| {
            let tokens = Tokens::new();
            let waiters = [beside(&tokens, Tokens::take), beside(&tokens, Tokens::take)];
            tokens.add(2);
            tokens.condvar.notify_all();
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
            assert_eq!(tokens.count.load(RELAXED), 0);
        });
    }

    /// One waiter gives up while all are notified: the other is woken nevertheless.
    #[test]
    fn loom_condvar_giving_up_breaks_no_chain() {
        check(|| {
            let tokens = Tokens::new();
            let hasty = beside(&tokens, Tokens::take_hastily);
            let patient = beside(&tokens, Tokens::take);
            tokens.add(2);
            tokens.condvar.notify_all();
            patient.join().unwrap();
            let taken = hasty.join().unwrap();
            assert_eq!(tokens.count.load(RELAXED), 1 - taken);
        });
    }

    /// One waiter gives up while one is notified. It says that it was notified if it was, or the other one was.
    #[test]
    fn loom_condvar_giving_up_takes_no_notification() {
        check(|| {
            let tokens = Tokens::new();
            let hasty = beside(&tokens, |tokens| {
                tokens.mutex.lock();
                let notified = !tokens
                    .condvar
                    .wait_and_lock(&tokens.mutex, TimeLeft::of(Duration::ZERO), || tokens.mutex.unlock());
                tokens.mutex.unlock();
                if notified {
                    tokens.condvar.notify_one();
                }
            });
            let patient = beside(&tokens, Tokens::take);
            tokens.add(1);
            tokens.condvar.notify_one();
            patient.join().unwrap();
            hasty.join().unwrap();
        });
    }
}
