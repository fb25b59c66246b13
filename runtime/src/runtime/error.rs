//! What can go wrong when a runtime starts or ends.

use super::dump::{Count, Dump};
use crate::driver::DriverError;
use crate::fiber::stack::StackError;
use crate::registry::DuplicateTask;
use crate::sched::monitor::SHORTEST_SLICE;
use crate::sched::nodes::UnknownNode;
use crate::topology::format_list;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// A runtime could not start. The text says why, and what to do about it.
///
/// # Examples
///
/// ```
/// let error = fiber::runtime::Builder::new().workers(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "a runtime needs at least one worker, and 0 were asked for");
/// ```
#[derive(Debug)]
pub struct RuntimeError(Cause);

#[derive(Debug)]
pub(super) enum Cause {
    NoWorkers,
    NoBlockingThreads,
    TooManyWorkers(usize),
    NoCpus,
    Cpu(usize, Vec<usize>),
    ShortSlice(Duration),
    Environment { variable: &'static str, value: String, expected: &'static str },
    Node(UnknownNode),
    Stack(StackError),
    Driver(DriverError),
    Duplicate(DuplicateTask),
    Thread(io::Error),
    Signal(io::Error),
}

impl From<Cause> for RuntimeError {
    fn from(cause: Cause) -> Self {
        RuntimeError(cause)
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::NoWorkers => f.write_str("a runtime needs at least one worker, and 0 were asked for"),
            Cause::NoBlockingThreads => {
                f.write_str("the pool for blocking calls needs at least one thread, and 0 were asked for")
            }
            Cause::TooManyWorkers(workers) => {
                write!(
                    f,
                    "{workers} workers were asked for, and at most 4096 make sense; the default is one for each processor"
                )
            }
            Cause::NoCpus => f.write_str("a runtime needs at least one CPU, and none was named"),
            Cause::Cpu(cpu, there) => {
                write!(f, "CPU {cpu} was named for the runtime, and this process may use {}", format_list(there))
            }
            Cause::ShortSlice(slice) => {
                write!(f, "a time slice of {slice:?} was asked for, and the shortest is {SHORTEST_SLICE:?}")
            }
            Cause::Environment { variable, value, expected } => {
                write!(f, "the environment variable {variable} is `{value}`; expected {expected}")
            }
            Cause::Node(unknown) => write!(f, "the default for `numa` cannot be had: {unknown}"),
            Cause::Stack(error) => write!(f, "the stack size cannot be used: {error}"),
            Cause::Driver(error) => error.fmt(f),
            Cause::Duplicate(error) => error.fmt(f),
            Cause::Thread(error) => write!(
                f,
                "a worker thread could not be started: {error}; see the limits on threads (ulimit -u, kernel.threads-max, the \
                 cgroup's pids.max), or ask for fewer workers (FIBER_WORKERS)"
            ),
            Cause::Signal(error) => write!(f, "SIGQUIT could not be watched: {error}"),
        }
    }
}

impl Error for RuntimeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Stack(error) => Some(error),
            Cause::Driver(error) => Some(error),
            Cause::Duplicate(error) => Some(error),
            Cause::Thread(error) | Cause::Signal(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RuntimeError> for io::Error {
    fn from(error: RuntimeError) -> io::Error {
        io::Error::other(error)
    }
}

/// A runtime was shut down and some fibers did not end in time. They and their workers are left behind.
///
/// # Examples
///
/// ```
/// use fiber::runtime::Runtime;
/// use std::time::Duration;
///
/// let runtime = Runtime::new()?;
/// runtime.spawn(|| fiber::park());
/// // Parked fibers can be cancelled, so this succeeds.
/// runtime.shutdown(Duration::from_secs(10)).unwrap();
/// # Ok::<(), fiber::runtime::RuntimeError>(())
/// ```
#[derive(Debug)]
pub struct ShutdownError {
    pub(super) dump: Box<Dump>,
}

impl ShutdownError {
    /// The fibers that were left, and what they were doing.
    #[must_use]
    pub fn dump(&self) -> &Dump {
        &self.dump
    }
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "fiber: the runtime was shut down, but {} did not end in time",
            Count(self.dump.fibers().len(), "fiber")
        )
    }
}

impl Error for ShutdownError {}
