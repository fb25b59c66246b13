//! The standard streams.
//!
//! They were there before the process, and others have them too: the shell, the processes of a pipeline, children. So their mode is never
//! changed. Where a stream is a terminal, a pipe or a socket, an operation of the ring waits for it. Where it is a file, others
//! may move its position at the same time, and only system calls take turns there; so there it is those, without a wait if the system can
//! (`RWF_NOWAIT`), and otherwise on the blocking pool.

mod print;
mod raw;
mod stderr;
mod stdin;
mod stdout;
mod terminal;

pub use print::{_eprint, _print};
pub use stderr::{Stderr, StderrLock, stderr};
pub use stdin::{Stdin, StdinLock, stdin};
pub(crate) use stdout::end_of_process;
pub use stdout::{Stdout, StdoutLock, stdout};
pub use terminal::IsTerminal;
