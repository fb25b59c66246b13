//! All fibers wait, and nothing inside the runtime can wake one.
//!
//! A worker that is about to sleep, with no timer set and no operation in flight, and finds that all the others sleep so
//! too, asks here. If no other runtime of the process has anything to do, and every other thread of the process is a worker
//! or waits for fibers itself, then nothing will ever happen again: that is said, with the dump, and the process ends. If
//! there are other threads, one of them may yet wake a fiber: that is said once.

use super::dump::Dump;
use super::{process, quit};
use crate::sched::Scheduler;
use crate::sys::threads::{self, Blocked};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// With what a process ends whose fibers are deadlocked; Go ends with it too.
const EXIT_STATUS: i32 = 2;

/// Reports a stall, and ends the process if it is for ever. Called on a worker.
pub(super) fn report(scheduler: &Scheduler) {
    let runtimes = process::all();
    if runtimes.iter().any(|other| !std::ptr::eq(&**other, scheduler) && !is_idle(other)) {
        return;
    }
    let ours = runtimes.iter().map(|runtime| runtime.workers()).sum::<usize>() + Blocked::count() + quit::threads();
    let others = threads::count().map(|all| all.saturating_sub(ours));
    if others == Some(0) {
        // Once more: whoever was counted may have woken a fiber before it began to wait.
        if !scheduler.is_stalled() {
            return;
        }
        eprintln!(
            "fiber: deadlock: all fibers wait, and no timer, operation or thread is left that could wake one\n{}",
            Dump::of(scheduler)
        );
        std::process::exit(EXIT_STATUS);
    }
    if !scheduler.stall_reported.swap(true, Relaxed) {
        let others = others.map_or_else(|| "other".to_owned(), |count| count.to_string());
        eprintln!(
            "fiber: all fibers wait, and no timer or operation is left that could wake one; only one of the {others} threads of \
             this process that are not the runtime's can (this is said once)\n{}",
            Dump::of(scheduler)
        );
    }
}

/// Whether nothing will happen in a runtime unless it is told to from outside.
fn is_idle(scheduler: &Scheduler) -> bool {
    scheduler.quiet.load(SeqCst) == scheduler.workers() && !scheduler.has_fresh()
}
