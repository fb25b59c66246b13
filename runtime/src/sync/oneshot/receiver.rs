//! The receiving end.

use super::{RecvError, RecvTimeoutError, Shared, State, TryRecvError};
use crate::fiber::Reason;
use crate::sched::{Attempt, End, Ended, Hand, Stranger, WaitQueue, Wakes, awaited, in_line, io, wait_in};
use crate::select::{Event, Selectable};
use crate::sync::channel::{Unreceived, after};
use crate::sys::sync::Lock;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The receiving end of a [`channel`](super::channel). Dropping it makes `send` fail; a message that was sent already is dropped with it.
pub struct Receiver<T> {
    /// `None` once it has received.
    pub(super) shared: Option<Arc<Shared<T>>>,
}

impl<T> Receiver<T> {
    /// Receives the message; waits for it.
    ///
    /// # Errors
    ///
    /// If the sender is gone without having sent.
    #[inline]
    pub fn recv(self) -> Result<T, RecvError> {
        self.recv_until(None).map_err(|_| RecvError)
    }

    /// Receives the message if it is there.
    ///
    /// # Errors
    ///
    /// If there is no message: the receiver, or that the sender is gone.
    ///
    /// ```
    /// use fiber::sync::oneshot::{self, TryRecvError};
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// let Err(TryRecvError::Empty(receiver)) = receiver.try_recv() else { unreachable!() };
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv().unwrap(), 1);
    /// ```
    pub fn try_recv(mut self) -> Result<T, TryRecvError<T>> {
        let mut state = self.shared().state.lock();
        if let Some(message) = state.message.take() {
            drop(state);
            self.shared = None;
            return Ok(message);
        }
        let has_sender = state.has_sender;
        drop(state);
        Err(if has_sender { TryRecvError::Empty(self) } else { TryRecvError::Disconnected })
    }

    /// Receives the message; waits for it, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// If there was no message in time: the receiver, or that the sender is gone.
    pub fn recv_timeout(self, timeout: Duration) -> Result<T, RecvTimeoutError<T>> {
        self.recv_or_give_back(after(timeout))
    }

    /// Receives the message; waits for it, at most until `deadline`.
    ///
    /// # Errors
    ///
    /// If there was no message in time: the receiver, or that the sender is gone.
    pub fn recv_deadline(self, deadline: Instant) -> Result<T, RecvTimeoutError<T>> {
        self.recv_or_give_back(Some(deadline))
    }

    /// Receiving, as an event for [`select!`](crate::select!), where it is what `recv()` stands for. It happens once: after that, the
    /// receiver is used up.
    pub fn recv_event(&mut self) -> impl Event<Output = Result<T, RecvError>> {
        in_line(Receive(self), None)
    }

    /// Receiving in async code: a future. It can be dropped at any time; the receiver has a message that came to it. Works under any executor, and under
    /// [`block_on`](crate::block_on).
    pub fn recv_async(&mut self) -> impl Future<Output = Result<T, RecvError>> {
        awaited(Receive(self), None)
    }

    fn recv_or_give_back(self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError<T>> {
        self.recv_until(deadline).map_err(|(receiver, unreceived)| match unreceived {
            Unreceived::Empty => RecvTimeoutError::Timeout(receiver),
            Unreceived::Disconnected => RecvTimeoutError::Disconnected,
        })
    }

    fn recv_until(mut self, deadline: Option<Instant>) -> Result<T, (Receiver<T>, Unreceived)> {
        let shared = self.shared();
        let mut state = shared.state.lock();
        let received = if let Some(message) = state.message.take() {
            drop(state);
            io::charge();
            Ok(message)
        } else if !state.has_sender {
            drop(state);
            Err(Unreceived::Disconnected)
        } else {
            let hand = Hand::new(None);
            match wait_in(&shared.state, state, |state| &mut state.receiving, &hand, Reason::Receive, deadline) {
                End::Granted => Ok(hand.into_inner().expect("it was handed over")),
                End::Closed => Err(Unreceived::Disconnected),
                End::TimedOut => Err(Unreceived::Empty),
                // Dropping the receiver tells the sender.
                End::Interrupted(interruption) => interruption.raise(),
            }
        };
        match received {
            Ok(message) => {
                self.shared = None;
                Ok(message)
            }
            Err(unreceived) => Err((self, unreceived)),
        }
    }

    fn shared(&self) -> &Shared<T> {
        self.shared.as_ref().expect("a receiver is used up by receiving")
    }
}

/// Receiving as one of several things that may happen.
struct Receive<'a, T>(&'a mut Receiver<T>);

impl<T> Receive<'_, T> {
    /// Uses the receiver up.
    fn done(&mut self, received: Result<T, RecvError>) -> Result<T, RecvError> {
        if received.is_ok() {
            self.0.shared = None;
        }
        received
    }
}

impl<T> Attempt for Receive<'_, T> {
    type State = State<T>;
    type Message = T;
    type Output = Result<T, RecvError>;

    fn lock(&self) -> &Lock<State<T>> {
        &self.0.shared().state
    }

    fn queue(state: &mut State<T>) -> &mut WaitQueue<T> {
        &mut state.receiving
    }

    fn attempt(&mut self, _: Option<T>) -> Result<Self::Output, Option<T>> {
        let mut state = self.0.shared().state.lock();
        let received = match state.message.take() {
            Some(message) => Ok(message),
            None if state.has_sender => return Err(None),
            None => Err(RecvError),
        };
        drop(state);
        Ok(self.done(received))
    }

    fn must_wait(&self, state: &State<T>, _: Stranger) -> bool {
        state.message.is_none() && state.has_sender
    }

    fn ended(&mut self, end: Ended, received: Option<T>) -> Option<Self::Output> {
        Some(match end {
            Ended::Granted => self.done(Ok(received.expect("it was handed over"))),
            Ended::Closed => Err(RecvError),
        })
    }

    fn give_back(&mut self, received: Option<T>) {
        self.0.shared().state.lock().message = received;
    }
}

/// Receiving from it.
impl<T> Selectable for &mut Receiver<T> {
    type Output = Result<T, RecvError>;

    fn into_event(self) -> impl Event<Output = Self::Output> {
        self.recv_event()
    }
}

// As std's: a message is moved out as a whole, so a panic leaves nothing half done.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            let mut wakes = Wakes::none();
            let message = {
                let mut state = shared.state.lock();
                state.has_receiver = false;
                state.closing.close(&mut wakes);
                state.message.take()
            };
            wakes.wake();
            drop(message);
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
