//! What is particular to a ring: its own queues' limits, refused enters, sandboxes, messages.

use super::super::error::Step;
use super::super::tests::sandbox::sandboxed;
use super::super::{DriverConfig, DriverError, DriverKind, Operation, Token};
use super::{DOORBELL, TaskWork, Uring};
use std::collections::HashSet;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use std::{io, thread};

const LIMIT: Duration = Duration::from_secs(30);

fn tiny() -> Uring {
    Uring::new(&DriverConfig { submission_entries: 4, completion_entries: 8, ..DriverConfig::default() }).unwrap()
}

fn poll(fd: &impl AsRawFd, events: i16) -> Operation {
    Operation::Poll { fd: fd.as_raw_fd(), events: events as u32 }
}

/// Submits polls of `fd` with the tokens `range`.
fn submit_polls(ring: &mut Uring, fd: &impl AsRawFd, events: i16, range: std::ops::Range<u64>) {
    for raw in range {
        // SAFETY: no memory is named.
        unsafe { ring.submit(&poll(fd, events), Token::new(raw)) };
    }
}

/// Turns until `count` completions came, and returns their tokens, each of which came once.
fn collect(ring: &mut Uring, count: usize) -> HashSet<u64> {
    let (mut seen, start) = (HashSet::new(), Instant::now());
    while seen.len() < count {
        assert!(start.elapsed() < LIMIT, "{} of {count} completions came", seen.len());
        ring.turn(&mut |completion| assert!(seen.insert(completion.token.get()), "twice: {completion:?}"));
    }
    seen
}

/// More completions at once than the queue has room for.
fn overflow(ring: &mut Uring, count: u64) -> (UnixStream, UnixStream) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    submit_polls(ring, &ours, libc::POLLIN, 1..count + 1);
    ring.turn(&mut |completion| panic!("nothing is there yet: {completion:?}"));
    theirs.write_all(b"x").unwrap();
    ring.enter(0, None);
    assert!(ring.ring.submission().cq_overflow(), "{count} completions fit into a queue of 8");
    (ours, theirs)
}

#[test]
fn an_overflowing_completion_queue_loses_nothing() {
    let mut ring = tiny();
    let _sockets = overflow(&mut ring, 500);
    assert_eq!(collect(&mut ring, 500), (1..501).collect());
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn the_doorbell_comes_back_after_an_overflow() {
    let mut ring = tiny();
    ring.arm_doorbell();
    ring.turn(&mut |_| ());
    let bell = ring.doorbell();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    submit_polls(&mut ring, &ours, libc::POLLIN, 1..101);
    ring.turn(&mut |_| ());
    theirs.write_all(b"x").unwrap();
    // Its completion finds the queue full behind the polls', which ends a multishot poll.
    bell.ring();
    ring.enter(0, None);
    assert_eq!(collect(&mut ring, 100).len(), 100);
    ring.turn(&mut |_| ());

    for _ in 0..3 {
        ring.arm_doorbell();
        let rang = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                rang.store(true, std::sync::atomic::Ordering::SeqCst);
                bell.ring();
            });
            let start = Instant::now();
            while !rang.load(std::sync::atomic::Ordering::SeqCst) {
                assert!(start.elapsed() < LIMIT, "the doorbell is dead");
                ring.arm_doorbell();
                ring.park(Some(LIMIT), &mut |_| ());
            }
        });
    }
}

#[test]
fn refused_enters_are_made_again() {
    for errno in [libc::EAGAIN, libc::EBUSY, libc::ENOMEM, libc::EINTR] {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut ring = tiny();
        ring.gate.faults.extend([errno; 10]);
        submit_polls(&mut ring, &ours, libc::POLLOUT, 1..101);
        assert_eq!(ring.gate.faults.len(), 9, "one attempt, then the backlog");
        assert_eq!(ring.backlog.len(), 96);
        ring.park(Some(LIMIT), &mut |completion| panic!("the kernel has nothing yet: {completion:?}"));
        ring.cancel(Token::new(100));
        assert_eq!(collect(&mut ring, 100), (1..101).collect());
    }
}

/// A cancel stays behind its operation, however both got into the kernel.
#[test]
fn a_cancel_never_overtakes_its_operation() {
    for faults in 0..4 {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut ring = tiny();
        ring.gate.faults.extend(vec![libc::EBUSY; faults]);
        for raw in 1..51 {
            // SAFETY: no memory is named.
            unsafe { ring.submit(&poll(&ours, libc::POLLIN), Token::new(raw)) };
            ring.cancel(Token::new(raw));
        }
        // Every operation was cancelled: nobody writes to the socket, so any other end is none.
        assert_eq!(collect(&mut ring, 50), (1..51).collect());
    }
}

#[test]
fn completions_of_a_flush_are_kept_for_the_next_turn() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut ring = tiny();
    submit_polls(&mut ring, &ours, libc::POLLOUT, 1..6);
    assert_eq!(ring.spill.len(), 4);
    assert_eq!(ring.in_flight(), 5);
    assert!(ring.has_completions());
    // Parking does not sleep over them.
    let mut got = 0;
    ring.park(None, &mut |_| got += 1);
    assert!(got >= 4);
    assert_eq!(got + ring.in_flight(), 5);
    while ring.in_flight() > 0 {
        ring.turn(&mut |_| ());
    }
}

/// The way of kernels before 5.13.
#[test]
fn the_doorbell_works_without_multishot_polls() {
    let mut ring = tiny();
    ring.book.multishot = false;
    let bell = ring.doorbell();
    let enters = ring.enters();
    for round in 0..100 {
        ring.arm_doorbell();
        if round % 3 == 0 {
            bell.ring();
            ring.park(Some(LIMIT), &mut |_| ());
        } else {
            thread::scope(|scope| {
                scope.spawn(|| bell.ring());
                ring.park(Some(LIMIT), &mut |_| ());
            });
        }
    }
    // The counter was emptied each time, or the poll would fire at once for ever; each ring costs one park, give or take.
    ring.arm_doorbell();
    ring.park(Some(Duration::from_millis(1)), &mut |_| ());
    ring.park(Some(Duration::from_millis(1)), &mut |_| ());
    assert!(ring.enters() - enters <= 2 * 103);
    assert!(ring.book.armed, "nobody rang, the poll is still there");
}

#[test]
fn a_kernel_that_refuses_multishot_polls_is_asked_for_plain_ones() {
    let mut ring = tiny();
    ring.arm_doorbell();
    assert!(ring.book.settle(DOORBELL, -libc::EINVAL, 0).is_none());
    assert!(!ring.book.armed && !ring.book.multishot && ring.book.rang);
}

#[test]
fn every_rung_of_the_ladder_is_told_apart() {
    let kinds: Vec<_> = TaskWork::LADDER
        .iter()
        .filter_map(|rung| Uring::with_task_work(&DriverConfig::default(), *rung).ok())
        .map(|ring| ring.kind())
        .collect();
    assert_eq!(kinds.last(), Some(&"io_uring (interrupting)"));
    assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), kinds.len());
    assert_eq!(Uring::new(&DriverConfig::default()).unwrap().kind(), kinds[0]);
}

#[test]
fn sizes_are_taken_as_asked_or_rounded() {
    for (submission_entries, completion_entries) in [(0, 0), (1, 1), (3, 5), (64, 16), (1 << 20, 1 << 30)] {
        let mut ring =
            Uring::new(&DriverConfig { submission_entries, completion_entries, ..DriverConfig::default() }).unwrap();
        let submission = ring.ring.submission().capacity();
        let completion = ring.ring.completion().capacity();
        assert!(submission >= (submission_entries as usize).min(32768), "{submission}");
        assert!(completion >= (completion_entries as usize).min(65536), "{completion}");
    }
}

#[test]
fn a_sandbox_that_denies_io_uring_is_named() {
    let message = sandboxed(DriverKind::IoUring, libc::SYS_io_uring_setup, libc::EPERM).unwrap_err().to_string();
    // Where the machine itself forbids io_uring, that comes first.
    assert!(message.contains("io_uring_setup is forbidden"), "{message}");
    assert!(message.contains("seccomp") || message.contains("kernel.io_uring_disabled"), "{message}");
    assert!(!message.contains('\n'), "{message}");

    let message = sandboxed(DriverKind::IoUring, libc::SYS_io_uring_setup, libc::ENOSYS).unwrap_err().to_string();
    assert!(message.contains("does not exist here") && message.contains("newer kernel"), "{message}");

    let error = sandboxed(DriverKind::IoUring, libc::SYS_io_uring_enter, libc::EPERM).unwrap_err();
    assert!(error.to_string().contains("io_uring_enter is forbidden"), "{error}");
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));

    let message = sandboxed(DriverKind::IoUring, libc::SYS_io_uring_setup, libc::EMFILE).unwrap_err().to_string();
    assert!(message.contains("ulimit -n"), "{message}");

    let message = sandboxed(DriverKind::IoUring, libc::SYS_eventfd2, libc::EMFILE).unwrap_err().to_string();
    assert!(message.contains("for eventfd") && message.contains("ulimit -n"), "{message}");
}

#[test]
fn a_sandbox_that_denies_registering_is_put_up_with() {
    assert!(sandboxed(DriverKind::IoUring, libc::SYS_io_uring_register, libc::EPERM).unwrap().starts_with("io_uring"));
}

#[test]
fn every_cause_has_its_cure() {
    for (errno, disabled, cure) in [
        (libc::EPERM, Some(2), "sysctl kernel.io_uring_disabled=0"),
        (libc::EPERM, Some(1), "kernel.io_uring_group"),
        (libc::EPERM, Some(0), "seccomp"),
        (libc::EACCES, None, "seccomp"),
        (libc::ENOSYS, None, "newer kernel"),
        (libc::ENOMEM, Some(0), "ulimit -l"),
        (libc::EMFILE, Some(0), "ulimit -n"),
        (libc::ENFILE, Some(0), "fs.file-max"),
        (libc::EINVAL, Some(0), "io_uring_setup failed"),
    ] {
        let message = DriverError::with_sysctl(Step::Setup, errno, disabled).to_string();
        assert!(message.contains(cure), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let old = io::Error::new(io::ErrorKind::Unsupported, "it lacks the operation SEND");
    let message = DriverError::new(Step::Probe, old).to_string();
    assert!(message.contains("lacks the operation SEND") && message.contains("5.11"), "{message}");
}

/// The kernel can leave `TASKRUN` set with no task work to run; see `DISTRUST`. A worker that polls must come to rest, one that
/// is busy must still see its completions.
#[test]
fn a_flag_that_stands_for_nothing_is_not_followed_for_ever() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut ring = Uring::new(&DriverConfig::default()).unwrap();
    ring.turn(&mut |_| ());
    ring.stuck_flag = true;
    assert!(ring.has_completions(), "believed at first");
    ring.turn(&mut |_| ());
    assert!(!ring.has_completions(), "an enter brought nothing: the worker may sleep");
    ring.park(Some(Duration::from_millis(1)), &mut |completion| panic!("nothing was submitted: {completion:?}"));
    let before = ring.enters();
    (0..10 * super::DISTRUST).for_each(|_| ring.turn(&mut |_| ()));
    assert_eq!(ring.enters() - before, 10, "a busy worker looks now and then");
    // SAFETY: no memory is named.
    unsafe { ring.submit(&poll(&ours, libc::POLLIN), Token::new(1)) };
    ring.turn(&mut |_| ());
    theirs.write_all(b"x").unwrap();
    let mut seen = 0;
    for _ in 0..2 * super::DISTRUST {
        ring.turn(&mut |_| seen += 1);
    }
    assert_eq!(seen, 1);
}

/// The one for which there was no room comes with the last completion, and is as good as the others.
#[test]
fn an_overflow_ends_a_multishot_accept_and_loses_no_connection() {
    let mut ring = tiny();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accept = Operation::AcceptMany { fd: listener.as_raw_fd(), flags: libc::SOCK_CLOEXEC };
    if !ring.supports(&accept) {
        println!("skipped: this kernel has no multishot accept, or one that loses connections");
        return;
    }
    // SAFETY: no memory is named.
    unsafe { ring.submit(&accept, Token::new(1)) };
    ring.turn(&mut |completion| panic!("nobody is there yet: {completion:?}"));
    let clients: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let (mut accepted, mut ends, start) = (Vec::new(), 0, Instant::now());
    while accepted.len() < clients.len() {
        assert!(start.elapsed() < LIMIT, "{} connections", accepted.len());
        let mut ended = false;
        ring.turn(&mut |completion| {
            assert!(completion.result >= 0, "{completion:?}");
            // SAFETY: the kernel just gave it to us.
            accepted.push(std::net::TcpStream::from(unsafe { OwnedFd::from_raw_fd(completion.result) }));
            ended |= !completion.more;
        });
        if ended {
            ends += 1;
            // SAFETY: no memory is named.
            unsafe { ring.submit(&accept, Token::new(1)) };
        }
    }
    assert!(ends > 0, "100 completions fit into a queue of 8");
    let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
    let mut came: Vec<_> = accepted.iter().map(|peer| peer.peer_addr().unwrap()).collect();
    expected.sort_unstable();
    came.sort_unstable();
    assert_eq!(came, expected);
    ring.cancel(Token::new(1));
    let mut ended = false;
    while !ended {
        ring.turn(&mut |completion| ended |= !completion.more);
    }
    assert_eq!(ring.in_flight(), 0);
}

/// A driver does not wait for memory that is lent when it is dropped: a peer that reads nothing could keep it for ever.
#[test]
fn lent_memory_does_not_hold_up_the_end() {
    let mut ring = tiny();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    // SAFETY: no memory is named.
    unsafe { ring.submit(&poll(&ours, libc::POLLIN), Token::new(1 | Token::LENT)) };
    ring.turn(&mut |completion| panic!("nothing is there yet: {completion:?}"));
    assert_eq!(ring.in_flight(), 1);
    ring.finish();
    assert_eq!(ring.in_flight(), 1);
}

/// Cancels that come while the kernel tries again, and has the operation on no list (`-ENOENT`); and later.
#[test]
fn what_is_cancelled_right_after_it_began_ends() {
    // A local listener with a full queue: connecting to it is tried until the kernel leaves it to a thread that waits.
    let listener = socket();
    let (address, len) = unnamed(&listener);
    // SAFETY: no memory is passed. A length of 0 has room for one.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let first = socket();
    // SAFETY: the address is ours.
    assert_eq!(unsafe { libc::connect(first.as_raw_fd(), (&raw const address).cast(), len) }, 0);
    let mut ring = tiny();
    for turns in (0..200).map(|number| number % 8) {
        let client = socket();
        let operation = Operation::Connect { fd: client.as_raw_fd(), addr: &raw const address, len };
        let mut result = None;
        let mut sink = |completion: super::super::Completion| assert!(result.replace(completion.result).is_none());
        // SAFETY: the address lives longer than the ring.
        unsafe { ring.submit(&operation, Token::new(7)) };
        (0..turns).for_each(|_| ring.turn(&mut sink));
        ring.cancel(Token::new(7));
        let start = Instant::now();
        while ring.in_flight() > 0 {
            assert!(start.elapsed() < LIMIT, "cancelled after {turns} turns, it goes on");
            ring.park(Some(Duration::from_millis(100)), &mut sink);
        }
        let ended = [libc::ECANCELED, libc::EINTR, libc::EAGAIN].map(|errno| Some(-errno));
        assert!(ended.contains(&result), "{result:?}");
    }
}

fn socket() -> OwnedFd {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    // SAFETY: it is new.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Binds a local socket to an address that the kernel chooses (unix(7), "Autobind feature").
fn unnamed(socket: &OwnedFd) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: zeroes are an address.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    address.ss_family = libc::AF_UNIX as libc::sa_family_t;
    let mut len = size_of::<libc::sa_family_t>() as libc::socklen_t;
    let fd = socket.as_raw_fd();
    // SAFETY: the kernel reads the address, during the call.
    assert_eq!(unsafe { libc::bind(fd, (&raw const address).cast(), len) }, 0);
    len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the kernel writes the address and its length, during the call.
    assert_eq!(unsafe { libc::getsockname(fd, (&raw mut address).cast(), &raw mut len) }, 0);
    (address, len)
}
