//! The receiving half.

use super::{Iter, RecvError, RecvTimeoutError, TryIter, TryRecvError};
use crate::select::{Event, Selectable};
use crate::sync::mpmc;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::RefUnwindSafe;
use std::time::{Duration, Instant};

/// The receiving half of a channel. There is one: it cannot be cloned, and, as std's, it is not shared:
///
/// ```compile_fail
/// fn is_sync<T: Sync>() {}
/// is_sync::<fiber::sync::mpsc::Receiver<u8>>();
/// ```
pub struct Receiver<T> {
    pub(super) receiver: mpmc::Receiver<T>,
    pub(super) alone: PhantomData<Cell<()>>,
}

impl<T> Receiver<T> {
    /// Receives the oldest message; waits for one.
    ///
    /// # Errors
    ///
    /// If the channel is empty and all senders are gone.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.receiver.recv()
    }

    /// Receives the oldest message if there is one.
    ///
    /// # Errors
    ///
    /// If the channel is empty; and whether senders are left.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.receiver.try_recv()
    }

    /// Receives the oldest message; waits for one, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// If no message came in time, or none can come.
    ///
    /// ```
    /// use fiber::sync::mpsc::{RecvTimeoutError, channel};
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = channel::<u8>();
    /// assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
    /// drop(sender);
    /// assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }

    /// Receives the oldest message; waits for one, at most until `deadline`. (Unstable in std.)
    ///
    /// # Errors
    ///
    /// If no message came in time, or none can come.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.receiver.recv_deadline(deadline)
    }

    /// Receiving, as an event for [`select!`](crate::select!), where it is what `recv()` stands for.
    pub fn recv_event(&self) -> impl Event<Output = Result<T, RecvError>> {
        self.receiver.recv_event()
    }

    /// Receiving in async code: a future. It can be dropped at any time; a message that came to it and that it did not give goes to the next receiver. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    ///
    /// ```
    /// use fiber::sync::mpsc::channel;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let (sender, receiver) = channel();
    /// fiber::spawn(move || sender.send(20));
    /// let answer = fiber::block_on(async { receiver.recv_async().await.unwrap() + 22 });
    /// assert_eq!(answer, 42);
    /// # });
    /// ```
    pub fn recv_async(&self) -> impl Future<Output = Result<T, RecvError>> {
        self.receiver.recv_async()
    }

    /// The messages, one after the other; waits for each, and ends when no sender is left.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// The messages that are there; does not wait.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

/// Receiving from it.
impl<T> Selectable for &Receiver<T> {
    type Output = Result<T, RecvError>;

    fn into_event(self) -> impl Event<Output = Self::Output> {
        self.recv_event()
    }
}

// As std's: a message is moved out as a whole.
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
