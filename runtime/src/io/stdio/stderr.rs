//! Standard error, and what it has in common with standard output.

use super::raw::Raw;
use crate::sync::{ReentrantLock, ReentrantLockGuard};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::process::Stdio;

/// The process's standard error: [`std::io::Stderr`], whose waits suspend the fiber.
///
/// Without a buffer, as std's: each write goes to the system at once. As [`Stdout`](super::Stdout) in all else.
///
/// ```
/// use fiber::io::{self, Write};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// writeln!(io::stderr(), "something is wrong")
/// # }).unwrap();
/// ```
pub struct Stderr {
    inner: &'static ReentrantLock<RefCell<Raw>>,
}

/// The standard error, locked: [`std::io::StderrLock`].
pub struct StderrLock<'a> {
    inner: ReentrantLockGuard<'a, RefCell<Raw>>,
}

/// The standard error. As [`std::io::stderr`]; does not suspend.
#[must_use]
pub fn stderr() -> Stderr {
    static STDERR: ReentrantLock<RefCell<Raw>> = ReentrantLock::new(RefCell::new(Raw::STDERR));
    Stderr { inner: &STDERR }
}

/// Writing to a stream that locks its writer, and to that when it is locked.
macro_rules! output {
    ($stream:ident, $lock:ident, $raw:expr, $std:expr) => {
        impl $stream {
            /// Locks it. Suspends the fiber while others have it; who has it can take it again.
            #[must_use]
            pub fn lock(&self) -> $lock<'static> {
                $lock { inner: self.inner.lock() }
            }
        }

        /// Suspends the fiber while the system takes nothing. Fails as std's, and with the error of a cancellation or a time limit around
        /// the call.
        impl Write for &$stream {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.lock().write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.lock().write_vectored(bufs)
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                self.lock().write_all(buf)
            }

            fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> io::Result<()> {
                self.lock().write_fmt(arguments)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.lock().flush()
            }
        }

        #[doc = concat!("As for `&", stringify!($stream), "`.")]
        impl Write for $stream {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                (&*self).write_all(buf)
            }

            fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> io::Result<()> {
                (&*self).write_fmt(arguments)
            }

            fn flush(&mut self) -> io::Result<()> {
                (&*self).flush()
            }
        }

        #[doc = concat!("As for `", stringify!($stream), "`.")]
        impl Write for $lock<'_> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.inner.borrow_mut().write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.inner.borrow_mut().write_vectored(bufs)
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                self.inner.borrow_mut().write_all(buf)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.inner.borrow_mut().flush()
            }
        }

        $crate::io::stdio::stderr::output!(@descriptor $stream, $raw);
        $crate::io::stdio::stderr::output!(@descriptor $lock<'_>, $raw);

        /// For a child process: the same stream.
        impl From<$stream> for Stdio {
            fn from(_: $stream) -> Stdio {
                $std.into()
            }
        }

        impl fmt::Debug for $stream {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($stream)).finish_non_exhaustive()
            }
        }

        impl fmt::Debug for $lock<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($lock)).finish_non_exhaustive()
            }
        }
    };
    (@descriptor $kind:ty, $raw:expr) => {
        impl AsFd for $kind {
            fn as_fd(&self) -> BorrowedFd<'_> {
                const { &$raw }.as_fd()
            }
        }

        impl AsRawFd for $kind {
            fn as_raw_fd(&self) -> RawFd {
                $raw.as_raw_fd()
            }
        }
    };
}
pub(super) use output;

output!(Stderr, StderrLock, Raw::STDERR, io::stderr());
