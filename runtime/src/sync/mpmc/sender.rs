//! The sending half.

use super::accessors::accessors;
use super::{SendError, SendTimeoutError, TrySendError};
use crate::select::Event;
use crate::sync::channel::{Channel, Unsent, after};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The sending half of a channel. It can be cloned and shared; the channel is closed when the last is dropped.
pub struct Sender<T> {
    pub(super) channel: Arc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a message; waits while the channel is full.
    ///
    /// # Errors
    ///
    /// The message, if no receiver is left.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.channel.send(message, None).map_err(|unsent| match unsent {
            Unsent::Disconnected(message) | Unsent::Full(message) => SendError(message),
        })
    }

    /// Sends a message if that takes no wait: if there is room, or a receiver waits.
    ///
    /// # Errors
    ///
    /// The message, if the channel is full, or no receiver is left.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.channel.try_send(message).map_err(|unsent| match unsent {
            Unsent::Full(message) => TrySendError::Full(message),
            Unsent::Disconnected(message) => TrySendError::Disconnected(message),
        })
    }

    /// Sends a message; waits while the channel is full, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// The message, if there was no room in time, or no receiver is left.
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_until(message, after(timeout))
    }

    /// Sends a message; waits while the channel is full, at most until `deadline`.
    ///
    /// # Errors
    ///
    /// The message, if there was no room in time, or no receiver is left.
    pub fn send_deadline(&self, message: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_until(message, Some(deadline))
    }

    fn send_until(&self, message: T, deadline: Option<Instant>) -> Result<(), SendTimeoutError<T>> {
        self.channel.send(message, deadline).map_err(|unsent| match unsent {
            Unsent::Full(message) => SendTimeoutError::Timeout(message),
            Unsent::Disconnected(message) => SendTimeoutError::Disconnected(message),
        })
    }

    /// Sending this message, as an event for [`select!`](crate::select!), where it is what `send(message)` stands for. It happens once; an
    /// event that has not happened drops its message when it is dropped.
    pub fn send_event(&self, message: T) -> impl Event<Output = Result<(), SendError<T>>> {
        self.channel.send_event(message)
    }

    /// Sending in async code: a future. It can be dropped at any time; its message is dropped with it, unless it was sent. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    pub fn send_async(&self, message: T) -> impl Future<Output = Result<(), SendError<T>>> {
        self.channel.send_async(message)
    }

    accessors!();
}

// As std's: a message is moved in or out as a whole, so a panic leaves nothing half done.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.channel.add_sender();
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.channel.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
