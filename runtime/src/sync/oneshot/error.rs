//! Why the message was not sent or received.

use super::Receiver;
use std::error::Error;
use std::fmt;

pub use std::sync::mpsc::{RecvError, SendError};

/// Why [`Receiver::try_recv`] received nothing.
pub enum TryRecvError<T> {
    /// No message yet. The receiver is given back.
    Empty(Receiver<T>),
    /// The sender is gone, and there will be no message.
    Disconnected,
}

/// Why [`Receiver::recv_timeout`] or [`Receiver::recv_deadline`] received nothing.
pub enum RecvTimeoutError<T> {
    /// No message in time. The receiver is given back.
    Timeout(Receiver<T>),
    /// The sender is gone, and there will be no message.
    Disconnected,
}

impl<T> fmt::Debug for TryRecvError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryRecvError::Empty(_) => "Empty(..)",
            TryRecvError::Disconnected => "Disconnected",
        })
    }
}

impl<T> fmt::Debug for RecvTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecvTimeoutError::Timeout(_) => "Timeout(..)",
            RecvTimeoutError::Disconnected => "Disconnected",
        })
    }
}

impl<T> fmt::Display for TryRecvError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryRecvError::Empty(_) => "receiving on an empty oneshot channel",
            TryRecvError::Disconnected => "receiving on a closed oneshot channel",
        })
    }
}

impl<T> fmt::Display for RecvTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecvTimeoutError::Timeout(_) => "timed out waiting on a oneshot channel",
            RecvTimeoutError::Disconnected => "receiving on a closed oneshot channel",
        })
    }
}

impl<T> Error for TryRecvError<T> {}
impl<T> Error for RecvTimeoutError<T> {}
