//! The policy of stealing and waking.

use crate::runtime::Topology;
use crate::sched::idle::Idle;
use crate::sched::rings::{self, Plan};

/// Who steals from whom, and who is woken: what a runtime's workers ask, without workers.
///
/// ```
/// use fiber::internals::StealPolicy;
/// use fiber::runtime::Topology;
///
/// let policy = StealPolicy::new(&Topology::current(), 2);
/// assert_eq!(policy.rings(0, u32::MAX).map(|(_, victims)| victims.len()).sum::<usize>(), 1);
/// assert_eq!(policy.wake_for(0), None, "nobody sleeps");
/// ```
pub struct StealPolicy {
    plan: Plan,
    idle: Idle,
}

impl StealPolicy {
    /// That of a runtime with so many workers, all awake.
    pub fn new(topology: &Topology, workers: usize) -> StealPolicy {
        let plan = Plan::new(topology, workers);
        StealPolicy { idle: Idle::new(&plan.node_of), plan }
    }

    /// The place of the worker's node among those with workers.
    pub fn node(&self, worker: usize) -> usize {
        self.plan.node_of[worker]
    }

    /// The rings that a worker looks at after so many searches that found nothing: how much it takes at once, and whom it
    /// has.
    pub fn rings(&self, worker: usize, misses: u32) -> impl Iterator<Item = (usize, &[usize])> {
        rings::due(&self.plan.rings[worker], misses).map(|ring| (ring.batch, &ring.workers[..]))
    }

    /// A worker has published work that anybody may take: whom it wakes.
    pub fn wake_for(&self, worker: usize) -> Option<usize> {
        self.idle.worker_to_wake(&self.plan.outward[self.node(worker)])
    }

    /// Whether a worker without work may search.
    pub fn start_searching(&self, worker: usize) -> bool {
        self.idle.start_searching(self.node(worker))
    }

    /// A worker that searched has found work. `true` if it is to wake the next if there is more: it was the last of its node.
    pub fn stop_searching(&self, worker: usize) -> bool {
        self.idle.stop_searching(self.node(worker))
    }

    /// A worker goes to sleep. `true` if it was the last one of its node that searched.
    pub fn fall_asleep(&self, worker: usize, searching: bool) -> bool {
        self.idle.fall_asleep(worker, searching)
    }

    /// A worker wakes. `true` if it was chosen to search.
    pub fn wake_up(&self, worker: usize) -> bool {
        self.idle.wake_up(worker)
    }
}

impl std::fmt::Debug for StealPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.plan.fmt(f)
    }
}
