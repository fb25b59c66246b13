//! A guard of a part of what a mutex guards.

use super::raw::RawMutex;
use super::{Mutex, MutexGuard};
use crate::sync::poison::{Poison, Watch};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Access to a part of what a [`Mutex`] guards; unlocks it when dropped. Made by [`MutexGuard::map`] and
/// [`MutexGuard::filter_map`].
///
/// As std's unstable type of the same name.
#[must_use = "if unused the mutex unlocks at once"]
pub struct MappedMutexGuard<'a, T: ?Sized + 'a> {
    data: NonNull<T>,
    hold: Hold<'a>,
    /// It is a mutable reference; and it stays on its fiber's thread.
    access: PhantomData<&'a mut T>,
}

// SAFETY: a shared guard gives shared access to the data only.
unsafe impl<T: ?Sized + Sync> Sync for MappedMutexGuard<'_, T> {}

/// What holds the lock, apart from the data.
struct Hold<'a> {
    raw: &'a RawMutex,
    poison: &'a Poison,
    watch: Watch,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.poison.leave(&self.watch);
        self.raw.unlock();
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Turns the guard into one of a part of the data.
    ///
    /// An associated function, called as `MutexGuard::map(guard, f)`, so that it hides no method of the data.
    ///
    /// ```
    /// use fiber::sync::{Mutex, MutexGuard};
    ///
    /// let pair = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(pair.lock().unwrap(), |pair| &mut pair.0);
    /// *number += 1;
    /// assert!(pair.try_lock().is_err());
    /// drop(number);
    /// assert_eq!(pair.lock().unwrap().0, 2);
    /// ```
    pub fn map<U: ?Sized>(mut this: Self, f: impl FnOnce(&mut T) -> &mut U) -> MappedMutexGuard<'a, U> {
        let data = NonNull::from(f(&mut *this));
        MappedMutexGuard { data, hold: this.into_hold(), access: PhantomData }
    }

    /// Turns the guard into one of a part of the data, if there is such a part.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` gives `None`.
    ///
    /// ```
    /// use fiber::sync::{Mutex, MutexGuard};
    ///
    /// let list = Mutex::new(vec![1, 2, 3]);
    /// let third = MutexGuard::filter_map(list.lock().unwrap(), |list| list.get_mut(2)).unwrap();
    /// assert_eq!(*third, 3);
    /// drop(third);
    /// let list = MutexGuard::filter_map(list.lock().unwrap(), |list| list.get_mut(5)).unwrap_err();
    /// assert_eq!(list.len(), 3);
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut this: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(MappedMutexGuard { data, hold: this.into_hold(), access: PhantomData }),
            None => Err(this),
        }
    }

    /// The hold without the access.
    fn into_hold(self) -> Hold<'a> {
        let this = ManuallyDrop::new(self);
        let Mutex { raw, poison, .. } = this.mutex;
        Hold { raw, poison, watch: this.watch }
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// As [`MutexGuard::map`].
    pub fn map<U: ?Sized>(mut this: Self, f: impl FnOnce(&mut T) -> &mut U) -> MappedMutexGuard<'a, U> {
        let data = NonNull::from(f(&mut *this));
        MappedMutexGuard { data, hold: this.hold, access: PhantomData }
    }

    /// As [`MutexGuard::filter_map`].
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` gives `None`.
    pub fn filter_map<U: ?Sized>(
        mut this: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(MappedMutexGuard { data, hold: this.hold, access: PhantomData }),
            None => Err(this),
        }
    }
}

impl<T: ?Sized> Deref for MappedMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the hold exists, so the data is this guard's.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for MappedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.data.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
