//! Connections that the kernel accepts ahead of time.
#![allow(unsafe_code, reason = "takes over descriptors, and begins an operation")]

use super::listening::Listening;
use crate::driver::Operation;
use crate::fiber::Reason;
use crate::sched::io::{on_fiber, supports};
use crate::sched::lasting::{Lasting, Recipient};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// When so many wait to be taken, the kernel is to accept no more until they are. What it accepts before it hears of that comes on top.
const ROOM: usize = 64;

/// The connections of one listener that were accepted and not taken, and the operation that accepts them.
pub(super) struct Arrivals {
    operation: Option<Lasting<Landing>>,
    stopped: bool,
}

/// Where they arrive.
#[derive(Default)]
struct Landing {
    sockets: RefCell<VecDeque<OwnedFd>>,
    /// The error that ended the operation; zero if none did.
    failure: Cell<i32>,
    /// Whether nobody will take them.
    abandoned: Cell<bool>,
}

impl Recipient for Landing {
    fn note(&self, result: i32, _: bool) -> bool {
        if result < 0 {
            self.failure.set(-result);
            return false;
        }
        // SAFETY: the kernel just gave it to us; the last completion can bring one, too.
        let socket = unsafe { OwnedFd::from_raw_fd(result) };
        if self.abandoned.get() {
            drop(socket);
            return false;
        }
        let mut sockets = self.sockets.borrow_mut();
        sockets.push_back(socket);
        sockets.len() >= ROOM
    }
}

impl Arrivals {
    pub(super) fn new() -> Arrivals {
        Arrivals { operation: None, stopped: false }
    }

    /// The next connection; none if it was stopped and there is none left. Where the kernel does not accept ahead, `one` does it.
    pub(super) fn next<T>(
        &mut self,
        listener: BorrowedFd<'_>,
        mode: &Listening,
        one: impl FnOnce() -> io::Result<T>,
        make: impl FnOnce(OwnedFd) -> T,
    ) -> Option<io::Result<T>> {
        if let Some(socket) = self.operation.as_ref().and_then(|operation| Landing::take(operation.recipient())) {
            crate::sched::io::charge();
            return Some(Ok(make(socket)));
        }
        if self.stopped {
            return None;
        }
        if !on_fiber() || !mode.waits() || !supports(&accept_many(listener)) {
            return Some(one());
        }
        Some(self.wait(listener).map(make))
    }

    fn wait(&mut self, listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        loop {
            let operation = self.operation.get_or_insert_with(|| {
                let operation = accept_many(listener);
                // SAFETY: no memory is named.
                unsafe { Lasting::begin(|_| operation, Landing::default(), false) }
            });
            let news = |landing: &Landing| match landing.take() {
                Some(socket) => Some(Ok(socket)),
                None => Some(Err(())).filter(|_| operation.has_ended()),
            };
            if let Ok(socket) = operation.wait(Reason::Accept, None, news)? {
                return Ok(socket);
            }
            // It has ended, and nothing that it accepted is left.
            let failure = operation.recipient().failure.get();
            self.operation = None;
            match failure {
                // By a connection with which the queue was full, or the room.
                0 | libc::ECANCELED | libc::EINTR => (),
                // The socket is held in non-blocking mode for fibers of another runtime, and this kernel minds.
                libc::EAGAIN => crate::sched::io::poll(listener, libc::POLLIN, Reason::Accept, None)?,
                errno => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }

    /// Accepts no more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        if let Some(operation) = &self.operation {
            operation.end(Reason::Accept);
        }
    }
}

impl Landing {
    fn take(&self) -> Option<OwnedFd> {
        self.sockets.borrow_mut().pop_front()
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        if let Some(operation) = &self.operation {
            operation.recipient().abandoned.set(true);
            operation.end(Reason::Accept);
        }
    }
}

fn accept_many(listener: BorrowedFd<'_>) -> Operation {
    let fd: RawFd = listener.as_raw_fd();
    Operation::AcceptMany { fd, flags: libc::SOCK_CLOEXEC }
}
