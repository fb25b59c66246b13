//! A cancellation at a moment of one's choice.

use crate::sched::{self, Kind};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

/// Strikes at one of a fiber's points, see `sched::points`.
///
/// ```
/// use fiber::internals::Blow;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let blow = Blow::cancel_at(1);
/// let fiber = fiber::spawn({
///     let blow = blow.clone();
///     move || {
///         blow.arm();
///         fiber::park();
///     }
/// });
/// assert!(fiber.join().unwrap_err().is_cancelled());
/// assert!(blow.has_struck());
/// # });
/// ```
#[derive(Clone)]
pub struct Blow(Arc<sched::Blow>);

impl Blow {
    /// Cancels the fiber at its `at`-th point, from 1 on.
    #[must_use]
    pub fn cancel_at(at: u64) -> Blow {
        Blow::new(at, Kind::Cancel)
    }

    /// Lets the outermost time limit that is then in force pass.
    #[must_use]
    pub fn time_out_at(at: u64) -> Blow {
        Blow::new(at, Kind::Deadline)
    }

    /// Begins to shut the runtime down.
    #[must_use]
    pub fn shut_down_at(at: u64) -> Blow {
        Blow::new(at, Kind::Shutdown)
    }

    /// Calls `f`, which must not wait: to strike somebody else at a moment of the fiber's.
    ///
    /// ```
    /// use fiber::internals::Blow;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let other = fiber::spawn(fiber::park);
    /// let victim = other.fiber();
    /// let blow = Blow::call_at(1, move || victim.cancel());
    /// blow.arm();
    /// assert!(other.join().unwrap_err().is_cancelled());
    /// # });
    /// ```
    #[must_use]
    pub fn call_at(at: u64, f: impl FnOnce() + Send + 'static) -> Blow {
        Blow::new(at, Kind::Call(Mutex::new(Some(Box::new(f)))))
    }

    fn new(at: u64, kind: Kind) -> Blow {
        Blow(Arc::new(sched::Blow { at, kind, passed: AtomicU64::new(0) }))
    }

    /// The running fiber is the one; its points count from now on. A worker watches one fiber, the last to be armed.
    ///
    /// # Panics
    ///
    /// Off a fiber.
    pub fn arm(&self) {
        sched::arm(self.0.clone());
    }

    /// Whether the fiber has come so far.
    #[must_use]
    pub fn has_struck(&self) -> bool {
        self.0.passed.load(Relaxed) >= self.0.at
    }

    /// How many points it has passed.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.0.passed.load(Relaxed)
    }
}

impl fmt::Debug for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blow").field("at", &self.0.at).field("passed", &self.passed()).finish_non_exhaustive()
    }
}

/// How many operations are in flight on the running fiber's worker, and whether a timer is set there.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// assert_eq!(fiber::internals::under_way(), (0, false));
/// # });
/// ```
///
/// # Panics
///
/// Off a fiber.
#[must_use]
pub fn under_way() -> (usize, bool) {
    sched::under_way()
}
