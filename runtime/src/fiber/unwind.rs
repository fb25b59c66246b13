//! The payload with which cancellation unwinds a fiber.

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
    /// At the time limit with this address, on the fiber's own stack.
    Limit(usize),
}

/// A fiber could not start, and why: its joiner gets this instead of a panic.
#[derive(Debug)]
pub(crate) struct NotStarted(pub(crate) String);
