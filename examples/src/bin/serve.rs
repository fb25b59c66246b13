//! Serves the files of a folder over HTTP.
//!
//! ```sh
//! cargo run --release --bin serve -- --listen 127.0.0.1:8000 .
//! curl http://127.0.0.1:8000/Cargo.toml
//! ```
//!
//! Each worker has a listener, and serves the connections that the kernel gives to it. The files go to their connections without a way
//! through the program. Ctrl-C ends it, when the transfers that are under way have ended. It knows `GET` and `HEAD`, and no more of HTTP/1.1 than
//! a download needs.

use clap::Parser;
use fiber::fs::{self, File};
use fiber::net::{SocketAddr, SpreadListener, TcpStream};
use fiber::{CancelToken, signal};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Serves the files of a folder over HTTP.
#[derive(Parser)]
struct Arguments {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,

    /// What to serve
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// How long a client may take to say what it wants, and to take a piece of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest request that is listened to.
const LONGEST: u64 = 16 << 10;

/// The file that a request names, if it is one below the folder.
fn file_of(folder: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !path.is_empty()).then(|| folder.join(path))
}

/// What is wrong with a request.
fn refuse(mut writer: impl Write, status: &str) -> io::Result<()> {
    write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
}

/// Answers one request; `false` at the end of the connection.
fn answer(peer: &TcpStream, requests: &mut impl BufRead, folder: &Path) -> io::Result<bool> {
    let mut head = requests.take(LONGEST);
    let mut line = String::new();
    if head.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // What else the client says of itself.
    let mut goes_on = words.next() == Some("HTTP/1.1");
    let mut header = String::new();
    while head.read_line(&mut header)? > 2 {
        let text = header.to_ascii_lowercase();
        goes_on &= !(text.starts_with("connection:") && text.contains("close"));
        header.clear();
    }
    if header.is_empty() {
        return Ok(false);
    }
    if !matches!(method, "GET" | "HEAD") {
        return refuse(peer, "405 Method Not Allowed").map(|()| false);
    }
    let opened = file_of(folder, target).ok_or(io::Error::from(ErrorKind::NotFound)).and_then(|path| {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata.len())) } else { Err(ErrorKind::NotFound.into()) }
    });
    let (file, len) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return refuse(peer, "403 Forbidden").map(|()| goes_on);
        }
        Err(_) => return refuse(peer, "404 Not Found").map(|()| goes_on),
    };
    write!(&mut &*peer, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n")?;
    if method == "HEAD" {
        return Ok(goes_on);
    }
    let mut sent = 0;
    while sent < len {
        match peer.send_file(&file, sent, len - sent)? {
            // The file has become shorter than was promised: all that is left is to hang up.
            0 => return Ok(false),
            more => sent += more,
        }
    }
    Ok(goes_on)
}

#[fiber::check]
fn serve(peer: &TcpStream, folder: &Path) -> io::Result<()> {
    peer.set_read_timeout(Some(PATIENCE))?;
    peer.set_write_timeout(Some(PATIENCE))?;
    let mut requests = BufReader::new(peer);
    while answer(peer, &mut requests, folder)? {}
    Ok(())
}

#[fiber::main]
fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let folder = fs::canonicalize(&arguments.folder)?;
    let listener = SpreadListener::bind(arguments.listen)?;
    fiber::println!("listening on {}", listener.local_addr()?);
    let stop = CancelToken::new();
    let interrupted = fiber::spawn({
        let stop = stop.clone();
        move || signal::ctrl_c().map(|()| stop.cancel())
    });
    listener.serve_until(&stop, |peer, address| {
        if let Err(error) = serve(&peer, &folder) {
            fiber::eprintln!("{address}: {error}");
        }
    })?;
    interrupted.join().unwrap_or(Ok(()))
}
