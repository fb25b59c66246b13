//! All fibers wait, and nothing inside the runtime can wake one.
//!
//! A worker that has slept for a while, with no timer set and no operation in flight, and had found when it lay down that all the others
//! sleep so too, asks here. If no other runtime of the process has anything to do, and every other thread of the process is a worker
//! or waits for fibers itself, then nothing will ever happen again: that is said, with the dump, and the process ends. If
//! there are other threads, one of them may yet wake a fiber: that is said once, and the worker asks again, a few times, a second apart.

use super::dump::Dump;
use super::{process, quit};
use crate::sched::{Scheduler, lookout, monitor, scheduler};
use crate::sys::stderr::say;
use crate::sys::threads;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// With what a process ends whose fibers are deadlocked; Go ends with it too.
const EXIT_STATUS: i32 = 2;

/// Reports a stall, and ends the process if it is for ever. Called on a worker.
pub(super) fn report(scheduler: &Scheduler) {
    let Some(others) = stalled(&process::all()) else {
        return;
    };
    if others == Some(0) {
        say(format_args!(
            "fiber: deadlock: all fibers wait, and no timer, operation or thread is left that could wake one\n{}",
            Dump::of(scheduler)
        ));
        std::process::exit(EXIT_STATUS);
    }
    if !scheduler.stall_reported.swap(true, Relaxed) {
        let others = others.map_or_else(String::new, |count| format!(" (there are {count})"));
        say(format_args!(
            "fiber: all fibers wait, and no timer or operation is left that could wake one; only a thread that is not the \
             runtime's can{others}; this is said once\n{}",
            Dump::of(scheduler)
        ));
    }
}

/// Whether nothing inside the runtimes can go on: if so, how many other threads there are, as far as that can be known.
///
/// The order of the questions matters. A thread that is counted as blocked when it is asked for, or as resting, can be woken only by a
/// fiber or by a thread that is not counted; what it had posted before it blocked is found in an inbox after, or its
/// worker has left its rest and the epoch shows it. So if no worker left its rest between the first question and the last,
/// all the answers hold together.
fn stalled(runtimes: &[Arc<Scheduler>]) -> Option<Option<usize>> {
    if monitor::is_telling() {
        // Of a thread that comes and goes it cannot be said whether it was counted.
        return None;
    }
    let epoch = scheduler::rest_epoch();
    let blocked = threads::blocked_count() + lookout::resting_threads();
    let all = threads::count();
    let idle = |runtime: &Arc<Scheduler>| runtime.is_idle();
    if !runtimes.iter().all(idle) || scheduler::rest_epoch() != epoch {
        return None;
    }
    let ours = runtimes.iter().map(|runtime| runtime.workers()).sum::<usize>()
        + blocked
        + quit::threads()
        + monitor::threads();
    Some(all.map(|all| all.saturating_sub(ours)))
}
