//! Copying within the kernel.

use crate::sys::errno::last_error;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// What is behind a descriptor, as far as copying asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A pipe or FIFO.
    Pipe,
    /// A regular file.
    File,
    /// A socket.
    Socket,
    /// Anything else.
    Other,
}

/// What is behind this descriptor.
pub(crate) fn kind(fd: BorrowedFd<'_>) -> Kind {
    match stat(fd).map(|stat| stat.st_mode & libc::S_IFMT) {
        Some(libc::S_IFIFO) => Kind::Pipe,
        Some(libc::S_IFSOCK) => Kind::Socket,
        Some(libc::S_IFREG) => Kind::File,
        _ => Kind::Other,
    }
}

/// The size that the file says it has; zero if it does not say.
pub(crate) fn size(fd: BorrowedFd<'_>) -> u64 {
    stat(fd).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0))
}

/// The file's position; `None` if it has none.
pub(crate) fn position(fd: BorrowedFd<'_>) -> Option<u64> {
    // SAFETY: no memory is passed.
    u64::try_from(unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_CUR) }).ok()
}

/// Moves the file's position on.
pub(crate) fn advance(fd: BorrowedFd<'_>, by: u64) -> io::Result<()> {
    // SAFETY: no memory is passed.
    count(unsafe { libc::lseek(fd.as_raw_fd(), by.cast_signed(), libc::SEEK_CUR) } as isize).map(drop)
}

fn stat(fd: BorrowedFd<'_>) -> Option<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel writes to `stat`, during the call.
    let known = unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) } == 0;
    // SAFETY: the kernel has filled it.
    known.then(|| unsafe { stat.assume_init() })
}

/// Whether the descriptor is in non-blocking mode.
pub(crate) fn is_nonblocking(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: no memory is passed.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// Whether there is something to take from the one, an end or an error included, and room in the other.
pub(crate) fn ready(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> (bool, bool) {
    let entry = |fd: BorrowedFd<'_>, events| libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    let mut entries = [entry(from, libc::POLLIN), entry(to, libc::POLLOUT)];
    // SAFETY: the kernel reads and writes the two entries, during the call. If it fails, neither is said to be ready.
    unsafe { libc::poll(entries.as_mut_ptr(), 2, 0) };
    (entries[0].revents != 0, entries[1].revents != 0)
}

/// Whether it is a local socket for streams: one of those from which a splice can be asked not to wait.
pub(crate) fn is_local_stream(fd: BorrowedFd<'_>) -> bool {
    let option = |name| {
        let (mut value, mut len): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
        let to = (&raw mut value).cast();
        // SAFETY: the kernel writes at most `len` bytes to the number, during the call.
        let done = unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, to, &raw mut len) };
        (done == 0).then_some(value)
    };
    option(libc::SO_DOMAIN) == Some(libc::AF_UNIX) && option(libc::SO_TYPE) == Some(libc::SOCK_STREAM)
}

/// Moves data into a pipe from another, or from a local connection, without waiting for either (splice(2)).
///
/// From a connection over TCP the call waits although it is told not to, unless the socket is in non-blocking mode; so does a call that
/// moves to a connection of either kind (Linux 6.18).
pub(crate) fn into_pipe(from: BorrowedFd<'_>, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_NONBLOCK;
    let (from, to, none) = (from.as_raw_fd(), to.as_raw_fd(), ptr::null_mut());
    // SAFETY: without offsets no memory is passed.
    count(unsafe { libc::splice(from, none, to, none, len, flags) })
}

/// Copies from one file to another, each at its position (copy_file_range(2)). Waits for disks.
pub(crate) fn between_files(from: BorrowedFd<'_>, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    let (from, to, none) = (from.as_raw_fd(), to.as_raw_fd(), ptr::null_mut());
    // SAFETY: without offsets no memory is passed.
    count(unsafe { libc::copy_file_range(from, none, to, none, len, 0) })
}

fn count(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| last_error())
}
