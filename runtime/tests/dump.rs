#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! The dump: who is there, what they do and for how long, also while a worker is held.

mod common;

use common::{LONG, eventually, here, runtime, state, until_waiting, watched};
use fiber::runtime::{Builder, Dump, Reason, State};
use fiber::sync::Mutex;
use fiber::sync::mpsc::channel;
use fiber::time::sleep;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

#[fiber::task]
fn hop() {
    fiber::yield_now();
}

#[fiber::task]
fn fetch(url: &'static str) -> usize {
    fiber::park();
    url.len()
}

#[test]
fn names_and_tasks_are_shown() {
    let runtime = watched(Builder::new().workers(1).name("crawler"));
    runtime.run(|| {
        let fibers = [
            fetch::spawn("a"),
            fetch::builder().name("second").spawn(|| 2),
            fetch::builder().name("third").spawn(|| {
                fiber::park();
                3
            }),
        ];
        until_waiting(&here(), &fibers[0].fiber(), Reason::Park);
        until_waiting(&here(), &fibers[2].fiber(), Reason::Park);
        let dump = here().dump();
        let line =
            |text: &str| dump.to_string().lines().find(|line| line.contains(text)).unwrap_or_default().to_owned();
        let seen = |n: usize| dump.fibers().iter().find(|seen| seen.id() == fibers[n].fiber().id());
        let first = seen(0).unwrap();
        assert_eq!((first.name(), first.worker(), first.state()), (None, 0, State::Waiting(Reason::Park)));
        assert!(std::ptr::eq(first.task().unwrap(), fetch::TASK));
        assert!(line(&format!("fiber {} ", first.id())).contains("(task dump::fetch): parked, for "), "{dump}");
        assert!(seen(1).is_none(), "it has ended");
        assert_eq!(seen(2).unwrap().name(), Some("third"));
        assert!(line("'third'").contains("'third' (task dump::fetch): parked, for "), "{dump}");
        assert!(line("runtime").contains("'crawler'") && line("runtime").contains("1 worker "), "{dump}");
        assert!(line("runtime").contains("3 fibers started"), "{dump}");
        fibers.iter().for_each(|fiber| fiber.fiber().unpark());
        let results: Vec<_> = fibers.into_iter().map(|fiber| fiber.join().unwrap()).collect();
        assert_eq!(results, [1, 2, 3]);
        eventually("names go with their fibers", || !here().dump().to_string().contains("'third'"));
        assert_eq!((fetch::TASK.queued(), fetch::TASK.running()), (0, 0));
        assert_eq!((fetch::TASK.done(), fetch::TASK.panicked()), (3, 0));
    });
}

#[test]
fn the_three_states_are_told_apart() {
    runtime(1).run(|| {
        let (this, parked) = (fiber::current(), fiber::spawn(fiber::park));
        let stop = Arc::new(AtomicBool::new(false));
        let ready = fiber::spawn({
            let stop = stop.clone();
            move || {
                while !stop.load(SeqCst) {
                    fiber::yield_now();
                }
            }
        });
        until_waiting(&here(), &parked.fiber(), Reason::Park);
        assert_eq!(state(&here(), &this), Some(State::Running));
        assert_eq!(state(&here(), &ready.fiber()), Some(State::Ready));
        parked.fiber().unpark();
        assert_eq!(state(&here(), &parked.fiber()), Some(State::Ready), "woken, and this one holds the worker");
        stop.store(true, SeqCst);
        ready.join().unwrap();
        parked.join().unwrap();
    });
}

#[test]
fn fibers_that_have_not_started_are_counted() {
    runtime(1).run(|| {
        let before = here().dump();
        assert_eq!((before.queued(), before.fibers().len()), (0, 1));
        let fibers: Vec<_> = (0..10).map(|_| fiber::spawn(|| ())).collect();
        let dump = here().dump();
        assert_eq!((dump.queued(), dump.fibers().len()), (10, 1));
        assert!(dump.to_string().contains("10 spawned and not started"), "{dump}");
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn waits_are_as_long_as_they_are() {
    let runtime = runtime(2);
    let parked = runtime.spawn(fiber::park);
    until_waiting(&runtime.handle(), &parked.fiber(), Reason::Park);
    let waited = |dump: &Dump| dump.fibers().iter().find(|seen| seen.id() == parked.fiber().id()).unwrap().waited();
    let first = waited(&runtime.dump());
    std::thread::sleep(Duration::from_millis(30));
    let second = waited(&runtime.dump());
    // In steps of a millisecond, on a worker that sleeps meanwhile.
    assert!(second >= first + Duration::from_millis(25), "{first:?} {second:?}");
    assert!(second < LONG);
    parked.fiber().unpark();
    parked.join().unwrap();
    runtime.run(|| {
        let running = here().dump();
        assert!(running.fibers().iter().all(|seen| seen.waited().is_zero()));
    });
}

#[test]
fn a_wait_begins_anew_each_time() {
    runtime(1).run(|| {
        let sleeper = fiber::spawn(|| (0..40).for_each(|_| sleep(Duration::from_millis(1))));
        let mut longest = Duration::ZERO;
        while !sleeper.is_finished() {
            let dump = here().dump();
            let seen = dump.fibers().iter().find(|seen| seen.id() == sleeper.fiber().id());
            longest = longest.max(seen.map_or(Duration::ZERO, |seen| seen.waited()));
            fiber::yield_now();
        }
        // 40 ms in all; the machine may add some to one of them.
        assert!(longest < Duration::from_secs(5), "{longest:?}");
        sleeper.join().unwrap();
    });
}

#[test]
fn a_held_worker_is_dumped_all_the_same() {
    let runtime = runtime(2);
    let stop = Arc::new(AtomicBool::new(false));
    let parked: Vec<_> = (0..20).map(|_| runtime.spawn(fiber::park)).collect();
    parked.iter().for_each(|fiber| until_waiting(&runtime.handle(), &fiber.fiber(), Reason::Park));
    let spinners: Vec<_> = (0..2)
        .map(|n| {
            let stop = stop.clone();
            let spin = move || {
                while !stop.load(SeqCst) {
                    std::hint::spin_loop();
                }
            };
            let handle = runtime.handle();
            runtime.run(move || {
                let _ = handle;
                fiber::Builder::new().name(format!("spinner {n}")).spawn(spin)
            })
        })
        .collect();
    eventually("both workers are held", || {
        spinners.iter().all(|spinner| state(&runtime.handle(), &spinner.fiber()) == Some(State::Running))
    });
    let dump = runtime.dump();
    let workers: Vec<_> = spinners
        .iter()
        .map(|spinner| dump.fibers().iter().find(|seen| seen.id() == spinner.fiber().id()).unwrap().worker())
        .collect();
    assert_ne!(workers[0], workers[1]);
    assert_eq!(dump.fibers().len(), 22);
    assert!(dump.to_string().contains("'spinner 0': running"), "{dump}");
    stop.store(true, SeqCst);
    spinners.into_iter().for_each(|spinner| spinner.join().unwrap());
}

#[test]
fn reasons_are_as_they_are_called() {
    runtime(2).run(|| {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.lock().unwrap();
        let (sender, receiver) = channel::<()>();
        let fibers = [
            ("parked", fiber::spawn(fiber::park)),
            ("sleeping", fiber::spawn(|| sleep(LONG))),
            ("locking a mutex", {
                let mutex = mutex.clone();
                fiber::spawn(move || drop(mutex.lock()))
            }),
            ("receiving from an empty channel", fiber::spawn(move || assert!(receiver.recv().is_err()))),
            ("joining a fiber", fiber::spawn(|| drop(fiber::spawn(fiber::park).join()))),
            ("waiting for the fibers of its scope", fiber::spawn(|| fiber::scope(|s| drop(s.spawn(fiber::park))))),
        ];
        for (words, fiber) in &fibers {
            eventually(words, || {
                let dump = here().dump().to_string();
                dump.contains(&format!("fiber {}: {words}, for ", fiber.fiber().id()))
            });
        }
        drop((guard, sender));
        fibers.iter().for_each(|(_, fiber)| fiber.cancel());
    });
}

/// Many are made while fibers start, wait and end as fast as they can.
#[test]
fn dumps_are_made_while_everything_moves() {
    let runtime = runtime(2);
    let stop = Arc::new(AtomicBool::new(false));
    let movers: Vec<_> = (0..20)
        .map(|n| {
            let stop = stop.clone();
            runtime.spawn(move || {
                while !stop.load(SeqCst) {
                    let named = fiber::Builder::new().name(format!("child of {n}"));
                    named.spawn(|| sleep(Duration::from_micros(20))).join().unwrap();
                    hop::spawn().join().unwrap();
                }
            })
        })
        .collect();
    for _ in 0..300 {
        let dump = runtime.dump();
        assert!(dump.fibers().len() <= 60, "{dump}");
        for seen in dump.fibers() {
            assert!(seen.worker() < 2);
            assert!(seen.name().is_none_or(|name| name.starts_with("child of ")));
            assert!(seen.task().is_none_or(|task| std::ptr::eq(task, hop::TASK)));
            assert!(seen.waited() < LONG, "{seen:?}");
        }
        assert!(!dump.to_string().is_empty());
    }
    stop.store(true, SeqCst);
    movers.into_iter().for_each(|mover| mover.join().unwrap());
}
