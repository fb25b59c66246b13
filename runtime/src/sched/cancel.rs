//! Ending a wait before its time: cancellation of the whole fiber, and time limits.
//!
//! There is no message "you are cancelled". There are conditions, the fiber's mark ([`Summons`](crate::fiber::summons::Summons)) and the `passed` flags of
//! the [`Limit`]s on its stack, and there is a wake. The woken fiber finds the condition at its own suspension point and takes
//! its wait back there, on its own stack: it unlinks its node, or cancels its operation and awaits that completion. So nothing
//! that was lent out during a wait survives the wait.
//!
//! Delivery, per cause: once as an error, where the wait can return one; after that, and where it cannot, by unwinding with
//! [`Raised`]. Never while a panic unwinds on this thread (a second unwinding would abort), and never in a shielded section.
//!
//! The flag and the wake race with a fiber that is just starting; [`summons`](crate::fiber::summons) says how that ends. Fibers that never
//! wait do not pay for it.

use super::clock;
use super::current::Current;
use super::timer::{Flag, Timer};
use crate::fiber::record::{FiberRef, Header};
use crate::fiber::unwind::{CancelReason, Raised, Target};
use crate::sys::stderr::say;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Acquire;

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

/// A limit in force, in the frame of [`within`] on the limited fiber's stack.
struct Limit<'a> {
    /// A number that no other limit of the process has.
    number: u64,
    outer: *const Limit<'a>,
    cause: Cause<'a>,
    /// Whether it was given as an error already.
    told: Cell<bool>,
}

/// What ends the waits under a limit.
enum Cause<'a> {
    /// The time: at this reading of the clock. A timer raises the flag.
    Time { deadline: u64, passed: Flag },
    /// Somebody who writes a [`CancelReason`] here, and then wakes the fiber.
    Mark(&'a AtomicU8),
}

impl Limit<'_> {
    fn target(&self) -> Target {
        Target::Limit(self.number)
    }

    fn reason(&self) -> Option<CancelReason> {
        match &self.cause {
            Cause::Time { passed, .. } => passed.get().then_some(CancelReason::Deadline),
            Cause::Mark(mark) => CancelReason::from_number(mark.load(Acquire)),
        }
    }
}

/// Why a wait has to end now.
#[derive(Clone, Copy)]
pub(crate) struct Interruption<'a> {
    current: Current<'a>,
    /// The limit that has passed; `None` if the fiber was cancelled.
    limit: Option<&'a Limit<'a>>,
    reason: CancelReason,
}

impl<'a> Current<'a> {
    /// Why the wait that is about to begin, or goes on, has to end; `None` if it may wait.
    #[inline]
    pub(crate) fn interruption(&self) -> Option<Interruption<'a>> {
        self.worker().points.pass(*self);
        let header = self.header();
        let own = &header.own;
        if !own.settled.replace(true) {
            header.summons.before_first_wait();
        }
        if !header.summons.is_marked() && own.has_no_limits() {
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
            self.worker().postponed.set(true);
            self.worker().postpone_roaming(*self);
            return None;
        }
        // Whatever unwinding there was is over, perhaps swallowed by a `catch_unwind` of the user's.
        header.own.raised.set(false);
        self.cause()
    }

    /// Why the fiber is to end what it is doing, whether or not it can be told so now.
    fn cause(&self) -> Option<Interruption<'a>> {
        if let Some(reason) = self.header().summons.reason() {
            return Some(Interruption { current: *self, limit: None, reason });
        }
        // The outermost limit that has passed: the others end with it.
        let passed = self.limits().filter_map(|limit| Some((limit, limit.reason()?))).last();
        passed.map(|(limit, reason)| Interruption { current: *self, limit: Some(limit), reason })
    }

    /// Why the fiber is cancelled, if it is: it, or what it is doing.
    pub(crate) fn cancellation(&self) -> Option<CancelReason> {
        self.cause().map(|interruption| interruption.reason)
    }

    /// When the first of its time limits passes, as a reading of the clock.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.limits()
            .filter_map(|limit| if let Cause::Time { deadline, .. } = limit.cause { Some(deadline) } else { None })
            .min()
    }

    /// Lets the outermost of its time limits pass now, if it has one. The fiber runs, or waits.
    #[cfg(feature = "internals")]
    pub(super) fn let_time_run_out(&self) {
        let flags = self
            .limits()
            .filter_map(|limit| if let Cause::Time { passed, .. } = &limit.cause { Some(passed) } else { None });
        if let Some(passed) = flags.last() {
            passed.raise();
            self.worker().wake(self.slot);
        }
    }

    /// The limits in force, from the innermost on.
    fn limits(&self) -> impl Iterator<Item = &'a Limit<'a>> {
        self.header().own.limit_lists().flat_map(|list| {
            let mut next = list.cast::<Limit<'a>>();
            std::iter::from_fn(move || {
                // SAFETY: the lists hold the limits whose `within` frames are below the caller, on this fiber's stack or on those of
                // the coroutines on top of it.
                let limit = unsafe { next.as_ref() }?;
                next = limit.outer;
                Some(limit)
            })
        })
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
    ///
    /// With the error in any case, and as if it had not been given, where that only ends a call of which a part is done: the caller has
    /// something better to return, and an unwinding would lose it.
    pub(crate) fn into_error(self) -> io::Error {
        let is_partly_done = self.current.header().own.partly_done.get();
        if !is_partly_done && self.told().replace(true) && cfg!(panic = "unwind") {
            self.raise();
        }
        match self.reason {
            CancelReason::Deadline => Elapsed.into(),
            _ => io::Error::other(Cancelled),
        }
    }

    /// Why it is.
    pub(crate) fn reason(self) -> CancelReason {
        self.reason
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
        raise(self.current, target, self.reason)
    }
}

fn raise(current: Current<'_>, target: Target, reason: CancelReason) -> ! {
    current.header().own.raised.set(true);
    current.worker().has_raised.set(true);
    resume_unwind(Box::new(Raised { target, reason }))
}

/// Notes that a fiber is to end, and why, unless it was to end before.
pub(crate) fn mark(fiber: &Header, reason: CancelReason) {
    fiber.summons.mark(reason);
}

/// Cancels a fiber: the wait that it is in, or the next one, ends. From anywhere; twice is once.
pub(crate) fn cancel(fiber: &FiberRef, reason: CancelReason) {
    fiber.summons.announce(reason);
    fiber.clone().wake();
}

/// Runs `f` on the running fiber with the time limit `deadline`, a reading of the clock.
pub(crate) fn with_limit<T>(current: Current<'_>, deadline: u64, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    within(current, Cause::Time { deadline, passed: Flag::new() }, f).map_err(|_| Elapsed)
}

/// Runs `f` on the running fiber; whoever writes a [`CancelReason`] into `mark`, and then wakes the fiber, ends its waits.
pub(crate) fn with_mark<T>(current: Current<'_>, mark: &AtomicU8, f: impl FnOnce() -> T) -> Result<T, CancelReason> {
    within(current, Cause::Mark(mark), f)
}

/// Runs a fiber's closure with the time limit that it has from its parent: past that, the fiber is cancelled.
pub(crate) fn with_inherited_limit<T>(deadline: u64, f: impl FnOnce() -> T) -> T {
    let current = Current::get().expect("a fiber runs its closure");
    with_limit(current, deadline, f).unwrap_or_else(|Elapsed| {
        mark(current.header(), CancelReason::Deadline);
        raise(current, Target::Fiber, CancelReason::Deadline)
    })
}

fn within<T>(current: Current<'_>, cause: Cause<'_>, f: impl FnOnce() -> T) -> Result<T, CancelReason> {
    /// Takes the limit out of force, also when the caller is unwound through.
    struct InForce<'a>(Current<'a>, *const ());
    impl Drop for InForce<'_> {
        fn drop(&mut self) {
            self.0.header().own.limits.set(self.1);
        }
    }
    let own = &current.header().own;
    let outer = own.limits.get();
    let limit = Limit { number: current.worker().next_limit(), outer: outer.cast(), cause, told: Cell::new(false) };
    let in_force = InForce(current, outer);
    own.limits.set(ptr::from_ref(&limit).cast());
    let timer = match &limit.cause {
        Cause::Time { deadline, passed } => Some(Timer::set(current, *deadline, passed)),
        Cause::Mark(_) => None,
    };
    let outcome = catch_unwind(AssertUnwindSafe(f));
    drop(timer);
    drop(in_force);
    match outcome {
        Ok(value) => Ok(value),
        Err(payload) => match payload.downcast_ref::<Raised>() {
            Some(raised) if raised.target == limit.target() => {
                own.raised.set(false);
                Err(raised.reason)
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
