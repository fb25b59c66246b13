//! `io_uring_enter`, by way of a registered descriptor where the kernel has that.

use crate::sys::errno::last_error;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::time::Duration;

/// `IORING_REGISTER_RING_FDS` and its opposite.
const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct RingUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// A year, the longest that one wait lasts: far beyond it, the kernel's addition of now and time-out overflows.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The way into the kernel for one ring.
///
/// The io-uring crate's `Submitter` keeps the index of a registered descriptor in itself, and borrows the ring; the driver needs
/// both for its whole life, and the unfiltered error of each call.
pub(super) struct Gate {
    fd: RawFd,
    /// The ring's index in this thread's table: it saves the look-up and reference counting of the file at each call.
    registered: Option<u32>,
    /// Do not count a thread that waits here as waiting for a disk (6.15): an idle server would show as 100 % `iowait`.
    no_iowait: bool,
    #[cfg(test)]
    calls: u64,
    /// Errors that the next calls return instead of entering.
    #[cfg(test)]
    pub(super) faults: std::collections::VecDeque<i32>,
    /// What is to go wrong.
    #[cfg(test)]
    pub(super) plan: Option<std::sync::Arc<super::super::faulty::Plan>>,
}

impl Gate {
    /// For use by the calling thread, while `ring` lives.
    pub(super) fn new(ring: &IoUring) -> Gate {
        let fd = ring.as_raw_fd();
        let mut update = RingUpdate { offset: u32::MAX, reserved: 0, data: fd as u64 };
        // SAFETY: the kernel reads and writes the one structure, during the call.
        let done = unsafe { libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_RING_FDS, &raw mut update, 1) };
        Gate {
            fd,
            // Before 5.18, or when the table's 16 places are taken: the plain descriptor does as well.
            registered: (done == 1).then_some(update.offset),
            no_iowait: ring.params().is_feature_no_iowait(),
            #[cfg(test)]
            calls: 0,
            #[cfg(test)]
            faults: std::collections::VecDeque::new(),
            #[cfg(test)]
            plan: None,
        }
    }

    /// Submits `queued` entries and waits until `want` completions are there or `timeout` is over. `None` waits for ever.
    ///
    /// The number of entries that the kernel took may be smaller, and then it did not wait. Always with `GETEVENTS`: deferred
    /// task work runs in no other call.
    pub(super) fn submit_and_wait(&mut self, queued: u32, want: u32, timeout: Option<Duration>) -> io::Result<u32> {
        #[cfg(test)]
        {
            self.calls += 1;
        }
        #[cfg(test)]
        if let Some(errno) = self.faults.pop_front() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        #[cfg(test)]
        if let Some(plan) = &self.plan
            && let Some(error) = plan.refuses("io_uring_enter", &[libc::EINTR, libc::EAGAIN, libc::EBUSY, libc::ENOMEM])
        {
            return Err(error);
        }
        let mut flags = EnterFlags::GETEVENTS;
        if self.no_iowait {
            flags |= EnterFlags::NO_IOWAIT;
        }
        let fd = match self.registered {
            Some(index) => {
                flags |= EnterFlags::REGISTERED_RING;
                index.cast_signed()
            }
            None => self.fd,
        };
        let Some(timeout) = timeout else {
            return enter(fd, queued, want, flags, ptr::null(), 0);
        };
        let timeout = Timespec::from(timeout.min(LONGEST_WAIT));
        let args = SubmitArgs::new().timespec(&timeout);
        enter(fd, queued, want, flags | EnterFlags::EXT_ARG, (&raw const args).cast(), size_of_val(&args))
    }

    /// How often the kernel was entered.
    #[cfg(test)]
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// Takes the ring out of the thread's table, which holds a reference to it. The last call.
    pub(super) fn close(&mut self) {
        if let Some(index) = self.registered.take() {
            let update = RingUpdate { offset: index, reserved: 0, data: 0 };
            // SAFETY: the kernel reads the one structure, during the call. If it fails, the thread's end does it.
            unsafe { libc::syscall(libc::SYS_io_uring_register, self.fd, UNREGISTER_RING_FDS, &raw const update, 1) };
        }
    }
}

fn enter(
    fd: RawFd,
    queued: u32,
    want: u32,
    flags: EnterFlags,
    args: *const libc::c_void,
    size: usize,
) -> io::Result<u32> {
    // SAFETY: `args` is null or points to the structure that `EXT_ARG` announces, with its size; both it and the time it points to
    // outlive the call. The memory that the queued entries name is their submitter's promise.
    let taken = unsafe { libc::syscall(libc::SYS_io_uring_enter, fd, queued, want, flags.bits(), args, size) };
    if taken < 0 { Err(last_error()) } else { Ok(taken as u32) }
}
