//! Without the feature `tracing`: nothing, at no cost.
#![deny(unsafe_code)]

/// The span that a fiber starts in.
#[derive(Default)]
pub(crate) struct Inherited;

impl Inherited {
    /// The caller's.
    #[inline(always)]
    pub(crate) fn current() -> Inherited {
        Inherited
    }

    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        true
    }
}

/// What a fiber keeps.
#[derive(Default)]
pub(crate) struct Spans;

/// The spans that a fiber has left.
pub(crate) struct Left;

impl Spans {
    #[inline(always)]
    pub(crate) fn new(_: Inherited) -> Spans {
        Spans
    }

    /// Whether nothing is kept that is to be dropped.
    #[inline(always)]
    pub(crate) fn is_none(&mut self) -> bool {
        true
    }

    #[inline(always)]
    pub(crate) fn during<T>(&self, f: impl FnOnce() -> T) -> T {
        f()
    }

    #[inline(always)]
    pub(crate) fn leave(&self) -> Option<Left> {
        Some(Left)
    }

    #[inline(always)]
    pub(crate) fn enter(&self, _: Left) {}
}

/// `f`, to be called elsewhere on behalf of the caller.
#[inline(always)]
pub(crate) fn carried<T, F: FnOnce() -> T>(f: F) -> F {
    f
}
