//! Connections between processes of this machine.
#![deny(unsafe_code)]

use super::SocketAddr;
use crate::net::Shutdown;
use crate::net::mode::Mode;
use crate::net::settings::settings;
use crate::net::sockaddr::Address;
use crate::net::socket;
use crate::net::transfer::stream;
use crate::sched::io::on_fiber;
use std::io;
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;

/// A local stream: [`std::os::unix::net::UnixStream`], whose waits suspend the fiber.
///
/// As [`TcpStream`](crate::net::TcpStream) in all else.
///
/// # Examples
///
/// ```
/// use fiber::net::UnixStream;
/// use std::io::{Read, Write};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let (mut near, mut far) = UnixStream::pair()?;
/// fiber::spawn(move || near.write_all(b"hello"));
/// let mut text = String::new();
/// far.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct UnixStream {
    pub(super) inner: net::UnixStream,
    pub(in crate::net) mode: Arc<Mode>,
}

settings!(UnixStream: net::UnixStream, "let (socket, _peer) = fiber::net::UnixStream::pair()?;");

stream!(UnixStream, "std::os::unix::net::UnixStream");

impl UnixStream {
    /// Connects to the socket at `path`. Suspends the fiber, while the listener's queue is full.
    ///
    /// # Errors
    ///
    /// As [`std::os::unix::net::UnixStream::connect`]: [`NotFound`](io::ErrorKind::NotFound), [`ConnectionRefused`
    /// ](io::ErrorKind::ConnectionRefused) if nobody listens, [`InvalidInput`](io::ErrorKind::InvalidInput) for a path that is too
    /// long for an address; that of a cancellation or of a time limit around the call.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use fiber::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let log = UnixStream::connect("/run/systemd/journal/stdout")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to the socket at this address, which may be an abstract name. As [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{UnixListener, UnixStream, unix::SocketAddr};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let name = format!("example of connect_addr in process {}", std::process::id());
    /// let address = SocketAddr::from_abstract_name(name)?;
    /// let listener = UnixListener::bind_addr(&address)?;
    /// let stream = UnixStream::connect_addr(&address)?;
    /// # drop((listener, stream));
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn connect_addr(socket_addr: &SocketAddr) -> io::Result<UnixStream> {
        let inner = if on_fiber() {
            socket::connect(&Address::from(socket_addr), None)?.into()
        } else {
            net::UnixStream::connect_addr(socket_addr)?
        };
        Ok(UnixStream::fresh(inner))
    }

    /// Two streams that are connected with each other, without an address.
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let (near, far) = fiber::net::UnixStream::pair()?;
    /// assert!(near.local_addr()?.is_unnamed() && far.peer_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, two) = net::UnixStream::pair()?;
        Ok((UnixStream::fresh(one), UnixStream::fresh(two)))
    }

    /// The address of this end; most have none.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if there is none any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Closes one direction of the connection, or both, for every handle of it. As
    /// [`TcpStream::shutdown`](crate::net::TcpStream::shutdown).
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if there is no connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{Shutdown, UnixStream};
    /// use std::io::Read;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let (near, mut far) = UnixStream::pair()?;
    /// near.shutdown(Shutdown::Write)?;
    /// assert_eq!(far.read(&mut [0; 8])?, 0);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }
}
