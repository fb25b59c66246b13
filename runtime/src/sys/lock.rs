//! The lock under every queue of waiters: held for some tens of nanoseconds, by code that neither waits nor runs anything of the
//! user's.
//!
//! It knows no poison, and is not fair: whoever waits for what it guards stands in a queue that is.

#![cfg_attr(loom, allow(dead_code, reason = "models have loom's mutex instead, and one of the protocol"))]

mod raw;

use self::raw::RawLock;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A value behind the lock.
pub(crate) struct Lock<T> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: one thread at a time has access to the value.
unsafe impl<T: Send> Send for Lock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Lock<T> {}

/// Access to the value, until it is dropped.
#[must_use = "it unlocks when it is dropped"]
pub(crate) struct LockGuard<'a, T> {
    lock: &'a Lock<T>,
    /// It is short: nobody takes it to another thread.
    stays: PhantomData<*mut ()>,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Lock<T> {
        Lock { raw: RawLock::new(), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> LockGuard<'_, T> {
        self.raw.lock();
        LockGuard { lock: self, stays: PhantomData }
    }

    /// `None` if it is held, by whomever.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        self.raw.try_lock().then(|| LockGuard { lock: self, stays: PhantomData })
    }
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so the lock is held, by it.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for LockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock();
    }
}
