//! The connection: made, shared, ended.
#![deny(unsafe_code)]

use crate::net::addr::each;
use crate::net::mode::Mode;
use crate::net::sockaddr::Address;
use crate::net::transfer::stream;
use crate::net::{Shutdown, SocketAddr, ToSocketAddrs, socket};
use crate::sched::io::on_fiber;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use std::{io, net};

/// A TCP connection: [`std::net::TcpStream`], whose waits suspend the fiber.
///
/// It is read from and written to through [`Read`](io::Read) and [`Write`](io::Write), which `&TcpStream` has too, so two
/// fibers may use one stream, one in each direction. On an ordinary thread every call blocks the thread, as std's does.
///
/// Dropping the last handle closes the connection.
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
///
/// near.write_all(b"hello")?;
/// let mut buf = [0; 16];
/// let n = far.read(&mut buf)?;
/// assert_eq!(&buf[..n], b"hello");
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct TcpStream {
    pub(super) inner: net::TcpStream,
    pub(in crate::net) mode: Arc<Mode>,
}

impl TcpStream {
    /// A stream over a socket that is as new: in blocking mode, without time limits.
    pub(super) fn fresh(inner: net::TcpStream) -> TcpStream {
        TcpStream { inner, mode: Arc::default() }
    }

    /// A stream over a socket of unknown past.
    pub(super) fn adopted(inner: net::TcpStream) -> TcpStream {
        let mode = Arc::new(Mode::of(inner.as_fd()));
        TcpStream { inner, mode }
    }

    /// Connects to the first of the addresses that lets it. Suspends the fiber.
    ///
    /// # Errors
    ///
    /// As [`std::net::TcpStream::connect`]: the error of the last address, or of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if
    /// there is none. A cancellation, or a time limit around the call, ends it at once, not only for the address just tried.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{SocketAddr, TcpListener, TcpStream};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("localhost:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        each(addr, |address| {
            let inner = if on_fiber() {
                socket::connect(&Address::from(&address), None)?.into()
            } else {
                net::TcpStream::connect(address)?
            };
            Ok(TcpStream::fresh(inner))
        })
    }

    /// Connects to one address within `timeout`. Suspends the fiber.
    ///
    /// # Errors
    ///
    /// As [`std::net::TcpStream::connect_timeout`]: of kind [`TimedOut`](io::ErrorKind::TimedOut) when the time is over,
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is zero. Also the error of a cancellation.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// TcpStream::connect_timeout(&listener.local_addr()?, Duration::from_secs(5))?;
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if !on_fiber() {
            return Ok(TcpStream::fresh(net::TcpStream::connect_timeout(addr, timeout)?));
        }
        if timeout.is_zero() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "cannot set a 0 duration timeout"));
        }
        Ok(TcpStream::fresh(socket::connect(&Address::from(addr), Some(timeout))?.into()))
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if there is none any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(listener.accept()?.1, stream.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Closes one direction of the connection, or both, for every handle of it.
    ///
    /// Fibers and threads that wait on it in that direction go on: reads with the end of the file, writes with an error.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the connection has ended already.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{Shutdown, TcpListener, TcpStream};
    /// use std::io::Read;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let near = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut far, _) = listener.accept()?;
    /// near.shutdown(Shutdown::Write)?;
    /// assert_eq!(far.read(&mut [0; 8])?, 0);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }

    /// Another handle of the same connection, with the same settings.
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    /// use std::io::{Read, Write};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let near = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut far, _) = listener.accept()?;
    ///
    /// let mut writer = near.try_clone()?;
    /// fiber::spawn(move || writer.write_all(b"from another fiber"));
    /// let mut buf = [0; 18];
    /// far.read_exact(&mut buf)?;
    /// assert_eq!(&buf, b"from another fiber");
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        Ok(TcpStream { inner: self.inner.try_clone()?, mode: self.mode.clone() })
    }

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
        self.transfer().peek(buf)
    }
}

stream!(TcpStream, "std::net::TcpStream");
