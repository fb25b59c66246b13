//! A TCP server that sends back what it gets, one fiber for each connection.
//!
//! ```sh
//! cargo run --release --bin echo
//! ```
//!
//! starts the server and a crowd of clients in this one process, checks every byte and ends.
//! With `--listen 127.0.0.1:7000` it serves until it is killed: try `nc 127.0.0.1 7000`.

use clap::Parser;
use fiber::net::{TcpListener, TcpStream};
use fiber::time::Instant;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

/// An echo server on fibers.
#[derive(Parser)]
struct Arguments {
    /// Serve on this address until killed, instead of checking ourselves
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// Clients of the self-check
    #[arg(long, default_value_t = 500)]
    clients: u32,

    /// Messages that each client of the self-check sends and wants back
    #[arg(long, default_value_t = 200)]
    messages: u32,

    /// Bytes in one message of the self-check
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
}

/// Sends everything the peer says back to it, until it has nothing more to say.
#[fiber::task]
fn serve(mut peer: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match peer.read(&mut buffer)? {
            0 => return Ok(()),
            n => peer.write_all(&buffer[..n])?,
        }
    }
}

/// Accepts for ever.
#[fiber::task]
fn accept(listener: TcpListener) -> io::Result<()> {
    for peer in listener.incoming() {
        let peer = peer?;
        peer.set_nodelay(true)?;
        serve::spawn(peer);
    }
    Ok(())
}

/// Sends `messages` messages, each different from every other client's, and compares what comes back.
/// Returns the number of bytes that came back right.
#[fiber::task]
fn converse(server: SocketAddr, client: u32, messages: u32, bytes: usize) -> io::Result<u64> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    let mut question = vec![0; bytes];
    let mut answer = vec![0; bytes];
    for message in 0..messages {
        fill(&mut question, client, message);
        stream.write_all(&question)?;
        stream.read_exact(&mut answer)?;
        if question != answer {
            let text = format!("client {client}: message {message} came back changed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
    }
    Ok(u64::from(messages) * bytes as u64)
}

/// Fills a message with bytes that depend on who sends it and on how many it sent before.
fn fill(message: &mut [u8], client: u32, number: u32) {
    let mut state = (u64::from(client) << 32 | u64::from(number)) ^ 0x9e37_79b9_7f4a_7c15;
    for byte in message {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
}

/// Runs the server and its clients side by side and says how it went.
fn check_ourselves(arguments: &Arguments) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    accept::spawn(listener);

    let Arguments { clients, messages, bytes, .. } = *arguments;
    println!("{clients} clients send {messages} messages of {bytes} bytes each to {server}");
    let start = Instant::now();
    let conversations: Vec<_> = (0..clients).map(|client| converse::spawn(server, client, messages, bytes)).collect();
    let mut verified = 0;
    for conversation in conversations {
        verified += conversation.join()??;
    }
    let took = start.elapsed();

    let echoes = f64::from(clients) * f64::from(messages) / took.as_secs_f64();
    println!("every byte came back: {verified} of {verified}, in {took:.2?}, {echoes:.0} echoes a second");
    Ok(())
}

#[fiber::main]
fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let Some(address) = arguments.listen else {
        return check_ourselves(&arguments);
    };
    let listener = TcpListener::bind(address)?;
    println!("echo listens on {}", listener.local_addr()?);
    accept::spawn(listener).join()?
}
