//! How to start a process.

use super::{Child, CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};
use crate::fiber::Reason;
use crate::task::try_blocking;
use std::ffi::OsStr;
use std::path::Path;
use std::{fmt, io, process};

/// A process to be started: [`std::process::Command`], whose waits suspend the fiber.
///
/// It is built by std's methods, here and in [`CommandExt`](crate::os::unix::process::CommandExt), and can be started several times.
///
/// # Examples
///
/// ```
/// use fiber::process::Command;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let mut command = Command::new("sh");
/// command.args(["-c", "echo $GREETING from $PWD"]).env("GREETING", "hello").current_dir("/");
/// assert_eq!(command.output()?.stdout, b"hello from /\n");
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct Command {
    pub(crate) inner: process::Command,
    /// Which streams were given, of input, output and error. The others depend on the call that starts the process.
    given: [bool; 3],
    kill_on_drop: bool,
}

impl Command {
    /// A command to run the program of this name, or at this path. As [`std::process::Command::new`].
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Command { inner: process::Command::new(program), given: [false; 3], kill_on_drop: false }
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets a variable of the child's environment.
    pub fn env<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, key: K, val: V) -> &mut Command {
        self.inner.env(key, val);
        self
    }

    /// Sets variables of the child's environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Takes a variable out of the child's environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.inner.env_remove(key);
        self
    }

    /// Takes all variables out of the child's environment.
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// Sets the child's working directory.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.inner.current_dir(dir);
        self
    }

    /// What the child's standard input is. Unless it is given, the parent's for [`spawn`](Self::spawn) and [`status`](Self::status),
    /// and nothing for [`output`](Self::output).
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stdin(cfg);
        self.given[0] = true;
        self
    }

    /// What the child's standard output is. Unless it is given, the parent's for [`spawn`](Self::spawn) and [`status`](Self::status),
    /// and a pipe for [`output`](Self::output).
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stdout(cfg);
        self.given[1] = true;
        self
    }

    /// What the child's standard error is. As [`stdout`](Self::stdout).
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stderr(cfg);
        self.given[2] = true;
        self
    }

    /// Whether a [`Child`] that is dropped before its end was seen is killed (`SIGKILL`). It is not, unless this says so. Not in std.
    ///
    /// Dropping such a child waits until it is gone, suspending the fiber; a cancellation does not end that wait. So whatever ends the
    /// fiber, a time limit, a panic, a cancelled scope, takes the process with it. What the process has started itself is not
    /// killed: see [`process_group`](crate::os::unix::process::CommandExt::process_group).
    ///
    /// ```
    /// use fiber::process::Command;
    /// use fiber::time::timeout;
    /// use std::time::Duration;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let outcome = timeout(Duration::from_millis(10), || Command::new("sleep").arg("1000").kill_on_drop(true).status());
    /// assert!(outcome.unwrap().is_err(), "it took too long, and is gone");
    /// # });
    /// ```
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Starts the process, on a thread of the blocking pool. Suspends the fiber until the process runs the program, or could not.
    ///
    /// # Errors
    ///
    /// As [`std::process::Command::spawn`]; that of a cancellation or of a time limit around the call, if the start has not begun. If it
    /// has, it is waited for, and its result is the call's.
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.start([Stdio::inherit, Stdio::inherit, Stdio::inherit])
    }

    /// Starts the process and waits for its end; gives what it wrote to its output and error, unless these were given. Suspends the
    /// fiber.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`]. If the wait ends before the process does, it runs on, unless
    /// [`kill_on_drop`](Self::kill_on_drop) says otherwise.
    pub fn output(&mut self) -> io::Result<Output> {
        self.start([Stdio::null, Stdio::piped, Stdio::piped])?.wait_with_output()
    }

    /// Starts the process and waits for its end. Suspends the fiber.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::wait`]. If the wait ends before the process does, it runs on, unless
    /// [`kill_on_drop`](Self::kill_on_drop) says otherwise.
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// The program.
    #[must_use]
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// The arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// The variables that were set, and, as `None`, those that were removed.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// The working directory, if it was set.
    #[must_use]
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }

    /// Starts the process with these streams where none were given.
    fn start(&mut self, streams: [fn() -> Stdio; 3]) -> io::Result<Child> {
        let [stdin, stdout, stderr] = streams;
        // Whether a stream was given is not to be asked of std's command, nor can it be taken back. So each start sets what is not.
        if !self.given[0] {
            self.inner.stdin(stdin());
        }
        if !self.given[1] {
            self.inner.stdout(stdout());
        }
        if !self.given[2] {
            self.inner.stderr(stderr());
        }
        let (inner, kill_on_drop) = (&mut self.inner, self.kill_on_drop);
        try_blocking(Reason::Spawn, || inner.spawn()).map(|child| Child::fresh(child, kill_on_drop))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
