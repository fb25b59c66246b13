//! Settings of a connection.
#![deny(unsafe_code)]

use super::TcpStream;
use std::io;
use std::os::linux::net::TcpStreamExt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl TcpStream {
    /// Limits the time that each read waits; `None` lifts the limit. For every handle of the connection.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a limit of zero. A read that ran into the limit fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), as std's does on Linux.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    /// use std::io::{ErrorKind, Read};
    /// use std::time::Duration;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_read_timeout(Some(Duration::from_millis(1)))?;
    /// assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn set_read_timeout(&self, dur: Option<Duration>) -> io::Result<()> {
        self.inner.set_read_timeout(dur)?;
        self.mode.read_timeout.set(dur);
        Ok(())
    }

    /// Limits the time that each write waits; `None` lifts the limit. For every handle of the connection.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a limit of zero. A write that ran into the limit fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), as std's does on Linux, unless part was sent: then it returns how much.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    /// use std::io::{ErrorKind, Write};
    /// use std::time::Duration;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_write_timeout(Some(Duration::from_millis(1)))?;
    /// // Nobody reads, so the buffers between fill up.
    /// let error = loop {
    ///     if let Err(error) = stream.write(&[0; 65536]) {
    ///         break error;
    ///     }
    /// };
    /// assert_eq!(error.kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn set_write_timeout(&self, dur: Option<Duration>) -> io::Result<()> {
        self.inner.set_write_timeout(dur)?;
        self.mode.write_timeout.set(dur);
        Ok(())
    }

    /// The limit set by [`set_read_timeout`](TcpStream::set_read_timeout), in the system's resolution.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.read_timeout()?, None);
    /// stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    /// assert_eq!(stream.read_timeout()?, Some(Duration::from_secs(1)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.inner.read_timeout()
    }

    /// The limit set by [`set_write_timeout`](TcpStream::set_write_timeout), in the system's resolution.
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
    /// assert_eq!(stream.write_timeout()?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.inner.write_timeout()
    }

    /// Sets the mode of the connection, for every handle of it: in non-blocking mode a call that would have to wait fails instead.
    ///
    /// A fiber needs this no more than a thread does: its waits hold up nobody else. It is here for libraries that poll.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice. Calls that would wait fail with [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    /// use std::io::{ErrorKind, Read};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_nonblocking(true)?;
    /// assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking)?;
        self.mode.nonblocking.store(nonblocking, Relaxed);
        Ok(())
    }

    /// Whether small writes are sent at once (`true`) or gathered for a moment first (`TCP_NODELAY`).
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
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_nodelay(nodelay)
    }

    /// What [`set_nodelay`](TcpStream::set_nodelay) has set.
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
    /// assert!(!TcpStream::connect(listener.local_addr()?)?.nodelay()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.nodelay()
    }

    /// Sets how many routers a packet may pass (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// What the system reports, for zero or more than 255.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_ttl(100)?;
    /// assert_eq!(stream.ttl()?, 100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// How many routers a packet may pass (`IP_TTL`).
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
    /// assert!(TcpStream::connect(listener.local_addr()?)?.ttl()? > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.ttl()
    }

    /// Sets whether data is acknowledged at once instead of with the answer (`TCP_QUICKACK`), for now: the system may change it
    /// back. In std, a method of [`TcpStreamExt`].
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
    /// TcpStream::connect(listener.local_addr()?)?.set_quickack(true)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.inner.set_quickack(quickack)
    }

    /// Whether data is acknowledged at once, at the moment.
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
    /// stream.set_quickack(false)?;
    /// assert!(!stream.quickack()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn quickack(&self) -> io::Result<bool> {
        self.inner.quickack()
    }

    /// Takes the error that the socket has pending (`SO_ERROR`), so that it is not reported again.
    ///
    /// # Errors
    ///
    /// What the system reports of the call itself; none in practice.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert!(TcpStream::connect(listener.local_addr()?)?.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }
}
