//! What a wait has to know of a descriptor, which the kernel would know for a plain call.
#![deny(unsafe_code)]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// The mode of one socket, shared by all handles that `try_clone` made of it, as the kernel's own is.
///
/// Relaxed throughout: each field is a setting of its own, and orders nothing.
#[derive(Debug, Default)]
pub(super) struct Mode {
    pub(super) nonblocking: AtomicBool,
    pub(super) read_timeout: Limit,
    pub(super) write_timeout: Limit,
    /// Whether the last read emptied the receive buffer, so that the next will most likely have to wait. A hint, which saves a request
    /// and answer protocol one vain system call per request.
    pub(super) drained: AtomicBool,
}

/// An optional time limit.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// Zero is none; std refuses a limit of zero.
    nanoseconds: AtomicU64,
}

impl Limit {
    pub(super) fn get(&self) -> Option<Duration> {
        match self.nanoseconds.load(Relaxed) {
            0 => None,
            nanoseconds => Some(Duration::from_nanos(nanoseconds)),
        }
    }

    pub(super) fn set(&self, limit: Option<Duration>) {
        // Five hundred years, where the number ends, are as good as any longer time.
        let nanoseconds = limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        self.nanoseconds.store(nanoseconds, Relaxed);
    }
}
