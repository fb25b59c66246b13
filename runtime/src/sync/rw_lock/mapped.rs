//! Guards of a part of what a lock guards.

use super::raw::RawRwLock;
use super::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::sync::poison::{Poison, Watch};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Shared access to a part of what a [`RwLock`] guards; unlocks it when dropped. Made by [`RwLockReadGuard::map`] and
/// [`RwLockReadGuard::filter_map`].
///
/// As std's unstable type of the same name.
#[must_use = "if unused the lock unlocks at once"]
pub struct MappedRwLockReadGuard<'a, T: ?Sized + 'a> {
    data: NonNull<T>,
    hold: ReadHold<'a>,
    /// It is a shared reference; and it stays on its fiber's thread.
    access: PhantomData<&'a T>,
}

/// Exclusive access to a part of what a [`RwLock`] guards; unlocks it when dropped. Made by [`RwLockWriteGuard::map`] and
/// [`RwLockWriteGuard::filter_map`].
///
/// As std's unstable type of the same name.
#[must_use = "if unused the lock unlocks at once"]
pub struct MappedRwLockWriteGuard<'a, T: ?Sized + 'a> {
    data: NonNull<T>,
    hold: WriteHold<'a>,
    /// It is a mutable reference; and it stays on its fiber's thread.
    access: PhantomData<&'a mut T>,
}

// SAFETY: a shared guard gives shared access to the data only.
unsafe impl<T: ?Sized + Sync> Sync for MappedRwLockReadGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for MappedRwLockWriteGuard<'_, T> {}

/// A reader that is in, apart from the data.
struct ReadHold<'a>(&'a RawRwLock);

impl Drop for ReadHold<'_> {
    fn drop(&mut self) {
        self.0.leave_read();
    }
}

/// The writer that is in, apart from the data.
struct WriteHold<'a> {
    raw: &'a RawRwLock,
    poison: &'a Poison,
    watch: Watch,
}

impl Drop for WriteHold<'_> {
    fn drop(&mut self) {
        self.poison.leave(&self.watch);
        self.raw.leave_write();
    }
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// Turns the guard into one of a part of the data.
    ///
    /// An associated function, called as `RwLockReadGuard::map(guard, f)`, so that it hides no method of the data.
    ///
    /// ```
    /// use fiber::sync::{RwLock, RwLockReadGuard};
    ///
    /// let pair = RwLock::new((1, "one"));
    /// let name = RwLockReadGuard::map(pair.read().unwrap(), |pair| &pair.1);
    /// assert_eq!(*name, "one");
    /// assert!(pair.try_write().is_err());
    /// ```
    pub fn map<U: ?Sized>(this: Self, f: impl FnOnce(&T) -> &U) -> MappedRwLockReadGuard<'a, U> {
        let data = NonNull::from(f(&*this));
        MappedRwLockReadGuard { data, hold: this.into_hold(), access: PhantomData }
    }

    /// Turns the guard into one of a part of the data, if there is such a part.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` gives `None`.
    pub fn filter_map<U: ?Sized>(
        this: Self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<MappedRwLockReadGuard<'a, U>, Self> {
        match f(&*this).map(NonNull::from) {
            Some(data) => Ok(MappedRwLockReadGuard { data, hold: this.into_hold(), access: PhantomData }),
            None => Err(this),
        }
    }

    /// The hold without the access.
    fn into_hold(self) -> ReadHold<'a> {
        ReadHold(&ManuallyDrop::new(self).lock.raw)
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Turns the guard into one of a part of the data.
    ///
    /// An associated function, called as `RwLockWriteGuard::map(guard, f)`, so that it hides no method of the data.
    ///
    /// ```
    /// use fiber::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let pair = RwLock::new((1, "one"));
    /// *RwLockWriteGuard::map(pair.write().unwrap(), |pair| &mut pair.0) += 1;
    /// assert_eq!(pair.read().unwrap().0, 2);
    /// ```
    pub fn map<U: ?Sized>(mut this: Self, f: impl FnOnce(&mut T) -> &mut U) -> MappedRwLockWriteGuard<'a, U> {
        let data = NonNull::from(f(&mut *this));
        MappedRwLockWriteGuard { data, hold: this.into_hold(), access: PhantomData }
    }

    /// Turns the guard into one of a part of the data, if there is such a part.
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` gives `None`.
    pub fn filter_map<U: ?Sized>(
        mut this: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedRwLockWriteGuard<'a, U>, Self> {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(MappedRwLockWriteGuard { data, hold: this.into_hold(), access: PhantomData }),
            None => Err(this),
        }
    }

    /// The hold without the access.
    fn into_hold(self) -> WriteHold<'a> {
        let this = ManuallyDrop::new(self);
        let RwLock { raw, poison, .. } = this.lock;
        WriteHold { raw, poison, watch: this.watch }
    }
}

impl<'a, T: ?Sized> MappedRwLockReadGuard<'a, T> {
    /// As [`RwLockReadGuard::map`].
    pub fn map<U: ?Sized>(this: Self, f: impl FnOnce(&T) -> &U) -> MappedRwLockReadGuard<'a, U> {
        let data = NonNull::from(f(&*this));
        MappedRwLockReadGuard { data, hold: this.hold, access: PhantomData }
    }

    /// As [`RwLockReadGuard::filter_map`].
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` gives `None`.
    pub fn filter_map<U: ?Sized>(
        this: Self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<MappedRwLockReadGuard<'a, U>, Self> {
        match f(&*this).map(NonNull::from) {
            Some(data) => Ok(MappedRwLockReadGuard { data, hold: this.hold, access: PhantomData }),
            None => Err(this),
        }
    }
}

impl<'a, T: ?Sized> MappedRwLockWriteGuard<'a, T> {
    /// As [`RwLockWriteGuard::map`].
    pub fn map<U: ?Sized>(mut this: Self, f: impl FnOnce(&mut T) -> &mut U) -> MappedRwLockWriteGuard<'a, U> {
        let data = NonNull::from(f(&mut *this));
        MappedRwLockWriteGuard { data, hold: this.hold, access: PhantomData }
    }

    /// As [`RwLockWriteGuard::filter_map`].
    ///
    /// # Errors
    ///
    /// The guard itself, if `f` gives `None`.
    pub fn filter_map<U: ?Sized>(
        mut this: Self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedRwLockWriteGuard<'a, U>, Self> {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(MappedRwLockWriteGuard { data, hold: this.hold, access: PhantomData }),
            None => Err(this),
        }
    }
}

impl<T: ?Sized> Deref for MappedRwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the hold exists, so no writer is in.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> Deref for MappedRwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the hold exists, so the data is this guard's.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for MappedRwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.data.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedRwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedRwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MappedRwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MappedRwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
