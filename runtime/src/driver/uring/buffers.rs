//! Memory that is registered with a ring.

use io_uring::IoUring;
use std::ptr;

/// How many registrations a ring has room for: 8 KiB of the kernel's memory, from the first on.
const PLACES: u16 = 1024;

/// The places of one ring's table.
#[derive(Default)]
pub(super) struct Buffers {
    /// Whether the table was asked for.
    asked: bool,
    free: Vec<u16>,
}

impl Buffers {
    /// # Safety
    ///
    /// As [`Driver::register`](super::super::Driver::register).
    pub(super) unsafe fn register(&mut self, ring: &IoUring, memory: *mut u8, len: usize) -> Option<u16> {
        if !self.asked {
            self.asked = true;
            // Before 5.19, or in a sandbox that denies io_uring_register, there is none.
            if ring.submitter().register_buffers_sparse(PLACES.into()).is_ok() {
                self.free = (0..PLACES).rev().collect();
            }
        }
        let index = self.free.pop()?;
        // SAFETY: the caller vouches for the memory.
        let done = unsafe { put(ring, index, memory, len) };
        if !done {
            self.free.push(index);
        }
        done.then_some(index)
    }

    pub(super) fn unregister(&mut self, ring: &IoUring, index: u16) {
        // SAFETY: no memory is named.
        if unsafe { put(ring, index, ptr::null_mut(), 0) } {
            self.free.push(index);
        }
    }
}

/// Puts memory into a place of the table, or nothing. Whether that was done.
///
/// # Safety
///
/// As [`Buffers::register`].
unsafe fn put(ring: &IoUring, index: u16, memory: *mut u8, len: usize) -> bool {
    let buffer = libc::iovec { iov_base: memory.cast(), iov_len: len };
    // SAFETY: the list is of this frame; the caller vouches for what it names.
    unsafe { ring.submitter().register_buffers_update(index.into(), &[buffer], None) }.is_ok()
}
