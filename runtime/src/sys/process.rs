//! Other processes.

use crate::sys::errno::last_error;
use std::io;
use std::mem::MaybeUninit;
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
        return Err(last_error());
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
    done(unsafe { libc::kill(id.cast_signed(), signal) })
}

/// Sends a signal to every process of a group.
pub(crate) fn kill_group(id: u32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    done(unsafe { libc::killpg(id.cast_signed(), signal) })
}

/// Whether a child process has ended; its status stays to be waited for. If it `waits`, blocks the thread until it has.
pub(crate) fn has_ended(id: u32, waits: bool) -> io::Result<bool> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOWAIT | if waits { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: the kernel writes to `info`, during the call.
        match done(unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), flags) }) {
            // SAFETY: it was zeroed, and is filled by the kernel if the child has ended.
            Ok(()) => return Ok(unsafe { info.assume_init().si_pid() } != 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

fn done(returned: i32) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(last_error()) }
}
