//! A server for load generators.

use crate::report::{Measured, compute};
use fiber::net::{TcpListener, TcpStream};
use std::io::{self, Read, Write};

/// What a message asks for.
#[derive(Clone, Copy)]
enum Protocol {
    /// Nothing: bytes go back as they come.
    Bytes,
    /// Messages of this size begin with the nanoseconds to compute before they go back.
    Stalls(usize),
}

impl Protocol {
    fn from_environment() -> io::Result<Self> {
        if std::env::var_os("STALL").is_none_or(|value| value != "1") {
            return Ok(Protocol::Bytes);
        }
        let size = match std::env::var("STALL_SIZE") {
            Ok(size) => size.parse().map_err(|_| io::Error::other(format!("STALL_SIZE={size} is not a number")))?,
            Err(_) => 64,
        };
        if size < size_of::<u32>() {
            return Err(io::Error::other("STALL_SIZE is at least 4, for the time"));
        }
        Ok(Protocol::Stalls(size))
    }
}

/// Serves until the process is killed.
pub(crate) fn serve(port: u16) -> io::Result<Measured> {
    let protocol = Protocol::from_environment()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    eprintln!("listening on {}", listener.local_addr()?);
    for peer in listener.incoming() {
        let peer = peer?;
        peer.set_nodelay(true)?;
        fiber::spawn(move || match protocol {
            Protocol::Bytes => bytes(peer),
            Protocol::Stalls(size) => stalls(peer, size),
        });
    }
    Err(io::Error::other("the listener ended"))
}

fn bytes(mut peer: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match peer.read(&mut buffer)? {
            0 => return Ok(()),
            n => peer.write_all(&buffer[..n])?,
        }
    }
}

fn stalls(mut peer: TcpStream, size: usize) -> io::Result<()> {
    let mut message = vec![0; size];
    loop {
        match peer.read_exact(&mut message) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let [a, b, c, d, ..] = message[..] else { unreachable!("it was checked at the start") };
        compute(u32::from_le_bytes([a, b, c, d]).into());
        peer.write_all(&message)?;
    }
}
