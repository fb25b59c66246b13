//! Ending a wait before its time: cancellation of the whole fiber, and time limits.
//!
//! There is no message "you are cancelled". There are conditions, the fiber's `cancelled` flag and the `passed` flags of
//! the [`Limit`]s on its stack, and there is a wake. The woken fiber finds the condition at its own suspension point and takes
//! its wait back there, on its own stack: it unlinks its node, or cancels its operation and awaits that completion. So nothing
//! that was lent out during a wait survives the wait.
//!
//! Delivery, per cause: once as an error, where the wait can return one; after that, and where it cannot, by unwinding with
//! [`Raised`]. Never while a panic unwinds on this thread (a second unwinding would abort), and never in a shielded section.
//!
//! The flag and the wake race with a fiber that is just starting: the canceller sets the flag and then reads `home`; the worker
//! sets `home` and the fiber then reads the flag. The fence before a fiber's first wait ([`Current::interruption`]) makes one of
//! them see the other's write; fibers that never wait do not pay for it.

use super::clock;
use super::current::Current;
use super::timer::Timer;
use crate::fiber::record::FiberRef;
use crate::fiber::unwind::{Raised, Target};
use crate::sys::stderr::say;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::fence;

/// The fiber was cancelled: the source of the [`io::Error`] that a wait returns because of it.
///
/// ```
/// use std::io;
///
/// let error = io::Error::other(fiber::Cancelled);
/// assert!(error.get_ref().is_some_and(|source| source.is::<fiber::Cancelled>()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fiber was cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// A time limit ran out: what [`time::timeout`](crate::time::timeout) returns.
///
/// Converts into an [`io::Error`] of kind [`TimedOut`](io::ErrorKind::TimedOut).
///
/// ```
/// use fiber::time::{Elapsed, sleep, timeout};
/// use std::time::Duration;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let late = timeout(Duration::from_millis(1), || sleep(Duration::from_secs(60)));
/// assert_eq!(late, Err(Elapsed));
/// let error: std::io::Error = Elapsed.into();
/// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time limit has passed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// A time limit in force, in the frame of [`with_limit`] on the limited fiber's stack.
struct Limit {
    /// A number that no other limit of the process has.
    number: u64,
    outer: *const Limit,
    passed: Cell<bool>,
    /// Whether it was given as an error already.
    told: Cell<bool>,
}

impl Limit {
    fn target(&self) -> Target {
        Target::Limit(self.number)
    }
}

/// Why a wait has to end now.
#[derive(Clone, Copy)]
pub(crate) struct Interruption<'a> {
    current: Current<'a>,
    /// The limit that has passed; `None` if the fiber was cancelled.
    limit: Option<&'a Limit>,
}

impl<'a> Current<'a> {
    /// Why the wait that is about to begin, or goes on, has to end; `None` if it may wait.
    #[inline]
    pub(crate) fn interruption(&self) -> Option<Interruption<'a>> {
        let header = self.header();
        let own = &header.own;
        if !own.settled.replace(true) {
            fence(SeqCst);
        }
        if !header.cancelled.load(Relaxed) && own.has_no_limits() {
            return None;
        }
        self.look_for_interruption()
    }

    #[cold]
    fn look_for_interruption(&self) -> Option<Interruption<'a>> {
        let header = self.header();
        if header.own.is_shielded() {
            return None;
        }
        if std::thread::panicking() {
            // Perhaps not this fiber's panic but a sibling's, suspended in the middle of it: look again when it is over.
            self.worker.postponed.set(true);
            return None;
        }
        // Whatever unwinding there was is over, perhaps swallowed by a `catch_unwind` of the user's.
        header.own.raised.set(false);
        if header.cancelled.load(Relaxed) {
            return Some(Interruption { current: *self, limit: None });
        }
        // The outermost limit that has passed: the others end with it.
        let mut passed = None;
        for list in header.own.limit_lists() {
            let mut limit = list.cast::<Limit>();
            // SAFETY: the lists hold the limits whose `with_limit` frames are below the caller, on this fiber's stack or on those of
            // the coroutines on top of it.
            while let Some(inner) = unsafe { limit.as_ref() } {
                if inner.passed.get() {
                    passed = Some(inner);
                }
                limit = inner.outer;
            }
        }
        passed.map(|limit| Interruption { current: *self, limit: Some(limit) })
    }

    /// Ends the caller by unwinding if its wait has to end.
    #[inline]
    pub(crate) fn interruption_point(&self) {
        if let Some(interruption) = self.interruption() {
            interruption.raise();
        }
    }
}

impl Interruption<'_> {
    /// Ends a wait that can return an error: with the error the first time, by unwinding from then on.
    pub(crate) fn into_error(self) -> io::Error {
        if self.told().replace(true) && cfg!(panic = "unwind") {
            self.raise();
        }
        match self.limit {
            Some(_) => Elapsed.into(),
            None => io::Error::other(Cancelled),
        }
    }

    /// Takes [`into_error`](Self::into_error) back: the caller had something better to return.
    pub(super) fn not_told(self) {
        self.told().set(false);
    }

    fn told(&self) -> &Cell<bool> {
        self.limit.map_or(&self.current.header().own.told, |limit| &limit.told)
    }

    /// Ends a wait that cannot return an error.
    pub(crate) fn raise(self) -> ! {
        if cfg!(panic = "abort") {
            say(format_args!(
                "fiber {}: cancelled in a wait that returns no error, and panic = \"abort\" leaves no way to unwind\n",
                self.current.header().id
            ));
            std::process::abort();
        }
        let target = self.limit.map_or(Target::Fiber, |limit| limit.target());
        self.current.header().own.raised.set(true);
        self.current.worker.has_raised.set(true);
        resume_unwind(Box::new(Raised { target }))
    }
}

/// Cancels a fiber: the wait that it is in, or the next one, ends. From anywhere; twice is once.
pub(crate) fn cancel(fiber: &FiberRef) {
    fiber.cancelled.store(true, Relaxed);
    fence(SeqCst);
    fiber.clone().wake();
}

/// Runs `f` on the running fiber with the time limit `deadline`, a reading of the clock.
pub(crate) fn with_limit<T>(current: Current<'_>, deadline: u64, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    /// Takes the limit out of force, also when the caller is unwound through.
    struct InForce<'a>(Current<'a>, &'a Limit);
    impl Drop for InForce<'_> {
        fn drop(&mut self) {
            self.0.header().own.limits.set(self.1.outer.cast());
        }
    }
    let own = &current.header().own;
    let limit = Limit {
        number: current.worker.next_limit(),
        outer: own.limits.get().cast(),
        passed: Cell::new(false),
        told: Cell::new(false),
    };
    let in_force = InForce(current, &limit);
    own.limits.set(ptr::from_ref(&limit).cast());
    let timer = Timer::set(current, deadline, &limit.passed);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    drop(timer);
    drop(in_force);
    match outcome {
        Ok(value) => Ok(value),
        Err(payload) => match payload.downcast_ref::<Raised>() {
            Some(raised) if raised.target == limit.target() => {
                own.raised.set(false);
                Err(Elapsed)
            }
            _ => resume_unwind(payload),
        },
    }
}

/// Runs `f` with every cancellation and time limit of the running fiber postponed to its end.
pub(crate) fn shielded<T>(f: impl FnOnce() -> T) -> T {
    struct Shield<'a>(&'a Cell<u32>);
    impl Drop for Shield<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let _shield = Current::get().map(|current| {
        let depth = &current.header().own.shielded;
        depth.set(depth.get() + 1);
        Shield(depth)
    });
    f()
}

/// The reading of the clock at which a wait of this length ends.
pub(crate) fn deadline(timeout: Option<std::time::Duration>) -> Option<u64> {
    timeout.map(clock::after)
}
