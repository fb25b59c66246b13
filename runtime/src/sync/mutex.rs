//! A lock.

mod mapped;
pub(super) mod raw;

pub use self::mapped::MappedMutexGuard;

use self::raw::RawMutex;
use super::poison::{Poison, Watch};
use super::time_left::TimeLeft;
use crate::sched::Owner;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

/// A mutual exclusion primitive, as [`std::sync::Mutex`]: waiting suspends the fiber, not the worker.
///
/// A guard may be held across waits of all kinds. A mutex is poisoned when a fiber panics while it holds the guard; an
/// unwinding by cancellation does not poison. (While another fiber of the same worker waits in a destructor in the middle of
/// its own unwinding, the thread's panic count speaks for both; telling them apart is best effort then.)
///
/// It works between fibers, between threads, where it parks the thread, and across; also across runtimes.
///
/// # Fairness
///
/// Waiters are served in the order they came, but a mutex that is unlocked while somebody waits stays open until the waiter
/// runs, and whoever locks it before that overtakes. The waiter then insists, and is handed the mutex at the end of the hold
/// that it found: one hold, at most, after it was woken and ran.
///
/// While a fiber of a higher [priority](crate::Priority) waits, the fiber that held the mutex when it came has that priority, too.
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
    pub(super) raw: RawMutex,
    owner: Owner,
    poison: Poison,
    data: UnsafeCell<T>,
}

// SAFETY: the lock gives one holder at a time access to the data, from any thread; as std's.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// A panic that leaves what is guarded half done leaves a poisoned mutex.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex { raw: RawMutex::new(), owner: Owner::nobody(), poison: Poison::new(), data: UnsafeCell::new(value) }
    }

    /// What it guards.
    ///
    /// # Errors
    ///
    /// The same, in an error, if the mutex is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let Mutex { poison, data, .. } = self;
        poison.wrap(data.into_inner())
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
        let watch = Watch::charge();
        if !self.raw.lock_open() {
            self.wait_for_owner();
        }
        self.watched(watch)
    }

    /// Locks it, and waits for that if need be, at most for `timeout`.
    ///
    /// A cancellation point, as [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](TryLockError::WouldBlock) if it was locked all the time; the guard, in an error, if it is poisoned.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mutex = fiber::sync::Mutex::new(1);
    /// let guard = mutex.lock_timeout(Duration::from_secs(60)).unwrap();
    /// assert!(mutex.lock_timeout(Duration::from_millis(1)).is_err());
    /// # drop(guard);
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        let watch = Watch::charge();
        let is_locked = self.raw.lock_open() || {
            let _lent = self.owner.lend();
            self.raw.lock_within(|| TimeLeft::of(timeout))
        };
        if is_locked { Ok(self.watched(watch)?) } else { Err(TryLockError::WouldBlock) }
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
        if self.raw.try_lock() { Ok(self.guard()?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Whether a panic happened while it was held.
    pub fn is_poisoned(&self) -> bool {
        self.poison.get()
    }

    /// Forgets the panic.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// What it guards; `&mut self` shows that nobody holds it.
    ///
    /// # Errors
    ///
    /// The same, in an error, if the mutex is poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.wrap(self.data.get_mut())
    }

    #[cold]
    fn wait_for_owner(&self) {
        let _lent = self.owner.lend();
        self.raw.lock();
    }

    /// The guard of the caller, who has locked it.
    #[inline]
    pub(super) fn guard(&self) -> LockResult<MutexGuard<'_, T>> {
        self.watched(Watch::begin())
    }

    #[inline(always)]
    fn watched(&self, watch: Watch) -> LockResult<MutexGuard<'_, T>> {
        self.owner.set();
        self.poison.wrap(MutexGuard { mutex: self, watch, stays: PhantomData })
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
    pub(super) mutex: &'a Mutex<T>,
    watch: Watch,
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
        self.mutex.poison.leave(&self.watch);
        self.mutex.raw.unlock();
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
