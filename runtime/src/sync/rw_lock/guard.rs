//! The guards of readers and writers.

use super::RwLock;
use crate::sync::poison::Watch;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

/// Shared access to what a [`RwLock`] guards; unlocks it when dropped.
///
/// It stays on its fiber's thread, as std's does:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<fiber::sync::RwLockReadGuard<'static, u8>>();
/// ```
#[must_use = "if unused the lock unlocks at once"]
pub struct RwLockReadGuard<'a, T: ?Sized + 'a> {
    pub(super) lock: &'a RwLock<T>,
    stays: PhantomData<*const ()>,
}

/// Exclusive access to what a [`RwLock`] guards; unlocks it when dropped.
///
/// It stays on its fiber's thread, as std's does:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<fiber::sync::RwLockWriteGuard<'static, u8>>();
/// ```
#[must_use = "if unused the lock unlocks at once"]
pub struct RwLockWriteGuard<'a, T: ?Sized + 'a> {
    pub(super) lock: &'a RwLock<T>,
    pub(super) watch: Watch,
    stays: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives shared access to the data only.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// The guard of a reader who is in.
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        RwLockReadGuard { lock, stays: PhantomData }
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// The guard of the writer who is in.
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        RwLockWriteGuard { lock, watch: Watch::begin(), stays: PhantomData }
    }

    /// Makes the writer a reader. No other writer gets in between; readers that are first in line get in.
    ///
    /// An associated function, called as `RwLockWriteGuard::downgrade(guard)`, so that it hides no method of the data.
    ///
    /// ```
    /// use fiber::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.write().unwrap();
    /// *writer += 1;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(this: Self) -> RwLockReadGuard<'a, T> {
        let lock = ManuallyDrop::new(this).lock;
        lock.raw.downgrade();
        RwLockReadGuard::new(lock)
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so a reader is in and no writer is.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so the writer is in, and nobody else is.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.leave_read();
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.poison.leave(&self.watch);
        self.lock.raw.leave_write();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
