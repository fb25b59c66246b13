//! What is this driver's own; what every driver does is tested in `driver::tests`.

use super::super::{DriverConfig, Operation, Token};
use super::{Epoll, Moment, Side, attempt};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Only a failing test takes this long.
const LIMIT: Duration = Duration::from_secs(30);

fn driver() -> Epoll {
    Epoll::new(&DriverConfig::default(), "epoll").unwrap()
}

fn recv(fd: RawFd, buf: &mut [u8]) -> Operation {
    Operation::Recv { fd, buf: buf.as_mut_ptr(), len: buf.len(), flags: 0 }
}

/// All completions until there are so many.
fn results(driver: &mut Epoll, count: usize) -> HashMap<u64, i32> {
    let (mut results, start) = (HashMap::new(), Instant::now());
    while results.len() < count {
        assert!(start.elapsed() < LIMIT, "{} of {count} completions", results.len());
        driver.park(Some(LIMIT), &mut |completion| {
            assert_eq!(results.insert(completion.token.get(), completion.result), None);
        });
    }
    results
}

#[test]
fn both_sides_of_a_descriptor_wait_at_once() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let full = [7; 4096];
    let mut stuffed = 0;
    while let Ok(n) = (&ours).write(&full) {
        stuffed += n;
    }
    let (fd, mut buf, mut driver) = (ours.as_raw_fd(), [0; 8], driver());
    // SAFETY: the buffers live, untouched, until the tokens were waited for.
    unsafe {
        driver.submit(&recv(fd, &mut buf), Token::new(1));
        let send = Operation::Send { fd, buf: full.as_ptr(), len: full.len(), flags: libc::MSG_NOSIGNAL };
        driver.submit(&send, Token::new(2));
        driver.submit(&Operation::Poll { fd, events: libc::POLLOUT as u32 }, Token::new(3));
    }
    driver.turn(&mut |completion| panic!("too early: {completion:?}"));
    theirs.write_all(b"in").unwrap();
    assert_eq!(results(&mut driver, 1), HashMap::from([(1, 2)]));
    assert_eq!(driver.in_flight(), 2);
    theirs.read_exact(&mut vec![0; stuffed]).unwrap();
    let done = results(&mut driver, 2);
    assert!(done[&2] > 0 && done[&3] & i32::from(libc::POLLOUT) != 0, "{done:?}");
    assert_eq!(driver.in_flight(), 0);
}

#[test]
fn first_come_first_served() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (mut bufs, mut driver) = ([[0u8; 1]; 5], driver());
    for (buf, number) in bufs.iter_mut().zip(1..) {
        // SAFETY: the buffers live, untouched, until the tokens were waited for.
        unsafe { driver.submit(&recv(ours.as_raw_fd(), buf), Token::new(number)) };
    }
    driver.cancel(Token::new(2));
    theirs.write_all(b"abc").unwrap();
    let done = results(&mut driver, 4);
    assert_eq!(done, HashMap::from([(1, 1), (2, -libc::ECANCELED), (3, 1), (4, 1)]));
    assert_eq!((bufs[0], bufs[2], bufs[3]), ([b'a'], [b'b'], [b'c']));
    driver.cancel(Token::new(5));
    assert_eq!(results(&mut driver, 1), HashMap::from([(5, -libc::ECANCELED)]));
}

/// A descriptor is closed under a fiber that waits, and its number goes to another file.
#[test]
fn a_number_that_comes_back_is_watched_anew() {
    let mut driver = driver();
    let (mut lost, mut buf) = ([0; 4], [0; 4]);
    for kept_open in [false, true] {
        let (first, keeper) = UnixStream::pair().unwrap();
        let number = first.as_raw_fd();
        let duplicate = kept_open.then(|| first.try_clone().unwrap());
        // SAFETY: the buffers live, untouched, until the tokens were waited for.
        unsafe { driver.submit(&recv(number, &mut lost), Token::new(1)) };
        let (second, mut peer) = UnixStream::pair().unwrap();
        // SAFETY: closes the file of that number and puts another in its place, which `first` owns from now on.
        assert_eq!(unsafe { libc::dup2(second.as_raw_fd(), number) }, number);
        drop(second);
        driver.turn(&mut |completion| panic!("nothing has happened: {completion:?}"));
        driver.cancel(Token::new(1));
        assert_eq!(results(&mut driver, 1), HashMap::from([(1, -libc::ECANCELED)]));
        // SAFETY: as above.
        unsafe { driver.submit(&recv(number, &mut buf), Token::new(2)) };
        // Where the file of before is kept open, it has its event still.
        let _ = (&keeper).write(b"old");
        driver.turn(&mut |completion| panic!("an event of another file: {completion:?}"));
        peer.write_all(b"new").unwrap();
        assert_eq!(results(&mut driver, 1), HashMap::from([(2, 3)]));
        assert_eq!(&buf[..3], b"new");
        drop(duplicate);
    }
    assert_eq!(lost, [0; 4]);
}

/// A duplicate whose number no other test gets when it is closed.
fn far_away(socket: &UnixStream) -> OwnedFd {
    // SAFETY: no memory is passed; the descriptor is new and nobody else's.
    unsafe {
        let fd = libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 900);
        assert!(fd >= 900);
        OwnedFd::from_raw_fd(fd)
    }
}

#[test]
fn whoever_waits_for_a_closed_descriptor_hears_of_it_or_can_be_cancelled() {
    let mut driver = driver();
    let (duplicate, theirs) = UnixStream::pair().unwrap();
    let ours = far_away(&duplicate);
    let (fd, mut bufs) = (ours.as_raw_fd(), [[0; 4]; 2]);
    for (buf, number) in bufs.iter_mut().zip(1..) {
        // SAFETY: the buffers live, untouched, until the tokens were waited for.
        unsafe { driver.submit(&recv(fd, buf), Token::new(number)) };
    }
    drop(ours);
    // The duplicate keeps the file and what was asked of it, and the event finds that there is no such descriptor any more.
    (&theirs).write_all(b"x").unwrap();
    assert_eq!(results(&mut driver, 2), HashMap::from([(1, -libc::EBADF), (2, -libc::EBADF)]));
    drop(duplicate);

    let ours = far_away(&UnixStream::pair().unwrap().0);
    // SAFETY: as above.
    unsafe { driver.submit(&recv(ours.as_raw_fd(), &mut bufs[0]), Token::new(3)) };
    drop(ours);
    driver.cancel(Token::new(3));
    let done = results(&mut driver, 1);
    // Its peer was closed first, so it may have seen the end.
    assert!([0, -libc::ECANCELED, -libc::EBADF].contains(&done[&3]), "{done:?}");
}

#[test]
fn what_cannot_be_waited_for_is_done_at_once() {
    let mut driver = driver();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let file = File::open("/proc/self/cmdline").unwrap();
    let (fd, mut buf) = (null.as_raw_fd(), [1; 8]);
    let (start, len, offset) = (buf.as_mut_ptr(), buf.len(), Operation::CURRENT);
    let poll = |fd| Operation::Poll { fd, events: libc::POLLIN as u32 };
    assert!(driver.supports(&Operation::Read { fd, buf: start, len, offset }));
    let of_file = Operation::Read { fd: file.as_raw_fd(), buf: start, len, offset };
    assert!(!driver.supports(&of_file), "a thread is to read it");
    // SAFETY: the buffer lives, untouched, until the tokens were waited for.
    unsafe {
        driver.submit(&Operation::Read { fd, buf: start, len, offset }, Token::new(1));
        driver.submit(&Operation::Write { fd, buf: start, len, offset }, Token::new(2));
        driver.submit(&poll(file.as_raw_fd()), Token::new(3));
        driver.submit(&of_file, Token::new(4));
        driver.submit(&poll(-1), Token::new(5));
        driver.submit(&Operation::Sync { fd, data_only: true }, Token::new(6));
    }
    assert!(driver.has_completions());
    let done = results(&mut driver, 6);
    assert_eq!((done[&1], done[&2], done[&3]), (0, 8, i32::from(libc::POLLIN)), "{done:?}");
    assert!(done[&4] > 0, "{done:?}");
    assert_eq!((done[&5], done[&6]), (-libc::EBADF, -libc::EOPNOTSUPP));
    assert!(!driver.supports(&Operation::Sync { fd, data_only: true }));
}

/// The end of a terminal that a program has, and the other: kernels have no flag for transfers of terminals that do not wait.
fn terminal() -> (File, File) {
    let (mut main, mut end) = (0, 0);
    let nothing = std::ptr::null_mut;
    // SAFETY: the kernel writes the two numbers; no name and no settings are passed. Raw mode takes bytes as they are.
    unsafe {
        let mut raw: libc::termios = std::mem::zeroed();
        libc::cfmakeraw(&raw mut raw);
        raw.c_cflag |= libc::CREAD;
        assert_eq!(libc::openpty(&raw mut main, &raw mut end, nothing(), &raw const raw, std::ptr::null()), 0);
        (OwnedFd::from_raw_fd(main).into(), OwnedFd::from_raw_fd(end).into())
    }
}

#[test]
fn terminals_are_read_and_written_when_they_are_ready() {
    let (mut main, end) = terminal();
    let (fd, mut buf, mut driver) = (end.as_raw_fd(), [0; 8], driver());
    let read = Operation::Read { fd, buf: buf.as_mut_ptr(), len: 8, offset: Operation::CURRENT };
    // SAFETY: the buffers live, untouched, until the tokens were waited for.
    unsafe {
        driver.submit(&read, Token::new(1));
        driver.turn(&mut |completion| panic!("nothing was typed: {completion:?}"));
        main.write_all(b"key").unwrap();
        assert_eq!(results(&mut driver, 1), HashMap::from([(1, 3)]));
        let text = [b'x'; 6000];
        let write = Operation::Write { fd, buf: text.as_ptr(), len: text.len(), offset: Operation::CURRENT };
        driver.submit(&write, Token::new(2));
        let written = results(&mut driver, 1)[&2];
        assert!((1..=4096).contains(&written), "{written}");
        driver.submit(&read, Token::new(3));
        driver.cancel(Token::new(3));
        assert_eq!(results(&mut driver, 1), HashMap::from([(3, -libc::ECANCELED)]));
    }
    assert_eq!(&buf[..3], b"key");
}

#[test]
fn a_full_pipe_takes_what_fits() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (data, mut driver) = (vec![5u8; 1 << 20], driver());
    let lists = [&data[..0], &data[..]]
        .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
    let fd = writer.as_raw_fd();
    let write = Operation::WriteV { fd, bufs: lists.as_ptr(), count: 2, offset: Operation::CURRENT };
    let mut written = 0;
    // SAFETY: lists and data live, untouched, until the tokens were waited for.
    unsafe {
        driver.submit(&write, Token::new(1));
        written += results(&mut driver, 1)[&1] as usize;
        assert!((1..data.len()).contains(&written), "{written}");
        driver.submit(&write, Token::new(2));
        driver.turn(&mut |completion| panic!("it is full: {completion:?}"));
        reader.read_exact(&mut vec![0; 8192]).unwrap();
        written += results(&mut driver, 1)[&2] as usize;
        // With no reader there is nothing to wait for.
        drop(reader);
        driver.submit(&write, Token::new(3));
        assert_eq!(results(&mut driver, 1), HashMap::from([(3, -libc::EPIPE)]));
    }
    assert!(written > 8192 && driver.in_flight() == 0);
}

#[test]
fn nothing_is_allocated_for_a_wait_once_there_were_as_many() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (fd, mut buf, mut driver) = (ours.as_raw_fd(), [0; 4], driver());
    for round in 0..10_000u64 {
        // SAFETY: the buffer lives, untouched, until the token was waited for.
        unsafe { driver.submit(&recv(fd, &mut buf), Token::new(round + 1)) };
        let before = driver.system_calls();
        theirs.write_all(b"x").unwrap();
        assert_eq!(results(&mut driver, 1).len(), 1);
        assert_eq!(driver.system_calls() - before, 1, "one wait brings it");
    }
    assert!(driver.waits.places() <= 1 && driver.done.capacity() == 0);
}

#[test]
fn each_operation_has_its_side() {
    let operation = Operation::Poll { fd: 3, events: 0 };
    assert_eq!(super::place(&operation), Some((3, Side::Both)));
    assert_eq!(super::place(&Operation::Sync { fd: 3, data_only: false }), None);
    // SAFETY: no memory is named.
    assert_eq!(unsafe { attempt(&Operation::Poll { fd: -1, events: 1 }, Moment::Ready) }, None);
}
