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
//! Rejected: a closure on the heap that is abandoned when the fiber is cancelled (it could not borrow); asking a running call to
//! stop (there is nothing to ask with); running the call on the worker when all threads are busy (it would hold every fiber of it).

mod call;
mod metrics;
mod pool;

use crate::fiber::Reason;
use crate::fiber::record::Waiter;
use crate::fiber::unwind::AbortOnUnwind;
use crate::sched::Current;
use crate::sched::cancel::Interruption;
use crate::sched::io::wait_for_thread;
use call::Call;
pub use metrics::BlockingMetrics;
pub(crate) use pool::Pool;
use std::io;
use std::panic::resume_unwind;

/// Runs `f` on a thread of the runtime's blocking pool and returns its result, suspending only the calling fiber.
///
/// For what this crate has no call for: a C library that waits, `std::process`, a long computation. On a worker it would hold
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
    match offload(current, Reason::Blocking, f) {
        Ok(value) => value,
        Err(NotRun::Interrupted(interruption)) => interruption.raise(),
        Err(NotRun::NoThread(error)) => panic!("{error}"),
    }
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
    if let Some(interruption) = current.interruption() {
        return Err(NotRun::Interrupted(interruption));
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
