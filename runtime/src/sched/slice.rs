//! Time slices: a fiber that has run for long is asked to yield, and does so at its next checkpoint.
//!
//! The question is put by the monitor, in the worker's [`Progress`](super::progress::Progress). A checkpoint does not look
//! there: that would take the worker's address from a thread-local at each iteration of each loop, and a fiber that may change
//! its worker must not keep such an address. It reads one word of the whole process, which is zero nearly always: the number of
//! questions that are open. One is answered at the next checkpoint, within nanoseconds, or taken back by the monitor's next
//! look, because the fiber has no checkpoint where it is; so the word that all processors read is written a few hundred times a
//! second at most.

use super::current::Current;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// How many running fibers are asked to yield, in all runtimes of the process.
static OPEN: AtomicU32 = AtomicU32::new(0);

pub(super) fn one_is_asked() {
    OPEN.fetch_add(1, Relaxed);
}

pub(super) fn one_is_answered() {
    OPEN.fetch_sub(1, Relaxed);
}

/// Yields if the running fiber has used up its time slice.
#[inline(always)]
pub(crate) fn checkpoint() {
    if OPEN.load(Relaxed) != 0 {
        answer();
    }
}

/// Whether the running fiber has used up its time slice, or something is due before it.
#[inline(never)]
pub(crate) fn should_yield() -> bool {
    Current::get().is_some_and(|current| {
        let worker = current.worker();
        worker.home().progress.is_used_up() || worker.is_overtaken(current.slot)
    })
}

// Out of line as `should_yield`: no address of anything that belongs to the thread leaves them.
#[cold]
#[inline(never)]
fn answer() {
    let Some(current) = Current::get() else {
        return;
    };
    // Where a fiber must stay, the question stays open for the next checkpoint. One that is unwound runs destructors, which
    // were written to be left alone.
    if current.is_to_stay() || current.is_unwinding() {
        return;
    }
    let progress = &current.worker().home().progress;
    // It may have been put to the fiber before.
    if progress.withdraw() && progress.is_used_up() {
        progress.count_expired();
        // The others are not only those that are ready, but also whom a timer or a completion will wake, and those that have not
        // started.
        progress.end_batch();
        current.yield_used_up();
    }
}
