//! Keys of fiber-locals.

use crate::fiber::locals::{Gone, Inherit, Key};
use crate::sched::Current;
use std::fmt;

/// A variable of which each fiber has its own value: declared by [`fiber_local!`](crate::fiber_local), used as
/// [`std::thread::LocalKey`] is.
///
/// # Values
///
/// A fiber's value is made by the initial expression when the fiber first uses the key, or comes from the fiber that spawned it (see
/// [`fiber_local!`](crate::fiber_local)). It stays across suspensions, whatever other fibers of the worker do meanwhile, and lives as
/// long as the fiber.
///
/// Values are destroyed on the fiber's own stack when its closure has returned or unwound, before its result is
/// there to be joined: the value made last first. Destructors may wait and may use other fiber-locals; those that are destroyed
/// already give an [`AccessError`]. A panic in a destructor is reported by the panic hook and goes no further.
///
/// Off a fiber (on an ordinary thread, in [`blocking`](crate::blocking)) the key is a `thread_local!` with the same initial expression.
///
/// # Cost
///
/// A fiber that uses no fiber-local has a null pointer for them. One that does has a box for each value and a table with a word for each
/// key of the program that was used so far. An access takes 3.4 ns, where one to a `thread_local!` takes 2 (medians of
/// `benches/locals.rs`, AMD EPYC). A value to inherit makes a spawn three times as expensive, 300 ns.
pub struct LocalKey<T: 'static> {
    key: &'static Key<T>,
    init: fn() -> T,
    off_fiber: std::thread::LocalKey<T>,
    inherit: Option<Inherit<T>>,
}

impl<T: 'static> LocalKey<T> {
    /// What `fiber_local!` expands to.
    #[doc(hidden)]
    pub const fn new(
        key: &'static Key<T>,
        init: fn() -> T,
        off_fiber: std::thread::LocalKey<T>,
        inherit: Option<Inherit<T>>,
    ) -> LocalKey<T> {
        LocalKey { key, init, off_fiber, inherit }
    }

    /// Calls `f` with the fiber's value, which is made first if it is not there. `f` may suspend the fiber.
    ///
    /// # Panics
    ///
    /// If the fiber has destroyed the value: see [`try_with`](Self::try_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// fiber::fiber_local! {
    ///     static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// }
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// DEPTH.with(|depth| depth.set(depth.get() + 1));
    /// assert_eq!(fiber::spawn(|| DEPTH.get()).join().unwrap(), 0);
    /// assert_eq!(DEPTH.get(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => denied(error),
        }
    }

    /// As [`with`](Self::with), with an error where that panics.
    ///
    /// # Errors
    ///
    /// [`AccessError`] if the value was destroyed: in destructors at the end of the fiber (of the thread, off a fiber).
    #[inline]
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        self.access(|| (self.init)(), f)
    }

    /// Calls `f` with the value, made by `make` if it is not there.
    #[inline]
    pub(super) fn access<R>(
        &'static self,
        make: impl FnOnce() -> T,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, AccessError> {
        let Some(current) = Current::get() else {
            return self.off_fiber.try_with(f).map_err(|_| AccessError(()));
        };
        let locals = &current.header().own.locals;
        let value = match locals.get(self.key) {
            Some(value) => value,
            None => locals.get_or_insert(self.key, self.inherit, make).map_err(|Gone| AccessError(()))?,
        };
        // SAFETY: the value is alive until its fiber destroys it. That is the running one, which does so at its end, in no frame below `f`;
        // `f` runs on it and on no other, and not at all if it is in a coroutine that is left suspended when that happens (`fiber::nested`).
        Ok(f(unsafe { value.as_ref() }))
    }

    /// As [`access`](Self::access) off a fiber, on the thread's own variable; `None` on a fiber.
    #[inline]
    pub(super) fn off_fiber(&'static self) -> Option<&'static std::thread::LocalKey<T>> {
        Current::get().is_none().then_some(&self.off_fiber)
    }
}

#[cold]
#[track_caller]
pub(super) fn denied(error: AccessError) -> ! {
    panic!("a fiber-local was used during or after its destruction: {error}")
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// A fiber-local was used after its value had been destroyed. As [`std::thread::AccessError`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("already destroyed")
    }
}

impl std::error::Error for AccessError {}
