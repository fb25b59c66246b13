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
use crate::fiber::record::{FiberRef, Kind};
use crate::sched::clock;
use crate::sched::home::Home;
use crate::sched::load::{Busy, Figure};
use crate::sched::nodes::Place;
use crate::sched::rings::{Nearness, Ring};
use crate::sched::scheduler::Stage;
use crossbeam_deque::Stealer;
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A worker that weighs less than so many fibers keeps what it has: those few that know each other stay together.
const FEW: u64 = 6 * 256;
/// A fresh fiber is given away if its worker weighs more than another, by a sixteenth and by so many fibers.
const SLACK: u64 = 2 * 256;
/// A fiber that leaves its node leaves a good deal behind.
const FAR_SLACK: u64 = 24 * 256;
/// Workers of a ring that are looked at.
const LOOKS: usize = 4;
/// Fibers that start here before the next look, after one that found nothing better: at most so many, and one for each sixteen that are here,
/// which is about what they can be off by.
const PAUSE: u32 = 8;
/// Fibers that go the same way after one look, at most: neighbours in the queue are often related.
const LOT: u32 = 4;
/// The share of time that a worker is awake is taken over so long.
const WINDOW: u64 = 10_000_000;
/// After so many fibers in a row that stayed, the next will probably stay.
const RUN: u8 = 8;
/// For so long a worker leaves others what it has more of itself. In this time a fiber spawns thousands.
const LEAVE: u64 = 300_000;
/// A worker that has not come round for longer is held by a fiber, or waits for a processor: nothing is left to it.
const HELD: Duration = Duration::from_millis(2);

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
    /// The share of time that it was awake in the window before, and how many fibers it had then and has had ever since.
    busy: Cell<Busy>,
    settled: Cell<u32>,
    /// How many of the fibers that it started last stayed, one after the other.
    run: Cell<u8>,
    /// Whether the search that is going on left anything, and since when searches have, one after the other.
    left: Cell<bool>,
    left_since: Cell<Option<u64>>,
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
            settled: Cell::new(0),
            run: Cell::new(0),
            left: Cell::new(false),
            left_since: Cell::new(None),
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
        let Placement { lot, pause, .. } = &self.placement;
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
        let fibers = self.started();
        let own = Figure { fibers, busy: self.busy_with(fibers), ..Figure::default() };
        if own.weight() <= FEW {
            return None;
        }
        let Some((worker, fibers)) = self.lighter(own.weight(), fiber, bounds) else {
            pause.set((own.fibers / 16).min(PAUSE));
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
                if !seen.resting {
                    continue;
                }
                let weight = Figure { busy: self.lately(home, seen.busy), ..seen }.weight();
                let weight = weight + weight / 16 + slack;
                if weight < limit && home.load.stays(fiber.kind()) {
                    best = Some((worker, seen.fibers));
                    limit = weight;
                }
            }
        }
        best
    }

    /// How busy a worker that sleeps was until a moment ago: what it said wears off while it sleeps.
    fn lately(&self, home: &Home, busy: Busy) -> Busy {
        let window = clock::nanoseconds(self.silence(home)).saturating_add(WINDOW);
        (u64::from(busy) * WINDOW / window) as Busy
    }

    /// Whether to leave another worker's fresh fibers to it, for a moment. See [`leaves`].
    pub(in crate::sched) fn leaves_to(&self, victim: usize) -> bool {
        let Placement { run, left, left_since, .. } = &self.placement;
        let own = self.started();
        if !is_laden(run.get(), own) {
            return false;
        }
        let home = self.scheduler.homes[victim];
        let queued = |queues: &[Stealer<FiberRef>]| queues.get(victim).map_or(0, Stealer::len);
        let queued = queued(&self.scheduler.stealers) + queued(&self.scheduler.bound);
        if queued == 0 {
            return false;
        }
        // What it spawned in this turn it has not said yet.
        let theirs = home.load.seen().fibers.max(u32::try_from(queued).unwrap_or(u32::MAX));
        let left_for = self.now.get() - left_since.get().unwrap_or(self.now.get());
        let leaves = leaves(own, theirs, left_for, self.silence(home));
        if leaves {
            left.set(true);
            left_since.set(Some(self.now.get() - left_for));
        }
        leaves
    }

    /// For how long a worker has not come round, to two milliseconds.
    fn silence(&self, home: &Home) -> Duration {
        clock::coarse_between(home.coarse_now.load(Relaxed), clock::coarse(self.now.get()))
    }

    /// Whether the search that has come back empty left anything to anybody.
    pub(in crate::sched) fn has_left_some(&self) -> bool {
        let left = self.placement.left.take();
        if !left {
            self.placement.left_since.set(None);
        }
        left
    }

    /// A fiber was resumed for the first time.
    #[inline(always)]
    pub(super) fn note_first(&self, kind: Kind, stayed: bool) {
        self.home.load.note(kind, stayed);
        let run = &self.placement.run;
        run.set(if stayed { run.get().saturating_add(1) } else { 0 });
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
        match &self.bound {
            Some(bound) => bound.push(fiber),
            None => _ = self.fresh.push(fiber),
        }
        // This worker comes to the first in a moment.
        if self.stealable_len() > 1 || !self.ready.is_empty() {
            self.scheduler.wake_for(Place::Node(self.node), self.node);
        }
    }

    /// Fibers that have started and not ended.
    fn started(&self) -> u32 {
        u32::try_from(self.placement.slots.get() - self.free_slots()).unwrap_or(u32::MAX)
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
        let Placement { lot, window, slept, busy, settled, .. } = &self.placement;
        lot.set((0, 0));
        let started = self.started();
        settled.set(settled.get().min(started));
        let passed = self.now.get().saturating_sub(window.get());
        if passed > WINDOW {
            let awake = passed.saturating_sub(slept.get());
            busy.set((awake * u64::from(Busy::MAX) / passed) as Busy);
            settled.set(started);
            window.set(self.now.get());
            slept.set(0);
        }
        self.home.load.publish(self.figure(false));
    }

    fn figure(&self, resting: bool) -> Figure {
        let queued = u32::try_from(self.stealable_len()).unwrap_or(u32::MAX);
        let fibers = self.started().saturating_add(queued);
        Figure { fibers, busy: self.busy_with(fibers), resting, taken: self.placement.taken.get() }
    }

    /// How busy this worker is with so many fibers, as far as it can be known: nothing is known of those that came lately, and what has ended
    /// keeps nobody busy.
    fn busy_with(&self, fibers: u32) -> Busy {
        let Placement { busy, settled, .. } = &self.placement;
        known_busy(busy.get(), settled.get(), fibers)
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

/// How busy a worker is whose settled fibers kept it so busy, over all its fibers.
///
/// Otherwise the bursts of a program that makes one after the other go to and fro: each is work of which nothing is left when the next one
/// begins, and who had the greater part of the last one would be given the smaller part.
fn known_busy(busy: Busy, settled: u32, fibers: u32) -> Busy {
    if settled >= fibers {
        return busy;
    }
    (u64::from(busy) * u64::from(settled) / u64::from(fibers)) as Busy
}

/// Whether a worker that started so many fibers, the last of which stayed, goes by what others have.
fn is_laden(run: u8, started: u32) -> bool {
    run >= RUN && u64::from(started) * 256 > FEW
}

/// Whether a laden worker with nothing to do leaves another its fresh fibers, which will probably stay: because the other has less as it is.
///
/// Who takes what it finds whenever it has nothing else to do ends with all that the other was kept from starting: to start a fiber that waits
/// takes no time, and says nothing of what it will ask for later. But a worker that a fiber holds starts nothing. So what is left for too long is taken.
fn leaves(own: u32, theirs: u32, left_for: u64, silent: Duration) -> bool {
    own >= theirs && left_for <= LEAVE && silent <= HELD
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_settled_fibers_keep_a_worker_busy() {
        assert_eq!(known_busy(200, 100, 100), 200);
        assert_eq!(known_busy(200, 100, 50), 200, "some have ended");
        assert_eq!(known_busy(200, 100, 200), 100);
        assert_eq!(known_busy(255, 1, 1000), 0, "what kept it busy has ended");
        assert_eq!(known_busy(255, 0, 0), 255);
    }

    #[test]
    fn those_are_laden_whose_fibers_stay() {
        assert!(is_laden(RUN, 7) && is_laden(u8::MAX, u32::MAX));
        assert!(!is_laden(RUN - 1, 1000), "some end at once");
        assert!(!is_laden(RUN, 6), "they are few");
    }

    #[test]
    fn who_has_more_leaves_the_rest_for_a_moment() {
        let moment = Duration::ZERO;
        assert!(leaves(500, 500, 0, moment) && leaves(600, 400, LEAVE, HELD));
        assert!(!leaves(499, 500, 0, moment), "its share is not complete");
        assert!(!leaves(600, 400, LEAVE + 1, moment), "it waited for long enough");
        assert!(!leaves(600, 400, 0, 2 * HELD), "the other is held");
    }
}
