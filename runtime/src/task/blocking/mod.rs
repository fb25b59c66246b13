//! Calls that block their thread, made on threads that are kept for them.
//!
//! A runtime has one [`Pool`]: threads, and a queue of calls. A fiber lends it a [`Call`] that stands on the fiber's
//! own stack, with all that the closure borrows, and suspends. So the frame of [`offload`] must not go while a thread of the pool may
//! touch it, whatever happens:
//!
//! ```text
//!            submit                    a thread takes it                 done
//!   fiber ───────────► queued ─────────────────────────► running ─────────────► fiber goes on
//!                        │
//!                        └── withdraw (cancelled, time limit): the call is the fiber's again
//! ```
//!
//! - Taking and withdrawing are removals from one queue under one lock, so exactly one of them gets the call.
//! - A call that was taken is waited for: from then on the fiber does not look at cancellations at all, and no wake ends the wait
//!   before `done` is set, which is the thread's last access.
//! - A runtime that ends waits for its fibers, hence for their calls. One that runs out of time leaves fiber, stack, worker and
//!   pool where they are.
//! - The process aborts rather than unwind through the frame in between ([`AbortOnUnwind`]).
//!
//! [`ask`] is for closures that own what they use: they can be abandoned. Look-ups of names use it, on a pool of their own.
//!
//! Rejected: a closure on the heap that is abandoned when the fiber is cancelled (it could not borrow); asking a running call to
//! stop (there is nothing to ask with); running the call on the worker when all threads are busy (it would hold every fiber of it).

mod call;
mod metrics;
mod pool;

use crate::fiber::Reason;
use crate::fiber::record::Waiter;
use crate::fiber::spans::carried;
use crate::fiber::unwind::AbortOnUnwind;
use crate::sched::Current;
use crate::sched::cancel::Interruption;
use crate::sched::io::wait_for_thread;
use crate::sys::sync::Lock;
use call::Call;
pub use metrics::BlockingMetrics;
pub(crate) use pool::Pool;
use pool::{Callee, Job};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Runs `f` on a thread of the runtime's blocking pool and returns its result, suspending only the calling fiber.
///
/// For what this crate has no call for: a C library that waits, a long computation. On a worker it would hold
/// all fibers of that worker. `f` may borrow from the caller's frame. Off a fiber, `f` is simply called.
///
/// The pool starts threads as calls come, up to [`blocking_threads`](crate::runtime::Builder::blocking_threads) (512 unless
/// configured, the number that Tokio has); further calls queue, first in, first out. A thread that had nothing to do for ten
/// seconds ends. Threads are named after the runtime: `fiber-blocking-0`. A call costs the way to another thread and back: 30 to 60 us in a
/// virtual machine, 5 us a call when 64 fibers make them. What `f` does with threads it does on the pool's: thread-locals are that thread's, and
/// [`spawn`](crate::spawn) there spawns on this runtime. Calls that wait for further calls need that many threads at once, so a
/// small pool can be deadlocked by them.
///
/// # Cancellation
///
/// A cancellation point that cannot return an error, until `f` begins: if the caller is cancelled or runs out of time, `f` is
/// withdrawn, dropped without having run, and the caller unwinds. Once `f` runs nothing stops it: the call returns when `f` has
/// ended, with its result, and the cancellation is found by the caller's next wait. The end of the runtime waits for it too, within
/// its time limit.
///
/// # Panics
///
/// With the panic of `f`. If no thread is there and the system refuses to start one.
///
/// # Examples
///
/// ```
/// # fiber::runtime::Runtime::new().unwrap().run(|| {
/// let text = String::from("borrowed");
/// let mut copy = String::new();
/// let length = fiber::blocking(|| {
///     std::thread::sleep(std::time::Duration::from_millis(1));
///     copy.push_str(&text);
///     copy.len()
/// });
/// assert_eq!((length, &*copy), (8, "borrowed"));
/// # });
/// ```
///
/// What is not `Send` stays on its thread:
///
/// ```compile_fail
/// let local = std::rc::Rc::new(1);
/// fiber::blocking(|| *local);
/// ```
///
/// ```compile_fail
/// fiber::blocking(|| std::rc::Rc::new(1));
/// ```
pub fn blocking<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let Some(current) = Current::get() else {
        return f();
    };
    match offload(current, Reason::Blocking, carried(f)) {
        Ok(value) => value,
        Err(NotRun::Interrupted(interruption)) => interruption.raise(),
        Err(NotRun::NoThread(error)) => panic!("{error}"),
    }
}

/// As [`blocking`], for calls that can fail: so a cancellation and a time limit, before the call has begun, give their error.
pub(crate) fn try_blocking<T: Send>(reason: Reason, f: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let Some(current) = Current::get() else {
        return f();
    };
    offload(current, reason, f).unwrap_or_else(|not_run| {
        Err(match not_run {
            NotRun::Interrupted(interruption) => interruption.into_error(),
            NotRun::NoThread(error) => error,
        })
    })
}

/// Why a call was not made. What it had borrowed is the caller's again.
enum NotRun<'a> {
    Interrupted(Interruption<'a>),
    NoThread(io::Error),
}

/// Makes the call on the pool of the running fiber's runtime.
fn offload<'a, F, T>(current: Current<'a>, reason: Reason, f: F) -> Result<T, NotRun<'a>>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    current.may_suspend(reason);
    if let Some(interruption) = current.interruption() {
        return Err(NotRun::Interrupted(interruption));
    }
    #[cfg(test)]
    if let Some(error) = crate::sched::io::plan().and_then(|plan| plan.refuses_thread()) {
        return Err(NotRun::NoThread(error));
    }
    let pool = &current.scheduler().blocking;
    let call = Call::new(f);
    let guard = AbortOnUnwind("a blocking call that may still run");
    // SAFETY: closure and result are `Send`. `call` stays in this frame until it is over or was withdrawn: `wait_for_thread` returns
    // only then, and an unwinding in between aborts the process. A job that is refused was never seen by a thread.
    let job = unsafe { call.lend(Waiter::Fiber(current.fiber())) };
    let outcome = match pool.submit(job) {
        Ok(ticket) => wait_for_thread(reason, || call.outcome(), || pool.withdraw(ticket)).map_err(NotRun::Interrupted),
        Err(error) => Err(NotRun::NoThread(error)),
    };
    guard.disarm();
    outcome.map(|outcome| outcome.unwrap_or_else(|panic| resume_unwind(panic)))
}

/// Makes a call on this pool that is left to itself when the running fiber is to end its wait. What has not begun is withdrawn.
///
/// # Errors
///
/// Those of the call; that of a cancellation or of a time limit around it (or an unwinding); a thread that could not be started.
///
/// # Panics
///
/// With the panic of `f`. Off a fiber.
pub(crate) fn ask<T: Send + 'static>(
    pool: &Arc<Pool>,
    reason: Reason,
    f: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    if let Some(current) = Current::get() {
        current.may_suspend(reason);
    }
    let answer = Arc::new(Lock::new(None));
    let call = {
        let answer = Arc::clone(&answer);
        move || {
            let outcome = catch_unwind(AssertUnwindSafe(f));
            *answer.lock() = Some(outcome);
        }
    };
    let ticket = pool.submit(Job { call: Callee::Owned(Box::new(call)), waiter: Waiter::current() })?;
    let leave = || {
        pool.withdraw(ticket);
        true
    };
    wait_for_thread(reason, || answer.lock().take(), leave)
        .map_err(Interruption::into_error)?
        .unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Cancelled;
    use crate::runtime::{Builder, Handle, State};
    use std::sync::mpsc;

    /// Whoever asks goes at once, whether the call is queued or runs; and what is queued never runs.
    #[test]
    fn asking_can_be_given_up() {
        let pool = Arc::new(Pool::new("test-".to_owned(), 1, Vec::new()));
        Builder::new().workers(1).build().unwrap().run(|| {
            let (begun, begins) = mpsc::channel();
            let (open, opened) = mpsc::channel::<()>();
            let running = crate::spawn({
                let pool = pool.clone();
                move || {
                    ask(&pool, Reason::Lookup, move || {
                        begun.send(()).unwrap();
                        Ok(opened.recv().is_err())
                    })
                }
            });
            while begins.try_recv().is_err() {
                crate::yield_now();
            }
            let (kept, dropped) = mpsc::channel::<()>();
            let queued = crate::spawn({
                let pool = pool.clone();
                move || ask(&pool, Reason::Lookup, move || Ok(kept.send(()).is_ok()))
            });
            let waits = |dump: &crate::runtime::Dump| {
                dump.fibers().iter().filter(|fiber| fiber.state() == State::Waiting(Reason::Lookup)).count() == 2
            };
            while !waits(&Handle::try_current().unwrap().dump()) {
                crate::yield_now();
            }
            for asker in [queued, running] {
                asker.cancel();
                let error = asker.join().unwrap().unwrap_err();
                assert!(error.get_ref().is_some_and(|source| source.is::<Cancelled>()), "{error}");
            }
            assert_eq!(dropped.recv(), Err(mpsc::RecvError), "it was dropped and did not run");
            assert_eq!(pool.metrics().idle, 0, "the call that was left still runs");
            drop(open);
            assert!(ask(&pool, Reason::Lookup, || Ok(true)).unwrap());
        });
    }
}
