//! A process that was started.

use super::exit::Process;
use super::{ChildStderr, ChildStdin, ChildStdout, ExitStatus, Output};
use crate::Cancelled;
use crate::sched::io::on_fiber;
use crate::select::{Event, Selectable};
use std::io::{self, Read};
use std::{fmt, process, thread};

/// A child process: [`std::process::Child`], whose waits suspend the fiber.
///
/// As std's, a child that is dropped runs on, unless [`Command::kill_on_drop`](super::Command::kill_on_drop) says otherwise, and one
/// that has ended and was not waited for stays in the system's table until its parent ends: wait for every child.
///
/// ```
/// use fiber::process::Command;
/// use fiber::time::timeout;
/// use std::time::Duration;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let mut child = Command::new("sleep").arg("1000").spawn()?;
/// let late = timeout(Duration::from_millis(10), || child.wait()).expect("the wait gives an error");
/// assert_eq!(late.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
/// child.kill()?;
/// assert!(!child.wait()?.success());
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct Child {
    /// Where the child reads its standard input from, if it is [piped](super::Stdio::piped).
    pub stdin: Option<ChildStdin>,
    /// What the child writes to its standard output, if it is piped.
    pub stdout: Option<ChildStdout>,
    /// What the child writes to its standard error, if it is piped.
    pub stderr: Option<ChildStderr>,
    pub(super) process: Process,
}

impl Child {
    /// A process whose pipes were just made.
    pub(super) fn fresh(mut inner: process::Child, kill_on_drop: bool) -> Child {
        Child {
            stdin: inner.stdin.take().map(|stdin| ChildStdin::fresh(stdin.into())),
            stdout: inner.stdout.take().map(|stdout| ChildStdout::fresh(stdout.into())),
            stderr: inner.stderr.take().map(|stderr| ChildStderr::fresh(stderr.into())),
            process: Process::new(inner, kill_on_drop),
        }
    }

    /// The number that the system has given to the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the process by force (`SIGKILL`). Does not suspend, and does not wait for the end.
    ///
    /// # Errors
    ///
    /// As [`std::process::Child::kill`], which gives none for a process that has ended.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Closes the child's standard input, if it is piped and was not taken out, and waits for its end. Suspends the fiber.
    ///
    /// Once it has ended, every further call gives the same status. A child that waits until somebody reads its piped output never
    /// ends: read it, or use [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Errors
    ///
    /// As [`std::process::Child::wait`]; that of a cancellation or of a time limit around the call, which leave the child as it is: it can be
    /// waited for again.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.process.wait()
    }

    /// Waits for the end of the child and leaves its status to be waited for. Suspends the fiber. Not in std.
    ///
    /// It needs no exclusive access, so that others can send signals meanwhile: as long as nobody has called [`wait`](Self::wait), the
    /// process keeps its number, also when it has ended.
    ///
    /// # Errors
    ///
    /// What the system reports, if somebody else in the process has waited for the child; that of a cancellation or of a time limit
    /// around the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::os::unix::process::ChildExt;
    /// use fiber::process::Command;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// fiber::scope(|scope| {
    ///     let ended = scope.spawn(|| child.ended());
    ///     child.send_signal(fiber::signal::Signal::SIGTERM.as_raw())?;
    ///     ended.join().unwrap()
    /// })?;
    /// assert!(!child.wait()?.success());
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn ended(&self) -> io::Result<()> {
        self.process.ended()
    }

    /// What [`wait`](Self::wait) waits for, as an event for [`select!`](crate::select!), where it is what `wait()` stands for.
    ///
    /// It leaves the child's standard input open, and if another arm happens the child is as it was. It takes a descriptor, which the child
    /// keeps until it is dropped; where there is none to be had, and on an ordinary thread, the process is looked at every 1 to 32 milliseconds.
    ///
    /// # Errors
    ///
    /// As [`std::process::Child::try_wait`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::process::Command;
    /// use fiber::select;
    /// use fiber::time::{Duration, after};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// let in_time = select! {
    ///     status = child.wait() => Some(status?),
    ///     () = after(Duration::from_millis(10)) => None,
    /// };
    /// assert!(in_time.is_none(), "it runs on");
    /// child.kill()?;
    /// let status = child.wait()?;
    /// assert!(!status.success());
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn wait_event(&mut self) -> impl Event<Output = io::Result<ExitStatus>> {
        self.process.end()
    }

    /// The status of the child if it has ended. Does not suspend, and leaves its standard input open.
    ///
    /// # Errors
    ///
    /// As [`std::process::Child::try_wait`].
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Closes the child's standard input, reads its standard output and error, as far as they are piped, both at once and to their end, and
    /// waits for the end of the child. Suspends the fiber.
    ///
    /// # Errors
    ///
    /// Those of reading and of [`wait`](Self::wait); that of a cancellation or of a time limit around the call. The child is dropped
    /// then, and what was read is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::process::{Command, Stdio};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let child = Command::new("sh")
    ///     .args(["-c", "echo out; echo err >&2; exit 3"])
    ///     .stdout(Stdio::piped())
    ///     .stderr(Stdio::piped())
    ///     .spawn()?;
    /// let output = child.wait_with_output()?;
    /// assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"err\n"[..]));
    /// assert_eq!(output.status.code(), Some(3));
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        match (self.stdout.take(), self.stderr.take()) {
            (None, None) => (),
            (Some(mut out), None) => drop(out.read_to_end(&mut stdout)?),
            (None, Some(mut err)) => drop(err.read_to_end(&mut stderr)?),
            (Some(out), Some(err)) => read_both(out, &mut stdout, err, &mut stderr)?,
        }
        let status = self.wait()?;
        Ok(Output { status, stdout, stderr })
    }
}

/// Reads both to their end, at once: a child that fills the pipe that nobody reads would write no more to the other.
fn read_both(mut out: ChildStdout, stdout: &mut Vec<u8>, mut err: ChildStderr, stderr: &mut Vec<u8>) -> io::Result<()> {
    if !on_fiber() {
        return thread::scope(|scope| {
            let errors = thread::Builder::new().spawn_scoped(scope, move || err.read_to_end(stderr))?;
            out.read_to_end(stdout)?;
            errors.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(drop)
        });
    }
    crate::scope(|scope| {
        let errors = scope.spawn(move || err.read_to_end(stderr));
        if let Err(error) = out.read_to_end(stdout) {
            scope.cancel();
            return Err(error);
        }
        // It has nothing to panic about: without a result it was cancelled, as everything is at the end of a runtime.
        errors.join().unwrap_or_else(|_| Err(io::Error::other(Cancelled))).map(drop)
    })
}

/// Its end.
impl Selectable for &mut Child {
    type Output = io::Result<ExitStatus>;

    fn into_event(self) -> impl Event<Output = io::Result<ExitStatus>> {
        self.wait_event()
    }
}

/// A child that was started by std, with its pipes. It is not killed when it is dropped.
impl From<process::Child> for Child {
    fn from(mut theirs: process::Child) -> Child {
        Child {
            stdin: theirs.stdin.take().map(ChildStdin::from),
            stdout: theirs.stdout.take().map(ChildStdout::from),
            stderr: theirs.stderr.take().map(ChildStderr::from),
            process: Process::new(theirs, false),
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
