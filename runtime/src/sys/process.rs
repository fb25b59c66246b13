//! Other processes.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A descriptor that is ready to be read when a process has ended (pidfd_open(2), Linux 5.3). Closed on exec.
pub(crate) fn watch(id: u32) -> io::Result<OwnedFd> {
    #[cfg(test)]
    if NO_DESCRIPTORS.load(std::sync::atomic::Ordering::SeqCst) {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, id, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Whether [`watch`] is to fail, as under a seccomp filter that does not know it.
#[cfg(test)]
pub(crate) static NO_DESCRIPTORS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Sends a signal to a child process that was not waited for.
pub(crate) fn kill(id: u32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    if unsafe { libc::kill(id.cast_signed(), signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
