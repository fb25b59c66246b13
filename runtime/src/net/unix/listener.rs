//! The listening local socket.
#![deny(unsafe_code)]

use super::{SocketAddr, UnixStream};
use crate::net::arrivals::Arrivals;
use crate::net::listening::Listening;
use crate::net::socket;
use crate::sched::io::{charge, on_fiber};
use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;

/// A local socket that takes connections: [`std::os::unix::net::UnixListener`], whose waits suspend the fiber.
///
/// Any number of fibers may accept from one listener. On an ordinary thread every call blocks the thread, as std's does. The file
/// of its path stays when it is dropped, as with std.
///
/// # Examples
///
/// ```
/// use fiber::net::{UnixListener, UnixStream};
/// use std::io::{Read, Write};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("fiber-doc-listener-{}", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// let client = fiber::spawn({
///     let path = path.clone();
///     move || UnixStream::connect(path)?.write_all(b"hello")
/// });
/// let (mut peer, _) = listener.accept()?;
/// let mut text = String::new();
/// peer.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # client.join().unwrap()?;
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct UnixListener {
    pub(super) inner: net::UnixListener,
    /// Shared by all handles that `try_clone` made.
    pub(super) mode: Arc<Listening>,
}

impl UnixListener {
    /// A listener over a socket of unknown past.
    pub(super) fn adopted(inner: net::UnixListener) -> UnixListener {
        let mode = Arc::new(Listening::of(inner.as_fd()));
        UnixListener { inner, mode }
    }

    /// Listens at `path`, which it makes a socket of. Does not suspend.
    ///
    /// # Errors
    ///
    /// As [`std::os::unix::net::UnixListener::bind`]: [`AddrInUse`](io::ErrorKind::AddrInUse) if something is there, also what an
    /// earlier listener has left; [`InvalidInput`](io::ErrorKind::InvalidInput) for a path that is too long for an address.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Listens at this address, which may be an abstract name. As [`bind`](Self::bind).
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{UnixListener, unix::SocketAddr};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let name = format!("example of bind_addr in process {}", std::process::id());
    /// let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    /// assert_eq!(listener.local_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixListener> {
        let inner = net::UnixListener::bind_addr(socket_addr)?;
        socket::lengthen_backlog(inner.as_fd())?;
        Ok(UnixListener { inner, mode: Arc::default() })
    }

    /// Takes the next connection, with the address of its other end. Suspends the fiber until there is one.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`](crate::net::TcpListener::accept).
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        if !on_fiber() || !self.mode.waits() {
            let result = self.mode.accept_plainly(self.inner.as_fd(), || self.inner.accept());
            charge();
            let (inner, address) = result?;
            return Ok((UnixStream::fresh(inner), address));
        }
        let (fd, address) = socket::accept(self.inner.as_fd(), &self.mode)?;
        Ok((UnixStream::fresh(fd.into()), address.local()?))
    }

    /// Another handle of the same socket, with the same settings.
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    pub fn try_clone(&self) -> io::Result<UnixListener> {
        Ok(UnixListener { inner: self.inner.try_clone()?, mode: self.mode.clone() })
    }

    /// The address it listens at.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Sets the mode of the socket, for every handle of it. As
    /// [`TcpListener::set_nonblocking`](crate::net::TcpListener::set_nonblocking).
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.mode.set_nonblocking(self.inner.as_fd(), nonblocking)
    }

    /// Takes the error that the socket has pending (`SO_ERROR`), so that it is not reported again.
    ///
    /// # Errors
    ///
    /// What the system reports of the call itself; none in practice.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// All connections, one after the other, as [`accept`](Self::accept) gives them. It never ends.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// All connections, accepted by the kernel ahead of time where it can. As
    /// [`TcpListener::accept_stream`](crate::net::TcpListener::accept_stream).
    ///
    /// ```
    /// use fiber::net::{UnixListener, UnixStream};
    /// # use std::os::linux::net::SocketAddrExt;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// # let name = format!("example of an accept stream in process {}", std::process::id());
    /// # let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    /// let listener = UnixListener::bind_addr(&address)?;
    /// let _client = UnixStream::connect_addr(&address)?;
    /// let _peer = listener.accept_stream().next().expect("it has not been stopped")?;
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn accept_stream(&self) -> AcceptStream<'_> {
        AcceptStream { listener: self, arrivals: Arrivals::new() }
    }
}

/// The connections of a listener, accepted ahead of time: by [`UnixListener::accept_stream`]. Not `Send`.
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct AcceptStream<'a> {
    listener: &'a UnixListener,
    arrivals: Arrivals,
}

impl AcceptStream<'_> {
    /// Accepts no more. As [`net::AcceptStream::stop`](crate::net::AcceptStream::stop).
    pub fn stop(&mut self) {
        self.arrivals.stop();
    }
}

impl Iterator for AcceptStream<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        let UnixListener { inner, mode } = self.listener;
        let one = || self.listener.accept().map(|(stream, _)| stream);
        self.arrivals.next(inner.as_fd(), mode, one, |fd| UnixStream::fresh(fd.into()))
    }
}

impl fmt::Debug for AcceptStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptStream").field("listener", self.listener).finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}

/// The connections of a listener, by [`UnixListener::incoming`].
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Incoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedIterator for Incoming<'_> {}
