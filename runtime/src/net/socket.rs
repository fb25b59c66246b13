//! The system calls of sockets, for fibers: an attempt that does not wait, then an operation that does.
//!
//! The memory lent to an operation is borrowed by the function that waits for it, and `sched::io::wait` does not return, nor
//! unwind, before the kernel has given it back.

use super::listening::Listening;
use super::sockaddr::Address;
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::sched::io::{ask_patiently, charge, needs_nonblocking, poll, wait, with_part_done};
use crate::sys::errno::last_error;
use crate::task::try_blocking;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};
use std::{io, mem};

/// The most that Linux transfers in one call (`MAX_RW_COUNT`), and with it the most that a call of std's transfers.
const LONGEST: usize = 0x7fff_f000;
/// The most buffers that one call takes (`UIO_MAXIOV`).
const MOST_BUFFERS: usize = 1024;

/// Connections that may wait to be accepted. Std asks for 128, and when some hundreds of clients come at once the others of
/// them try again after a second; this is what the kernel allows by default (`net.core.somaxconn`, listen(2)).
const BACKLOG: i32 = 4096;

/// How to go about a transfer.
pub(super) struct Manner {
    /// What a dump says of a fiber that waits.
    pub(super) reason: Reason,
    /// How long to wait.
    pub(super) timeout: Option<Duration>,
    /// Whether to wait at all: not on a descriptor in non-blocking mode.
    pub(super) waits: bool,
    /// Whether to skip the attempt that does not wait, because it would be in vain.
    pub(super) expects_to_wait: bool,
}

/// `recv`, on a fiber.
pub(super) fn receive(fd: BorrowedFd<'_>, buf: &mut [u8], flags: i32, manner: &Manner) -> io::Result<usize> {
    let (fd, start, len) = (fd.as_raw_fd(), buf.as_mut_ptr(), buf.len());
    let operation = Operation::Recv { fd, buf: start, len, flags };
    // SAFETY: the buffer is borrowed, mutably, until this function returns or unwinds.
    unsafe { receive_with(manner, || libc::recv(fd, start.cast(), len, flags | libc::MSG_DONTWAIT), operation) }
}

/// `recvfrom`, on a fiber.
pub(super) fn receive_from(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: i32,
    manner: &Manner,
) -> io::Result<(usize, Address)> {
    let fd = fd.as_raw_fd();
    let mut from = Address::room();
    let mut buf = IoSliceMut::new(buf);
    // `IoSliceMut` has the layout of `iovec`, by its documentation.
    let mut message = message((&raw mut buf).cast(), 1);
    message.msg_name = from.parts().0.cast();
    message.msg_namelen = from.len();
    let msg = &raw mut message;
    // SAFETY: the buffer is borrowed, mutably, and the message, its list and the address are of this frame, until this function
    // returns or unwinds.
    let received = unsafe {
        let operation = Operation::RecvMsg { fd, msg, flags };
        receive_with(manner, || libc::recvmsg(fd, msg, flags | libc::MSG_DONTWAIT), operation)
    }?;
    from.set_len(message.msg_namelen);
    Ok((received, from))
}

/// `recvmsg` into several buffers, on a fiber.
pub(super) fn receive_vectored(fd: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>], manner: &Manner) -> io::Result<usize> {
    let fd = fd.as_raw_fd();
    // `IoSliceMut` has the layout of `iovec`, by its documentation.
    let mut message = message(bufs.as_mut_ptr().cast(), bufs.len());
    let msg = &raw mut message;
    // SAFETY: the buffers and their list are borrowed, mutably, and the message is ours, until this function returns or unwinds.
    unsafe {
        let operation = Operation::RecvMsg { fd, msg, flags: 0 };
        receive_with(manner, || libc::recvmsg(fd, msg, libc::MSG_DONTWAIT), operation)
    }
}

/// # Safety
///
/// As [`wait`], for `operation`. `attempt` does the same, but does not wait.
unsafe fn receive_with(manner: &Manner, attempt: impl Fn() -> isize, operation: Operation) -> io::Result<usize> {
    if !manner.expects_to_wait {
        let result = count(attempt());
        if !(manner.waits && is(&result, libc::EAGAIN)) {
            charge();
            return result;
        }
    }
    // SAFETY: the caller vouches for the memory.
    let result = unsafe { wait(operation, manner.reason, manner.timeout) }.map(|received| received as usize);
    if is(&result, libc::EAGAIN) {
        // Somebody else put the descriptor into non-blocking mode, and this kernel minds.
        return count(attempt());
    }
    result.map_err(as_std_times_out)
}

/// `send`, on a fiber. As on a descriptor in blocking mode: all of `buf` unless something comes between.
pub(super) fn send(fd: BorrowedFd<'_>, buf: &[u8], manner: &Manner) -> io::Result<usize> {
    let fd = fd.as_raw_fd();
    let buf = &buf[..buf.len().min(LONGEST)];
    let attempt = |buf: &[u8]| {
        // SAFETY: the buffer is borrowed during the call.
        count(unsafe { libc::send(fd, buf.as_ptr().cast(), buf.len(), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) })
    };
    let rest = |sent: usize, left| {
        let buf = &buf[sent..];
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let operation = Operation::Send { fd, buf: buf.as_ptr(), len: buf.len(), flags };
        // SAFETY: the buffer is borrowed until this function returns or unwinds.
        unsafe { wait(operation, manner.reason, left) }
    };
    send_with(manner, buf.len(), || attempt(buf), rest)
}

/// `send`, on a thread.
pub(super) fn send_plainly(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    let len = buf.len().min(LONGEST);
    // SAFETY: the buffer is borrowed during the call.
    count(unsafe { libc::send(fd.as_raw_fd(), buf.as_ptr().cast(), len, libc::MSG_NOSIGNAL) })
}

/// `sendmsg` from several buffers, on a fiber.
pub(super) fn send_vectored(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], manner: &Manner) -> io::Result<usize> {
    let fd = fd.as_raw_fd();
    let bufs = &bufs[..bufs.len().min(MOST_BUFFERS)];
    let len = bufs.iter().fold(0usize, |len, buf| len.saturating_add(buf.len())).min(LONGEST);
    let attempt = || {
        let message = gather(bufs);
        // SAFETY: the message is ours, the buffers and their list are borrowed, during the call.
        count(unsafe { libc::sendmsg(fd, &raw const message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) })
    };
    let rest = |sent: usize, left| {
        let mut bufs = bufs.to_vec();
        let mut bufs = &mut bufs[..];
        IoSlice::advance_slices(&mut bufs, sent);
        let message = gather(bufs);
        let msg = &raw const message;
        let operation = Operation::SendMsg { fd, msg, flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL };
        // SAFETY: message and list are of this frame, the buffers are borrowed; the frame ends when `wait` has.
        unsafe { wait(operation, manner.reason, left) }
    };
    send_with(manner, len, attempt, rest)
}

/// `send` of a datagram, or `sendto`, on a fiber. It goes as a whole or not at all.
///
/// Attempts of our own with polls between, not the kernel's `SENDMSG`: when a local socket has copied the datagram and then finds the
/// receiver's queue full, that operation tries again later, from where the copy ended, and sends an empty one (seen on 6.18).
pub(super) fn send_datagram(
    fd: BorrowedFd<'_>,
    buf: &[u8],
    to: Option<&Address>,
    manner: &Manner,
) -> io::Result<usize> {
    let attempt = || {
        let bufs = [IoSlice::new(buf)];
        let mut message = gather(&bufs);
        if let Some(to) = to {
            // The kernel does not write to the address that something is sent to.
            message.msg_name = to.storage().cast_mut().cast();
            message.msg_namelen = to.len();
        }
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        // SAFETY: buffer and address are borrowed, the message and its list are ours, during the call.
        count(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) })
    };
    let first = attempt();
    if !(manner.waits && is(&first, libc::EAGAIN)) {
        charge();
        return first;
    }
    let begin = Instant::now();
    let left = || manner.timeout.map(|timeout| timeout.saturating_sub(begin.elapsed()));
    let mut probe = None;
    loop {
        poll(fd, libc::POLLOUT, manner.reason, left()).map_err(as_std_times_out)?;
        if let Some(to) = to.filter(|to| to.family() == libc::AF_UNIX) {
            // Only a socket that is connected tells whether there is room at the other end.
            let probe = match &mut probe {
                Some(probe) => probe,
                none => none.insert(connected_to(to)?),
            };
            poll(probe.as_fd(), libc::POLLOUT, manner.reason, left()).map_err(as_std_times_out)?;
        }
        let result = attempt();
        if !is(&result, libc::EAGAIN) {
            return result;
        }
    }
}

/// A socket for datagrams whose peer has this address.
fn connected_to(address: &Address) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = count(unsafe { libc::socket(address.family(), libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) } as isize)?;
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    // SAFETY: the address is borrowed during the call.
    count(unsafe { libc::connect(socket.as_raw_fd(), address.storage().cast(), address.len()) } as isize)?;
    Ok(socket)
}

fn send_with(
    manner: &Manner,
    len: usize,
    attempt: impl Fn() -> io::Result<usize>,
    rest: impl Fn(usize, Option<Duration>) -> io::Result<u32>,
) -> io::Result<usize> {
    let result = attempt();
    let mut sent = match result {
        Ok(sent) if manner.waits && sent < len => sent,
        Err(ref error) if manner.waits && error.raw_os_error() == Some(libc::EAGAIN) => 0,
        _ => {
            charge();
            return result;
        }
    };
    let begin = manner.timeout.map(|_| Instant::now());
    // Once where the driver sends all of it, otherwise as often as there is room.
    while sent < len {
        let left = manner.timeout.zip(begin).map(|(timeout, begin)| timeout.saturating_sub(begin.elapsed()));
        if sent == 0 {
            sent = rest(0, left).map_err(as_std_times_out)? as usize;
            continue;
        }
        match with_part_done(|| rest(sent, left)) {
            Ok(more) => sent += more as usize,
            // What was sent is sent; the error, if it stays, comes with the next call.
            Err(_) => break,
        }
    }
    Ok(sent)
}

/// `socket`, `bind` and `listen` of a stream, at an address at which others of this user may listen as well (`SO_REUSEPORT`).
pub(super) fn listen_beside_others(address: &Address) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(address.family(), libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(last_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // The first as std's `bind` does: connections of a listener before this one, which are being forgotten, do not count.
    for name in [libc::SO_REUSEADDR, libc::SO_REUSEPORT] {
        let (on, len): (libc::c_int, _) = (1, size_of::<libc::c_int>() as libc::socklen_t);
        // SAFETY: the kernel reads the number, during the call.
        count(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const on).cast(), len) } as isize)?;
    }
    // SAFETY: the address is borrowed during the call.
    count(unsafe { libc::bind(fd, address.storage().cast(), address.len()) } as isize)?;
    lengthen_backlog(socket.as_fd())?;
    Ok(socket)
}

/// Gives a listening socket room for [`BACKLOG`] connections that wait to be accepted.
pub(super) fn lengthen_backlog(listener: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed.
    count(unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) } as isize).map(drop)
}

/// `accept4`, on a fiber. The new socket is closed on exec and in blocking mode.
pub(super) fn accept(listener: BorrowedFd<'_>, mode: &Listening) -> io::Result<(OwnedFd, Address)> {
    if needs_nonblocking() && !mode.hold(listener)? {
        return accept_on_thread(listener);
    }
    loop {
        let mut address = Address::room();
        let (addr, len) = address.parts();
        let fd = listener.as_raw_fd();
        let operation = Operation::Accept { fd, addr, len, flags: libc::SOCK_CLOEXEC };
        // SAFETY: address and length are of this frame.
        match unsafe { wait(operation, Reason::Accept, None) } {
            Ok(fd) => {
                // SAFETY: the kernel just gave it to us. Owned before anything can fail.
                let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
                return Ok((fd, address));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            // The socket is held in non-blocking mode for fibers of another runtime, and this kernel minds.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(listener, libc::POLLIN, Reason::Accept, None)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// As [`accept`], of a socket that is to stay in blocking mode: a thread makes the call once there is a connection. If another process
/// takes that in between, the thread waits for the next, and the fiber with it.
fn accept_on_thread(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
    if option::<libc::c_int>(listener, libc::SO_ACCEPTCONN)? == 0 {
        // What does not listen, accept refuses.
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    loop {
        poll(listener, libc::POLLIN, Reason::Accept, None)?;
        let accepted = try_blocking(Reason::Accept, || {
            let mut entry = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: the kernel reads and writes the one entry, during the call.
            if count(unsafe { libc::poll(&raw mut entry, 1, 0) } as isize)? == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut address = Address::room();
            let (addr, len) = address.parts();
            // SAFETY: the kernel writes to address and length, which are of this frame, during the call.
            let fd = unsafe { libc::accept4(listener.as_raw_fd(), addr.cast(), len, libc::SOCK_CLOEXEC) };
            count(fd as isize)?;
            // SAFETY: the kernel just gave it to us.
            Ok((unsafe { OwnedFd::from_raw_fd(fd) }, address))
        });
        match accepted {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => (),
            result => return result,
        }
    }
}

/// Waits for a connection, on a thread or where nobody is held by that.
pub(super) fn await_connection(listener: BorrowedFd<'_>) -> io::Result<()> {
    let mut entry = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the kernel reads and writes the one entry, during the call.
    count(unsafe { libc::poll(&raw mut entry, 1, -1) } as isize).map(drop)
}

/// `socket` and `connect` of a stream, on a fiber. The socket is closed on exec and in blocking mode.
pub(super) fn connect(address: &Address, timeout: Option<Duration>) -> io::Result<OwnedFd> {
    let nonblocking = needs_nonblocking();
    let mode = if nonblocking { libc::SOCK_NONBLOCK } else { 0 };
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(address.family(), libc::SOCK_STREAM | libc::SOCK_CLOEXEC | mode, 0) };
    if fd < 0 {
        return Err(last_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let start = timeout.map(|_| Instant::now());
    let operation = Operation::Connect { fd, addr: address.storage(), len: address.len() };
    // SAFETY: the address is borrowed until this function returns or unwinds.
    let result = unsafe { wait(operation, Reason::Connect, timeout) };
    let result = match result {
        // The attempt goes on without us: wait for its end, as std does after a signal.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EINPROGRESS | libc::EALREADY)) => {
            let left = timeout.zip(start).map(|(timeout, start)| timeout.saturating_sub(start.elapsed()));
            finish_connect(socket.as_fd(), left)
        }
        Err(error) if error.raw_os_error() == Some(libc::EISCONN) => Ok(()),
        Err(error)
            if error.raw_os_error() == Some(libc::EAGAIN) && nonblocking && address.family() == libc::AF_UNIX =>
        {
            connect_patiently(socket.as_fd(), address)
        }
        result => result.map(drop),
    };
    let result = match result {
        Ok(()) if nonblocking => set_nonblocking(socket.as_fd(), false),
        result => result,
    };
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ETIME) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"))
        }
        result => result.map(|()| socket),
    }
}

/// `connect` to a listener that has no room for more connections now: the kernel does not tell when it has, other than by a call that waits.
fn connect_patiently(socket: BorrowedFd<'_>, address: &Address) -> io::Result<()> {
    ask_patiently(Reason::Connect, || {
        // SAFETY: the address is borrowed during the call.
        match count(unsafe { libc::connect(socket.as_raw_fd(), address.storage().cast(), address.len()) } as isize) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => Ok(None),
            result => result.map(|_| Some(())),
        }
    })
}

fn finish_connect(socket: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<()> {
    poll(socket, libc::POLLOUT, Reason::Connect, timeout)?;
    match option::<libc::c_int>(socket, libc::SO_ERROR)? {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A time limit of the socket's own, as set before the descriptor became ours.
pub(super) fn timeout(fd: BorrowedFd<'_>, name: libc::c_int) -> Option<Duration> {
    let time = option::<libc::timeval>(fd, name).ok()?;
    let timeout = Duration::new(time.tv_sec.try_into().ok()?, u32::try_from(time.tv_usec).ok()? * 1000);
    (!timeout.is_zero()).then_some(timeout)
}

/// Whether the descriptor is in non-blocking mode.
pub(super) fn is_nonblocking(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no memory is passed.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// Sets whether the descriptor is in non-blocking mode.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let nonblocking = libc::c_int::from(nonblocking);
    // What std does for sockets: one call where `fcntl` takes two.
    // SAFETY: the kernel reads the number, during the call.
    count(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw const nonblocking) } as isize).map(drop)
}

/// Reads an option of the socket level.
///
/// `T` is a plain C type for which all bits are values.
fn option<T: Copy>(fd: BorrowedFd<'_>, name: libc::c_int) -> io::Result<T> {
    let mut value = mem::MaybeUninit::<T>::zeroed();
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to the value, during the call.
    let done =
        unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, value.as_mut_ptr().cast(), &raw mut len) };
    if done < 0 {
        return Err(last_error());
    }
    // SAFETY: zeroes, partly overwritten by the kernel, are a value of a plain C type.
    Ok(unsafe { value.assume_init() })
}

/// What a call returned, as std gives it.
fn count(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| last_error())
}

fn is<T>(result: &io::Result<T>, errno: i32) -> bool {
    result.as_ref().err().and_then(io::Error::raw_os_error) == Some(errno)
}

/// A time limit of the socket shows in std as `EAGAIN`, which is what the kernel says.
pub(crate) fn as_std_times_out(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ETIME) => io::Error::from_raw_os_error(libc::EAGAIN),
        _ => error,
    }
}

fn gather(bufs: &[IoSlice<'_>]) -> libc::msghdr {
    // `IoSlice` has the layout of `iovec`, by its documentation; the kernel does not write to what is sent.
    message(bufs.as_ptr().cast_mut().cast(), bufs.len())
}

fn message(bufs: *mut libc::iovec, len: usize) -> libc::msghdr {
    // SAFETY: null pointers and zeroes are a message without anything.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = bufs;
    message.msg_iovlen = len.min(MOST_BUFFERS) as _;
    message
}
