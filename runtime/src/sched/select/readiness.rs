//! A descriptor that is ready, as an event.

use super::{Arm, Event, Standing, Ticket};
use crate::driver::{Operation, Token};
use crate::fiber::Reason;
use crate::sched::worker::Pending;
use crate::sched::{Current, Ended};
use crate::sys::errno::last_error;
use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a thread waits before it looks again. Nobody tells it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(32));

/// That a descriptor is ready for one of these events (`POLLIN` and the like), has failed, or is at its end.
///
/// On a fiber it is a poll of the driver's, from the moment when the arm stands in line until it is withdrawn, which waits for the poll's end.
/// So the descriptor is borrowed for longer than the kernel has it.
pub(crate) struct Readiness<'a> {
    fd: BorrowedFd<'a>,
    events: i16,
    /// Made at the first wait. Counted, because the driver writes to it while the arm is borrowed for other purposes.
    pending: Option<Rc<Pending>>,
    /// Whether the driver has it.
    submitted: bool,
    /// On a thread: when to look again, and after how long then.
    look: Option<Instant>,
    pause: Duration,
    output: Option<io::Result<()>>,
}

impl<'a> Readiness<'a> {
    pub(crate) fn new(fd: BorrowedFd<'a>, events: i16) -> Readiness<'a> {
        Readiness { fd, events, pending: None, submitted: false, look: None, pause: PAUSES.0, output: None }
    }

    /// Whether it is ready now, or why that cannot be said.
    fn look(&self) -> Option<io::Result<()>> {
        match poll(self.fd, self.events, 0) {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    }

    fn token(pending: &Rc<Pending>) -> Token {
        Token::new(Rc::as_ptr(pending).expose_provenance() as u64)
    }
}

/// Looks whether a descriptor is ready, for so many milliseconds, or for ever if that is negative. Blocks the thread.
pub(crate) fn poll(fd: BorrowedFd<'_>, events: i16, milliseconds: i32) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    loop {
        // SAFETY: the kernel reads and writes the one entry, during the call.
        let count = unsafe { libc::poll(&raw mut entry, 1, milliseconds) };
        if count >= 0 && entry.revents & libc::POLLNVAL != 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        if count >= 0 {
            return Ok(count > 0);
        }
        let error = last_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

impl Arm for Readiness<'_> {
    fn attempt(&mut self, _: &Ticket) -> bool {
        self.output = self.look();
        self.output.is_some()
    }

    fn enlist(&mut self, _: &Ticket, standing: Standing<'_>) -> bool {
        if !standing.sleeps() {
            return self.look().is_none();
        }
        let Some(current) = Current::get() else {
            self.look = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(PAUSES.1);
            return true;
        };
        let pending = match &mut self.pending {
            // Also of another fiber, if the event has been selected there before.
            Some(pending) if ptr::eq(pending.slot, current.slot) => pending,
            other => other.insert(Rc::new(Pending { result: Cell::new(None), slot: current.slot })),
        };
        pending.result.set(None);
        let operation = Operation::Poll { fd: self.fd.as_raw_fd(), events: self.events as u32 };
        current.header().own.ties.tie();
        // SAFETY: no memory is named. What the token names stays until the completion: `withdraw` follows, and waits for it.
        unsafe { current.worker().driver.borrow_mut().submit(&operation, Readiness::token(pending)) };
        self.submitted = true;
        true
    }

    fn withdraw(&mut self) {
        self.look = None;
        if !std::mem::take(&mut self.submitted) {
            return;
        }
        let (Some(current), Some(pending)) = (Current::get(), &self.pending) else {
            unreachable!("the fiber that has begun a poll ends it")
        };
        if pending.result.get().is_none() {
            current.worker().driver.borrow_mut().cancel(Readiness::token(pending));
        }
        while pending.result.get().is_none() {
            current.suspend(Reason::Ready);
        }
    }

    fn settle(&mut self, _: *const (), _: Ended) -> Option<bool> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        self.look
    }

    fn is_ready(&self) -> bool {
        self.submitted && self.pending.as_ref().is_some_and(|pending| pending.result.get().is_some())
    }
}

impl Event for Readiness<'_> {
    type Output = io::Result<()>;

    fn take(&mut self) -> Option<io::Result<()>> {
        self.output.take()
    }
}
