//! TCP, UDP and local sockets, with std's names, signatures and errors.
//!
//! Where [`std::net`] blocks its thread, a call of this module made on a fiber suspends that fiber, and the worker runs others
//! meanwhile. Made on an ordinary thread, it blocks the thread, exactly as std's. Porting a program is replacing `std::net`
//! by `fiber::net`, and
//! [`std::os::unix::net`] by [`fiber::os::unix::net`](crate::os::unix::net) or [`fiber::net::unix`](unix).
//!
//! ```
//! use fiber::net::{TcpListener, TcpStream};
//! use std::io::{Read, Write};
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = fiber::spawn(move || -> std::io::Result<()> {
//!     let (mut peer, _) = listener.accept()?;
//!     let mut request = [0; 4];
//!     peer.read_exact(&mut request)?;
//!     peer.write_all(&request)
//! });
//! let mut stream = TcpStream::connect(address)?;
//! stream.write_all(b"ping")?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert_eq!(answer, "ping");
//! # server.join().unwrap()
//! # }).unwrap();
//! ```
//!
//! # Cancellation
//!
//! A wait on a cancelled fiber, or under a time limit that has passed, ends with an error the first time and by unwinding after
//! that. The operation in the kernel has ended by then, so no buffer is written to later; and one that succeeded is reported as
//! a success whatever came meanwhile, so no byte and no connection is lost.
//!
//! # Options
//!
//! The types have the methods that std's have. For every other option there is the crate [`socket2`](https://docs.rs/socket2), by
//! reference for a socket that is open, and by conversion for one that is made with options before it is bound:
//!
//! ```
//! use fiber::net::{TcpListener, TcpStream};
//! use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
//! use std::net::SocketAddr;
//! use std::os::fd::OwnedFd;
//! use std::time::Duration;
//!
//! # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
//! let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
//! socket.set_recv_buffer_size(1 << 20)?;
//! socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
//! socket.listen(64)?;
//! let listener = TcpListener::from(OwnedFd::from(socket));
//!
//! let stream = TcpStream::connect(listener.local_addr()?)?;
//! let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60));
//! SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
//! # listener.accept()?;
//! # Ok(())
//! # }).unwrap();
//! ```
//!
//! # What differs from std
//!
//! - [`ToSocketAddrs`] is a trait of this module, so that looking up a name suspends. It is implemented for the same types.
//! - The mode set by [`set_nonblocking`](TcpStream::set_nonblocking) and the limits set by
//!   [`set_read_timeout`](TcpStream::set_read_timeout) and [`set_write_timeout`](TcpStream::set_write_timeout) are seen when they are
//!   set through these types, or on a descriptor before it is converted into one of them. What is set past them later, through a
//!   duplicate of the descriptor, applies on threads only.
//! - Where fibers wait by [epoll](crate::runtime::DriverKind::Epoll), a listener that was bound through these types is in non-blocking
//!   mode from the first accept of a fiber on, as its descriptor shows; here it goes on waiting, on fibers and on threads. One that was made
//!   of a descriptor stays as it is, and connections are then taken by a thread of the blocking pool.

// The room turns calls of std's types into operations and waits for them. It owns sockets, and the pool for look-ups of names. It
// calls `sched::io`, to wait, and names `driver::Operation`; of fibers it knows no more. `unsafe` is confined to `socket` (memory
// lent to the kernel), std's unsafe trait for descriptors and `sockaddr` (the kernel's addresses).
//
// A descriptor stays in blocking mode unless the user says otherwise, because the user's program, and we off a fiber, use it
// with plain calls. So an attempt that must not wait says so itself (`MSG_DONTWAIT`). Listening sockets are the exception where the
// driver needs one (`listening`).

mod addr;
mod arrivals;
pub(crate) mod attempt;
mod connection;
mod exchange;
mod halves;
mod listening;
mod lookup;
mod mode;
mod readiness;
mod send_file;
mod settings;
mod sockaddr;
mod socket;
mod tcp;
mod transfer;
mod udp;
pub mod unix;
mod zero_copy;

#[cfg(test)]
mod tests;

pub use addr::ToSocketAddrs;
pub(crate) use connection::Connection;
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, Stream, WriteHalf};
pub(crate) use socket::as_std_times_out;
pub use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6};
pub use tcp::{AcceptStream, Incoming, SpreadListener, TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};
pub use zero_copy::{Lent, SendBuffer};

readiness::readiness!(both UdpSocket, "there is a datagram");

crate::sys::descriptor::descriptor!(
    UdpSocket,
    std::net::UdpSocket,
    "\
let made_by_std = std::net::UdpSocket::bind(\"127.0.0.1:0\")?;
let ours = fiber::net::UdpSocket::from(made_by_std);"
);
