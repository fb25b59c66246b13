//! From an operation to the kernel's submission entry.

use super::super::Operation;
use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};

/// `IORING_RECVSEND_POLL_FIRST`: start by waiting for readiness instead of with an attempt that is expected to fail.
const POLL_FIRST: u16 = 1;

/// The most that Linux transfers in one call: `MAX_RW_COUNT`, the largest `i32` cut to a multiple of the page size.
const LONGEST: usize = 0x7fff_f000;

/// The entry for `operation`, without its user data.
///
/// `poll_first` says that the kernel knows that flag (5.19).
#[inline]
pub(super) fn build(operation: &Operation, poll_first: bool) -> squeue::Entry {
    let ioprio = if poll_first { POLL_FIRST } else { 0 };
    match *operation {
        Operation::Accept { fd, addr, len, flags } => {
            opcode::Accept::new(Fd(fd), addr.cast(), len).flags(flags).build()
        }
        Operation::AcceptMany { fd, flags } => opcode::AcceptMulti::new(Fd(fd)).flags(flags).build(),
        Operation::Connect { fd, addr, len } => opcode::Connect::new(Fd(fd), addr.cast(), len).build(),
        Operation::Recv { fd, buf, len, flags } => {
            opcode::Recv::new(Fd(fd), buf, clamp(len)).flags(flags).ioprio(ioprio).build()
        }
        Operation::Send { fd, buf, len, flags } => {
            opcode::Send::new(Fd(fd), buf, clamp(len)).flags(flags).ioprio(ioprio).build()
        }
        Operation::SendZeroCopy { fd, buf, len, flags } => {
            opcode::SendZc::new(Fd(fd), buf, clamp(len)).flags(flags).build()
        }
        Operation::RecvMsg { fd, msg, flags } => {
            opcode::RecvMsg::new(Fd(fd), msg).flags(flags.cast_unsigned()).ioprio(ioprio).build()
        }
        Operation::SendMsg { fd, msg, flags } => {
            opcode::SendMsg::new(Fd(fd), msg).flags(flags.cast_unsigned()).ioprio(ioprio).build()
        }
        Operation::Poll { fd, events } => opcode::PollAdd::new(Fd(fd), events).build(),
        Operation::Read { fd, buf, len, offset } => opcode::Read::new(Fd(fd), buf, clamp(len)).offset(offset).build(),
        Operation::Write { fd, buf, len, offset } => opcode::Write::new(Fd(fd), buf, clamp(len)).offset(offset).build(),
        Operation::ReadFixed { fd, buf, len, offset, index } => {
            opcode::ReadFixed::new(Fd(fd), buf, clamp(len), index).offset(offset).build()
        }
        Operation::WriteFixed { fd, buf, len, offset, index } => {
            opcode::WriteFixed::new(Fd(fd), buf, clamp(len), index).offset(offset).build()
        }
        Operation::ReadV { fd, bufs, count, offset } => opcode::Readv::new(Fd(fd), bufs, count).offset(offset).build(),
        Operation::WriteV { fd, bufs, count, offset } => {
            opcode::Writev::new(Fd(fd), bufs, count).offset(offset).build()
        }
        Operation::Splice { from, offset, to, len } => {
            opcode::Splice::new(Fd(from), offset.cast_signed(), Fd(to), -1, len).build()
        }
        // The kernel's first attempt, in place, adds `O_NONBLOCK`: a FIFO would then open without its other end, or fail. So straight to
        // one of its threads.
        Operation::Open { path, flags, mode } => {
            opcode::OpenAt::new(HERE, path).flags(flags).mode(mode).build().flags(squeue::Flags::ASYNC)
        }
        Operation::Statx { fd, path, flags, mask, to } => {
            opcode::Statx::new(Fd(fd), path, to.cast()).flags(flags).mask(mask).build()
        }
        Operation::Sync { fd, data_only } => {
            let flags = if data_only { FsyncFlags::DATASYNC } else { FsyncFlags::empty() };
            opcode::Fsync::new(Fd(fd)).flags(flags).build()
        }
        Operation::Truncate { fd, len } => opcode::Ftruncate::new(Fd(fd), len).build(),
        Operation::Unlink { path, flags } => opcode::UnlinkAt::new(HERE, path).flags(flags).build(),
        Operation::Rename { from, to } => opcode::RenameAt::new(HERE, from, HERE, to).build(),
        Operation::Mkdir { path, mode } => opcode::MkDirAt::new(HERE, path).mode(mode).build(),
        Operation::Symlink { target, path } => opcode::SymlinkAt::new(HERE, target, path).build(),
        Operation::Link { from, to } => opcode::LinkAt::new(HERE, from, HERE, to).build(),
    }
}

/// The working directory.
const HERE: Fd = Fd(libc::AT_FDCWD);

/// The opcode of an operation that is younger than the driver's other requirements.
pub(super) fn optional(operation: &Operation) -> Option<u8> {
    match operation {
        // Since 5.19, as a flag of an older opcode. Before 6.8, whose first new opcode this is, the descriptor is lost, and another number
        // given instead of it, when the completion queue overflows (fixed by "io_uring/net: fix multishot accept overflow handling").
        Operation::AcceptMany { .. } => Some(opcode::FixedFdInstall::CODE),
        Operation::SendZeroCopy { .. } => Some(opcode::SendZc::CODE),
        Operation::Mkdir { .. } => Some(opcode::MkDirAt::CODE),
        Operation::Symlink { .. } => Some(opcode::SymlinkAt::CODE),
        Operation::Link { .. } => Some(opcode::LinkAt::CODE),
        Operation::Truncate { .. } => Some(opcode::Ftruncate::CODE),
        _ => None,
    }
}

/// The opcodes that [`build`] and the driver itself use, but those that are [`optional`].
pub(super) const OPCODES: [(u8, &str); 20] = [
    (opcode::Nop::CODE, "NOP"),
    (opcode::PollAdd::CODE, "POLL_ADD"),
    (opcode::AsyncCancel::CODE, "ASYNC_CANCEL"),
    (opcode::Timeout::CODE, "TIMEOUT"),
    (opcode::Accept::CODE, "ACCEPT"),
    (opcode::Connect::CODE, "CONNECT"),
    (opcode::Recv::CODE, "RECV"),
    (opcode::Send::CODE, "SEND"),
    (opcode::RecvMsg::CODE, "RECVMSG"),
    (opcode::SendMsg::CODE, "SENDMSG"),
    (opcode::Read::CODE, "READ"),
    (opcode::Write::CODE, "WRITE"),
    (opcode::Readv::CODE, "READV"),
    (opcode::Writev::CODE, "WRITEV"),
    (opcode::Splice::CODE, "SPLICE"),
    (opcode::OpenAt::CODE, "OPENAT"),
    (opcode::Statx::CODE, "STATX"),
    (opcode::Fsync::CODE, "FSYNC"),
    (opcode::UnlinkAt::CODE, "UNLINKAT"),
    (opcode::RenameAt::CODE, "RENAMEAT"),
];

#[inline]
fn clamp(len: usize) -> u32 {
    len.min(LONGEST) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_kernels_is_cut() {
        assert_eq!(clamp(17), 17);
        assert_eq!(clamp(LONGEST), 0x7fff_f000);
        assert_eq!(clamp(LONGEST + 1), 0x7fff_f000);
        // A plain cast to 32 bits would make this an empty transfer, which reads as the end of the file.
        assert_eq!(clamp(1 << 32), 0x7fff_f000);
    }
}
