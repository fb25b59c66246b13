//! UDP sockets.
#![deny(unsafe_code)]

use super::addr::each;
use super::exchange::Exchange;
use super::mode::Mode;
use super::settings::settings;
use super::sockaddr::Address;
use super::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use crate::sched::io::on_fiber;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::{io, net};

/// A UDP socket: [`std::net::UdpSocket`], whose waits suspend the fiber.
///
/// Any number of fibers may use one socket at once; each datagram goes to one of them, whole. On an ordinary thread every call
/// blocks the thread, as std's does.
///
/// # Examples
///
/// ```
/// use fiber::net::UdpSocket;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let address = server.local_addr()?;
/// fiber::spawn(move || -> std::io::Result<()> {
///     let mut buf = [0; 1500];
///     let (n, peer) = server.recv_from(&mut buf)?;
///     server.send_to(&buf[..n], peer)?;
///     Ok(())
/// });
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.connect(address)?;
/// client.send(b"ping")?;
/// let mut buf = [0; 1500];
/// assert_eq!(client.recv(&mut buf)?, 4);
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct UdpSocket {
    pub(super) inner: net::UdpSocket,
    pub(super) mode: Arc<Mode>,
}

settings!(UdpSocket: net::UdpSocket, "let socket = fiber::net::UdpSocket::bind(\"127.0.0.1:0\")?;");

impl UdpSocket {
    /// A socket at the first of the addresses that lets it. Port zero is any free one. Suspends the fiber only to look up a name.
    ///
    /// # Errors
    ///
    /// As [`std::net::UdpSocket::bind`]: the error of the last address, or of kind [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// assert_ne!(UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        Ok(UdpSocket::fresh(each(addr, net::UdpSocket::bind)?))
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
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::UdpSocket;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let (one, two) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// one.send_to(b"hello", two.local_addr()?)?;
    /// let mut buf = [0; 16];
    /// assert_eq!(two.recv_from(&mut buf)?, (5, one.local_addr()?));
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        if !on_fiber() {
            return self.inner.recv_from(buf);
        }
        let (received, from) = self.exchange().receive_from(buf)?;
        Ok((received, from.internet()?))
    }

    /// As [`recv_from`](Self::recv_from), without taking the datagram: the next call gets the same again.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::UdpSocket;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let (one, two) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// one.send_to(b"hello", two.local_addr()?)?;
    /// let mut buf = [0; 16];
    /// assert_eq!(two.peek_from(&mut buf)?, two.recv_from(&mut [0; 16])?);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        if !on_fiber() {
            return self.inner.peek_from(buf);
        }
        let (received, from) = self.exchange().peek_from(buf)?;
        Ok((received, from.internet()?))
    }

    /// Sends one datagram to the first of the addresses. Suspends the fiber while the socket's buffer is full.
    ///
    /// # Errors
    ///
    /// As [`std::net::UdpSocket::send_to`]: [`InvalidInput`](io::ErrorKind::InvalidInput) without an address, `EMSGSIZE` for a
    /// datagram that is too long; that of a cancellation or of a time limit around the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::UdpSocket;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// assert_eq!(socket.send_to(b"to myself", socket.local_addr()?)?, 9);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let Some(address) = addr.to_socket_addrs()?.next() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to"));
        };
        if !on_fiber() {
            return self.inner.send_to(buf, address);
        }
        self.exchange().send_to(buf, &Address::from(&address))
    }

    /// Sets the peer, for [`send`](Self::send) and [`recv`](Self::recv): the first of the addresses that lets it. From then on
    /// datagrams of others are not received. Suspends the fiber only to look up a name.
    ///
    /// # Errors
    ///
    /// As [`std::net::UdpSocket::connect`].
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (one, two) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// one.connect(two.local_addr()?)?;
    /// assert_eq!(one.peer_addr()?, two.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        each(addr, |address| self.inner.connect(address))
    }

    /// Sends one datagram to the peer that [`connect`](Self::connect) has set. Suspends the fiber while the socket's buffer is
    /// full.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); `EDESTADDRREQ` without a peer; `ECONNREFUSED` if an earlier datagram met nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::UdpSocket;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.connect(socket.local_addr()?)?;
    /// assert_eq!(socket.send(b"to myself")?, 9);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        if !on_fiber() {
            return self.inner.send(buf);
        }
        self.exchange().send(buf)
    }

    /// Receives one datagram; how much of it is in `buf`. As [`recv_from`](Self::recv_from), for when it is known who sends.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from); `ECONNREFUSED` if an earlier datagram met nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::UdpSocket;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.connect(socket.local_addr()?)?;
    /// socket.send(b"to myself")?;
    /// let mut buf = [0; 2];
    /// assert_eq!((socket.recv(&mut buf)?, &buf), (2, b"to"));
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        if !on_fiber() {
            return self.inner.recv(buf);
        }
        self.exchange().receive(buf)
    }

    /// As [`recv`](Self::recv), without taking the datagram: the next call gets the same again.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::UdpSocket;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.connect(socket.local_addr()?)?;
    /// socket.send(b"to myself")?;
    /// assert_eq!(socket.peek(&mut [0; 16])?, socket.recv(&mut [0; 16])?);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        if !on_fiber() {
            return self.inner.peek(buf);
        }
        self.exchange().peek(buf)
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
    /// # fn main() -> std::io::Result<()> {
    /// let socket = fiber::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert!(socket.local_addr()?.ip().is_loopback());
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The peer that [`connect`](Self::connect) has set.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let socket = fiber::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert_eq!(socket.peer_addr().unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }
}

/// Settings that are the kernel's alone: `set_x(value)` and `x()`.
macro_rules! options {
    ($($(#[$doc:meta])* $set:ident, $get:ident: $value:ty = $example:literal, $address:literal;)*) => {
        impl UdpSocket {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// What the system reports, for a value that it does not take.
                ///
                /// # Examples
                ///
                /// ```
                /// # fn main() -> std::io::Result<()> {
                #[doc = concat!("let socket = fiber::net::UdpSocket::bind(\"", $address, "\")?;")]
                #[doc = concat!("socket.", stringify!($set), "(", stringify!($example), ")?;")]
                #[doc = concat!("assert_eq!(socket.", stringify!($get), "()?, ", stringify!($example), ");")]
                /// # Ok(())
                /// # }
                /// ```
                pub fn $set(&self, value: $value) -> io::Result<()> {
                    self.inner.$set(value)
                }

                #[doc = concat!("What [`", stringify!($set), "`](Self::", stringify!($set), ") sets.")]
                ///
                /// # Errors
                ///
                /// What the system reports; none in practice.
                pub fn $get(&self) -> io::Result<$value> {
                    self.inner.$get()
                }
            )*
        }
    };
}

options! {
    /// Sets whether it may send to broadcast addresses (`SO_BROADCAST`).
    set_broadcast, broadcast: bool = true, "127.0.0.1:0";
    /// Sets how many routers a packet may pass (`IP_TTL`).
    set_ttl, ttl: u32 = 100, "127.0.0.1:0";
    /// Sets whether multicasts that it sends come back to this machine (`IP_MULTICAST_LOOP`).
    set_multicast_loop_v4, multicast_loop_v4: bool = false, "127.0.0.1:0";
    /// Sets how many routers its multicasts may pass (`IP_MULTICAST_TTL`); 1 unless set.
    set_multicast_ttl_v4, multicast_ttl_v4: u32 = 4, "127.0.0.1:0";
    /// Sets whether multicasts that it sends over IPv6 come back to this machine (`IPV6_MULTICAST_LOOP`).
    set_multicast_loop_v6, multicast_loop_v6: bool = false, "[::1]:0";
}

impl UdpSocket {
    /// Joins a multicast group (`IP_ADD_MEMBERSHIP`), on the interface that has the address `interface`; unspecified, the
    /// system chooses one.
    ///
    /// # Errors
    ///
    /// What the system reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use fiber::net::{Ipv4Addr, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let socket = UdpSocket::bind("0.0.0.0:5353")?;
    /// socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &Ipv4Addr::UNSPECIFIED)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.join_multicast_v4(multiaddr, interface)
    }

    /// Joins a multicast group of IPv6 (`IPV6_ADD_MEMBERSHIP`), on the interface with this index; zero is any.
    ///
    /// # Errors
    ///
    /// What the system reports.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.join_multicast_v6(multiaddr, interface)
    }

    /// The inverse of [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// What the system reports, if it was not joined.
    pub fn leave_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.leave_multicast_v4(multiaddr, interface)
    }

    /// The inverse of [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// What the system reports, if it was not joined.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.leave_multicast_v6(multiaddr, interface)
    }
}
