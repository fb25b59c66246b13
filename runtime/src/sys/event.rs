//! Event counters (eventfd(2)), by which a descriptor says that something has happened.

use crate::sys::errno::last_error;
use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;

/// A new counter, at zero, closed on exec. `File` reads and writes it with plain system calls, which signal handlers may make too
/// (signal-safety(7)). Non-blocking or not: whether reading it at zero, or writing it at its end, waits.
pub(crate) fn counter(nonblocking: bool) -> io::Result<File> {
    let mode = if nonblocking { libc::EFD_NONBLOCK } else { 0 };
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | mode) };
    if fd < 0 {
        return Err(last_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}
