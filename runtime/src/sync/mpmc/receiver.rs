//! The receiving half.

use super::accessors::accessors;
use super::{Iter, RecvError, RecvTimeoutError, TryIter, TryRecvError};
use crate::select::{Event, Selectable};
use crate::sync::channel::{Channel, Unreceived, after};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The receiving half of a channel. It can be cloned and shared; each message goes to one receiver. Sending fails once the last is
/// dropped.
pub struct Receiver<T> {
    pub(super) channel: Arc<Channel<T>>,
}

impl<T> Receiver<T> {
    /// Receives the oldest message; waits for one.
    ///
    /// # Errors
    ///
    /// If the channel is empty and no sender is left.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.channel.recv(None).map_err(|_| RecvError)
    }

    /// Receives the oldest message if there is one.
    ///
    /// # Errors
    ///
    /// If the channel is empty; and whether senders are left.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.channel.try_recv().map_err(|unreceived| match unreceived {
            Unreceived::Empty => TryRecvError::Empty,
            Unreceived::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives the oldest message; waits for one, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// If no message came in time, or none can come.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_until(after(timeout))
    }

    /// Receives the oldest message; waits for one, at most until `deadline`.
    ///
    /// # Errors
    ///
    /// If no message came in time, or none can come.
    ///
    /// ```
    /// use fiber::sync::mpmc::{RecvTimeoutError, channel};
    /// use std::time::{Duration, Instant};
    ///
    /// let (sender, receiver) = channel::<u8>();
    /// let deadline = Instant::now() + Duration::from_millis(1);
    /// assert_eq!(receiver.recv_deadline(deadline), Err(RecvTimeoutError::Timeout));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.recv_deadline(deadline), Ok(1), "what is there is received at any time");
    /// ```
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(Some(deadline))
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        self.channel.recv(deadline).map_err(|unreceived| match unreceived {
            Unreceived::Empty => RecvTimeoutError::Timeout,
            Unreceived::Disconnected => RecvTimeoutError::Disconnected,
        })
    }

    /// Receiving, as an event for [`select!`](crate::select!), where it is what `recv()` stands for.
    pub fn recv_event(&self) -> impl Event<Output = Result<T, RecvError>> {
        self.channel.recv_event()
    }

    /// Receiving in async code: a future. It can be dropped at any time; a message that came to it and that it did not give goes to the next receiver. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    pub fn recv_async(&self) -> impl Future<Output = Result<T, RecvError>> {
        self.channel.recv_async()
    }

    /// The messages, one after the other; waits for each, and ends when no sender is left.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// The messages that are there; does not wait.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    accessors!();
}

// As std's: a message is moved in or out as a whole, so a panic leaves nothing half done.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

/// Receiving from it.
impl<T> Selectable for &Receiver<T> {
    type Output = Result<T, RecvError>;

    fn into_event(self) -> impl Event<Output = Self::Output> {
        self.recv_event()
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.channel.add_receiver();
        Receiver { channel: self.channel.clone() }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.channel.remove_receiver();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
