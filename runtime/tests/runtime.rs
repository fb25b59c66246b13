#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Runtimes: running borrowed closures, several at once, their settings and errors.

mod common;

use common::{Count, eventually, runtime, watched};
use fiber::runtime::{Builder, DriverKind, Handle, Runtime, RuntimeError};
use fiber::sync::mpsc::channel;
use fiber::time::sleep;
use std::collections::HashSet;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn run_borrows_and_returns() {
    let runtime = runtime(2);
    let text = String::from("borrowed");
    let mut list = vec![1];
    let length = runtime.run(|| {
        list.push(2);
        fiber::yield_now();
        list.push(3);
        text.len()
    });
    assert_eq!((length, list), (8, vec![1, 2, 3]));
    let slice = runtime.run(|| &text[1..4]);
    assert_eq!(slice, "orr");
}

#[test]
fn run_is_off_the_calling_thread() {
    let runtime = runtime(1);
    let caller = std::thread::current().id();
    runtime.run(|| {
        assert_ne!(std::thread::current().id(), caller);
        assert!(fiber::try_current().is_some());
    });
    assert!(fiber::try_current().is_none());
}

#[test]
fn a_panic_of_run_keeps_its_payload() {
    let runtime = runtime(1);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.run(|| std::panic::panic_any(7))));
    assert_eq!(caught.map(|()| unreachable!()).unwrap_err().downcast_ref(), Some(&7));
    // And the runtime goes on.
    assert_eq!(runtime.run(|| 1), 1);
}

#[test]
fn many_threads_run_at_once() {
    let runtime = runtime(2);
    std::thread::scope(|s| {
        for n in 0..8 {
            let runtime = &*runtime;
            s.spawn(move || {
                for round in 0..50 {
                    assert_eq!(runtime.run(|| fiber::spawn(move || n * round).join().unwrap()), n * round);
                }
            });
        }
    });
}

#[test]
fn others_go_on_after_run_has_returned() {
    let runtime = runtime(1);
    let count = Count::new();
    runtime.run(|| {
        let count = count.clone();
        fiber::spawn(move || {
            for _ in 0..50 {
                sleep(Duration::from_micros(100));
                count.add();
            }
        });
    });
    eventually("the fiber has counted to its end", || count.get() == 50);
}

#[test]
fn a_fiber_of_one_runtime_runs_on_another() {
    let (one, two) = (runtime(1), runtime(1));
    let text = String::from("borrowed across");
    let sum = one.run(|| {
        // While it waits for the other runtime its worker does other things.
        let ticks = Count::new();
        let stop = Arc::new(AtomicBool::new(false));
        let ticking = fiber::spawn_local({
            let (ticks, stop) = (ticks.clone(), stop.clone());
            move || {
                while !stop.load(SeqCst) {
                    ticks.add();
                    sleep(Duration::from_micros(50));
                }
            }
        });
        let length = two.run(|| {
            eventually("the other runtime's worker goes on", || ticks.get() > 10);
            text.len()
        });
        stop.store(true, SeqCst);
        ticking.join().unwrap();
        length
    });
    assert_eq!(sum, 15);
}

#[test]
fn runtimes_work_together() {
    let runtimes: Vec<_> = (0..3).map(|n| watched(Builder::new().workers(1 + n % 2).name(format!("rt{n}")))).collect();
    // A ring of channels through all of them.
    let mut ends = Vec::new();
    let (first, mut receiver) = channel::<u64>();
    for runtime in runtimes.iter().cycle().take(9) {
        let (sender, next) = channel();
        let previous = std::mem::replace(&mut receiver, next);
        ends.push(runtime.spawn(move || previous.iter().for_each(|n| sender.send(n + 1).unwrap())));
    }
    (0..200).for_each(|n| first.send(n).unwrap());
    drop(first);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), (9..209).collect::<Vec<_>>());
    ends.into_iter().for_each(|end| end.join().unwrap());
    // Joined across.
    let parked = runtimes[0].spawn(fiber::park);
    let name = parked.fiber();
    let joined = runtimes[1].spawn(move || parked.join().is_ok());
    runtimes[2].spawn(move || name.unpark());
    assert!(joined.join().unwrap());
}

#[test]
fn a_fiber_spawns_on_its_own_runtime() {
    let runtimes: Vec<_> = ["left", "right"].map(|name| watched(Builder::new().workers(1).name(name))).into();
    for (runtime, name) in runtimes.iter().zip(["left", "right"]) {
        runtime.run(|| {
            let thread = || std::thread::current().name().unwrap().to_owned();
            assert_eq!(thread(), format!("{name}-worker-0"));
            assert_eq!(fiber::spawn(thread).join().unwrap(), format!("{name}-worker-0"));
            assert_eq!(fiber::spawn_local(thread).join().unwrap(), format!("{name}-worker-0"));
            let here = Handle::try_current().unwrap();
            assert_eq!(here.spawn(thread).join().unwrap(), format!("{name}-worker-0"));
            assert!(here.dump().to_string().contains(&format!("'{name}'")));
        });
    }
    // And on another one's if it has its handle.
    let right = runtimes[1].handle();
    runtimes[0].run(|| {
        let thread = right.spawn(|| std::thread::current().name().unwrap().to_owned()).join().unwrap();
        assert_eq!(thread, "right-worker-0");
    });
}

#[test]
fn there_are_as_many_workers_as_asked_for() {
    for workers in [1, 2, 5] {
        let runtime = runtime(workers);
        let together = Arc::new(AtomicUsize::new(0));
        // Each holds its worker until all are there.
        let fibers: Vec<_> = (0..workers)
            .map(|_| {
                let together = together.clone();
                runtime.spawn(move || {
                    together.fetch_add(1, SeqCst);
                    while together.load(SeqCst) < workers {
                        std::thread::yield_now();
                    }
                    std::thread::current().id()
                })
            })
            .collect();
        let threads: HashSet<_> = fibers.into_iter().map(|fiber| fiber.join().unwrap()).collect();
        assert_eq!(threads.len(), workers);
    }
}

#[test]
fn what_cannot_be_had_is_an_error() {
    let text = |builder: Builder| builder.build().map(drop).unwrap_err().to_string();
    assert!(text(Builder::new().workers(0)).contains("at least one worker"));
    assert!(text(Builder::new().stack_size(0)).contains("stack size"));
    assert!(text(Builder::new().stack_size(usize::MAX)).contains("stack size"));
    let error: RuntimeError = Builder::new().stack_size(0).build().unwrap_err();
    assert!(error.source().is_some());
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Other);
}

/// Several drivers in one process, and fibers of the one wake fibers of the other.
#[test]
fn a_runtime_says_which_driver_it_took() {
    // What the environment says wins, for all of them.
    let forced: Option<DriverKind> = std::env::var("FIBER_DRIVER").ok().and_then(|name| name.parse().ok());
    for asked in [DriverKind::Auto, DriverKind::IoUring, DriverKind::Epoll] {
        let runtime = match Builder::new().workers(1).driver(asked).build() {
            Ok(runtime) => runtime,
            Err(error) => {
                assert_eq!(asked, DriverKind::IoUring, "{error}");
                continue;
            }
        };
        let took = runtime.handle().driver();
        match forced.unwrap_or(asked) {
            DriverKind::Auto => assert_ne!(took, DriverKind::Auto),
            asked => assert_eq!(took, asked),
        }
        let said = runtime.dump().to_string();
        assert!(said.contains(&format!("1 worker on {took}")), "{said}");
        assert!(runtime.dump().driver().starts_with(&took.to_string()));
        assert!(format!("{runtime:?}").contains(&format!("{took:?}")));
    }
    let [here, there] =
        [DriverKind::Auto, DriverKind::Epoll].map(|driver| Builder::new().driver(driver).build().unwrap());
    let (questions, asked) = fiber::sync::mpsc::channel();
    let (answers, answered) = fiber::sync::mpsc::channel();
    let echo = there.spawn(move || asked.iter().all(|n: u32| answers.send(n + 1).is_ok()));
    here.run(move || {
        for n in 0..1000 {
            questions.send(n).unwrap();
            assert_eq!(answered.recv(), Ok(n + 1));
        }
    });
    assert!(echo.join().unwrap());
}

#[test]
fn the_stack_size_of_a_runtime_is_that_of_its_fibers() {
    #[inline(never)]
    fn deep(bytes: usize) -> usize {
        let frame = std::hint::black_box([1u8; 1024]);
        if bytes < frame.len() { 0 } else { deep(bytes - frame.len()) + usize::from(frame[0]) }
    }
    let runtime = watched(Builder::new().workers(1).stack_size(4 << 20));
    assert_eq!(runtime.run(|| fiber::spawn(|| deep(1 << 20)).join().unwrap()), 1024);
}

#[test]
fn handles_do_not_keep_a_runtime_up() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (handle, again) = (runtime.handle(), runtime.handle().clone());
    assert!(format!("{handle:?} {runtime:?}").contains("workers: 1"));
    assert_eq!(again.spawn(|| 1).join().unwrap(), 1);
    drop(runtime);
    assert!(handle.spawn(|| 1).join().unwrap_err().is_cancelled());
    assert!(again.dump().fibers().is_empty());
}

#[test]
fn settings_are_shown() {
    let shown = format!("{:?}", Builder::new().workers(3).name("web").blocking_threads(7).stack_size(1 << 16));
    for part in ["Some(3)", "\"web\"", "7", "65536"] {
        assert!(shown.contains(part), "{shown}");
    }
}
