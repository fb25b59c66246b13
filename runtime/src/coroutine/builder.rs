//! Properties of a coroutine about to be made.

use super::raw::{Borrows, Raw};
use super::{Coroutine, Generator, ScopedCoroutine, ScopedGenerator, Yielder};
use std::io;

/// Properties of a coroutine about to be made, as [`std::thread::Builder`] has those of a thread.
///
/// # Examples
///
/// ```
/// use fiber::coroutine::Builder;
///
/// let mut deep = Builder::new().stack_size(8 << 20).generator(|yielder| yielder.suspend(1))?;
/// assert_eq!(deep.next(), Some(1));
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it makes a coroutine"]
pub struct Builder {
    stack_size: Option<usize>,
}

impl Builder {
    /// The defaults.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Bytes of address space for the stack, its guard included, rounded up to a power of two, and to 16 KiB at least. The
    /// default is 256 KiB. Zero, and more than 1 GiB, are errors.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Makes a coroutine. As [`Coroutine::new`].
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a size out of bounds; without memory for a stack, what is exhausted and
    /// how to get more.
    ///
    /// ```
    /// use fiber::coroutine::Builder;
    /// use std::io::ErrorKind;
    ///
    /// let none = Builder::new().stack_size(0).coroutine(|_: &fiber::coroutine::Yielder<(), ()>, ()| ());
    /// assert_eq!(none.unwrap_err().kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn coroutine<Input, Yield, Return, F>(self, body: F) -> io::Result<Coroutine<Input, Yield, Return>>
    where
        Input: 'static,
        Yield: 'static,
        Return: 'static,
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
    {
        // SAFETY: everything is `'static`.
        Ok(Coroutine(unsafe { Raw::new(self.stack_size, Borrows::Nothing, body) }?))
    }

    /// Makes a generator. As [`Generator::new`].
    ///
    /// # Errors
    ///
    /// As [`coroutine`](Self::coroutine).
    pub fn generator<T, F>(self, body: F) -> io::Result<Generator<T>>
    where
        T: 'static,
        F: FnOnce(&Yielder<(), T>) + 'static,
    {
        // SAFETY: everything is `'static`.
        Ok(Generator(unsafe { Raw::new(self.stack_size, Borrows::Nothing, |yielder, ()| body(yielder)) }?))
    }

    /// Makes a coroutine that may borrow, for the length of a call. As [`Coroutine::scope`].
    ///
    /// # Errors
    ///
    /// As [`coroutine`](Self::coroutine); then `f` is not called.
    ///
    /// # Panics
    ///
    /// As [`Coroutine::scope`].
    pub fn scope_coroutine<Input, Yield, Return, F, G, T>(self, body: F, f: G) -> io::Result<T>
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
        G: for<'scope> FnOnce(&mut ScopedCoroutine<'scope, Input, Yield, Return>) -> T,
    {
        // SAFETY: what the caller's types borrow outlives this call, and the value is dropped here: `f` gets a reference to a type that
        // no other value has, so it can neither forget it nor put another one in its place.
        let mut coroutine = ScopedCoroutine::new(unsafe { Raw::new(self.stack_size, Borrows::FromScope, body) }?);
        Ok(f(&mut coroutine))
    }

    /// Makes a generator that may borrow, for the length of a call. As [`Generator::scope`].
    ///
    /// # Errors
    ///
    /// As [`coroutine`](Self::coroutine); then `f` is not called.
    ///
    /// # Panics
    ///
    /// As [`Generator::scope`].
    pub fn scope_generator<Item, F, G, T>(self, body: F, f: G) -> io::Result<T>
    where
        F: FnOnce(&Yielder<(), Item>),
        G: for<'scope> FnOnce(&mut ScopedGenerator<'scope, Item>) -> T,
    {
        // SAFETY: as in `scope_coroutine`.
        let raw = unsafe { Raw::new(self.stack_size, Borrows::FromScope, |yielder, ()| body(yielder)) }?;
        Ok(f(&mut ScopedGenerator::new(raw)))
    }
}
