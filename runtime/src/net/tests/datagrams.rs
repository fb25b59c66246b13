//! UDP.

use super::{Failure, conformance, on_fiber, outcome, said};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

/// A socket of the kind under test, and one of std's; each knows the other's address.
macro_rules! sockets {
    ($net:ident) => {{
        let near = $net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        far.connect(near.local_addr().unwrap()).unwrap();
        (near, far)
    }};
}

/// An address of this machine at which there is no socket.
fn nobody() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

conformance! { net:
    fn datagrams_have_a_sender(net) -> (usize, bool, Vec<u8>, usize, bool) {
        let (near, far) = sockets!(net);
        let mut buf = [0; 16];
        // One that is there, and one that is waited for.
        far.send(b"first").unwrap();
        let (one, from) = near.recv_from(&mut buf).unwrap();
        let sender = from == far.local_addr().unwrap();
        let text = buf[..one].to_vec();
        let (two, from) = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                far.send(b"second").unwrap();
            });
            near.recv_from(&mut buf).unwrap()
        });
        (one, sender, text, two, from == far.local_addr().unwrap())
    }

    fn what_does_not_fit_is_lost(net) -> (Vec<usize>, [u8; 4]) {
        let (near, far) = sockets!(net);
        let mut buf = [0; 4];
        for text in [&b"longer than four"[..], b"", b"next", b"longer again", b"last"] {
            far.send(text).unwrap();
        }
        let mut sizes = vec![near.recv(&mut buf).unwrap(), near.recv(&mut buf).unwrap(), near.recv(&mut buf).unwrap()];
        // Into nothing at all: the datagram is taken all the same.
        sizes.push(near.recv(&mut []).unwrap());
        sizes.push(near.recv_from(&mut buf).unwrap().0);
        (sizes, buf)
    }

    fn receiving_nothing_waits_for_a_datagram(net) -> (usize, usize, usize) {
        let (near, far) = sockets!(net);
        let send_later = || {
            thread::sleep(Duration::from_millis(10));
            far.send(b"data").unwrap();
        };
        thread::scope(|scope| {
            scope.spawn(send_later);
            let one = near.recv(&mut []).unwrap();
            scope.spawn(send_later);
            let two = near.recv_from(&mut []).unwrap().0;
            far.send(b"third").unwrap();
            (one, two, near.recv(&mut [0; 8]).unwrap())
        })
    }

    fn peeking_takes_nothing(net) -> (Vec<usize>, bool) {
        let (near, far) = sockets!(net);
        let (mut buf, mut sizes) = ([0; 8], Vec::new());
        let from = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(10));
                far.send(b"peek").unwrap();
            });
            let (n, from) = near.peek_from(&mut buf).unwrap();
            sizes.push(n);
            from
        });
        sizes.push(near.peek(&mut buf[..2]).unwrap());
        sizes.push(near.peek_from(&mut buf[..3]).unwrap().0);
        sizes.push(near.recv(&mut buf).unwrap());
        near.set_nonblocking(true).unwrap();
        (sizes, from == far.local_addr().unwrap() && near.peek(&mut buf).is_err() && &buf[..4] == b"peek")
    }

    fn sending_with_and_without_a_peer(net) -> Vec<Result<usize, Failure>> {
        let (near, far) = sockets!(net);
        let address = far.local_addr().unwrap();
        let mut outcomes = vec![
            outcome(near.send(b"to whom")),
            outcome(near.send_to(b"to you", address)),
            outcome(near.send_to(b"", address)),
            outcome(near.send_to(&vec![0; 70_000], address)),
            outcome(near.send_to(b"the first counts", &[address, nobody()][..])),
            outcome(near.peer_addr().map(|_| 0)),
        ];
        near.connect(address).unwrap();
        outcomes.extend([outcome(near.send(b"to my peer")), outcome(near.send(&vec![0; 70_000]))]);
        let mut buf = [0; 32];
        outcomes.extend((0..4).map(|_| outcome(far.recv(&mut buf))));
        assert_eq!(near.peer_addr().unwrap(), address);
        outcomes
    }

    fn sending_to_no_address(net) -> Vec<Result<usize, String>> {
        let (near, _far) = sockets!(net);
        let none: &[SocketAddr] = &[];
        vec![
            said(near.send_to(b"x", none)),
            said(near.send_to(b"x", "nonsense")),
            said(near.connect(none).map(|()| 0)),
            said(near.send_to(b"x", "[::1]:80")),
        ]
    }

    fn a_peer_that_is_not_there(net) -> Vec<Result<usize, Failure>> {
        let near = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        near.connect(nobody()).unwrap();
        let mut outcomes = vec![outcome(near.send(b"anybody?")), outcome(near.recv(&mut [0; 8]))];
        outcomes.extend([outcome(near.send(b"anybody?")), outcome(near.send(b"anybody?"))]);
        outcomes
    }

    fn others_are_not_heard_by_a_connected_socket(net) -> (usize, Result<usize, Failure>) {
        let (near, far) = sockets!(net);
        near.connect(far.local_addr().unwrap()).unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"stranger", near.local_addr().unwrap()).unwrap();
        far.send(b"you").unwrap();
        let heard = near.recv(&mut [0; 16]).unwrap();
        near.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        (heard, outcome(near.recv(&mut [0; 16])))
    }

    fn time_limits_and_modes(net) -> Vec<Result<usize, Failure>> {
        let (near, far) = sockets!(net);
        let limit = Some(Duration::from_millis(5));
        near.set_read_timeout(limit).unwrap();
        near.set_write_timeout(limit).unwrap();
        assert!(near.read_timeout().unwrap() >= limit && near.write_timeout().unwrap() >= limit);
        let mut buf = [0; 8];
        let mut outcomes = vec![
            outcome(near.recv(&mut buf)),
            outcome(near.recv(&mut [])),
            outcome(near.recv_from(&mut buf).map(|_| 0)),
            outcome(near.peek(&mut buf)),
            outcome(near.peek_from(&mut buf).map(|_| 0)),
            outcome(near.set_read_timeout(Some(Duration::ZERO)).map(|()| 0)),
        ];
        near.set_read_timeout(None).unwrap();
        let clone = near.try_clone().unwrap();
        clone.set_nonblocking(true).unwrap();
        outcomes.extend([outcome(near.recv(&mut buf)), outcome(near.recv_from(&mut buf).map(|_| 0))]);
        far.send(b"there").unwrap();
        outcomes.extend([outcome(near.recv(&mut buf)), outcome(clone.recv(&mut buf))]);
        outcomes
    }

    fn settings_of_the_system(net) -> (bool, u32, bool, u32, bool, Vec<bool>) {
        let socket = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_broadcast(true).unwrap();
        socket.set_ttl(77).unwrap();
        socket.set_multicast_loop_v4(false).unwrap();
        socket.set_multicast_ttl_v4(7).unwrap();
        let group = Ipv4Addr::new(239, 255, 1, 2);
        let joined = vec![
            socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_ok(),
            socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_ok(),
            socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_ok(),
            socket.join_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_ok(),
            socket.leave_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_ok(),
            socket.set_multicast_loop_v6(true).is_ok(),
            socket.multicast_loop_v6().is_ok(),
        ];
        (
            socket.broadcast().unwrap(),
            socket.ttl().unwrap(),
            socket.multicast_loop_v4().unwrap(),
            socket.multicast_ttl_v4().unwrap(),
            socket.take_error().unwrap().is_none(),
            joined,
        )
    }

    fn version_six(net) -> Result<bool, Failure> {
        let near = match net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) {
            Ok(near) => near,
            Err(error) => return outcome(Err(error)),
        };
        let address = near.local_addr().unwrap();
        near.send_to(b"six", address).unwrap();
        Ok(near.recv_from(&mut [0; 8]).unwrap() == (3, address))
    }

    fn descriptors_come_and_go(net) -> (usize, bool) {
        let (near, far) = sockets!(net);
        let (number, address) = (near.as_raw_fd(), near.local_addr().unwrap());
        // SAFETY: the descriptor was just given up by its owner.
        let near = unsafe { net::UdpSocket::from_raw_fd(near.into_raw_fd()) };
        let near = net::UdpSocket::from(OwnedFd::from(near));
        far.send(b"still here").unwrap();
        (near.recv(&mut [0; 16]).unwrap(), near.as_raw_fd() == number && near.local_addr().unwrap() == address)
    }

    fn what_is_no_socket_is_refused(net) -> Vec<Result<usize, Failure>> {
        let (pipe, _writer) = std::io::pipe().unwrap();
        let socket = net::UdpSocket::from(OwnedFd::from(pipe));
        vec![
            outcome(socket.recv(&mut [0; 8])),
            outcome(socket.recv_from(&mut [0; 8]).map(|_| 0)),
            outcome(socket.send(b"x")),
        ]
    }
}

/// Every datagram goes to one of the fibers that wait, whole.
#[test]
fn many_fibers_share_a_socket() {
    on_fiber(|| {
        let server = crate::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let received: usize = crate::scope(|scope| {
            let receivers: Vec<_> = (0..10)
                .map(|_| {
                    let server = &server;
                    scope.spawn(move || {
                        let mut buf = [0; 100];
                        for round in 0..20 {
                            let (n, from) = server.recv_from(&mut buf).unwrap();
                            assert!(n == usize::from(buf[0]) && buf[..n].iter().all(|byte| *byte == buf[0]), "{round}");
                            server.send_to(&buf[..n], from).unwrap();
                        }
                        20
                    })
                })
                .collect();
            for client in 0..10 {
                scope.spawn(move || {
                    let socket = crate::net::UdpSocket::bind("127.0.0.1:0").unwrap();
                    socket.connect(address).unwrap();
                    for round in 0..20u8 {
                        let len = 1 + (client * 20 + round) % 99;
                        socket.send(&vec![len; usize::from(len)]).unwrap();
                        assert_eq!(socket.recv(&mut [0; 100]).unwrap(), usize::from(len));
                    }
                });
            }
            receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum()
        });
        assert_eq!(received, 200);
    });
}

/// A datagram that came before the cancellation is returned, or is still there.
#[test]
fn cancelling_loses_no_datagram() {
    on_fiber(|| {
        let near = std::sync::Arc::new(crate::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let address = near.local_addr().unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        for round in 0..60u8 {
            let receiver = crate::spawn({
                let near = near.clone();
                move || {
                    let mut buf = [0];
                    near.recv_from(&mut buf).map(|_| buf[0])
                }
            });
            (0..round % 4).for_each(|_| crate::yield_now());
            if round % 2 == 0 {
                receiver.cancel();
            }
            far.send_to(&[round], address).unwrap();
            receiver.cancel();
            let got = match receiver.join() {
                Ok(Ok(byte)) => byte,
                Ok(Err(_)) | Err(_) => {
                    let mut buf = [0];
                    near.recv(&mut buf).unwrap();
                    buf[0]
                }
            };
            assert_eq!(got, round);
        }
        let late = crate::time::timeout(Duration::from_millis(5), || near.recv(&mut [0; 8]));
        assert_eq!(late.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    });
}
