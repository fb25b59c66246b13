//! Thin wrappers over what Linux offers and no crate covers, and the one façade through which the lock-free
//! protocols get their atomics.
//!
//! Owns nothing and calls no other room.

pub(crate) mod affinity;
mod barrier;
pub(crate) mod cpu;
pub(crate) mod descriptor;
pub(crate) mod errno;
pub(crate) mod event;
mod futex;
mod lock;
pub(crate) mod memory;
#[cfg(feature = "migrate")]
pub(crate) mod opaque;
pub(crate) mod prefetch;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod splice;
pub(crate) mod stack_trace;
pub(crate) mod stderr;
pub(crate) mod sync;
pub(crate) mod threads;
