//! A chat server: what one says, all others hear.
//!
//! ```sh
//! cargo run --release --bin chat
//! ```
//!
//! starts the server and a crowd of clients in this one process, checks that everybody hears everything and ends.
//! With `--listen 127.0.0.1:7001` it serves until it is killed: try `nc 127.0.0.1 7001` from several terminals.
//!
//! Each visitor has two fibers. One reads lines from the socket and tells the room; the other waits for whatever comes first, something
//! said in the room or the end of the visit, and writes it to the socket.

use clap::Parser;
use fiber::CancelToken;
use fiber::net::{TcpListener, TcpStream};
use fiber::select;
use fiber::sync::broadcast::{self, RecvError};
use fiber::time::Instant;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A chat server on fibers.
#[derive(Parser)]
struct Arguments {
    /// Serve on this address until killed, instead of checking ourselves
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// Clients of the self-check
    #[arg(long, default_value_t = 50)]
    clients: usize,

    /// Lines that each client of the self-check says
    #[arg(long, default_value_t = 20)]
    lines: usize,
}

/// Something said, and by whom.
#[derive(Clone)]
struct Said {
    by: SocketAddr,
    line: Arc<str>,
}

/// How far a visitor may be behind before it misses something. It is told so.
const MEMORY: usize = 4096;

/// Serves one visitor until it leaves.
#[fiber::task]
fn visit(socket: TcpStream, room: broadcast::Sender<Said>) -> io::Result<()> {
    let by = socket.peer_addr()?;
    let heard = room.subscribe();
    let leaves = CancelToken::new();
    let speaker = speak::spawn(socket.try_clone()?, by, heard, leaves.clone());
    let mut outcome = Ok(());
    for line in BufReader::new(socket).lines() {
        match line {
            Ok(line) => drop(room.send(Said { by, line: line.into() })),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    leaves.cancel();
    speaker.join()??;
    outcome
}

/// Tells one visitor what the others say.
#[fiber::task]
fn speak(
    socket: TcpStream,
    to: SocketAddr,
    mut heard: broadcast::Receiver<Said>,
    leaves: CancelToken,
) -> io::Result<()> {
    let mut socket = BufWriter::new(socket);
    writeln!(socket, "welcome, {to}: say something")?;
    socket.flush()?;
    loop {
        select! {
            said = heard.recv() => match said {
                Ok(said) if said.by == to => {}
                Ok(said) => writeln!(socket, "{}: {}", said.by, said.line)?,
                Err(RecvError::Lagged(lost)) => writeln!(socket, "({lost} lines missed)")?,
                Err(RecvError::Closed) => return socket.flush(),
            },
            _ = leaves.cancelled() => return Ok(()),
        }
        // Lines that come together go out together.
        if heard.is_empty() {
            socket.flush()?;
        }
    }
}

/// Lets visitors in for ever.
#[fiber::task]
fn open(listener: TcpListener, room: broadcast::Sender<Said>) -> io::Result<()> {
    for visitor in listener.incoming() {
        let visitor = visitor?;
        visitor.set_nodelay(true)?;
        visit::spawn(visitor, room.clone());
    }
    Ok(())
}

/// Says its lines, and counts what it hears of the others until it has heard everything.
fn client(address: SocketAddr, number: usize, of: usize, lines: usize, ready: &AtomicUsize) -> io::Result<usize> {
    let socket = TcpStream::connect(address)?;
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut writer = socket;
    // Whoever is welcomed hears what is said from then on; so everybody waits until all are.
    let mut line = String::new();
    reader.read_line(&mut line)?;
    ready.fetch_add(1, Ordering::SeqCst);
    let mut heard = 0;
    fiber::scope(|scope| {
        scope.spawn(move || -> io::Result<()> {
            while ready.load(Ordering::SeqCst) < of {
                fiber::time::sleep(std::time::Duration::from_millis(1));
            }
            for n in 0..lines {
                writeln!(writer, "line {n} of {number}")?;
            }
            Ok(())
        });
        while heard < (of - 1) * lines {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                break;
            }
            heard += 1;
        }
        Ok(heard)
    })
}

#[fiber::main]
fn main() -> io::Result<()> {
    let Arguments { listen, clients, lines } = Arguments::parse();
    let (room, _) = broadcast::channel(MEMORY.max(clients * lines * 2));
    if let Some(address) = listen {
        let listener = TcpListener::bind(address)?;
        println!("chat listens on {}", listener.local_addr()?);
        return open::spawn(listener, room).join()?;
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = open::spawn(listener, room);

    let start = Instant::now();
    let ready = AtomicUsize::new(0);
    let heard: usize = fiber::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|number| {
                let ready = &ready;
                scope.spawn(move || client(address, number, clients, lines, ready))
            })
            .collect();
        clients.into_iter().map(|client| client.join()?).sum::<io::Result<usize>>()
    })?;
    server.cancel();
    let expected = clients * clients.saturating_sub(1) * lines;
    println!("{clients} visitors, {lines} lines each, in {:.2?}", start.elapsed());
    if heard != expected {
        return Err(io::Error::other(format!("{heard} lines were heard, and {expected} should have been")));
    }
    println!("everybody heard everything: {heard} of {expected} lines");
    Ok(())
}
