//! Listening, connecting, accepting.

use super::{Failure, conformance, on_fiber, outcome, pair, said};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

/// A port of this machine at which nobody listens: its listener has just gone.
fn refusing() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A listener whose queue is full: further connections are neither taken nor refused. Kept full by what is returned.
fn full() -> (TcpListener, Vec<OwnedFd>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // SAFETY: no memory is passed. A second `listen` changes the length of the queue.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    // There is room for one, which is waited for: on a busy machine the time below may pass before the kernel gets to it.
    let mut waiting = vec![TcpStream::connect(address).unwrap().into()];
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(stream.into());
        assert!(waiting.len() < 10, "the queue never fills");
    }
    (listener, waiting)
}

conformance! { net:
    fn connecting_and_accepting(net) -> (bool, bool, bool, bool) {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let near = net::TcpStream::connect(address).unwrap();
        let (far, peer) = listener.accept().unwrap();
        let flags = |fd: i32| {
            // SAFETY: no memory is passed.
            unsafe { (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK) }
        };
        (
            peer == near.local_addr().unwrap() && peer == far.peer_addr().unwrap(),
            far.local_addr().unwrap() == address && near.peer_addr().unwrap() == address,
            flags(near.as_raw_fd()) == (libc::FD_CLOEXEC, 0),
            flags(far.as_raw_fd()) == (libc::FD_CLOEXEC, 0),
        )
    }

    fn accepting_waits(net) -> bool {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            let client = scope.spawn(move || {
                thread::sleep(Duration::from_millis(10));
                TcpStream::connect(address).unwrap()
            });
            let (_far, peer) = listener.accept().unwrap();
            peer == client.join().unwrap().local_addr().unwrap()
        })
    }

    fn version_six(net) -> Result<bool, Failure> {
        let listener = match net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
            Ok(listener) => listener,
            Err(error) => return outcome(Err(error)),
        };
        let mut near = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, peer) = listener.accept().unwrap();
        near.write_all(b"six").unwrap();
        far.read_exact(&mut [0; 3]).unwrap();
        Ok(peer == near.local_addr().unwrap())
    }

    fn a_refusal(net) -> Vec<Result<(), Failure>> {
        let address = refusing();
        vec![
            outcome(net::TcpStream::connect(address).map(drop)),
            outcome(net::TcpStream::connect_timeout(&address, Duration::from_secs(20)).map(drop)),
            outcome(net::TcpStream::connect(&[address, refusing()][..]).map(drop)),
        ]
    }

    fn the_first_address_that_works(net) -> (bool, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let stream = net::TcpStream::connect(&[refusing(), good][..]).unwrap();
        let bound = net::TcpListener::bind(&[good, SocketAddr::from(([127, 0, 0, 1], 0))][..]).unwrap();
        (stream.peer_addr().unwrap() == good, bound.local_addr().unwrap() != good)
    }

    fn no_address_at_all(net) -> Vec<Result<(), String>> {
        let none: &[SocketAddr] = &[];
        vec![
            said(net::TcpStream::connect(none).map(drop)),
            said(net::TcpListener::bind(none).map(drop)),
            said(net::TcpStream::connect("nonsense").map(drop)),
            said(net::TcpListener::bind("127.0.0.1:port").map(drop)),
        ]
    }

    fn what_cannot_be_bound(net) -> Vec<Result<(), Failure>> {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        vec![
            outcome(net::TcpListener::bind(taken.local_addr().unwrap()).map(drop)),
            // A documentation address, nobody's.
            outcome(net::TcpListener::bind("192.0.2.1:0").map(drop)),
        ]
    }

    fn connecting_in_time(net) -> (bool, Result<(), String>, Result<(), (ErrorKind, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = net::TcpStream::connect_timeout(&address, Duration::from_secs(20)).unwrap();
        let (_full, _waiting) = full();
        let never = _full.local_addr().unwrap();
        (
            stream.peer_addr().unwrap() == address,
            said(net::TcpStream::connect_timeout(&address, Duration::ZERO).map(drop)),
            net::TcpStream::connect_timeout(&never, Duration::from_millis(50))
                .map(drop)
                .map_err(|error| (error.kind(), error.to_string())),
        )
    }

    fn incoming_connections(net) -> Vec<bool> {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut connections = listener.incoming();
        clients
            .iter()
            .map(|client| connections.next().unwrap().unwrap().peer_addr().unwrap() == client.local_addr().unwrap())
            .collect()
    }

    fn accepting_what_does_not_listen(net) -> Vec<Result<(), Failure>> {
        // SAFETY: no memory is passed; the descriptor is new.
        let deaf = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0)) };
        let (pipe, _writer) = io::pipe().unwrap();
        vec![
            outcome(net::TcpListener::from(deaf).accept().map(drop)),
            outcome(net::TcpListener::from(OwnedFd::from(pipe)).accept().map(drop)),
        ]
    }

    fn a_listener_that_is_shut_down_while_accepting(net) -> Result<(), Failure> {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let other = listener.as_fd().try_clone_to_owned().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                // SAFETY: no memory is passed.
                assert_eq!(unsafe { libc::shutdown(other.as_raw_fd(), libc::SHUT_RDWR) }, 0);
            });
            outcome(listener.accept().map(drop))
        })
    }

    fn clones_are_the_same_socket(net) -> (Vec<u8>, bool) {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let again = listener.try_clone().unwrap();
        let near = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = again.accept().unwrap();
        let mut clone = near.try_clone().unwrap();
        clone.write_all(b"one").unwrap();
        (&near).write_all(b"two").unwrap();
        drop((near, clone));
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        (all, again.local_addr().unwrap() == listener.local_addr().unwrap())
    }

    fn descriptors_come_and_go(net) -> (Vec<u8>, bool) {
        let (near, mut far) = pair!(net);
        let address = near.local_addr().unwrap();
        let number = near.as_raw_fd();
        // SAFETY: the descriptor was just given up by its owner.
        let near = unsafe { net::TcpStream::from_raw_fd(near.into_raw_fd()) };
        let mut near = net::TcpStream::from(OwnedFd::from(near));
        near.write_all(b"the same").unwrap();
        let same = near.local_addr().unwrap() == address && near.as_raw_fd() == number;
        drop(near);
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();

        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap();
        // SAFETY: as above.
        let listener = unsafe { net::TcpListener::from_raw_fd(listener.into_raw_fd()) };
        let listener = net::TcpListener::from(OwnedFd::from(listener));
        let _client = TcpStream::connect(port).unwrap();
        (all, same && listener.accept().is_ok())
    }
}

/// A listener that inherits is one that std made: what was set on it holds for its connections.
#[test]
fn inherited_time_limits_hold() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let limit = libc::timeval { tv_sec: 0, tv_usec: 20_000 };
    // SAFETY: the kernel reads the structure during the call.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const limit).cast(),
            size_of_val(&limit) as _,
        )
    };
    assert_eq!(set, 0);
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    on_fiber(|| {
        let (mut stream, _) = crate::net::TcpListener::from(listener).accept().unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn connections_debug_as_stds_do() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let expected = format!("{stream:?} {stream:#?} {listener:?} {listener:#?}");
    let (stream, listener) = (crate::net::TcpStream::from(stream), crate::net::TcpListener::from(listener));
    assert_eq!(format!("{stream:?} {stream:#?} {listener:?} {listener:#?}"), expected);
    // And back.
    let (stream, listener) = (TcpStream::from(stream), TcpListener::from(listener));
    assert_eq!(format!("{stream:?} {stream:#?} {listener:?} {listener:#?}"), expected);
}
