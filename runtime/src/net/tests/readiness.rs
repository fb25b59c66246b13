//! Waiting for a descriptor without taking anything from it.

use super::{fill, local_pair, outcome};
use crate::net::{self, Shutdown, TcpListener, TcpStream, UdpSocket, UnixDatagram};
use crate::on_fibers::{cancelled, is_cancelled, on_one_worker, until_waiting};
use crate::runtime::Reason;
use crate::sync::mpsc::channel;
use crate::time::{after, sleep, timeout};
use crate::{select, spawn, yield_now};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(600);

#[test]
fn a_socket_that_gets_something_is_readable() {
    on_one_worker(|| {
        let (near, mut far) = local_pair!(net);
        let near = Arc::new(near);
        let waiter = spawn({
            let near = near.clone();
            move || near.readable()
        });
        until_waiting(Reason::Ready);
        far.write_all(b"x").unwrap();
        waiter.join().unwrap().unwrap();
        // Nothing was taken, and it stays so until something is.
        near.readable().unwrap();
        assert_eq!((&*near).read(&mut [0; 2]).unwrap(), 1);
        assert!(timeout(Duration::from_millis(2), || near.readable()).unwrap().is_err());
        far.shutdown(Shutdown::Write).unwrap();
        near.readable().unwrap();
        assert_eq!((&*near).read(&mut [0; 2]).unwrap(), 0);
    });
}

#[test]
fn a_full_socket_is_writable_when_it_was_read_from() {
    on_one_worker(|| {
        let (near, mut far) = local_pair!(net);
        near.writable().unwrap();
        let filled = fill(&near);
        let waiter = spawn(move || near.writable());
        until_waiting(Reason::Ready);
        assert!(!waiter.is_finished());
        far.read_exact(&mut vec![0; filled]).unwrap();
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn every_kind_of_socket() {
    on_one_worker(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = spawn(move || {
            until_waiting(Reason::Ready);
            TcpStream::connect(address).unwrap()
        });
        listener.readable().unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.writable().unwrap();
        drop(client.join().unwrap());
        peer.readable().unwrap();

        let (one, two) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        two.writable().unwrap();
        two.send_to(b"datagram", one.local_addr().unwrap()).unwrap();
        one.readable().unwrap();
        let (one, two) = UnixDatagram::pair().unwrap();
        two.writable().unwrap();
        two.send(b"datagram").unwrap();
        one.readable().unwrap();
    });
}

#[test]
fn cancelling_ends_the_wait() {
    on_one_worker(|| {
        let (near, _far) = local_pair!(net);
        let error = cancelled(Reason::Ready, move || near.readable());
        assert!(is_cancelled(&error), "{error:?}");
    });
}

#[test]
fn a_descriptor_that_is_none_is_an_error() {
    on_one_worker(|| {
        // SAFETY: no descriptor has this number, and it is not closed.
        let none = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(0x7fff_fff0) });
        let expected = Err((ErrorKind::Other, Some(libc::EBADF)));
        let kind = std::io::Error::from_raw_os_error(libc::EBADF).kind();
        let expected = expected.map_err(|(_, number)| (kind, number));
        assert_eq!(outcome(crate::io::readable(&*none)), expected);
        let selected = select! {
            ready = crate::io::readable_event(&*none) => ready,
            () = after(LONG) => Ok(()),
        };
        assert_eq!(outcome(selected), expected);
    });
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    on_one_worker(|| crate::io::readable(&file).unwrap());
}

#[test]
fn in_a_select_the_first_wins_and_the_others_leave_nothing_behind() {
    on_one_worker(|| {
        let (near, mut far) = local_pair!(net);
        let (sender, receiver) = channel();
        for round in 0..50u32 {
            let waiter = spawn({
                let (mut far, sender) = (far.try_clone().unwrap(), sender.clone());
                move || {
                    (0..round % 4).for_each(|_| yield_now());
                    match round % 3 {
                        0 => far.write_all(&[1]).unwrap(),
                        1 => sender.send(round).unwrap(),
                        _ => {
                            far.write_all(&[1]).unwrap();
                            sender.send(round).unwrap();
                        }
                    }
                }
            });
            let (mut bytes, mut messages) = (0, 0);
            while bytes + messages < [1, 1, 2][round as usize % 3] {
                select! {
                    ready = near.readable() => {
                        ready.unwrap();
                        assert_eq!((&near).read(&mut [0; 8]).unwrap(), 1);
                        bytes += 1;
                    }
                    number = receiver.recv() => {
                        assert_eq!(number, Ok(round));
                        messages += 1;
                    }
                }
            }
            waiter.join().unwrap();
        }
        // The losing poll is gone: nothing is in flight that could hold on to the descriptor.
        let number = near.as_raw_fd();
        drop(near);
        assert_eq!(far.read(&mut [0; 1]).unwrap(), 0, "descriptor {number} is closed for good");
    });
}

#[test]
fn a_select_that_does_not_wait_does_not_suspend() {
    on_one_worker(|| {
        let (near, mut far) = local_pair!(net);
        let ready = || {
            crate::no_suspend(|| {
                select! {
                    ready = near.readable() => ready.is_ok(),
                    _ = after(LONG) => false,
                    default => false,
                }
            })
        };
        assert!(!ready());
        far.write_all(b"x").unwrap();
        assert!(ready());
        let (full, _far) = local_pair!(net);
        fill(&full);
        select! {
            _ = full.writable() => panic!("it is full"),
            default => {}
        }
    });
}

#[test]
fn one_event_in_several_selects() {
    on_one_worker(|| {
        let (near, mut far) = local_pair!(net);
        let mut event = near.readable_event();
        for _ in 0..3 {
            select! {
                _ = &mut event => panic!("nothing is there"),
                () = after(Duration::from_millis(1)) => {}
            }
        }
        far.write_all(b"x").unwrap();
        for _ in 0..3 {
            select! {
                ready = &mut event => ready.unwrap(),
                () = after(LONG) => panic!("it is there"),
            }
        }
    });
}

#[test]
fn a_select_with_such_an_arm_can_be_cancelled() {
    on_one_worker(|| {
        let (near, mut far) = local_pair!(net);
        let near = Arc::new(near);
        let waiter = spawn({
            let near = near.clone();
            move || {
                select! {
                    ready = near.readable() => ready.unwrap(),
                    ready = near.readable() => ready.unwrap(),
                    () = after(LONG) => {}
                }
            }
        });
        until_waiting(Reason::Select);
        waiter.cancel();
        assert!(waiter.join().unwrap_err().is_cancelled());
        far.write_all(b"x").unwrap();
        near.readable().unwrap();
    });
}

#[test]
fn on_a_thread() {
    let (near, mut far) = local_pair!(net);
    near.writable().unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(3));
        far.write_all(b"x").unwrap();
        far
    });
    select! {
        ready = near.readable() => ready.unwrap(),
        () = after(LONG) => panic!("it is there"),
    }
    near.readable().unwrap();
    drop(writer.join().unwrap());
}

/// Two fibers that wait for one socket both hear of it.
#[test]
fn several_wait_for_one() {
    on_one_worker(|| {
        let (near, mut far) = local_pair!(net);
        let near = Arc::new(near);
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let near = near.clone();
                spawn(move || near.readable())
            })
            .collect();
        sleep(Duration::from_millis(2));
        far.write_all(b"x").unwrap();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap().unwrap());
        assert_eq!(near.as_fd().as_raw_fd(), near.as_raw_fd());
    });
}
