//! Sending and receiving as one of several things that may happen.

use super::{Channel, State, Unreceived, Unsent};
use crate::sched::{Attempt, Ended, Stranger, WaitQueue, awaited, in_line};
use crate::select::Event;
use crate::sys::sync::Lock;
use std::sync::mpsc::{RecvError, SendError};

impl<T> Channel<T> {
    /// Receiving, as an event.
    pub(in crate::sync) fn recv_event(&self) -> impl Event<Output = Result<T, RecvError>> {
        in_line(Receive(self), None)
    }

    /// Receiving, as a future.
    pub(in crate::sync) fn recv_async(&self) -> impl Future<Output = Result<T, RecvError>> {
        awaited(Receive(self), None)
    }

    /// Sending this message, as a future.
    pub(in crate::sync) fn send_async(&self, message: T) -> impl Future<Output = Result<(), SendError<T>>> {
        awaited(Send(self), Some(message))
    }

    /// Sending this message, as an event.
    pub(in crate::sync) fn send_event(&self, message: T) -> impl Event<Output = Result<(), SendError<T>>> {
        in_line(Send(self), Some(message))
    }
}

/// Receiving the oldest message.
struct Receive<'a, T>(&'a Channel<T>);

impl<T> Attempt for Receive<'_, T> {
    type State = State<T>;
    type Message = T;
    type Output = Result<T, RecvError>;

    fn lock(&self) -> &Lock<State<T>> {
        &self.0.state
    }

    fn queue(state: &mut State<T>) -> &mut WaitQueue<T> {
        &mut state.receiving
    }

    fn attempt(&mut self, _: Option<T>) -> Result<Self::Output, Option<T>> {
        match self.0.try_recv() {
            Ok(message) => Ok(Ok(message)),
            Err(Unreceived::Disconnected) => Ok(Err(RecvError)),
            Err(Unreceived::Empty) => Err(None),
        }
    }

    fn must_wait(&self, state: &State<T>, stranger: Stranger) -> bool {
        let is_empty = self.0.front.len() == 0 && state.messages.is_empty();
        is_empty && state.senders > 0 && !stranger.stands_in(&state.sending)
    }

    fn ended(&mut self, end: Ended, received: Option<T>) -> Option<Self::Output> {
        Some(match end {
            Ended::Granted => Ok(received.expect("it was handed over")),
            Ended::Closed => Err(RecvError),
        })
    }

    fn give_back(&mut self, received: Option<T>) {
        if let Some(message) = received {
            self.0.put_back(message);
        }
    }
}

/// Sending a message.
struct Send<'a, T>(&'a Channel<T>);

impl<T> Attempt for Send<'_, T> {
    type State = State<T>;
    type Message = T;
    type Output = Result<(), SendError<T>>;

    fn lock(&self) -> &Lock<State<T>> {
        &self.0.state
    }

    fn queue(state: &mut State<T>) -> &mut WaitQueue<T> {
        &mut state.sending
    }

    fn attempt(&mut self, offered: Option<T>) -> Result<Self::Output, Option<T>> {
        let message = offered.expect("this message was sent before: an event that sends happens once");
        match self.0.try_send(message) {
            Ok(()) => Ok(Ok(())),
            Err(Unsent::Disconnected(message)) => Ok(Err(SendError(message))),
            Err(Unsent::Full(message)) => Err(Some(message)),
        }
    }

    fn must_wait(&self, state: &State<T>, stranger: Stranger) -> bool {
        state.receivers > 0
            && self.0.capacity.is_some_and(|capacity| state.messages.len() >= capacity)
            && !stranger.stands_in(&state.receiving)
    }

    fn ended(&mut self, end: Ended, left: Option<T>) -> Option<Self::Output> {
        Some(match end {
            Ended::Granted => Ok(()),
            Ended::Closed => Err(SendError(left.expect("nobody took it"))),
        })
    }

    /// It was sent; or nobody will receive it, and it goes with the event.
    fn give_back(&mut self, _: Option<T>) {}
}
