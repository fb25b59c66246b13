//! A value that is made when it is first used.

use super::once::Once;
use crate::sched::cancel;
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;

/// A value that is made when it is first used, as [`std::sync::LazyLock`]: whoever comes while it is being made suspends its fiber,
/// not the worker.
///
/// The initialisation may wait. It works between fibers, between threads, where waiting parks the thread, and across; also
/// across runtimes.
///
/// A panic in the initialisation poisons for good, as std's. There is no second closure for a second attempt, so a cancellation or
/// a time limit of the fiber that happens to be first is postponed until the value is made.
///
/// # Examples
///
/// ```
/// use fiber::sync::{LazyLock, Mutex};
///
/// static NAMES: LazyLock<Mutex<Vec<&str>>> = LazyLock::new(|| Mutex::new(vec!["one"]));
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// NAMES.lock().unwrap().push("two");
/// assert_eq!(fiber::spawn(|| NAMES.lock().unwrap().len()).join().unwrap(), 2);
/// # });
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    once: Once,
    data: UnsafeCell<Data<T, F>>,
}

/// What is there. Changes under `once` only, and no more once that is completed.
enum Data<T, F> {
    /// Nobody has begun.
    Make(F),
    /// An attempt is under way, or it panicked.
    Nothing,
    /// `once` is completed, or about to be.
    Value(T),
}

// SAFETY: it is shared access to a value that any of the threads may have made, by calling the closure that was moved there; as
// std's.
unsafe impl<T: Send + Sync, F: Send> Sync for LazyLock<T, F> {}
// A panic that leaves nothing to use leaves it poisoned.
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// A value that `f` makes.
    #[must_use]
    pub const fn new(f: F) -> LazyLock<T, F> {
        LazyLock { once: Once::new(), data: UnsafeCell::new(Data::Make(f)) }
    }

    /// The value; makes it if that was not done. What dereferencing does.
    ///
    /// Waits if somebody makes it at the moment, which is a cancellation point that cannot return an error.
    ///
    /// # Panics
    ///
    /// If the initialisation panics, or has panicked.
    #[inline]
    #[track_caller]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        if !this.once.is_completed() {
            this.once.call(false, &mut |_| {
                // SAFETY: one attempt at a time, and nobody reads before one has succeeded; the reference ends here.
                let Data::Make(make) = (unsafe { ptr::replace(this.data.get(), Data::Nothing) }) else {
                    panic!("LazyLock instance has previously been poisoned");
                };
                let value = cancel::shielded(make);
                // SAFETY: as above.
                unsafe { *this.data.get() = Data::Value(value) };
                true
            });
        }
        LazyLock::get(this).expect("it is made")
    }
}

impl<T, F> LazyLock<T, F> {
    /// The value, if it was made. Does not wait.
    ///
    /// ```
    /// use fiber::sync::LazyLock;
    ///
    /// let lazy = LazyLock::new(|| 5);
    /// assert_eq!(LazyLock::get(&lazy), None);
    /// assert_eq!(*lazy, 5);
    /// assert_eq!(LazyLock::get(&lazy), Some(&5));
    /// ```
    #[inline]
    pub fn get(this: &LazyLock<T, F>) -> Option<&T> {
        if !this.once.is_completed() {
            return None;
        }
        // SAFETY: it is completed, so what is there is not changed while there are references to the lock.
        match unsafe { &*this.data.get() } {
            Data::Value(value) => Some(value),
            Data::Make(_) | Data::Nothing => None,
        }
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        LazyLock::force(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> Self {
        LazyLock::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("LazyLock");
        match LazyLock::get(self) {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}
