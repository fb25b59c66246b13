//! A lock.
//!
//! One byte: `LOCKED`, and `WAITED` while somebody may be in the list. Without contention, locking and unlocking are one
//! compare-and-swap each. An unlock with waiters wakes the first of them but leaves the lock open, so that a running fiber may
//! take it first, which saves a switch per hand-over. A waiter that was woken and found the lock taken insists: it goes to
//! the front, and the next unlock hands the lock to it. So a waiter at the front is overtaken during one hold at most.

use crate::fiber::Reason;
use crate::sched::{GaveUp, WaitList, Woken, io, is_panicking};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

const LOCKED: u8 = 1;
const WAITED: u8 = 2;

/// A mutual exclusion primitive, as [`std::sync::Mutex`]: waiting suspends the fiber, not the worker.
///
/// A guard may be held across waits of all kinds. A mutex is poisoned when a fiber panics while it holds the guard; an
/// unwinding by cancellation does not poison. (While another fiber of the same worker waits in a destructor in the middle of
/// its own unwinding, the thread's panic count speaks for both; telling them apart is best effort then.)
///
/// # Examples
///
/// ```
/// use fiber::sync::Mutex;
/// use std::sync::Arc;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let total = Arc::new(Mutex::new(0));
/// let adders: Vec<_> = (0..10)
///     .map(|n| {
///         let total = Arc::clone(&total);
///         fiber::spawn(move || *total.lock().unwrap() += n)
///     })
///     .collect();
/// adders.into_iter().for_each(|adder| adder.join().unwrap());
/// assert_eq!(*total.lock().unwrap(), 45);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    state: AtomicU8,
    poisoned: AtomicBool,
    waiters: WaitList,
    data: UnsafeCell<T>,
}

// SAFETY: the lock gives one holder at a time access to the data, from any thread; as std's.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex {
            state: AtomicU8::new(0),
            poisoned: AtomicBool::new(false),
            waiters: WaitList::new(),
            data: UnsafeCell::new(value),
        }
    }

    /// What it guards.
    ///
    /// # Errors
    ///
    /// The same, in an error, if the mutex is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let poisoned = self.is_poisoned();
        let value = self.data.into_inner();
        if poisoned { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks it, and waits for that if need be.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    ///
    /// # Errors
    ///
    /// The guard, in an error, if the mutex is poisoned.
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        // Before it is locked: a fiber that yields with the lock makes all the others wait.
        io::charge();
        if self.state.compare_exchange(0, LOCKED, Acquire, Relaxed).is_err() {
            self.lock_contended();
        }
        self.guard()
    }

    /// Locks it if that takes no wait.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](TryLockError::WouldBlock) if it is locked; the guard, in an error, if it is poisoned.
    ///
    /// ```
    /// let mutex = fiber::sync::Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// # drop(guard);
    /// ```
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        if self.take() { Ok(self.guard()?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Whether a panic happened while it was held.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Relaxed)
    }

    /// Forgets the panic.
    pub fn clear_poison(&self) {
        self.poisoned.store(false, Relaxed);
    }

    /// What it guards; `&mut self` shows that nobody holds it.
    ///
    /// # Errors
    ///
    /// The same, in an error, if the mutex is poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let poisoned = self.is_poisoned();
        let value = self.data.get_mut();
        if poisoned { Err(PoisonError::new(value)) } else { Ok(value) }
    }

    /// Takes the lock if it is open, whether or not somebody waits.
    fn take(&self) -> bool {
        let mut state = self.state.load(Relaxed);
        while state & LOCKED == 0 {
            match self.state.compare_exchange_weak(state, state | LOCKED, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(seen) => state = seen,
            }
        }
        false
    }

    #[cold]
    fn lock_contended(&self) {
        let mut insists = false;
        while !self.take() {
            // Under the list's lock: either the holder sees the mark when it unlocks, or it has unlocked already.
            let must_wait = || self.state.fetch_or(WAITED, Relaxed) & LOCKED != 0;
            match self.waiters.wait(Reason::Lock, None, insists, must_wait) {
                Ok(Woken::Granted) => return,
                Ok(Woken::Look) => insists = true,
                Err(GaveUp::Interrupted(interruption)) => interruption.raise(),
                Err(GaveUp::TimedOut) => unreachable!("the wait has no limit"),
            }
        }
    }

    #[inline]
    fn unlock(&self) {
        if self.state.compare_exchange(LOCKED, 0, Release, Relaxed).is_err() {
            self.unlock_contended();
        }
    }

    #[cold]
    fn unlock_contended(&self) {
        self.waiters.wake_first(|insists, others| {
            let waited = if others { WAITED } else { 0 };
            if insists == Some(true) {
                // The list's lock orders what the holder wrote before what the next one reads.
                self.state.store(LOCKED | waited, Relaxed);
                Woken::Granted
            } else {
                self.state.store(waited, Release);
                Woken::Look
            }
        });
    }

    fn guard(&self) -> LockResult<MutexGuard<'_, T>> {
        let guard = MutexGuard { mutex: self, panicking: is_panicking(), stays: PhantomData };
        if self.is_poisoned() { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => debug.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => debug.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => debug.field("data", &format_args!("<locked>")),
        };
        debug.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

/// Access to what a [`Mutex`] guards; unlocks it when dropped.
///
/// It stays on its fiber's thread, as std's does, so code that is generic over the two behaves the same:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<fiber::sync::MutexGuard<'static, u8>>();
/// ```
#[must_use = "if unused the mutex unlocks at once"]
pub struct MutexGuard<'a, T: ?Sized + 'a> {
    mutex: &'a Mutex<T>,
    /// Whether a panic was under way when it was locked: then it is not the holder's.
    panicking: bool,
    stays: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives shared access to the data only.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so the lock is held, by it.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if !self.panicking && is_panicking() {
            self.mutex.poisoned.store(true, Relaxed);
        }
        self.mutex.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
