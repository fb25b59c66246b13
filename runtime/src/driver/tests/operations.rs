//! Each operation, ended in each way: by itself, by a cancel, by the driver's end.

use super::super::{DriverConfig, DriverKind, Operation, Token};
use super::{Bench, each_driver};
use std::io::{Read, Write};
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

fn config() -> DriverConfig {
    DriverConfig { submission_entries: 8, completion_entries: 16, ..DriverConfig::default() }
}

fn recv(fd: &impl AsRawFd, buf: &mut [u8]) -> Operation {
    Operation::Recv { fd: fd.as_raw_fd(), buf: buf.as_mut_ptr(), len: buf.len(), flags: 0 }
}

fn send(fd: &impl AsRawFd, buf: &[u8]) -> Operation {
    Operation::Send { fd: fd.as_raw_fd(), buf: buf.as_ptr(), len: buf.len(), flags: libc::MSG_NOSIGNAL }
}

#[test]
fn pipes_are_read_and_written() {
    each_driver(&config(), |bench| {
        let (reader, writer) = std::io::pipe().unwrap();
        let (text, mut buf) = (*b"through a pipe", [0; 32]);
        let (fd, offset) = (reader.as_raw_fd(), Operation::CURRENT);
        // SAFETY: the buffers live, untouched, until both tokens were waited for.
        unsafe {
            let read = bench.submit(Operation::Read { fd, buf: buf.as_mut_ptr(), len: buf.len(), offset });
            let fd = writer.as_raw_fd();
            let write = bench.submit(Operation::Write { fd, buf: text.as_ptr(), len: text.len(), offset });
            assert_eq!(bench.wait(write), 14);
            assert_eq!(bench.wait(read), 14);
        }
        assert_eq!(&buf[..14], &text);
    });
}

/// A transfer with registered memory that waits: cancelled, and made again.
#[test]
fn registered_memory_is_read_into() {
    each_driver(&config(), |bench| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut buf = vec![0; 4096];
        // SAFETY: the buffer lives until it was unregistered.
        let Some(index) = (unsafe { bench.driver.register(buf.as_mut_ptr(), buf.len()) }) else { return };
        let (fd, start, len, offset) = (reader.as_raw_fd(), buf.as_mut_ptr(), 100, Operation::CURRENT);
        let read = Operation::ReadFixed { fd, buf: start, len, offset, index };
        // SAFETY: the buffer lives, untouched, until each token was waited for.
        unsafe {
            let token = bench.submit(read);
            bench.turn();
            bench.driver.cancel(token);
            assert_eq!(bench.wait(token), -libc::ECANCELED);
            let token = bench.submit(read);
            bench.turn();
            writer.write_all(b"registered").unwrap();
            assert_eq!(bench.wait(token), 10);
            // Only what is registered.
            let outside = Operation::ReadFixed { fd, buf: start.wrapping_add(4000), len, offset, index };
            let token = bench.submit(outside);
            assert_eq!(bench.wait(token), -libc::EFAULT);
        }
        bench.driver.unregister(index);
        // SAFETY: as above.
        unsafe {
            let token = bench.submit(read);
            assert_eq!(bench.wait(token), -libc::EFAULT);
        }
        assert_eq!(&buf[..10], b"registered");
    });
}

#[test]
fn sockets_receive_and_send() {
    each_driver(&config(), |bench| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        // SAFETY: the buffers live, untouched, until each token was waited for.
        unsafe {
            let token = bench.submit(recv(&ours, &mut buf));
            bench.turn();
            theirs.write_all(b"ping").unwrap();
            assert_eq!(bench.wait(token), 4);
            let token = bench.submit(send(&ours, b"pong"));
            assert_eq!(bench.wait(token), 4);
        }
        assert_eq!(&buf[..4], b"ping");
        theirs.read_exact(&mut buf[..4]).unwrap();
        assert_eq!(&buf[..4], b"pong");

        drop(theirs);
        // SAFETY: as above.
        unsafe {
            let token = bench.submit(recv(&ours, &mut buf));
            assert_eq!(bench.wait(token), 0, "end of file");
            let token = bench.submit(send(&ours, b"x"));
            assert_eq!(bench.wait(token), -libc::EPIPE);
        }
    });
}

#[test]
fn messages_are_gathered_and_scattered() {
    each_driver(&config(), |bench| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut one, mut two, mut all) = (*b"one ", *b"two", [0u8; 16]);
        let mut parts = [&mut one[..], &mut two[..]]
            .map(|part| libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() });
        let mut whole = [libc::iovec { iov_base: all.as_mut_ptr().cast(), iov_len: all.len() }];
        // SAFETY: all zeroes are a message without anything.
        let (mut out, mut into): (libc::msghdr, libc::msghdr) = unsafe { (mem::zeroed(), mem::zeroed()) };
        (out.msg_iov, out.msg_iovlen) = (parts.as_mut_ptr(), parts.len() as _);
        (into.msg_iov, into.msg_iovlen) = (whole.as_mut_ptr(), whole.len() as _);
        // SAFETY: the messages, their vectors and their buffers live, untouched, until both tokens were waited for.
        unsafe {
            let received = bench.submit(Operation::RecvMsg { fd: ours.as_raw_fd(), msg: &raw mut into, flags: 0 });
            let sent = bench.submit(Operation::SendMsg { fd: theirs.as_raw_fd(), msg: &raw const out, flags: 0 });
            assert_eq!((bench.wait(sent), bench.wait(received)), (7, 7));
        }
        assert_eq!(&all[..7], b"one two");
    });
}

#[test]
fn connections_are_made_and_accepted() {
    each_driver(&config(), |bench| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
        // SAFETY: no memory is passed; the descriptor is new.
        let client: TcpStream =
            unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0)) }.into();
        if bench.driver.needs_nonblocking() {
            listener.set_nonblocking(true).unwrap();
            client.set_nonblocking(true).unwrap();
        }
        // SAFETY: all zeroes are an address of no family.
        let (mut peer, mut target): (libc::sockaddr_storage, libc::sockaddr_storage) = unsafe { mem::zeroed() };
        let name = libc::sockaddr_in {
            sin_family: libc::AF_INET as _,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
            sin_zero: [0; 8],
        };
        // SAFETY: a storage is large and aligned enough for every kind of address.
        unsafe { (&raw mut target).cast::<libc::sockaddr_in>().write(name) };
        let mut len = size_of_val(&peer) as libc::socklen_t;
        // SAFETY: addresses and length live, untouched, until both tokens were waited for.
        let accepted = unsafe {
            let accept = bench.submit(Operation::Accept {
                fd: listener.as_raw_fd(),
                addr: &raw mut peer,
                len: &raw mut len,
                flags: libc::SOCK_CLOEXEC,
            });
            let connect = bench.submit(Operation::Connect {
                fd: client.as_raw_fd(),
                addr: &raw const target,
                len: size_of_val(&name) as _,
            });
            assert_eq!(bench.wait(connect), 0);
            let fd = bench.wait(accept);
            assert!(fd >= 0, "accept: {fd}");
            TcpStream::from(OwnedFd::from_raw_fd(fd))
        };
        assert_eq!(len as usize, size_of_val(&name));
        // SAFETY: accept wrote an address of the listener's family.
        let port = unsafe { (&raw const peer).cast::<libc::sockaddr_in>().read() }.sin_port;
        assert_eq!(u16::from_be(port), client.local_addr().unwrap().port());
        assert_eq!(accepted.peer_addr().unwrap(), client.local_addr().unwrap());
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::fcntl(accepted.as_raw_fd(), libc::F_GETFD) }, libc::FD_CLOEXEC);
    });
}

#[test]
fn a_poll_reports_the_events() {
    each_driver(&config(), |bench| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        // SAFETY: no memory is named.
        let token = unsafe { bench.submit(Operation::Poll { fd: ours.as_raw_fd(), events: libc::POLLIN as u32 }) };
        bench.turn();
        assert_eq!(bench.driver.in_flight(), 1);
        (&theirs).write_all(b"x").unwrap();
        assert_eq!(bench.wait(token) & i32::from(libc::POLLIN), i32::from(libc::POLLIN));
    });
}

#[test]
fn errors_are_results() {
    each_driver(&config(), |bench| {
        let directory = std::fs::File::open("/").unwrap();
        let mut buf = [0u8; 8];
        // SAFETY: the buffer lives until the token was waited for.
        let results = unsafe {
            let fd = directory.as_raw_fd();
            let unreadable = bench.submit(Operation::Read { fd, buf: buf.as_mut_ptr(), len: 8, offset: 0 });
            let not_open = bench.submit(Operation::Poll { fd: -1, events: 0 });
            (bench.wait(unreadable), bench.wait(not_open))
        };
        assert_eq!(results, (-libc::EISDIR, -libc::EBADF));
    });
}

#[test]
fn a_cancelled_operation_still_completes_once() {
    each_driver(&config(), |bench| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        for turns_before in [0, 1] {
            // SAFETY: the buffer lives until the token was waited for.
            let token = unsafe { bench.submit(recv(&ours, &mut buf)) };
            for _ in 0..turns_before {
                bench.turn();
            }
            bench.driver.cancel(token);
            assert_eq!(bench.driver.in_flight(), 1);
            assert_eq!(bench.wait(token), -libc::ECANCELED);
            // The buffer is ours again: what arrives now does not go there.
            theirs.write_all(b"late").unwrap();
            bench.turn();
            assert_eq!(buf, [0; 8]);
            (&ours).read_exact(&mut [0; 4]).unwrap();
        }
    });
}

#[test]
fn a_cancel_that_comes_late_changes_nothing() {
    each_driver(&config(), |bench| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        theirs.write_all(b"early").unwrap();
        // SAFETY: the buffers live until each token was waited for.
        let token = unsafe { bench.submit(recv(&ours, &mut buf)) };
        // Submit it without looking at the completion yet: the data was there, so it is done.
        bench.driver.cancel(token);
        assert_eq!(bench.wait(token), 5);
        // And when it was handed out already, or never existed.
        bench.driver.cancel(token);
        bench.driver.cancel(Token::new(12345));
        let mut other = [0; 8];
        // SAFETY: as above.
        let next = unsafe { bench.submit(recv(&ours, &mut other)) };
        bench.turn();
        theirs.write_all(b"next").unwrap();
        assert_eq!(bench.wait(next), 4);
    });
}

#[test]
fn one_cancel_hits_one_of_many() {
    each_driver(&config(), |bench| {
        let pairs: Vec<_> = (0..50).map(|_| UnixStream::pair().unwrap()).collect();
        let mut bufs = vec![[0u8; 4]; pairs.len()];
        let tokens: Vec<_> = pairs
            .iter()
            .zip(&mut bufs)
            // SAFETY: the buffers live until all tokens were waited for.
            .map(|((ours, _), buf)| unsafe { bench.submit(recv(ours, buf)) })
            .collect();
        for token in tokens.iter().step_by(2) {
            bench.driver.cancel(*token);
        }
        for token in tokens.iter().step_by(2) {
            assert_eq!(bench.wait(*token), -libc::ECANCELED);
        }
        assert_eq!(bench.driver.in_flight(), 25);
        for (_, theirs) in &pairs {
            (&mut &*theirs).write_all(b"x").unwrap();
        }
        for token in tokens.iter().skip(1).step_by(2) {
            assert_eq!(bench.wait(*token), 1);
        }
    });
}

#[test]
fn dropping_a_driver_takes_the_memory_back() {
    each_driver(&config(), |bench| {
        let pairs: Vec<_> = (0..40).map(|_| UnixStream::pair().unwrap()).collect();
        let mut bufs = vec![[0u8; 4]; pairs.len()];
        for (i, ((ours, _), buf)) in pairs.iter().zip(&mut bufs).enumerate() {
            // SAFETY: the buffers live until the driver was dropped, below.
            unsafe { bench.submit(recv(ours, buf)) };
            if i == 20 {
                bench.turn();
            }
        }
        if bench.driver.name().contains("interrupting") {
            // As on an old kernel, which cannot cancel all: it waits, so let the operations end.
            pairs.iter().for_each(|(_, theirs)| theirs.shutdown(std::net::Shutdown::Both).unwrap());
        }
        let fresh = super::Driver::new(&config()).unwrap();
        drop(mem::replace(&mut bench.driver, fresh));
        for (_, theirs) in &pairs {
            let _ = (&mut &*theirs).write(b"late");
        }
        assert!(bufs.iter().all(|buf| *buf == [0; 4]));
    });
}

/// Thousands of operations through a queue of four, most of them from one turn, all of them answered once.
#[test]
fn a_full_queue_loses_nothing() {
    const OPERATIONS: usize = 3000;
    each_driver(&DriverConfig { submission_entries: 4, completion_entries: 8, ..DriverConfig::default() }, |bench| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let ready: RawFd = theirs.as_raw_fd();
        let mut bytes = vec![0u8; OPERATIONS];
        let mut waiting = Vec::new();
        let mut immediate = Vec::new();
        for byte in &mut bytes {
            // SAFETY: the bytes live until all tokens were waited for.
            waiting.push(unsafe { bench.submit(recv(&ours, std::slice::from_mut(byte))) });
            // SAFETY: no memory is named.
            immediate.push(unsafe { bench.submit(Operation::Poll { fd: ready, events: libc::POLLOUT as u32 }) });
        }
        assert_eq!(bench.driver.in_flight(), 2 * OPERATIONS);
        assert!(bench.done.is_empty(), "submitting hands nothing out");
        for token in immediate {
            assert_eq!(bench.wait(token) & i32::from(libc::POLLOUT), i32::from(libc::POLLOUT));
        }
        assert_eq!(bench.driver.in_flight(), OPERATIONS);
        let data: Vec<u8> = (0..OPERATIONS).map(|i| i as u8).collect();
        (&theirs).write_all(&data).unwrap();
        for token in waiting {
            assert_eq!(bench.wait(token), 1);
        }
        // Which operation gets which byte is the kernel's choice; each byte arrives once.
        let count = |bytes: &[u8]| {
            bytes.iter().fold([0; 256], |mut counts, byte| {
                counts[usize::from(*byte)] += 1;
                counts
            })
        };
        assert_eq!(count(&bytes), count(&data));
    });
}

#[test]
fn idle_turns_make_no_system_call() {
    each_driver(&config(), |bench| {
        if bench.driver.kind() == DriverKind::Epoll {
            // Where something is waited for, each turn asks for news.
            let before = bench.driver.system_calls();
            (0..1000).for_each(|_| bench.turn());
            assert_eq!(bench.driver.system_calls(), before);
            return;
        }
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut buf = [0; 4];
        let idle = |bench: &mut Bench| {
            let before = bench.driver.system_calls();
            for _ in 0..1000 {
                assert!(!bench.driver.has_completions());
                bench.turn();
            }
            assert_eq!(bench.driver.system_calls(), before);
        };
        bench.turn();
        idle(bench);
        // SAFETY: the buffer lives until the token was waited for.
        let token = unsafe { bench.submit(recv(&ours, &mut buf)) };
        let before = bench.driver.system_calls();
        bench.turn();
        assert_eq!(bench.driver.system_calls(), before + 1);
        idle(bench);
        theirs.write_all(b"x").unwrap();
        // Polling sees it: the data came on this thread's own system call, so the kernel has noted it by now.
        assert!(bench.driver.has_completions());
        bench.turn();
        assert!(bench.driver.system_calls() <= before + 2);
        assert_eq!(bench.done.remove(&token), Some(1));
        idle(bench);
    });
}
