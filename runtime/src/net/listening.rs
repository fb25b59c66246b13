//! The mode of a listening socket.
#![deny(unsafe_code)]

use super::socket;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether accepting waits, for all handles of one listening socket: as its owner has set it, whatever the kernel has been told.
///
/// `accept` has no flag that says "do not wait", and epoll only says that a connection was there a moment ago: somebody else may
/// have taken it since, and a plain call would then hold the worker. So where the driver asks for it, the socket is put into
/// non-blocking mode for good when a fiber first accepts; and plain calls, on threads, wait with a poll.
///
/// That is done to sockets that were made here. One that came as a descriptor may be shared with another process, for which the
/// mode would change too: there, a thread makes the call.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// The owner's wish.
    nonblocking: AtomicBool,
    /// Whether the socket is in non-blocking mode for the driver's sake.
    held: AtomicBool,
    /// Whether it is a socket of unknown past.
    pub(super) adopted: bool,
    /// Held while the kernel's mode changes.
    changing: Mutex<()>,
}

impl Listening {
    /// The mode of a socket of unknown past.
    pub(super) fn of(listener: BorrowedFd<'_>) -> Listening {
        let nonblocking = AtomicBool::new(socket::is_nonblocking(listener));
        Listening { nonblocking, adopted: true, ..Listening::default() }
    }

    /// Whether accepting waits.
    pub(super) fn waits(&self) -> bool {
        !self.nonblocking.load(Relaxed)
    }

    /// Sets whether accepting waits.
    pub(super) fn set_nonblocking(&self, listener: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if nonblocking || !self.held.load(Relaxed) {
            socket::set_nonblocking(listener, nonblocking)?;
        }
        self.nonblocking.store(nonblocking, Relaxed);
        Ok(())
    }

    /// Puts the socket into non-blocking mode, if it has not been. `false` if that is not ours to do.
    pub(super) fn hold(&self, listener: BorrowedFd<'_>) -> io::Result<bool> {
        if self.adopted || self.held.load(Acquire) {
            return Ok(!self.adopted);
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        socket::set_nonblocking(listener, true)?;
        self.held.store(true, Release);
        Ok(true)
    }

    /// Gives a socket that leaves our types the mode that its owner has set, if this is the last handle of it.
    pub(super) fn release(this: &mut Arc<Listening>, listener: BorrowedFd<'_>) {
        if let Some(last) = Arc::get_mut(this)
            && *last.held.get_mut()
        {
            // It is open, and so this succeeds.
            let _ = socket::set_nonblocking(listener, *last.nonblocking.get_mut());
        }
    }

    /// Accepts by a plain call, on a thread or in non-blocking mode.
    pub(super) fn accept_plainly<T>(
        &self,
        listener: BorrowedFd<'_>,
        mut accept: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.waits() && self.held.load(Acquire) => {
                    socket::await_connection(listener)?;
                }
                result => return result,
            }
        }
    }
}
