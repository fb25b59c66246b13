//! Numbers of a runtime.

use crate::sched::{Progress, Scheduler};

/// What a runtime has done so far, as of some moment of the call: by [`Handle::metrics`](super::Handle::metrics). The counts only rise.
///
/// # Examples
///
/// ```
/// let runtime = fiber::runtime::Runtime::new()?;
/// runtime.run(|| fiber::spawn(|| 1).join().unwrap());
/// let metrics = runtime.handle().metrics();
/// assert_eq!((metrics.spawned, metrics.live), (2, 0));
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
