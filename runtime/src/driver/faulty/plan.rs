//! What is to go wrong, and when.

use super::super::Operation;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError};

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None. To see that a program needs none to fail.
    None,
    /// The operation is not made, and ends with this error.
    Error(i32),
    /// The operation is made of as little as it can be: one byte, one buffer.
    Short,
    /// The operation ends as it would, and that is told so many turns later, whatever was asked of it meanwhile.
    Late(u32),
    /// A poll says at once that what it was asked for has come.
    Spurious,
    /// An attempt to hand operations to the kernel, or to hear of them, ends with this error: the queue is full, there is no memory, a
    /// signal came.
    Refused(i32),
    /// The pool for blocking calls cannot start a thread.
    Thread,
}

/// A fault and the one place where it strikes: the first, the second, ... of those that it can strike.
#[derive(Debug)]
pub(crate) struct Plan {
    fault: Fault,
    at: usize,
    met: AtomicUsize,
    struck: Mutex<Option<String>>,
    left: AtomicUsize,
}

impl Plan {
    /// This fault at the place of this number, counted from zero.
    pub(crate) fn new(fault: Fault, at: usize) -> Arc<Plan> {
        Arc::new(Plan { fault, at, met: AtomicUsize::new(0), struck: Mutex::new(None), left: AtomicUsize::new(0) })
    }

    /// How many places there have been where the fault could strike.
    pub(crate) fn met(&self) -> usize {
        self.met.load(SeqCst)
    }

    /// What was struck, if that has happened.
    pub(crate) fn struck(&self) -> Option<String> {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Operations that were still in flight when their driver was dropped.
    pub(crate) fn left_in_flight(&self) -> usize {
        self.left.load(SeqCst)
    }

    pub(super) fn leave(&self, in_flight: usize) {
        self.left.fetch_add(in_flight, SeqCst);
    }

    /// Counts an operation that is about to be made; the fault, if it strikes that one.
    pub(super) fn strikes(&self, operation: &Operation) -> Option<Fault> {
        let can = match self.fault {
            Fault::None | Fault::Refused(_) | Fault::Thread => false,
            Fault::Error(errno) => is_plausible(errno, operation),
            Fault::Short => can_be_short(operation),
            Fault::Late(_) => true,
            Fault::Spurious => matches!(operation, Operation::Poll { .. }),
        };
        (can && self.count(|| format!("{operation:?}"))).then_some(self.fault)
    }

    /// The error with which an operation fails that a thread of the pool is to make as a call.
    pub(crate) fn strikes_call(&self, operation: &Operation) -> Option<io::Error> {
        match self.fault {
            // The calls of std's that open and the like go on after a signal by themselves.
            Fault::Error(errno) if errno != libc::EINTR && errno != libc::ECANCELED => {
                self.strikes(operation).map(|_| io::Error::from_raw_os_error(errno))
            }
            _ => None,
        }
    }

    /// Counts an attempt to reach the kernel; the error with which it fails, if it does.
    pub(in crate::driver) fn refuses(&self, what: &str, errors: &[i32]) -> Option<io::Error> {
        match self.fault {
            Fault::Refused(errno) if errors.contains(&errno) && self.count(|| what.to_owned()) => {
                Some(io::Error::from_raw_os_error(errno))
            }
            _ => None,
        }
    }

    /// Counts a call for the pool; the error with which it is refused a thread.
    pub(crate) fn refuses_thread(&self) -> Option<io::Error> {
        let refused = self.fault == Fault::Thread && self.count(|| "a call for the pool".to_owned());
        refused.then(|| io::Error::from_raw_os_error(libc::EAGAIN))
    }

    fn count(&self, what: impl FnOnce() -> String) -> bool {
        let strikes = self.met.fetch_add(1, SeqCst) == self.at;
        if strikes {
            *self.struck.lock().unwrap_or_else(PoisonError::into_inner) = Some(what());
        }
        strikes
    }
}

/// Whether the kernel can have this error for the operation, by the manual pages of the calls.
fn is_plausible(errno: i32, operation: &Operation) -> bool {
    use Operation::*;
    match errno {
        libc::EMFILE | libc::ENFILE => matches!(operation, Accept { .. } | Open { .. }),
        libc::ECONNABORTED => matches!(operation, Accept { .. }),
        libc::ENOSPC => {
            let writes =
                matches!(operation, Write { .. } | WriteFixed { .. } | WriteV { .. } | Splice { .. } | Sync { .. });
            writes || matches!(operation, Open { .. } | Rename { .. } | Mkdir { .. } | Symlink { .. } | Link { .. })
        }
        libc::EIO => !matches!(operation, Poll { .. } | Accept { .. } | Connect { .. }),
        libc::EAGAIN => !matches!(
            operation,
            Poll { .. }
                | Open { .. }
                | Statx { .. }
                | Sync { .. }
                | Truncate { .. }
                | Unlink { .. }
                | Rename { .. }
                | Mkdir { .. }
                | Symlink { .. }
                | Link { .. }
        ),
        _ => true,
    }
}

/// Whether the operation may do less than it was asked for. A datagram is taken as a whole, and what was cut off is lost: that is no fault
/// of a driver's.
fn can_be_short(operation: &Operation) -> bool {
    match *operation {
        Operation::Recv { fd, len, .. } | Operation::Send { fd, len, .. } => len > 1 && is_stream(fd),
        Operation::SendMsg { fd, .. } => is_stream(fd),
        Operation::Read { len, .. }
        | Operation::Write { len, .. }
        | Operation::ReadFixed { len, .. }
        | Operation::WriteFixed { len, .. } => len > 1,
        Operation::ReadV { count, .. } | Operation::WriteV { count, .. } => count > 1,
        Operation::Splice { len, .. } => len > 1,
        _ => false,
    }
}

fn is_stream(fd: RawFd) -> bool {
    let (mut kind, mut len) = (0, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the kernel writes at most `len` bytes to the number, during the call.
    let done = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut len) };
    done == 0 && kind == libc::SOCK_STREAM
}
