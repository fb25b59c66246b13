//! What can be asked of the kernel.

use std::os::fd::RawFd;

/// One request, in the terms of the system call that it stands for.
///
/// Every operation waits as long as it takes, on a descriptor in blocking mode. On one in non-blocking mode (`O_NONBLOCK`) it may wait
/// as well or end with `-EAGAIN`, as the driver and the kernel please (io_uring waits on Linux 6.18); who wants the one or the
/// other looks at the mode first.
///
/// Receiving and sending are asked for by callers that were just told `EAGAIN`, or expect to be: a driver may wait for readiness
/// before it tries. Accepting and connecting want a descriptor in non-blocking mode where the driver says so
/// ([`Driver::needs_nonblocking`](super::Driver::needs_nonblocking)). Lengths beyond what the kernel transfers at once are cut to that.
///
/// Which of those that name paths or files there are is the driver's matter ([`Driver::supports`](super::Driver::supports)). Transfers at
/// the file's own position ([`Operation::CURRENT`]) do not exclude each other, as those of system calls do: the caller sees to it that
/// a file has one of them at a time.
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
    /// `accept4` again and again, until it fails or is cancelled: each result is a new descriptor, which the caller then owns.
    AcceptMany {
        /// The listening socket.
        fd: RawFd,
        /// `SOCK_CLOEXEC`, `SOCK_NONBLOCK`.
        flags: i32,
    },
    /// `connect`. Of a local socket whose peer has no room for another connection it may end with `-EAGAIN`.
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
    /// `send`, of memory that the kernel uses until the peer has it. If the first completion, which has the result, says that there is more,
    /// then the second says that the memory is free; it may be long in coming, and is not hastened by a cancellation.
    SendZeroCopy {
        /// The socket.
        fd: RawFd,
        /// The data.
        buf: *const u8,
        /// How much of it.
        len: usize,
        /// As for `Send`.
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
    /// `pread` into memory that is [registered](super::Driver::register).
    ReadFixed {
        /// The file.
        fd: RawFd,
        /// Where the data goes, within what is registered.
        buf: *mut u8,
        /// How much fits.
        len: usize,
        /// From where in the file.
        offset: u64,
        /// What the memory was registered as.
        index: u16,
    },
    /// `pwrite` from memory that is [registered](super::Driver::register).
    WriteFixed {
        /// The file.
        fd: RawFd,
        /// The data, within what is registered.
        buf: *const u8,
        /// How much of it.
        len: usize,
        /// To where in the file.
        offset: u64,
        /// What the memory was registered as.
        index: u16,
    },
    /// `preadv`, or `readv` with [`Operation::CURRENT`] as offset.
    ReadV {
        /// A file, a pipe, ...
        fd: RawFd,
        /// Where the data goes: the list and the buffers.
        bufs: *const libc::iovec,
        /// How many buffers.
        count: u32,
        /// From where in the file.
        offset: u64,
    },
    /// `pwritev`, or `writev` with [`Operation::CURRENT`] as offset.
    WriteV {
        /// A file, a pipe, ...
        fd: RawFd,
        /// The data: the list and the buffers.
        bufs: *const libc::iovec,
        /// How many buffers.
        count: u32,
        /// To where in the file.
        offset: u64,
    },
    /// `splice`; where it goes, at the position of that. One of them is a pipe.
    Splice {
        /// Where the data comes from.
        from: RawFd,
        /// From where in it, or [`Operation::CURRENT`].
        offset: u64,
        /// Where it goes.
        to: RawFd,
        /// How much of it, at most.
        len: u32,
    },
    /// `open`: the result is the new descriptor, which the caller then owns. Paths, here and below, end with a zero, and are
    /// relative to the working directory.
    Open {
        /// The path.
        path: *const libc::c_char,
        /// `O_RDONLY` and the like.
        flags: i32,
        /// Permissions of a new file.
        mode: libc::mode_t,
    },
    /// `statx`.
    Statx {
        /// What an empty path stands for, or `AT_FDCWD`.
        fd: RawFd,
        /// The path.
        path: *const libc::c_char,
        /// `AT_EMPTY_PATH`, `AT_SYMLINK_NOFOLLOW`.
        flags: i32,
        /// `STATX_ALL` and the like.
        mask: u32,
        /// Where the answer goes.
        to: *mut libc::statx,
    },
    /// `fsync`, or `fdatasync`.
    Sync {
        /// The file.
        fd: RawFd,
        /// Whether only the data, and what is needed to find it.
        data_only: bool,
    },
    /// `ftruncate`.
    Truncate {
        /// The file.
        fd: RawFd,
        /// Its new length.
        len: u64,
    },
    /// `unlink`, or `rmdir`.
    Unlink {
        /// The path.
        path: *const libc::c_char,
        /// `AT_REMOVEDIR`, or nothing.
        flags: i32,
    },
    /// `rename`.
    Rename {
        /// The old path.
        from: *const libc::c_char,
        /// The new one.
        to: *const libc::c_char,
    },
    /// `mkdir`.
    Mkdir {
        /// The path.
        path: *const libc::c_char,
        /// Permissions of the directory.
        mode: libc::mode_t,
    },
    /// `symlink`.
    Symlink {
        /// What it says.
        target: *const libc::c_char,
        /// The path.
        path: *const libc::c_char,
    },
    /// `link`; a symbolic link is linked itself.
    Link {
        /// The path of the file.
        from: *const libc::c_char,
        /// The new path.
        to: *const libc::c_char,
    },
}

impl Operation {
    /// The offset that means "at the file's own position", and the one for what has no position.
    pub(crate) const CURRENT: u64 = u64::MAX;
}
