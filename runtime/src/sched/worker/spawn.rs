//! How a worker spawns: into which queue a fresh fiber goes.

use super::Worker;
use crate::fiber::identity::Identity;
use crate::fiber::record::{FiberRef, Handle};
use crate::sched::nodes::Place;
use crate::sched::scheduler::{reserve_ids, withdraw};
use crate::{Numa, Priority};
use std::cell::Cell;

impl Worker {
    /// Spawns a fiber into this worker's stealable queue, or wherever its property says.
    // It was inlined before it grew by the second condition; out of line it takes 40 instructions more.
    #[inline(always)]
    pub(crate) fn spawn<F: FnOnce() -> T, T>(&self, f: F, identity: Identity, numa: Option<Numa>) -> Handle<T> {
        let (fiber, handle) = self.record(f, identity);
        if fiber.identity.priority() == Priority::Normal
            && matches!(numa.unwrap_or(self.scheduler.settings.numa), Numa::Any)
        {
            if self.fresh.push(fiber) {
                self.scheduler.wake_for_fresh(self.node);
            }
        } else {
            self.send(fiber, numa);
        }
        handle
    }

    /// Puts a fresh fiber where its properties say.
    pub(in crate::sched) fn send(&self, fiber: FiberRef, numa: Option<Numa>) {
        let place = self.scheduler.place(&fiber, numa, self.node);
        let is_normal = fiber.identity.priority() == Priority::Normal;
        match (place, &self.bound) {
            (Place::Node(node), Some(bound)) if is_normal && node == self.node => bound.push(fiber),
            (Place::Anywhere, _) if is_normal => _ = self.fresh.push(fiber),
            _ => {
                let injector = self.scheduler.nodes.injector(place, self.node);
                if let Err(fiber) = injector.pass(fiber, self.now.get()) {
                    // Not before the last fiber has ended, and a fiber spawns this one.
                    withdraw(&fiber);
                    self.home.count_ended();
                    return;
                }
                if self.scheduler.nodes.has_others(self.node) {
                    self.lines.see_injected(true);
                }
            }
        }
        if self.scheduler.workers() > 1 {
            self.scheduler.wake_for(place, self.node);
        }
    }

    /// Spawns a fiber that this worker alone may start.
    pub(crate) fn spawn_local<F: FnOnce() -> T, T>(&self, f: F, identity: Identity) -> Handle<T> {
        let (fiber, handle) = self.record(f, identity);
        self.keep_fresh(fiber);
        handle
    }

    /// Spawns a fiber that one worker of this runtime, the one with this index, alone may start.
    ///
    /// Called on a fiber of this worker. As long as that lives, no worker closes its inbox.
    pub(crate) fn spawn_on<F: FnOnce() -> T, T>(&self, index: usize, f: F, identity: Identity) -> Handle<T> {
        if index == self.index {
            return self.spawn_local(f, identity);
        }
        let (fiber, handle) = self.record(f, identity);
        self.scheduler.homes[index].post(fiber);
        handle
    }

    pub(in crate::sched) fn record<F: FnOnce() -> T, T>(&self, f: F, identity: Identity) -> (FiberRef, Handle<T>) {
        let id = next_number(&self.ids);
        self.home.count_spawned();
        if let Some(task) = identity.task {
            task.counters().spawned(self.index);
        }
        FiberRef::spawn(f, id, identity)
    }

    /// A number for a time limit.
    pub(in crate::sched) fn next_limit(&self) -> u64 {
        next_number(&self.limits)
    }
}

/// The next number of a worker's block, or the first of a new one. Fibers and limits draw on the same numbers.
#[inline]
fn next_number(block: &Cell<(u64, u64)>) -> u64 {
    const BLOCK: u64 = 1024;
    let (mut next, mut end) = block.get();
    if next == end {
        next = reserve_ids(BLOCK);
        end = next + BLOCK;
    }
    block.set((next + 1, end));
    next
}
