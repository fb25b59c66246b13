#![cfg(not(loom))]
//! Fibers that start later.

mod common;

use common::{Count, LONG, eventually, runtime};
use fiber::spawn_after;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(2);

/// Counts its drop.
struct Dropped(Count);

impl Drop for Dropped {
    fn drop(&mut self) {
        assert!(fiber::try_current().is_some(), "on a fiber");
        self.0.add();
    }
}

#[test]
fn it_starts_after_the_delay() {
    runtime(2).run(|| {
        let begin = Instant::now();
        let fibers: Vec<_> = (0..50)
            .map(|n| {
                let delay = SHORT * (50 - n) / 10;
                spawn_after(delay, move || assert!(begin.elapsed() >= delay))
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
        assert_eq!(spawn_after(Duration::ZERO, || 5).join().unwrap(), 5);
    });
}

#[test]
fn threads_spawn_later_too() {
    let runtime = runtime(2);
    let begin = Instant::now();
    let fibers: Vec<_> = (0..10).map(|_| runtime.handle().spawn_after(SHORT, move || begin.elapsed())).collect();
    for fiber in fibers {
        assert!(fiber.join().unwrap() >= SHORT);
    }
    // And take it back.
    for _ in 0..100 {
        let fiber = runtime.handle().spawn_after(LONG, || unreachable!());
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
    }
}

#[test]
fn a_cancelled_one_ends_at_once_and_drops_what_it_owns() {
    runtime(2).run(|| {
        let drops = Count::new();
        for round in 0..100 {
            let owned = Dropped(drops.clone());
            let fiber = spawn_after(LONG, move || drop(owned));
            if round % 2 == 0 {
                fiber.cancel();
            } else {
                // By another thread, which is not the keeper.
                thread::scope(|threads| {
                    threads.spawn(|| fiber.cancel());
                });
            }
            assert!(fiber.join().unwrap_err().is_cancelled());
            assert_eq!(drops.get(), round + 1);
        }
    });
}

#[test]
fn cancelling_meets_the_end_of_the_delay() {
    runtime(2).run(|| {
        let mut cancelled = 0;
        for round in 0..60 {
            let delay = Duration::from_micros(50);
            let waiting = spawn_after(delay, || {
                fiber::park();
            });
            let begin = Instant::now();
            while begin.elapsed() < delay / 20 * (round % 30) {
                fiber::yield_now();
            }
            // Before it starts, while it does, or in its wait.
            waiting.cancel();
            cancelled += u32::from(waiting.join().unwrap_err().is_cancelled());
        }
        assert_eq!(cancelled, 60);
    });
}

#[test]
fn the_end_of_the_runtime_does_not_wait_for_it() {
    let runtime = runtime(2);
    let drops = Count::new();
    let (tell, told) = channel();
    let handles = runtime.run(|| {
        let later = |_| {
            let owned = Dropped(drops.clone());
            spawn_after(LONG, move || drop(owned))
        };
        // One that spawns another on its way out.
        fiber::spawn(move || {
            struct Last(std::sync::mpsc::Sender<fiber::JoinHandle<()>>);
            impl Drop for Last {
                fn drop(&mut self) {
                    let _ = self.0.send(spawn_after(LONG, || ()));
                }
            }
            let _last = Last(tell);
            fiber::park();
        });
        (0..20).map(later).collect::<Vec<_>>()
    });
    let from_outside = runtime.handle().spawn_after(LONG, || ());
    let handle = runtime.handle();
    runtime.shut_down();
    for fiber in handles.into_iter().chain([from_outside, handle.spawn_after(LONG, || ())]) {
        assert!(fiber.join().unwrap_err().is_cancelled());
    }
    if let Ok(last) = told.recv() {
        assert!(last.join().unwrap_err().is_cancelled());
    }
    assert_eq!(drops.get(), 20);
}

#[test]
fn its_properties_are_kept() {
    #[fiber::task(priority = "low")]
    fn work() {}

    runtime(1).run(|| {
        let named =
            fiber::Builder::new().name("later").spawn_after(SHORT, || fiber::current().name().map(str::to_owned));
        assert_eq!(named.join().unwrap().as_deref(), Some("later"));
        let task = work::builder().spawn_after(LONG, work);
        assert_eq!(work::TASK.queued(), 1);
        assert_eq!(task.fiber().priority(), fiber::Priority::Low);
        task.cancel();
        let _ = task.join();
        eventually("it is not queued", || work::TASK.queued() == 0);
        let here = Arc::new(());
        let weak = Arc::downgrade(&here);
        drop(spawn_after(SHORT, move || drop(here)));
        eventually("a detached one runs", || weak.upgrade().is_none());
    });
}
