#![cfg(not(loom))]
//! Time slices, and workers that are held.

mod common;

use common::{TestRuntime, eventually, here, state, watched};
use fiber::runtime::{Builder, Handle, HeldWorker, Reason, State};
use fiber::time::sleep;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Long after which a test that waits in a loop gives up.
const GENEROUS: Duration = Duration::from_secs(60);

/// A runtime whose held workers are not reported: a process makes few reports in a minute, and a machine that stands still makes the
/// monitor see some where none are.
fn quiet(workers: usize) -> TestRuntime {
    watched(Builder::new().workers(workers).held_limit(None))
}

fn flag() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

/// Computes until told to stop, without a wait and without a call that could be one.
#[fiber::check(checkpoints = true)]
fn compute_until(stop: &AtomicBool) -> u64 {
    let (mut rounds, begin) = (0_u64, Instant::now());
    while !stop.load(SeqCst) {
        rounds = black_box(rounds + 1);
        assert!(rounds % 4096 != 0 || begin.elapsed() < GENEROUS, "nobody else was let run");
    }
    rounds
}

#[test]
fn fibers_that_compute_take_turns() {
    quiet(1).run(|| {
        let (one, two) = (flag(), flag());
        let computing = fiber::spawn({
            let one = one.clone();
            move || compute_until(&one)
        });
        let other = fiber::spawn({
            let (one, two) = (one.clone(), two.clone());
            move || {
                one.store(true, SeqCst);
                compute_until(&two)
            }
        });
        // On the way to its wait, this one computes too.
        compute_until(&one);
        two.store(true, SeqCst);
        computing.join().unwrap();
        other.join().unwrap();
        assert!(Handle::try_current().unwrap().metrics().slices_expired > 0);
    });
}

#[test]
fn a_timer_fires_beside_a_fiber_that_computes() {
    quiet(1).run(|| {
        let done = flag();
        fiber::spawn({
            let done = done.clone();
            move || {
                for _ in 0..3 {
                    sleep(Duration::from_millis(1));
                }
                done.store(true, SeqCst);
            }
        });
        compute_until(&done);
    });
}

#[test]
fn should_yield_says_when_the_slice_has_passed_and_a_yield_begins_the_next() {
    quiet(1).run(|| {
        // On a machine that keeps the thread from running, a slice may pass between its beginning and the question; not each.
        let begins = || {
            fiber::yield_now();
            !fiber::should_yield()
        };
        for _ in 0..3 {
            assert!((0..1000).any(|_| begins()), "no slice begins");
            let begin = Instant::now();
            while !fiber::should_yield() {
                assert!(begin.elapsed() < GENEROUS, "the slice never ends");
            }
            assert!(fiber::should_yield(), "it stays used up");
        }
    });
    assert!(!fiber::should_yield(), "a thread has none");
}

#[fiber::task(timeslice = "100us")]
fn impatient() -> Duration {
    slice()
}

/// How long it takes until the slice is used up.
fn slice() -> Duration {
    let begin = Instant::now();
    while !fiber::should_yield() {
        assert!(begin.elapsed() < GENEROUS, "the slice never ends");
    }
    begin.elapsed()
}

#[test]
fn a_fiber_has_its_own_slice_its_tasks_or_the_runtimes() {
    // The runtime's is longer than the whole test.
    let runtime = Builder::new().workers(1).timeslice(Duration::from_secs(3600)).build().unwrap();
    runtime.run(|| {
        impatient::spawn().join().unwrap();
        fiber::Builder::new().timeslice(Duration::from_millis(1)).spawn(slice).join().unwrap();
        // So long that nobody sees its end.
        let patient = impatient::builder().timeslice(Duration::from_secs(3600)).spawn(|| {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(20) {
                assert!(!fiber::should_yield());
            }
        });
        patient.join().unwrap();
    });
}

#[test]
fn a_checkpoint_does_not_yield_where_the_fiber_must_stay() {
    quiet(1).run(|| {
        let others = Arc::new(AtomicU64::new(0));
        fiber::spawn({
            let others = others.clone();
            move || {
                others.fetch_add(1, SeqCst);
            }
        });
        fiber::no_suspend(|| {
            while !fiber::should_yield() {}
            fiber::checkpoint();
            assert_eq!(others.load(SeqCst), 0);
        });
        let begin = Instant::now();
        while others.load(SeqCst) == 0 {
            fiber::checkpoint();
            assert!(begin.elapsed() < GENEROUS, "the question is still open, or is put again");
        }
    });
}

#[test]
fn a_checkpoint_does_not_end_a_cancelled_fiber() {
    quiet(1).run(|| {
        let (started, done) = (flag(), flag());
        let fiber = fiber::spawn({
            let (started, done) = (started.clone(), done.clone());
            move || {
                started.store(true, SeqCst);
                compute_until(&done)
            }
        });
        compute_until(&started);
        fiber.cancel();
        done.store(true, SeqCst);
        assert!(fiber.join().is_ok(), "it was not unwound where it did not wait");
    });
}

/// Its name is looked for in the report.
#[inline(never)]
fn hold_the_worker(until: &AtomicBool) {
    let begin = Instant::now();
    while !until.load(SeqCst) {
        std::hint::spin_loop();
        assert!(begin.elapsed() < GENEROUS, "nobody noticed");
    }
}

#[test]
fn the_end_of_a_runtime_waits_for_the_report_that_is_being_made() {
    let (begun, done) = (flag(), flag());
    let on_held = {
        let (begun, done) = (begun.clone(), done.clone());
        move |_: &HeldWorker| {
            begun.store(true, SeqCst);
            // As the search for the names of functions.
            std::thread::sleep(Duration::from_millis(200));
            done.store(true, SeqCst);
        }
    };
    let runtime = Builder::new().workers(1).held_limit(Duration::from_millis(10)).on_held(on_held).build().unwrap();
    runtime.run(|| fiber::spawn(move || hold_the_worker(&begun)).join().unwrap());
    drop(runtime);
    assert!(done.load(SeqCst));
}

/// Returns when a timer of another fiber is set, which will be late if the caller holds the worker now.
fn set_a_timer() {
    loop {
        let sleeper = fiber::spawn_local(|| sleep(Duration::from_millis(1)));
        fiber::yield_now();
        if state(&here(), &sleeper.fiber()) == Some(State::Waiting(Reason::Sleep)) {
            return;
        }
        // It may have fired already, if the machine paused.
        sleeper.join().unwrap();
    }
}

#[test]
fn a_held_worker_is_reported_with_its_fiber_and_its_stack() {
    let (tell, told) = channel::<HeldWorker>();
    let noticed = flag();
    let tell = Mutex::new(tell);
    let on_held = {
        let noticed = noticed.clone();
        move |held: &HeldWorker| {
            // Not what is said of another fiber if the machine stands still while that runs.
            if held.name() == Some("hog") {
                let _ = tell.lock().unwrap().send(held.clone());
                noticed.store(true, SeqCst);
            }
        }
    };
    let runtime = Builder::new().workers(1).held_limit(Duration::from_millis(10)).on_held(on_held).build().unwrap();
    let (id, held, line) = runtime.run(|| {
        sleep(Duration::from_millis(1));
        let holder = move || {
            // Once, unless the machine stands still before it comes to holding the worker.
            loop {
                noticed.store(false, SeqCst);
                set_a_timer();
                hold_the_worker(&noticed);
                let held = told.recv().unwrap();
                if cfg!(not(feature = "backtrace")) || held.to_string().contains("hold_the_worker") {
                    break (fiber::current().id(), held);
                }
            }
        };
        let line = line!() + 1;
        let fiber = fiber::Builder::new().name("hog").spawn(holder);
        let (id, held) = fiber.join().unwrap();
        (id, held, line)
    });
    assert_eq!((held.fiber(), held.name(), held.worker()), (id, Some("hog"), 0));
    assert!(held.time() >= Duration::from_millis(10));
    let site = held.spawned_at().unwrap();
    assert_eq!((site.file(), site.line()), (file!(), line));
    let text = held.to_string();
    if cfg!(feature = "backtrace") {
        assert!(!text.contains("fiber::sched"), "only the fiber's own functions: {text}");
    }
    let handle = runtime.handle();
    assert!(handle.metrics().workers_held >= 1);
    // The worker looks at its timers next.
    eventually("the late timer has fired", || handle.metrics().late >= 1);
}

#[test]
fn fresh_fibers_of_a_held_worker_are_taken_by_others() {
    let runtime = Builder::new().workers(2).held_limit(None).build().unwrap();
    runtime.run(|| {
        let done = flag();
        fiber::spawn({
            let done = done.clone();
            move || done.store(true, SeqCst)
        });
        // This worker's fiber goes on only when that has run, elsewhere.
        hold_the_worker(&done);
    });
}

#[test]
fn the_monitor_sleeps_while_nothing_runs_and_wakes_with_the_first_fiber() {
    let runtime = quiet(2);
    for _ in 0..3 {
        // Longer than the monitor looks at sleeping workers.
        std::thread::sleep(Duration::from_millis(400));
        runtime.run(|| {
            let done = flag();
            fiber::spawn_local({
                let done = done.clone();
                move || done.store(true, SeqCst)
            });
            compute_until(&done);
        });
    }
}
