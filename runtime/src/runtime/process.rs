//! The runtimes of this process.

use crate::sched::Scheduler;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Those that are up, in the order of their start.
static RUNTIMES: Mutex<Vec<Arc<Scheduler>>> = Mutex::new(Vec::new());

fn runtimes() -> MutexGuard<'static, Vec<Arc<Scheduler>>> {
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime is up.
pub(super) fn enter(scheduler: &Arc<Scheduler>) {
    runtimes().push(scheduler.clone());
}

/// A runtime takes no more fibers.
pub(super) fn leave(scheduler: &Arc<Scheduler>) {
    runtimes().retain(|up| !Arc::ptr_eq(up, scheduler));
}

/// The runtimes that are up.
pub(super) fn all() -> Vec<Arc<Scheduler>> {
    runtimes().clone()
}

/// Where a thread that is no worker spawns: the runtime that is up for longest.
pub(crate) fn default_scheduler() -> Option<Arc<Scheduler>> {
    runtimes().first().cloned()
}
