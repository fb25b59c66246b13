//! Transfers on streams that do not wait, whatever the mode of the descriptor: what async code makes of a read and a write.

use crate::sys::errno::last_error;
use std::io::{self, IoSlice};
#[cfg(any(feature = "tokio", feature = "hyper"))]
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The most buffers that one call takes (`UIO_MAXIOV`).
const MOST_BUFFERS: usize = 1024;

/// `recv`. The first so many bytes of `buf` are initialised then.
#[cfg(any(feature = "tokio", feature = "hyper"))]
pub(crate) fn receive(fd: BorrowedFd<'_>, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    if buf.is_empty() {
        // Linux would wait for data.
        return Ok(0);
    }
    // SAFETY: the buffer is borrowed, mutably, during the call, and the kernel writes only initialised bytes.
    count(unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), libc::MSG_DONTWAIT) })
}

/// As `receive`, into bytes that are initialised already.
pub(crate) fn receive_over(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    if buf.is_empty() {
        return Ok(0);
    }
    // SAFETY: as in `receive`.
    count(unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), libc::MSG_DONTWAIT) })
}

/// `send`.
pub(crate) fn send(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the buffer is borrowed during the call.
    count(unsafe { libc::send(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len(), flags) })
}

/// `sendmsg` from several buffers.
pub(crate) fn send_vectored(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: null pointers and zeroes are a message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // `IoSlice` has the layout of `iovec`, by its documentation; the kernel does not write to what is sent.
    message.msg_iov = bufs.as_ptr().cast_mut().cast();
    message.msg_iovlen = bufs.len().min(MOST_BUFFERS) as _;
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the message is ours, the buffers and their list are borrowed, during the call.
    count(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) })
}

fn count(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| last_error())
}
