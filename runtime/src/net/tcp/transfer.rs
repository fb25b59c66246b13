//! Reading from and writing to a connection.
#![deny(unsafe_code)]

use super::TcpStream;
use crate::fiber::Reason;
use crate::net::socket::{self, Manner};
use crate::sched::io::on_fiber;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;

impl TcpStream {
    /// Reads without taking: the next read gets the same data again. Suspends the fiber until there is some.
    ///
    /// Returns how much is in `buf`; zero is the end of the stream.
    ///
    /// # Errors
    ///
    /// As reading.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    /// use std::io::{Read, Write};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut near = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut far, _) = listener.accept()?;
    /// near.write_all(b"x")?;
    /// let mut buf = [0; 8];
    /// assert_eq!(far.peek(&mut buf)?, 1);
    /// assert_eq!(far.read(&mut buf)?, 1);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        if !on_fiber() {
            return self.inner.peek(buf);
        }
        socket::receive(self.inner.as_fd(), buf, libc::MSG_PEEK, &self.receiving(Reason::Peek))
    }

    fn receiving(&self, reason: Reason) -> Manner {
        Manner {
            reason,
            timeout: self.mode.read_timeout.get(),
            waits: !self.mode.nonblocking.load(Relaxed),
            expects_to_wait: false,
        }
    }

    fn sending(&self) -> Manner {
        Manner {
            reason: Reason::Write,
            timeout: self.mode.write_timeout.get(),
            waits: !self.mode.nonblocking.load(Relaxed),
            expects_to_wait: false,
        }
    }

    /// One read of at most `len` bytes by `read`, which is told the manner.
    #[inline]
    fn receive(&self, len: usize, read: impl FnOnce(&Manner) -> io::Result<usize>) -> io::Result<usize> {
        let mut manner = self.receiving(Reason::Read);
        manner.expects_to_wait = manner.waits && self.mode.drained.load(Relaxed);
        let result = read(&manner);
        // Less than there was room for: there was no more. After an error nothing is known, and the next read tries.
        self.mode.drained.store(matches!(result, Ok(received) if 0 < received && received < len), Relaxed);
        result
    }
}

/// Reads what is there, or waits for something. Zero is the end of the stream. Suspends the fiber.
///
/// Fails as [`std::net::TcpStream`] does, and with the error of a cancellation or a time limit around the call.
impl Read for &TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !on_fiber() {
            return (&self.inner).read(buf);
        }
        self.receive(buf.len(), |manner| socket::receive(self.inner.as_fd(), buf, 0, manner))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len = bufs.iter().fold(0usize, |len, buf| len.saturating_add(buf.len()));
        // `readv`, which std uses, does not wait if there is no room; `recvmsg` would.
        if !on_fiber() || len == 0 {
            return (&self.inner).read_vectored(bufs);
        }
        self.receive(len, |manner| socket::receive_vectored(self.inner.as_fd(), bufs, manner))
    }
}

/// As for `&TcpStream`.
impl Read for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

/// Hands data to the system, waiting while its buffer is full. Suspends the fiber.
///
/// Like std's, a write takes all of the data unless a time limit or an error comes when part of it was sent. Flushing does
/// nothing. Fails as [`std::net::TcpStream`] does, and with the error of a cancellation or a time limit around the call.
impl Write for &TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !on_fiber() {
            return (&self.inner).write(buf);
        }
        socket::send(self.inner.as_fd(), buf, &self.sending())
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if !on_fiber() {
            return (&self.inner).write_vectored(bufs);
        }
        socket::send_vectored(self.inner.as_fd(), bufs, &self.sending())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As for `&TcpStream`.
impl Write for TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
