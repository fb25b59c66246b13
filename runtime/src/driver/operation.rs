//! What can be asked of the kernel.

use std::os::fd::RawFd;

/// One request, in the terms of the system call that it stands for.
///
/// Every operation waits as long as it takes, on a descriptor in blocking mode. On one in non-blocking mode (`O_NONBLOCK`) it may wait
/// as well or end with `-EAGAIN`, as the driver and the kernel please (io_uring waits on Linux 6.18); who wants the one or the
/// other looks at the mode first.
///
/// Receiving and sending are asked for by callers that were just told `EAGAIN`, or expect to be: a driver may wait for readiness
/// before it tries. Lengths beyond what the kernel transfers at once are cut to that.
///
/// The descriptor must stay open until the completion, or the operation may meet another file under its number; that is a
/// wrong result, not undefined behaviour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// `accept4`: the result is the new descriptor, which the caller then owns.
    Accept {
        /// The listening socket.
        fd: RawFd,
        /// Where to write the peer's address; may be null.
        addr: *mut libc::sockaddr_storage,
        /// In: the size of `addr`. Out: the size of the address. Null if `addr` is.
        len: *mut libc::socklen_t,
        /// `SOCK_CLOEXEC`, `SOCK_NONBLOCK`.
        flags: i32,
    },
    /// `connect`.
    Connect {
        /// The socket.
        fd: RawFd,
        /// The peer's address.
        addr: *const libc::sockaddr_storage,
        /// Its size.
        len: libc::socklen_t,
    },
    /// `recv`.
    Recv {
        /// The socket.
        fd: RawFd,
        /// Where the data goes.
        buf: *mut u8,
        /// How much fits.
        len: usize,
        /// `MSG_PEEK` and the like.
        flags: i32,
    },
    /// `send`. With `MSG_WAITALL` it ends when all is sent, as a blocking socket does, where the driver can; without, it may end short.
    Send {
        /// The socket.
        fd: RawFd,
        /// The data.
        buf: *const u8,
        /// How much of it.
        len: usize,
        /// `MSG_NOSIGNAL` and the like.
        flags: i32,
    },
    /// `recvmsg`.
    RecvMsg {
        /// The socket.
        fd: RawFd,
        /// The message, and with it everything it points to.
        msg: *mut libc::msghdr,
        /// As for `Recv`.
        flags: i32,
    },
    /// `sendmsg`.
    SendMsg {
        /// The socket.
        fd: RawFd,
        /// The message, and with it everything it points to.
        msg: *const libc::msghdr,
        /// As for `Send`.
        flags: i32,
    },
    /// `poll` on one descriptor: the result is the set of events that came.
    Poll {
        /// Any descriptor that can be polled.
        fd: RawFd,
        /// `POLLIN` and the like.
        events: u32,
    },
    #[cfg_attr(not(test), expect(dead_code, reason = "for files, which come next"))]
    /// `pread`, or `read` with [`Operation::CURRENT`] as offset.
    Read {
        /// A file, a pipe, ...
        fd: RawFd,
        /// Where the data goes.
        buf: *mut u8,
        /// How much fits.
        len: usize,
        /// From where in the file.
        offset: u64,
    },
    #[cfg_attr(not(test), expect(dead_code, reason = "for files, which come next"))]
    /// `pwrite`, or `write` with [`Operation::CURRENT`] as offset.
    Write {
        /// A file, a pipe, ...
        fd: RawFd,
        /// The data.
        buf: *const u8,
        /// How much of it.
        len: usize,
        /// To where in the file.
        offset: u64,
    },
}

impl Operation {
    #[cfg_attr(not(test), expect(dead_code, reason = "for files, which come next"))]
    /// The offset that means "at the file's own position", and the one for what has no position.
    pub(crate) const CURRENT: u64 = u64::MAX;
}
