//! A worker's queue of started fibers that can go on: first in, first out, touched by that worker alone.
//!
//! A ring of pointers rather than a list through the slots: the next fibers are known before they are reached, so their cache
//! lines can be asked for in time.

use crate::fiber::slot::Slot;
use std::cell::{Cell, UnsafeCell};
use std::ptr::NonNull;

/// The ready queue.
pub(crate) struct ReadyQueue {
    /// A power of two long; `head` and `tail` count up for ever and are masked.
    ring: UnsafeCell<Box<[NonNull<Slot>]>>,
    head: Cell<usize>,
    tail: Cell<usize>,
}

impl ReadyQueue {
    pub(crate) fn new() -> ReadyQueue {
        ReadyQueue {
            ring: UnsafeCell::new(vec![NonNull::dangling(); 256].into_boxed_slice()),
            head: Cell::new(0),
            tail: Cell::new(0),
        }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get() == self.tail.get()
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    /// The position of the fiber that will be popped next.
    pub(crate) fn head(&self) -> usize {
        self.head.get()
    }

    /// The position that the next fiber will have that is pushed. Positions grow by one, and wrap.
    #[inline]
    pub(crate) fn tail(&self) -> usize {
        self.tail.get()
    }

    #[inline(always)]
    pub(crate) fn push(&self, slot: &Slot) {
        if self.len() == self.ring().len() {
            self.grow();
        }
        self.append(slot);
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<Slot>> {
        let head = self.head.get();
        if head == self.tail.get() {
            return None;
        }
        let slot = self.at(head);
        self.head.set(head.wrapping_add(1));
        Some(slot)
    }

    /// Takes the first out and puts this one in behind the last; nothing, and `None`, if the queue is empty.
    #[inline(always)]
    pub(crate) fn rotate(&self, slot: &Slot) -> Option<NonNull<Slot>> {
        let first = self.pop()?;
        self.append(slot);
        Some(first)
    }

    /// Takes a fiber out, wherever it is; `false` if it is not there. Those before it move up by one.
    #[cold]
    pub(crate) fn remove(&self, slot: &Slot) -> bool {
        let (head, len) = (self.head.get(), self.len());
        // SAFETY: as in `ring`.
        let ring = unsafe { &mut *self.ring.get() };
        let mask = ring.len() - 1;
        let Some(found) = (0..len).find(|&ahead| ring[head.wrapping_add(ahead) & mask] == NonNull::from(slot)) else {
            return false;
        };
        for ahead in (0..found).rev() {
            let position = head.wrapping_add(ahead);
            ring[position.wrapping_add(1) & mask] = ring[position & mask];
        }
        self.head.set(head.wrapping_add(1));
        true
    }

    /// The fiber that will be popped after `ahead` others, if the queue is that long.
    #[inline(always)]
    pub(crate) fn peek(&self, ahead: usize) -> Option<NonNull<Slot>> {
        if ahead >= self.len() {
            return None;
        }
        Some(self.at(self.head.get().wrapping_add(ahead)))
    }

    #[inline(always)]
    fn at(&self, position: usize) -> NonNull<Slot> {
        let ring = self.ring();
        // SAFETY: the ring is a power of two long, so this is within it.
        unsafe { *ring.get_unchecked(position & (ring.len() - 1)) }
    }

    /// Puts a fiber in, for which there is room.
    #[inline(always)]
    fn append(&self, slot: &Slot) {
        let tail = self.tail.get();
        // SAFETY: as in `ring`.
        let ring = unsafe { &mut *self.ring.get() };
        let mask = ring.len() - 1;
        // SAFETY: as in `at`.
        unsafe { *ring.get_unchecked_mut(tail & mask) = NonNull::from(slot) };
        self.tail.set(tail.wrapping_add(1));
    }

    #[inline(always)]
    fn ring(&self) -> &[NonNull<Slot>] {
        // SAFETY: the queue is `!Sync` and no borrow of the ring outlives a method.
        unsafe { &*self.ring.get() }
    }

    #[cold]
    fn grow(&self) {
        let old = self.ring();
        let mut new = vec![NonNull::dangling(); old.len() * 2].into_boxed_slice();
        let mask = new.len() - 1;
        // Positions stay: `Dates` knows fibers by them.
        for index in 0..old.len() {
            let position = self.head.get().wrapping_add(index);
            new[position & mask] = old[position & (old.len() - 1)];
        }
        // SAFETY: as in `ring`; `old` is not used again.
        unsafe { *self.ring.get() = new };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::fiber::slot::SlotSlab;

    #[test]
    fn order_survives_growth_and_wrapping() {
        let slab = Box::leak(Box::new(SlotSlab::new()));
        let mut free = Vec::new();
        while free.len() < 900 {
            slab.grow(&mut free);
        }
        let slots: Vec<_> = free.iter().map(|&(slot, _)| slot).collect();
        let queue = ReadyQueue::new();
        // SAFETY: the slab is leaked.
        let push = |index: usize| queue.push(unsafe { slots[index].as_ref() });
        (0..200).for_each(push);
        (0..150).for_each(|index| assert_eq!(queue.pop(), Some(slots[index])));
        (200..900).for_each(push);
        assert_eq!(queue.peek(2), Some(slots[152]));
        // SAFETY: the slab is leaked.
        let remove = |index: usize| queue.remove(unsafe { slots[index].as_ref() });
        assert!(remove(150) && remove(700) && remove(899) && !remove(700));
        let left = (150..900).filter(|index| ![150, 700, 899].contains(index));
        left.for_each(|index| assert_eq!(queue.pop(), Some(slots[index])));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn a_full_ring_rotates() {
        let slab = Box::leak(Box::new(SlotSlab::new()));
        let mut free = Vec::new();
        (0..5).for_each(|_| slab.grow(&mut free));
        // SAFETY: the slab is leaked.
        let slots: Vec<_> = free.iter().map(|&(slot, _)| unsafe { slot.as_ref() }).collect();
        let queue = ReadyQueue::new();
        assert_eq!(queue.rotate(slots[0]), None);
        assert!(queue.is_empty());
        slots[..256].iter().for_each(|slot| queue.push(slot));
        let mut outside = slots[256];
        for index in 0..1000 {
            let first = queue.rotate(outside).unwrap();
            assert_eq!(first, NonNull::from(slots[index % 257]));
            // SAFETY: the slab is leaked.
            outside = unsafe { first.as_ref() };
        }
        assert_eq!(queue.len(), 256);
    }
}
