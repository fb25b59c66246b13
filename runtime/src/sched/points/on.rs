//! With the feature `internals`: counts, and strikes once.

use super::super::cancel;
use super::super::current::Current;
use crate::fiber::unwind::CancelReason;
use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

/// What happens.
pub(crate) enum Kind {
    /// The fiber is cancelled.
    Cancel,
    /// The outermost time limit in force passes.
    Deadline,
    /// The runtime is shut down.
    Shutdown,
    /// Somebody's code runs, once. It must not wait: it may be on the scheduler's stack.
    Call(Mutex<Option<Box<dyn FnOnce() + Send>>>),
}

/// What is to happen at one of a fiber's points.
pub(crate) struct Blow {
    /// At which of its points, from 1 on.
    pub(crate) at: u64,
    pub(crate) kind: Kind,
    /// How many it has passed.
    pub(crate) passed: AtomicU64,
}

/// A worker's watch over one of its fibers.
#[derive(Default)]
pub(in crate::sched) struct Points {
    /// The fiber's number; 0 is nobody's.
    fiber: Cell<u64>,
    blow: RefCell<Option<Arc<Blow>>>,
}

impl Points {
    pub(in crate::sched) fn new() -> Points {
        Points::default()
    }

    /// The fiber is at a point.
    #[inline]
    pub(in crate::sched) fn pass(&self, current: Current<'_>) {
        if self.fiber.get() == current.header().id {
            self.count(current);
        }
    }

    #[cold]
    fn count(&self, current: Current<'_>) {
        let blow = self.blow.borrow();
        let blow = blow.as_ref().expect("there is one for the fiber");
        if blow.passed.fetch_add(1, Relaxed) + 1 == blow.at {
            match &blow.kind {
                Kind::Cancel => cancel::cancel(&current.fiber(), CancelReason::User),
                Kind::Deadline => current.let_time_run_out(),
                Kind::Shutdown => current.scheduler().cancel_all(),
                Kind::Call(call) => {
                    let call = call.lock().expect("nobody panics with it").take();
                    call.expect("the point is passed once")();
                }
            }
        }
    }
}

/// Counts the running fiber's points from now on.
///
/// # Panics
///
/// Off a fiber.
pub(crate) fn arm(blow: Arc<Blow>) {
    let current = Current::get().expect("a fiber is watched");
    let points = &current.worker().points;
    points.fiber.set(current.header().id);
    *points.blow.borrow_mut() = Some(blow);
}

/// How many operations are in flight on the running fiber's worker, and whether a timer is set there.
///
/// # Panics
///
/// Off a fiber.
pub(crate) fn under_way() -> (usize, bool) {
    let worker = Current::get().expect("a worker is asked for on a fiber").worker();
    (worker.driver.borrow().in_flight(), !worker.timers.borrow().is_empty())
}
