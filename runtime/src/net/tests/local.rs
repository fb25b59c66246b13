//! Local sockets: streams, listeners and datagrams.

use super::{Failure, conformance, fill, on_fiber, outcome, pattern, said};
use crate::on_fibers::until_it_waits;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// A path in a folder of its own, which is removed with it.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let folder = std::env::temp_dir().join(format!("fiber-local-{}-{}", std::process::id(), number()));
        std::fs::create_dir(&folder).unwrap();
        Place(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Relaxed)
}

/// An abstract name of its own.
fn name() -> SocketAddr {
    SocketAddr::from_abstract_name(format!("fiber test {} {}", std::process::id(), number())).unwrap()
}

conformance! { local:
    fn connecting_and_accepting(net) -> (Vec<bool>, Vec<u8>) {
        let place = Place::new();
        let listener = net::UnixListener::bind(place.path()).unwrap();
        let mut near = net::UnixStream::connect(place.path()).unwrap();
        let (mut far, peer) = listener.accept().unwrap();
        let flags = |fd: i32| {
            // SAFETY: no memory is passed.
            unsafe { (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK) }
        };
        let facts = vec![
            peer.is_unnamed(),
            near.local_addr().unwrap().is_unnamed(),
            near.peer_addr().unwrap().as_pathname() == Some(&place.path()),
            far.local_addr().unwrap().as_pathname() == Some(&place.path()),
            listener.local_addr().unwrap().as_pathname() == Some(&place.path()),
            flags(near.as_raw_fd()) == (libc::FD_CLOEXEC, 0),
            flags(far.as_raw_fd()) == (libc::FD_CLOEXEC, 0),
            net::UnixListener::bind(place.path()).unwrap_err().kind() == ErrorKind::AddrInUse,
        ];
        near.write_all(b"hello").unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        let mut text = Vec::new();
        far.read_to_end(&mut text).unwrap();
        (facts, text)
    }

    fn abstract_names(net) -> (bool, bool, bool) {
        let (name, unheard) = (name(), name());
        let listener = net::UnixListener::bind_addr(&name).unwrap();
        let stream = net::UnixStream::connect_addr(&name).unwrap();
        listener.accept().unwrap();
        (
            listener.local_addr().unwrap().as_abstract_name() == name.as_abstract_name(),
            stream.peer_addr().unwrap().as_abstract_name() == name.as_abstract_name(),
            net::UnixStream::connect_addr(&unheard).unwrap_err().kind() == ErrorKind::ConnectionRefused,
        )
    }

    fn accepting_waits(net) -> Vec<bool> {
        let name = name();
        let listener = net::UnixListener::bind_addr(&name).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    thread::sleep(Duration::from_millis(5));
                    UnixStream::connect_addr(&name).unwrap();
                }
            });
            let mut peers = vec![listener.accept().unwrap().1.is_unnamed()];
            peers.extend(listener.incoming().take(1).map(|peer| peer.is_ok()));
            peers.extend((&listener).into_iter().take(1).map(|peer| peer.is_ok()));
            peers
        })
    }

    /// A client that has bound itself is known by its name.
    fn accepting_a_client_with_a_name(net) -> (bool, bool) {
        let (name, place) = (name(), Place::new());
        let listener = net::UnixListener::bind_addr(&name).unwrap();
        // A stream socket that is bound is made as a listener and connected: std has no other way.
        let client = UnixListener::bind(place.path()).unwrap();
        let bytes = name.as_abstract_name().unwrap();
        // SAFETY: zeroes are an address.
        let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        address.sun_family = libc::AF_UNIX as _;
        for (place, byte) in address.sun_path[1..].iter_mut().zip(bytes) {
            *place = *byte as libc::c_char;
        }
        let len = std::mem::offset_of!(libc::sockaddr_un, sun_path) + 1 + bytes.len();
        // SAFETY: no memory is passed; the descriptor is new.
        let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)) };
        drop(client);
        std::fs::remove_file(place.path()).unwrap();
        let path = place.path();
        let bound = SocketAddr::from_pathname(&path).unwrap();
        let mut own = address;
        own.sun_path = [0; 108];
        for (place, byte) in own.sun_path.iter_mut().zip(bound.as_pathname().unwrap().as_os_str().as_encoded_bytes()) {
            *place = *byte as libc::c_char;
        }
        // SAFETY: the addresses are borrowed during the calls.
        unsafe {
            let size = size_of_val(&own) as u32;
            assert_eq!(libc::bind(socket.as_raw_fd(), (&raw const own).cast(), size), 0);
            assert_eq!(libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len as u32), 0);
        }
        let (stream, peer) = listener.accept().unwrap();
        (peer.as_pathname() == Some(&path), stream.peer_addr().unwrap().as_pathname() == Some(&path))
    }

    fn what_cannot_be_connected_or_bound(net) -> Vec<Result<(), (ErrorKind, String)>> {
        let place = Place::new();
        let plain = place.0.join("file");
        std::fs::write(&plain, b"").unwrap();
        let long = place.0.join("x".repeat(200));
        let failure = |error: std::io::Error| (error.kind(), error.to_string());
        drop(UnixListener::bind(place.path()).unwrap());
        vec![
            net::UnixStream::connect(place.0.join("nothing")).map(drop).map_err(failure),
            net::UnixStream::connect(&plain).map(drop).map_err(failure),
            net::UnixStream::connect(place.path()).map(drop).map_err(failure),
            net::UnixStream::connect(&long).map(drop).map_err(failure),
            net::UnixStream::connect("zero\0inside").map(drop).map_err(failure),
            net::UnixStream::connect("").map(drop).map_err(failure),
            net::UnixListener::bind(&long).map(drop).map_err(failure),
            net::UnixListener::bind("/proc/nothing/here").map(drop).map_err(failure),
            net::UnixDatagram::bind(place.path()).map(drop).map_err(failure),
        ]
    }

    fn streams(net) -> (Vec<usize>, bool, Vec<u8>) {
        let (mut near, mut far) = net::UnixStream::pair().unwrap();
        let data = pattern(4 << 20);
        let sizes = thread::scope(|scope| {
            let reader = far.try_clone().unwrap();
            let data = &data;
            let same = scope.spawn(move || {
                // Reads of std's, whichever kind the writer is.
                let mut reader = UnixStream::from(OwnedFd::from(reader.try_clone().unwrap()));
                let mut all = vec![0; data.len() * 2];
                reader.read_exact(&mut all).unwrap();
                all[..data.len()] == data[..] && all[data.len()..] == data[..]
            });
            let one = near.write(data).unwrap();
            let two = near.write_vectored(&[IoSlice::new(&data[..10]), IoSlice::new(&data[10..])]).unwrap();
            vec![one, two, usize::from(same.join().unwrap())]
        });
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                near.write_all(b"scatter").unwrap();
                near.shutdown(Shutdown::Write).unwrap();
            });
            let (mut one, mut rest) = ([0; 3], [0; 8]);
            let read = far.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut rest)]).unwrap();
            assert_eq!(read, 7);
            let end = far.read(&mut [0; 8]).unwrap() == 0;
            (sizes, end, [&one[..], &rest[..]].concat())
        })
    }

    fn streams_that_end(net) -> Vec<Result<usize, Failure>> {
        let (mut near, far) = net::UnixStream::pair().unwrap();
        near.write_all(b"unread").unwrap();
        drop(far);
        let mut outcomes = vec![outcome(near.read(&mut [0; 8])), outcome(near.write(b"x")), outcome(near.read(&mut []))];
        let (mut near, far) = net::UnixStream::pair().unwrap();
        drop(far);
        outcomes.extend([outcome(near.read(&mut [0; 8])), outcome(near.write(b"x"))]);
        outcomes.push(outcome(near.peer_addr().map(|_| 0)));
        outcomes
    }

    fn time_limits_and_modes(net) -> Vec<Result<usize, Failure>> {
        let (mut near, _far) = net::UnixStream::pair().unwrap();
        let limit = Some(Duration::from_millis(5));
        near.set_read_timeout(limit).unwrap();
        near.set_write_timeout(limit).unwrap();
        assert!(near.read_timeout().unwrap() >= limit && near.write_timeout().unwrap() >= limit);
        let mut outcomes = vec![outcome(near.read(&mut [0; 8])), outcome(near.set_read_timeout(Some(Duration::ZERO)).map(|()| 0))];
        fill(&near);
        outcomes.push(outcome(near.write(b"x")));
        let clone = near.try_clone().unwrap();
        clone.set_nonblocking(true).unwrap();
        near.set_read_timeout(None).unwrap();
        outcomes.extend([outcome(near.read(&mut [0; 8])), outcome(near.write(b"x"))]);
        outcomes.push(outcome(near.take_error().map(|error| usize::from(error.is_some()))));
        let listener = net::UnixListener::bind_addr(&name()).unwrap();
        let other = listener.try_clone().unwrap();
        other.set_nonblocking(true).unwrap();
        outcomes.push(outcome(listener.accept().map(|_| 0)));
        outcomes.push(outcome(listener.take_error().map(|error| usize::from(error.is_some()))));
        outcomes
    }

    fn datagrams(net) -> (Vec<usize>, Vec<bool>) {
        let (place, name) = (Place::new(), name());
        let by_path = net::UnixDatagram::bind(place.path()).unwrap();
        let by_name = net::UnixDatagram::bind_addr(&name).unwrap();
        let unnamed = net::UnixDatagram::unbound().unwrap();
        let mut buf = [0; 8];
        let mut sizes = vec![
            unnamed.send_to(b"path", place.path()).unwrap(),
            unnamed.send_to_addr(b"name", &name).unwrap(),
            by_path.send_to_addr(b"from the path", &name).unwrap(),
            by_name.send_to(b"", place.path()).unwrap(),
        ];
        let (n, one) = by_path.recv_from(&mut buf).unwrap();
        let (m, two) = by_path.recv_from(&mut buf).unwrap();
        let (o, _) = by_name.recv_from(&mut buf).unwrap();
        let (p, three) = by_name.recv_from(&mut buf).unwrap();
        sizes.extend([n, m, o, p]);
        by_path.connect_addr(&name).unwrap();
        sizes.push(by_path.send(b"to my peer").unwrap());
        sizes.push(by_name.recv(&mut buf).unwrap());
        let facts = vec![
            one.is_unnamed(),
            two.as_abstract_name() == name.as_abstract_name(),
            three.as_pathname() == Some(&place.path()),
            by_path.peer_addr().unwrap().as_abstract_name() == name.as_abstract_name(),
            by_name.local_addr().unwrap().as_abstract_name() == name.as_abstract_name(),
            unnamed.local_addr().unwrap().is_unnamed(),
            // Who has a peer does not hear others.
            unnamed.connect(place.path()).is_ok(),
            unnamed.connect_addr(&name).is_ok(),
            unnamed.peer_addr().unwrap().as_abstract_name() == name.as_abstract_name(),
        ];
        (sizes, facts)
    }

    fn datagrams_that_fail(net) -> Vec<Result<usize, String>> {
        let place = Place::new();
        let (near, far) = net::UnixDatagram::pair().unwrap();
        let lonely = net::UnixDatagram::unbound().unwrap();
        near.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut said_of = vec![
            said(near.recv(&mut [0; 8])),
            said(near.recv_from(&mut [0; 8]).map(|_| 0)),
            said(lonely.send(b"x")),
            said(lonely.send_to(b"x", place.path())),
            said(lonely.send_to(b"x", "x".repeat(200))),
            said(lonely.peer_addr().map(|_| 0)),
            said(near.send(&vec![0; 8 << 20])),
        ];
        drop(far);
        said_of.push(said(near.send(b"x")));
        near.set_nonblocking(true).unwrap();
        said_of.push(said(near.recv(&mut [0; 8])));
        said_of.push(said(near.take_error().map(|_| 0)));
        said_of
    }

    fn receiving_waits(net) -> (usize, usize, bool, usize) {
        let (near, far) = net::UnixDatagram::pair().unwrap();
        let send_later = || {
            thread::sleep(Duration::from_millis(5));
            far.send(b"later").unwrap();
        };
        thread::scope(|scope| {
            scope.spawn(send_later);
            let one = near.recv(&mut [0; 3]).unwrap();
            scope.spawn(send_later);
            let (two, from) = near.recv_from(&mut [0; 8]).unwrap();
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                near.try_clone().unwrap().shutdown(Shutdown::Read).unwrap();
            });
            (one, two, from.is_unnamed(), near.recv(&mut [0; 8]).unwrap())
        })
    }

    /// A datagram waits for room at the other end, by a peer and by an address.
    fn sending_waits_for_room(net) -> (usize, usize, usize) {
        let name = name();
        let far = UnixDatagram::bind_addr(&name).unwrap();
        let near = net::UnixDatagram::unbound().unwrap();
        let fill = || {
            let filler = UnixDatagram::unbound().unwrap();
            filler.set_nonblocking(true).unwrap();
            (0..).take_while(|_| filler.send_to_addr(b"full", &name).is_ok()).count()
        };
        let waited = |send: &dyn Fn() -> usize| {
            let queued = fill();
            thread::scope(|scope| {
                let reader = scope.spawn(|| {
                    thread::sleep(Duration::from_millis(10));
                    let mut buf = [0; 16];
                    (0..=queued).map(|_| far.recv(&mut buf).unwrap()).last().unwrap()
                });
                (send(), reader.join().unwrap())
            })
        };
        let by_address = waited(&|| near.send_to_addr(b"address", &name).unwrap());
        near.connect_addr(&name).unwrap();
        let by_peer = waited(&|| near.send(b"to my peer").unwrap());
        fill();
        near.set_write_timeout(Some(Duration::from_millis(5))).unwrap();
        let late = near.send(b"late").unwrap_err().raw_os_error().unwrap();
        (by_address.0 + by_address.1, by_peer.0 + by_peer.1, late as usize)
    }

    fn descriptors_come_and_go(net) -> (Vec<u8>, usize, bool) {
        let (near, mut far) = net::UnixStream::pair().unwrap();
        // SAFETY: the descriptor was just given up by its owner.
        let near = unsafe { net::UnixStream::from_raw_fd(near.into_raw_fd()) };
        (&net::UnixStream::from(OwnedFd::from(near))).write_all(b"the same").unwrap();
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        let (near, far) = net::UnixDatagram::pair().unwrap();
        let near = net::UnixDatagram::from(OwnedFd::from(near));
        far.send(b"the same").unwrap();
        let name = name();
        let listener = net::UnixListener::from(OwnedFd::from(net::UnixListener::bind_addr(&name).unwrap()));
        let _client = UnixStream::connect_addr(&name).unwrap();
        (all, near.recv(&mut [0; 16]).unwrap(), listener.accept().is_ok())
    }
}

/// A listener whose queue is full makes a client wait, and a cancellation ends that.
#[test]
fn connecting_waits_for_room_and_can_be_cancelled() {
    let name = name();
    let listener = UnixListener::bind_addr(&name).unwrap();
    // SAFETY: no memory is passed. A second `listen` changes the length of the queue.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let first = UnixStream::connect_addr(&name).unwrap();
    on_fiber(|| {
        let connect = || {
            let name = name.clone();
            crate::spawn(move || crate::net::UnixStream::connect_addr(&name).map(drop))
        };
        let cancelled = connect();
        until_it_waits(&cancelled);
        cancelled.cancel();
        let error = cancelled.join().unwrap().unwrap_err();
        assert!(error.get_ref().is_some_and(|source| source.is::<crate::Cancelled>()), "{error}");
        let patient = connect();
        until_it_waits(&patient);
        listener.accept().unwrap();
        patient.join().unwrap().unwrap();
    });
    drop(first);
}

/// A sender that waits for room at the other end can be cancelled, and has sent nothing then.
#[test]
fn cancelling_a_sender() {
    let name = name();
    let far = UnixDatagram::bind_addr(&name).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    let queued = (0..).take_while(|_| filler.send_to_addr(b"full", &name).is_ok()).count();
    on_fiber(|| {
        let senders: Vec<_> = [false, true]
            .into_iter()
            .map(|connected| {
                let name = name.clone();
                crate::spawn(move || {
                    let near = crate::net::UnixDatagram::unbound()?;
                    if connected {
                        near.connect_addr(&name)?;
                        near.send(b"never")
                    } else {
                        near.send_to_addr(b"never", &name)
                    }
                })
            })
            .collect();
        for sender in senders {
            until_it_waits(&sender);
            sender.cancel();
            let error = sender.join().unwrap().unwrap_err();
            assert!(error.get_ref().is_some_and(|source| source.is::<crate::Cancelled>()), "{error}");
        }
    });
    far.set_nonblocking(true).unwrap();
    let mut buf = [0; 8];
    let received = (0..).map_while(|_| far.recv(&mut buf).ok()).count();
    assert_eq!(received, queued);
}
