//! Why there is no driver, and what to do about it.

use std::error::Error;
use std::{fmt, fs, io};

/// A driver could not be made.
///
/// Displayed as one line that names the cause and the cure; the system's error is its source.
#[derive(Debug)]
pub(crate) struct DriverError {
    step: Step,
    error: io::Error,
    /// `kernel.io_uring_disabled` at the time, where the kernel has it.
    disabled: Option<u32>,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `eventfd`.
    Doorbell,
    /// `io_uring_setup` and mapping the queues.
    Setup,
    /// Checking what the kernel's io_uring can do.
    Probe,
    /// The first `io_uring_enter`.
    Enter,
    /// `epoll_create1`, and the doorbell's registration.
    Epoll,
}

impl DriverError {
    pub(super) fn new(step: Step, error: io::Error) -> DriverError {
        let disabled =
            fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok().and_then(|text| text.trim().parse().ok());
        DriverError { step, error, disabled }
    }

    /// Why there is no io_uring here, in a few words; nothing if the lack is one of the moment, such as that of memory.
    pub(super) fn no_io_uring(&self) -> Option<&'static str> {
        match (self.step, self.raw_os_error()) {
            (Step::Probe, _) => Some("too old"),
            (Step::Setup | Step::Enter, Some(libc::ENOSYS)) => Some("missing"),
            (Step::Setup | Step::Enter, Some(libc::EPERM | libc::EACCES)) => Some("forbidden"),
            _ => None,
        }
    }

    /// Whether the kernel has no memory for the rings, or lets this user have no more.
    pub(crate) fn lacks_memory(&self) -> bool {
        self.step == Step::Setup && self.raw_os_error() == Some(libc::ENOMEM)
    }

    #[cfg(test)]
    pub(super) fn with_sysctl(step: Step, errno: i32, disabled: Option<u32>) -> DriverError {
        DriverError { step, error: io::Error::from_raw_os_error(errno), disabled }
    }

    /// The error number of the call that failed, if it was a call that failed.
    pub(crate) fn raw_os_error(&self) -> Option<i32> {
        self.error.raw_os_error()
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = match self.step {
            Step::Doorbell => "eventfd",
            Step::Setup => "io_uring_setup",
            Step::Probe => {
                return write!(f, "this kernel's io_uring is too old: {}; Linux 5.11 or newer is needed", self.error);
            }
            Step::Enter => "io_uring_enter",
            Step::Epoll => "epoll_create1",
        };
        match (self.raw_os_error(), self.disabled) {
            (Some(libc::ENOSYS), _) => write!(
                f,
                "{call} does not exist here ({}): the kernel is older than Linux 5.11 or built without io_uring, or a \
                 sandbox hides it; run on a newer kernel, or allow io_uring_setup, io_uring_enter and \
                 io_uring_register in the sandbox",
                self.error
            ),
            (Some(libc::EPERM), Some(2)) => write!(
                f,
                "{call} is forbidden ({}): io_uring is switched off on this machine; as root: \
                 sysctl kernel.io_uring_disabled=0",
                self.error
            ),
            (Some(libc::EPERM), Some(1)) => write!(
                f,
                "{call} is forbidden ({}): only privileged processes and the group kernel.io_uring_group may use io_uring on \
                 this machine; join that group, or as root: sysctl kernel.io_uring_disabled=0",
                self.error
            ),
            (Some(libc::EPERM | libc::EACCES), _) => write!(
                f,
                "{call} is forbidden ({}): a seccomp filter or security module denies it, as container runtimes do by \
                 default; allow io_uring_setup, io_uring_enter and io_uring_register in its profile (Docker: \
                 --security-opt seccomp=PROFILE.json)",
                self.error
            ),
            (Some(libc::ENOMEM), _) if self.step != Step::Epoll => write!(
                f,
                "no memory for the queues of {call} ({}): on most kernels they count as locked memory, of all processes of \
                 this user together, so raise `ulimit -l` (RLIMIT_MEMLOCK), raise the memory limit of the process's cgroup, or \
                 use fewer workers; driver `auto` does without io_uring then",
                self.error
            ),
            (Some(libc::EMFILE), _) => write!(
                f,
                "no file descriptor left for {call} ({}): each worker needs two; raise `ulimit -n` (RLIMIT_NOFILE)",
                self.error
            ),
            (Some(libc::ENFILE), _) => write!(
                f,
                "no file descriptor left for {call} ({}): the whole machine has used up its own; as root raise \
                 sysctl fs.file-max",
                self.error
            ),
            _ => write!(f, "{call} failed: {}", self.error),
        }
    }
}

impl Error for DriverError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
