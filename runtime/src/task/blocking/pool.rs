//! The threads, and the queue that they work off.
//!
//! One lock covers the queue and the list of idle threads. Whoever queues a job calls the thread that became idle last, or starts one,
//! or, at the limit, leaves the job to the threads there are: none becomes idle, or ends, while the queue is not empty. The last to
//! become idle is called first, so that few warm threads serve a light load and the others reach the end of their
//! patience.

use super::BlockingMetrics;
use crate::fiber::record::Waiter;
use crate::runtime::process;
use crate::sched::{Scheduler, WaitList};
use crate::sys::sync::{Lock, LockGuard};
use crate::sys::{affinity, threads};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use std::{io, mem};

/// How long a thread without work stays, as Tokio's do: starting one costs some ten microseconds, and a burst is seldom alone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A call to make.
pub(super) struct Job {
    pub(super) call: Callee,
    /// Who is told that the call was made.
    pub(super) waiter: Waiter,
}

/// What to call.
pub(super) enum Callee {
    /// In a frame that is kept for it: a function that makes the call, and sets it free as the last thing.
    Lent(unsafe fn(*const ()), *const ()),
    /// By itself.
    Owned(Box<dyn FnOnce() + Send>),
}

// SAFETY: `Call::lend`, which alone makes a `Lent`, asks that closure and result may be used on another thread.
unsafe impl Send for Callee {}

impl Job {
    /// Makes the call; who is to be woken.
    fn run(self) -> Waiter {
        match self.call {
            // SAFETY: the job is consumed, and by `Call::lend` the call is there until it was made.
            Callee::Lent(make, call) => unsafe { make(call) },
            Callee::Owned(f) => f(),
        }
        self.waiter
    }
}

/// A job's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// The blocking threads of one runtime.
pub(crate) struct Pool {
    /// The beginning of the threads' names.
    name: String,
    limit: usize,
    patience: Duration,
    /// Where the threads may run, if not where the workers that start them may.
    cpus: Vec<usize>,
    scheduler: OnceLock<Weak<Scheduler>>,
    state: Lock<State>,
    /// Whoever waits for the last thread to end.
    emptied: WaitList,
}

#[derive(Default)]
struct State {
    queue: BTreeMap<Ticket, Job>,
    tickets: u64,
    threads: usize,
    /// The most threads that there were.
    peak: usize,
    /// Threads that wait to be called, in the order in which they became idle.
    idle: Vec<Arc<Seat>>,
    /// By the number of the thread. One that loses patience takes its own out, and so is detached.
    handles: HashMap<u64, JoinHandle<()>>,
    started: u64,
    closed: bool,
}

/// Where an idle thread waits.
struct Seat {
    thread: Thread,
    called: AtomicBool,
}

impl Pool {
    /// A pool without threads. They will be called `name` and a number, be at most `limit`, and run on `cpus`, or if that is empty
    /// where whoever starts them may.
    pub(crate) fn new(name: String, limit: usize, cpus: Vec<usize>) -> Pool {
        Pool {
            name,
            limit,
            patience: PATIENCE,
            cpus,
            scheduler: OnceLock::new(),
            state: Lock::new(State::default()),
            emptied: WaitList::new(),
        }
    }

    /// Makes the pool's threads spawn on this runtime.
    pub(crate) fn serve(&self, scheduler: &Arc<Scheduler>) {
        let _ = self.scheduler.set(Arc::downgrade(scheduler));
    }

    /// Queues a job, and sees to a thread for it.
    ///
    /// # Errors
    ///
    /// There is no thread and the system refuses to start one.
    pub(super) fn submit(self: &Arc<Self>, job: Job) -> io::Result<Ticket> {
        let mut state = self.state.lock();
        let ticket = state.enqueue(job);
        if let Some(seat) = state.idle.pop() {
            drop(state);
            seat.call();
            return Ok(ticket);
        }
        if state.threads < self.limit
            && let Err(error) = self.start(&mut state)
            && state.threads == 0
        {
            state.queue.remove(&ticket);
            let text = format!(
                "no thread could be started for a blocking call: {error}; see the limits on threads (ulimit -u, \
                 kernel.threads-max, the cgroup's pids.max)"
            );
            return Err(io::Error::new(error.kind(), text));
        }
        Ok(ticket)
    }

    /// Takes a job back. `false` if a thread has it.
    pub(super) fn withdraw(&self, ticket: Ticket) -> bool {
        self.state.lock().queue.remove(&ticket).is_some()
    }

    /// Starts a thread. Under the lock, so that no job is ever left to a thread that then fails to start.
    fn start(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let number = state.started;
        let pool = Arc::clone(self);
        let thread = thread::Builder::new().name(format!("{}{number}", self.name)).spawn(move || pool.work(number))?;
        state.handles.insert(number, thread);
        state.started += 1;
        state.threads += 1;
        state.peak = state.peak.max(state.threads);
        Ok(())
    }

    /// A thread's life.
    fn work(&self, number: u64) {
        if !self.cpus.is_empty() {
            affinity::stay_on(&self.cpus);
        }
        if let Some(scheduler) = self.scheduler.get() {
            process::serve(scheduler.clone());
        }
        let seat = Arc::new(Seat { thread: thread::current(), called: AtomicBool::new(false) });
        // A thread without a job wakes no fiber, and a fiber that waits for a job keeps its worker from resting: so the stall report
        // may count the thread among the blocked ones from just before it wakes a caller.
        threads::blocked();
        while let Some(job) = self.next_job(&seat, number) {
            threads::unblocked();
            let waiter = job.run();
            threads::blocked();
            waiter.wake();
        }
        threads::unblocked();
    }

    /// The next job, or nothing if the thread is to end: it is counted out then.
    fn next_job(&self, seat: &Arc<Seat>, number: u64) -> Option<Job> {
        loop {
            let mut state = self.state.lock();
            if let Some((_, job)) = state.queue.pop_first() {
                return Some(job);
            }
            if state.closed {
                self.leave(state);
                return None;
            }
            seat.called.store(false, Release);
            state.idle.push(Arc::clone(seat));
            drop(state);
            if seat.wait(self.patience) {
                continue;
            }
            let mut state = self.state.lock();
            // Unless somebody called it in the last moment.
            if let Some(place) = state.idle.iter().position(|idle| Arc::ptr_eq(idle, seat)) {
                state.idle.remove(place);
                state.handles.remove(&number);
                self.leave(state);
                return None;
            }
        }
    }

    fn leave(&self, mut state: LockGuard<'_, State>) {
        state.threads -= 1;
        if state.threads == 0 {
            drop(state);
            self.emptied.wake_all();
        }
    }

    /// Lets every thread end that has nothing to do, now or later. No job may come after this.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let idle = mem::take(&mut state.idle);
        drop(state);
        idle.iter().for_each(|seat| seat.call());
    }

    /// Where to wait for [`is_empty`](Self::is_empty).
    pub(crate) fn emptied(&self) -> &WaitList {
        &self.emptied
    }

    /// Whether there is no thread, or none that has not left its last job behind.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().threads == 0
    }

    /// Waits for the very end of threads that have left their last job behind: of the destructors of their thread-locals.
    pub(crate) fn join(&self) {
        let handles = mem::take(&mut self.state.lock().handles);
        for thread in handles.into_values() {
            // A thread of the pool does not unwind.
            let _ = thread.join();
        }
    }

    pub(crate) fn metrics(&self) -> BlockingMetrics {
        let state = self.state.lock();
        BlockingMetrics { threads: state.threads, idle: state.idle.len(), queued: state.queue.len(), peak: state.peak }
    }
}

impl State {
    fn enqueue(&mut self, job: Job) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        self.queue.insert(ticket, job);
        ticket
    }
}

impl Seat {
    /// Ends the thread's wait. The thread is out of the list of idle ones.
    fn call(&self) {
        self.called.store(true, Release);
        self.thread.unpark();
    }

    /// Waits to be called, for so long.
    fn wait(&self, patience: Duration) -> bool {
        let begin = Instant::now();
        loop {
            if self.called.load(Acquire) {
                return true;
            }
            let left = patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::call::Call;
    use super::*;
    use std::sync::mpsc;

    fn pool(limit: usize, patience: Duration) -> Arc<Pool> {
        Arc::new(Pool { patience, ..Pool::new("test-".to_owned(), limit, Vec::new()) })
    }

    /// Makes a call from a thread, which waits for it.
    fn make<T: Send>(pool: &Arc<Pool>, f: impl FnOnce() -> T + Send) -> T {
        let call = Call::new(f);
        // SAFETY: this frame stays until the call is over.
        pool.submit(unsafe { call.lend(Waiter::current()) }).unwrap();
        loop {
            match call.outcome() {
                Some(outcome) => return outcome.unwrap(),
                None => thread::park(),
            }
        }
    }

    fn until(what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
            thread::sleep(Duration::from_micros(100));
        }
    }

    #[test]
    fn threads_end_after_idleness_and_come_back() {
        let pool = pool(8, Duration::from_millis(1));
        for round in 1..4 {
            assert_eq!(make(&pool, || thread::current().name().map(str::to_owned)).unwrap()[..5], *"test-");
            until("the thread has ended", || pool.is_empty());
            assert!(pool.state.lock().handles.is_empty());
            assert_eq!(pool.state.lock().started, round);
        }
        assert_eq!(pool.metrics(), BlockingMetrics { peak: 1, ..BlockingMetrics::default() });
    }

    #[test]
    fn the_last_to_become_idle_is_called_first() {
        let pool = pool(2, Duration::from_secs(1000));
        thread::scope(|scope| {
            let (there, arrivals) = mpsc::channel();
            let mut gates = Vec::new();
            let mut names = Vec::new();
            for _ in 0..2 {
                let (gate, closed) = mpsc::channel::<()>();
                let there = there.clone();
                let pool = &pool;
                scope.spawn(move || {
                    make(pool, move || {
                        there.send(thread::current().id()).unwrap();
                        let _ = closed.recv();
                    });
                });
                names.push(arrivals.recv().unwrap());
                gates.push(gate);
            }
            for gate in gates {
                let idle = pool.metrics().idle;
                drop(gate);
                until("its thread is idle", || pool.metrics().idle == idle + 1);
            }
            for _ in 0..5 {
                assert_eq!(make(&pool, || thread::current().id()), names[1]);
                until("it is idle again", || pool.metrics().idle == 2);
            }
        });
        pool.close();
        until("both have ended", || pool.is_empty());
        pool.join();
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use super::super::call::Call;
    use super::*;
    use loom::thread;

    /// A call is withdrawn while a thread takes it: exactly one of them gets it, and each sees what the other left.
    #[test]
    fn loom_a_call_is_made_or_withdrawn() {
        loom::model(|| {
            let pool = Arc::new(Pool::new(String::new(), 0, Vec::new()));
            let mut value = 1;
            let call = Call::new(|| {
                value += 1;
                7
            });
            // SAFETY: the call is withdrawn, or over, when this closure ends; the thread is joined before `value` is read.
            let ticket = pool.submit(unsafe { call.lend(Waiter::thread(false)) }).unwrap();
            let worker = thread::spawn({
                let pool = pool.clone();
                move || {
                    let job = pool.state.lock().queue.pop_first();
                    job.map(|(_, job)| job.run().wake()).is_some()
                }
            });
            let withdrawn = pool.withdraw(ticket);
            if !withdrawn {
                let outcome = loop {
                    match call.outcome() {
                        Some(outcome) => break outcome,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(outcome.unwrap(), 7);
            }
            assert!(call.outcome().is_none());
            drop(call);
            assert_eq!(value, if withdrawn { 1 } else { 2 });
            assert_ne!(worker.join().unwrap(), withdrawn);
        });
    }
}
