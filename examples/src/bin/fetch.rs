//! Downloads many files at once, each within a time limit, and shows how far it is.
//!
//! ```sh
//! cargo run --release --bin fetch
//! ```
//!
//! downloads from a server that it starts itself, in which one file comes too slowly. With addresses it downloads those:
//!
//! ```sh
//! cargo run --release --bin fetch -- --to downloads http://example.com/
//! ```
//!
//! A fiber for each file; a semaphore keeps the number of connections at bay. HTTP is spoken by `ureq`, a library that knows nothing of
//! fibers: it is given a connection ([`Connection`]) and a resolver of names that suspend the fiber instead of blocking its thread. The time
//! limit around a download reaches into it, whatever it is doing: the wait in progress fails, and the library returns that error.

use clap::Parser;
use fiber::fs::{self, File};
use fiber::io::{self, BufRead, BufReader, Read, Write};
use fiber::net::{TcpListener, TcpStream, ToSocketAddrs};
use fiber::sync::Semaphore;
use fiber::time::{Instant, sleep, timeout};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Agent, Error};

/// Downloads files over HTTP.
#[derive(Parser)]
struct Arguments {
    /// Addresses, `http://...`; those of a server of its own if there are none
    urls: Vec<String>,

    /// Downloads at once
    #[arg(long, default_value_t = 16)]
    at_once: usize,

    /// The longest that one download may take, in milliseconds
    #[arg(long, default_value_t = 5000)]
    limit: u64,

    /// A directory to put the files into; they are counted and thrown away otherwise
    #[arg(long)]
    to: Option<PathBuf>,

    /// How many files its own server has
    #[arg(long, default_value_t = 200)]
    files: usize,
}

/// A connection for ureq.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffers: LazyBuffersOf,
}

/// ureq's buffers, which do not say what they hold.
struct LazyBuffersOf(LazyBuffers);

impl std::fmt::Debug for LazyBuffersOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers.0
    }

    // Its time limits are not used: there is one around everything.
    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        self.stream.write_all(&self.buffers.0.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let received = self.stream.read(self.buffers.0.input_append_buf())?;
        self.buffers.0.input_appended(received);
        Ok(received > 0)
    }

    fn is_open(&mut self) -> bool {
        // One that is kept for the next download and has something to say says that it ends.
        self.stream.set_nonblocking(true).is_ok()
            && matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            && self.stream.set_nonblocking(false).is_ok()
    }
}

/// Connects, and looks names up, without holding the thread.
#[derive(Debug)]
struct OnFibers;

impl Connector for OnFibers {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Connection>, Error> {
        if details.needs_tls() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "https is not spoken here").into());
        }
        let (input, output) = (details.config.input_buffer_size(), details.config.output_buffer_size());
        let stream = TcpStream::connect(&details.addrs[..])?;
        Ok(Some(Connection { stream, buffers: LazyBuffersOf(LazyBuffers::new(input, output)) }))
    }
}

impl Resolver for OnFibers {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(80);
        let mut found = self.empty();
        for address in (host, port).to_socket_addrs()?.take(16) {
            found.push(address);
        }
        if found.is_empty() { Err(Error::HostNotFound) } else { Ok(found) }
    }
}

/// Downloads one file; how long it is.
fn download(agent: &Agent, url: &str, to: Option<&Path>, bar: &ProgressBar) -> io::Result<u64> {
    let mut response = agent.get(url).call().map_err(Error::into_io)?;
    let mut body = bar.wrap_read(response.body_mut().as_reader());
    match to {
        Some(path) => io::copy(&mut body, &mut File::create(path)?),
        None => io::copy(&mut body, &mut io::sink()),
    }
}

/// The name for a file from this address: the last part of its path, behind a number that makes it the only one.
fn name(number: usize, url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or("index");
    format!("{number:04}-{last}")
}

/// A server with files of all sizes; the last of them would take a quarter of an hour.
fn start_server(files: usize) -> io::Result<Vec<String>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    fiber::spawn(move || {
        for peer in listener.incoming().flatten() {
            fiber::spawn(move || serve(peer));
        }
    });
    let sizes = (0..files).map(|file| (file * file * 37) % 1_000_003);
    let urls = sizes.map(|size| format!("http://{address}/{size}"));
    Ok(urls.chain([format!("http://{address}/slow")]).collect())
}

fn serve(mut peer: TcpStream) -> io::Result<()> {
    let mut requests = BufReader::new(peer.try_clone()?);
    loop {
        let mut path = String::new();
        if requests.read_line(&mut path)? == 0 {
            return Ok(());
        }
        // The headers say nothing of interest; an empty line ends them.
        let mut header = String::new();
        while requests.read_line(&mut header)? > 2 {
            header.clear();
        }
        let path = path.split_whitespace().nth(1).unwrap_or_default().trim_start_matches('/');
        let slow = path == "slow";
        let size = if slow { 1_000_000 } else { path.parse().unwrap_or(0) };
        write!(peer, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")?;
        if slow {
            for _ in 0..size {
                sleep(Duration::from_millis(1));
                peer.write_all(b".")?;
            }
        } else {
            peer.write_all(&vec![b'.'; size])?;
        }
    }
}

#[fiber::main]
fn main() -> io::Result<ExitCode> {
    let Arguments { mut urls, at_once, limit, to, files } = Arguments::parse();
    if urls.is_empty() {
        urls = start_server(files)?;
    }
    if let Some(to) = &to {
        fs::create_dir_all(to)?;
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} bytes, {binary_bytes_per_sec}, {msg}");
    // Drawn on standard error if that is a terminal, by one short write now and then.
    let bar = ProgressBar::new_spinner().with_style(style.map_err(io::Error::other)?);
    let config = Agent::config_builder().max_idle_connections(at_once).build();
    let agent = Agent::with_parts(config, OnFibers, OnFibers);
    let connections = Semaphore::new(at_once.max(1));
    let begin = Instant::now();
    let outcomes: Vec<io::Result<u64>> = fiber::scope(|scope| {
        let downloads: Vec<_> = urls
            .iter()
            .enumerate()
            .map(|(number, url)| {
                let (agent, bar, connections, to) = (&agent, &bar, &connections, &to);
                scope.spawn(move || {
                    let _permit = connections.acquire();
                    let to = to.as_ref().map(|to| to.join(name(number, url)));
                    let limited = timeout(Duration::from_millis(limit), || download(agent, url, to.as_deref(), bar));
                    let outcome = limited.unwrap_or_else(|elapsed| Err(elapsed.into()));
                    if let (Err(_), Some(path)) = (&outcome, &to) {
                        // Half a file is worse than none.
                        let _ = fs::remove_file(path);
                    }
                    bar.set_message(url.clone());
                    outcome
                })
            })
            .collect();
        downloads.into_iter().map(|download| download.join().expect("a download does not panic")).collect()
    });
    bar.finish_and_clear();
    let (mut done, mut late, mut failed, mut bytes) = (0, 0, 0, 0);
    for (url, outcome) in urls.iter().zip(outcomes) {
        match outcome {
            Ok(length) => {
                done += 1;
                bytes += length;
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                late += 1;
                fiber::println!("{url}: not within {limit} ms");
            }
            Err(error) => {
                failed += 1;
                fiber::println!("{url}: {error}");
            }
        }
    }
    fiber::println!("{done} files, {bytes} bytes, in {:.2?}; {late} took too long, {failed} failed", begin.elapsed());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
