//! An operation as a call that does not wait.

use super::super::Operation;
use crate::sys::errno::last_error;

use std::os::fd::RawFd;

/// The most that Linux transfers in one call (`MAX_RW_COUNT`).
const LONGEST: usize = 0x7fff_f000;
/// The most that is written by a call that would wait: a pipe that is ready has room for this much (`PIPE_BUF`, pipe(7)).
const READY_ROOM: usize = 4096;

/// The event that says that nothing more will come: a socket was shut down for reading, by either end.
pub(super) const ENDED: u32 = libc::EPOLLRDHUP as u32;

/// [`Operation::CURRENT`] as the kernel's calls have it.
const CURRENT: i64 = Operation::CURRENT.cast_signed();

/// When an operation is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It has just been submitted. Whether the descriptor is ready is not known.
    Submitted,
    /// The descriptor is ready.
    Ready,
    /// It is to end now.
    Cancelled,
    /// The descriptor is of a kind that cannot be waited for.
    Unpollable,
}

/// On which side of its descriptor an operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// For something to take: one operation after the other is tried, first come first served.
    In,
    /// For room.
    Out,
    /// For events of its own choice: each that they concern has its answer.
    Both,
}

impl Side {
    pub(super) const COUNT: usize = 3;

    /// The events that an operation on this side waits for, but for `Both`.
    pub(super) fn events(self) -> u32 {
        match self {
            Side::In => libc::EPOLLIN as u32 | ENDED,
            Side::Out => libc::EPOLLOUT as u32,
            Side::Both => 0,
        }
    }
}

/// The descriptor and the side on which the operation waits, if it is one that can be waited for.
pub(super) fn place(operation: &Operation) -> Option<(RawFd, Side)> {
    match *operation {
        Operation::Accept { fd, .. }
        | Operation::Recv { fd, .. }
        | Operation::RecvMsg { fd, .. }
        | Operation::Read { fd, .. }
        | Operation::ReadV { fd, .. } => Some((fd, Side::In)),
        Operation::Connect { fd, .. }
        | Operation::Send { fd, .. }
        | Operation::SendMsg { fd, .. }
        | Operation::Write { fd, .. }
        | Operation::WriteV { fd, .. } => Some((fd, Side::Out)),
        Operation::Poll { fd, .. } => Some((fd, Side::Both)),
        _ => None,
    }
}

/// The result of the operation, as a completion has it; `None` if it would have to wait.
///
/// # Safety
///
/// The memory that the operation names is valid.
pub(super) unsafe fn attempt(operation: &Operation, moment: Moment) -> Option<i32> {
    // SAFETY, of each call: the caller vouches for the memory that the operation names.
    let returned = match *operation {
        Operation::Accept { fd, addr, len, flags } => {
            // SAFETY: see above.
            unsafe { libc::accept4(fd, addr.cast(), len, flags) as isize }
        }
        Operation::Connect { fd, addr, len } => {
            if moment != Moment::Submitted {
                return connected(fd);
            }
            // SAFETY: see above.
            let returned = unsafe { libc::connect(fd, addr.cast(), len) };
            match errno_of(returned as isize) {
                Some(libc::EINPROGRESS) => return None,
                // What a local socket says whose peer has no room: no event will tell when that has changed.
                Some(libc::EAGAIN) => return Some(-libc::EAGAIN),
                errno => return Some(errno.map_or(0, |errno| -errno)),
            }
        }
        Operation::Recv { .. } | Operation::Send { .. } if moment == Moment::Submitted => return None,
        Operation::RecvMsg { .. } | Operation::SendMsg { .. } if moment == Moment::Submitted => return None,
        Operation::Recv { fd, buf, len, flags } => {
            // SAFETY: see above.
            unsafe { libc::recv(fd, buf.cast(), len.min(LONGEST), flags | libc::MSG_DONTWAIT) }
        }
        Operation::Send { fd, buf, len, flags } => {
            // SAFETY: see above.
            unsafe { libc::send(fd, buf.cast(), len.min(LONGEST), flags | libc::MSG_DONTWAIT) }
        }
        Operation::RecvMsg { fd, msg, flags } => {
            // SAFETY: see above.
            unsafe { libc::recvmsg(fd, msg, flags | libc::MSG_DONTWAIT) }
        }
        Operation::SendMsg { fd, msg, flags } => {
            // SAFETY: see above.
            unsafe { libc::sendmsg(fd, msg, flags | libc::MSG_DONTWAIT) }
        }
        Operation::Poll { fd, events } => {
            if moment == Moment::Submitted {
                return None;
            }
            return poll(fd, events as i16).filter(|&came| came != 0);
        }
        Operation::Read { fd, buf, len, offset } => {
            let list = libc::iovec { iov_base: buf.cast(), iov_len: len.min(LONGEST) };
            // SAFETY: see above; the list is of this frame.
            return unsafe { read(fd, &raw const list, 1, offset, moment) };
        }
        // SAFETY: see above.
        Operation::ReadV { fd, bufs, count, offset } => return unsafe { read(fd, bufs, count, offset, moment) },
        Operation::Write { fd, buf, len, offset } => {
            let list = libc::iovec { iov_base: buf.cast_mut().cast(), iov_len: len.min(LONGEST) };
            // SAFETY: see above; the list is of this frame.
            return unsafe { write(fd, &raw const list, 1, offset, moment) };
        }
        // SAFETY: see above.
        Operation::WriteV { fd, bufs, count, offset } => return unsafe { write(fd, bufs, count, offset, moment) },
        _ => return Some(-libc::EOPNOTSUPP),
    };
    done(returned)
}

/// The result of an operation that would wait on a descriptor whose end was announced, if there is one.
///
/// To a call that may wait, a socket for datagrams that was shut down for reading gives nothing, zero bytes; to one that may not, it says
/// `EAGAIN` for ever. Everything else says itself that it has ended.
///
/// # Safety
///
/// As for [`attempt`].
pub(super) unsafe fn at_end(operation: &Operation) -> Option<i32> {
    match *operation {
        Operation::Recv { .. } => Some(0),
        Operation::RecvMsg { msg, .. } => {
            // SAFETY: the caller vouches for the message.
            unsafe { (*msg).msg_namelen = 0 };
            Some(0)
        }
        _ => None,
    }
}

/// The end of a connection attempt that was begun.
fn connected(fd: RawFd) -> Option<i32> {
    match poll(fd, libc::POLLOUT) {
        Some(0) => return None,
        Some(1..) => (),
        failed => return failed,
    }
    let (mut error, mut len) = (0, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the kernel writes at most `len` bytes to the number, during the call.
    let returned =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut error).cast(), &raw mut len) };
    Some(errno_of(returned as isize).map_or(-error, |errno| -errno))
}

/// The events that the descriptor is ready for.
fn poll(fd: RawFd, events: i16) -> Option<i32> {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: the kernel reads and writes the one entry, during the call.
    let returned = unsafe { libc::poll(&raw mut entry, 1, 0) };
    match errno_of(returned as isize) {
        Some(libc::EINTR) => None,
        Some(errno) => Some(-errno),
        None if entry.revents & libc::POLLNVAL != 0 => Some(-libc::EBADF),
        None => Some(entry.revents.into()),
    }
}

/// # Safety
///
/// The list and its buffers are valid.
unsafe fn read(fd: RawFd, list: *const libc::iovec, count: u32, offset: u64, moment: Moment) -> Option<i32> {
    let (count, offset) = (count as i32, offset.cast_signed());
    if moment != Moment::Unpollable {
        // SAFETY: as the caller says.
        let returned = unsafe { libc::preadv2(fd, list, count, offset, libc::RWF_NOWAIT) };
        match errno_of(returned) {
            Some(libc::EAGAIN) => return None,
            Some(errno) if lacks_flag(errno) && moment == Moment::Ready => (),
            Some(errno) if lacks_flag(errno) => return None,
            _ => return done(returned),
        }
    }
    // Ready, or never to be waited for: so it does not wait, unless somebody else has just taken what was there.
    // SAFETY: as the caller says.
    done(unsafe {
        match offset {
            CURRENT => libc::readv(fd, list, count),
            offset => libc::preadv(fd, list, count, offset),
        }
    })
}

/// # Safety
///
/// The list and its buffers are valid.
unsafe fn write(fd: RawFd, list: *const libc::iovec, count: u32, offset: u64, moment: Moment) -> Option<i32> {
    let (count, offset) = (count as i32, offset.cast_signed());
    let plainly = |list, count| {
        // SAFETY: as the caller says, of the list or a part of it.
        done(unsafe {
            match offset {
                CURRENT => libc::writev(fd, list, count),
                offset => libc::pwritev(fd, list, count, offset),
            }
        })
    };
    if moment == Moment::Unpollable {
        return plainly(list, count);
    }
    // SAFETY: as the caller says.
    let returned = unsafe { libc::pwritev2(fd, list, count, offset, libc::RWF_NOWAIT) };
    match errno_of(returned) {
        Some(libc::EAGAIN) => return None,
        Some(errno) if lacks_flag(errno) && moment == Moment::Ready => (),
        Some(errno) if lacks_flag(errno) => return None,
        _ => return done(returned),
    }
    // Pipes before Linux 6.5, and terminals. No more than there is room for, or the call would wait for the rest.
    for index in 0..count as usize {
        // SAFETY: the list is valid, as the caller says.
        let mut part = unsafe { list.add(index).read() };
        if part.iov_len > 0 {
            part.iov_len = part.iov_len.min(READY_ROOM);
            return plainly(&raw const part, 1);
        }
    }
    Some(0)
}

/// Whether this says that a transfer with `RWF_NOWAIT` is not to be had: of this kind of descriptor, or of any in this sandbox.
fn lacks_flag(errno: i32) -> bool {
    matches!(errno, libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM)
}

/// What a call returned, as a result; `None` if it would have had to wait.
fn done(returned: isize) -> Option<i32> {
    match errno_of(returned) {
        None => Some(returned as i32),
        Some(libc::EAGAIN) => None,
        Some(errno) => Some(-errno),
    }
}

/// The error number of a call that returned this, if it failed.
fn errno_of(returned: isize) -> Option<i32> {
    (returned < 0).then(|| last_error().raw_os_error().unwrap_or(libc::EIO))
}
