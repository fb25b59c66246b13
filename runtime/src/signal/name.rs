//! Which signal.

use std::ffi::c_int;
use std::fmt;

/// A signal, by its number.
///
/// ```
/// use fiber::signal::Signal;
///
/// assert_eq!(Signal::SIGTERM.as_raw(), 15);
/// assert_eq!(Signal::SIGTERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::from_raw(15), Some(Signal::SIGTERM));
/// assert_eq!(Signal::from_raw(99), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(c_int);

/// The signals that Linux has, with and without names (`_NSIG`, signal(7)).
const LAST: c_int = 64;

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        impl Signal {
            $($(#[$doc])* pub const $name: Signal = Signal(libc::$name);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    /// The terminal is gone; by custom, services read their configuration again.
    SIGHUP,
    /// Ctrl-C.
    SIGINT,
    /// Ctrl-\.
    SIGQUIT,
    /// An instruction that there is not.
    SIGILL,
    /// A breakpoint.
    SIGTRAP,
    /// The process ends itself.
    SIGABRT,
    /// Memory that cannot be had.
    SIGBUS,
    /// A calculation that has no result.
    SIGFPE,
    /// The end, without a word.
    SIGKILL,
    /// The program's own.
    SIGUSR1,
    /// Memory that is not there.
    SIGSEGV,
    /// The program's own.
    SIGUSR2,
    /// A pipe or connection that nobody reads. Rust programs ignore it.
    SIGPIPE,
    /// A timer (alarm(2)).
    SIGALRM,
    /// A request to end.
    SIGTERM,
    /// A child process has ended or was stopped.
    SIGCHLD,
    /// Go on after a stop.
    SIGCONT,
    /// A stop, without a word.
    SIGSTOP,
    /// Ctrl-Z.
    SIGTSTP,
    /// A process in the background reads from the terminal.
    SIGTTIN,
    /// A process in the background writes to the terminal.
    SIGTTOU,
    /// Urgent data on a socket.
    SIGURG,
    /// Too much processor time was used.
    SIGXCPU,
    /// A file became too large.
    SIGXFSZ,
    /// A timer (setitimer(2)).
    SIGVTALRM,
    /// A timer (setitimer(2)).
    SIGPROF,
    /// The terminal has another size.
    SIGWINCH,
    /// Something can be read or written (fcntl(2), `F_SETOWN`).
    SIGIO,
    /// The power fails.
    SIGPWR,
    /// A system call that may not be made.
    SIGSYS,
}

impl Signal {
    /// The signal of this number, if there is one.
    #[must_use]
    pub const fn from_raw(number: c_int) -> Option<Signal> {
        if 1 <= number && number <= LAST { Some(Signal(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn as_raw(self) -> c_int {
        self.0
    }
}

impl From<Signal> for c_int {
    fn from(signal: Signal) -> c_int {
        signal.0
    }
}

/// Its name (`SIGTERM`), or for one without a name its number (`signal 34`).
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("signal {}", self.0)),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
