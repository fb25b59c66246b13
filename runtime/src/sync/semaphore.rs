//! A number of permits.
//!
//! One word: the permits that are there, and `WAITED` while somebody may be in the list. Without contention, acquiring is one
//! compare-and-swap, releasing one addition. While anybody waits, permits go to the list only, in the order of the waiters, by
//! whoever puts them there: it *settles*, under the list's lock, until the first waiter asks more than there is. A waiter that
//! gives up settles too, for those that waited behind it, and so does one in a `select!` for which something else has happened.
//!
//! Rejected: leaving permits to whoever runs first, as the mutex does. It saves switches where permits are held for shorter than a
//! switch takes, which is what a mutex is for; and a waiter for many permits would never see them together.

mod event;
mod permit;

pub use self::permit::{OwnedSemaphorePermit, SemaphorePermit};

use super::channel::after;
use crate::fiber::Reason;
use crate::sched::{Current, End, Hand, WaitQueue, Wakes, io, wait_in};
use crate::sys::sync::{ConstAtomicUsize, Lock};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

const WAITED: usize = 1;
/// One permit.
const PERMIT: usize = 2;

/// A counting semaphore: a number of permits, which are acquired, one or several at a time, and come back when they are dropped.
/// Waiting suspends the fiber, not the worker.
///
/// Limits how many do something at once. Permits may be held across waits of all kinds.
///
/// It works between fibers, between threads, where it parks the thread, and across; also across runtimes.
///
/// # Fairness
///
/// First come, first served, without exception: while somebody waits, nobody that comes later gets a permit, also if it asks for
/// fewer than the first one and so many are there.
///
/// # Examples
///
/// ```
/// use fiber::sync::Semaphore;
/// use std::sync::Arc;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let connections = Arc::new(Semaphore::new(3));
/// let fibers: Vec<_> = (0..10)
///     .map(|n| {
///         let connections = connections.clone();
///         fiber::spawn(move || {
///             let _permit = connections.acquire();
///             // At most three are here at a time.
///             fiber::yield_now();
///             n
///         })
///     })
///     .collect();
/// assert_eq!(fibers.into_iter().map(|fiber| fiber.join().unwrap()).sum::<i32>(), 45);
/// assert_eq!(connections.available_permits(), 3);
/// # });
/// ```
pub struct Semaphore {
    state: ConstAtomicUsize,
    /// Those who wait, each with the number of permits that it asks for.
    waiters: Lock<WaitQueue<usize>>,
}

// Nothing of it is ever half done.
impl UnwindSafe for Semaphore {}
impl RefUnwindSafe for Semaphore {}

impl Semaphore {
    /// How many permits a semaphore can have.
    pub const MAX_PERMITS: usize = usize::MAX / PERMIT;

    /// A semaphore with so many permits.
    ///
    /// # Panics
    ///
    /// If they are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[must_use]
    pub const fn new(permits: usize) -> Semaphore {
        assert!(permits <= Semaphore::MAX_PERMITS, "a semaphore cannot have more than Semaphore::MAX_PERMITS permits");
        Semaphore { state: ConstAtomicUsize::new(permits * PERMIT), waiters: Lock::new(WaitQueue::new()) }
    }

    /// How many permits are there, at the moment of the call.
    pub fn available_permits(&self) -> usize {
        self.state.load(Relaxed) / PERMIT
    }

    /// Acquires a permit, and waits for one if need be.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    #[inline]
    pub fn acquire(&self) -> SemaphorePermit<'_> {
        self.acquire_many(1)
    }

    /// Acquires so many permits, and waits until all of them are there if need be.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    ///
    /// # Panics
    ///
    /// If they are more than [`MAX_PERMITS`](Self::MAX_PERMITS). More than the semaphore was made with are waited for: they may be
    /// [added](Self::add_permits).
    #[inline]
    pub fn acquire_many(&self, permits: usize) -> SemaphorePermit<'_> {
        self.take(permits, || None);
        SemaphorePermit::new(self, permits)
    }

    /// Acquires a permit if that takes no wait.
    ///
    /// `None` if there is none, or others wait.
    #[inline]
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.try_acquire_many(1)
    }

    /// Acquires so many permits if that takes no wait.
    ///
    /// `None` if they are not there, or others wait.
    #[inline]
    pub fn try_acquire_many(&self, permits: usize) -> Option<SemaphorePermit<'_>> {
        self.try_take(permits).then(|| SemaphorePermit::new(self, permits))
    }

    /// Acquires a permit, and waits for one if need be, at most for `timeout`. `None` if there was none in time.
    ///
    /// A cancellation point, as [`acquire`](Self::acquire).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = fiber::sync::Semaphore::new(1);
    /// let permit = semaphore.acquire_timeout(Duration::from_secs(60)).unwrap();
    /// assert!(semaphore.acquire_timeout(Duration::from_millis(1)).is_none());
    /// # drop(permit);
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Option<SemaphorePermit<'_>> {
        self.acquire_many_timeout(1, timeout)
    }

    /// Acquires so many permits, and waits until all of them are there if need be, at most for `timeout`. `None`, and it has none of
    /// them, if they were not there in time.
    ///
    /// A cancellation point, as [`acquire_many`](Self::acquire_many).
    ///
    /// # Panics
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_timeout(&self, permits: usize, timeout: Duration) -> Option<SemaphorePermit<'_>> {
        self.take(permits, || after(timeout)).then(|| SemaphorePermit::new(self, permits))
    }

    /// As [`acquire`](Self::acquire), for a permit that keeps the semaphore alive and may be sent to another fiber.
    ///
    /// ```
    /// use fiber::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned();
    /// fiber::spawn(move || drop(permit));
    /// drop(semaphore.acquire());
    /// # });
    /// ```
    pub fn acquire_owned(self: Arc<Self>) -> OwnedSemaphorePermit {
        self.acquire_many_owned(1)
    }

    /// As [`acquire_many`](Self::acquire_many), for permits that keep the semaphore alive and may be sent to another fiber.
    ///
    /// # Panics
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_owned(self: Arc<Self>, permits: usize) -> OwnedSemaphorePermit {
        self.take(permits, || None);
        OwnedSemaphorePermit::new(self, permits)
    }

    /// As [`try_acquire`](Self::try_acquire), for a permit that keeps the semaphore alive and may be sent to another fiber.
    pub fn try_acquire_owned(self: Arc<Self>) -> Option<OwnedSemaphorePermit> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), for permits that keep the semaphore alive and may be sent to another fiber.
    pub fn try_acquire_many_owned(self: Arc<Self>, permits: usize) -> Option<OwnedSemaphorePermit> {
        self.try_take(permits).then(|| OwnedSemaphorePermit::new(self, permits))
    }

    /// Adds permits. Never waits.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS) then.
    pub fn add_permits(&self, permits: usize) {
        let added = self.state.fetch_update(Release, Relaxed, |state| {
            let now = (state / PERMIT).checked_add(permits).filter(|&now| now <= Semaphore::MAX_PERMITS)?;
            Some((now * PERMIT) | (state & WAITED))
        });
        let before = added.expect("a semaphore cannot have more than Semaphore::MAX_PERMITS permits");
        if before & WAITED != 0 {
            self.settle();
        }
    }

    /// Takes permits away for good: so many, or as many as there are. How many that were. Never waits.
    ///
    /// Permits that somebody has are not there; [`SemaphorePermit::forget`] takes them away.
    pub fn forget_permits(&self, permits: usize) -> usize {
        let change = |state: usize| Some(state - (state / PERMIT).min(permits) * PERMIT);
        self.state.fetch_update(Acquire, Relaxed, change).map_or(0, |before| (before / PERMIT).min(permits))
    }

    /// Takes permits within the time; whether it did.
    #[inline]
    fn take(&self, permits: usize, deadline: impl FnOnce() -> Option<Instant>) -> bool {
        // Before they are taken: a fiber that yields with a permit may make others wait.
        io::charge();
        self.try_take(permits) || self.take_contended(permits, deadline())
    }

    /// Takes permits if so many are there and nobody waits.
    #[inline]
    fn try_take(&self, permits: usize) -> bool {
        let mut state = self.state.load(Relaxed);
        while state & WAITED == 0 && state / PERMIT >= permits {
            match self.state.compare_exchange_weak(state, state - permits * PERMIT, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(seen) => state = seen,
            }
        }
        false
    }

    #[cold]
    fn take_contended(&self, permits: usize, deadline: Option<Instant>) -> bool {
        assert_possible(permits);
        // Now, as a refusal must not leave the mark that somebody waits.
        if let Some(current) = Current::get() {
            current.may_suspend(Reason::Acquire);
        }
        let waiters = self.waiters.lock();
        while !self.mark_waited(permits) {
            if self.try_take(permits) {
                return true;
            }
        }
        let hand = Hand::new(Some(permits));
        match wait_in(&self.waiters, waiters, |waiters| waiters, &hand, Reason::Acquire, deadline) {
            End::Granted | End::Closed => true,
            End::TimedOut => {
                self.settle();
                false
            }
            End::Interrupted(interruption) => {
                self.settle();
                interruption.raise()
            }
        }
    }

    /// Under the list's lock: marks that somebody waits, so that whoever adds permits comes to the list; `false` if that need not be.
    fn mark_waited(&self, permits: usize) -> bool {
        let mark = |state: usize| (state & WAITED != 0 || state / PERMIT < permits).then_some(state | WAITED);
        self.state.fetch_update(Relaxed, Relaxed, mark).is_ok()
    }

    /// Gives back what was taken, so there cannot be too many. Never waits.
    #[inline]
    fn give(&self, permits: usize) {
        if self.state.fetch_add(permits * PERMIT, Release) & WAITED != 0 {
            self.settle();
        }
    }

    /// Hands permits to the first waiters, while there are enough for the next.
    #[cold]
    fn settle(&self) {
        let mut wakes = Wakes::none();
        let mut waiters = self.waiters.lock();
        self.settle_in(&mut waiters, &mut wakes);
        drop(waiters);
        wakes.wake();
    }

    /// [`settle`](Self::settle), under the list's lock.
    fn settle_in(&self, waiters: &mut WaitQueue<usize>, wakes: &mut Wakes) {
        let reserve = |&permits: &usize| {
            let taken = |state: usize| (state / PERMIT >= permits).then(|| state - permits * PERMIT);
            self.state.fetch_update(Acquire, Relaxed, taken).is_ok()
        };
        let undo = |&permits: &usize| _ = self.state.fetch_add(permits * PERMIT, Release);
        let nobody_waits = || _ = self.state.fetch_and(!WAITED, Relaxed);
        if waiters.is_empty() {
            nobody_waits();
        }
        waiters.grant_while(reserve, undo, nobody_waits, wakes);
    }
}

fn assert_possible(permits: usize) {
    assert!(permits <= Semaphore::MAX_PERMITS, "a semaphore cannot have more than Semaphore::MAX_PERMITS permits");
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available_permits", &self.available_permits()).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_models;
