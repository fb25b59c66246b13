//! The operations that wait, each in a queue of its descriptor.
#![deny(unsafe_code)]

use super::super::{Operation, Token};
use super::attempt::Side;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::os::fd::RawFd;

/// Where a wait stands in the table.
type Index = u32;

/// The end of a queue.
const NONE: Index = Index::MAX;

/// One operation that waits.
#[derive(Clone, Copy)]
pub(super) struct Wait {
    pub(super) operation: Operation,
    pub(super) token: Token,
    pub(super) fd: RawFd,
    pub(super) side: Side,
    previous: Index,
    next: Index,
}

/// A queue of waits, first come first served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    first: Index,
    last: Index,
}

impl Queue {
    pub(super) const EMPTY: Queue = Queue { first: NONE, last: NONE };

    pub(super) fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

/// All waits of a driver. Places are used again, so nothing is allocated once there are as many as there ever are at a time.
#[derive(Default)]
pub(super) struct Waits {
    places: Vec<Wait>,
    free: Vec<Index>,
    by_token: HashMap<Token, Index, BuildHasherDefault<Spread>>,
}

impl Waits {
    pub(super) fn len(&self) -> usize {
        self.by_token.len()
    }

    /// How many there were at a time.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, index: Index) -> &Wait {
        &self.places[index as usize]
    }

    /// Where the operation with this token stands.
    pub(super) fn find(&self, token: Token) -> Option<Index> {
        self.by_token.get(&token).copied()
    }

    /// The first of a queue.
    pub(super) fn first(&self, queue: &Queue) -> Option<Index> {
        (queue.first != NONE).then_some(queue.first)
    }

    /// The one behind this in its queue.
    pub(super) fn after(&self, index: Index) -> Option<Index> {
        let next = self.get(index).next;
        (next != NONE).then_some(next)
    }

    /// Puts an operation at the end of a queue.
    pub(super) fn push(&mut self, queue: &mut Queue, operation: Operation, token: Token, fd: RawFd, side: Side) {
        let wait = Wait { operation, token, fd, side, previous: queue.last, next: NONE };
        let index = match self.free.pop() {
            Some(index) => {
                self.places[index as usize] = wait;
                index
            }
            None => {
                self.places.push(wait);
                Index::try_from(self.places.len() - 1).expect("fewer waits than numbers")
            }
        };
        match queue.last {
            NONE => queue.first = index,
            last => self.places[last as usize].next = index,
        }
        queue.last = index;
        self.by_token.insert(token, index);
    }

    /// Takes a wait out of its queue, which is this.
    pub(super) fn remove(&mut self, queue: &mut Queue, index: Index) -> Wait {
        let wait = *self.get(index);
        match wait.previous {
            NONE => queue.first = wait.next,
            previous => self.places[previous as usize].next = wait.next,
        }
        match wait.next {
            NONE => queue.last = wait.previous,
            next => self.places[next as usize].previous = wait.previous,
        }
        self.by_token.remove(&wait.token);
        self.free.push(index);
        wait
    }
}

/// Hashes one number. Tokens are not chosen by anybody outside, so they need to be spread and not to be kept secret.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4), and the good upper half brought down.
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(waits: &Waits, queue: &Queue) -> Vec<u64> {
        let mut next = waits.first(queue);
        std::iter::from_fn(|| {
            let index = next?;
            next = waits.after(index);
            Some(waits.get(index).token.get())
        })
        .collect()
    }

    #[test]
    fn a_queue_keeps_its_order_whoever_leaves() {
        let (mut waits, mut queue) = (Waits::default(), Queue::EMPTY);
        let operation = Operation::Poll { fd: 3, events: 1 };
        for number in 1..=5 {
            waits.push(&mut queue, operation, Token::new(number), 3, Side::Both);
        }
        for (leaves, left) in [(3, vec![1, 2, 4, 5]), (1, vec![2, 4, 5]), (5, vec![2, 4])] {
            let index = waits.find(Token::new(leaves)).unwrap();
            assert_eq!(waits.remove(&mut queue, index).token, Token::new(leaves));
            assert_eq!(tokens(&waits, &queue), left);
            assert_eq!(waits.find(Token::new(leaves)), None);
        }
        waits.push(&mut queue, operation, Token::new(6), 3, Side::Both);
        assert_eq!(tokens(&waits, &queue), [2, 4, 6]);
        assert_eq!((waits.len(), waits.places.len()), (3, 5));
        while let Some(index) = waits.first(&queue) {
            waits.remove(&mut queue, index);
        }
        assert_eq!(queue, Queue::EMPTY);
    }
}
