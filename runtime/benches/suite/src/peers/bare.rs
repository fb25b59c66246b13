//! What the kernel's interfaces cost without a runtime: the limits.

use super::block::{self, Block};
use super::{Outcome, Refusal};
use crate::command::Bench;
use crate::protocol::Protocol;
use crate::report::{Measured, Random, processor_seconds};
use io_uring::{IoUring, opcode, types};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn protocol(bench: &Bench) -> Result<(u16, Protocol), Box<dyn std::error::Error + Send + Sync>> {
    match *bench {
        Bench::EchoServer { port, .. } => Ok((port, Protocol::from_environment()?)),
        Bench::HttpServer { port, .. } => Ok((port, Protocol::Http)),
        _ => Err(Refusal::NotExpressible.into()),
    }
}

/// A connection's bytes on their way.
#[derive(Default)]
struct Bytes {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// An echo server in one thread that waits by epoll, reads, and writes at once.
pub(super) fn epoll(bench: &Bench) -> Outcome {
    let (port, protocol) = protocol(bench)?;
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
    poll.registry().register(&mut listener, Token(usize::MAX), Interest::READABLE)?;
    let mut peers: Vec<Option<(TcpStream, Bytes)>> = Vec::new();
    let mut events = Events::with_capacity(1024);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let Token(index) = event.token();
            if index == usize::MAX {
                while let Some((mut peer, _)) = unless_blocking(listener.accept())? {
                    peer.set_nodelay(true)?;
                    poll.registry().register(&mut peer, Token(peers.len()), Interest::READABLE)?;
                    peers.push(Some((peer, Bytes::default())));
                }
            } else if let Some((peer, bytes)) = &mut peers[index]
                && !serve_once(peer, bytes, protocol).unwrap_or(false)
            {
                peers[index] = None;
            }
        }
    }
}

fn unless_blocking<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        other => other.map(Some),
    }
}

/// Answers what there is, which is edge-triggered: until there is no more. `false` at the end.
fn serve_once(peer: &mut TcpStream, bytes: &mut Bytes, protocol: Protocol) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    while let Some(count) = unless_blocking(peer.read(&mut buffer))? {
        if count == 0 {
            return Ok(false);
        }
        if let Protocol::Bytes = protocol {
            peer.write_all(&buffer[..count])?;
        } else {
            bytes.input.extend_from_slice(&buffer[..count]);
            let then = protocol.answer(&mut bytes.input, &mut bytes.output)?;
            peer.write_all(&bytes.output)?;
            if then.is_break() {
                return Ok(false);
            }
            bytes.output.clear();
        }
        // A short read has emptied the socket.
        if count < buffer.len() {
            break;
        }
    }
    Ok(true)
}

/// A connection of the server around io_uring.
struct Connection {
    fd: OwnedFd,
    buffer: Box<[u8; 4096]>,
    bytes: Bytes,
    /// How much of the output has gone.
    sent: usize,
    /// Whether it ends when the output has gone.
    ends: bool,
}

const ACCEPT: u64 = u64::MAX;
/// Set in the tokens of sends.
const SEND: u64 = 1 << 63;

/// An echo server in one thread around a ring: accepts, receives and sends are operations, and one call submits and waits.
pub(super) fn uring(bench: &Bench) -> Outcome {
    if let Bench::Fsread { .. } = bench {
        return uring_reads(bench);
    }
    let (port, protocol) = protocol(bench)?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    let mut ring = new_ring()?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let accept = opcode::Accept::new(types::Fd(listener.as_raw_fd()), std::ptr::null_mut(), std::ptr::null_mut());
    let accept = accept.build().user_data(ACCEPT);
    push(&mut ring, &accept)?;
    let mut done = Vec::new();
    loop {
        ring.submit_and_wait(1)?;
        done.extend(ring.completion().map(|completion| (completion.user_data(), completion.result())));
        for (token, result) in done.drain(..) {
            if token == ACCEPT {
                push(&mut ring, &accept)?;
                if result < 0 {
                    return Err(io::Error::from_raw_os_error(-result).into());
                }
                let index = connections.len();
                // SAFETY: the kernel has just made the descriptor, for nobody else.
                let fd = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(result) };
                let stream = std::net::TcpStream::from(fd);
                stream.set_nodelay(true)?;
                let mut connection = Connection {
                    fd: stream.into(),
                    buffer: Box::new([0; 4096]),
                    bytes: Bytes::default(),
                    sent: 0,
                    ends: false,
                };
                receive(&mut ring, &mut connection, index)?;
                connections.push(Some(connection));
                continue;
            }
            let index = (token & !SEND) as usize;
            let Some(connection) = &mut connections[index] else { unreachable!("it has an operation") };
            if result <= 0 {
                connections[index] = None;
                continue;
            }
            let count = result as usize;
            if token & SEND == 0 {
                connection.bytes.input.extend_from_slice(&connection.buffer[..count]);
                let Bytes { input, output } = &mut connection.bytes;
                connection.ends = protocol.answer(input, output)?.is_break();
                connection.sent = 0;
            } else {
                connection.sent += count;
            }
            if connection.sent < connection.bytes.output.len() {
                send(&mut ring, connection, index)?;
            } else if connection.ends {
                connections[index] = None;
            } else {
                connection.bytes.output.clear();
                receive(&mut ring, connection, index)?;
            }
        }
    }
}

fn new_ring() -> io::Result<IoUring> {
    IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(4096)
}

fn receive(ring: &mut IoUring, connection: &mut Connection, index: usize) -> io::Result<()> {
    let fd = types::Fd(connection.fd.as_raw_fd());
    let receive = opcode::Recv::new(fd, connection.buffer.as_mut_ptr(), connection.buffer.len() as u32);
    push(ring, &receive.build().user_data(index as u64))
}

fn send(ring: &mut IoUring, connection: &Connection, index: usize) -> io::Result<()> {
    let rest = &connection.bytes.output[connection.sent..];
    let send = opcode::Send::new(types::Fd(connection.fd.as_raw_fd()), rest.as_ptr(), rest.len() as u32);
    push(ring, &send.build().user_data(index as u64 | SEND))
}

/// Queues an operation whose memory and descriptor stay until its completion was seen.
fn push(ring: &mut IoUring, entry: &io_uring::squeue::Entry) -> io::Result<()> {
    loop {
        // SAFETY: a connection, and a block of a file, live until their operations have completed; the server never ends.
        if unsafe { ring.submission().push(entry) }.is_ok() {
            return Ok(());
        }
        ring.submit()?;
    }
}

fn rates(bench: &Bench, mut times: Vec<Duration>, time: Duration, busy: f64) -> Outcome {
    let Bench::Fsread { path, seconds, depth, direct } = bench else { unreachable!("it was asked before") };
    times.sort_unstable();
    let quantile = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok(Measured::new("fsread", times.len() as f64 / time.as_secs_f64(), "IOPS")
        .with("path", path.display().to_string())
        .with("seconds", *seconds)
        .with("depth", *depth)
        .with("direct", *direct)
        .and("p50_us", quantile(0.5))
        .and("p99_us", quantile(0.99))
        .and("cpu_s", busy))
}

/// Random reads by a ring.
fn uring_reads(bench: &Bench) -> Outcome {
    let &Bench::Fsread { ref path, seconds, depth, direct } = bench else { unreachable!("it was asked before") };
    let file = block::open(path, direct)?;
    let blocks = file.metadata()?.len() / block::SIZE as u64;
    let mut ring = new_ring()?;
    let mut random = Random::new(1);
    let mut all: Vec<(Block, u64, Instant)> = (0..depth).map(|_| (Block::new(), 0, Instant::now())).collect();
    let (begin, busy) = (Instant::now(), processor_seconds());
    let end = begin + Duration::try_from_secs_f64(seconds)?;
    let mut times = Vec::new();
    let mut start = |ring: &mut IoUring, reader: &mut (Block, u64, Instant), index: usize, now| {
        reader.1 = random.below(blocks) * block::SIZE as u64;
        reader.2 = now;
        let read = opcode::Read::new(types::Fd(file.as_raw_fd()), reader.0.0.0.as_mut_ptr(), block::SIZE as u32);
        push(ring, &read.offset(reader.1).build().user_data(index as u64))
    };
    for (index, reader) in all.iter_mut().enumerate() {
        start(&mut ring, reader, index, begin)?;
    }
    let mut under_way = depth;
    let mut done = Vec::new();
    while under_way > 0 {
        ring.submit_and_wait(1)?;
        done.extend(ring.completion().map(|completion| (completion.user_data() as usize, completion.result())));
        for (index, result) in done.drain(..) {
            let reader = &mut all[index];
            assert_eq!(result, block::SIZE as i32, "a whole block was read");
            assert_eq!(reader.0.number(), reader.1, "a block begins with its offset");
            let now = Instant::now();
            times.push(now - reader.2);
            if now < end {
                start(&mut ring, reader, index, now)?;
            } else {
                under_way -= 1;
            }
        }
    }
    rates(bench, times, begin.elapsed(), processor_seconds() - busy)
}

/// Threads that call the kernel: reads of a file, and threads themselves.
pub(super) fn threads(bench: &Bench) -> Outcome {
    match *bench {
        Bench::Fsread { ref path, seconds, depth, direct } => {
            let file = Arc::new(block::open(path, direct)?);
            let blocks = file.metadata()?.len() / block::SIZE as u64;
            let (begin, busy) = (Instant::now(), processor_seconds());
            let end = begin + Duration::try_from_secs_f64(seconds)?;
            let readers: Vec<_> = (0..depth)
                .map(|reader| {
                    let file = Arc::clone(&file);
                    std::thread::spawn(move || -> io::Result<Vec<Duration>> {
                        let mut random = Random::new(reader as u64 + 1);
                        let (mut block, mut times, mut now) = (Block::new(), Vec::new(), Instant::now());
                        while now < end {
                            let offset = random.below(blocks) * block::SIZE as u64;
                            file.read_exact_at(&mut block.0.0, offset)?;
                            assert_eq!(block.number(), offset, "a block begins with its offset");
                            let then = std::mem::replace(&mut now, Instant::now());
                            times.push(now - then);
                        }
                        Ok(times)
                    })
                })
                .collect();
            let mut times = Vec::new();
            for reader in readers {
                times.extend(reader.join().expect("no thread panics")?);
            }
            rates(bench, times, begin.elapsed(), processor_seconds() - busy)
        }
        Bench::Spawn { n, batch } => {
            let n = n.min(20_000);
            let (begin, busy) = (Instant::now(), processor_seconds());
            let mut left = n;
            while left > 0 {
                let count = left.min(batch);
                let all: Vec<_> = (0..count).map(|number| std::thread::spawn(move || number)).collect();
                for thread in all {
                    thread.join().expect("no thread panics");
                }
                left -= count;
            }
            let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
            let each = time.as_nanos() as f64 / n as f64;
            Ok(Measured::new("spawn", each, "ns").with("n", n).with("batch", batch).and("cpu_s", busy))
        }
        _ => Err(Refusal::NotExpressible.into()),
    }
}
