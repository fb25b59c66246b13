//! The listening socket.
#![deny(unsafe_code)]

use super::TcpStream;
use crate::net::addr::each;
use crate::net::arrivals::Arrivals;
use crate::net::listening::Listening;
use crate::net::sockaddr::Address;
use crate::net::{SocketAddr, ToSocketAddrs, socket};
use crate::sched::io::{charge, on_fiber};
use std::fmt;
use std::iter::FusedIterator;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::{io, net};

/// A socket that takes connections: [`std::net::TcpListener`], whose waits suspend the fiber.
///
/// Any number of fibers may accept from one listener. On an ordinary thread every call blocks the thread, as std's does.
///
/// # Examples
///
/// ```
/// use fiber::net::{TcpListener, TcpStream};
/// use std::io::{self, Read, Write};
///
/// fn echo(mut peer: TcpStream) -> io::Result<()> {
///     let mut buf = [0; 4096];
///     loop {
///         match peer.read(&mut buf)? {
///             0 => return Ok(()),
///             n => peer.write_all(&buf[..n])?,
///         }
///     }
/// }
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let _client = TcpStream::connect(listener.local_addr()?)?;
/// for peer in listener.incoming() {
///     let peer = peer?;
///     fiber::spawn(move || echo(peer));
/// #   break;
/// }
/// # Ok(())
/// # }).unwrap();
/// ```
pub struct TcpListener {
    pub(super) inner: net::TcpListener,
    /// Shared by all handles that `try_clone` made.
    pub(super) mode: Arc<Listening>,
}

impl TcpListener {
    /// A listener over a socket of unknown past.
    pub(super) fn adopted(inner: net::TcpListener) -> TcpListener {
        let mode = Arc::new(Listening::of(inner.as_fd()));
        TcpListener { inner, mode }
    }

    /// Listens at the first of the addresses that lets it. Port zero is any free one.
    ///
    /// Suspends the fiber only to look up a name.
    ///
    /// # Errors
    ///
    /// As [`std::net::TcpListener::bind`]: the error of the last address, or of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if
    /// there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind(("127.0.0.1", 0))?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let inner = each(addr, net::TcpListener::bind)?;
        socket::lengthen_backlog(inner.as_fd())?;
        Ok(TcpListener { inner, mode: Arc::default() })
    }

    /// Listens at the first of the addresses that lets it, beside other listeners that were bound in this way (`SO_REUSEPORT`).
    ///
    /// The kernel gives each connection to one of those that listen at the same address, by a hash of the addresses of both ends. They may be of
    /// several processes, if those are of one user: nothing says any more that an address is in use. [`SpreadListener`](crate::net::SpreadListener)
    /// makes one for each worker.
    ///
    /// A listener that is closed takes those connections with it that it was given and that nobody has accepted: their clients see a reset.
    ///
    /// # Errors
    ///
    /// As [`bind`](TcpListener::bind). The address is in use if somebody listens there who has not asked for this.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let one = TcpListener::bind_reuse_port("127.0.0.1:0")?;
    /// let two = TcpListener::bind_reuse_port(one.local_addr()?)?;
    /// assert_eq!(one.local_addr()?, two.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind_reuse_port<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let fd = each(addr, |address| socket::listen_beside_others(&Address::from(&address)))?;
        Ok(TcpListener { inner: fd.into(), mode: Arc::default() })
    }

    /// The address it listens at.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// assert!(TcpListener::bind("127.0.0.1:0")?.local_addr()?.ip().is_loopback());
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Another handle of the same socket, with the same settings.
    ///
    /// # Errors
    ///
    /// What the system reports, such as too many open descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert_eq!(listener.try_clone()?.local_addr()?, listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        Ok(TcpListener { inner: self.inner.try_clone()?, mode: self.mode.clone() })
    }

    /// Takes the next connection, with the address of its other end. Suspends the fiber until there is one.
    ///
    /// # Errors
    ///
    /// As [`std::net::TcpListener::accept`]. Most are of one connection (`ECONNABORTED`) or of the moment (`EMFILE`: too many
    /// descriptors), so a server reports them and goes on. A cancellation, or a time limit around the call, ends it too; a
    /// connection that was there by then is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let (_peer, address) = listener.accept()?;
    /// assert_eq!(address, client.local_addr()?);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (inner, address) = if !on_fiber() || !self.mode.waits() {
            let result = self.mode.accept_plainly(self.inner.as_fd(), || self.inner.accept());
            charge();
            result?
        } else {
            let (fd, address) = socket::accept(self.inner.as_fd(), &self.mode)?;
            (fd.into(), address.internet()?)
        };
        // What was set on a listener of unknown past, its connections may have inherited.
        let stream = if self.mode.adopted { TcpStream::adopted(inner) } else { TcpStream::fresh(inner) };
        Ok((stream, address))
    }

    /// All connections, one after the other, as [`accept`](TcpListener::accept) gives them. It never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let peer = listener.incoming().next().expect("it never ends")?;
    /// assert_eq!(peer.peer_addr()?, client.local_addr()?);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// All connections, one after the other, as [`incoming`](TcpListener::incoming) gives them, but accepted by the kernel ahead of time: with
    /// one request for many of them.
    ///
    /// On a fiber whose runtime waits by io_uring, from Linux 6.8 on (`IORING_ACCEPT_MULTISHOT`, which kernels from 5.19 on have with a defect). Elsewhere,
    /// and on ordinary threads, it is as `incoming`, and accepts when it is asked.
    ///
    /// It saves about a tenth of the server's processor time for each connection (7 % at one connection at a time, 15 % in bursts of 128; Linux
    /// 6.18), and no time that a client would notice.
    ///
    /// What it means that they are accepted ahead of time:
    ///
    /// - Clients that have connected may be waiting here, up to about 64 of them, while the loop is busy with something else; further ones wait
    ///   in the kernel as always. Each has a descriptor already.
    /// - Other fibers, threads and processes that accept from the same socket get what is left. So this is for a loop that has the listener to
    ///   itself and spawns a fiber for each connection.
    /// - When the stream is dropped, those that it has not given out are closed: their clients see the end of the connection, or a reset, as they
    ///   do when a listener is closed. To take them first, [`stop`](AcceptStream::stop) it.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let mut connections = listener.accept_stream();
    /// let peer = connections.next().expect("it has not been stopped")?;
    /// assert_eq!(peer.peer_addr()?, client.local_addr()?);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn accept_stream(&self) -> AcceptStream<'_> {
        AcceptStream { listener: self, arrivals: Arrivals::new() }
    }

    /// Sets how many routers a packet of the connections may pass (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// What the system reports, for zero or more than 255.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_ttl(100)?;
    /// assert_eq!(listener.ttl()?, 100);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.set_ttl(ttl)
    }

    /// How many routers a packet of the connections may pass (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// assert!(TcpListener::bind("127.0.0.1:0")?.ttl()? > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.ttl()
    }

    /// Sets whether it takes IPv6 connections only. Always fails: it is too late once the socket is bound.
    ///
    /// # Errors
    ///
    /// What the system reports.
    #[deprecated = "this option can only be set before the socket is bound"]
    pub fn set_only_v6(&self, only_v6: bool) -> io::Result<()> {
        #[expect(deprecated, reason = "std has it, so we have it")]
        self.inner.set_only_v6(only_v6)
    }

    /// Whether it takes IPv6 connections only.
    ///
    /// # Errors
    ///
    /// What the system reports.
    #[deprecated = "this option can only be set before the socket is bound"]
    pub fn only_v6(&self) -> io::Result<bool> {
        #[expect(deprecated, reason = "std has it, so we have it")]
        self.inner.only_v6()
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
    /// use fiber::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// assert!(TcpListener::bind("127.0.0.1:0")?.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Sets the mode of the socket, for every handle of it: in non-blocking mode, accepting fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when no connection is there. The connections are in blocking mode all the same.
    ///
    /// # Errors
    ///
    /// What the system reports; none in practice.
    ///
    /// # Examples
    ///
    /// ```
    /// use fiber::net::TcpListener;
    /// use std::io::ErrorKind;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_nonblocking(true)?;
    /// assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.mode.set_nonblocking(self.inner.as_fd(), nonblocking)
    }
}

/// The connections of a listener, accepted ahead of time: by [`TcpListener::accept_stream`].
///
/// It belongs to the fiber that it was made on, or to one beside it on the same worker, and is not `Send`:
///
/// ```compile_fail
/// fn cannot_leave(connections: fiber::net::AcceptStream<'static>) {
///     std::thread::spawn(move || drop(connections));
/// }
/// ```
///
/// Dropping it on a fiber waits for the kernel to take note, which it does at once.
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct AcceptStream<'a> {
    listener: &'a TcpListener,
    arrivals: Arrivals,
}

impl AcceptStream<'_> {
    /// Accepts no more. The iterator goes on with the connections that were accepted by now, and then ends.
    ///
    /// Waits, on a fiber, for the kernel to take note, which it does at once.
    ///
    /// ```
    /// use fiber::net::{TcpListener, TcpStream};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _clients = [TcpStream::connect(listener.local_addr()?)?, TcpStream::connect(listener.local_addr()?)?];
    /// let mut connections = listener.accept_stream();
    /// let first = connections.next();
    /// connections.stop();
    /// let rest = connections.count();
    /// assert!(first.is_some() && rest <= 1);
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn stop(&mut self) {
        self.arrivals.stop();
    }
}

impl Iterator for AcceptStream<'_> {
    type Item = io::Result<TcpStream>;

    /// The next connection. As [`TcpListener::accept`], with its errors; none once it was stopped and has given out what there was.
    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        let TcpListener { inner, mode } = self.listener;
        self.arrivals.next(
            inner.as_fd(),
            mode,
            || self.listener.accept().map(|(stream, _)| stream),
            |fd| {
                // As in `accept`.
                if mode.adopted { TcpStream::adopted(fd.into()) } else { TcpStream::fresh(fd.into()) }
            },
        )
    }
}

impl fmt::Debug for AcceptStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptStream").field("listener", self.listener).finish_non_exhaustive()
    }
}

/// The connections of a listener, by [`TcpListener::incoming`].
///
/// ```
/// use fiber::net::{Incoming, TcpListener, TcpStream};
///
/// fn first(mut connections: Incoming<'_>) -> std::io::Result<TcpStream> {
///     connections.next().expect("it never ends")
/// }
/// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let _client = TcpStream::connect(listener.local_addr()?)?;
/// # first(listener.incoming())?;
/// # Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
