//! What std's keys of cells have, for keys of fiber-locals.
#![deny(unsafe_code)]

use super::key::{LocalKey, denied};
use std::cell::{Cell, RefCell};

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value. The initial expression is not evaluated for it. As [`std::thread::LocalKey::set`].
    ///
    /// # Panics
    ///
    /// If the fiber has destroyed the value.
    ///
    /// ```
    /// # use std::cell::Cell;
    /// fiber::fiber_local! {
    ///     static ATTEMPT: Cell<u32> = panic!("set before it is used");
    /// }
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// ATTEMPT.set(1);
    /// assert_eq!(ATTEMPT.replace(2), 1);
    /// assert_eq!(ATTEMPT.take(), 2);
    /// assert_eq!(ATTEMPT.get(), 0);
    /// # });
    /// ```
    #[track_caller]
    pub fn set(&'static self, value: T) {
        if let Some(thread) = self.off_fiber() {
            return thread.set(value);
        }
        // Taken by whichever comes first: the making of the value, or the setting.
        let value = Cell::new(Some(value));
        let outcome = self.access(
            || Cell::new(value.take().expect("made once")),
            |cell| {
                if let Some(value) = value.take() {
                    cell.set(value);
                }
            },
        );
        if let Err(error) = outcome {
            denied(error);
        }
    }

    /// A copy of the value. As [`std::thread::LocalKey::get`].
    ///
    /// # Panics
    ///
    /// If the fiber has destroyed the value.
    #[inline]
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// The value, with the default left in its place. As [`std::thread::LocalKey::take`].
    ///
    /// # Panics
    ///
    /// If the fiber has destroyed the value.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// The value, with another one left in its place. As [`std::thread::LocalKey::replace`].
    ///
    /// # Panics
    ///
    /// If the fiber has destroyed the value.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with the value borrowed. As [`std::thread::LocalKey::with_borrow`].
    ///
    /// # Panics
    ///
    /// If the value is mutably borrowed, or destroyed.
    ///
    /// ```
    /// # use std::cell::RefCell;
    /// fiber::fiber_local! {
    ///     static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// }
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// LOG.with_borrow_mut(|log| log.push("started".to_owned()));
    /// assert_eq!(LOG.with_borrow(Vec::len), 1);
    /// assert_eq!(LOG.take(), ["started"]);
    /// # });
    /// ```
    #[track_caller]
    pub fn with_borrow<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the value mutably borrowed. As [`std::thread::LocalKey::with_borrow_mut`].
    ///
    /// # Panics
    ///
    /// If the value is borrowed, or destroyed.
    #[track_caller]
    pub fn with_borrow_mut<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&mut T) -> R,
    {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value. The initial expression is not evaluated for it. As [`std::thread::LocalKey::set`].
    ///
    /// # Panics
    ///
    /// If the value is borrowed, or destroyed.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        if let Some(thread) = self.off_fiber() {
            return thread.set(value);
        }
        let value = Cell::new(Some(value));
        let outcome = self.access(
            || RefCell::new(value.take().expect("made once")),
            |cell| {
                if let Some(value) = value.take() {
                    *cell.borrow_mut() = value;
                }
            },
        );
        if let Err(error) = outcome {
            denied(error);
        }
    }

    /// The value, with the default left in its place. As [`std::thread::LocalKey::take`].
    ///
    /// # Panics
    ///
    /// If the value is borrowed, or destroyed.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// The value, with another one left in its place. As [`std::thread::LocalKey::replace`].
    ///
    /// # Panics
    ///
    /// If the value is borrowed, or destroyed.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}
