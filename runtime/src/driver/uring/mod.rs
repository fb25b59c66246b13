//! The driver over one io_uring.
//!
//! # Made for one issuer
//!
//! With `DEFER_TASKRUN` the kernel does nothing behind the worker's back: a completion first sets `TASKRUN` in the
//! submission queue's flags, and is posted by the next enter with `GETEVENTS`. So a poll of the ring is a load of these flags, and
//! an enter is made only when it has something to do: entries to submit, `TASKRUN`, or `CQ_OVERFLOW`.
//!
//! # Where entries and completions stay
//!
//! ```text
//!   submit ──► backlog ──► submission queue ══► kernel ══► completion queue ──► spill ──► sink
//!              (only while a                      │                              (only what an enter
//!               full queue                        └─ overflow list (kernel       made inside submit
//!               cannot be flushed)                   memory, never dropped)      posted)
//! ```
//!
//! Every queue is first in, first out, and none is passed by while it has entries, so a cancel never overtakes its operation.
//!
//! # Full queues
//!
//! - The submission queue is full: it is flushed with one enter. What that posts is taken into the spill at once, so that a
//!   fiber that submits for ever without a turn in between cannot make the kernel's overflow list grow. If the kernel takes nothing
//!   (`EAGAIN`: no memory; `EBUSY`: completions overflow), entries gather in the backlog, and each turn tries again.
//! - The completion queue is full: the kernel keeps further completions in its own list and sets `CQ_OVERFLOW`. The queue is emptied
//!   *before* each enter, so that the enter has room to flush that list into.
//!
//! # User data
//!
//! The caller's tokens have the top bit clear. Entries of the driver's own have it set; their completions are swallowed.
//!
//! # The doorbell
//!
//! A multishot poll of an eventfd: armed once, it posts a completion per ring. It ends, shown by a completion without
//! `F_MORE`, when the completion queue overflows; [`Uring::arm_doorbell`] puts it back. Multishot polls are edge triggered, so the
//! counter is never read. A poll put back on a counter that is not zero fires once, at once: early, never late.
//!
//! Before 5.13 multishot polls do not exist (`EINVAL`). Then each wake needs a poll of its own, and the counter is emptied when
//! the ring was seen: *after* the ring and before the worker looks for work, so what a ring announced that this swallowed is found.
//!
//! # Ends
//!
//! The kernel goes on with what is in flight when a ring is closed, in its own time, and writes into buffers meanwhile. So a
//! driver that is dropped with operations in flight first cancels them and waits for each.

mod buffers;
mod cancels;
mod enter;
mod entry;
mod setup;

use super::error::Step;
use super::{Completion, Doorbell, DriverConfig, DriverError, Operation, Token};
use buffers::Buffers;
use cancels::{Cancels, Step as Next};
use enter::Gate;
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use setup::Made;
pub(super) use setup::TaskWork;
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

/// The user data of the doorbell's poll.
const DOORBELL: u64 = Token::LIMIT;
/// Set in the user data of a cancel, beside the token of what it is to end.
const CANCEL: u64 = Token::LIMIT;
/// The user data of a cancel of everything.
const CANCEL_ALL: u64 = u64::MAX;
/// The user data of a pause before cancels are made again.
const PAUSE: u64 = u64::MAX - 1;

/// A ring and its queues. See the module's documentation.
pub(crate) struct Uring {
    ring: IoUring,
    gate: Gate,
    book: Book,
    /// Entries that did not fit into the submission queue and could not be flushed.
    backlog: VecDeque<squeue::Entry>,
    /// Completions that were reaped while submitting.
    spill: VecDeque<Completion>,
    /// For how many turns the flag of task work is not believed. See [`DISTRUST`].
    distrust: u32,
    /// Stands for a flag that the kernel left set for nothing.
    #[cfg(test)]
    stuck_flag: bool,
    task_work: TaskWork,
    since_5_19: bool,
    probe: Probe,
    buffers: Buffers,
    /// `SINGLE_ISSUER`: the ring belongs to the thread that made it.
    _one_thread: PhantomData<*mut ()>,
}

/// Turns for which `TASKRUN` is not believed after an enter that it asked for has brought nothing.
///
/// The kernel adds an item to its list of task work, and then sets the flag (`io_req_local_work_add`). If the ring's thread runs
/// the list in between, which clears the flag first, the flag is set afterwards and stands for nothing; an enter that finds the
/// list empty does not clear it (seen on 6.18). A worker that believed it would poll for ever instead of sleeping. One
/// that never believed it again would miss completions while it is busy; hence a look now and then. Sleeping in the kernel
/// does not depend on the flag.
const DISTRUST: u32 = 8;

/// `-ERESTART_RESTARTBLOCK` to `-ERESTARTSYS`: with these the kernel tells itself that a signal came and the call is to be made again. No
/// call returns them, but an operation that ends in one of the kernel's threads can: an open of a FIFO that is cancelled does (6.18).
const RESTARTS: std::ops::RangeInclusive<i32> = -516..=-512;

/// What the driver must remember of entries whose completions are to come.
struct Book {
    /// Operations submitted and not handed out, wherever they are.
    in_flight: usize,
    /// Those of them whose memory is [lent](Token::LENT).
    lent: usize,
    doorbell: Doorbell,
    cancels: Cancels,
    /// Whether a poll of the doorbell is queued or with the kernel.
    armed: bool,
    /// Whether the kernel knows multishot polls.
    multishot: bool,
    /// Whether a ring was reaped since the last turn or park returned.
    rang: bool,
}

impl Uring {
    /// A ring for the calling thread.
    pub(super) fn new(config: &DriverConfig) -> Result<Uring, DriverError> {
        Uring::with_ladder(config, &TaskWork::LADDER)
    }

    #[cfg(test)]
    pub(super) fn with_task_work(config: &DriverConfig, task_work: TaskWork) -> Result<Uring, DriverError> {
        Uring::with_ladder(config, &[task_work])
    }

    fn with_ladder(config: &DriverConfig, ladder: &[TaskWork]) -> Result<Uring, DriverError> {
        let doorbell = Doorbell::new().map_err(|error| DriverError::new(Step::Doorbell, error))?;
        #[cfg_attr(not(test), expect(unused_mut, reason = "tests let it fail"))]
        let Made { ring, mut gate, task_work, since_5_19, probe } = setup::make(config, ladder)?;
        #[cfg(test)]
        gate.plan.clone_from(&config.plan);
        Ok(Uring {
            ring,
            gate,
            book: Book {
                in_flight: 0,
                lent: 0,
                cancels: Cancels::default(),
                doorbell,
                armed: false,
                multishot: true,
                rang: false,
            },
            backlog: VecDeque::new(),
            spill: VecDeque::new(),
            distrust: 0,
            #[cfg(test)]
            stuck_flag: false,
            task_work,
            since_5_19,
            probe,
            buffers: Buffers::default(),
            _one_thread: PhantomData,
        })
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.task_work {
            TaskWork::Deferred => "io_uring",
            TaskWork::Cooperative => "io_uring (cooperative)",
            TaskWork::Interrupting => "io_uring (interrupting)",
        }
    }

    pub(super) fn doorbell(&self) -> Doorbell {
        self.book.doorbell.clone()
    }

    /// # Safety
    ///
    /// As [`Driver::submit`](super::Driver::submit).
    #[inline]
    pub(super) unsafe fn submit(&mut self, operation: &Operation, token: Token) {
        // A successor does not inherit cancels.
        self.book.cancels.operation_ended(token);
        self.book.in_flight += 1;
        self.book.lent += usize::from(token.is_lent());
        self.push(entry::build(operation, self.since_5_19).user_data(token.get()));
    }

    pub(super) fn supports(&self, operation: &Operation) -> bool {
        #[cfg(test)]
        if super::OLD_KERNEL.load(std::sync::atomic::Ordering::SeqCst) {
            return entry::optional(operation).is_none();
        }
        entry::optional(operation).is_none_or(|code| self.probe.is_supported(code))
    }

    /// # Safety
    ///
    /// As [`Driver::register`](super::Driver::register).
    pub(super) unsafe fn register(&mut self, memory: *mut u8, len: usize) -> Option<u16> {
        // SAFETY: the caller's promise is handed on unchanged.
        unsafe { self.buffers.register(&self.ring, memory, len) }
    }

    pub(super) fn unregister(&mut self, index: u16) {
        self.buffers.unregister(&self.ring, index);
    }

    pub(super) fn cancel(&mut self, token: Token) {
        self.book.cancels.begin(token);
        self.push_cancel(token);
    }

    fn push_cancel(&mut self, token: Token) {
        self.push(opcode::AsyncCancel::new(token.get()).build().user_data(CANCEL | token.get()));
    }

    /// Makes the cancels again that were in vain; after a pause.
    #[cold]
    fn cancel_again(&mut self) {
        match self.book.cancels.step() {
            Some(Next::Again(tokens)) => tokens.into_iter().for_each(|token| self.push_cancel(token)),
            Some(Next::Pause(time)) => self.push(opcode::Timeout::new(time).build().user_data(PAUSE)),
            None => (),
        }
    }

    #[inline]
    pub(super) fn arm_doorbell(&mut self) {
        if !self.book.armed {
            self.book.armed = true;
            let poll = opcode::PollAdd::new(Fd(self.book.doorbell.fd()), libc::POLLIN as u32);
            self.push(poll.multi(self.book.multishot).build().user_data(DOORBELL));
        }
    }

    #[inline]
    pub(super) fn turn(&mut self, sink: &mut impl FnMut(Completion)) {
        self.reap(sink);
        self.feed();
        if self.wants_enter() {
            self.enter(0, None);
            let vain = self.ring.completion().is_empty() && self.flagged();
            self.distrust = if vain { DISTRUST } else { 0 };
            self.reap(sink);
        }
        self.book.rang = false;
    }

    pub(super) fn park(&mut self, timeout: Option<Duration>, sink: &mut impl FnMut(Completion)) {
        let handed_out = self.reap(sink);
        self.arm_doorbell();
        self.feed();
        let wait = handed_out == 0 && !self.book.rang && self.backlog.is_empty() && self.spill.is_empty();
        if wait || self.wants_enter() {
            self.enter(u32::from(wait), timeout.filter(|_| wait));
            self.reap(sink);
        }
        self.book.rang = false;
    }

    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.book.in_flight
    }

    #[inline]
    pub(super) fn has_completions(&self) -> bool {
        // SAFETY: the views live for this expression only, and no other is alive: they are made nowhere else but under `&mut self`,
        // which `&self` excludes, and the driver stays on one thread.
        let (submission, completion) = unsafe { (self.ring.submission_shared(), self.ring.completion_shared()) };
        let news = !completion.is_empty() || submission.cq_overflow() || !self.spill.is_empty();
        drop((submission, completion));
        news || (self.distrust == 0 && self.flagged())
    }

    #[cfg(test)]
    pub(super) fn enters(&self) -> u64 {
        self.gate.calls()
    }

    /// Queues an entry behind all others.
    ///
    /// What its operation may touch is the promise of whoever submitted it; the driver's own entries name none but constants.
    #[inline]
    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: see above.
        if self.backlog.is_empty() && unsafe { self.ring.submission().push(&entry) }.is_ok() {
            return;
        }
        self.push_to_full(entry);
    }

    #[cold]
    fn push_to_full(&mut self, entry: squeue::Entry) {
        // A backlog says that a flush was tried since the last turn, and did not help.
        let flush = self.backlog.is_empty();
        self.backlog.push_back(entry);
        if flush {
            self.enter(0, None);
            let (book, spill) = (&mut self.book, &mut self.spill);
            for cqe in self.ring.completion() {
                spill.extend(book.settle(cqe.user_data(), cqe.result(), cqe.flags()));
            }
            book.quieten();
            self.feed();
        }
    }

    /// Moves entries from the backlog into the submission queue.
    fn feed(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        let mut submission = self.ring.submission();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: as in `push`.
            if unsafe { submission.push(entry) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// Whether an enter has something to do: entries to take, task work to run, an overflow list to flush.
    #[inline]
    fn wants_enter(&mut self) -> bool {
        let submission = self.ring.submission();
        if !submission.is_empty() || submission.cq_overflow() {
            return true;
        }
        drop(submission);
        if !self.flagged() {
            self.distrust = 0;
            return false;
        }
        self.distrust = self.distrust.saturating_sub(1);
        self.distrust == 0
    }

    /// Whether the kernel says that task work is waiting. See [`DISTRUST`].
    #[inline]
    fn flagged(&self) -> bool {
        #[cfg(test)]
        if self.stuck_flag {
            return true;
        }
        // SAFETY: as in `has_completions`.
        unsafe { self.ring.submission_shared() }.taskrun()
    }

    /// One enter. What the kernel does not take now stays queued.
    fn enter(&mut self, want: u32, timeout: Option<Duration>) {
        let queued = self.ring.submission().len() as u32;
        let Err(error) = self.gate.submit_and_wait(queued, want, timeout) else { return };
        match error.raw_os_error() {
            // The time is over, or a signal came.
            Some(libc::ETIME | libc::EINTR) => (),
            // No memory for requests, or completions that must be reaped first. The caller comes back.
            Some(libc::EAGAIN | libc::EBUSY | libc::ENOMEM) => (),
            _ => defect(&error),
        }
    }

    /// Hands out what was kept, then what is in the completion queue now. Returns how many.
    #[inline]
    fn reap(&mut self, sink: &mut impl FnMut(Completion)) -> usize {
        let mut handed_out = 0;
        while let Some(completion) = self.spill.pop_front() {
            self.book.hand_out(completion, sink);
            handed_out += 1;
        }
        // The iterator ends with what was there when it was made, so a fast device cannot hold the worker here.
        for cqe in self.ring.completion() {
            if let Some(completion) = self.book.settle(cqe.user_data(), cqe.result(), cqe.flags()) {
                self.book.hand_out(completion, sink);
                handed_out += 1;
            }
        }
        self.book.quieten();
        if self.book.cancels.are_in_vain() {
            self.cancel_again();
        }
        handed_out
    }

    /// Ends everything in flight and waits for it, so that the kernel touches no memory of the operations any more, but such as is lent.
    ///
    /// A kernel before 5.19 cannot cancel everything; there it waits for the operations to end by themselves.
    fn finish(&mut self) {
        while self.book.in_flight > self.book.lent {
            if self.since_5_19 {
                self.push(opcode::AsyncCancel2::new(CancelBuilder::any()).build().user_data(CANCEL_ALL));
            }
            // A cancel can find an operation in a state in which it cannot be ended. Hence once more, now and then.
            self.park(Some(Duration::from_millis(10)), &mut |_| ());
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        self.finish();
        self.gate.close();
    }
}

impl Book {
    /// Takes note of a completion entry. `Some` if it is one of the caller's.
    #[inline]
    fn settle(&mut self, user_data: u64, result: i32, flags: u32) -> Option<Completion> {
        let more = cqueue::more(flags);
        match user_data {
            DOORBELL => {
                self.armed = more;
                self.rang = true;
                if result == -libc::EINVAL {
                    self.multishot = false;
                }
                None
            }
            CANCEL_ALL => None,
            PAUSE => {
                self.cancels.pause_ended();
                None
            }
            raw if raw & CANCEL != 0 => {
                self.cancels.cancel_ended(Token::new(raw & !CANCEL), result);
                None
            }
            raw => {
                let result = if RESTARTS.contains(&result) { -libc::EINTR } else { result };
                Some(Completion { token: Token::new(raw), result, more })
            }
        }
    }

    /// Empties the counter of a doorbell that rang, if the next poll of it would look at the counter.
    #[inline]
    fn quieten(&mut self) {
        if self.rang && !self.armed && !self.multishot {
            self.doorbell.reset();
        }
    }

    #[inline]
    fn hand_out(&mut self, completion: Completion, sink: &mut impl FnMut(Completion)) {
        // One whose memory is lent goes on after its result, and on no list of the kernel's: nothing can end it then.
        if !completion.more || completion.token.is_lent() {
            self.cancels.operation_ended(completion.token);
        }
        if !completion.more {
            self.in_flight -= 1;
            self.lent -= usize::from(completion.token.is_lent());
        }
        sink(completion);
    }
}

/// The kernel refused a call that this module made wrongly, or lost completions.
///
/// Not a panic: unwinding would leave frames whose memory the kernel is still using.
#[cold]
fn defect(error: &io::Error) -> ! {
    eprintln!("fiber: io_uring_enter failed: {error}; this is a defect of the runtime or of the kernel");
    std::process::abort();
}

#[cfg(test)]
mod tests;
