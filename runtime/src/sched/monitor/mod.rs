//! The monitor: one thread for all runtimes of the process, which sees when a fiber runs for too long.
//!
//! It looks at each worker every half of the shortest time slice. A fiber that has run for its slice is asked to yield at its next
//! checkpoint ([`slice`](super::slice)); one that holds its worker for longer than a limit is reported, with the stack of the thread.
//! While all workers sleep, so does the monitor ([`dormancy`]). It needs nothing from a worker but two words
//! ([`progress`](super::progress)), so it works while fibers hold all of them.
//!
//! Go's `sysmon` is the model (`runtime/proc.go`): it, too, asks after a fixed time and reads a counter of resumptions rather than a clock
//! at each of them. Rejected: a timer signal for each worker (`timer_create` on the thread's processor time), which would
//! interrupt the system calls of users' code.

mod dormancy;
mod watch;

use super::clock;
use super::progress::Sample;
use super::scheduler::Scheduler;
use super::worker::is_on_its_stack;
use crate::fiber::slot::Observed;
use crate::sys::stack_trace::{self, Trace};
use crate::sys::stderr::say;
use crate::sys::threads;
use dormancy::Dormancy;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};
use watch::{Limits, Verdict, Watch};

/// The shortest time slice that is kept: at half of it the monitor looks.
pub(crate) const SHORTEST_SLICE: Duration = Duration::from_micros(100);
/// Pauses grow up to this many times while all workers sleep.
const LONGEST_PAUSE: u32 = 4;
/// Looks at sleeping workers before the monitor sleeps itself: waking it costs a system call.
const IDLE_LOOKS: u32 = 20;
/// Reports in a [`WINDOW`], for the whole process.
const REPORTS: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// A fiber that holds its worker.
pub(crate) struct Held {
    pub(crate) worker: usize,
    pub(crate) fiber: Observed,
    pub(crate) time: Duration,
    /// Where the worker's thread is, innermost first; empty if it could not be found out.
    pub(crate) frames: Vec<usize>,
    /// How many such fibers were not reported since the last one that was.
    pub(crate) unreported: u64,
}

/// What is done about one.
pub(crate) type OnHeld = Box<dyn Fn(&Scheduler, Held) + Send + Sync>;

struct Registry {
    runtimes: Vec<Arc<Scheduler>>,
    /// Grows with each change of `runtimes`.
    version: u64,
    thread: Option<JoinHandle<()>>,
    /// Which of the threads, one after the other, is the monitor: grows when one is to end.
    generation: u64,
}

static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { runtimes: Vec::new(), version: 0, thread: None, generation: 0 });
static DORMANCY: Dormancy = Dormancy::new();
/// The shortest time slice of any runtime, and of any fiber that has started, in nanoseconds.
static SHORTEST: AtomicU64 = AtomicU64::new(u64::MAX);

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches a runtime from now on.
///
/// # Errors
///
/// As [`thread::Builder::spawn`].
pub(crate) fn enter(scheduler: &Arc<Scheduler>) -> io::Result<()> {
    let mut registry = registry();
    if registry.thread.is_none() {
        let generation = registry.generation;
        registry.thread = Some(thread::Builder::new().name("fiber-monitor".to_owned()).spawn(move || run(generation))?);
    }
    SHORTEST.fetch_min(clock::nanoseconds(scheduler.settings.timeslice), Relaxed);
    registry.runtimes.push(scheduler.clone());
    registry.version += 1;
    drop(registry);
    wake();
    Ok(())
}

/// The thread's end, if it ends: waited for when this is dropped.
#[must_use]
pub(crate) struct Leaving(Option<JoinHandle<()>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// Ends what [`enter`] began. With the last runtime the thread ends.
pub(crate) fn leave(scheduler: &Arc<Scheduler>) -> Leaving {
    wait_for_reports();
    let mut registry = registry();
    registry.runtimes.retain(|watched| !Arc::ptr_eq(watched, scheduler));
    registry.version += 1;
    let thread = if registry.runtimes.is_empty() { registry.thread.take() } else { None };
    if let Some(thread) = &thread {
        registry.generation += 1;
        drop(registry);
        thread.thread().unpark();
    }
    Leaving(thread)
}

/// How many threads this module keeps for as long as a runtime is up.
pub(crate) fn threads() -> usize {
    usize::from(registry().thread.is_some())
}

/// Whether a report is being made, by a thread that comes and goes.
pub(crate) fn is_telling() -> bool {
    TELLING.load(SeqCst) > 0
}

/// A fiber with a time slice of its own starts.
#[cold]
pub(super) fn keep_slice(slice: Duration) -> u32 {
    let slice = slice.max(SHORTEST_SLICE);
    let nanoseconds = clock::nanoseconds(slice);
    if SHORTEST.load(Relaxed) > nanoseconds {
        SHORTEST.fetch_min(nanoseconds, Relaxed);
    }
    u32::try_from(slice.as_micros()).unwrap_or(u32::MAX)
}

/// A worker has woken from its sleep.
#[inline]
pub(super) fn worker_woke() {
    if DORMANCY.end() {
        wake();
    }
}

#[cold]
fn wake() {
    if let Some(thread) = &registry().thread {
        thread.thread().unpark();
    }
}

/// A runtime as the monitor sees it.
struct Watched {
    scheduler: Arc<Scheduler>,
    workers: Vec<Watch>,
}

/// Which reports were made lately.
struct Reports {
    window: u64,
    made: u32,
    unreported: u64,
}

/// The body of the thread.
fn run(generation: u64) {
    let mut watched: Vec<Watched> = Vec::new();
    let mut reports = Reports { window: 0, made: 0, unreported: 0 };
    let (mut version, mut idle_looks) = (0, 0);
    loop {
        {
            let registry = registry();
            if registry.generation != generation {
                break;
            }
            if mem::replace(&mut version, registry.version) != registry.version {
                follow(&mut watched, &registry.runtimes);
            }
        }
        let now = clock::now();
        let mut asleep = true;
        for runtime in &mut watched {
            asleep &= runtime.scheduler.idle.all_asleep();
            runtime.look(now, &mut reports);
        }
        idle_looks = if asleep { idle_looks + 1 } else { 0 };
        if idle_looks > IDLE_LOOKS
            && DORMANCY.begin(|| watched.iter().all(|runtime| runtime.scheduler.idle.all_asleep()))
        {
            thread::park();
            idle_looks = 0;
            continue;
        }
        let pause = Duration::from_nanos(SHORTEST.load(Relaxed) / 2) * (idle_looks + 1).min(LONGEST_PAUSE);
        thread::park_timeout(pause);
    }
    follow(&mut watched, &[]);
}

/// Begins to watch the runtimes that have come, and lets those go that have gone.
fn follow(watched: &mut Vec<Watched>, runtimes: &[Arc<Scheduler>]) {
    watched.retain(|old| {
        let stays = runtimes.iter().any(|runtime| Arc::ptr_eq(runtime, &old.scheduler));
        if !stays {
            // Nobody answers there any more.
            for home in &old.scheduler.homes {
                home.progress.withdraw();
            }
        }
        stays
    });
    for runtime in runtimes {
        if !watched.iter().any(|old| Arc::ptr_eq(runtime, &old.scheduler)) {
            let workers = (0..runtime.workers()).map(|_| Watch::default()).collect();
            watched.push(Watched { scheduler: runtime.clone(), workers });
        }
    }
}

impl Watched {
    fn look(&mut self, now: u64, reports: &mut Reports) {
        let settings = &self.scheduler.settings;
        let limits =
            Limits { slice: clock::nanoseconds(settings.timeslice), held: settings.held_limit.map(clock::nanoseconds) };
        for (index, (home, watch)) in self.scheduler.homes.iter().zip(&mut self.workers).enumerate() {
            if watch.is_long_turn(home.progress.turns(), home.progress.resumed()) {
                home.progress.end_batch();
            }
            let sample = home.progress.sample(&self.scheduler.homes, home);
            let thread = home.progress.thread();
            let Verdict { ask, withdraw, held } =
                watch.look(sample, now, limits, || threads::standing(thread).unwrap_or_default());
            if withdraw {
                home.progress.withdraw();
            }
            let Some(sample) = sample else {
                continue;
            };
            if ask {
                home.progress.ask(sample.resumed);
            }
            if let Some(held) = held {
                home.progress.count_held();
                reports.make(&self.scheduler, index, sample, held, now);
            }
        }
    }
}

/// Threads that make a report.
static TELLING: AtomicUsize = AtomicUsize::new(0);

/// Tells that one of them has done so.
static TOLD: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

thread_local! {
    static IS_TELLER: Cell<bool> = const { Cell::new(false) };
}

/// How long the end of a runtime waits for reports. With a debug build's own debug information, names take a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Waits for the reports that are being made: the process may end with the runtime, and they with it.
fn wait_for_reports() {
    // A callback that ends the runtime would wait for itself.
    if TELLING.load(SeqCst) > 0 && !IS_TELLER.get() {
        let lock = TOLD.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = TOLD.1.wait_timeout_while(lock, PATIENCE, |()| TELLING.load(SeqCst) > 0);
    }
}

/// Has the report made, on a thread of its own: to find the names of functions may take a few tenths of a second, for which nobody's
/// slice would end.
fn tell(scheduler: Arc<Scheduler>, held: Held) {
    let worker = held.worker;
    let make = move || {
        IS_TELLER.set(true);
        let report = || (scheduler.settings.held)(&scheduler, held);
        if catch_unwind(AssertUnwindSafe(report)).is_err() {
            say(format_args!("fiber: the callback for held workers panicked\n"));
        }
        {
            let _lock = TOLD.0.lock().unwrap_or_else(PoisonError::into_inner);
            TELLING.fetch_sub(1, SeqCst);
        }
        TOLD.1.notify_all();
        // Whether all fibers wait for ever could not be known meanwhile. A worker that wakes asks again.
        scheduler.homes[worker].ring_if_asleep();
    };
    TELLING.fetch_add(1, SeqCst);
    if thread::Builder::new().name("fiber-held".to_owned()).spawn(make).is_err() {
        // It is lost: there are too many threads, of which others will hear.
        TELLING.fetch_sub(1, SeqCst);
    }
}

impl Reports {
    fn make(&mut self, scheduler: &Arc<Scheduler>, worker: usize, sample: Sample, held: u64, now: u64) {
        if now - self.window > clock::nanoseconds(WINDOW) {
            (self.window, self.made) = (now, 0);
        }
        if self.made == REPORTS {
            self.unreported += 1;
            return;
        }
        let thread = scheduler.homes[worker].progress.thread();
        let Trace { frames, is_panicking } =
            stack_trace::of(thread, sample.resumed, is_on_its_stack).unwrap_or_default();
        if is_panicking {
            // A hook that prints a backtrace takes its time, and what it prints says more than a report could.
            return;
        }
        self.made += 1;
        let unreported = mem::take(&mut self.unreported);
        let held = Held { worker, fiber: sample.fiber, time: Duration::from_nanos(held), frames, unreported };
        tell(scheduler.clone(), held);
    }
}
