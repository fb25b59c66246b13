//! Reading from and writing to a connection, of whatever family.
#![deny(unsafe_code)]

use super::mode::Mode;
use super::socket::{self, Manner};
use crate::fiber::Reason;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::Relaxed;

/// A connected stream, on a fiber.
pub(super) struct Transfer<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) mode: &'a Mode,
}

impl Transfer<'_> {
    pub(super) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(buf.len(), |manner| receive(self.fd, buf, 0, manner))
    }

    /// There is room for something.
    pub(super) fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.receive(length(bufs), |manner| socket::receive_vectored(self.fd, bufs, manner))
    }

    pub(super) fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        receive(self.fd, buf, libc::MSG_PEEK, &self.mode.receiving(Reason::Peek))
    }

    pub(super) fn write(&self, buf: &[u8]) -> io::Result<usize> {
        socket::send(self.fd, buf, &self.mode.sending())
    }

    pub(super) fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        socket::send_vectored(self.fd, bufs, &self.mode.sending())
    }

    /// One read of at most `len` bytes by `read`, which is told the manner.
    #[inline]
    fn receive(&self, len: usize, read: impl FnOnce(&Manner) -> io::Result<usize>) -> io::Result<usize> {
        let mut manner = self.mode.receiving(Reason::Read);
        manner.expects_to_wait = manner.waits && self.mode.drained.load(Relaxed);
        let result = read(&manner);
        // Less than there was room for: there was no more. After an error nothing is known, and the next read tries.
        self.mode.drained.store(matches!(result, Ok(received) if 0 < received && received < len), Relaxed);
        result
    }
}

fn receive(fd: BorrowedFd<'_>, buf: &mut [u8], flags: i32, manner: &Manner) -> io::Result<usize> {
    let empty = buf.is_empty();
    match socket::receive(fd, buf, flags, manner) {
        // Linux lets one that asks for nothing wait for data too, but not fail for want of it.
        Err(error) if empty && manner.waits && error.raw_os_error() == Some(libc::EAGAIN) => Ok(0),
        result => result,
    }
}

/// How much fits.
pub(super) fn length(bufs: &[IoSliceMut<'_>]) -> usize {
    bufs.iter().fold(0usize, |len, buf| len.saturating_add(buf.len()))
}

/// Reading and writing for a type with `inner`, std's stream, and `mode`.
macro_rules! stream {
    ($stream:ident, $like:literal) => {
        impl $stream {
            fn transfer(&self) -> crate::net::transfer::Transfer<'_> {
                crate::net::transfer::Transfer { fd: std::os::fd::AsFd::as_fd(&self.inner), mode: &self.mode }
            }
        }

        /// Reads what is there, or waits for something. Zero is the end of the stream. Suspends the fiber.
        ///
        #[doc = concat!("Fails as [`", $like, "`] does, and with the error of a cancellation or a time limit around the call.")]
        impl std::io::Read for &$stream {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                if !crate::sched::io::on_fiber() {
                    return (&self.inner).read(buf);
                }
                self.transfer().read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
                // `readv`, which std uses, does not wait if there is no room; `recvmsg` would.
                if !crate::sched::io::on_fiber() || crate::net::transfer::length(bufs) == 0 {
                    return (&self.inner).read_vectored(bufs);
                }
                self.transfer().read_vectored(bufs)
            }
        }

        #[doc = concat!("As for `&", stringify!($stream), "`.")]
        impl std::io::Read for $stream {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                (&*self).read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
                (&*self).read_vectored(bufs)
            }
        }

        /// Hands data to the system, waiting while its buffer is full. Suspends the fiber.
        ///
        /// Like std's, a write takes all of the data unless a time limit or an error comes when part of it was sent. Flushing
        /// does nothing.
        #[doc = concat!("Fails as [`", $like, "`] does, and with the error of a cancellation or a time limit around the call.")]
        impl std::io::Write for &$stream {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                if !crate::sched::io::on_fiber() {
                    return (&self.inner).write(buf);
                }
                self.transfer().write(buf)
            }

            fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                if !crate::sched::io::on_fiber() {
                    return (&self.inner).write_vectored(bufs);
                }
                self.transfer().write_vectored(bufs)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        #[doc = concat!("As for `&", stringify!($stream), "`.")]
        impl std::io::Write for $stream {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    };
}
pub(super) use stream;
