//! Where a fiber starts that will stay for long.
//!
//! A started fiber stays on its worker, so a worker that starts all that it spawns (a listener's, one fiber for each connection)
//! ends with all the work while others rest: they were woken for each spawn and came too late. So before a worker starts a fresh fiber it may
//! *give* it to another: if fibers of its kind tend to stay, and the worker has clearly more of them than somebody else ([`load`]). Whoever gets it,
//! starts it, unless somebody steals it.
//!
//! Nothing of this concerns fibers that end at their first resumption, which is what trees of spawns consist of: their kind is known after the first few, and what is asked
//! of them is one byte. Others are worth some tens of nanoseconds. Looked at are a few workers of each ring at random: among some, the best of two is
//! nearly as good as the best of all (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12, 2001).
//!
//! Rejected: deciding at the spawn (the worker does not know yet how much it will have started by then, and every spawn would pay);
//! counting alone, without kinds (short fibers beside many connections would each be sent away, for a hundred times their cost); the worker's
//! share of time alone (connections come first and their work later).
//!
//! [`load`]: crate::sched::load

use super::Worker;
use crate::Priority;
use crate::fiber::record::FiberRef;
use crate::sched::load::{Busy, Figure};
use crate::sched::nodes::Place;
use crate::sched::rings::{Nearness, Ring};
use crate::sched::scheduler::Stage;
use std::cell::Cell;

/// A fresh fiber is given away if its worker weighs more than another, by an eighth and by so many fibers: those few that know each other
/// stay together.
const SLACK: u64 = 6 * 256;
/// A fiber that leaves its node leaves a good deal behind.
const FAR_SLACK: u64 = 4 * SLACK;
/// Workers of a ring that are looked at.
const LOOKS: usize = 4;
/// Fibers that start here before the next look, after one that found nothing better.
const PAUSE: u32 = 8;
/// Fibers that go the same way after one look, at most: neighbours in the queue are often related.
const LOT: u32 = 4;
/// The share of time that a worker is awake is taken over so long.
const WINDOW: u64 = 10_000_000;

/// What a worker knows of its own load.
pub(super) struct Placement {
    /// Slots that its slab has.
    slots: Cell<usize>,
    /// To whom the next fibers go, and how many.
    lot: Cell<(usize, u32)>,
    /// Fibers that start here before the next look.
    pause: Cell<u32>,
    taken: Cell<u16>,
    /// When the window began, and how long the worker slept in it.
    window: Cell<u64>,
    slept: Cell<u64>,
    /// The share of time that it was awake in the window before.
    busy: Cell<Busy>,
}

impl Placement {
    /// Of a worker whose slab has so many slots, all of them free.
    pub(super) fn new(slots: usize, now: u64) -> Placement {
        Placement {
            slots: Cell::new(slots),
            lot: Cell::default(),
            pause: Cell::new(0),
            taken: Cell::new(0),
            window: Cell::new(now),
            slept: Cell::new(0),
            busy: Cell::new(0),
        }
    }
}

/// Who may start a fresh fiber.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::sched) enum Bounds {
    /// Any worker.
    None,
    /// Those of this node.
    Node,
    /// This worker.
    Worker,
}

impl Worker {
    /// Starts a fresh fiber, or gives it to a worker that has less to do.
    #[inline(always)]
    pub(in crate::sched) fn place(&self, fiber: FiberRef, bounds: Bounds) {
        let kind = fiber.kind();
        if self.home.load.stays(kind) { self.place_long(fiber, bounds) } else { self.start_of(fiber, kind) }
    }

    #[cold]
    fn place_long(&self, fiber: FiberRef, bounds: Bounds) {
        let movable = bounds != Bounds::Worker && !fiber.own.given.get();
        match movable.then(|| self.elsewhere(&fiber, bounds)).flatten() {
            Some(worker) => self.give(fiber, worker),
            None => self.start(fiber),
        }
    }

    /// Of what is taken from a node's injectors: from which of the two, it is not said.
    pub(in crate::sched) fn bounds_of_node(&self) -> Bounds {
        if self.bound.is_some() { Bounds::Node } else { Bounds::None }
    }

    /// Who is to have a fiber that will stay, if not this worker.
    fn elsewhere(&self, fiber: &FiberRef, bounds: Bounds) -> Option<usize> {
        let Placement { lot, pause, busy, .. } = &self.placement;
        if self.scheduler.workers() == 1 || self.seen_stage.get() != Stage::Running {
            return None;
        }
        if let (worker, left @ 1..) = lot.get()
            && self.scheduler.homes[worker].load.seen().resting
            && (bounds == Bounds::None || self.scheduler.nodes.plan.node_of[worker] == self.node)
        {
            lot.set((worker, left - 1));
            return Some(worker);
        }
        if let left @ 1.. = pause.get() {
            pause.set(left - 1);
            return None;
        }
        let own = Figure { fibers: self.started(), busy: busy.get(), ..Figure::default() };
        if own.weight() <= SLACK {
            return None;
        }
        let Some((worker, fibers)) = self.lighter(own.weight(), fiber, bounds) else {
            pause.set(PAUSE);
            return None;
        };
        lot.set((worker, (own.fibers.saturating_sub(fibers) / 8).min(LOT - 1)));
        Some(worker)
    }

    /// The lightest of some others, and how many fibers it has, if it is clearly lighter than this worker.
    fn lighter(&self, own: u64, fiber: &FiberRef, bounds: Bounds) -> Option<(usize, u32)> {
        let mut best = None;
        let mut limit = own;
        for ring in &self.scheduler.nodes.plan.rings[self.index] {
            let slack = if ring.nearness == Nearness::Remote { FAR_SLACK } else { SLACK };
            if bounds != Bounds::None && ring.nearness == Nearness::Remote {
                break;
            }
            for worker in self.some_of(ring) {
                let home = self.scheduler.homes[worker];
                let seen = home.load.seen();
                let weight = seen.weight() + seen.weight() / 8 + slack;
                if weight < limit && seen.resting && home.load.stays(fiber.kind()) {
                    best = Some((worker, seen.fibers));
                    limit = weight;
                }
            }
        }
        best
    }

    /// Some workers of a ring.
    fn some_of<'a>(&self, ring: &'a Ring) -> impl Iterator<Item = usize> + use<'a> {
        let (before, after) = ring.workers.split_at(self.choice.below(ring.workers.len()));
        after.iter().chain(before).copied().take(LOOKS)
    }

    fn give(&self, fiber: FiberRef, worker: usize) {
        // Each is a look into the batch as one that starts here would be, or a long queue would be given away in one turn.
        self.home.progress.skip_one_of_batch();
        fiber.own.given.set(true);
        self.home.count_given();
        let home = self.scheduler.homes[worker];
        home.load.one_is_given();
        home.post(fiber);
    }

    /// Takes a fresh fiber out of the inbox: one that another worker gave, or one that was spawned for this worker.
    pub(super) fn receive(&self, fiber: FiberRef) {
        if !fiber.own.given.get() {
            return self.keep_fresh(fiber);
        }
        self.placement.taken.set(self.placement.taken.get().wrapping_add(1));
        if fiber.identity.priority() != Priority::Normal {
            // Among its like, by the time that it is due.
            return self.keep_fresh(fiber);
        }
        // Where it may be stolen, should a fiber hold this worker now. Within the node, as if it were bound to it.
        self.bound.as_ref().unwrap_or(&self.fresh).push(fiber);
        // This worker comes to the first in a moment.
        if self.stealable_len() > 1 || !self.ready.is_empty() {
            self.scheduler.wake_for(Place::Node(self.node), self.node);
        }
    }

    /// Fibers that have started and not ended.
    fn started(&self) -> u32 {
        u32::try_from(self.placement.slots.get() - self.free.borrow().len()).unwrap_or(u32::MAX)
    }

    fn stealable_len(&self) -> usize {
        self.fresh.len() + self.bound.as_ref().map_or(0, |bound| bound.len())
    }

    /// The slab has grown by so many slots.
    pub(super) fn count_slots(&self, more: usize) {
        self.placement.slots.set(self.placement.slots.get() + more);
    }

    /// Says how much this worker has to do. Once in a turn.
    pub(super) fn publish_load(&self) {
        if self.scheduler.workers() == 1 {
            return;
        }
        let Placement { lot, window, slept, busy, .. } = &self.placement;
        lot.set((0, 0));
        let passed = self.now.get().saturating_sub(window.get());
        if passed > WINDOW {
            let awake = passed.saturating_sub(slept.get());
            busy.set((awake * u64::from(Busy::MAX) / passed) as Busy);
            window.set(self.now.get());
            slept.set(0);
        }
        self.home.load.publish(self.figure(false));
    }

    fn figure(&self, resting: bool) -> Figure {
        let queued = u32::try_from(self.stealable_len()).unwrap_or(u32::MAX);
        Figure {
            fibers: self.started().saturating_add(queued),
            busy: self.placement.busy.get(),
            resting,
            taken: self.placement.taken.get(),
        }
    }

    /// Says that this worker sleeps, or does not any more.
    pub(in crate::sched) fn publish_rest(&self, resting: bool) {
        self.home.load.publish(self.figure(resting));
    }

    /// The worker has slept for so many nanoseconds.
    pub(in crate::sched) fn count_slept(&self, nanoseconds: u64) {
        self.placement.slept.set(self.placement.slept.get() + nanoseconds);
    }
}
