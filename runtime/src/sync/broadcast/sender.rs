//! The sending half.

use super::{Receiver, SendError, Shared};
use crate::sched::{Wakes, io};
use std::fmt;
use std::sync::Arc;

/// The sending half of a broadcast channel. It can be cloned and shared; the channel is closed when the last is dropped.
pub struct Sender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends a message to all receivers there are, and says how many that is. Never waits: if the channel is full, the oldest message
    /// is dropped, and receivers that have not had it are told so.
    ///
    /// # Errors
    ///
    /// The message, if there is no receiver at this time. [`subscribe`](Self::subscribe) makes one at any time.
    pub fn send(&self, message: T) -> Result<usize, SendError<T>> {
        let message = Arc::new(message);
        let mut wakes = Wakes::none();
        let mut state = self.shared.state.lock();
        let receivers = state.receivers;
        if receivers == 0 {
            drop(state);
            return Err(SendError(Arc::into_inner(message).expect("nobody else has it yet")));
        }
        let oldest = state.window.push(message, receivers, self.shared.capacity);
        state.receiving.grant_all(&mut wakes);
        drop(state);
        wakes.wake();
        drop(oldest);
        io::charge();
        Ok(receivers)
    }

    /// A new receiver: it gets the messages that are sent from now on.
    ///
    /// ```
    /// use fiber::sync::broadcast;
    ///
    /// let (sender, receiver) = broadcast::channel(4);
    /// drop(receiver);
    /// assert!(sender.send("nobody listens").is_err());
    /// let mut late = sender.subscribe();
    /// assert_eq!(sender.send("now one does"), Ok(1));
    /// assert_eq!(late.recv(), Ok("now one does"));
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::at_end(&self.shared)
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.state.lock().receivers
    }

    /// How many messages some receiver has not had.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state.lock().window.len()
    }

    /// Whether all receivers have had all messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages the channel can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// Whether both belong to the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.state.lock().senders += 1;
        Sender { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut wakes = Wakes::none();
        {
            let mut state = self.shared.state.lock();
            state.senders -= 1;
            if state.senders == 0 {
                state.receiving.close(&mut wakes);
            }
        }
        wakes.wake();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
