//! The driver over epoll: where io_uring is missing or forbidden.
//!
//! epoll says when a descriptor is ready, and does nothing. So an operation waits here, in a queue of its descriptor, and is made by
//! a call that does not wait ([`attempt()`]) when an event says that it can be:
//!
//! ```text
//!   submit ──► attempt ─────────────────────────────────► result ──► done ──► sink
//!                 └─ would wait ──► queue ──► event ──► attempt ─┐     ▲        ▲
//!                                     ▲  └── cancel ──► attempt ─┼─────┘        │
//!                                     └────── would still wait ──┴──────────────┘
//! ```
//!
//! The kernel holds no memory of the caller's between calls; only [`turn`](Epoll::turn), [`park`](Epoll::park), [`submit`](Epoll::submit)
//! and [`cancel`](Epoll::cancel) touch it. A driver that is dropped just forgets.
//!
//! # One request per wait
//!
//! A descriptor is asked for with `EPOLLONESHOT`: one event answers one request, and then the descriptor is silent until somebody waits
//! for it again. It costs one `epoll_ctl` per wait, about a tenth of what a small request on a socket costs in all, and it holds however
//! descriptors are used:
//!
//! - The kernel looks at the descriptor when it is asked. What came before is not missed, so nothing need be remembered of a
//!   descriptor that nobody waits for, nor agreed with those who read and write it elsewhere.
//! - The driver knows numbers, and a number may mean another file at each wait. The request for one that was closed fails (`ENOENT`) and is
//!   made anew. Each request has a number of its own, which comes back with the event: one that belongs to a file of earlier times,
//!   kept open by a duplicate, is told by it.
//!
//! Rejected: *edge-triggered registrations that stay* (`EPOLLET`). They save the `epoll_ctl`, and need every descriptor to be owned by
//! types that tell all drivers of its end: a number that was closed and is in use again has no registration, which nobody would
//! see until a fiber waits for ever. Every transfer past the driver would have to be known to it as well. *Level-triggered ones that
//! stay*: a connection that its fiber does not read, because it is busy, would wake the worker without end.
//!
//! One event wakes every driver that has asked for it, and `EPOLLEXCLUSIVE` is not to be had together with `EPOLLONESHOT`: of several workers
//! whose fibers accept from one listener, all try and one gets the connection. Within a driver only the first in the queue tries.
//!
//! # What needs the caller's help
//!
//! - Accepting and connecting have no flag that says "do not wait". Their descriptors must be in non-blocking mode
//!   ([`Driver::needs_nonblocking`](super::Driver::needs_nonblocking)).
//! - What cannot be waited for, such as a file on a disk, is not [supported](Epoll::supports): the caller has it done by a thread.
//!
//! Reads and writes of pipes are made with `RWF_NOWAIT` (pipes have it since Linux 6.5). Where the kernel does not have that, a plain call
//! is made when the descriptor is ready, of no more than there is room for; it waits only if somebody else is quicker at the same
//! descriptor.
//!
//! # The doorbell
//!
//! Registered once, edge-triggered, and never read: each ring is an event.

mod attempt;
mod poller;
mod waits;
mod watches;

use super::error::Step;
use super::{Completion, Doorbell, DriverConfig, DriverError, Operation, Token};
use attempt::{ENDED, Moment, Side, at_end, attempt, place};
use poller::{NO_EVENT, Poller};
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::os::fd::RawFd;
use std::time::Duration;
use waits::Waits;
use watches::Watches;

/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// The key of the doorbell's events. No descriptor has the number that its lower half would be.
const DOORBELL: u64 = u64::MAX;
/// Events that the kernel reports unasked, and that concern everybody.
const FAILED: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

/// An epoll instance and what waits for it. See the module's documentation.
pub(crate) struct Epoll {
    poller: Poller,
    doorbell: Doorbell,
    waits: Waits,
    watches: Watches,
    requests: u32,
    /// Completions of operations that did not wait, or wait no more.
    done: VecDeque<Completion>,
    events: Box<[libc::epoll_event; EVENTS]>,
    kind: &'static str,
    /// As any driver, it belongs to the thread that made it.
    _one_thread: PhantomData<*mut ()>,
}

impl Epoll {
    /// `kind` is what it calls itself: why there is no io_uring.
    #[cfg_attr(not(test), expect(unused_variables, reason = "what it says of queues is for io_uring"))]
    pub(super) fn new(config: &DriverConfig, kind: &'static str) -> Result<Epoll, DriverError> {
        let doorbell = Doorbell::new().map_err(|error| DriverError::new(Step::Doorbell, error))?;
        let mut poller = Poller::new()?;
        poller
            .ask(doorbell.fd(), (libc::EPOLLIN | libc::EPOLLET) as u32, DOORBELL)
            .map_err(|error| DriverError::new(Step::Epoll, error))?;
        #[cfg(test)]
        poller.plan.clone_from(&config.plan);
        Ok(Epoll {
            poller,
            doorbell,
            waits: Waits::default(),
            watches: Watches::default(),
            requests: 0,
            done: VecDeque::new(),
            events: Box::new([NO_EVENT; EVENTS]),
            kind,
            _one_thread: PhantomData,
        })
    }

    /// As where waits can be timed in milliseconds only.
    #[cfg(test)]
    pub(super) fn coarse(config: &DriverConfig) -> Result<Epoll, DriverError> {
        let mut driver = Epoll::new(config, "epoll")?;
        driver.poller.coarsen();
        Ok(driver)
    }

    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    pub(super) fn doorbell(&self) -> Doorbell {
        self.doorbell.clone()
    }

    /// # Safety
    ///
    /// As [`Driver::submit`](super::Driver::submit).
    pub(super) unsafe fn submit(&mut self, operation: &Operation, token: Token) {
        let Some((fd, side)) = place(operation) else {
            return self.note(token, -libc::EOPNOTSUPP);
        };
        if fd < 0 {
            return self.note(token, -libc::EBADF);
        }
        // SAFETY: the caller vouches for the memory until the completion was handed out.
        if let Some(result) = unsafe { attempt(operation, Moment::Submitted) } {
            return self.note(token, result);
        }
        let watch = self.watches.of(fd);
        self.waits.push(&mut watch.queues[side as usize], *operation, token, fd, side);
        if let Operation::Poll { events, .. } = *operation {
            watch.asked |= events;
        }
        if let Err(error) = self.ask(fd) {
            self.give_up(fd, &error);
        }
    }

    /// Everything on sockets, and transfers of what can be waited for.
    pub(super) fn supports(&self, operation: &Operation) -> bool {
        match *operation {
            Operation::Read { fd, .. }
            | Operation::ReadV { fd, .. }
            | Operation::Write { fd, .. }
            | Operation::WriteV { fd, .. } => !is_on_disk(fd),
            _ => place(operation).is_some(),
        }
    }

    pub(super) fn cancel(&mut self, token: Token) {
        let Some(index) = self.waits.find(token) else {
            return;
        };
        let wait = *self.waits.get(index);
        self.waits.remove(&mut self.watches.of(wait.fd).queues[wait.side as usize], index);
        // It may have become possible meanwhile, as the kernel's own operation would have noticed.
        // SAFETY: the completion of the operation has not been handed out, so its memory is valid.
        let result = unsafe { attempt(&wait.operation, Moment::Cancelled) };
        self.note(token, result.unwrap_or(-libc::ECANCELED));
    }

    #[inline]
    pub(super) fn turn(&mut self, sink: &mut impl FnMut(Completion)) {
        self.hand_out(sink);
        // Nobody who rings the doorbell of a worker that is awake waits for that.
        if self.waits.len() > 0 {
            self.gather(Some(Duration::ZERO), sink);
        }
    }

    pub(super) fn park(&mut self, timeout: Option<Duration>, sink: &mut impl FnMut(Completion)) {
        let handed_out = self.hand_out(sink);
        self.gather(if handed_out > 0 { Some(Duration::ZERO) } else { timeout }, sink);
    }

    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.waits.len() + self.done.len()
    }

    /// Those that are known. What the kernel has is not seen without asking it.
    #[inline]
    pub(super) fn has_completions(&self) -> bool {
        !self.done.is_empty()
    }

    #[cfg(test)]
    pub(super) fn system_calls(&self) -> u64 {
        self.poller.calls
    }

    fn note(&mut self, token: Token, result: i32) {
        self.done.push_back(Completion { token, result, more: false });
    }

    fn hand_out(&mut self, sink: &mut impl FnMut(Completion)) -> usize {
        let count = self.done.len();
        self.done.drain(..).for_each(sink);
        count
    }

    /// Takes what the kernel has to say, and does what can be done now.
    fn gather(&mut self, timeout: Option<Duration>, sink: &mut impl FnMut(Completion)) {
        let count = match self.poller.wait(timeout, &mut *self.events) {
            Ok(count) => count,
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => return,
            Err(error) => defect(&error),
        };
        for index in 0..count {
            let libc::epoll_event { events, u64: key } = self.events[index];
            if key != DOORBELL {
                self.serve(key as u32 as RawFd, (key >> 32) as u32, events, sink);
            }
        }
        // Of descriptors that were closed while somebody waited.
        self.hand_out(sink);
    }

    /// Does what the events of a descriptor make possible.
    fn serve(&mut self, fd: RawFd, request: u32, events: u32, sink: &mut impl FnMut(Completion)) {
        if self.watches.of(fd).request != request {
            return;
        }
        for side in [Side::In, Side::Out] {
            if events & (side.events() | FAILED) != 0 {
                self.try_in_order(fd, side, events & ENDED != 0, sink);
            }
        }
        self.tell_all(fd, events, sink);
        if !self.watches.of(fd).is_empty()
            && let Err(error) = self.ask(fd)
        {
            self.give_up(fd, &error);
        }
    }

    /// Makes the operations on one side, until one would have to wait.
    fn try_in_order(&mut self, fd: RawFd, side: Side, ended: bool, sink: &mut impl FnMut(Completion)) {
        let queue = &mut self.watches.of(fd).queues[side as usize];
        while let Some(index) = self.waits.first(queue) {
            let operation = &self.waits.get(index).operation;
            // SAFETY: the completion of the operation has not been handed out, so its memory is valid.
            let result = match unsafe { attempt(operation, Moment::Ready) } {
                // SAFETY: as above.
                None if ended => unsafe { at_end(operation) },
                result => result,
            };
            let Some(result) = result else {
                return;
            };
            let wait = self.waits.remove(queue, index);
            sink(Completion { token: wait.token, result, more: false });
        }
    }

    /// Ends the polls that these events concern.
    fn tell_all(&mut self, fd: RawFd, events: u32, sink: &mut impl FnMut(Completion)) {
        let watch = self.watches.of(fd);
        let queue = &mut watch.queues[Side::Both as usize];
        watch.asked = 0;
        let mut next = self.waits.first(queue);
        while let Some(index) = next {
            next = self.waits.after(index);
            let Operation::Poll { events: asked, .. } = self.waits.get(index).operation else {
                unreachable!("only polls wait on both sides");
            };
            match events & (asked | FAILED) {
                0 => watch.asked |= asked,
                came => {
                    let wait = self.waits.remove(queue, index);
                    sink(Completion { token: wait.token, result: came.cast_signed(), more: false });
                }
            }
        }
    }

    /// Asks the kernel for the next event of a descriptor.
    fn ask(&mut self, fd: RawFd) -> io::Result<()> {
        self.requests = self.requests.wrapping_add(1);
        let watch = self.watches.of(fd);
        watch.request = self.requests;
        let key = u64::from(watch.request) << 32 | u64::from(fd.cast_unsigned());
        self.poller.ask(fd, watch.interest() | libc::EPOLLONESHOT as u32, key)
    }

    /// Ends all that waits for a descriptor which the kernel does not watch.
    #[cold]
    fn give_up(&mut self, fd: RawFd, error: &io::Error) {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let mut queues = mem::replace(&mut self.watches.of(fd).queues, watches::NO_WAITS);
        self.watches.of(fd).asked = 0;
        for queue in &mut queues {
            while let Some(index) = self.waits.first(queue) {
                let wait = self.waits.remove(queue, index);
                let result = match errno {
                    // SAFETY: the completion of the operation has not been handed out, so its memory is valid.
                    libc::EPERM => unsafe { attempt(&wait.operation, Moment::Unpollable) },
                    _ => None,
                };
                self.note(wait.token, result.unwrap_or(-errno));
            }
        }
    }
}

/// Whether transfers of this descriptor wait for a disk, for which there are no events.
fn is_on_disk(fd: RawFd) -> bool {
    let mut stat = mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel writes to `stat`, during the call.
    let known = unsafe { libc::fstat(fd, stat.as_mut_ptr()) } == 0;
    // SAFETY: zeroes, partly overwritten by the kernel, are a value of a plain C type.
    let kind = unsafe { stat.assume_init() }.st_mode & libc::S_IFMT;
    known && matches!(kind, libc::S_IFREG | libc::S_IFBLK | libc::S_IFDIR)
}

/// The kernel refused a call that this module made wrongly.
///
/// Not a panic: unwinding would leave fibers that wait for ever.
#[cold]
fn defect(error: &io::Error) -> ! {
    eprintln!("fiber: epoll_wait failed: {error}; this is a defect of the runtime or of the kernel");
    std::process::abort();
}

#[cfg(test)]
mod tests;
