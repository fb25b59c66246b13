//! The receiving half.

use super::window::At;
use super::{Iter, RecvError, RecvTimeoutError, Shared, State, TryRecvError};
use crate::fiber::Reason;
use crate::sched::{Attempt, End, Ended, Hand, Stranger, WaitQueue, awaited, in_line, io, wait_in};
use crate::select::{Event, Selectable};
use crate::sync::channel::after;
use crate::sys::sync::{Lock, LockGuard};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The receiving half of a broadcast channel. Each receives all messages that were sent since it was made.
pub struct Receiver<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// The number of the message that it receives next.
    pub(super) next: u64,
}

/// Why nothing was received.
enum Nothing<'a, T> {
    /// There is nothing, as is seen under this lock.
    Yet(LockGuard<'a, State<T>>),
    Closed,
    Lagged(u64),
}

impl<T> Receiver<T> {
    /// A receiver of what is sent from now on.
    pub(super) fn at_end(shared: &Arc<Shared<T>>) -> Receiver<T> {
        let mut state = shared.state.lock();
        state.receivers += 1;
        Receiver { shared: shared.clone(), next: state.window.end() }
    }

    /// A new receiver of the same channel: it gets the messages that are sent from now on.
    #[must_use]
    pub fn resubscribe(&self) -> Receiver<T> {
        Receiver::at_end(&self.shared)
    }

    /// How many messages were sent that this receiver has not had; some of them may be lost to it by now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state.lock().window.len_from(self.next)
    }

    /// Whether this receiver has had all messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both belong to the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Receives, or says why not.
    fn receive_now<'a>(shared: &'a Shared<T>, next: &mut u64) -> Result<Arc<T>, Nothing<'a, T>> {
        let mut state = shared.state.lock();
        match state.window.take(next) {
            At::Message(message) => Ok(message),
            At::Lost(lost) => Err(Nothing::Lagged(lost)),
            At::End if state.senders == 0 => Err(Nothing::Closed),
            At::End => Err(Nothing::Yet(state)),
        }
    }

    /// Waits until there may be something to receive.
    fn wait(&self, state: LockGuard<'_, State<T>>, deadline: Option<Instant>) -> Result<(), RecvTimeoutError> {
        let hand = Hand::new(None);
        match wait_in(&self.shared.state, state, |state| &mut state.receiving, &hand, Reason::Receive, deadline) {
            End::Granted | End::Closed => Ok(()),
            End::TimedOut => Err(RecvTimeoutError::Timeout),
            End::Interrupted(interruption) => interruption.raise(),
        }
    }
}

impl<T: Clone> Receiver<T> {
    /// Receives the oldest message that this receiver has not had; waits for one.
    ///
    /// # Errors
    ///
    /// If messages were lost, or if all were received and no sender is left.
    pub fn recv(&mut self) -> Result<T, RecvError> {
        self.recv_until(None).map_err(|error| match error {
            RecvTimeoutError::Lagged(lost) => RecvError::Lagged(lost),
            RecvTimeoutError::Closed | RecvTimeoutError::Timeout => RecvError::Closed,
        })
    }

    /// Receives the oldest message that this receiver has not had, if there is one.
    ///
    /// # Errors
    ///
    /// If there is none, if messages were lost, or if all were received and no sender is left.
    ///
    /// ```
    /// use fiber::sync::broadcast::{self, TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel::<u8>(1);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match Self::receive_now(&self.shared, &mut self.next) {
            Ok(message) => Ok(Arc::unwrap_or_clone(message)),
            Err(Nothing::Yet(_)) => Err(TryRecvError::Empty),
            Err(Nothing::Closed) => Err(TryRecvError::Closed),
            Err(Nothing::Lagged(lost)) => Err(TryRecvError::Lagged(lost)),
        }
    }

    /// Receives the oldest message that this receiver has not had; waits for one, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// If no message came in time, if messages were lost, or if all were received and no sender is left.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_until(after(timeout))
    }

    /// Receives the oldest message that this receiver has not had; waits for one, at most until `deadline`.
    ///
    /// # Errors
    ///
    /// If no message came in time, if messages were lost, or if all were received and no sender is left.
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(Some(deadline))
    }

    /// Receiving, as an event for [`select!`](crate::select!), where it is what `recv()` stands for.
    pub fn recv_event(&mut self) -> impl Event<Output = Result<T, RecvError>> {
        in_line(Receive(self), None).map(|received| received.map(Arc::unwrap_or_clone))
    }

    /// Receiving in async code: a future. It can be dropped at any time; then it has received nothing. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    pub fn recv_async(&mut self) -> impl Future<Output = Result<T, RecvError>> {
        let message = awaited(Receive(self), None);
        async { message.await.map(Arc::unwrap_or_clone) }
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        loop {
            match Self::receive_now(&self.shared, &mut self.next) {
                Ok(message) => {
                    io::charge();
                    return Ok(Arc::unwrap_or_clone(message));
                }
                Err(Nothing::Yet(state)) => self.wait(state, deadline)?,
                Err(Nothing::Closed) => return Err(RecvTimeoutError::Closed),
                Err(Nothing::Lagged(lost)) => return Err(RecvTimeoutError::Lagged(lost)),
            }
        }
    }

    /// The messages, one after the other; waits for each, and ends when no sender is left. Where messages were lost, it says so and
    /// goes on.
    ///
    /// ```
    /// use fiber::sync::broadcast::{self, Lagged};
    ///
    /// let (sender, mut receiver) = broadcast::channel(2);
    /// (1..=5).for_each(|n| drop(sender.send(n)));
    /// drop(sender);
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), [Err(Lagged(3)), Ok(4), Ok(5)]);
    /// ```
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter { receiver: self }
    }
}

/// Receiving as one of several things that may happen. It gives what is shared: a clone is the user's code, and made outside.
struct Receive<'a, T>(&'a mut Receiver<T>);

impl<T> Attempt for Receive<'_, T> {
    type State = State<T>;
    type Message = ();
    type Output = Result<Arc<T>, RecvError>;

    fn lock(&self) -> &Lock<State<T>> {
        &self.0.shared.state
    }

    fn queue(state: &mut State<T>) -> &mut WaitQueue<()> {
        &mut state.receiving
    }

    fn attempt(&mut self, _: Option<()>) -> Result<Self::Output, Option<()>> {
        match Receiver::receive_now(&self.0.shared, &mut self.0.next) {
            Ok(message) => Ok(Ok(message)),
            Err(Nothing::Yet(_)) => Err(None),
            Err(Nothing::Closed) => Ok(Err(RecvError::Closed)),
            Err(Nothing::Lagged(lost)) => Ok(Err(RecvError::Lagged(lost))),
        }
    }

    fn must_wait(&self, state: &State<T>, _: Stranger) -> bool {
        state.window.len_from(self.0.next) == 0 && state.senders > 0
    }

    fn ended(&mut self, _: Ended, _: Option<()>) -> Option<Self::Output> {
        self.attempt(None).ok()
    }

    /// Nothing was handed over.
    fn give_back(&mut self, _: Option<()>) {}
}

/// Receiving from it.
impl<T: Clone> Selectable for &mut Receiver<T> {
    type Output = Result<T, RecvError>;

    fn into_event(self) -> impl Event<Output = Self::Output> {
        self.recv_event()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let left = {
            let mut state = self.shared.state.lock();
            state.receivers -= 1;
            state.window.leave(self.next)
        };
        drop(left);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
