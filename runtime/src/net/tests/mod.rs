//! The same bodies over std on a thread, and over this crate on a fiber and on a thread: they must agree.
#![allow(clippy::type_complexity, reason = "the bodies return whatever there is to compare")]

mod connections;
mod datagrams;
mod fibers;
mod local;
mod names;
mod settings;
mod transfers;

use crate::runtime::Runtime;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;

/// Runs `f` as a fiber.
fn on_fiber<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    Runtime::new().unwrap().run(f)
}

/// An error as a value that can be compared.
type Failure = (io::ErrorKind, Option<i32>);

fn outcome<T>(result: io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| (error.kind(), error.raw_os_error()))
}

/// The same with the error's text, for errors that the library makes up itself.
fn said<T>(result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// Defines tests that do the same with std and with this crate, and compare what came out.
macro_rules! conformance {
    (local: $($rest:tt)*) => { conformance!{@ std::os::unix::net, crate::os::unix::net; $($rest)*} };
    (@ $std:path, $ours:path; $($(#[$doc:meta])* fn $name:ident($net:ident) -> $result:ty $body:block)*) => {$(
        conformance!{@@ $std, $ours; $(#[$doc])* fn $name($net) -> $result $body}
    )*};
    (@@ $std:path, $ours:path; $(#[$doc:meta])* fn $name:ident($net:ident) -> $result:ty $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            fn reference() -> $result {
                #[allow(unused_imports)]
                use $std as $net;
                $body
            }

            fn ours() -> $result {
                #[allow(unused_imports)]
                use $ours as $net;
                $body
            }

            #[test]
            fn agrees_with_std() {
                let expected = reference();
                assert_eq!(on_fiber(ours), expected, "on a fiber");
                assert_eq!(ours(), expected, "on a thread");
            }
        }
    };
    ($($rest:tt)*) => { conformance!{@ std::net, crate::net; $($rest)*} };
}
use conformance;

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

/// A pattern in which a lost, doubled or swapped byte shows.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
