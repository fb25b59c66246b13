//! The threads of this process, as the kernel counts them, and those that cannot help a stalled runtime.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

/// The number of threads in this process, from `/proc/self/task` (proc(5)); `None` where `/proc` is not mounted.
pub(crate) fn count() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

static BLOCKED: AtomicUsize = AtomicUsize::new(0);

/// Counts the calling thread, while it lives, among those that only wait for fibers.
pub(crate) struct Blocked(());

impl Blocked {
    pub(crate) fn enter() -> Blocked {
        BLOCKED.fetch_add(1, SeqCst);
        Blocked(())
    }

    /// How many threads wait for nothing but fibers.
    pub(crate) fn count() -> usize {
        BLOCKED.load(SeqCst)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        BLOCKED.fetch_sub(1, SeqCst);
    }
}
