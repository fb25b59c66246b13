//! Spawning.

use super::attributes::{Numa, Priority};
use super::fiber_local;
use super::join_handle::{JoinHandle, LocalJoinHandle};
use super::migration::Migration;
use super::registry::Task;
use super::scope::{Scope, ScopedJoinHandle};
use crate::fiber::identity::{Custom, Identity};
use crate::fiber::record::Handle;
use crate::fiber::spans::Inherited;
use crate::runtime::process;
use crate::sched::worker::Worker;
use crate::sched::{Current, Scheduler, clock};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// Spawns a fiber and returns the handle to wait for it.
///
/// The fiber starts on any worker of the runtime and then stays there. Until it starts it costs one heap block of the closure
/// and some 200 bytes; its stack is taken when it starts. On a fiber it is spawned on that fiber's runtime, on any other
/// thread on the one that started first of those that are up. Never blocks.
///
/// If the runtime is shutting down, the fiber is cancelled before it starts.
///
/// # Panics
///
/// On a thread, if no runtime is up.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let children: Vec<_> = (0..100).map(|n| fiber::spawn(move || n * 2)).collect();
/// let sum: u32 = children.into_iter().map(|child| child.join().unwrap()).sum();
/// assert_eq!(sum, 9900);
/// # });
/// ```
///
/// What a fiber takes and gives must be `Send`, because another worker may start it:
///
/// ```compile_fail
/// let local = std::rc::Rc::new(1);
/// fiber::spawn(move || *local);
/// ```
#[inline]
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let identity = heir();
    // SAFETY: closure and result are `Send + 'static`.
    JoinHandle::new(unsafe { Destination::find().spawn(f, identity, None) })
}

/// What a fiber has that is spawned here without properties of its own: the caller's span, and those of its variables that are inherited.
#[inline]
#[track_caller]
pub(crate) fn heir() -> Identity {
    let custom = fiber_local::inherited().map(|locals| Box::new(Custom { locals: Some(locals), ..Custom::default() }));
    Identity { site: Some(Location::caller()), custom, span: Inherited::current(), ..Identity::default() }
}

/// Spawns a fiber that starts when `delay` has passed, or soon after. As [`spawn`] else; works from fibers and from threads.
///
/// Until then it costs one heap block and a timer: no stack, no slot, no line in the [dump](crate::runtime::Dump). Its task counts it as
/// [queued](crate::registry::Task::queued). What is waited for in [`join`](JoinHandle::join) is the delay and the fiber.
/// [Cancelling](JoinHandle::cancel) it before ends it at once: it does not run, and what it owns is dropped, on a fiber. So does the end of
/// the runtime, which does not wait for the delay. A delay beyond 584 years never ends.
///
/// # Panics
///
/// As [`spawn`].
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let begin = Instant::now();
/// let late = fiber::spawn_after(Duration::from_millis(5), move || begin.elapsed());
/// assert!(late.join().unwrap() >= Duration::from_millis(5));
///
/// let never = fiber::spawn_after(Duration::from_secs(3600), || unreachable!());
/// never.cancel();
/// assert!(never.join().unwrap_err().is_cancelled());
/// # });
/// ```
#[track_caller]
pub fn spawn_after<F, T>(delay: Duration, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn_after(delay, f)
}

/// Spawns a fiber on the worker that the caller runs on, to stay there from the start: its closure and result need not be
/// `Send`. It is never stolen, and everything it owns is dropped on its worker.
///
/// # Panics
///
/// On a thread that is no fiber: there is no worker to stay on.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let count = Rc::new(Cell::new(0));
/// let children: Vec<_> = (0..3)
///     .map(|_| {
///         let count = Rc::clone(&count);
///         fiber::spawn_local(move || count.set(count.get() + 1))
///     })
///     .collect();
/// children.into_iter().for_each(|child| child.join().unwrap());
/// assert_eq!(count.get(), 3);
/// # });
/// ```
#[track_caller]
pub fn spawn_local<F, T>(f: F) -> LocalJoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new().spawn_local(f)
}

/// Where a fiber is going to be spawned. Found when all else is known: what a fiber inherits is made by somebody else's code, which may
/// suspend, and then the caller may be on another worker.
enum Destination<'a> {
    Here(&'a Worker),
    /// A worker of the caller's runtime, by its index: that one alone may start the fiber. The caller is a fiber on the worker here.
    On(&'a Worker, usize),
    Elsewhere(Arc<Scheduler>),
}

impl Destination<'_> {
    /// The caller's own worker; for a thread that is none, the default runtime.
    #[inline]
    #[track_caller]
    fn find() -> Self {
        match Worker::current() {
            Some(worker) => Destination::Here(worker),
            None => Destination::Elsewhere(scheduler_for_thread()),
        }
    }

    /// # Safety
    ///
    /// The closure and its result may be used on another thread, and everything that they borrow outlives the fiber.
    #[inline]
    unsafe fn spawn<F: FnOnce() -> T, T>(self, f: F, identity: Identity, numa: Option<Numa>) -> Handle<T> {
        match self {
            Destination::Here(worker) => worker.spawn(f, identity, numa),
            Destination::Elsewhere(scheduler) => scheduler.spawn(f, identity, numa),
            Destination::On(worker, index) => worker.spawn_on(index, f, identity),
        }
    }
}

#[cold]
#[track_caller]
fn scheduler_for_thread() -> Arc<Scheduler> {
    process::default_scheduler().expect(
        "a fiber was spawned where no runtime is up: annotate main with #[fiber::main], or use fiber::runtime::Runtime",
    )
}

/// Properties of a fiber about to be spawned, as [`std::thread::Builder`] has those of a thread.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let fiber = fiber::Builder::new().name("parser").stack_size(1 << 20).spawn(|| 2 + 2);
/// assert_eq!(fiber.join().unwrap(), 4);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    task: Option<&'static Task>,
    name: Option<Arc<str>>,
    stack_size: Option<usize>,
    numa: Option<Numa>,
    priority: Option<Priority>,
    timeslice: Option<Duration>,
    migratable: bool,
}

impl Builder {
    /// No properties but the runtime's defaults.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The attributes of an annotated task; the fibers spawned with it count as that task's.
    pub(crate) fn for_task(task: &'static Task) -> Builder {
        let attributes = task.attributes();
        Builder {
            task: Some(task),
            name: None,
            stack_size: attributes.stack_size(),
            numa: attributes.numa(),
            // A fiber has its task's unless it is given others.
            priority: None,
            timeslice: None,
            migratable: attributes.migrate(),
        }
    }

    /// A name for dumps and messages.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(Arc::from(name.into()));
        self
    }

    /// Bytes of address space for the stack, rounded up to a power of two, and to 16 KiB at least. Memory is used only as deep
    /// as the fiber gets. The default is the runtime's, 256 KiB unless configured. Zero, and more than 1 GiB, make
    /// [`join`](JoinHandle::join) return an error that says so.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// On which NUMA node the fiber starts. The default is the runtime's, [`Numa::Any`] unless configured.
    ///
    /// A node without workers makes [`join`](JoinHandle::join) return an error that names those there are.
    ///
    /// ```
    /// use fiber::Numa;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let near = fiber::Builder::new().numa(Numa::Local).spawn(|| 1);
    /// let nowhere = fiber::Builder::new().numa(Numa::Node(1000)).spawn(|| 2);
    /// assert_eq!(near.join().unwrap(), 1);
    /// let error = nowhere.join().unwrap_err().to_string();
    /// assert!(error.contains("NUMA node 1000 was asked for"), "{error}");
    /// # });
    /// ```
    pub fn numa(mut self, numa: Numa) -> Builder {
        self.numa = Some(numa);
        self
    }

    /// How urgent the fiber is. The default is its task's, else [`Priority::Normal`]: it is not inherited from whoever spawns the fiber.
    ///
    /// ```
    /// use fiber::Priority;
    /// use fiber::sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// # fiber::runtime::Builder::new().workers(1).build().unwrap().run(|| {
    /// let order = Arc::new(Mutex::new(Vec::new()));
    /// let fibers = [Priority::Low, Priority::Normal, Priority::High].map(|priority| {
    ///     let order = order.clone();
    ///     fiber::Builder::new().priority(priority).spawn(move || order.lock().unwrap().push(priority))
    /// });
    /// fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    /// assert_eq!(*order.lock().unwrap(), [Priority::High, Priority::Normal, Priority::Low]);
    /// # });
    /// ```
    pub fn priority(mut self, priority: Priority) -> Builder {
        self.priority = Some(priority);
        self
    }

    /// How long the fiber may run before its next [checkpoint](crate::checkpoint()) yields, instead of the runtime's
    /// [`timeslice`](crate::runtime::Builder::timeslice). From 100 us; shorter ones are taken as that.
    pub fn timeslice(mut self, timeslice: Duration) -> Builder {
        self.timeslice = Some(timeslice);
        self
    }

    /// Whether the fiber may change its worker, and so its thread, after it started: with the feature `migrate`, without which this does not
    /// compile. Has no effect on fibers of [`spawn_local`](Self::spawn_local).
    ///
    /// Such a fiber may go on at another worker after any suspension during which nothing of it is registered with its own: when it is
    /// ready, idle workers may take it. So it goes on while another fiber holds the worker that it was on. Fibers are opted in one by one,
    /// and do not hand it on to those that they spawn. Without it, a started fiber never moves.
    ///
    /// It stays where it is
    ///
    /// - for an operation of the kernel or a sleep, until that is over; then it may leave before it goes on,
    /// - for as long as a time limit is in force ([`timeout`](crate::time::timeout), and the limit of a single wait) or a
    ///   [blocking call](crate::blocking()) is under way,
    /// - while it is being unwound,
    /// - for good once it has run a [coroutine](crate::coroutine), begun an operation that outlasts its call (`incoming` of a listener, a
    ///   send without a copy), or spawned with `spawn_local`.
    ///
    /// Guards of [`sync`](crate::sync), spans, [`fiber_local!`](crate::fiber_local!) variables that are `Send`, scopes and time limits are the
    /// fiber's, and move with it.
    ///
    #[cfg_attr(feature = "migrate", doc = "```")]
    #[cfg_attr(not(feature = "migrate"), doc = "```ignore")]
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// // SAFETY: nothing in this closure belongs to a thread.
    /// let builder = unsafe { fiber::Builder::new().migratable(true) };
    /// let sum = builder.spawn(|| {
    ///     let mut sum = 0;
    ///     for number in 0..1000_u64 {
    ///         sum += number;
    ///         fiber::yield_now();
    ///     }
    ///     sum
    /// });
    /// assert_eq!(sum.join().unwrap(), 499_500);
    /// # });
    /// ```
    ///
    /// # Safety
    ///
    /// The caller vouches for all that the fiber runs: its closure and everything that this calls, the standard library and dependencies
    /// included. Across every point at which it may suspend, which is every call into this crate that can wait, and every checkpoint,
    ///
    /// 1. no value is alive that is not `Send`, but for those of this crate: an `Rc`, a guard of std's `Mutex` or `RwLock`, an entered
    ///    span's guard; this includes values of [`fiber_local!`](crate::fiber_local!) variables,
    /// 2. no reference to a `thread_local!` is alive: nothing suspends within `LocalKey::with`,
    /// 3. no address that is derived from a thread-local is used on both sides, whoever computed it. That includes `errno` and addresses that
    ///    *the compiler* keeps: it takes the address of a thread-local to be the same throughout a function, into which it may have inlined
    ///    what uses one. So what uses thread-locals, std's `HashMap::new`, `thread::current` and `io::Error::last_os_error` and allocators
    ///    under link-time optimisation among it, is not inlined into a function that also suspends: it is called in a function that is marked
    ///    `#[inline(never)]` and does not suspend, or on one side only,
    /// 4. nothing is believed of the thread that was found out before: its identity, its CPU and node, its priority, its signal mask, that
    ///    it is the thread which locked something in foreign code.
    ///
    /// Where this is broken, the behaviour is undefined. [`runtime::Builder::restless`](crate::runtime::Builder) moves such fibers as often
    /// as possible, so that tests find out.
    pub unsafe fn migratable(mut self, migratable: bool) -> Builder
    where
        for<'a> &'a Self: Migration,
    {
        self.migratable = migratable;
        self
    }

    #[track_caller]
    fn identity(self) -> Identity {
        let Builder { task, name, stack_size, timeslice, priority, migratable, .. } = self;
        let locals = fiber_local::inherited();
        // What its task says need not be said again.
        let migratable = (migratable != task.is_some_and(|task| task.attributes().migrate())).then_some(migratable);
        let asks = name.is_some()
            || stack_size.is_some()
            || timeslice.is_some()
            || priority.is_some()
            || migratable.is_some()
            || locals.is_some();
        let custom = asks.then(|| Box::new(Custom { name, stack_size, timeslice, priority, migratable, locals }));
        Identity { task, site: Some(Location::caller()), parent: None, custom, span: Inherited::current() }
    }

    /// Spawns a fiber with these properties. As [`spawn`].
    ///
    /// # Panics
    ///
    /// As [`spawn`].
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (numa, identity) = (self.numa, self.identity());
        // SAFETY: closure and result are `Send + 'static`.
        JoinHandle::new(unsafe { Destination::find().spawn(f, identity, numa) })
    }

    /// Spawns a fiber with these properties that starts later. As [`spawn_after`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let late = fiber::Builder::new().name("cleaner").priority(fiber::Priority::Low);
    /// late.spawn_after(Duration::from_millis(1), || println!("cleaning up")).join().unwrap();
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`spawn`].
    #[track_caller]
    pub fn spawn_after<F, T>(self, delay: Duration, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if delay.is_zero() {
            return self.spawn(f);
        }
        let (numa, at) = (self.numa, clock::after(delay));
        let scheduler = match Worker::current() {
            Some(worker) => worker.scheduler().clone(),
            None => scheduler_for_thread(),
        };
        JoinHandle::new(scheduler.spawn_at(at, f, self.identity(), numa))
    }

    /// Spawns a fiber with these properties on the caller's worker. As [`spawn_local`].
    ///
    /// # Panics
    ///
    /// As [`spawn_local`].
    #[track_caller]
    pub fn spawn_local<F, T>(self, f: F) -> LocalJoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let current = Current::get();
        let current = current.expect("fiber::spawn_local was called on a thread that is not a fiber; use fiber::spawn");
        // What they share is good on this thread only.
        current.header().own.ties.pin();
        LocalJoinHandle::new(current.worker().spawn_local(f, Builder { migratable: false, ..self }.identity()))
    }

    /// Spawns a fiber with these properties into a scope. As [`Scope::spawn`].
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let words = ["to", "be"];
    /// fiber::scope(|s| {
    ///     let lengths = fiber::Builder::new().name("count").spawn_scoped(s, || words.map(str::len));
    ///     assert_eq!(lengths.join().unwrap(), [2, 2]);
    /// });
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`spawn`].
    #[track_caller]
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_scoped_at(scope, Destination::find, f)
    }

    /// As [`spawn_scoped`](Self::spawn_scoped), on the worker with this index of the caller's runtime, which alone may start the fiber.
    ///
    /// # Panics
    ///
    /// Off a fiber, and if there is no such worker.
    pub(crate) fn spawn_scoped_on<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        index: usize,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let current = Current::get().expect("a fiber is spawned on a worker by a fiber of the same runtime");
        assert!(index < current.scheduler().workers(), "a runtime of {} workers", current.scheduler().workers());
        self.spawn_scoped_at(scope, || Destination::On(current.worker(), index), f)
    }

    fn spawn_scoped_at<'scope, 'a, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        destination: impl FnOnce() -> Destination<'a>,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let numa = self.numa;
        let mut identity = self.identity();
        let deadline = crate::sched::Current::get().and_then(|current| current.deadline());
        let f = move || match deadline {
            None => f(),
            Some(deadline) => crate::sched::cancel::with_inherited_limit(deadline, f),
        };
        let destination = destination();
        // From here to the spawn nothing may panic: the scope counts the fiber.
        scope.adopt(&mut identity);
        // SAFETY: closure and result are `Send`; what they borrow outlives `'scope`, and the scope, which counts the fiber
        // from `adopt` on, does not end before the fiber has.
        let handle = unsafe { destination.spawn(f, identity, numa) };
        scope.enlist(&handle.fiber);
        ScopedJoinHandle::new(handle)
    }
}
