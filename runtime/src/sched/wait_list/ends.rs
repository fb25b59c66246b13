//! The list itself, as it is under its lock, and its nodes.

use super::{Ask, Woken};
use crate::fiber::record::Waiter;
use crate::sys::sync::AtomicU8;
use std::cell::UnsafeCell;
use std::marker::PhantomPinned;
use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const WAITING: u8 = 0;
const LOOK: u8 = 1;
const GRANTED: u8 = 2;

/// A waiter in the list.
pub(super) struct Node {
    waiter: Waiter,
    outcome: AtomicU8,
    ask: Ask,
    links: UnsafeCell<Links>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy)]
struct Links {
    previous: *const Node,
    next: *const Node,
    /// [`Ends::releases`] when it was enlisted.
    releases: usize,
}

/// The list while it is locked. The released nodes come before all others.
pub(super) struct Ends {
    first: *const Node,
    last: *const Node,
    last_released: *const Node,
    /// How often all that waited were released. A node of an earlier count is among the released.
    releases: usize,
}

// SAFETY: the pointers are to nodes in the frames of waits that are going on; they are followed under the lock only.
unsafe impl Send for Ends {}

impl Ends {
    pub(super) const fn new() -> Ends {
        Ends { first: ptr::null(), last: ptr::null(), last_released: ptr::null(), releases: 0 }
    }

    /// Adds a node: at the end, or at the front if its waiter insists.
    ///
    /// # Safety
    ///
    /// The node is in no list and stays where it is until it is removed.
    pub(super) unsafe fn enlist(&mut self, node: &Node) {
        debug_assert!(!node.ask.insists || self.releases == 0, "nobody insists where all are released");
        let (previous, next) = if node.ask.insists { (ptr::null(), self.first) } else { (self.last, ptr::null()) };
        // SAFETY: links are touched under the lock only, which `&mut self` stands for.
        unsafe { *node.links.get() = Links { previous, next, releases: self.releases } };
        self.join(previous, node);
        self.join(node, next);
    }

    /// What the first waiter asks that was not released.
    pub(super) fn first_waiting(&self) -> Option<Ask> {
        // SAFETY: nodes in the list are alive.
        unsafe { self.first_waiting_node().as_ref() }.map(|node| node.ask)
    }

    /// Takes out the first waiter that was not released.
    pub(super) fn take_first_waiting(&mut self) -> Option<(*const Node, Ask)> {
        let first = self.first_waiting_node();
        // SAFETY: nodes in the list are alive.
        let node = unsafe { first.as_ref() }?;
        // SAFETY: it is in the list.
        unsafe { self.remove(node) };
        Some((first, node.ask))
    }

    fn first_waiting_node(&self) -> *const Node {
        // SAFETY: nodes in the list are alive, and links are touched under the lock.
        unsafe { self.last_released.as_ref().map_or(self.first, |last| (*last.links.get()).next) }
    }

    /// Releases all that wait.
    pub(super) fn release_all(&mut self) {
        self.last_released = self.last;
        self.releases += 1;
    }

    pub(super) fn has_released(&self) -> bool {
        !self.last_released.is_null()
    }

    /// Whether the node, which is in the list, was released.
    pub(super) fn is_released(&self, node: &Node) -> bool {
        // SAFETY: links are touched under the lock only, which `&self` stands for.
        unsafe { (*node.links.get()).releases != self.releases }
    }

    /// Takes out the first of the released.
    pub(super) fn take_released(&mut self) -> Option<*const Node> {
        if !self.has_released() {
            return None;
        }
        let first = self.first;
        // SAFETY: there are released nodes, so the first is one of them; it is in the list and alive.
        unsafe { self.remove(&*first) };
        Some(first)
    }

    /// # Safety
    ///
    /// The node is in this list.
    pub(super) unsafe fn remove(&mut self, node: &Node) {
        // SAFETY: as in `enlist`.
        let Links { previous, next, .. } = unsafe { *node.links.get() };
        if ptr::eq(self.last_released, node) {
            // What comes before a released node is released too.
            self.last_released = previous;
        }
        self.join(previous, next);
    }

    /// Makes two nodes neighbours; null stands for the end of the list.
    fn join(&mut self, previous: *const Node, next: *const Node) {
        // SAFETY: both are in the list, or about to be, hence alive; links are touched under the lock.
        match unsafe { previous.as_ref() } {
            // SAFETY: as above.
            Some(previous) => unsafe { (*previous.links.get()).next = next },
            None => self.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            // SAFETY: as above.
            Some(next) => unsafe { (*next.links.get()).previous = previous },
            None => self.last = previous,
        }
    }
}

impl Node {
    pub(super) fn new(waiter: Waiter, ask: Ask) -> Node {
        Node {
            waiter,
            outcome: AtomicU8::new(WAITING),
            ask,
            links: UnsafeCell::new(Links { previous: ptr::null(), next: ptr::null(), releases: 0 }),
            _pinned: PhantomPinned,
        }
    }

    pub(super) fn outcome(&self) -> Option<Woken> {
        match self.outcome.load(Acquire) {
            LOOK => Some(Woken::Look),
            GRANTED => Some(Woken::Granted),
            _ => None,
        }
    }

    /// Sets the outcome of a waiter that did not have to wait. It is in no list.
    pub(super) fn set_unneeded(&self) {
        self.outcome.store(LOOK, Relaxed);
    }

    /// Sets the outcome. The node may be gone when this returns, or sooner, hence the pointer.
    ///
    /// # Safety
    ///
    /// The node has no outcome, and the caller has taken it out of its list, whose lock it holds.
    pub(super) unsafe fn finish(node: *const Node, woken: Woken) -> Waiter {
        // SAFETY: the waiter stays in its frame until it sees an outcome.
        let waiter = unsafe { (*node).waiter.clone() };
        // SAFETY: as above; this is the last access.
        unsafe { (*node).outcome.store(if woken == Woken::Granted { GRANTED } else { LOOK }, Release) };
        waiter
    }
}
