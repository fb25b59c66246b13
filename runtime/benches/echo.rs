//! A TCP echo server over loopback: 64 bytes there and back, on 1 and on 64 connections.
//!
//! The clients are one thread with an epoll loop, on another processor than the server where there is one. Each connection has one
//! request under way. What a server costs is its own thread's processor time; the kernel's half of a loopback connection is
//! charged to whoever sends, to servers alike.

mod common;

use common::{Run, machine, time_each};
use fiber::runtime::Runtime;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::channel;
use std::thread;

const SIZE: usize = 64;

/// A server that is up.
struct Server {
    address: SocketAddr,
    /// The processor time of its thread.
    clock: libc::clockid_t,
}

/// On fibers: one accepts, one for each connection echoes.
fn on_fibers(runtime: &Runtime) -> Server {
    let (report, reports) = channel();
    runtime.spawn(move || {
        let listener = fiber::net::TcpListener::bind("127.0.0.1:0").unwrap();
        report.send(Server { address: listener.local_addr().unwrap(), clock: machine::thread_clock() }).unwrap();
        for peer in listener.incoming() {
            // The end of the runtime cancels the wait.
            let Ok(mut peer) = peer else { return };
            fiber::spawn(move || -> io::Result<()> {
                let mut buf = [0; 4096];
                loop {
                    match peer.read(&mut buf)? {
                        0 => return Ok(()),
                        n => peer.write_all(&buf[..n])?,
                    }
                }
            });
        }
    });
    reports.recv().unwrap()
}

/// A set of descriptors to wait for.
struct Epoll(RawFd);

impl Epoll {
    fn new() -> Epoll {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        Epoll(fd)
    }

    fn add(&self, fd: RawFd, token: usize) {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token as u64 };
        // SAFETY: the kernel reads the event, during the call.
        let done = unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
    }

    fn wait<'a>(&self, events: &'a mut [libc::epoll_event]) -> impl Iterator<Item = usize> + 'a {
        // SAFETY: the kernel writes at most so many events, during the call.
        let count = unsafe { libc::epoll_wait(self.0, events.as_mut_ptr(), events.len() as i32, -1) };
        assert!(count >= 0, "{}", io::Error::last_os_error());
        events[..count as usize].iter().map(|event| event.u64 as usize)
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours.
        unsafe { libc::close(self.0) };
    }
}

const NO_EVENT: libc::epoll_event = libc::epoll_event { events: 0, u64: 0 };

/// The limit: a thread with an epoll loop that reads and writes. It runs until the process ends.
fn on_epoll() -> Server {
    let (report, reports) = channel();
    thread::spawn(move || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        report.send(Server { address: listener.local_addr().unwrap(), clock: machine::thread_clock() }).unwrap();
        let epoll = Epoll::new();
        let mut peers: Vec<Option<TcpStream>> = Vec::new();
        let mut events = [NO_EVENT; 256];
        epoll.add(listener.as_raw_fd(), usize::MAX);
        loop {
            for token in epoll.wait(&mut events) {
                if token == usize::MAX {
                    let peer = listener.accept().unwrap().0;
                    peer.set_nonblocking(true).unwrap();
                    epoll.add(peer.as_raw_fd(), peers.len());
                    peers.push(Some(peer));
                } else if let Some(peer) = &mut peers[token]
                    && !echo_once(peer)
                {
                    peers[token] = None;
                }
            }
        }
    });
    reports.recv().unwrap()
}

/// Echoes what there is; `false` at the end of the connection.
fn echo_once(peer: &mut TcpStream) -> bool {
    let mut buf = [0; 4096];
    match peer.read(&mut buf) {
        Ok(0) => false,
        Ok(n) => peer.write_all(&buf[..n]).is_ok(),
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// The load: connections that each send, receive, compare, and send again.
struct Load {
    requests: usize,
    connections: usize,
}

impl Load {
    /// Puts the load on a server; nanoseconds for each request.
    fn put_on(&self, address: SocketAddr) -> f64 {
        let epoll = Epoll::new();
        let mut peers: Vec<(TcpStream, u8)> = (0..self.connections)
            .map(|index| {
                let peer = TcpStream::connect(address).unwrap();
                peer.set_nodelay(true).unwrap();
                epoll.add(peer.as_raw_fd(), index);
                (peer, index as u8)
            })
            .collect();
        let mut events = [NO_EVENT; 256];
        let (mut sent, mut answered) = (0, 0);
        let each = time_each(self.requests, || {
            for (peer, byte) in &mut peers {
                peer.write_all(&[*byte; SIZE]).unwrap();
                sent += 1;
            }
            while answered < sent {
                for index in epoll.wait(&mut events) {
                    let (peer, byte) = &mut peers[index];
                    let mut answer = [0; SIZE];
                    peer.read_exact(&mut answer).unwrap();
                    assert_eq!(answer, [*byte; SIZE]);
                    answered += 1;
                    if sent < self.requests {
                        *byte = byte.wrapping_add(1);
                        peer.write_all(&[*byte; SIZE]).unwrap();
                        sent += 1;
                    }
                }
            }
        });
        assert_eq!(answered, self.requests);
        each
    }
}

fn main() {
    let run = Run::start("TCP echo, 64 bytes, over loopback");
    let processors = machine::processors();
    let (server_side, client_side) = (processors[processors.len() - 1], processors[0]);
    println!("the servers run on processor {server_side}, the clients on {client_side}");
    machine::stay_on(&[server_side]);
    let runtime = common::runtime(1);
    let servers = [on_fibers(&runtime), on_epoll()];
    let names = ["on fibers", "limit: a bare epoll loop"];
    machine::stay_on(&[client_side]);
    for (connections, requests) in [(1, 5000), (64, 30_000)] {
        let title = format!("TCP echo, connections: {connections}");
        if !run.selects(&title) {
            continue;
        }
        let load = Load { requests: run.pick(requests, 640), connections };
        let rounds = run.alternate(7, servers.len(), |server| {
            let Server { address, clock } = servers[server];
            let before = machine::read(clock);
            let each = load.put_on(address);
            (each, (machine::read(clock) - before) as f64 / load.requests as f64)
        });
        let column = |pick: fn(&(f64, f64)) -> f64| -> Vec<Vec<f64>> {
            rounds.iter().map(|rounds| rounds.iter().map(pick).collect()).collect()
        };
        common::show(&format!("{title}, time"), "ns a request", &names, &column(|round| round.0));
        common::show(
            &format!("{title}, processor time of the server"),
            "ns a request",
            &names,
            &column(|round| round.1),
        );
    }
}
