//! What the fibers of a held worker do: they go on elsewhere.

use super::{here, hold_until, migratable};
use crate::common::watched;
use fiber::runtime::Builder;
use fiber::time::sleep;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// So many fibers that have started on the caller's worker and begin to wait there, while the other of two workers is held.
fn started_here<T: Send + 'static>(
    count: usize,
    wait: impl Fn(&AtomicUsize) -> T + Clone + Send + 'static,
) -> Vec<fiber::JoinHandle<T>> {
    let (held, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let holder = fiber::spawn({
        let (held, release) = (held.clone(), release.clone());
        move || {
            held.store(true, SeqCst);
            hold_until("it is let go", || release.load(SeqCst));
        }
    });
    // Held itself, the caller's worker cannot be the one.
    hold_until("the other worker is held", || held.load(SeqCst));
    let home = here();
    let waiting = Arc::new(AtomicUsize::new(0));
    let fibers = (0..count)
        .map(|_| {
            let (waiting, wait) = (waiting.clone(), wait.clone());
            migratable().spawn(move || {
                assert_eq!(here(), home);
                wait(&waiting)
            })
        })
        .collect();
    while waiting.load(SeqCst) < count {
        fiber::yield_now();
    }
    release.store(true, SeqCst);
    holder.join().unwrap();
    fibers
}

#[test]
fn whoever_a_fiber_wakes_goes_on_while_it_holds_the_worker() {
    watched(Builder::new().workers(2)).run(|| {
        let gone_on = Arc::new(AtomicUsize::new(0));
        let home = here();
        let fibers = started_here(50, {
            let gone_on = gone_on.clone();
            move |waiting| {
                waiting.fetch_add(1, SeqCst);
                fiber::park();
                gone_on.fetch_add(1, SeqCst);
                here()
            }
        });
        assert_eq!(here(), home);
        fibers.iter().for_each(|fiber| fiber.fiber().unpark());
        hold_until("they have gone on", || gone_on.load(SeqCst) == 50);
        assert!(fibers.into_iter().all(|fiber| fiber.join().unwrap() != home));
    });
}

#[test]
fn of_several_whose_time_has_come_each_goes_on_at_once() {
    watched(Builder::new().workers(2)).run(|| {
        // Where both went on, unless the machine paused for so long that the time came before they were in place.
        let go_on = |time: Duration| {
            let (awake, in_place) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
            let at = Instant::now() + time;
            let fibers = started_here(2, {
                let in_place = in_place.clone();
                move |waiting| {
                    waiting.fetch_add(1, SeqCst);
                    sleep(at.saturating_duration_since(Instant::now()));
                    if !in_place.load(SeqCst) {
                        // Nor is the other to wait for this one.
                        awake.fetch_add(2, SeqCst);
                        return None;
                    }
                    awake.fetch_add(1, SeqCst);
                    hold_until("the other is awake", || awake.load(SeqCst) >= 2);
                    Some(here())
                }
            });
            in_place.store(true, SeqCst);
            fibers.into_iter().map(|fiber| fiber.join().unwrap()).collect::<Option<Vec<_>>>()
        };
        let workers = [30, 300, 3000, 30_000].map(Duration::from_millis).into_iter().find_map(go_on);
        let workers = workers.expect("they are in place in time");
        assert_ne!(workers[0], workers[1]);
    });
}

#[test]
fn threads_wake_the_fibers_of_a_held_worker() {
    watched(Builder::new().workers(2)).run(|| {
        let gone_on = Arc::new(AtomicUsize::new(0));
        let fibers = started_here(20, {
            let gone_on = gone_on.clone();
            move |waiting| {
                waiting.fetch_add(1, SeqCst);
                fiber::park();
                gone_on.fetch_add(1, SeqCst);
            }
        });
        let sleeping: Vec<_> = fibers.iter().map(|fiber| fiber.fiber()).collect();
        let waker = std::thread::spawn(move || sleeping.iter().for_each(|fiber| fiber.unpark()));
        hold_until("they have gone on", || gone_on.load(SeqCst) == 20);
        waker.join().unwrap();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn who_yields_to_a_fiber_that_holds_the_worker_goes_on_elsewhere() {
    watched(Builder::new().workers(2)).run(|| {
        let (rounds, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let fibers = started_here(5, {
            let (rounds, stop) = (rounds.clone(), stop.clone());
            move |waiting| {
                waiting.fetch_add(1, SeqCst);
                while !stop.load(SeqCst) {
                    rounds.fetch_add(1, SeqCst);
                    fiber::yield_now();
                }
            }
        });
        let seen = rounds.load(SeqCst);
        hold_until("they have gone on", || rounds.load(SeqCst) > seen + 1000);
        stop.store(true, SeqCst);
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}
