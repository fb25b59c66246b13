//! Child processes, with std's names, signatures and errors.
//!
//! Where [`std::process`] blocks its thread, a call of this module made on a fiber suspends that fiber, and the worker runs others
//! meanwhile. Made on an ordinary thread, it blocks the thread, as std's. Porting a program is replacing `std::process` by
//! `fiber::process`, and `std::os::unix::process` by [`fiber::os::unix::process`](crate::os::unix::process).
//!
//! ```
//! use fiber::process::Command;
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
//! let output = Command::new("echo").arg("hello").output()?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello\n");
//! # Ok(())
//! # }).unwrap();
//! ```
//!
//! # How
//!
//! A process is started on a thread of the [blocking pool](crate::blocking), because what runs between `fork` and `exec` is no work for a
//! fiber's stack. Its end is awaited through a descriptor of the process (pidfd_open(2)), by io_uring: no thread waits, and there is no
//! handler of `SIGCHLD`, so nothing here minds who else in the program waits for children of their own. The descriptor
//! is open during the wait only. Where there is none to be had (a seccomp filter, too many open descriptors), a fiber asks
//! again and again, after 1 to 32 ms.
//!
//! # Cancellation
//!
//! A wait on a cancelled fiber, or under a time limit that has passed, ends with an error the first time and by unwinding after that. The
//! child process is not touched by that: it runs on, unless it was started with [`Command::kill_on_drop`] and its [`Child`] goes
//! with the fiber. A process that is being started is started.
//!
//! # What differs from std
//!
//! - [`Command`] and [`Child`] are types of this module; `Child` is made of std's by `From`. The extension traits of
//!   `std::os::unix::process` are std's alone, so [`CommandExt`](crate::os::unix::process::CommandExt) and
//!   [`ChildExt`](crate::os::unix::process::ChildExt) are traits of this crate.
//! - A closure given to [`pre_exec`](crate::os::unix::process::CommandExt::pre_exec) runs in the child of a pool thread. A child that asks
//!   for a signal at its parent's death (`PR_SET_PDEATHSIG`) gets it when that *thread* ends, which is seconds after the pool has
//!   nothing more to do: start such children from a thread of your own.

// The room starts processes and waits for them. It owns their handles. It calls `task` (the pool), `sched::io`, `io` for its pipes, and
// `sys::process`.
#![deny(unsafe_code)]

mod child;
mod command;
mod end;
mod event;
mod exit;
mod stdio;
pub(crate) mod unix;

#[cfg(test)]
mod tests;

pub use child::Child;
pub use command::Command;
pub use end::exit;
pub use std::process::{CommandArgs, CommandEnvs, ExitCode, ExitStatus, Output, Stdio, Termination, abort, id};
pub use stdio::{ChildStderr, ChildStdin, ChildStdout};
