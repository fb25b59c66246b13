//! The payload with which cancellation unwinds a fiber, and the end of unwindings that must not be.

use crate::sys::stderr::say;

/// Travels from the wait that ends to whoever asked for the end. Raised by `resume_unwind`, so no panic hook sees it.
#[derive(Debug)]
pub(crate) struct Raised {
    /// Whom it is for.
    pub(crate) target: Target,
}

/// Where an unwinding by cancellation stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// At the fiber's root: the whole fiber was cancelled.
    Fiber,
    /// At the time limit with this number.
    Limit(u64),
}

/// A fiber could not start, and why: its joiner gets this instead of a panic.
#[derive(Debug)]
pub(crate) struct NotStarted(pub(crate) String);

/// Ends the process unless it is disarmed: for the time in which others use what stands on the caller's stack.
pub(crate) struct AbortOnUnwind(pub(crate) &'static str);

impl AbortOnUnwind {
    pub(crate) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        say(format_args!("fiber: unwound out of {}; this is a bug in the runtime\n", self.0));
        std::process::abort();
    }
}
