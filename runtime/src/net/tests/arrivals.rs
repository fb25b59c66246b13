//! Accepting ahead of time: everybody is served or hung up on, and nobody is forgotten.

use super::{Failure, outcome};
use crate::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use crate::on_fibers::{is_cancelled, on_one_worker, until_waiting};
use crate::runtime::Reason;
use crate::time::{sleep, timeout};
use crate::{spawn, yield_now};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::time::Duration;

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Clients that have said their number.
fn clients(address: SocketAddr, numbers: impl Iterator<Item = u16>) -> Vec<std::net::TcpStream> {
    let client = |number: u16| {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(&number.to_ne_bytes()).unwrap();
        client
    };
    numbers.map(client).collect()
}

/// What the client of a connection has said.
fn number(mut peer: &TcpStream) -> u16 {
    let mut said = [0; 2];
    peer.read_exact(&mut said).unwrap();
    u16::from_ne_bytes(said)
}

#[test]
fn connections_come_in_order_whenever_they_are_taken() {
    on_one_worker(|| {
        let (listener, address) = listener();
        let mut stream = listener.accept_stream();
        let mut expected = 0;
        for (burst, wait) in [(1u16, false), (5, true), (40, false), (3, true)] {
            let clients = spawn(move || {
                if wait {
                    until_waiting(Reason::Accept);
                }
                clients(address, expected..expected + burst)
            });
            for _ in 0..burst {
                let peer = stream.next().unwrap().unwrap();
                assert_eq!(number(&peer), expected);
                assert_eq!(peer.local_addr().unwrap(), address);
                expected += 1;
            }
            clients.join().unwrap();
        }
    });
}

/// Far more than there is room for: the kernel is told to cease, and to go on.
#[test]
fn nobody_is_lost_while_the_loop_is_busy() {
    on_one_worker(|| {
        let (listener, address) = listener();
        let mut stream = listener.accept_stream();
        let _first = clients(address, 0..1);
        let served = stream.next().unwrap().unwrap();
        assert_eq!(number(&served), 0);
        let waiting = clients(address, 1..400);
        // The loop is busy, and its worker is not.
        (0..50).for_each(|_| yield_now());
        sleep(Duration::from_millis(5));
        for expected in 1..400 {
            assert_eq!(number(&stream.next().unwrap().unwrap()), expected);
        }
        drop(waiting);
    });
}

#[test]
fn a_stream_goes_on_after_a_wait_was_cut_short() {
    on_one_worker(|| {
        let (listener, address) = listener();
        let mut stream = listener.accept_stream();
        let late = timeout(Duration::from_millis(3), || stream.next().unwrap());
        let error = late.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::TimedOut, None));
        let _clients = clients(address, 7..8);
        assert_eq!(number(&stream.next().unwrap().unwrap()), 7);
    });
}

#[test]
fn cancelling_ends_the_wait() {
    on_one_worker(|| {
        let (listener, address) = listener();
        let waiter = spawn(move || {
            let mut stream = listener.accept_stream();
            let error = stream.next().unwrap().unwrap_err();
            drop(stream);
            (is_cancelled(&error), listener)
        });
        until_waiting(Reason::Accept);
        waiter.cancel();
        let (cancelled, listener) = waiter.join().unwrap();
        assert!(cancelled);
        // Nothing accepts ahead any more.
        let _clients = clients(address, 5..6);
        assert_eq!(number(&listener.accept().unwrap().0), 5);
    });
}

/// Whoever was accepted, and not taken, is hung up on; whoever comes after is another's.
#[test]
fn dropping_it_hangs_up_and_leaves_the_listener_to_others() {
    on_one_worker(|| {
        let (listener, address) = listener();
        for round in 0..20u16 {
            let mut stream = listener.accept_stream();
            let before = clients(address, 0..8);
            let first = stream.next().unwrap().unwrap();
            assert_eq!(number(&first), 0);
            (0..round % 4).for_each(|_| yield_now());
            drop(stream);
            // How many of them it had accepted is the driver's affair; the others are in the kernel's queue still.
            listener.set_nonblocking(true).unwrap();
            let mut left = 0;
            while let Ok((peer, _)) = listener.accept() {
                number(&peer);
                left += 1;
            }
            listener.set_nonblocking(false).unwrap();
            for client in &before[1..8 - left] {
                let gone: Result<usize, Failure> = outcome((&mut &*client).read(&mut [0; 1]));
                assert!(matches!(gone, Ok(0) | Err((ErrorKind::ConnectionReset, _))), "{gone:?}");
            }
            let after = clients(address, 9..10);
            assert_eq!(number(&listener.accept().unwrap().0), 9);
            drop((before, after, first));
        }
    });
}

#[test]
fn a_stopped_stream_gives_out_what_it_has_and_ends() {
    on_one_worker(|| {
        let (listener, address) = listener();
        let mut stream = listener.accept_stream();
        let before = clients(address, 0..8);
        assert_eq!(number(&stream.next().unwrap().unwrap()), 0);
        stream.stop();
        let rest: Vec<u16> = stream.by_ref().map(|peer| number(&peer.unwrap())).collect();
        assert!(stream.next().is_none());
        drop(stream);
        // None came between: what it had not accepted, the listener still has.
        let others: Vec<u16> = (rest.len()..7).map(|_| number(&listener.accept().unwrap().0)).collect();
        assert!(rest.into_iter().chain(others).eq(1..8));
        drop(before);
    });
}

#[test]
fn errors_are_those_of_accept() {
    on_one_worker(|| {
        let idle = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let no_listener = TcpListener::from(OwnedFd::from(idle));
        let expected = outcome(no_listener.accept().map(drop));
        assert!(expected.is_err());
        let mut stream = no_listener.accept_stream();
        assert_eq!(outcome(stream.next().unwrap().map(drop)), expected);
        assert_eq!(outcome(stream.next().unwrap().map(drop)), expected);
        let (listener, _) = listener();
        listener.set_nonblocking(true).unwrap();
        let error = listener.accept_stream().next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn on_a_thread_and_after_the_runtime() {
    let (listener, address) = listener();
    let _clients = clients(address, 0..2);
    let mut stream = listener.accept_stream();
    assert_eq!(number(&stream.next().unwrap().unwrap()), 0);
    stream.stop();
    assert!(stream.next().is_none());
    drop(stream);
    // A runtime ends although a stream of it was never dropped.
    on_one_worker(|| {
        let mut stream = listener.accept_stream();
        assert_eq!(number(&stream.next().unwrap().unwrap()), 1);
        std::mem::forget(stream);
    });
}

#[test]
fn local_sockets() {
    on_one_worker(|| {
        let name = format!("fiber-net-arrivals-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let mut stream = listener.accept_stream();
        for _ in 0..3 {
            let mut clients: Vec<_> = (0..4).map(|_| UnixStream::connect_addr(&address).unwrap()).collect();
            for client in &mut clients {
                let mut peer = stream.next().unwrap().unwrap();
                client.write_all(b"local").unwrap();
                peer.read_exact(&mut [0; 5]).unwrap();
            }
        }
    });
}
