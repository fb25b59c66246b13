//! Servers for load generators.

use crate::protocol::Protocol;
use crate::report::Measured;
use fiber::net::TcpListener;
use std::io;

/// Serves until the process is killed.
pub(crate) fn serve(port: u16, protocol: Protocol) -> io::Result<Measured> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    eprintln!("listening on {}", listener.local_addr()?);
    for peer in listener.incoming() {
        let mut peer = peer?;
        peer.set_nodelay(true)?;
        fiber::spawn(move || protocol.converse(&mut peer));
    }
    Err(io::Error::other("the listener ended"))
}
