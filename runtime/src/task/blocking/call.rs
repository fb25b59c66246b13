//! One call: the closure and then its outcome, in the caller's frame.

use super::pool::{Callee, Job};
use crate::fiber::record::Waiter;
use crate::sys::sync::atomic::Ordering::{Acquire, Release};
use crate::sys::sync::{AtomicBool, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::thread::Result as Outcome;

/// A call on the stack of the fiber that makes it.
///
/// The stage belongs to whoever has the call's [`Job`], and to the fiber before the job was made, after it was withdrawn, and once
/// `done` is set.
pub(super) struct Call<F, T> {
    stage: UnsafeCell<Stage<F, T>>,
    /// Set by the thread that ran the closure, as its last access to the call.
    done: AtomicBool,
}

enum Stage<F, T> {
    Closure(F),
    Outcome(Outcome<T>),
    Empty,
}

impl<F: FnOnce() -> T, T> Call<F, T> {
    pub(super) fn new(f: F) -> Self {
        Call { stage: UnsafeCell::new(Stage::Closure(f)), done: AtomicBool::new(false) }
    }

    /// The call as the pool sees it; when it was made, `waiter` is woken.
    ///
    /// # Safety
    ///
    /// Closure and result may be used on another thread. Until [`outcome`](Self::outcome) has given one or the job was dropped without
    /// being run, the call stays where it is, and what the closure borrows stays lent. Called once.
    pub(super) unsafe fn lend(&self, waiter: Waiter) -> Job {
        Job { call: Callee::Lent(make::<F, T>, ptr::from_ref(self).cast()), waiter }
    }

    /// The closure's result or panic, once it has ended. Given out once.
    pub(super) fn outcome(&self) -> Option<Outcome<T>> {
        if !self.done.load(Acquire) {
            return None;
        }
        // SAFETY: `done` was the thread's last access to the call, and its release is seen here.
        match self.stage.with_mut(|stage| unsafe { stage.replace(Stage::Empty) }) {
            Stage::Outcome(outcome) => Some(outcome),
            Stage::Closure(_) | Stage::Empty => None,
        }
    }
}

/// Makes the call. It may be gone when this returns.
///
/// # Safety
///
/// `call` is a lent `Call<F, T>`, and the caller has its job.
unsafe fn make<F: FnOnce() -> T, T>(call: *const ()) {
    let call = call.cast::<Call<F, T>>();
    // SAFETY: by `lend` the call stays where it is until `done` is set, below.
    let Call { stage, done } = unsafe { &*call };
    // SAFETY: the stage is the job's, which the caller has.
    let Stage::Closure(f) = stage.with_mut(|stage| unsafe { stage.replace(Stage::Empty) }) else {
        unreachable!("a call is made once");
    };
    let outcome = catch_unwind(AssertUnwindSafe(f));
    // SAFETY: as above. The old value is `Empty`, so nothing is dropped.
    stage.with_mut(|stage| unsafe { stage.write(Stage::Outcome(outcome)) });
    done.store(true, Release);
}
