//! A lock for one writer or many readers.

mod guard;
mod mapped;
mod raw;

pub use self::guard::{RwLockReadGuard, RwLockWriteGuard};
pub use self::mapped::{MappedRwLockReadGuard, MappedRwLockWriteGuard};

use self::raw::RawRwLock;
use super::poison::Poison;
use super::time_left::TimeLeft;
use crate::sched::{Lent, Owner, io};
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

/// A reader-writer lock, as [`std::sync::RwLock`]: waiting suspends the fiber, not the worker.
///
/// At any time either one writer holds it, or any number of readers. Guards may be held across waits of all kinds. It is poisoned
/// when a fiber panics while it holds the guard of a writer; an unwinding by cancellation does not poison (with the limits of
/// [`Mutex`](super::Mutex)).
///
/// It works between fibers, between threads, where it parks the thread, and across; also across runtimes.
///
/// # Fairness
///
/// Waiters are served in the order they came; readers that wait next to each other get in together. A reader that comes while
/// others read and anybody waits has to wait too, so writers do not starve; and so a fiber that reads must not
/// lock for reading a second time, or it may wait for a writer that waits for it. A lock that the last holder leaves while a
/// writer is first in line stays open until that writer runs, and whoever takes it before that overtakes. The writer then insists,
/// and gets in at the end of the holds that it found.
///
/// # Examples
///
/// ```
/// use fiber::sync::RwLock;
/// use std::sync::Arc;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let names = Arc::new(RwLock::new(vec!["one"]));
/// let (first, second) = (names.read().unwrap(), names.read().unwrap());
/// assert_eq!(first[0], second[0]);
/// let writer = fiber::spawn({
///     let names = Arc::clone(&names);
///     move || names.write().unwrap().push("two")
/// });
/// drop((first, second));
/// writer.join().unwrap();
/// assert_eq!(names.read().unwrap().len(), 2);
/// # });
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    /// The writer, while one is in.
    owner: Owner,
    poison: Poison,
    data: UnsafeCell<T>,
}

// SAFETY: the lock may be moved with the data; as std's.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: the lock gives one writer at a time access to the data, or many readers, from any thread; as std's.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// A panic that leaves what is guarded half done leaves a poisoned lock.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> RwLock<T> {
        RwLock { raw: RawRwLock::new(), owner: Owner::nobody(), poison: Poison::new(), data: UnsafeCell::new(value) }
    }

    /// What it guards.
    ///
    /// # Errors
    ///
    /// The same, in an error, if the lock is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let RwLock { poison, data, .. } = self;
        poison.wrap(data.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks it for reading, and waits for that if need be.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    ///
    /// # Errors
    ///
    /// The guard, in an error, if the lock is poisoned.
    #[inline]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        // Before it is locked: a fiber that yields with the lock makes others wait.
        io::charge();
        if !self.raw.try_read() {
            let _lent = self.lend();
            self.raw.read();
        }
        self.poison.wrap(RwLockReadGuard::new(self))
    }

    /// Locks it for reading, and waits for that if need be, at most for `timeout`.
    ///
    /// A cancellation point, as [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](TryLockError::WouldBlock) if the time passed; the guard, in an error, if the lock is poisoned.
    pub fn read_timeout(&self, timeout: Duration) -> TryLockResult<RwLockReadGuard<'_, T>> {
        io::charge();
        let locked = self.raw.try_read() || {
            let _lent = self.lend();
            self.raw.read_within(|| TimeLeft::of(timeout))
        };
        self.read_if(locked)
    }

    /// Locks it for reading if that takes no wait.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](TryLockError::WouldBlock) if a writer holds it, or readers do and somebody waits; the guard, in an error, if it
    /// is poisoned.
    #[inline]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        self.read_if(self.raw.try_read())
    }

    /// Locks it for writing, and waits for that if need be.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    ///
    /// # Errors
    ///
    /// The guard, in an error, if the lock is poisoned.
    #[inline]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        io::charge();
        if !self.raw.write_open() {
            let _lent = self.lend();
            self.raw.write();
        }
        self.owner.set();
        self.poison.wrap(RwLockWriteGuard::new(self))
    }

    /// Locks it for writing, and waits for that if need be, at most for `timeout`.
    ///
    /// A cancellation point, as [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](TryLockError::WouldBlock) if the time passed; the guard, in an error, if the lock is poisoned.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = fiber::sync::RwLock::new(1);
    /// let reader = lock.read().unwrap();
    /// assert!(lock.write_timeout(Duration::from_millis(1)).is_err());
    /// assert!(lock.read_timeout(Duration::from_secs(60)).is_ok(), "no writer waits any more");
    /// # drop(reader);
    /// ```
    pub fn write_timeout(&self, timeout: Duration) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        io::charge();
        let locked = self.raw.write_open() || {
            let _lent = self.lend();
            self.raw.write_within(|| TimeLeft::of(timeout))
        };
        self.write_if(locked)
    }

    /// Locks it for writing if that takes no wait.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](TryLockError::WouldBlock) if anybody holds it; the guard, in an error, if it is poisoned.
    #[inline]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        self.write_if(self.raw.try_write())
    }

    /// Whether a panic happened while a writer held it.
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
    /// The same, in an error, if the lock is poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.wrap(self.data.get_mut())
    }

    /// Lends the writer who is in the running fiber's priority.
    #[cold]
    fn lend(&self) -> Option<Lent> {
        if self.raw.has_writer() { self.owner.lend() } else { None }
    }

    fn read_if(&self, locked: bool) -> TryLockResult<RwLockReadGuard<'_, T>> {
        if locked { Ok(self.poison.wrap(RwLockReadGuard::new(self))?) } else { Err(TryLockError::WouldBlock) }
    }

    fn write_if(&self, locked: bool) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        if !locked {
            return Err(TryLockError::WouldBlock);
        }
        self.owner.set();
        Ok(self.poison.wrap(RwLockWriteGuard::new(self))?)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => debug.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => debug.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => debug.field("data", &format_args!("<locked>")),
        };
        debug.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}
