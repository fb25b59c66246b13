//! One fiber: its stack, its switch, its identity, its record and its scheduling state.
//!
//! Owns the memory of fibers (`stack`, `slot`, `record`), the protocols that belong to a single fiber (`join`, the permit), and
//! the switch of coroutines, which run on top of fibers and threads (`nested`). Knows nothing of workers, queues or drivers; calls `sys` only.
//!
//! A fiber is *fresh* while it is a [`record`] in a queue: a closure, `Send`, without a stack. It *starts* when a worker gives
//! it a stack and a [`slot`], and from then on belongs to that worker's thread until it *ends* and only its result is left.
//! Why it never moves: its frames may hold `!Send` values and addresses of thread-locals, and nothing in the language can
//! show that they do not. With the feature `migrate` somebody may vouch for it, fiber by fiber ([`roam`]).
//!
//! Rejected: state at the top of each stack (a TLB miss for each look at a fiber, measured at four times the cost of a
//! yield over 10,000 fibers); a stack at spawn (a million queued spawns would cost a million stacks).

pub(crate) mod block;
pub(crate) mod context;
pub(crate) mod identity;
pub(crate) mod join;
pub(crate) mod locals;
pub(crate) mod nested;
pub(crate) mod overflow;
pub(crate) mod reason;
pub(crate) mod record;
pub(crate) mod roam;
pub(crate) mod slot;
pub(crate) mod spans;
pub(crate) mod stack;
pub(crate) mod summons;
pub(crate) mod unwind;

pub use reason::Reason;
pub use unwind::CancelReason;

use crate::sys::stderr::say;
use std::any::Any;
use std::fmt;

/// Says on standard error that a fiber panicked and that nobody will ask. The panic itself was reported by the hook when it
/// happened; this adds who it was. Cancellation is no panic and is not reported.
pub(crate) fn report_lost_panic(header: &record::Header, panic: &(dyn Any + Send)) {
    if panic.is::<unwind::Raised>() {
        return;
    }
    let who = Named { id: header.id, name: header.identity.name(), task: header.identity.task };
    if let Some(unwind::NotStarted(why)) = panic.downcast_ref() {
        say(format_args!("{who} could not start, and nobody joined it: {why}\n"));
    } else {
        say(format_args!("{who} panicked, and nobody joined it: {}\n", message(panic)));
    }
}

/// The text of a panic, as far as it has one.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&'static str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "(no message)",
    }
}

/// How a fiber is called in messages: `fiber 7 'name' (task path)`.
pub(crate) struct Named<'a> {
    pub(crate) id: u64,
    pub(crate) name: Option<&'a str>,
    pub(crate) task: Option<&'static crate::registry::Task>,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fiber {}", self.id)?;
        if let Some(name) = self.name {
            write!(f, " '{name}'")?;
        }
        if let Some(task) = self.task {
            write!(f, " (task {})", task.path())?;
        }
        Ok(())
    }
}
