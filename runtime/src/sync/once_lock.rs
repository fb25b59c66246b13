//! A cell that is written once.

use super::once::Once;
use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A cell that can be written once, as [`std::sync::OnceLock`]: whoever comes while it is being initialised suspends its fiber, not
/// the worker.
///
/// The initialisation may wait. It works between fibers, between threads, where waiting parks the thread, and across; also
/// across runtimes. An initialisation that panics, or is cancelled, leaves the cell empty.
///
/// # Examples
///
/// ```
/// use fiber::sync::OnceLock;
///
/// static NAME: OnceLock<String> = OnceLock::new();
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// assert!(NAME.get().is_none());
/// let name = fiber::spawn(|| NAME.get_or_init(|| "one".to_owned())).join().unwrap();
/// assert_eq!(name, "one");
/// assert_eq!(NAME.set("two".to_owned()), Err("two".to_owned()));
/// # });
/// ```
pub struct OnceLock<T> {
    once: Once,
    /// Initialised if `once` is completed.
    value: UnsafeCell<MaybeUninit<T>>,
    /// It drops one.
    owns: PhantomData<T>,
}

// SAFETY: it is shared access to a value that any of the threads may have put there, and may be dropped on another; as
// std's.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}
// SAFETY: it may be moved with the value.
unsafe impl<T: Send> Send for OnceLock<T> {}
// Either there is a value or there is none.
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// An empty cell.
    #[must_use]
    pub const fn new() -> OnceLock<T> {
        OnceLock { once: Once::new(), value: UnsafeCell::new(MaybeUninit::uninit()), owns: PhantomData }
    }

    /// The value, if there is one. Does not wait.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: it is completed.
        self.once.is_completed().then(|| unsafe { self.value_unchecked() })
    }

    /// The value, if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        // SAFETY: it is completed, so the value is initialised, and `&mut self` is the only access.
        self.once.is_completed().then(|| unsafe { self.value.get_mut().assume_init_mut() })
    }

    /// The value, once somebody has put it there.
    ///
    /// A cancellation point that cannot return an error: a cancelled fiber unwinds from it.
    pub fn wait(&self) -> &T {
        self.once.wait_force();
        // SAFETY: it is completed.
        unsafe { self.value_unchecked() }
    }

    /// Puts the value there. Waits if somebody initialises it at the moment, which is a cancellation point that cannot return an
    /// error.
    ///
    /// # Errors
    ///
    /// The value, if there is one already.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("it is called once"));
        value.map_or(Ok(()), Err)
    }

    /// The value; if there is none, that of `f`. Waits if somebody initialises it at the moment, which is a cancellation point
    /// that cannot return an error.
    ///
    /// # Panics
    ///
    /// If `f` does. Then the cell stays empty. If `f` uses this cell in the same way, it waits for itself, for good.
    #[inline]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        match self.get_or_try_init(|| Ok::<T, Infallible>(f())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_init`](Self::get_or_init), for an initialisation that can fail. As std's unstable method of the same name.
    ///
    /// # Errors
    ///
    /// That of `f`. Then the cell stays empty.
    ///
    /// ```
    /// let cell = fiber::sync::OnceLock::new();
    /// assert!(cell.get_or_try_init(|| "a".parse::<u8>()).is_err());
    /// assert_eq!(cell.get_or_try_init(|| "1".parse::<u8>()), Ok(&1));
    /// ```
    #[inline]
    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if !self.once.is_completed() {
            self.initialise(f)?;
        }
        // SAFETY: it is completed.
        Ok(unsafe { self.value_unchecked() })
    }

    #[cold]
    fn initialise<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<(), E> {
        let (mut f, mut outcome) = (Some(f), Ok(()));
        self.once.call(true, &mut |_| match f.take().expect("it is called once")() {
            Ok(value) => {
                // SAFETY: one attempt at a time, and nobody reads before it has succeeded.
                unsafe { (*self.value.get()).write(value) };
                true
            }
            Err(error) => {
                outcome = Err(error);
                false
            }
        });
        outcome
    }

    /// The value, if there is one.
    pub fn into_inner(mut self) -> Option<T> {
        self.take()
    }

    /// Takes the value out, if there is one. Then the cell is empty.
    pub fn take(&mut self) -> Option<T> {
        if !self.once.is_completed() {
            return None;
        }
        self.once = Once::new();
        // SAFETY: it was completed, and is no more.
        Some(unsafe { self.value.get_mut().assume_init_read() })
    }

    /// # Safety
    ///
    /// It is completed.
    #[inline]
    unsafe fn value_unchecked(&self) -> &T {
        // SAFETY: then the value is initialised, and is not written again while there are references to the cell.
        unsafe { (*self.value.get()).assume_init_ref() }
    }
}

impl<T> Drop for OnceLock<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        OnceLock::new()
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> Self {
        self.get().map_or_else(OnceLock::new, |value| OnceLock::from(value.clone()))
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        let cell = OnceLock::new();
        let set = cell.set(value);
        debug_assert!(set.is_ok(), "it was empty");
        cell
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("OnceLock");
        match self.get() {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}
