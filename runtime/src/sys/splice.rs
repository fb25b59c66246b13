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

/// Moves data from one pipe to another without waiting for either (splice(2)).
pub(crate) fn between_pipes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
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
