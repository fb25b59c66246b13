//! The payload with which cancellation unwinds a fiber, and the end of unwindings that must not be.

use crate::sys::stderr::say;
use std::fmt;

/// Travels from the wait that ends to whoever asked for the end. Raised by `resume_unwind`, so no panic hook sees it.
#[derive(Debug)]
pub(crate) struct Raised {
    /// Whom it is for.
    pub(crate) target: Target,
    pub(crate) reason: CancelReason,
}

/// Why something was cancelled.
///
/// ```
/// use fiber::CancelReason;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let fiber = fiber::spawn(fiber::park);
/// fiber.cancel();
/// assert_eq!(fiber.join().unwrap_err().cancel_reason(), Some(CancelReason::User));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum CancelReason {
    /// Somebody asked for it: by a handle, a scope, or a token.
    User = 1,
    /// A time limit has passed: its own, or one around the scope that it belongs to.
    Deadline = 2,
    /// Another part of the same work failed, or was first.
    SiblingFailed = 3,
    /// Its runtime shuts down.
    Shutdown = 4,
}

impl CancelReason {
    /// The reason with this number, as written by `as u8`; zero is none.
    pub(crate) fn from_number(number: u8) -> Option<CancelReason> {
        match number {
            1 => Some(CancelReason::User),
            2 => Some(CancelReason::Deadline),
            3 => Some(CancelReason::SiblingFailed),
            4 => Some(CancelReason::Shutdown),
            _ => None,
        }
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            CancelReason::User => "it was asked to end",
            CancelReason::Deadline => "its time limit has passed",
            CancelReason::SiblingFailed => "another part of the same work has failed, or was first",
            CancelReason::Shutdown => "its runtime shuts down",
        })
    }
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
