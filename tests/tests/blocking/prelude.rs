//! What the cases of the generated crates use.

#![allow(deprecated, irrefutable_let_patterns, unused, unreachable_code, clippy::all)]

/// A value of any type: this code is compiled, and never run.
pub fn make<T>() -> T {
    loop {}
}

/// Something that can be printed, of anything.
pub fn show<T>(_: T) -> u8 {
    0
}

pub fn apply0<R>(f: impl FnOnce() -> R) -> R {
    f()
}

pub fn apply1<A, R>(f: impl FnOnce(A) -> R, a: A) -> R {
    f(a)
}

pub fn apply2<A, B, R>(f: impl FnOnce(A, B) -> R, a: A, b: B) -> R {
    f(a, b)
}

pub fn apply3<A, B, C, R>(f: impl FnOnce(A, B, C) -> R, a: A, b: B, c: C) -> R {
    f(a, b, c)
}

pub struct Holder<T> {
    pub field: T,
}

impl<T> Holder<T> {
    pub fn get(&mut self) -> &mut T {
        &mut self.field
    }
}

/// A macro that nobody but the compiler understands.
macro_rules! unknown {
    ($($tokens:tt)*) => { $($tokens)* };
}

/// A guard of std's mutex.
macro_rules! guard {
    () => {
        crate::make::<std::sync::MutexGuard<'static, Vec<u8>>>()
    };
}

pub mod prelude {
    pub use crate::Holder;
    pub use std::io::{BufRead as _, Read as _, Seek as _, Write as _};
    pub use std::net::ToSocketAddrs as _;
    pub use std::os::unix::fs::FileExt as _;
}
