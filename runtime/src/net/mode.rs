//! What a wait has to know of a descriptor, which the kernel would know for a plain call.
#![deny(unsafe_code)]

use super::socket::{self, Manner};
use crate::fiber::Reason;
use std::os::fd::BorrowedFd;
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

impl Mode {
    /// The mode of a socket of unknown past.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Mode {
        let mode = Mode::default();
        mode.nonblocking.store(socket::is_nonblocking(fd), Relaxed);
        mode.read_timeout.set(socket::timeout(fd, libc::SO_RCVTIMEO));
        mode.write_timeout.set(socket::timeout(fd, libc::SO_SNDTIMEO));
        mode
    }

    /// How to receive.
    pub(super) fn receiving(&self, reason: Reason) -> Manner {
        Manner { reason, timeout: self.read_timeout.get(), waits: self.waits(), expects_to_wait: false }
    }

    /// How to send.
    pub(super) fn sending(&self) -> Manner {
        let timeout = self.write_timeout.get();
        Manner { reason: Reason::Write, timeout, waits: self.waits(), expects_to_wait: false }
    }

    fn waits(&self) -> bool {
        !self.nonblocking.load(Relaxed)
    }
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
