//! The sending halves.

use super::{SendError, TrySendError};
use crate::select::Event;
use crate::sync::mpmc;
use std::fmt;

/// The sending half of [`channel`](super::channel). Cloning adds a sender; the channel is closed when the last is dropped.
pub struct Sender<T> {
    pub(super) sender: mpmc::Sender<T>,
}

impl<T> Sender<T> {
    /// Sends a message. Never waits.
    ///
    /// # Errors
    ///
    /// The message, if the receiver is gone.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.sender.send(message)
    }

    /// Sending this message, as an event for [`select!`](crate::select!), where it is what `send(message)` stands for. It happens once; an
    /// event that has not happened drops its message when it is dropped.
    pub fn send_event(&self, message: T) -> impl Event<Output = Result<(), SendError<T>>> {
        self.sender.send_event(message)
    }
}

/// The sending half of [`sync_channel`](super::sync_channel). Cloning adds a sender; the channel is closed when the last is dropped.
pub struct SyncSender<T> {
    pub(super) sender: mpmc::Sender<T>,
}

impl<T> SyncSender<T> {
    /// Sends a message; waits while the channel is full.
    ///
    /// # Errors
    ///
    /// The message, if the receiver is gone.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.sender.send(message)
    }

    /// Sending this message, as an event for [`select!`](crate::select!), where it is what `send(message)` stands for. It happens once; an
    /// event that has not happened drops its message when it is dropped.
    pub fn send_event(&self, message: T) -> impl Event<Output = Result<(), SendError<T>>> {
        self.sender.send_event(message)
    }

    /// Sending in async code: a future. It can be dropped at any time; its message is dropped with it, unless it was sent. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    pub fn send_async(&self, message: T) -> impl Future<Output = Result<(), SendError<T>>> {
        self.sender.send_async(message)
    }

    /// Sends a message if that takes no wait.
    ///
    /// # Errors
    ///
    /// The message, if the channel is full, or a rendezvous whose receiver does not wait; or if the receiver is gone.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.sender.try_send(message)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { sender: self.sender.clone() }
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        SyncSender { sender: self.sender.clone() }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}
