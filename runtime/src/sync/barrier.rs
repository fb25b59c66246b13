//! A barrier.

use crate::fiber::Reason;
use crate::sched::{GaveUp, WaitList};
use crate::sync::time_left::TimeLeft;
use crate::sys::sync::Lock;
use std::fmt;
use std::time::Duration;

/// A barrier, as [`std::sync::Barrier`]: lets nobody pass before a number of fibers or threads are there. Waiting suspends the fiber,
/// not the worker.
///
/// It can be used again as soon as everybody was let pass.
///
/// It works between fibers, between threads, where it parks the thread, and across; also across runtimes.
///
/// # Examples
///
/// ```
/// use fiber::sync::Barrier;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let (barrier, arrived) = (Arc::new(Barrier::new(10)), Arc::new(AtomicUsize::new(0)));
/// let fibers: Vec<_> = (0..10)
///     .map(|_| {
///         let (barrier, arrived) = (barrier.clone(), arrived.clone());
///         fiber::spawn(move || {
///             arrived.fetch_add(1, Ordering::Relaxed);
///             let leads = barrier.wait().is_leader();
///             assert_eq!(arrived.load(Ordering::Relaxed), 10);
///             leads
///         })
///     })
///     .collect();
/// let leaders = fibers.into_iter().map(|fiber| fiber.join().unwrap()).filter(|&leads| leads);
/// assert_eq!(leaders.count(), 1);
/// # });
/// ```
pub struct Barrier {
    parties: usize,
    state: Lock<State>,
    waiters: WaitList,
}

struct State {
    /// How many of the parties of this round are there.
    arrived: usize,
    /// How often the barrier has opened.
    round: u64,
}

/// What [`Barrier::wait`] returns: whether the caller leads.
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether the caller is the one of its round for which this is true: the one that came last.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// A barrier for so many parties. 0 is as 1: nobody waits.
    #[must_use]
    pub const fn new(n: usize) -> Barrier {
        Barrier { parties: n, state: Lock::new(State { arrived: 0, round: 0 }), waiters: WaitList::new() }
    }

    /// Waits until all parties are there.
    ///
    /// The wait is a cancellation point that cannot return an error: a cancelled fiber unwinds from it, and does not count
    /// any more: the others wait for somebody in its place.
    pub fn wait(&self) -> BarrierWaitResult {
        self.wait_until(TimeLeft::UNLIMITED).expect("it was interrupted, or the barrier has opened")
    }

    /// Waits until all parties are there, at most for `timeout`. `None` if they were not: then the caller does not count any more.
    ///
    /// A cancellation point, as [`wait`](Self::wait).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let barrier = fiber::sync::Barrier::new(2);
    /// assert!(barrier.wait_timeout(Duration::from_millis(1)).is_none());
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Option<BarrierWaitResult> {
        self.wait_until(TimeLeft::of(timeout))
    }

    fn wait_until(&self, left: TimeLeft) -> Option<BarrierWaitResult> {
        let round = {
            let mut state = self.state.lock();
            state.arrived += 1;
            if state.arrived < self.parties {
                Some(state.round)
            } else {
                state.arrived = 0;
                state.round += 1;
                None
            }
        };
        let Some(round) = round else {
            // Somebody of the next round may be there already: it looks, and waits again.
            self.waiters.wake_all();
            return Some(BarrierWaitResult(true));
        };
        while self.is_closed(round) {
            let waited = self.waiters.wait(Reason::Barrier, left.get(), false, || self.is_closed(round));
            if let Err(gave_up) = waited
                && self.withdraw(round)
            {
                match gave_up {
                    GaveUp::TimedOut => return None,
                    GaveUp::Interrupted(interruption) => interruption.raise(),
                }
            }
        }
        Some(BarrierWaitResult(false))
    }

    fn is_closed(&self, round: u64) -> bool {
        self.state.lock().round == round
    }

    /// Counts one party less; `false` if the barrier has opened for it.
    fn withdraw(&self, round: u64) -> bool {
        let mut state = self.state.lock();
        let closed = state.round == round;
        if closed {
            state.arrived -= 1;
        }
        closed
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}

impl fmt::Debug for BarrierWaitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWaitResult").field("is_leader", &self.is_leader()).finish()
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut bounded = loom::model::Builder::new();
        bounded.preemption_bound = Some(2);
        bounded.check(model);
    }

    /// Two rounds of two: one leads in each, and both pass.
    #[test]
    fn loom_barrier_opens_for_each_round() {
        check(|| {
            let barrier = Arc::new(Barrier::new(2));
            let rounds = |barrier: &Barrier| [barrier.wait().is_leader(), barrier.wait().is_leader()];
            let other = thread::spawn({
                let barrier = barrier.clone();
                move || rounds(&barrier)
            });
            let (own, other) = (rounds(&barrier), other.join().unwrap());
            assert!(own[0] != other[0] && own[1] != other[1]);
        });
    }

    /// Two that give up at any moment: either both pass, or neither does and neither counts any more.
    #[test]
    fn loom_barrier_giving_up_does_not_count() {
        check(|| {
            let barrier = Arc::new(Barrier::new(2));
            let hasty = thread::spawn({
                let barrier = barrier.clone();
                move || barrier.wait_timeout(Duration::ZERO).is_some()
            });
            let passed = barrier.wait_timeout(Duration::ZERO).is_some();
            assert_eq!(passed, hasty.join().unwrap());
            assert_eq!(barrier.state.lock().arrived, 0);
        });
    }
}
