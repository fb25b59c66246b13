//! Waiting for the end of a process.

use crate::fiber::Reason;
use crate::sched::cancel::shielded;
use crate::sched::io::{ask_patiently, charge, on_fiber, poll};
use crate::sys;
use std::io;
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};

/// A process that was started, without its pipes.
///
/// Until its end was seen its number is its own: nobody else gets it.
pub(super) struct Process {
    pub(super) inner: Child,
    pub(super) kill_on_drop: bool,
}

impl Process {
    /// Waits for the end.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        if !on_fiber() {
            return self.inner.wait();
        }
        loop {
            if let Some(status) = self.inner.try_wait()? {
                charge();
                return Ok(status);
            }
            match sys::process::watch(self.inner.id()) {
                Ok(end) => poll(end.as_fd(), libc::POLLIN, Reason::Exit, None)?,
                // Gone between two looks, and nobody's child: `SIGCHLD` is ignored, or somebody else waited for it.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => (),
                Err(_) => return ask_patiently(Reason::Exit, || self.inner.try_wait()),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.kill_on_drop && matches!(self.inner.try_wait(), Ok(None)) && self.inner.kill().is_ok() {
            // Killed, it ends by itself; an error here would say that it is somebody else's.
            let _ = shielded(|| self.wait());
        }
    }
}
