//! Standard input.

use super::raw::Raw;
use crate::sync::{Mutex, MutexGuard};
use std::fmt;
use std::io::{self, BufRead, BufReader, IoSliceMut, Lines, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{OnceLock, PoisonError};

/// The process's standard input: [`std::io::Stdin`], whose waits suspend the fiber.
///
/// It has a buffer of its own, which all fibers and threads share through a lock, and which is not that of std's: read through one of them
/// only. Each call locks it for as long as it takes; [`lock`](Self::lock) does for longer.
///
/// It works on a terminal, a pipe, a socket or a file. Its mode is never changed: others have it too.
///
/// # Cancellation
///
/// A wait for input on a cancelled fiber, or under a time limit that has passed, ends with an error the first time and by unwinding after
/// that; a wait for the lock unwinds. What was read meanwhile stays in the buffer, but for the part of a line that
/// [`read_line`](Self::read_line) has put into its string already.
///
/// # Examples
///
/// ```no_run
/// use fiber::io;
///
/// #[fiber::main]
/// fn main() -> io::Result<()> {
///     for line in io::stdin().lines() {
///         println!("{}", line?.to_uppercase());
///     }
///     Ok(())
/// }
/// ```
pub struct Stdin {
    inner: &'static Mutex<BufReader<Raw>>,
}

/// The standard input, locked: [`std::io::StdinLock`]. It is [`Read`] and [`BufRead`].
pub struct StdinLock<'a> {
    inner: MutexGuard<'a, BufReader<Raw>>,
}

/// The standard input. As [`std::io::stdin`]; does not suspend.
#[must_use]
pub fn stdin() -> Stdin {
    static STDIN: OnceLock<Mutex<BufReader<Raw>>> = OnceLock::new();
    Stdin { inner: STDIN.get_or_init(|| Mutex::new(BufReader::new(Raw::STDIN))) }
}

impl Stdin {
    /// Locks it. Suspends the fiber while others have it; taken twice by one fiber, it waits for ever.
    #[must_use]
    pub fn lock(&self) -> StdinLock<'static> {
        // A reader that panicked has left the buffer as it was between two reads.
        StdinLock { inner: self.inner.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Reads a line, with its end, and adds it to `buf`. Zero is the end. As [`std::io::Stdin::read_line`]. Suspends the fiber.
    ///
    /// # Errors
    ///
    /// As std's; that of a cancellation or of a time limit around the call.
    pub fn read_line(&self, buf: &mut String) -> io::Result<usize> {
        self.lock().read_line(buf)
    }

    /// Locks it and gives its lines, without their ends. As [`std::io::Stdin::lines`].
    #[must_use]
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }
}

impl Read for &Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.lock().read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.lock().read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.lock().read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.lock().read_exact(buf)
    }
}

impl Read for Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        (&*self).read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        (&*self).read_exact(buf)
    }
}

impl Read for StdinLock<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.inner.read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.inner.read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.inner.read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(buf)
    }
}

impl BufRead for StdinLock<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

macro_rules! descriptor {
    ($kind:ty) => {
        impl AsFd for $kind {
            fn as_fd(&self) -> BorrowedFd<'_> {
                const { &Raw::STDIN }.as_fd()
            }
        }

        impl AsRawFd for $kind {
            fn as_raw_fd(&self) -> RawFd {
                Raw::STDIN.as_raw_fd()
            }
        }
    };
}
descriptor!(Stdin);
descriptor!(StdinLock<'_>);

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").finish_non_exhaustive()
    }
}

impl fmt::Debug for StdinLock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdinLock").finish_non_exhaustive()
    }
}
