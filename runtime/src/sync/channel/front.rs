//! The receivers' side of an unbounded channel.
//!
//! Messages in it are older than those in the channel's [state](State), and receivers take from it first. It becomes emptier under its own lock
//! alone, and fuller under the state's as well. So whoever has the state's lock and finds it empty, be it by the count alone, knows that it stays
//! so until he releases that; and if there is no message under the state's lock either, that there is none.

use super::{State, Unreceived};
use crate::sched::Wakes;
use crate::sys::prefetch::CACHE_LINE;
use crate::sys::sync::atomic::Ordering::Relaxed;
use crate::sys::sync::{AtomicUsize, Lock, LockGuard};
use std::collections::VecDeque;
use std::mem;

/// Up to this many messages' room is kept by a queue that has become empty.
const KEPT: usize = 1024;

/// The oldest messages.
#[repr(C)]
pub(super) struct Front<T> {
    /// Whether the channel is one that has them here. Receivers need not look at what senders write to know.
    pub(super) is_used: bool,
    /// How many these are. Written under their lock.
    len: AtomicUsize,
    messages: Lock<VecDeque<T>>,
    /// Keeps what senders write out of this cache line. (Not by alignment, which would make the channel dearer to allocate.)
    _apart: [u64; CACHE_LINE / size_of::<u64>()],
}

impl<T> Front<T> {
    pub(super) fn new(is_used: bool) -> Front<T> {
        let (len, messages) = (AtomicUsize::new(0), Lock::new(VecDeque::new()));
        Front { is_used, len, messages, _apart: Default::default() }
    }

    /// How many messages are in it. Exact, if it is 0, for whoever has the state's lock; and for whoever took the own lock since the
    /// last of them was received.
    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Receives, or says why not, with the state's lock, under which that is so.
    #[inline]
    pub(super) fn receive<'a>(&self, state: &'a Lock<State<T>>) -> Result<T, (LockGuard<'a, State<T>>, Unreceived)> {
        if self.len() != 0
            && let Some(message) = self.pop(&mut self.messages.lock())
        {
            return Ok(message);
        }
        self.receive_from_behind(state)
    }

    #[inline]
    fn pop(&self, messages: &mut VecDeque<T>) -> Option<T> {
        let message = messages.pop_front()?;
        self.len.store(messages.len(), Relaxed);
        Some(message)
    }

    /// The same where this was empty a moment ago. That there is no message at all takes one lock to know.
    #[inline(never)]
    fn receive_from_behind<'a>(&self, state: &'a Lock<State<T>>) -> Result<T, (LockGuard<'a, State<T>>, Unreceived)> {
        let behind = state.lock();
        if self.len() == 0 {
            if behind.messages.is_empty() && !behind.front_is_large {
                let unreceived = behind.unreceived();
                return Err((behind, unreceived));
            }
            // Against the order of the locks, so without waiting.
            if let Some(messages) = self.messages.try_lock() {
                return self.exchange(messages, behind);
            }
        }
        drop(behind);
        // Another receiver is here.
        let mut messages = self.messages.lock();
        match self.pop(&mut messages) {
            Some(message) => Ok(message),
            None => self.exchange(messages, state.lock()),
        }
    }

    /// Receives the first of the messages that were sent since the last time this was called, and takes the others along. It is empty itself.
    #[inline(never)]
    fn exchange<'a>(
        &self,
        mut messages: LockGuard<'_, VecDeque<T>>,
        mut state: LockGuard<'a, State<T>>,
    ) -> Result<T, (LockGuard<'a, State<T>>, Unreceived)> {
        // The room of a queue that was long once, and is not any more, is given back; where no lock is held.
        let is_large = messages.capacity() > KEPT.max(4 * state.messages.len());
        let large = is_large.then(|| mem::take(&mut *messages));
        mem::swap(&mut *messages, &mut state.messages);
        state.front_is_large = messages.capacity() > KEPT;
        let Some(message) = self.pop(&mut messages) else {
            drop(messages);
            drop(large);
            let unreceived = state.unreceived();
            return Err((state, unreceived));
        };
        drop((messages, state));
        drop(large);
        Ok(message)
    }

    /// Takes a message back: it is the next to be received.
    pub(super) fn put_back(&self, message: T, state: &Lock<State<T>>, wakes: &mut Wakes) {
        let mut messages = self.messages.lock();
        let mut state = state.lock();
        if let Err(message) = state.receiving.give(message, wakes) {
            messages.push_front(message);
            self.len.store(messages.len(), Relaxed);
        }
    }

    /// Takes all messages out. No receiver is left.
    pub(super) fn clear(&self) -> VecDeque<T> {
        let mut messages = self.messages.lock();
        self.len.store(0, Relaxed);
        mem::take(&mut *messages)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Channel;
    use super::KEPT;

    /// Also where receivers only ever find the channel empty from then on.
    #[test]
    fn the_room_of_many_messages_is_given_back() {
        let channel = Channel::new(None);
        (0..10 * KEPT).for_each(|number| assert!(channel.try_send(number).is_ok()));
        (0..10 * KEPT).for_each(|number| assert!(channel.try_recv().is_ok_and(|received| received == number)));
        let room = || channel.front.messages.lock().capacity() + channel.state.lock().messages.capacity();
        assert!(room() >= 10 * KEPT);
        (0..2).for_each(|_| assert!(channel.try_recv().is_err()));
        assert!(room() <= 2 * KEPT, "{}", room());
    }
}
