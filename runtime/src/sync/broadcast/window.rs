//! The messages that some receiver has not had.
//!
//! Messages are numbered from 0. Receivers take them in order, or skip some of the oldest, so those that all have had are the oldest
//! of those that are kept: the window is without holes.

use std::collections::VecDeque;
use std::sync::Arc;

/// The messages from number `first` on.
pub(super) struct Window<T> {
    messages: VecDeque<Kept<T>>,
    first: u64,
}

struct Kept<T> {
    message: Arc<T>,
    /// How many receivers have not had it.
    unseen: usize,
}

/// What is at a position.
pub(super) enum At<T> {
    /// This message.
    Message(Arc<T>),
    /// No message yet.
    End,
    /// So many messages, up to the first that is kept, are no longer there.
    Lost(u64),
}

impl<T> Window<T> {
    pub(super) fn new() -> Window<T> {
        Window { messages: VecDeque::new(), first: 0 }
    }

    /// The number of the next message.
    pub(super) fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many messages from this number on are kept, or were there once.
    pub(super) fn len_from(&self, position: u64) -> usize {
        usize::try_from(self.end() - position).unwrap_or(usize::MAX)
    }

    /// Adds a message for so many receivers. With `capacity` messages in the window the oldest goes, and is returned.
    pub(super) fn push(&mut self, message: Arc<T>, receivers: usize, capacity: usize) -> Option<Arc<T>> {
        let oldest = if self.messages.len() == capacity { self.pop() } else { None };
        self.messages.push_back(Kept { message, unseen: receivers });
        oldest
    }

    /// Takes the message with this number for a receiver, and moves the receiver's position on.
    pub(super) fn take(&mut self, position: &mut u64) -> At<T> {
        let Some(index) = position.checked_sub(self.first) else {
            let lost = self.first - *position;
            *position = self.first;
            return At::Lost(lost);
        };
        let Some(kept) = usize::try_from(index).ok().and_then(|index| self.messages.get_mut(index)) else {
            return At::End;
        };
        *position += 1;
        kept.unseen -= 1;
        if kept.unseen > 0 {
            return At::Message(kept.message.clone());
        }
        At::Message(self.pop().expect("it is the oldest: all have had those before it"))
    }

    /// Counts a receiver out that has had everything before this number; gives what nobody waits for any more.
    pub(super) fn leave(&mut self, position: u64) -> Vec<Arc<T>> {
        let seen = usize::try_from(position.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.messages.iter_mut().skip(seen).for_each(|kept| kept.unseen -= 1);
        let mut left = Vec::new();
        while self.messages.front().is_some_and(|kept| kept.unseen == 0) {
            left.extend(self.pop());
        }
        left
    }

    fn pop(&mut self) -> Option<Arc<T>> {
        let kept = self.messages.pop_front()?;
        self.first += 1;
        Some(kept.message)
    }
}
