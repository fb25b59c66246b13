//! Listeners where fibers wait by epoll: in non-blocking mode if they were made here, left as they are if not.

use crate::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use crate::runtime::{Builder, DriverKind, Runtime};
use crate::spawn;
use crate::time::{sleep, timeout};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use std::{net, thread};

/// A runtime that waits by epoll; nothing where the environment forces another driver.
fn on_epoll(workers: usize) -> Option<Runtime> {
    let runtime = Builder::new().workers(workers).driver(DriverKind::Epoll).build().unwrap();
    (runtime.handle().driver() == DriverKind::Epoll).then_some(runtime)
}

fn is_nonblocking(fd: &impl AsRawFd) -> bool {
    // SAFETY: no memory is passed.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK != 0 }
}

/// Connects after a while, so that whoever accepts has to wait.
fn client(address: net::SocketAddr) -> thread::JoinHandle<net::TcpStream> {
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        net::TcpStream::connect(address).unwrap()
    })
}

#[test]
fn a_listener_made_here_waits_on_fibers_and_on_threads() {
    let Some(runtime) = on_epoll(1) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert!(!is_nonblocking(&listener));
    let clients = client(address);
    let (peer, _) = runtime.run(|| listener.accept()).unwrap();
    assert!(is_nonblocking(&listener) && !is_nonblocking(&peer));
    clients.join().unwrap();
    // On a thread, with plain calls.
    let clients = client(address);
    let (peer, _) = listener.accept().unwrap();
    assert!(!is_nonblocking(&peer));
    clients.join().unwrap();

    // The mode that its owner sets is the one that counts, in any order.
    let twin = listener.try_clone().unwrap();
    twin.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(runtime.run(|| listener.accept()).unwrap_err().kind(), ErrorKind::WouldBlock);
    listener.set_nonblocking(false).unwrap();
    let clients = client(address);
    runtime.run(|| twin.accept()).unwrap();
    clients.join().unwrap();

    // The last handle that leaves goes as its owner has set it.
    assert!(is_nonblocking(&net::TcpListener::from(twin)));
    assert!(!is_nonblocking(&OwnedFd::from(listener)));
}

#[test]
fn a_local_listener_made_here_does_too() {
    let Some(runtime) = on_epoll(1) else { return };
    let name = SocketAddr::from_abstract_name(format!("fiber-net-listeners-{}", std::process::id())).unwrap();
    let listener = UnixListener::bind_addr(&name).unwrap();
    let later = || {
        let name = name.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            std::os::unix::net::UnixStream::connect_addr(&name).unwrap()
        })
    };
    let clients = later();
    runtime.run(|| listener.accept()).unwrap();
    clients.join().unwrap();
    assert!(is_nonblocking(&listener));
    let clients = later();
    listener.accept().unwrap();
    clients.join().unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(is_nonblocking(&std::os::unix::net::UnixListener::from(listener)));
}

/// It may be shared with another process, whose calls would no longer wait.
#[test]
fn a_listener_that_came_as_a_descriptor_keeps_its_mode() {
    let Some(runtime) = on_epoll(1) else { return };
    let theirs = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = theirs.local_addr().unwrap();
    let shared = theirs.try_clone().unwrap();
    let listener = TcpListener::from(theirs);
    runtime.run(|| {
        let turns = AtomicUsize::new(0);
        crate::scope(|s| {
            let others = s.spawn(|| {
                for _ in 0..20 {
                    sleep(Duration::from_micros(100));
                    turns.fetch_add(1, SeqCst);
                }
            });
            let late = timeout(Duration::from_millis(2), || listener.accept()).unwrap().unwrap_err();
            assert_eq!(late.kind(), ErrorKind::TimedOut);
            for _ in 0..3 {
                let clients = client(address);
                let (mut peer, _) = listener.accept().unwrap();
                let mut end = crate::blocking(|| clients.join().unwrap());
                end.write_all(b"hello").unwrap();
                peer.read_exact(&mut [0; 5]).unwrap();
            }
            others.join().unwrap();
        });
        assert_eq!(turns.load(SeqCst), 20);
    });
    assert!(!is_nonblocking(&shared) && !is_nonblocking(&listener.as_fd()));
}

/// Whoever is quickest gets a connection, and the others wait on: no worker is held by an accept in vain.
#[test]
fn many_accept_from_one_listener() {
    const CONNECTIONS: usize = 200;
    let Some(runtime) = on_epoll(2) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = std::sync::Arc::new(AtomicUsize::new(0));
    let fibers: Vec<_> = (0..8)
        .map(|_| {
            let (listener, accepted) = (listener.try_clone().unwrap(), accepted.clone());
            runtime.spawn(move || -> io::Result<()> {
                loop {
                    listener.accept()?.0.write_all(b"!")?;
                    accepted.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    // A thread takes some of them as well, by plain calls.
    let by_thread = listener.try_clone().unwrap();
    let (stop, counted) = (std::sync::Arc::new(AtomicUsize::new(0)), accepted.clone());
    let thread = thread::spawn({
        let stop = stop.clone();
        move || {
            while stop.load(SeqCst) == 0 {
                by_thread.accept().unwrap().0.write_all(b"!").unwrap();
                counted.fetch_add(1, SeqCst);
            }
        }
    });
    for _ in 0..CONNECTIONS {
        net::TcpStream::connect(address).unwrap().read_exact(&mut [0]).unwrap();
    }
    stop.store(1, SeqCst);
    // What the thread waits for still, a fiber or the thread takes.
    fibers.iter().for_each(|fiber| fiber.cancel());
    for fiber in fibers {
        assert!(fiber.join().is_ok_and(|result| result.is_err()));
    }
    let _last = net::TcpStream::connect(address).unwrap();
    thread.join().unwrap();
    assert!(accepted.load(SeqCst) >= CONNECTIONS);
}

/// And a local listener with a full backlog is asked again until somebody accepts.
#[test]
fn connections_are_in_blocking_mode() {
    let Some(runtime) = on_epoll(1) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    runtime.run(|| {
        let stream = TcpStream::connect(address).unwrap();
        assert!(!is_nonblocking(&stream));
        let name = SocketAddr::from_abstract_name(format!("fiber-net-connections-{}", std::process::id())).unwrap();
        let local = UnixListener::bind_addr(&name).unwrap();
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::listen(local.as_raw_fd(), 0) }, 0);
        let first = UnixStream::connect_addr(&name).unwrap();
        let second = spawn(move || UnixStream::connect_addr(&name));
        sleep(Duration::from_millis(3));
        assert!(!second.is_finished(), "there is room for one");
        local.accept().unwrap();
        let second = second.join().unwrap().unwrap();
        assert!(!is_nonblocking(&first) && !is_nonblocking(&second));
    });
}
