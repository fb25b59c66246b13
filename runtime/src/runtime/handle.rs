//! A runtime that is up, and handles to it.

use super::config::Builder;
use super::dump::Dump;
use super::error::{RuntimeError, ShutdownError};
use super::metrics::{Metrics, WorkerMetrics};
use super::process;
use crate::driver::DriverKind;
use crate::fiber::Reason;
use crate::fiber::identity::{Custom, Identity};
use crate::fiber::spans::Inherited;
use crate::fiber::unwind::AbortOnUnwind;
use crate::sched::worker::Worker;
use crate::sched::{Scheduler, WaitList, monitor};
use crate::sched::{cancel, clock};
use crate::sys::stderr::say;
use crate::task::{BlockingMetrics, JoinError, JoinHandle, heir, wait_for};
use crate::topology::Topology;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{Location, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::thread;
use std::time::{Duration, Instant};

/// The worker threads that are still there.
pub(super) struct Workers {
    running: AtomicUsize,
    ended: WaitList,
}

impl Workers {
    pub(super) fn none() -> Workers {
        Workers { running: AtomicUsize::new(0), ended: WaitList::new() }
    }

    /// A worker thread is about to be started. Undone by [`one_ended`](Self::one_ended).
    pub(super) fn one_starts(&self) {
        self.running.fetch_add(1, AcqRel);
    }

    pub(super) fn one_ended(&self) {
        if self.running.fetch_sub(1, AcqRel) == 1 {
            self.ended.wake_all();
        }
    }

    fn all_ended(&self) -> bool {
        self.running.load(Acquire) == 0
    }
}

/// Workers, and the fibers on them.
///
/// Dropping it shuts it down as [`shutdown`](Self::shutdown) does, with the configured time; if fibers are left then, their
/// dump is printed to standard error.
///
/// # Examples
///
/// ```
/// let runtime = fiber::runtime::Runtime::new()?;
/// let text = String::from("may be borrowed");
/// assert_eq!(runtime.run(|| text.len()), 15);
/// # Ok::<(), fiber::runtime::RuntimeError>(())
/// ```
pub struct Runtime {
    scheduler: Arc<Scheduler>,
    workers: Arc<Workers>,
    threads: Vec<thread::JoinHandle<()>>,
    shutdown_timeout: Duration,
}

impl Runtime {
    /// Starts a runtime with the defaults and the environment's settings. As `Builder::new().build()`.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> Result<Runtime, RuntimeError> {
        Builder::new().build()
    }

    /// Sets up a runtime. As [`Builder::new`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn from_parts(
        scheduler: Arc<Scheduler>,
        workers: Arc<Workers>,
        threads: Vec<thread::JoinHandle<()>>,
        shutdown_timeout: Duration,
    ) -> Runtime {
        Runtime { scheduler, workers, threads, shutdown_timeout }
    }

    pub(super) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// Runs `f` as a fiber and returns its result. The calling thread only waits: it is no worker.
    ///
    /// `f` may borrow, because the call does not return before it has ended. Other fibers go on when it has. Called on a fiber
    /// of another runtime it suspends that fiber, without a cancellation point.
    ///
    /// # Panics
    ///
    /// With the panic of `f`. If called on a fiber of this very runtime: `spawn` and `join` are meant. If the fiber was
    /// cancelled or could not be given a stack.
    #[track_caller]
    pub fn run<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        self.run_as(Identity { site: Some(Location::caller()), ..Identity::default() }, f)
    }

    /// [`run`](Self::run), as a fiber with this name.
    pub(crate) fn run_named<F, T>(&self, name: &str, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let custom = Box::new(Custom { name: Some(Arc::from(name)), ..Custom::default() });
        self.run_as(Identity { custom: Some(custom), ..Identity::default() }, f)
    }

    #[track_caller]
    fn run_as<F, T>(&self, mut identity: Identity, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        assert!(
            !self.is_current(),
            "Runtime::run was called on a fiber of the same runtime; use fiber::spawn(..).join()"
        );
        // What is borrowed stays: the wait below ends when the fiber has, and is neither cancelled nor unwound.
        identity.span = Inherited::current();
        let handle = self.scheduler.spawn(f, identity, None);
        let guard = AbortOnUnwind("Runtime::run while its fiber still runs");
        wait_for(&handle.fiber, Reason::Join, |_| ());
        guard.disarm();
        match handle.take().map_err(JoinError::new) {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => panic!("Runtime::run has no result: {error}"),
            },
        }
    }

    /// Spawns a fiber on this runtime. As [`fiber::spawn`](crate::spawn), from anywhere.
    ///
    /// ```
    /// let runtime = fiber::runtime::Runtime::new()?;
    /// assert_eq!(runtime.spawn(|| 5).join().unwrap(), 5);
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.handle().spawn(f)
    }

    /// A handle for spawning from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { scheduler: self.scheduler.clone() }
    }

    /// What every fiber of the runtime is doing. See [`Dump`].
    ///
    /// ```
    /// let runtime = fiber::runtime::Runtime::new()?;
    /// println!("{}", runtime.dump());
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    #[must_use]
    pub fn dump(&self) -> Dump {
        Dump::of(&self.scheduler)
    }

    /// Ends the runtime: cancels all fibers, waits for them to end, and then for the workers.
    ///
    /// Fibers that have not started do not run. Those that are running or waiting end as
    /// [`JoinHandle::cancel`] says. Fibers that are spawned meanwhile, on their way out, are cancelled too. A
    /// [`blocking`](crate::blocking) call that runs is waited for with its fiber.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] if fibers are left after `timeout`. Their workers go on; nothing that the fibers use is freed.
    ///
    /// # Panics
    ///
    /// On a fiber of this runtime, or in a [`blocking`](crate::blocking) call of one, which would wait for itself.
    pub fn shutdown(mut self, timeout: Duration) -> Result<(), ShutdownError> {
        self.end(timeout)
    }

    fn is_current(&self) -> bool {
        Worker::current().is_some_and(|worker| Arc::ptr_eq(worker.scheduler(), &self.scheduler))
    }

    fn end(&mut self, timeout: Duration) -> Result<(), ShutdownError> {
        if self.threads.is_empty() {
            return Ok(());
        }
        let threads = std::mem::take(&mut self.threads);
        process::leave(&self.scheduler);
        self.scheduler.cancel_all();
        let within = self.is_current() || process::served().is_some_and(|served| Arc::ptr_eq(&served, &self.scheduler));
        assert!(
            !within || thread::panicking(),
            "a Runtime was dropped or shut down on one of its own fibers, which would wait for itself"
        );
        // To the end: until then the fibers that are left let each other run.
        let watched = Watched(&self.scheduler);
        if within {
            return Ok(());
        }
        let begin = Instant::now();
        let left = || timeout.saturating_sub(begin.elapsed());
        if !wait_until(&self.workers.ended, left, || self.workers.all_ended()) {
            return Err(ShutdownError { dump: Box::new(Dump::of(&self.scheduler)) });
        }
        // There is nothing to watch any more, and threads that end together end sooner.
        let watch = watched.end();
        for thread in threads {
            // The body of a worker ends by returning or by aborting the process.
            let _ = thread.join();
        }
        // No fiber is left, so no call runs and none will come.
        let blocking = &self.scheduler.blocking;
        blocking.close();
        if wait_until(blocking.emptied(), left, || blocking.is_empty()) {
            blocking.join();
        }
        // No more looks at homes that others will live in.
        drop(watch);
        self.scheduler.homes.iter().for_each(|home| home.retire());
        Ok(())
    }
}

/// Ends the watch over a runtime when dropped.
struct Watched<'a>(&'a Arc<Scheduler>);

impl Watched<'_> {
    /// Ends it at once, without waiting for the thread that watched.
    fn end(self) -> monitor::Leaving {
        monitor::leave(ManuallyDrop::new(self).0)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        drop(monitor::leave(self.0));
    }
}

/// Waits until something holds whose end wakes `list`, but no longer than there is time `left`. Whether it holds.
fn wait_until(list: &WaitList, left: impl Fn() -> Duration, holds: impl Fn() -> bool) -> bool {
    cancel::shielded(|| {
        while !holds() {
            let left = left();
            if left.is_zero() {
                return holds();
            }
            let _ = list.wait(Reason::Join, Some(left), false, || !holds());
        }
        true
    })
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Err(error) = self.end(self.shutdown_timeout) {
            say(format_args!("{error}\n{}\n", error.dump()));
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
    }
}

/// Spawns on a runtime from anywhere. Cheap to clone; does not keep the runtime up.
///
/// # Examples
///
/// ```
/// let runtime = fiber::runtime::Runtime::new()?;
/// let handle = runtime.handle();
/// let thread = std::thread::spawn(move || handle.spawn(|| 1).join().unwrap());
/// assert_eq!(thread.join().unwrap(), 1);
/// # Ok::<(), fiber::runtime::RuntimeError>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    scheduler: Arc<Scheduler>,
}

impl Handle {
    /// The runtime of the running fiber; in a [`blocking`](crate::blocking) call, that of the caller; on another thread, the one
    /// that is up for longest.
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let here = fiber::runtime::Handle::try_current().unwrap();
    /// assert_eq!(here.spawn(|| 3).join().unwrap(), 3);
    /// # });
    /// ```
    #[must_use]
    pub fn try_current() -> Option<Handle> {
        let scheduler = match Worker::current() {
            Some(worker) => worker.scheduler().clone(),
            None => process::default_scheduler()?,
        };
        Some(Handle { scheduler })
    }

    /// Spawns a fiber on this runtime. As [`fiber::spawn`](crate::spawn). If the runtime has ended, or is about to, the fiber is
    /// cancelled before it starts.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        JoinHandle::new(self.scheduler.spawn(f, heir(), None))
    }

    /// Spawns a fiber on this runtime that starts later. As [`fiber::spawn_after`](crate::spawn_after). If the runtime has ended, or is about
    /// to, the fiber is cancelled before it starts.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let runtime = fiber::runtime::Runtime::new()?;
    /// let late = runtime.handle().spawn_after(Duration::from_millis(1), || 5);
    /// assert_eq!(late.join().unwrap(), 5);
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    #[track_caller]
    pub fn spawn_after<F, T>(&self, delay: Duration, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        JoinHandle::new(self.scheduler.spawn_at(clock::after(delay), f, heir(), None))
    }

    /// What every fiber of the runtime is doing. As [`Runtime::dump`].
    #[must_use]
    pub fn dump(&self) -> Dump {
        Dump::of(&self.scheduler)
    }

    /// By which interface of the kernel the workers wait: never [`DriverKind::Auto`]. From anywhere.
    ///
    /// ```
    /// use fiber::runtime::{Builder, DriverKind};
    ///
    /// # // What the environment says wins.
    /// # if std::env::var_os("FIBER_DRIVER").is_some() { return Ok(()) }
    /// let runtime = Builder::new().driver(DriverKind::Epoll).build()?;
    /// assert_eq!(runtime.handle().driver(), DriverKind::Epoll);
    /// assert_eq!(runtime.dump().driver(), "epoll");
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    #[must_use]
    pub fn driver(&self) -> DriverKind {
        // Every worker has reported before there is a handle.
        self.scheduler.driver.get().map_or(DriverKind::Auto, |(kind, _)| *kind)
    }

    /// What the runtime has done so far. From anywhere.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::of(&self.scheduler)
    }

    /// Where each worker is, and what it has done so far. The index is the worker's number. From anywhere.
    ///
    /// ```
    /// let runtime = fiber::runtime::Builder::new().workers(2).build()?;
    /// runtime.run(|| ());
    /// let ended: u64 = runtime.handle().worker_metrics().iter().map(|worker| worker.ended).sum();
    /// assert!(ended <= 1, "a fiber is counted soon after its result is there");
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    #[must_use]
    pub fn worker_metrics(&self) -> Vec<WorkerMetrics> {
        WorkerMetrics::of(&self.scheduler)
    }

    /// The machine as the runtime took it when it started: what its workers were assigned to. From anywhere.
    ///
    /// ```
    /// let runtime = fiber::runtime::Runtime::new()?;
    /// print!("{}", runtime.handle().topology());
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.scheduler.nodes.topology
    }

    /// How many threads the runtime has for [`blocking`](crate::blocking) calls, and how many calls wait for one. From anywhere.
    ///
    /// ```
    /// let runtime = fiber::runtime::Runtime::new()?;
    /// assert_eq!(runtime.handle().blocking_metrics().threads, 0);
    /// # Ok::<(), fiber::runtime::RuntimeError>(())
    /// ```
    #[must_use]
    pub fn blocking_metrics(&self) -> BlockingMetrics {
        self.scheduler.blocking.metrics()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("name", &self.scheduler.settings.name)
            .field("workers", &self.scheduler.workers())
            .field("driver", &self.driver())
            .finish_non_exhaustive()
    }
}
