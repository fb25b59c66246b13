//! What a runtime and its workers have done.

use crate::sched::rings::Nearness;
use crate::sched::worker::Worker;
use crate::sched::{Progress, Scheduler};

/// What a runtime has done so far, as of some moment of the call: by [`Handle::metrics`](super::Handle::metrics). The counts only rise.
///
/// # Examples
///
/// ```
/// let runtime = fiber::runtime::Runtime::new()?;
/// runtime.run(|| fiber::spawn(|| 1).join().unwrap());
/// let metrics = runtime.handle().metrics();
/// assert_eq!(metrics.spawned, 2);
/// assert!(metrics.live <= 2, "a fiber is counted as ended soon after its result is there");
/// # Ok::<(), fiber::runtime::RuntimeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Workers.
    pub workers: usize,
    /// Fibers that were spawned.
    pub spawned: u64,
    /// Fibers that have not ended, started or not.
    pub live: u64,
    /// Fibers that have not started.
    pub queued: usize,
    /// How often a fiber yielded at a checkpoint because it had used up its time slice.
    pub slices_expired: u64,
    /// How often a fiber held its worker for longer than the limit, reported or not.
    pub workers_held: u64,
    /// Timers and completions that were served by a worker that a fiber had held for longer than the limit just before.
    pub late: u64,
}

impl Metrics {
    pub(super) fn of(scheduler: &Scheduler) -> Metrics {
        let (spawned, live) = scheduler.fibers();
        let sum = |count: fn(&Progress) -> u64| scheduler.homes.iter().map(|home| count(&home.progress)).sum::<u64>();
        Metrics {
            workers: scheduler.workers(),
            spawned,
            live,
            queued: scheduler.queued(),
            slices_expired: sum(Progress::expired),
            workers_held: sum(Progress::held),
            late: sum(Progress::late),
        }
    }
}

/// Where a worker is and what it has done since its runtime started: one of
/// [`Handle::worker_metrics`](super::Handle::worker_metrics).
///
/// Each count is as of some moment of the call, and none waits for the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// The number of its NUMA node.
    pub node: u32,
    /// The number of the CPU that it was meant for. On a machine with one node it may run on any, otherwise on any of its node.
    pub cpu: usize,
    /// Fibers spawned on it.
    pub spawned: u64,
    /// Fibers that ended on it.
    pub ended: u64,
    /// Fibers that it took, before they started, from workers on hyperthreads of its own core.
    pub stolen_from_siblings: u64,
    /// The same, from workers that share its last-level cache.
    pub stolen_within_cache: u64,
    /// The same, from other workers of its node.
    pub stolen_within_node: u64,
    /// The same, from other nodes.
    pub stolen_from_other_nodes: u64,
    /// Fibers that it gave to other workers before they started, because those had less to do.
    pub given: u64,
    /// How often a [migratable](crate::Builder::migratable) fiber that had started came to it from another worker. Zero without the feature
    /// `migrate`.
    pub migrated: u64,
    /// How often it went to sleep for want of work.
    pub sleeps: u64,
}

impl WorkerMetrics {
    pub(super) fn of(scheduler: &Scheduler) -> Vec<WorkerMetrics> {
        let plan = &scheduler.nodes.plan;
        let worker = |index: usize| {
            let home = scheduler.homes[index];
            WorkerMetrics {
                node: plan.nodes[plan.node_of[index]],
                cpu: plan.cpus[index].number(),
                spawned: home.spawned(),
                ended: home.ended(),
                stolen_from_siblings: home.stolen(Nearness::Sibling),
                stolen_within_cache: home.stolen(Nearness::Cache),
                stolen_within_node: home.stolen(Nearness::Node),
                stolen_from_other_nodes: home.stolen(Nearness::Remote),
                given: home.given(),
                migrated: home.migrated(),
                sleeps: home.sleeps(),
            }
        };
        (0..scheduler.workers()).map(worker).collect()
    }

    /// Fibers that it took from others before they started, from wherever.
    #[must_use]
    pub fn stolen(&self) -> u64 {
        self.stolen_from_siblings + self.stolen_within_cache + self.stolen_within_node + self.stolen_from_other_nodes
    }
}

/// The number of the worker that runs the calling fiber, from zero; `None` on a thread that is no worker. A started fiber keeps it,
/// unless it is [migratable](crate::Builder::migratable).
///
/// # Examples
///
/// ```
/// use fiber::runtime::{Builder, current_worker};
///
/// let runtime = Builder::new().workers(1).build()?;
/// assert_eq!(runtime.run(current_worker), Some(0));
/// assert_eq!(current_worker(), None);
/// # Ok::<(), fiber::runtime::RuntimeError>(())
/// ```
#[must_use]
pub fn current_worker() -> Option<usize> {
    Worker::current().map(Worker::index)
}
