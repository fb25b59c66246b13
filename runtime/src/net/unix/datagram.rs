//! Datagrams between processes of this machine.
#![deny(unsafe_code)]

use super::SocketAddr;
use crate::net::Shutdown;
use crate::net::exchange::Exchange;
use crate::net::mode::Mode;
use crate::net::settings::settings;
use crate::net::sockaddr::Address;
use crate::sched::io::on_fiber;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;

/// A local socket for datagrams: [`std::os::unix::net::UnixDatagram`], whose waits suspend the fiber.
///
/// Unlike with UDP nothing is lost: who sends to a socket whose queue is full waits. On an ordinary thread every call blocks the
/// thread, as std's does.
///
/// # Examples
///
/// ```
/// use fiber::net::UnixDatagram;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let (near, far) = UnixDatagram::pair()?;
/// near.send(b"hello")?;
/// let mut buf = [0; 16];
/// let n = far.recv(&mut buf)?;
/// assert_eq!(&buf[..n], b"hello");
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct UnixDatagram {
    pub(super) inner: net::UnixDatagram,
    pub(super) mode: Arc<Mode>,
}

settings!(UnixDatagram: net::UnixDatagram, "let socket = fiber::net::UnixDatagram::unbound()?;");

impl UnixDatagram {
    /// A socket at `path`, which it makes a socket of. Does not suspend.
    ///
    /// # Errors
    ///
    /// As [`UnixListener::bind`](super::UnixListener::bind).
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind(path).map(UnixDatagram::fresh)
    }

    /// A socket at this address, which may be an abstract name. As [`bind`](Self::bind).
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{UnixDatagram, unix::SocketAddr};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let name = format!("example of datagrams in process {}", std::process::id());
    /// let address = SocketAddr::from_abstract_name(name)?;
    /// let socket = UnixDatagram::bind_addr(&address)?;
    /// UnixDatagram::unbound()?.send_to_addr(b"hello", &address)?;
    /// let (n, sender) = socket.recv_from(&mut [0; 16])?;
    /// assert!(n == 5 && sender.is_unnamed());
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind_addr(socket_addr).map(UnixDatagram::fresh)
    }

    /// A socket without an address.
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    pub fn unbound() -> io::Result<UnixDatagram> {
        net::UnixDatagram::unbound().map(UnixDatagram::fresh)
    }

    /// Two sockets that are connected with each other, without an address.
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, two) = net::UnixDatagram::pair()?;
        Ok((UnixDatagram::fresh(one), UnixDatagram::fresh(two)))
    }

    /// Sets the peer, for [`send`](Self::send) and [`recv`](Self::recv). Does not suspend.
    ///
    /// # Errors
    ///
    /// As [`std::os::unix::net::UnixDatagram::connect`].
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.inner.connect(path)
    }

    /// Sets the peer by an address, which may be an abstract name. As [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_addr(&self, socket_addr: &SocketAddr) -> io::Result<()> {
        self.inner.connect_addr(socket_addr)
    }

    fn exchange(&self) -> Exchange<'_> {
        Exchange { fd: self.inner.as_fd(), mode: &self.mode }
    }

    /// Receives one datagram: how much of it is in `buf`, and who sent it. What does not fit is lost. Suspends the fiber until
    /// there is one.
    ///
    /// # Errors
    ///
    /// What the system reports; [`WouldBlock`](io::ErrorKind::WouldBlock) at the end of the socket's time limit; that of a
    /// cancellation or of a time limit around the call. A datagram that was there by then is returned.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        if !on_fiber() {
            return self.inner.recv_from(buf);
        }
        let (received, from) = self.exchange().receive_from(buf)?;
        Ok((received, from.local()?))
    }

    /// Receives one datagram; how much of it is in `buf`. As [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        if !on_fiber() {
            return self.inner.recv(buf);
        }
        self.exchange().receive(buf)
    }

    /// Sends one datagram to the socket at `path`. Suspends the fiber while its queue is full.
    ///
    /// # Errors
    ///
    /// As [`std::os::unix::net::UnixDatagram::send_to`]; [`WouldBlock`](io::ErrorKind::WouldBlock) at the end of the socket's time
    /// limit; that of a cancellation or of a time limit around the call.
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.send_to_addr(buf, &SocketAddr::from_pathname(path)?)
    }

    /// Sends one datagram to this address, which may be an abstract name. As [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn send_to_addr(&self, buf: &[u8], socket_addr: &SocketAddr) -> io::Result<usize> {
        if !on_fiber() {
            return self.inner.send_to_addr(buf, socket_addr);
        }
        self.exchange().send_to(buf, &Address::from(socket_addr))
    }

    /// Sends one datagram to the peer. Suspends the fiber while its queue is full.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); [`NotConnected`](io::ErrorKind::NotConnected) without a peer.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        if !on_fiber() {
            return self.inner.send(buf);
        }
        self.exchange().send(buf)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The address of the peer that [`connect`](Self::connect) has set.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Ends one direction, or both, for every handle of the socket: those that wait go on.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if it has no peer.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.shutdown(how)
    }
}
