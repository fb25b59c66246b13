//! The moments at which an interruption can reach a fiber, one after the other, for tests that try them all.
//!
//! There are three kinds: the fiber is about to look whether it has to end its wait; it has just suspended; it is about to be resumed.
//! Whatever cancels a fiber does so between two of these, and what it does there has the same effect as at the next. So a test that
//! strikes at the first, the second, and so on until its program ends before the blow has seen every interleaving of
//! one cancellation with that program.

#[cfg(not(feature = "internals"))]
mod off;
#[cfg(feature = "internals")]
mod on;

#[cfg(not(feature = "internals"))]
pub(super) use off::Points;
#[cfg(feature = "internals")]
pub(super) use on::Points;
#[cfg(feature = "internals")]
pub(crate) use on::{Blow, Kind, arm, under_way};
