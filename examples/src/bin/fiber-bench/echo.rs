//! Servers for load generators.

use crate::protocol::Protocol;
use crate::report::Measured;
use fiber::net::TcpListener;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// Serves until the process is killed.
pub(crate) fn serve(port: u16, protocol: Protocol) -> io::Result<Measured> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
    eprintln!("listening on {}", listener.local_addr()?);
    for peer in listener.incoming() {
        let mut peer = peer?;
        peer.set_nodelay(true)?;
        fiber::spawn(move || protocol.converse(&mut peer));
    }
    Err(io::Error::other("the listener ended"))
}
