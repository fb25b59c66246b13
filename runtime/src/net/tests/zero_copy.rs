//! Sending from memory that stays with the kernel.

use super::{outcome, pattern};
use crate::net::{Lent, SendBuffer, TcpListener, TcpStream};
use crate::on_fibers::{is_cancelled, on_one_worker, until_waiting};
use crate::runtime::{DriverKind, Handle, Reason};
use crate::time::timeout;
use crate::{no_suspend, spawn};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// More than fits between two sockets that nobody reads from.
const MUCH: usize = 16 << 20;

fn connection() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Reads so much, on a thread.
fn reads(mut far: std::net::TcpStream, len: usize) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = vec![0; len];
        far.read_exact(&mut all).unwrap();
        all
    })
}

fn by_ring() -> bool {
    Handle::try_current().unwrap().driver() == DriverKind::IoUring
}

fn sends<B: SendBuffer>(buffer: B, same: impl Fn(&B) -> bool, expected: &[u8]) {
    let (near, far) = connection();
    let reader = reads(far, expected.len());
    let (sent, lent) = near.send_zero_copy(buffer);
    assert_eq!(sent.unwrap(), expected.len());
    assert!(same(&lent.reclaim().unwrap()));
    assert!(reader.join().unwrap() == expected);
}

#[test]
fn every_kind_of_buffer_arrives_and_comes_back() {
    let test = || {
        let data = pattern(1 << 20);
        sends(data.clone(), |back| *back == data, &data);
        sends(data.clone().into_boxed_slice(), |back| **back == data, &data);
        sends(Arc::<[u8]>::from(&data[..]), |back| **back == data, &data);
        sends(String::from("text"), |back| back == "text", b"text");
        sends("text for ever", |back| *back == "text for ever", b"text for ever");
        sends(&b"bytes"[..], |back| back == b"bytes", b"bytes");
        sends(Vec::new(), Vec::is_empty, b"");
    };
    on_one_worker(test);
    // On a thread: with a copy.
    test();
}

/// Sends what there is room for, and how much that was. On a busy machine the time for it may pass before anything was sent; then it
/// is more.
fn send_what_fits(near: &TcpStream, data: &[u8]) -> (usize, Lent<Vec<u8>>) {
    let mut limit = Duration::from_millis(20);
    loop {
        near.set_write_timeout(Some(limit)).unwrap();
        match near.send_zero_copy(data.to_vec()) {
            (Ok(sent), lent) => return (sent, lent),
            (Err(error), _) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        limit *= 2;
    }
}

/// A buffer whose data the other side has not taken is not given back, and one that nobody waits for lives as long.
#[test]
fn a_silent_peer_keeps_the_buffer() {
    on_one_worker(|| {
        let (near, far) = connection();
        let data = pattern(MUCH);
        let (sent, lent) = send_what_fits(&near, &data);
        assert!(sent < MUCH, "it does not fit");
        let lent = if by_ring() {
            let lent = lent.try_reclaim().unwrap_err();
            assert!(!lent.is_free());
            let late = timeout(Duration::from_millis(3), || lent.reclaim());
            assert_eq!(late.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
            None
        } else {
            Some(lent)
        };
        // The same again with a buffer that is waited for.
        let (more, second) = near.send_zero_copy(data.clone());
        // Between two TCP sockets data moves on, and makes room, in the kernel's own time.
        let more = match outcome(more) {
            Ok(more) => more,
            error => error.or_else(|error| if error.0 == ErrorKind::WouldBlock { Ok(0) } else { Err(error) }).unwrap(),
        };
        // What would show if the first buffer had been freed.
        let scribble: Vec<Vec<u8>> = (0..2).map(|_| vec![0xEE; MUCH]).collect();
        let received = reads(far, sent + more).join().unwrap();
        assert!(received[..sent] == data[..sent] && received[sent..] == data[..more]);
        assert!(second.reclaim().unwrap() == data);
        drop((scribble, lent));
    });
}

#[test]
fn a_cancelled_send_says_what_it_has_sent() {
    on_one_worker(|| {
        let (near, mut far) = connection();
        let data = pattern(MUCH);
        let sender = spawn({
            let data = data.clone();
            move || {
                let (sent, lent) = near.send_zero_copy(data);
                drop(lent);
                let (second, lent) = near.send_zero_copy(vec![1; 10]);
                (sent, second.unwrap_err(), lent.is_free())
            }
        });
        until_waiting(Reason::Write);
        sender.cancel();
        let (sent, error, free) = sender.join().unwrap();
        let sent = sent.unwrap();
        assert!(is_cancelled(&error) && free, "{error:?}");
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), sent);
        assert!(received == data[..sent]);
    });
}

/// A fiber that is unwound has lent its buffer all the same.
#[test]
fn a_fiber_may_end_before_its_buffer_is_free() {
    on_one_worker(|| {
        let (near, far) = connection();
        let data = pattern(MUCH);
        let sender = spawn({
            let data = data.clone();
            move || {
                let (sent, lent) = send_what_fits(&near, &data);
                (sent, near, lent.is_free())
            }
        });
        let (sent, near, free) = sender.join().unwrap();
        assert_eq!(free, !by_ring());
        let scribble: Vec<Vec<u8>> = (0..2).map(|_| vec![0xEE; MUCH]).collect();
        let reader = reads(far, sent);
        assert!(reader.join().unwrap() == data[..sent]);
        drop((near, scribble));
    });
}

/// The runtime ends while the other side has not taken everything; what it takes then is what was sent.
#[test]
fn a_runtime_may_end_before_the_buffer_is_free() {
    let data = pattern(MUCH);
    let (sent, near, far) = on_one_worker(|| {
        let (near, far) = connection();
        let (sent, lent) = send_what_fits(&near, &data);
        drop(lent);
        (sent, near, far)
    });
    assert!(sent < MUCH);
    let scribble: Vec<Vec<u8>> = (0..2).map(|_| vec![0xEE; MUCH]).collect();
    assert!(reads(far, sent).join().unwrap() == data[..sent]);
    drop((near, scribble));
}

#[test]
fn errors_are_those_of_write() {
    on_one_worker(|| {
        let (near, far) = connection();
        near.shutdown(std::net::Shutdown::Write).unwrap();
        let (sent, lent) = near.send_zero_copy(vec![1; 100_000]);
        assert_eq!(outcome(sent), outcome((&near).write(&[1])));
        assert_eq!(lent.reclaim().unwrap().len(), 100_000);
        drop(far);
        let (near, _far) = connection();
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            no_suspend(|| drop(near.send_zero_copy(vec![1; 100_000])))
        }));
        assert_eq!(refused.is_err(), by_ring());
    });
}

/// For which the kernel has no such operation.
#[test]
fn a_local_socket_in_the_guise_of_a_stream_copies() {
    on_one_worker(|| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let near = TcpStream::from(OwnedFd::from(near));
        let data = pattern(10_000);
        let (sent, lent) = near.send_zero_copy(data.clone());
        assert_eq!(sent.unwrap(), data.len());
        let back: Result<Vec<u8>, Lent<Vec<u8>>> = lent.try_reclaim();
        assert!(back.unwrap() == data);
        let mut all = vec![0; data.len()];
        far.read_exact(&mut all).unwrap();
        assert!(all == data);
    });
}

/// Two at once on one stream, from fibers that take turns, and their buffers used again.
#[test]
fn buffers_are_used_again_and_again() {
    on_one_worker(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let reader = spawn(move || {
            let mut block = vec![0; 50_000];
            for round in 0..200 {
                far.read_exact(&mut block).unwrap();
                assert!(block.iter().all(|&byte| byte == round as u8), "round {round}");
            }
        });
        let mut buffer = vec![0; 50_000];
        for round in 0..200 {
            buffer.fill(round as u8);
            let (sent, lent) = near.send_zero_copy(buffer);
            assert_eq!(sent.unwrap(), 50_000);
            buffer = lent.reclaim().unwrap();
        }
        reader.join().unwrap();
    });
}
