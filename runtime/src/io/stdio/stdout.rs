//! Standard output.

use super::raw::{Raw, at_exit, end};
use super::stderr::output;
use crate::sync::{ReentrantLock, ReentrantLockGuard};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, LineWriter, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::process::Stdio;
use std::sync::OnceLock;

type Buffer = RefCell<LineWriter<Raw>>;

/// The process's standard output: [`std::io::Stdout`], whose waits suspend the fiber.
///
/// As std's it is written line by line: what comes after the last line end waits in a buffer until it is
/// [flushed](Write::flush), the buffer is full, or the program ends in an orderly way. The buffer is not that of std's, whose
/// `println!` blocks the worker while nobody reads the pipe: [`fiber::println!`](crate::println) is the one that goes here.
///
/// All fibers and threads share it through a lock, which is the fiber's (or the thread's): who has it can take it again. Each call locks
/// it, so lines written with one call are not mixed; [`lock`](Self::lock) does so for longer.
///
/// It works on a terminal, a pipe, a socket or a file. Its mode is never changed: others have it too.
///
/// # Cancellation
///
/// A wait on a cancelled fiber, or under a time limit that has passed, ends with an error the first time and by unwinding after that; a
/// wait for the lock unwinds. What was not written stays in the buffer.
///
/// # Examples
///
/// ```
/// use fiber::io::{self, Write};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> io::Result<()> {
/// let mut stdout = io::stdout().lock();
/// writeln!(stdout, "two lines")?;
/// writeln!(stdout, "that stay together")?;
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct Stdout {
    inner: &'static ReentrantLock<Buffer>,
}

/// The standard output, locked: [`std::io::StdoutLock`].
pub struct StdoutLock<'a> {
    inner: ReentrantLockGuard<'a, Buffer>,
}

static STDOUT: OnceLock<ReentrantLock<Buffer>> = OnceLock::new();

/// The standard output. As [`std::io::stdout`]; does not suspend.
#[must_use]
pub fn stdout() -> Stdout {
    let inner = STDOUT.get_or_init(|| {
        at_exit(end_at_exit);
        ReentrantLock::new(RefCell::new(LineWriter::new(Raw::STDOUT)))
    });
    Stdout { inner }
}

extern "C" fn end_at_exit() {
    end_of_process();
}

/// Writes what is left in the buffer, if nobody else is writing. No fiber is suspended any more for a standard stream.
pub(crate) fn end_of_process() {
    end();
    if let Some(lock) = STDOUT.get().and_then(ReentrantLock::try_lock)
        && let Ok(mut buffer) = lock.try_borrow_mut()
    {
        // There is nobody left to tell. What is written from now on goes straight through.
        let _ = buffer.flush();
        *buffer = LineWriter::with_capacity(0, Raw::STDOUT);
    }
}

output!(Stdout, StdoutLock, Raw::STDOUT, io::stdout());
