//! The system calls of an epoll instance.

use super::super::DriverError;
use super::super::error::Step;
use crate::sys::errno::last_error;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// A year, the longest that one wait lasts: far beyond it, the kernel's addition of now and time-out overflows.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// An event of no kind, to be written over.
pub(super) const NO_EVENT: libc::epoll_event = libc::epoll_event { events: 0, u64: 0 };

/// One epoll instance.
pub(super) struct Poller {
    fd: OwnedFd,
    /// Whether waits can be timed in nanoseconds (`epoll_pwait2`, Linux 5.11): sandboxes forbid what they have not heard of.
    fine: bool,
    #[cfg(test)]
    pub(super) calls: u64,
    /// What is to go wrong.
    #[cfg(test)]
    pub(super) plan: Option<std::sync::Arc<super::super::faulty::Plan>>,
}

impl Poller {
    pub(super) fn new() -> Result<Poller, DriverError> {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(DriverError::new(Step::Epoll, last_error()));
        }
        // SAFETY: the descriptor is new and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut poller = Poller {
            fd,
            fine: true,
            #[cfg(test)]
            calls: 0,
            #[cfg(test)]
            plan: None,
        };
        poller.fine = poller.wait_fine(Duration::ZERO, &mut [NO_EVENT]).is_ok();
        Ok(poller)
    }

    /// For tests: as where waits can be timed in milliseconds only.
    #[cfg(test)]
    pub(super) fn coarsen(&mut self) {
        self.fine = false;
    }

    /// Asks for these events of the descriptor, instead of those asked for before. `key` comes with them.
    ///
    /// # Errors
    ///
    /// `EPERM` for what cannot be waited for, such as a regular file; `EBADF`; `ENOSPC` and `ENOMEM` when the system's limits are reached.
    pub(super) fn ask(&mut self, fd: RawFd, events: u32, key: u64) -> io::Result<()> {
        match self.control(libc::EPOLL_CTL_MOD, fd, events, key) {
            // Never asked for, or closed since; the number may have gone to another file meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                self.control(libc::EPOLL_CTL_ADD, fd, events, key)
            }
            result => result,
        }
    }

    fn control(&mut self, change: i32, fd: RawFd, events: u32, key: u64) -> io::Result<()> {
        #[cfg(test)]
        {
            self.calls += 1;
        }
        #[cfg(test)]
        if let Some(error) =
            self.plan.as_ref().and_then(|plan| plan.refuses("epoll_ctl", &[libc::ENOMEM, libc::ENOSPC]))
        {
            return Err(error);
        }
        let mut event = libc::epoll_event { events, u64: key };
        // SAFETY: the kernel reads the one event, during the call.
        let done = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), change, fd, &raw mut event) };
        if done < 0 { Err(last_error()) } else { Ok(()) }
    }

    /// Waits for events, `None` for ever, and returns how many came.
    ///
    /// # Errors
    ///
    /// `EINTR` if a signal came.
    pub(super) fn wait(&mut self, timeout: Option<Duration>, events: &mut [libc::epoll_event]) -> io::Result<usize> {
        #[cfg(test)]
        {
            self.calls += 1;
        }
        #[cfg(test)]
        if let Some(error) = self.plan.as_ref().and_then(|plan| plan.refuses("epoll_wait", &[libc::EINTR])) {
            return Err(error);
        }
        match timeout {
            None => self.wait_coarse(-1, events),
            Some(Duration::ZERO) => self.wait_coarse(0, events),
            Some(timeout) => {
                let timeout = timeout.min(LONGEST_WAIT);
                if self.fine {
                    return self.wait_fine(timeout, events);
                }
                // An epoll instance can be polled itself, and that has been timed in nanoseconds for ever.
                let mut ready = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                let timeout = timespec(timeout);
                // SAFETY: the kernel reads and writes the one entry and reads the time, during the call.
                match unsafe { libc::ppoll(&raw mut ready, 1, &raw const timeout, ptr::null()) } {
                    0 => Ok(0),
                    1.. => self.wait_coarse(0, events),
                    _ => Err(last_error()),
                }
            }
        }
    }

    fn wait_coarse(&self, milliseconds: i32, events: &mut [libc::epoll_event]) -> io::Result<usize> {
        // SAFETY: the kernel writes at most as many events as there is room for, during the call.
        let count =
            unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, milliseconds) };
        usize::try_from(count).map_err(|_| last_error())
    }

    fn wait_fine(&self, timeout: Duration, events: &mut [libc::epoll_event]) -> io::Result<usize> {
        let timeout = timespec(timeout);
        let (fd, room) = (self.fd.as_raw_fd(), events.len());
        let no_mask = ptr::null::<libc::sigset_t>();
        // By number: older C libraries do not have it.
        // SAFETY: the kernel writes at most as many events as there is room for, and reads the time, during the call.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                fd,
                events.as_mut_ptr(),
                room,
                &raw const timeout,
                no_mask,
                size_of::<u64>(),
            )
        };
        usize::try_from(count).map_err(|_| last_error())
    }
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: time.as_secs() as libc::time_t, tv_nsec: time.subsec_nanos().into() }
}
