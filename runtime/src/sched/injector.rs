//! Fresh fibers from outside: spawned by threads that are no workers of the runtime.
//!
//! A lock around a queue, and its length beside it, so that workers look without locking. It can be closed, which the
//! lock-free queues at hand cannot: a fiber must never be left in the queue of a runtime that has ended.

use crate::fiber::record::FiberRef;
use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A queue of a runtime for spawns from outside, and from workers for others than themselves.
pub(crate) struct Injector {
    queue: Mutex<Queue>,
    len: AtomicUsize,
}

pub(crate) struct Queue {
    fibers: VecDeque<FiberRef>,
    /// How many were ever pushed by threads. What workers push they have counted themselves.
    pushed: u64,
    open: bool,
}

impl Injector {
    pub(crate) fn new() -> Injector {
        Injector {
            queue: Mutex::new(Queue { fibers: VecDeque::new(), pushed: 0, open: true }),
            len: AtomicUsize::new(0),
        }
    }

    /// Adds a fiber, or gives it back if the runtime has ended.
    pub(crate) fn push(&self, fiber: FiberRef) -> Result<(), FiberRef> {
        self.add(fiber, 1)
    }

    /// Adds a fiber that the calling worker has counted.
    pub(crate) fn pass(&self, fiber: FiberRef) -> Result<(), FiberRef> {
        self.add(fiber, 0)
    }

    fn add(&self, fiber: FiberRef, count: u64) -> Result<(), FiberRef> {
        let mut queue = self.lock();
        if !queue.open {
            return Err(fiber);
        }
        queue.fibers.push_back(fiber);
        queue.pushed += count;
        // Published to a worker that is falling asleep by the fence in `Idle::worker_to_wake`.
        self.len.store(queue.fibers.len(), Relaxed);
        Ok(())
    }

    /// The oldest fiber.
    pub(crate) fn pop(&self) -> Option<FiberRef> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.lock();
        let fiber = queue.fibers.pop_front();
        self.len.store(queue.fibers.len(), Relaxed);
        fiber
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(SeqCst)
    }

    /// Stops everything that changes the queue while the guard lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fibers.is_empty()
    }

    /// Refuses all further fibers.
    pub(crate) fn close(&mut self) {
        self.open = false;
    }
}
