//! A number of permits.
//!
//! One word: the permits that are there, and `WAITED` while somebody may be in the list. Without contention, acquiring is one
//! compare-and-swap, releasing one addition. While anybody waits, permits go to the list only, in the order of the waiters, by
//! whoever puts them there: it *settles*, under the list's lock, until the first waiter asks more than there is. A waiter that
//! gives up settles too, for those that waited behind it.
//!
//! Rejected: leaving permits to whoever runs first, as the mutex does. It saves switches where permits are held for shorter than a
//! switch takes, which is what a mutex is for; and a waiter for many permits would never see them together.

mod permit;

pub use self::permit::{OwnedSemaphorePermit, SemaphorePermit};

use super::time_left::TimeLeft;
use crate::fiber::Reason;
use crate::sched::{Ask, GaveUp, WaitList, Woken, io};
use crate::sys::sync::ConstAtomicUsize;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

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
    waiters: WaitList,
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
        Semaphore { state: ConstAtomicUsize::new(permits * PERMIT), waiters: WaitList::new() }
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
        self.take(permits, || TimeLeft::UNLIMITED);
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
        self.take(permits, || TimeLeft::of(timeout)).then(|| SemaphorePermit::new(self, permits))
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
        self.take(permits, || TimeLeft::UNLIMITED);
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
    fn take(&self, permits: usize, left: impl FnOnce() -> TimeLeft) -> bool {
        // Before they are taken: a fiber that yields with a permit may make others wait.
        io::charge();
        self.try_take(permits) || self.take_contended(permits, left())
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
    fn take_contended(&self, permits: usize, left: TimeLeft) -> bool {
        assert!(permits <= Semaphore::MAX_PERMITS, "a semaphore cannot have more than Semaphore::MAX_PERMITS permits");
        // Under the list's lock: takes them after all, or else marks that somebody waits; whoever adds some sees that.
        let must_wait = || {
            let mut state = self.state.load(Relaxed);
            loop {
                let takes = state & WAITED == 0 && state / PERMIT >= permits;
                let next = if takes { state - permits * PERMIT } else { state | WAITED };
                match self.state.compare_exchange_weak(state, next, Acquire, Relaxed) {
                    Ok(_) => return !takes,
                    Err(seen) => state = seen,
                }
            }
        };
        let ask = Ask { insists: false, what: permits };
        // Waiters are woken by grants only, so in every case that is not an error they are taken.
        match self.waiters.wait_for(Reason::Acquire, left.get(), ask, must_wait, || ()) {
            Ok(Woken::Granted | Woken::Look) => true,
            Err(gave_up) => {
                self.settle();
                match gave_up {
                    GaveUp::TimedOut => false,
                    GaveUp::Interrupted(interruption) => interruption.raise(),
                }
            }
        }
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
        self.waiters.wake_while(|first| {
            let Some(first) = first else {
                self.state.fetch_and(!WAITED, Relaxed);
                return None;
            };
            let mut state = self.state.load(Relaxed);
            while state / PERMIT >= first.what {
                match self.state.compare_exchange_weak(state, state - first.what * PERMIT, Acquire, Relaxed) {
                    Ok(_) => return Some(Woken::Granted),
                    Err(seen) => state = seen,
                }
            }
            None
        });
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available_permits", &self.available_permits()).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_models;
