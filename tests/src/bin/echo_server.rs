//! The echo server under test: the program of the guide's first page, with an address to choose.
//!
//! The runtime is configured from outside, by the environment (`FIBER_WORKERS` and so on).

use clap::Parser;
use fiber::net::{TcpListener, TcpStream};
use std::io::{self, Read, Write};
use std::net::SocketAddr;

/// Sends back what it gets.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 is any free one
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
}

#[fiber::task(numa = "local")]
fn serve(mut peer: TcpStream) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match peer.read(&mut buf)? {
            0 => return Ok(()),
            n => peer.write_all(&buf[..n])?,
        }
    }
}

#[fiber::main]
fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    fiber_tests::limits::raise()?;
    let listener = TcpListener::bind(arguments.addr)?;
    println!("listening on {}", listener.local_addr()?);
    for peer in listener.incoming() {
        serve::spawn(peer?);
    }
    Ok(())
}
