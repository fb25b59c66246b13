//! What is under `mpsc` and `mpmc`: a queue of messages, and those who wait on either side, behind one lock.
//!
//! An unbounded channel has a second queue, with a lock of its own, so that senders and receivers do not get in each other's way: a receiver
//! that finds this [front] empty exchanges it for the queue that the senders have filled since. It holds both locks then. They are taken in this
//! order, the front's first, or the second without waiting.
//!
//! At any time outside the locks:
//!
//! - receivers wait only while no message is there and no sender waits;
//! - senders wait only while the channel is full, with their messages; receiving from it moves the first of these messages into
//!   the queue. So messages come in the order in which they were sent, whoever waited.
//! - A rendezvous channel is one without room: it is always full, and a message goes from hand to hand.
//!
//! A message for which a receiver waits goes straight to it. Nothing of the user's runs under the lock: messages are moved there,
//! and dropped outside.
//!
//! Rejected: lock-free queues (crossbeam-queue's) with the waiters in a list beside them. Pushing and popping cost more locked
//! instructions than the lock does (one; see `sys::lock`), and then the list has to be looked at, with a fence on each side. Measured on two
//! processors, a message through `SegQueue` took 35 to 57 ns, through `ArrayQueue` 13 to 100, through a `VecDeque` in a mutex 18 to 61,
//! both within a thread and between threads; and only the last can find a waiter and hand it a message in the same step.
//!
//! [front]: self::front

mod attempts;
mod front;
#[cfg(all(test, loom))]
mod loom_models;

use self::front::Front;
use crate::fiber::Reason;
use crate::sched::{End, Hand, WaitQueue, Wakes, io, wait_in};
use crate::sys::sync::{Lock, LockGuard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A channel of either kind; both kinds of handles share it by an [`Arc`], and count themselves.
#[repr(C)]
pub(super) struct Channel<T> {
    front: Front<T>,
    state: Lock<State<T>>,
    /// How many messages it holds; `None` if unbounded.
    capacity: Option<usize>,
}

struct State<T> {
    messages: VecDeque<T>,
    /// Whether the front has more room than an empty one keeps.
    front_is_large: bool,
    sending: WaitQueue<T>,
    receiving: WaitQueue<T>,
    senders: usize,
    receivers: usize,
}

/// A message that was not sent.
pub(super) enum Unsent<T> {
    /// There was no room, at once or until the deadline.
    Full(T),
    /// No receiver is left.
    Disconnected(T),
}

/// Why no message was received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreceived {
    /// There was none, at once or until the deadline.
    Empty,
    /// No sender is left, and no message.
    Disconnected,
}

impl<T> State<T> {
    /// Why there is no message, where there is none.
    fn unreceived(&self) -> Unreceived {
        if self.senders == 0 { Unreceived::Disconnected } else { Unreceived::Empty }
    }
}

impl<T> Channel<T> {
    /// A channel with one sender and one receiver.
    pub(super) fn new(capacity: Option<usize>) -> Arc<Channel<T>> {
        let state = State {
            messages: VecDeque::new(),
            front_is_large: false,
            sending: WaitQueue::new(),
            receiving: WaitQueue::new(),
            senders: 1,
            receivers: 1,
        };
        Arc::new(Channel { front: Front::new(capacity.is_none()), state: Lock::new(state), capacity })
    }

    pub(super) fn try_send(&self, message: T) -> Result<(), Unsent<T>> {
        self.send_now(message).map_err(|(_, unsent)| unsent)
    }

    /// Sends, or says why not, with the lock under which that is so.
    #[inline]
    fn send_now(&self, message: T) -> Result<(), (LockGuard<'_, State<T>>, Unsent<T>)> {
        let state = self.state.lock();
        if state.receivers == 0 {
            Err((state, Unsent::Disconnected(message)))
        } else if state.receiving.is_empty() {
            self.keep(state, message)
        } else {
            self.hand_over(state, message)
        }
    }

    /// Sends to a receiver that waits.
    #[inline(never)]
    fn hand_over<'a>(
        &self,
        mut state: LockGuard<'a, State<T>>,
        message: T,
    ) -> Result<(), (LockGuard<'a, State<T>>, Unsent<T>)> {
        let mut wakes = Wakes::none();
        match state.receiving.give(message, &mut wakes) {
            Ok(()) => {
                drop(state);
                wakes.wake();
                Ok(())
            }
            // Whoever is in line has just got something elsewhere.
            Err(message) => self.keep(state, message),
        }
    }

    /// Puts a message into the channel, if there is room.
    #[inline]
    fn keep<'a>(
        &self,
        mut state: LockGuard<'a, State<T>>,
        message: T,
    ) -> Result<(), (LockGuard<'a, State<T>>, Unsent<T>)> {
        if self.capacity.is_none_or(|capacity| state.messages.len() < capacity) {
            state.messages.push_back(message);
            Ok(())
        } else {
            Err((state, Unsent::Full(message)))
        }
    }

    /// Sends; waits for room, or for a receiver that takes the message from its hand.
    #[inline]
    pub(super) fn send(&self, message: T, deadline: Option<Instant>) -> Result<(), Unsent<T>> {
        match self.send_now(message) {
            Ok(()) => {
                io::charge();
                Ok(())
            }
            Err((state, Unsent::Full(message))) => self.wait_to_send(state, message, deadline),
            Err((_, disconnected)) => Err(disconnected),
        }
    }

    fn wait_to_send(
        &self,
        state: LockGuard<'_, State<T>>,
        message: T,
        deadline: Option<Instant>,
    ) -> Result<(), Unsent<T>> {
        let hand = Hand::new(Some(message));
        let end = wait_in(&self.state, state, |state| &mut state.sending, &hand, Reason::Send, deadline);
        let left = || hand.into_inner().expect("nobody took it");
        match end {
            End::Granted => Ok(()),
            End::Closed => Err(Unsent::Disconnected(left())),
            End::TimedOut => Err(Unsent::Full(left())),
            End::Interrupted(interruption) => {
                drop(left());
                interruption.raise()
            }
        }
    }

    pub(super) fn try_recv(&self) -> Result<T, Unreceived> {
        self.receive_now().map_err(|(_, unreceived)| unreceived)
    }

    /// Receives, or says why not, with the lock under which that is so.
    #[inline]
    fn receive_now(&self) -> Result<T, (LockGuard<'_, State<T>>, Unreceived)> {
        if self.front.is_used { self.front.receive(&self.state) } else { self.receive_directly() }
    }

    /// The same for a bounded channel, whose senders may be waiting.
    #[inline]
    fn receive_directly(&self) -> Result<T, (LockGuard<'_, State<T>>, Unreceived)> {
        let mut state = self.state.lock();
        if !state.sending.is_empty() {
            return self.receive_and_make_room(state);
        }
        state.messages.pop_front().ok_or_else(|| {
            let unreceived = state.unreceived();
            (state, unreceived)
        })
    }

    /// The same where a sender waits.
    #[inline(never)]
    fn receive_and_make_room<'a>(
        &self,
        mut state: LockGuard<'a, State<T>>,
    ) -> Result<T, (LockGuard<'a, State<T>>, Unreceived)> {
        let mut wakes = Wakes::none();
        let message = match state.messages.pop_front() {
            Some(message) => {
                // A message that was put back may be one too many.
                let has_room = self.capacity.is_some_and(|capacity| state.messages.len() < capacity);
                if has_room && let Some(next) = state.sending.take(&mut wakes) {
                    state.messages.push_back(next);
                }
                Some(message)
            }
            // It is a rendezvous, and the message its sender's.
            None => state.sending.take(&mut wakes),
        };
        match message {
            Some(message) => {
                drop(state);
                wakes.wake();
                Ok(message)
            }
            None => {
                let unreceived = state.unreceived();
                Err((state, unreceived))
            }
        }
    }

    /// Receives; waits for a message.
    #[inline]
    pub(super) fn recv(&self, deadline: Option<Instant>) -> Result<T, Unreceived> {
        match self.receive_now() {
            Ok(message) => {
                io::charge();
                Ok(message)
            }
            Err((state, Unreceived::Empty)) => self.wait_to_receive(state, deadline),
            Err((_, disconnected)) => Err(disconnected),
        }
    }

    fn wait_to_receive(&self, state: LockGuard<'_, State<T>>, deadline: Option<Instant>) -> Result<T, Unreceived> {
        let hand = Hand::new(None);
        match wait_in(&self.state, state, |state| &mut state.receiving, &hand, Reason::Receive, deadline) {
            End::Granted => Ok(hand.into_inner().expect("it was handed over")),
            End::Closed => Err(Unreceived::Disconnected),
            End::TimedOut => Err(Unreceived::Empty),
            End::Interrupted(interruption) => interruption.raise(),
        }
    }

    /// Takes a message back from one who does not want it after all: it is the next to be received. It may be one more than the channel has
    /// room for.
    fn put_back(&self, message: T) {
        let mut wakes = Wakes::none();
        if self.front.is_used {
            self.front.put_back(message, &self.state, &mut wakes);
        } else {
            let mut state = self.state.lock();
            if let Err(message) = state.receiving.give(message, &mut wakes) {
                state.messages.push_front(message);
            }
        }
        wakes.wake();
    }

    /// How many messages it holds. Those of senders that wait are not in it yet.
    pub(super) fn len(&self) -> usize {
        let state = self.state.lock();
        self.front.len() + state.messages.len()
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    /// Whether it holds as many as it can; a rendezvous channel always does.
    pub(super) fn is_full(&self) -> bool {
        self.capacity.is_some_and(|capacity| self.len() >= capacity)
    }

    pub(super) fn add_sender(&self) {
        self.state.lock().senders += 1;
    }

    pub(super) fn add_receiver(&self) {
        self.state.lock().receivers += 1;
    }

    pub(super) fn remove_sender(&self) {
        let mut wakes = Wakes::none();
        {
            let mut state = self.state.lock();
            state.senders -= 1;
            if state.senders == 0 {
                state.receiving.close(&mut wakes);
            }
        }
        wakes.wake();
    }

    /// With the last receiver go the messages that nobody can receive any more.
    pub(super) fn remove_receiver(&self) {
        let mut wakes = Wakes::none();
        let messages = {
            let mut state = self.state.lock();
            state.receivers -= 1;
            if state.receivers > 0 {
                return;
            }
            state.sending.close(&mut wakes);
            std::mem::take(&mut state.messages)
        };
        wakes.wake();
        drop(self.front.clear());
        drop(messages);
    }
}

/// When a time-out ends that begins now; `None` is never.
pub(super) fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
