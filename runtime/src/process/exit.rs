//! Waiting for the end of a process.

use super::event::End;
use crate::fiber::Reason;
use crate::sched::cancel::shielded;
use crate::sched::io::{ask_patiently, charge, on_fiber, poll};
use crate::sched::select::Readiness;
use crate::sys;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitStatus};

/// A process that was started, without its pipes.
///
/// Until its end was seen its number is its own: nobody else gets it.
pub(super) struct Process {
    inner: Child,
    kill_on_drop: bool,
    /// Whether its end was seen.
    seen: bool,
    /// Its descriptor, from the first time that its end was an event.
    end: Option<OwnedFd>,
}

impl Process {
    pub(super) fn new(inner: Child, kill_on_drop: bool) -> Process {
        Process { inner, kill_on_drop, seen: false, end: None }
    }

    pub(super) fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Does something with its number, if that is still its own.
    pub(super) fn signal(&self, send: impl FnOnce(u32) -> io::Result<()>) -> io::Result<()> {
        if self.seen { Ok(()) } else { send(self.id()) }
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.inner.kill()
    }

    /// The status, if it has ended.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.inner.try_wait()?;
        self.seen |= status.is_some();
        Ok(status)
    }

    /// Waits for the end.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        if !on_fiber() {
            let status = self.inner.wait()?;
            self.seen = true;
            return Ok(status);
        }
        loop {
            if let Some(status) = self.try_wait()? {
                charge();
                return Ok(status);
            }
            match self.until_ended() {
                // Gone between two looks, and nobody's child: `SIGCHLD` is ignored, or somebody else waited for it. The next look gives
                // the error that it gives.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ECHILD)) => (),
                result => result?,
            }
        }
    }

    /// Waits for the end, and leaves the status.
    pub(super) fn ended(&self) -> io::Result<()> {
        if self.seen {
            return Ok(());
        }
        if !on_fiber() {
            return sys::process::has_ended(self.id(), true).map(drop);
        }
        self.until_ended()
    }

    /// The end as an event.
    pub(super) fn end(&mut self) -> End<'_> {
        if self.end.is_none() && !self.seen {
            // Where the system cannot say when, it is looked at now and then.
            self.end = sys::process::watch(self.id()).ok();
        }
        let told = self.end.as_ref().map(|end| Readiness::new(end.as_fd(), libc::POLLIN));
        End::new(&mut self.inner, &mut self.seen, told)
    }

    /// Waits for the end, on a fiber.
    fn until_ended(&self) -> io::Result<()> {
        match sys::process::watch(self.id()) {
            Ok(end) => poll(end.as_fd(), libc::POLLIN, Reason::Exit, None),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(error),
            Err(_) => ask_patiently(Reason::Exit, || Ok(sys::process::has_ended(self.id(), false)?.then_some(()))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.kill_on_drop && matches!(self.try_wait(), Ok(None)) && self.kill().is_ok() {
            // Killed, it ends by itself. Where the system cannot say when (no memory), it is looked after; an error of the look says that it
            // is somebody else's.
            let _ = shielded(|| self.wait().or_else(|_| ask_patiently(Reason::Exit, || self.try_wait())));
        }
    }
}
