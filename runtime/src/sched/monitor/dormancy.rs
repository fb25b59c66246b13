//! The sleep of the monitor while all workers sleep, so that an idle process costs nothing.
//!
//! The monitor: announce dormancy ► look once more whether all workers sleep ► sleep until woken. A worker that wakes: count as
//! awake ► see whether the monitor is dormant ► wake it. Each side has a sequentially consistent fence between its write and its read,
//! so one sees the other (Dekker).

use crate::sys::sync::atomic::Ordering::{AcqRel, Relaxed, SeqCst};
use crate::sys::sync::{ConstAtomicUsize, fence};

/// One, if the monitor is dormant.
pub(super) struct Dormancy(ConstAtomicUsize);

impl Dormancy {
    pub(super) const fn new() -> Dormancy {
        Dormancy(ConstAtomicUsize::new(0))
    }

    /// Announces it. `true` if the monitor may sleep; then the next worker to wake, wakes it.
    pub(super) fn begin(&self, all_asleep: impl FnOnce() -> bool) -> bool {
        self.0.store(1, Relaxed);
        fence(SeqCst);
        // If a worker has ended it in between, it has woken the monitor, whose next sleep is none.
        all_asleep() || !self.end()
    }

    /// A worker has woken, and counts as awake. Whether the caller has to wake the monitor.
    #[inline]
    pub(super) fn end(&self) -> bool {
        fence(SeqCst);
        self.0.load(Relaxed) == 1 && self.0.swap(0, AcqRel) == 1
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::sched::idle::Idle;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool as Flag;
    use loom::thread;

    /// Whenever a worker is awake, the monitor is, or is about to be woken.
    #[test]
    fn loom_monitor_is_awake_while_a_worker_is() {
        loom::model(|| {
            let idle = Arc::new(Idle::new(&[0, 1]));
            idle.fall_asleep(0, false);
            idle.fall_asleep(1, false);
            let (dormancy, woken) = (Arc::new(Dormancy::new()), Arc::new(Flag::new(false)));
            // Made before it is shared.
            assert!(!dormancy.end());
            let worker = {
                let (idle, dormancy, woken) = (idle.clone(), dormancy.clone(), woken.clone());
                thread::spawn(move || {
                    idle.wake_up(0);
                    if dormancy.end() {
                        woken.store(true, SeqCst);
                    }
                })
            };
            let sleeps = dormancy.begin(|| idle.all_asleep());
            worker.join().unwrap();
            assert!(!sleeps || woken.load(SeqCst), "the worker is awake");
        });
    }
}
