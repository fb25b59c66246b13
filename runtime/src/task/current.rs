//! The identity of a fiber.

use super::attributes::Priority;
use super::registry::Task;
use crate::fiber::record::FiberRef;
use crate::fiber::unwind::CancelReason;
use crate::fiber::{Named, Reason};
use crate::sched::{Current, cancel, slice};
use std::fmt;
use std::num::NonZeroU64;

/// A handle to a fiber, as [`std::thread::Thread`] is one to a thread: cheap to clone, good after the fiber has ended.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let this = fiber::current();
/// let other = fiber::spawn(move || this.unpark());
/// fiber::park();
/// # other.join().unwrap();
/// # });
/// ```
#[derive(Clone)]
pub struct Fiber(FiberRef);

/// A number that no two fibers of a process share, whatever their runtimes.
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let (one, two) = (fiber::spawn(|| ()), fiber::spawn(|| ()));
/// assert_ne!(one.fiber().id(), two.fiber().id());
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiberId(NonZeroU64);

impl fmt::Display for FiberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FiberId {
    pub(crate) fn get(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn new(id: u64) -> FiberId {
        FiberId(NonZeroU64::new(id).expect("identifiers start at one"))
    }
}

impl Fiber {
    pub(super) fn new(fiber: FiberRef) -> Fiber {
        Fiber(fiber)
    }

    /// The fiber's identifier.
    #[must_use]
    pub fn id(&self) -> FiberId {
        FiberId::new(self.0.id)
    }

    /// The fiber's name, if [`Builder::name`](crate::Builder::name) gave it one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.identity.name()
    }

    /// The annotated task that the fiber was spawned as, if it was.
    ///
    /// ```
    /// #[fiber::task]
    /// fn work() {}
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// assert_eq!(work::spawn().fiber().task().unwrap().name(), "work");
    /// assert!(fiber::spawn(work).fiber().task().is_none());
    /// # });
    /// ```
    #[must_use]
    pub fn task(&self) -> Option<&'static Task> {
        self.0.identity.task
    }

    /// How urgent the fiber was made, by its [`Builder`](crate::Builder::priority) or its task. It may have
    /// [borrowed](crate::Priority#locks) a higher priority for the moment; the [dump](crate::runtime::FiberState::priority) shows that.
    ///
    /// ```
    /// use fiber::Priority;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// assert_eq!(fiber::current().priority(), Priority::Normal);
    /// let low = fiber::Builder::new().priority(Priority::Low).spawn(|| fiber::current().priority());
    /// assert_eq!(low.join().unwrap(), Priority::Low);
    /// # });
    /// ```
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.0.identity.priority()
    }

    /// Makes the fiber's permit available: its [`park`](crate::park), present or next, returns. As
    /// [`std::thread::Thread::unpark`]; from anywhere, and without effect once the fiber has ended.
    pub fn unpark(&self) {
        if self.0.permit_give() {
            self.0.clone().wake();
        }
    }

    /// Asks the fiber to end. As [`JoinHandle::cancel`](crate::JoinHandle::cancel).
    pub fn cancel(&self) {
        cancel::cancel(&self.0, CancelReason::User);
    }
}

impl fmt::Debug for Fiber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fiber")
            .field("id", &self.0.id)
            .field("name", &self.name())
            .field("task", &self.task().map(Task::path))
            .finish()
    }
}

impl fmt::Display for Fiber {
    /// How messages call it: `fiber 7 'name' (task path)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Named { id: self.0.id, name: self.name(), task: self.task() }.fmt(f)
    }
}

/// The running fiber.
///
/// # Panics
///
/// On a thread that is no fiber; [`try_current`] asks.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let child = fiber::spawn(|| fiber::current().id());
/// let id = child.fiber().id();
/// assert_eq!(child.join().unwrap(), id);
/// # });
/// ```
#[must_use]
#[track_caller]
pub fn current() -> Fiber {
    try_current().expect("fiber::current() was called on a thread that is not a fiber; see fiber::try_current()")
}

/// The running fiber, or `None` on a thread that is no fiber.
///
/// ```
/// assert!(fiber::try_current().is_none());
/// ```
#[must_use]
pub fn try_current() -> Option<Fiber> {
    Current::get().map(|current| Fiber(current.fiber()))
}

/// Lets the other fibers that are ready on this worker run first. On a thread, [`std::thread::yield_now`].
///
/// Never unwinds: it is not a cancellation point.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let ready = Arc::new(AtomicBool::new(false));
/// fiber::spawn({
///     let ready = Arc::clone(&ready);
///     move || ready.store(true, Ordering::Release)
/// });
/// while !ready.load(Ordering::Acquire) {
///     fiber::yield_now();
/// }
/// # });
/// ```
#[inline]
pub fn yield_now() {
    match Current::get() {
        Some(current) => {
            current.may_suspend(Reason::Yield);
            current.yield_now();
        }
        None => std::thread::yield_now(),
    }
}

/// Yields if the running fiber has used up its time slice: what the attributes put into loops, for code that they do not see. Never
/// unwinds. On a thread, and in `no_suspend`, it does nothing.
///
/// It reads one word of memory, and costs a fraction of a nanosecond while there is nothing to do. How long a slice is, the
/// runtime says ([`timeslice`](crate::runtime::Builder::timeslice)), or the task (`#[fiber::task(timeslice = "1ms")]`), or
/// the [`Builder`](crate::Builder::timeslice) of the fiber.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// # fiber::runtime::Builder::new().workers(1).build().unwrap().run(|| {
/// let done = Arc::new(AtomicBool::new(false));
/// fiber::spawn({
///     let done = done.clone();
///     move || done.store(true, Ordering::Relaxed)
/// });
/// let compute = |chunk: u64| (0..chunk).fold(0_u64, |sum, n| sum.wrapping_add(n * n));
/// let mut sum = 0_u64;
/// // There is one worker, and the other fiber gets its turn.
/// while !done.load(Ordering::Relaxed) {
///     sum = sum.wrapping_add(compute(100));
///     fiber::checkpoint();
/// }
/// # });
/// ```
#[inline]
pub fn checkpoint() {
    slice::checkpoint();
}

/// Whether the running fiber should let others run: because it has used up its time slice, and then the next [`checkpoint`] yields, or
/// because a fiber that its worker could run is due before it, by its [priority](crate::Priority). For code that yields by itself, at a
/// place where it has put its data in order. `false` on a thread.
///
/// As React's `shouldYield`, it knows of what the worker has been told: of fibers that this one has woken or spawned, and of more urgent
/// ones that others have spawned; not of timers and completions, which the worker looks at between fibers. A slice
/// is found to be used up some time after it has passed: half the shortest slice in the process, or more on a busy machine.
/// [`yield_now`] begins a new slice, as each wait does.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Builder::new().workers(1).build().unwrap().run(|| {
/// let mut rounds = 0_u64;
/// while !fiber::should_yield() {
///     rounds += 1;
/// }
/// fiber::yield_now();
/// assert!(rounds > 0);
/// # });
/// ```
#[inline]
#[must_use]
pub fn should_yield() -> bool {
    slice::should_yield()
}
