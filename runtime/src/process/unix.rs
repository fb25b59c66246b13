//! What std has for processes on this kind of system only.
#![allow(unsafe_code, reason = "pre_exec is unsafe to call, here as in std")]

use super::{Child, Command};
use crate::fiber::Reason;
use crate::sys;
use crate::task::try_blocking;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process;

/// What a [`Command`] has on Unix: [`std::os::unix::process::CommandExt`], which is for std's commands alone.
///
/// ```
/// use fiber::os::unix::process::CommandExt;
/// use fiber::process::Command;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let output = Command::new("sh").arg0("another name").args(["-c", "echo $0"]).process_group(0).output()?;
/// assert_eq!(output.stdout, b"another name\n");
/// # Ok(())
/// # }).unwrap();
/// ```
pub trait CommandExt: Sealed {
    /// Sets the child's user.
    fn uid(&mut self, id: u32) -> &mut Command;

    /// Sets the child's group.
    fn gid(&mut self, id: u32) -> &mut Command;

    /// Has a closure run in the child, before it runs the program: in a copy of a thread of the blocking pool.
    ///
    /// # Safety
    ///
    /// As for [`std::os::unix::process::CommandExt::pre_exec`]: in a process that had other threads only what a signal handler may
    /// do is allowed.
    unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static;

    /// Runs the program in place of this one. Returns only if that fails, and why. On the blocking pool; suspends.
    fn exec(&mut self) -> io::Error;

    /// Sets the program's own name, the argument before the first.
    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command;

    /// Sets the child's process group; zero makes one of its own.
    fn process_group(&mut self, pgroup: i32) -> &mut Command;
}

impl CommandExt for Command {
    fn uid(&mut self, id: u32) -> &mut Command {
        process::CommandExt::uid(&mut self.inner, id);
        self
    }

    fn gid(&mut self, id: u32) -> &mut Command {
        process::CommandExt::gid(&mut self.inner, id);
        self
    }

    unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller vouches for the closure.
        unsafe { process::CommandExt::pre_exec(&mut self.inner, f) };
        self
    }

    fn exec(&mut self) -> io::Error {
        match try_blocking(Reason::Spawn, || Err(process::CommandExt::exec(&mut self.inner))) {
            Ok(never) => never,
            Err(error) => error,
        }
    }

    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        process::CommandExt::arg0(&mut self.inner, arg);
        self
    }

    fn process_group(&mut self, pgroup: i32) -> &mut Command {
        process::CommandExt::process_group(&mut self.inner, pgroup);
        self
    }
}

/// What a [`Child`] has on Unix: std's trait of this name, which is not stable yet.
pub trait ChildExt: Sealed {
    /// Sends the child a signal. None is sent, and there is no error, if its end was seen by [`Child::wait`] or [`Child::try_wait`]. Does
    /// not suspend.
    ///
    /// # Errors
    ///
    /// What the system reports: no such signal, a process that may not be signalled.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::os::unix::process::{ChildExt, ExitStatusExt};
    /// use fiber::process::Command;
    /// use fiber::signal::Signal;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.send_signal(Signal::SIGTERM.as_raw())?;
    /// assert_eq!(child.wait()?.signal(), Some(Signal::SIGTERM.as_raw()));
    /// child.send_signal(Signal::SIGTERM.as_raw())
    /// # }).unwrap();
    /// ```
    fn send_signal(&self, signal: i32) -> io::Result<()>;

    /// As [`send_signal`](Self::send_signal), to every process of the group that the child leads: with
    /// [`process_group(0)`](CommandExt::process_group) that is the child and all that it started.
    ///
    /// # Errors
    ///
    /// As [`send_signal`](Self::send_signal); and if the child leads no group.
    fn send_process_group_signal(&self, signal: i32) -> io::Result<()>;
}

impl ChildExt for Child {
    fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.process.signal(|id| sys::process::kill(id, signal))
    }

    fn send_process_group_signal(&self, signal: i32) -> io::Result<()> {
        self.process.signal(|id| sys::process::kill_group(id, signal))
    }
}

/// For this crate's types alone, so that methods can be added.
pub trait Sealed {}

impl Sealed for Command {}
impl Sealed for Child {}
