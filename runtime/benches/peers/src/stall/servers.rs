//! The servers: each sends messages back after what they ask for.

use crate::load::SIZE;
use crate::machine;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) enum Server {
    Fibers,
    Checkpoints,
    Moving,
    Blocking,
    Epoll,
    Tokio,
    TokioBlocking,
}

impl Server {
    pub(crate) const ALL: [Server; 7] = [
        Server::Fibers,
        Server::Checkpoints,
        Server::Moving,
        Server::Blocking,
        Server::Epoll,
        Server::Tokio,
        Server::TokioBlocking,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Server::Fibers => "fibers",
            Server::Checkpoints => "checkpoints",
            Server::Moving => "moving",
            Server::Blocking => "blocking",
            Server::Epoll => "epoll",
            Server::Tokio => "tokio",
            Server::TokioBlocking => "tokio-blocking",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Server::Fibers => "fiber",
            Server::Checkpoints => "fiber, checkpoints, slices of 0.5 ms",
            Server::Moving => "fiber, fibers that may move",
            Server::Blocking => "fiber, `fiber::blocking`",
            Server::Epoll => "raw epoll, a loop on each of two threads",
            Server::Tokio => "Tokio",
            Server::TokioBlocking => "Tokio, `spawn_blocking`",
        }
    }

    pub(crate) fn named(name: &str) -> Server {
        Server::ALL.into_iter().find(|server| server.name() == name).expect("a server's name")
    }
}

/// Serves until the process is killed, and says at which port.
pub(crate) fn run(server: Server, workers: usize) {
    match server {
        Server::Fibers => fibers(workers, false, compute),
        Server::Checkpoints => fibers(workers, false, compute_in_slices),
        Server::Moving => fibers(workers, true, compute),
        Server::Blocking => fibers(workers, false, |time| {
            if time > 0 {
                fiber::blocking(|| compute(time));
            }
        }),
        Server::Epoll => epoll(workers),
        Server::Tokio => tokio(workers, false),
        Server::TokioBlocking => tokio(workers, true),
    }
}

fn say(address: std::io::Result<SocketAddr>) {
    println!("{}", address.expect("a listener has an address").port());
}

/// For how many nanoseconds a message asks to compute.
fn asked(message: &[u8; SIZE]) -> u32 {
    u32::from_le_bytes(message[..4].try_into().expect("four bytes"))
}

/// The processor time that the calling thread has used. Time that passes would have computations done that the kernel let wait.
fn used() -> u64 {
    machine::read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Computes for so long, whatever comes.
fn compute(nanoseconds: u32) {
    if nanoseconds > 0 {
        let end = used() + u64::from(nanoseconds);
        while used() < end {
            std::hint::spin_loop();
        }
    }
}

/// The same, with checkpoints; what others compute meanwhile does not count.
fn compute_in_slices(nanoseconds: u32) {
    let mut left = nanoseconds;
    while left > 0 {
        let slice = left.min(10_000);
        compute(slice);
        left -= slice;
        fiber::checkpoint();
    }
}

fn fibers(workers: usize, may_move: bool, compute: fn(u32)) {
    // On a busy machine there would be reports, whose stacks take time.
    let builder =
        fiber::runtime::Builder::new().workers(workers).timeslice(Duration::from_micros(500)).held_limit(None);
    builder.build().expect("a runtime can be started").run(|| {
        let listener = fiber::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        say(listener.local_addr());
        for peer in listener.incoming() {
            let mut peer = peer.expect("a client connects");
            // SAFETY: what the closure has across its waits is a stream of fiber's, an array and a function; nothing of any thread.
            let builder = unsafe { fiber::Builder::new().migratable(may_move) };
            builder.spawn(move || {
                let _ = peer.set_nodelay(true);
                let mut message = [0; SIZE];
                while peer.read_exact(&mut message).is_ok() {
                    compute(asked(&message));
                    if peer.write_all(&message).is_err() {
                        break;
                    }
                }
            });
        }
    });
}

fn tokio(workers: usize, blocking: bool) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_io().build();
    runtime.expect("Tokio starts").block_on(async {
        let serving = tokio::spawn(async move {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a port");
            say(listener.local_addr());
            loop {
                let (mut peer, _) = listener.accept().await.expect("a client connects");
                tokio::spawn(async move {
                    let _ = peer.set_nodelay(true);
                    let mut message = [0; SIZE];
                    while peer.read_exact(&mut message).await.is_ok() {
                        let time = asked(&message);
                        if blocking && time > 0 {
                            let _ = tokio::task::spawn_blocking(move || compute(time)).await;
                        } else {
                            compute(time);
                        }
                        if peer.write_all(&message).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        serving.await.expect("it serves until the process is killed");
    });
}

/// Connections go to the threads in turn.
fn epoll(threads: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
    say(listener.local_addr());
    let senders: Vec<_> = (0..threads)
        .map(|_| {
            // SAFETY: the call takes a number.
            let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
            assert!(epoll >= 0, "{}", std::io::Error::last_os_error());
            let (sender, receiver) = std::sync::mpsc::channel::<TcpStream>();
            std::thread::spawn(move || event_loop(epoll, || receiver.try_iter().collect()));
            (epoll, sender)
        })
        .collect();
    for (number, peer) in listener.incoming().enumerate() {
        let peer = peer.expect("a client connects");
        peer.set_nodelay(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        let fd = peer.as_raw_fd();
        let (epoll, sender) = &senders[number % threads];
        // First, so that the thread has it when it hears of it.
        sender.send(peer).unwrap();
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: fd as u64 };
        // SAFETY: the event lives for the call; the descriptor is the thread's to close.
        let added = unsafe { libc::epoll_ctl(*epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        assert_eq!(added, 0, "{}", std::io::Error::last_os_error());
    }
}

fn event_loop(epoll: i32, arrived: impl Fn() -> Vec<TcpStream>) {
    let mut peers: HashMap<u64, (TcpStream, Vec<u8>)> = HashMap::new();
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
    loop {
        // SAFETY: the array lives for the call and is as long as said.
        let count = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, -1) };
        for peer in arrived() {
            peers.insert(peer.as_raw_fd() as u64, (peer, Vec::new()));
        }
        for event in events.iter().take(count.max(0) as usize) {
            let fd = event.u64;
            let Some((peer, pending)) = peers.get_mut(&fd) else { continue };
            let mut buffer = [0; 16 * SIZE];
            match peer.read(&mut buffer) {
                Ok(received @ 1..) => pending.extend_from_slice(&buffer[..received]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                _ => {
                    peers.remove(&fd);
                    continue;
                }
            }
            while let Some((message, _)) = pending.split_first_chunk::<SIZE>() {
                compute(asked(message));
                // The client reads, and its answers are small: they fit.
                let _ = peer.write_all(message);
                pending.drain(..SIZE);
            }
        }
    }
}
