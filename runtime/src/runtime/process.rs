//! The runtimes of this process.

use crate::sched::Scheduler;
use std::cell::OnceCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

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

thread_local! {
    /// The runtime whose blocking calls this thread makes.
    static SERVED: OnceCell<Weak<Scheduler>> = const { OnceCell::new() };
}

/// The calling thread is one of this runtime's blocking pool.
pub(crate) fn serve(scheduler: Weak<Scheduler>) {
    SERVED.with(|served| {
        let _ = served.set(scheduler);
    });
}

/// The runtime whose blocking calls the calling thread makes, if it does.
pub(super) fn served() -> Option<Arc<Scheduler>> {
    // Not while the thread's locals are being destroyed.
    SERVED.try_with(|served| served.get()?.upgrade()).ok()?
}

/// Where a thread that is no worker spawns: the runtime whose blocking calls it makes, else the one that is up for longest.
pub(crate) fn default_scheduler() -> Option<Arc<Scheduler>> {
    served().or_else(|| runtimes().first().cloned())
}
