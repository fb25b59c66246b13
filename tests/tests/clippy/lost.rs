//! Transfers whose count is lost.

use fiber::net::TcpStream;
use std::io::{self, Read, Write};

/// Of a generic type.
#[fiber::check]
pub fn generic<W: Write>(w: &mut W) -> io::Result<()> {
    w.write(b"x")?; //~ lost
    Ok(())
}

/// Of a known one, and where something else is done with it.
#[fiber::check]
pub fn known(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    stream.read(buffer)?; //~ lost
    stream.write(buffer).unwrap(); //~ lost
    if let Err(error) = stream.read(buffer) {
        return Err(error);
    }
    stream.read(buffer)
}
