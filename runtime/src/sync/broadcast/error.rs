//! Why no message was received, or the message that nobody could receive.

use std::error::Error;
use std::fmt;

pub use std::sync::mpsc::SendError;

/// So many messages were lost to a receiver that was too slow: what [`Iter`](super::Iter) gives in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

/// Why [`Receiver::recv`](super::Receiver::recv) received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// All messages were received, and no sender is left.
    Closed,
    /// The receiver was too slow, and lost this many messages. The next call receives the oldest that is left.
    Lagged(u64),
}

/// Why [`Receiver::try_recv`](super::Receiver::try_recv) received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// All messages were received.
    Empty,
    /// All messages were received, and no sender is left.
    Closed,
    /// The receiver was too slow, and lost this many messages. The next call receives the oldest that is left.
    Lagged(u64),
}

/// Why [`Receiver::recv_timeout`](super::Receiver::recv_timeout) or [`Receiver::recv_deadline`](super::Receiver::recv_deadline)
/// received nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// There was no message in time.
    Timeout,
    /// All messages were received, and no sender is left.
    Closed,
    /// The receiver was too slow, and lost this many messages. The next call receives the oldest that is left.
    Lagged(u64),
}

const EMPTY: &str = "receiving on an empty broadcast channel";
const CLOSED: &str = "receiving on a closed broadcast channel";

fn lagged(f: &mut fmt::Formatter<'_>, lost: u64) -> fmt::Result {
    write!(f, "lagged behind by {lost} messages, which are lost")
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lagged(f, self.0)
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Closed => f.write_str(CLOSED),
            RecvError::Lagged(lost) => lagged(f, *lost),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryRecvError::Empty => f.write_str(EMPTY),
            TryRecvError::Closed => f.write_str(CLOSED),
            TryRecvError::Lagged(lost) => lagged(f, *lost),
        }
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvTimeoutError::Timeout => f.write_str("timed out waiting on a broadcast channel"),
            RecvTimeoutError::Closed => f.write_str(CLOSED),
            RecvTimeoutError::Lagged(lost) => lagged(f, *lost),
        }
    }
}

impl Error for Lagged {}
impl Error for RecvError {}
impl Error for TryRecvError {}
impl Error for RecvTimeoutError {}
