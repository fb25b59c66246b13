//! Fresh fibers from outside: spawned by threads that are no workers of the runtime; and those of workers that others than the spawner
//! are to see, because they are for another node, or not of the ordinary priority.
//!
//! A lock around queues, one for each priority, and beside it what workers want to know without locking: how many there are, and since
//! when the first of each priority waits. It can be closed, which the lock-free queues at hand cannot: a fiber must never be left in
//! the queue of a runtime that has ended.
//!
//! Rejected: deques by priority for each worker, as the normal fibers have. An urgent fiber would wait there behind what its
//! spawner is doing until a thief comes; here any worker of the node takes it after the fiber that it is running, and all
//! of them keep one order. The price is a lock for each such spawn, and for each start.

use super::priority::{ALL, due};
use crate::Priority;
use crate::fiber::record::FiberRef;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A queue of a runtime for spawns from outside, and from workers for others than themselves.
pub(crate) struct Injector {
    queue: Mutex<Queue>,
    len: AtomicUsize,
    /// How many of them are not normal.
    others: AtomicUsize,
    /// Since when the first of each priority waits; `NOBODY` if none does.
    first: [AtomicU64; ALL.len()],
}

const NOBODY: u64 = u64::MAX;

pub(crate) struct Queue {
    /// By priority, each with the time of its spawn.
    lines: [VecDeque<(u64, FiberRef)>; ALL.len()],
    /// How many were ever pushed by threads. What workers push they have counted themselves.
    pushed: u64,
    open: bool,
}

impl Injector {
    pub(crate) fn new() -> Injector {
        Injector {
            queue: Mutex::new(Queue { lines: Default::default(), pushed: 0, open: true }),
            len: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
            first: [const { AtomicU64::new(NOBODY) }; ALL.len()],
        }
    }

    /// Adds a fiber that was spawned `at`, or gives it back if the runtime has ended.
    pub(crate) fn push(&self, fiber: FiberRef, at: u64) -> Result<(), FiberRef> {
        self.add(fiber, at, 1)
    }

    /// Adds a fiber that the calling worker has counted.
    pub(crate) fn pass(&self, fiber: FiberRef, at: u64) -> Result<(), FiberRef> {
        self.add(fiber, at, 0)
    }

    fn add(&self, fiber: FiberRef, at: u64, count: u64) -> Result<(), FiberRef> {
        let priority = fiber.identity.priority();
        let mut queue = self.lock();
        if !queue.open {
            return Err(fiber);
        }
        queue.lines[priority as usize].push_back((at, fiber));
        queue.pushed += count;
        // Published to a worker that is falling asleep by the fence in `Idle::worker_to_wake`.
        self.publish(&queue, priority);
        Ok(())
    }

    /// Counts a fiber as pushed by a thread, and adds none; `false` if the runtime has ended.
    pub(crate) fn admit(&self) -> bool {
        let mut queue = self.lock();
        queue.pushed += u64::from(queue.open);
        queue.open
    }

    /// The fiber that is due first.
    pub(crate) fn pop(&self) -> Option<FiberRef> {
        if self.is_empty() {
            return None;
        }
        self.take(|queue| {
            let dues = ALL.map(|priority| (queue.first_due(priority), priority));
            dues.into_iter().filter(|(due, _)| due.is_some()).min_by_key(|&(due, _)| due).map(|(_, priority)| priority)
        })
    }

    /// The first fiber of this priority.
    pub(crate) fn pop_of(&self, priority: Priority) -> Option<FiberRef> {
        self.take(|_| Some(priority))
    }

    fn take(&self, choose: impl FnOnce(&Queue) -> Option<Priority>) -> Option<FiberRef> {
        let mut queue = self.lock();
        let priority = choose(&queue)?;
        let (_, fiber) = queue.lines[priority as usize].pop_front()?;
        self.publish(&queue, priority);
        Some(fiber)
    }

    fn publish(&self, queue: &Queue, changed: Priority) {
        let first = queue.lines[changed as usize].front().map_or(NOBODY, |&(at, _)| at);
        self.first[changed as usize].store(first, Relaxed);
        let len: usize = queue.lines.iter().map(VecDeque::len).sum();
        self.others.store(len - queue.lines[Priority::Normal as usize].len(), Relaxed);
        self.len.store(len, Relaxed);
    }

    /// When the first of this priority is due, as of late.
    pub(crate) fn first_due(&self, priority: Priority) -> Option<u64> {
        let at = self.first[priority as usize].load(Relaxed);
        (at != NOBODY).then(|| due(priority, at))
    }

    /// Whether there are fibers that are not normal, as of late.
    pub(crate) fn has_others(&self) -> bool {
        self.others.load(Relaxed) != 0
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
    fn first_due(&self, priority: Priority) -> Option<u64> {
        self.lines[priority as usize].front().map(|&(at, _)| due(priority, at))
    }

    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }

    /// Refuses all further fibers.
    pub(crate) fn close(&mut self) {
        self.open = false;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::fiber::identity::{Custom, Identity};
    use crate::sched::priority::allowance;

    fn fiber(id: u64, priority: Priority) -> FiberRef {
        let custom = Some(Box::new(Custom { priority: Some(priority), ..Custom::default() }));
        FiberRef::spawn(|| (), id, Identity { custom, ..Identity::default() }).0
    }

    #[test]
    fn what_is_due_first_comes_first() {
        use Priority::{High, Idle, Low, Normal};
        let injector = Injector::new();
        let patience = allowance(Low);
        let spawned = [(1, Low, 0), (2, Idle, 1), (3, Normal, 2), (4, High, 3), (5, Normal, 4), (6, High, patience)];
        for (id, priority, at) in spawned {
            assert!(injector.push(fiber(id, priority), at).is_ok());
        }
        assert_eq!((injector.len(), injector.has_others()), (6, true));
        assert_eq!(injector.first_due(Idle), Some(1 + allowance(Idle)));
        let order: Vec<_> = std::iter::from_fn(|| injector.pop()).map(|fiber| fiber.id).collect();
        assert_eq!(order, [4, 3, 5, 6, 1, 2], "at the same time the more urgent first");
        assert_eq!((injector.len(), injector.has_others(), injector.first_due(High)), (0, false, None));
    }

    #[test]
    fn a_closed_injector_gives_fibers_back() {
        let injector = Injector::new();
        assert!(injector.pop_of(Priority::High).is_none());
        injector.lock().close();
        assert!(injector.push(fiber(1, Priority::High), 0).is_err());
        assert!(injector.is_empty());
    }
}
