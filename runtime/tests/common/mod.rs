//! What the tests of this folder share: runtimes that are watched, waiting for a state, counting drops, random numbers.
// Every test crate uses some of it.
#![allow(dead_code)]

use fiber::Fiber;
use fiber::runtime::{Builder, Handle, Reason, Runtime, ShutdownError, State};
use std::io::Write;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// After this long a test has hung. Far above what the slowest needs on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// For shutdowns that must succeed, and for waits that something ends.
pub(crate) const LONG: Duration = Duration::from_secs(1000);

/// A runtime with so many workers, watched while it lives.
pub(crate) fn runtime(workers: usize) -> TestRuntime {
    watched(Builder::new().workers(workers))
}

/// A runtime with these settings, watched while it lives.
pub(crate) fn watched(builder: Builder) -> TestRuntime {
    let runtime = builder.shutdown_timeout(LONG).build().unwrap();
    let watch = Watch::over(runtime.handle());
    TestRuntime { runtime: Some(runtime), _watch: watch }
}

/// A runtime under a watchdog: if it lives for too long, the process prints what its fibers do and aborts.
pub(crate) struct TestRuntime {
    runtime: Option<Runtime>,
    _watch: Watch,
}

impl TestRuntime {
    /// As [`Runtime::shutdown`], with as much time as it takes.
    pub(crate) fn shut_down(mut self) {
        self.runtime.take().unwrap().shutdown(LONG).unwrap();
    }

    /// As [`Runtime::shutdown`].
    pub(crate) fn shut_down_within(mut self, timeout: Duration) -> Result<(), ShutdownError> {
        self.runtime.take().unwrap().shutdown(timeout)
    }
}

impl Deref for TestRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }
}

/// One watched test.
pub(crate) struct Watch(u64);

struct Watched {
    number: u64,
    test: String,
    since: Instant,
    runtime: Option<Handle>,
}

static WATCHED: Mutex<(u64, Vec<Watched>)> = Mutex::new((0, Vec::new()));

impl Watch {
    /// Watches a test that has this runtime.
    pub(crate) fn over(runtime: Handle) -> Watch {
        Watch::begin(Some(runtime))
    }

    /// Watches the calling test.
    pub(crate) fn begin(runtime: Option<Handle>) -> Watch {
        static MONITOR: Once = Once::new();
        MONITOR.call_once(|| drop(std::thread::Builder::new().name("watchdog".into()).spawn(watch).unwrap()));
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        watched.0 += 1;
        let number = watched.0;
        let test = std::thread::current().name().unwrap_or("unnamed").to_owned();
        watched.1.push(Watched { number, test, since: Instant::now(), runtime });
        Watch(number)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.lock().unwrap_or_else(PoisonError::into_inner).1.retain(|watched| watched.number != self.0);
    }
}

fn watch() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        let late: Vec<_> = watched.1.iter().filter(|watched| watched.since.elapsed() > LIMIT).collect();
        if late.is_empty() {
            continue;
        }
        // Past the harness, which would keep it for the report that will never come.
        let mut err = std::io::stderr();
        for watched in late {
            let _ = writeln!(err, "\ntest {} has hung", watched.test);
            if let Some(runtime) = &watched.runtime {
                let dump = runtime.dump().to_string();
                let head: Vec<_> = dump.lines().take(100).collect();
                let _ = writeln!(err, "{}", head.join("\n"));
            }
        }
        std::process::abort();
    }
}

/// Waits, on a fiber or a thread, until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LIMIT, "waited in vain until {what}");
        fiber::time::sleep(Duration::from_micros(100));
    }
}

/// Waits until the fiber is suspended for this reason.
pub(crate) fn until_waiting(runtime: &Handle, fiber: &Fiber, reason: Reason) {
    eventually(&format!("{fiber} is {reason}"), || state(runtime, fiber) == Some(State::Waiting(reason)));
}

/// What the fiber is doing, if it has started and not ended.
pub(crate) fn state(runtime: &Handle, fiber: &Fiber) -> Option<State> {
    runtime.dump().fibers().iter().find(|seen| seen.id() == fiber.id()).map(|seen| seen.state())
}

/// The runtime of the calling fiber.
pub(crate) fn here() -> Handle {
    Handle::try_current().unwrap()
}

/// Counts.
#[derive(Clone, Default, Debug)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn new() -> Count {
        Count::default()
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// A value whose destructor counts.
    pub(crate) fn on_drop(&self) -> CountDrop {
        CountDrop(self.clone())
    }
}

/// Counts when it is dropped.
#[derive(Debug)]
pub(crate) struct CountDrop(Count);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Runs a closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Seeded random numbers: splitmix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
