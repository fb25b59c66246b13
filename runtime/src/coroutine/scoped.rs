//! Coroutines that borrow, within a scope that ends them.
#![deny(unsafe_code)]

#[cfg(doc)]
use super::Coroutine;
use super::CoroutineState;
use super::generator::next;
use super::raw::Raw;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

/// A lifetime that no other scope has: values of two scopes differ in type and cannot be exchanged.
type Brand<'scope> = PhantomData<fn(&'scope ()) -> &'scope ()>;

/// The [`Coroutine`] of a [`Coroutine::scope`], whose body may borrow.
pub struct ScopedCoroutine<'scope, Input, Yield, Return> {
    raw: Raw<Input, Yield, Return>,
    brand: Brand<'scope>,
}

impl<Input, Yield, Return> ScopedCoroutine<'_, Input, Yield, Return> {
    pub(super) fn new(raw: Raw<Input, Yield, Return>) -> Self {
        ScopedCoroutine { raw, brand: PhantomData }
    }

    /// Runs the coroutine until it suspends itself or returns. As [`Coroutine::resume`].
    ///
    /// # Panics
    ///
    /// As [`Coroutine::resume`].
    #[inline]
    #[track_caller]
    pub fn resume(&mut self, value: Input) -> CoroutineState<Yield, Return> {
        self.raw.resume(value)
    }

    /// Whether it has ended: returned, or panicked. As [`Coroutine::is_done`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.raw.is_done()
    }
}

impl<Input, Yield, Return> fmt::Debug for ScopedCoroutine<'_, Input, Yield, Return> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedCoroutine").field("done", &self.is_done()).finish_non_exhaustive()
    }
}

/// The [`Generator`](super::Generator) of a [`Generator::scope`](super::Generator::scope), whose body may borrow.
pub struct ScopedGenerator<'scope, T> {
    raw: Raw<(), T, ()>,
    brand: Brand<'scope>,
}

impl<T> ScopedGenerator<'_, T> {
    pub(super) fn new(raw: Raw<(), T, ()>) -> Self {
        ScopedGenerator { raw, brand: PhantomData }
    }
}

impl<T> Iterator for ScopedGenerator<'_, T> {
    type Item = T;

    #[inline]
    #[track_caller]
    fn next(&mut self) -> Option<T> {
        next(&mut self.raw)
    }
}

impl<T> FusedIterator for ScopedGenerator<'_, T> {}

impl<T> fmt::Debug for ScopedGenerator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedGenerator").field("done", &self.raw.is_done()).finish_non_exhaustive()
    }
}
