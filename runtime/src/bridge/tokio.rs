//! The runtime beside ours.
#![deny(unsafe_code)]

use super::Task;
use crate::sched::no_suspend_for;
use crate::task::{block_on, blocking};
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime of Tokio's, for futures that are awaited from fibers. See [the module](super).
///
/// Works on fibers and on threads.
pub struct Tokio {
    handle: Handle,
    /// `None` if it is somebody else's, or after the end.
    runtime: Option<Runtime>,
}

impl Tokio {
    /// Starts a runtime with one thread, and with I/O and time where Tokio was built with them (its features `net` and `time`, which the
    /// libraries that need them turn on).
    ///
    /// One thread drives sockets and timers, which is enough for what fibers poll themselves. For many tasks by [`spawn`](Self::spawn), make
    /// a runtime with more and convert it.
    ///
    /// # Errors
    ///
    /// What the system refuses: a thread, a descriptor.
    ///
    /// ```
    /// let tokio = fiber::bridge::Tokio::new()?;
    /// assert_eq!(tokio.block_on(async { 1 + 1 }), 2);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> io::Result<Tokio> {
        Builder::new_multi_thread().worker_threads(1).thread_name("fiber-tokio").enable_all().build().map(Tokio::from)
    }

    /// One for the whole process, started when it is first asked for. It is never shut down.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    ///
    /// ```
    /// use fiber::bridge::Tokio;
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let fibers: Vec<_> = (0..10).map(|n| fiber::spawn(move || Tokio::shared().block_on(async move { n }))).collect();
    /// assert_eq!(fibers.into_iter().map(|fiber| fiber.join().unwrap()).sum::<u32>(), 45);
    /// # });
    /// ```
    pub fn shared() -> &'static Tokio {
        static SHARED: OnceLock<Tokio> = OnceLock::new();
        // Making it waits for nothing, so whoever comes second is held for no longer than the first.
        SHARED.get_or_init(|| Tokio::new().expect("a runtime of Tokio's beside the fibers"))
    }

    /// Polls a future until it completes, inside the runtime's context, and returns what it gives. In between it suspends the running fiber;
    /// on a thread, it parks the thread. As [`block_on`](crate::block_on()), for futures that need Tokio.
    ///
    /// The future is made, polled and dropped on the calling fiber, and nothing of that may suspend it; see
    /// [what to watch](super#what-to-watch).
    ///
    /// # Panics
    ///
    /// If the future does, or if it would suspend the fiber while it is polled: with a message that names the wait, and the place of this call.
    ///
    /// ```
    /// use fiber::bridge::Tokio;
    /// use fiber::time::{Duration, Elapsed, timeout};
    ///
    /// # fiber::runtime::Runtime::new().unwrap().run(|| {
    /// let never = std::future::pending::<()>();
    /// let late = timeout(Duration::from_millis(1), || Tokio::shared().block_on(never));
    /// assert_eq!(late, Err(Elapsed));
    /// # });
    /// ```
    #[track_caller]
    pub fn block_on<F: IntoFuture>(&self, future: F) -> F::Output {
        /// Drops the future where it was polled, however the wait ends.
        struct Polled<'a, F> {
            tokio: &'a Tokio,
            /// Who called.
            caller: &'static Location<'static>,
            future: Pin<&'a mut Option<F>>,
        }
        impl<F> Drop for Polled<'_, F> {
            fn drop(&mut self) {
                self.tokio.enter_for(self.caller, || self.future.set(None));
            }
        }
        // Closures know nothing of their caller's caller.
        let caller = Location::caller();
        let future = pin!(Some(self.enter_for(caller, || future.into_future())));
        let mut polled = Polled { tokio: self, caller, future };
        block_on(poll_fn(|context| {
            let future = polled.future.as_mut().as_pin_mut().expect("it is there until the end");
            self.enter_for(caller, || future.poll(context))
        }))
    }

    /// Has Tokio's thread run a future, as `tokio::spawn` does.
    ///
    /// ```
    /// let tokio = fiber::bridge::Tokio::shared();
    /// let task = tokio.spawn(async { "done" });
    /// assert_eq!(task.join().unwrap(), "done");
    /// ```
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Task::new(self.handle.spawn(future))
    }

    /// Runs `f` inside the runtime's context: for constructors, destructors and other calls that are not async and look for it. On a fiber, `f`
    /// must not suspend.
    ///
    /// # Panics
    ///
    /// Where `f` would suspend, as in [`no_suspend`](crate::no_suspend).
    ///
    /// ```
    /// let tokio = fiber::bridge::Tokio::shared();
    /// let handle = tokio.enter(tokio::runtime::Handle::current);
    /// assert_eq!(handle.id(), tokio.handle().id());
    /// ```
    #[track_caller]
    pub fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        self.enter_for(Location::caller(), f)
    }

    fn enter_for<T>(&self, caller: &'static Location<'static>, f: impl FnOnce() -> T) -> T {
        no_suspend_for(caller, || {
            let _entered = self.handle.enter();
            f()
        })
    }

    /// The runtime's handle, for Tokio's own interface. Its guard of `enter` must not be alive when the fiber suspends.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops the runtime and waits, for at most `timeout`, for what it runs on its blocking threads. Its tasks are dropped where they next
    /// wait. Suspends the fiber meanwhile; on a thread, blocks it. Nothing is done to a runtime that is somebody else's.
    ///
    /// ```
    /// # fiber::runtime::Runtime::new().unwrap().run(|| -> std::io::Result<()> {
    /// let tokio = fiber::bridge::Tokio::new()?;
    /// tokio.shutdown(std::time::Duration::from_secs(1));
    /// # Ok(())
    /// # }).unwrap();
    /// ```
    pub fn shutdown(mut self, timeout: Duration) {
        if let Some(runtime) = self.runtime.take() {
            blocking(|| runtime.shutdown_timeout(timeout));
        }
    }
}

/// Stops the runtime, unless it is somebody else's, without waiting for it.
impl Drop for Tokio {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A runtime with settings of one's own. It ends with what it is converted into.
impl From<Runtime> for Tokio {
    fn from(runtime: Runtime) -> Tokio {
        Tokio { handle: runtime.handle().clone(), runtime: Some(runtime) }
    }
}

/// A runtime that is somebody else's, for fibers in a program of Tokio's. Somebody has to drive it: one of a single thread is only while its
/// own `block_on` runs.
impl From<Handle> for Tokio {
    fn from(handle: Handle) -> Tokio {
        Tokio { handle, runtime: None }
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokio").field("id", &self.handle.id()).field("owned", &self.runtime.is_some()).finish()
    }
}
