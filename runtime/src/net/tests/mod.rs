//! The same bodies over std on a thread, and over this crate on a fiber and on a thread: they must agree.
#![allow(clippy::type_complexity, reason = "the bodies return whatever there is to compare")]

mod arrivals;
mod connections;
mod datagrams;
mod fibers;
mod halves;
mod listeners;
mod local;
mod names;
mod options;
mod readiness;
mod send_file;
mod settings;
mod spread;
mod transfers;
mod zero_copy;

use crate::conformance::{Failure, conformance, on_fiber, outcome, pattern, said};
use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;

/// A connection: one end of the kind under test, the other of std's.
macro_rules! pair {
    ($net:ident) => {{
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = $net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        (near, far)
    }};
}
use pair;

/// As [`pair`], of local sockets in the guise of TCP streams: when one of these is full, it stays so until it is read from,
/// while between two TCP sockets data moves on, and makes room, in the kernel's own time.
macro_rules! local_pair {
    ($net:ident) => {{
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        ($net::TcpStream::from(std::os::fd::OwnedFd::from(near)), TcpStream::from(std::os::fd::OwnedFd::from(far)))
    }};
}
use local_pair;

/// Fills the buffer between two sockets, so that the next write has to wait. Returns how much that took.
fn fill(socket: impl AsFd) -> usize {
    use io::Write;
    let stream = TcpStream::from(socket.as_fd().try_clone_to_owned().unwrap());
    stream.set_nonblocking(true).unwrap();
    let mut filled = 0;
    while let Ok(sent) = (&stream).write(&[0xAA; 65536]) {
        filled += sent;
    }
    stream.set_nonblocking(false).unwrap();
    filled
}
