//! What the workers of one runtime share.

use super::clock;
use super::home::Home;
use super::idle::Idle;
use super::monitor::OnHeld;
use super::nodes::{Nodes, Place};
use super::roaming::Roads;
use super::worker::Worker;
use crate::Numa;
use crate::driver::DriverKind;
use crate::fiber::identity::Identity;
use crate::fiber::join::Completed;
use crate::fiber::record::{FiberRef, Handle};
use crate::fiber::stack::{StackPool, StackStatistics};
use crate::fiber::unwind::{CancelReason, NotStarted, Raised, Target};
use crate::task::Pool;
use crossbeam_deque::Stealer;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How a runtime's workers are set up.
pub(crate) struct Settings {
    /// Prefix of the names of the worker threads.
    pub(crate) name: String,
    /// Bytes of stack of a fiber that asks for none.
    pub(crate) stack_size: usize,
    /// Whether the deepest use of each fiber's stack is measured when it ends.
    pub(crate) measure_stacks: bool,
    /// Where fibers start that do not say.
    pub(crate) numa: Numa,
    pub(crate) driver: crate::driver::DriverConfig,
    /// How long a fiber may run before it is asked to yield.
    pub(crate) timeslice: Duration,
    /// How long a fiber may hold its worker before that is reported; `None` if nothing is.
    pub(crate) held_limit: Option<Duration>,
    /// Called on a thread of its own when a fiber holds its worker for longer.
    pub(crate) held: OnHeld,
    /// Called on a worker when all fibers wait and nothing inside the runtime can wake one.
    pub(crate) stalled: fn(&Scheduler),
}

/// Where a runtime is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Fibers are spawned and run.
    Running = 0,
    /// All fibers are cancelled, also those that are spawned from now on.
    Cancelling = 1,
    /// No fiber is left and none will be taken; the workers end.
    Ended = 2,
}

/// The shared state of one runtime.
pub(crate) struct Scheduler {
    pub(crate) settings: Settings,
    pub(crate) homes: Box<[&'static Home]>,
    /// The workers' queues of fresh fibers that anybody may take.
    pub(crate) stealers: Box<[Stealer<FiberRef>]>,
    /// Their queues of those that the workers of their node may take. None where there is one node.
    pub(crate) bound: Box<[Stealer<FiberRef>]>,
    /// The queues of started fibers that anybody may take.
    pub(crate) roads: Roads,
    pub(crate) nodes: Nodes,
    pub(crate) idle: Idle,
    /// Each worker's stack pool; workers of one NUMA node share theirs.
    pub(crate) stacks: Box<[Arc<StackPool>]>,
    /// The threads for blocking calls; carried for `task`, nothing in this room calls it.
    pub(crate) blocking: Arc<Pool>,
    /// By which interface of the kernel the workers wait; set by the first that is up.
    pub(crate) driver: OnceLock<(DriverKind, &'static str)>,
    /// Workers that sleep with no timer set and no operation in flight.
    quiet: AtomicUsize,
    /// Whether the runtime is up to its first stall: it is reported once.
    pub(crate) stall_reported: AtomicBool,
    stage: AtomicU8,
}

/// How often a worker of any runtime has ended its rest.
static REST_EPOCH: AtomicU64 = AtomicU64::new(0);

/// Two equal readings: no worker ended its rest in between.
pub(crate) fn rest_epoch() -> u64 {
    REST_EPOCH.load(SeqCst)
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The first of `count` fiber identifiers that nobody else gets.
pub(crate) fn reserve_ids(count: u64) -> u64 {
    NEXT_ID.fetch_add(count, Relaxed)
}

impl Scheduler {
    pub(crate) fn new(
        settings: Settings,
        nodes: Nodes,
        stacks: Box<[Arc<StackPool>]>,
        stealers: Box<[Stealer<FiberRef>]>,
        bound: Box<[Stealer<FiberRef>]>,
        roads: Roads,
        blocking: Pool,
    ) -> Arc<Scheduler> {
        let workers = stealers.len();
        Arc::new(Scheduler {
            settings,
            homes: (0..workers).map(|_| Home::acquire()).collect(),
            stealers,
            bound,
            roads,
            idle: Idle::new(&nodes.plan.node_of),
            nodes,
            stacks,
            blocking: Arc::new(blocking),
            driver: OnceLock::new(),
            quiet: AtomicUsize::new(0),
            stall_reported: AtomicBool::new(false),
            stage: AtomicU8::new(Stage::Running as u8),
        })
    }

    pub(crate) fn workers(&self) -> usize {
        self.homes.len()
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Acquire) {
            0 => Stage::Running,
            1 => Stage::Cancelling,
            _ => Stage::Ended,
        }
    }

    /// Spawns a fiber on this runtime, from anywhere. If the runtime has ended, the fiber is cancelled before it starts.
    pub(crate) fn spawn<F: FnOnce() -> T, T>(
        self: &Arc<Self>,
        f: F,
        identity: Identity,
        numa: Option<Numa>,
    ) -> Handle<T> {
        if let Some(worker) = Worker::current()
            && Arc::ptr_eq(worker.scheduler(), self)
        {
            return worker.spawn(f, identity, numa);
        }
        let (fiber, handle) = FiberRef::spawn(f, reserve_ids(1), identity);
        if let Some(task) = fiber.identity.task {
            task.counters().spawned(0);
        }
        let here = self.nodes.here();
        let place = self.place(&fiber, numa, here);
        match self.nodes.injector(place, here).push(fiber, clock::now()) {
            Ok(()) => self.wake_for(place, here),
            Err(fiber) => withdraw(&fiber),
        }
        handle
    }

    /// Where a fresh fiber goes that is spawned on the node in place `here`. A fiber that asks for a node which is not there starts
    /// anywhere, to end with an error that says so. By its spawner, before the fiber is in any queue.
    pub(super) fn place(&self, fiber: &FiberRef, numa: Option<Numa>, here: usize) -> Place {
        let place = self.nodes.place(numa.unwrap_or(self.settings.numa), || here);
        if let Ok(Place::Node(node)) = place {
            fiber.roam.bind(node);
        }
        place.unwrap_or_else(|unknown| {
            fiber.own.refused.set(Some(Box::new(NotStarted(unknown.to_string()))));
            Place::Anywhere
        })
    }

    /// Wakes a worker that may take what was just published, if one sleeps and none searches.
    pub(super) fn wake_for(&self, place: Place, here: usize) {
        match place {
            Place::Anywhere => self.wake_for_fresh(here),
            Place::Node(node) => self.ring(self.idle.worker_to_wake_on(node)),
        }
    }

    /// Wakes a worker for fresh work that anybody may take and that was just published on the node in place `here`, if one sleeps and
    /// none searches: the nearest.
    #[inline]
    pub(crate) fn wake_for_fresh(&self, here: usize) {
        self.ring(self.idle.worker_to_wake(&self.nodes.plan.outward[here]));
    }

    fn ring(&self, worker: Option<usize>) {
        if let Some(worker) = worker {
            self.homes[worker].ring_if_asleep();
        }
    }

    /// A worker searches no more, as the last one of its node: whoever published work that it might have found woke nobody.
    pub(super) fn search_ended(&self, node: usize) {
        fence(SeqCst);
        if self.has_for_anybody() {
            self.wake_for_fresh(node);
        }
        if self.has_bound(node) {
            self.wake_for(Place::Node(node), node);
        }
    }

    /// How many fibers are spawned and have not ended. Exact when zero; otherwise as of some moment of the call.
    ///
    /// Ends are counted before spawns are: every fiber whose end is counted has its spawn counted too, so the difference is
    /// never too small.
    pub(crate) fn live(&self) -> u64 {
        self.fibers().1
    }

    /// How many fibers were spawned, and how many of them have not ended; as [`live`](Self::live).
    pub(crate) fn fibers(&self) -> (u64, u64) {
        let ended: u64 = self.homes.iter().map(|home| home.ended()).sum();
        let pushed = self.nodes.pushed();
        let spawned = pushed + self.homes.iter().map(|home| home.spawned()).sum::<u64>();
        (spawned, spawned - ended)
    }

    /// Whether any queue that all workers serve has a fiber.
    fn has_for_anybody(&self) -> bool {
        self.nodes.has_for_anybody()
            || self.stealers.iter().any(|stealer| !stealer.is_empty())
            || self.roads.has_for_anybody()
    }

    /// Whether a queue that only the workers of this node serve has a fresh fiber.
    fn has_bound(&self, node: usize) -> bool {
        let own = self.bound.iter().zip(&self.nodes.plan.node_of).filter(|&(_, &of)| of == node);
        self.nodes.has_bound(node)
            || own.into_iter().any(|(stealer, _)| !stealer.is_empty())
            || self.roads.has_bound(node)
    }

    /// Whether any queue that a worker of this node may take from has a fresh fiber.
    pub(super) fn has_fresh_for(&self, node: usize) -> bool {
        self.has_for_anybody() || self.has_bound(node)
    }

    /// How many fresh fibers wait in the queues.
    pub(crate) fn queued(&self) -> usize {
        let kept: usize = self.homes.iter().map(|home| home.kept()).sum();
        self.nodes.len() + kept + self.stealers.iter().chain(&self.bound).map(Stealer::len).sum::<usize>()
    }

    /// The stacks of all the runtime's pools.
    pub(crate) fn stack_statistics(&self) -> StackStatistics {
        let mut sum = StackStatistics::default();
        for (index, pool) in self.stacks.iter().enumerate() {
            // Workers of a node share a pool: each is counted where it stands first.
            if !self.stacks[..index].iter().any(|earlier| Arc::ptr_eq(earlier, pool)) {
                sum += pool.statistics();
            }
        }
        sum
    }

    /// Cancels every fiber of the runtime, now and from now on.
    pub(crate) fn cancel_all(&self) {
        if self.stage.compare_exchange(Stage::Running as u8, Stage::Cancelling as u8, AcqRel, Acquire).is_ok() {
            self.wake_all();
        }
    }

    /// Ends the runtime if it is being shut down and no fiber is left. Called by workers that have nothing to do.
    pub(crate) fn end_if_empty(&self) -> bool {
        match self.stage() {
            Stage::Running => false,
            Stage::Ended => true,
            Stage::Cancelling => {
                // Two workers may end the last two fibers at once: each has counted its own, and after the fence one of them
                // sees both.
                fence(SeqCst);
                if self.live() != 0 {
                    return false;
                }
                let mut queues = self.nodes.lock();
                // No fiber is left to spawn one, and under these locks nobody outside can: the second look is final.
                let ended: u64 = self.homes.iter().map(|home| home.ended()).sum();
                let pushed: u64 = queues.iter().map(|queue| queue.pushed()).sum();
                let spawned = self.homes.iter().map(|home| home.spawned()).sum::<u64>() + pushed;
                if ended != spawned || queues.iter().any(|queue| !queue.is_empty()) {
                    return false;
                }
                queues.iter_mut().for_each(|queue| queue.close());
                drop(queues);
                self.stage.store(Stage::Ended as u8, SeqCst);
                self.wake_all();
                true
            }
        }
    }

    fn wake_all(&self) {
        for home in &self.homes {
            home.ring_if_asleep();
        }
    }

    /// Whether all workers rest, and nothing was posted or queued that one of them will come to.
    pub(crate) fn is_idle(&self) -> bool {
        self.quiet.load(SeqCst) == self.workers()
            && self.homes.iter().all(|home| home.inbox().is_empty() && home.requests().is_empty())
            && self.queued() == 0
            && self.roads.is_empty()
    }

    /// A worker is about to sleep with no timer set and no operation in flight. `true` if all of them do, with fibers left.
    pub(crate) fn begin_rest(&self) -> bool {
        let all = self.quiet.fetch_add(1, SeqCst) + 1 == self.workers();
        // The count first: a fiber that is spawned after it is then in a queue.
        all && self.stage() == Stage::Running && self.live() > 0 && self.is_idle()
    }

    /// The worker is awake again.
    pub(crate) fn end_rest(&self) {
        REST_EPOCH.fetch_add(1, SeqCst);
        self.quiet.fetch_sub(1, SeqCst);
    }
}

/// Ends a fresh fiber that no worker will take.
pub(crate) fn withdraw(fiber: &FiberRef) {
    if let Some(task) = fiber.identity.task {
        task.counters().withdrawn(0);
    }
    // SAFETY: the caller took the fiber from the way to its queue, so nobody else will run it.
    unsafe { fiber.refuse(Box::new(Raised { target: Target::Fiber, reason: CancelReason::Shutdown })) };
    publish(fiber);
}

/// Publishes the result of a fiber, or drops it if nobody will ask, and tells the fiber's parent.
#[inline]
pub(crate) fn publish(fiber: &FiberRef) {
    match fiber.join.complete() {
        Completed::Published => (),
        Completed::Wake(waiter) => waiter.wake(),
        Completed::Abandoned => {
            // SAFETY: the handle is gone, so by the join protocol the result is the fiber's.
            if let Some(panic) = unsafe { fiber.discard() } {
                fiber.lose(panic);
            }
        }
    }
    if let Some(parent) = &fiber.identity.parent {
        parent.child_ended();
    }
}
