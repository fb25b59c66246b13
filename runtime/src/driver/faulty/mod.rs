//! A driver around another one, in which one thing goes wrong. For tests: no other build has it.
//!
//! ```text
//!   submit ──► does the plan strike this one?
//!                │ no ─────────────────────────────► the driver inside ──► sink
//!                │ an error ───────────► done ─────────────────────────────► sink
//!                │ short ──────────────────────────► the driver inside, with less to do
//!                └ late ───────────────────────────► the driver inside ──► held ──► sink
//! ```
//!
//! An operation that fails was not made (but for a connection attempt that a signal interrupts, which goes on): the caller may make it again
//! and nothing was lost or doubled. What the driver inside asks of the kernel (`io_uring_enter`, `epoll_ctl`, `epoll_wait`) asks the plan
//! itself.

#![cfg_attr(loom, allow(dead_code, reason = "models make no plans"))]

mod plan;

use super::{Completion, Driver, Operation, Token};
pub(crate) use plan::{Fault, Plan};
use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// See the module's documentation.
pub(crate) struct Faulty {
    inner: Driver,
    plan: Arc<Plan>,
    /// Ends of operations that were not made.
    done: VecDeque<Completion>,
    /// The operation whose end is told late, and for how many turns.
    late: Option<(Token, u32)>,
    /// Its end.
    held: Option<Completion>,
    /// A message that stands for a longer one, and its list. Never more than one: a plan strikes once.
    short: Option<Box<(libc::msghdr, libc::iovec)>>,
}

impl Faulty {
    pub(super) fn around(inner: Driver, plan: Arc<Plan>) -> Faulty {
        Faulty { inner, plan, done: VecDeque::new(), late: None, held: None, short: None }
    }

    pub(super) fn inner(&self) -> &Driver {
        &self.inner
    }

    pub(super) fn inner_mut(&mut self) -> &mut Driver {
        &mut self.inner
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// # Safety
    ///
    /// As [`Driver::submit`].
    pub(super) unsafe fn submit(&mut self, operation: &Operation, token: Token) {
        let operation = match self.plan.strikes(operation) {
            Some(Fault::Error(errno)) => {
                if let (libc::EINTR, Operation::Connect { fd, addr, len }) = (errno, *operation) {
                    // A signal ends the wait and not the attempt: connect(2). Tests connect where nobody has to wait.
                    // SAFETY: the memory is valid, as the caller says.
                    unsafe { libc::connect(fd, addr.cast(), len) };
                }
                return self.end(token, -errno);
            }
            Some(Fault::Spurious) => {
                let Operation::Poll { events, .. } = *operation else { unreachable!("only polls are struck") };
                return self.end(token, events.cast_signed());
            }
            // SAFETY: the memory is valid, as the caller says.
            Some(Fault::Short) => unsafe { self.shorten(operation) },
            Some(Fault::Late(turns)) => {
                self.late = Some((token, turns));
                *operation
            }
            _ => *operation,
        };
        // SAFETY: handed on; of what was shortened, the memory is part of the same, and a message that stands for another is kept.
        unsafe { self.inner.submit(&operation, token) };
    }

    /// What has ended, and is not told yet, cannot be cancelled any more.
    pub(super) fn cancel(&mut self, token: Token) {
        if !self.done.iter().chain(&self.held).any(|end| end.token == token) {
            self.inner.cancel(token);
        }
    }

    fn end(&mut self, token: Token, result: i32) {
        self.done.push_back(Completion { token, result, more: false });
    }

    /// # Safety
    ///
    /// The memory of the operation is valid.
    unsafe fn shorten(&mut self, operation: &Operation) -> Operation {
        let mut operation = *operation;
        match &mut operation {
            Operation::Recv { len, .. }
            | Operation::Send { len, .. }
            | Operation::Read { len, .. }
            | Operation::Write { len, .. }
            | Operation::ReadFixed { len, .. }
            | Operation::WriteFixed { len, .. } => *len = 1,
            Operation::Splice { len, .. } => *len = 1,
            Operation::ReadV { count, .. } | Operation::WriteV { count, .. } => *count = 1,
            Operation::SendMsg { msg, .. } => {
                // SAFETY: as the caller says.
                let short = unsafe {
                    let message = **msg;
                    let list = std::slice::from_raw_parts(message.msg_iov, message.msg_iovlen);
                    let first = list.iter().find(|part| part.iov_len > 0).copied();
                    let empty = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
                    Box::new((message, first.map_or(empty, |first| libc::iovec { iov_len: 1, ..first })))
                };
                let short = self.short.insert(short);
                short.0.msg_iov = &raw mut short.1;
                short.0.msg_iovlen = 1;
                *msg = &raw const short.0;
            }
            _ => (),
        }
        operation
    }

    pub(super) fn turn(&mut self, sink: &mut impl FnMut(Completion)) {
        self.hand_out(sink);
        let (late, held) = (&self.late, &mut self.held);
        self.inner.turn(&mut sift(late.as_ref(), held, sink));
    }

    pub(super) fn park(&mut self, timeout: Option<Duration>, sink: &mut impl FnMut(Completion)) {
        // What is known here the driver inside does not know of, and would sleep.
        let timeout = if self.knows_something() { Some(Duration::ZERO) } else { timeout };
        self.hand_out(sink);
        let (late, held) = (&self.late, &mut self.held);
        self.inner.park(timeout, &mut sift(late.as_ref(), held, sink));
    }

    fn hand_out(&mut self, sink: &mut impl FnMut(Completion)) {
        self.done.drain(..).for_each(&mut *sink);
        if let Some(completion) = self.held {
            match &mut self.late {
                Some((_, turns @ 1..)) => *turns -= 1,
                _ => {
                    (self.late, self.held) = (None, None);
                    sink(completion);
                }
            }
        }
    }

    fn knows_something(&self) -> bool {
        !self.done.is_empty() || self.held.is_some()
    }

    pub(super) fn has_completions(&self) -> bool {
        self.knows_something() || self.inner.has_completions()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.inner.in_flight() + self.done.len() + usize::from(self.held.is_some())
    }
}

/// Keeps the completion that is to be late, and hands on the others. Of one type whatever the sink's is, or drivers within drivers would
/// make the compiler's work endless.
fn sift<'a>(
    late: Option<&'a (Token, u32)>,
    held: &'a mut Option<Completion>,
    sink: &'a mut impl FnMut(Completion),
) -> Box<dyn FnMut(Completion) + 'a> {
    Box::new(move |completion| match late {
        Some((token, _)) if *token == completion.token && !completion.more => *held = Some(completion),
        _ => sink(completion),
    })
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.plan.leave(self.in_flight());
    }
}
