//! The semaphore.

use crate::common::{Random, eventually, here, runtime, state, until_waiting};
use fiber::JoinHandle;
use fiber::runtime::{Reason, State};
use fiber::sync::{Mutex, Semaphore};
use fiber::time::{sleep, timeout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A fiber that waits for so many permits and returns them at once.
fn waiting(semaphore: &Arc<Semaphore>, permits: usize) -> JoinHandle<()> {
    let semaphore = semaphore.clone();
    let fiber = fiber::spawn(move || drop(semaphore.acquire_many(permits)));
    until_waiting(&here(), &fiber.fiber(), Reason::Acquire);
    fiber
}

#[test]
fn permits_are_counted() {
    let semaphore = Arc::new(Semaphore::new(3));
    let one = semaphore.acquire();
    let mut two = semaphore.try_acquire_many(2).unwrap();
    assert_eq!((one.num_permits(), two.num_permits(), semaphore.available_permits()), (1, 2, 0));
    assert!(semaphore.try_acquire().is_none());
    assert!(semaphore.try_acquire_many(0).is_some(), "nothing is always there");
    assert!(two.split(3).is_none());
    drop(two.split(1).unwrap());
    assert_eq!(semaphore.available_permits(), 1);
    two.merge(one);
    assert_eq!(two.num_permits(), 2);
    drop(two);
    assert_eq!(semaphore.available_permits(), 3);
    semaphore.acquire().forget();
    assert_eq!(semaphore.available_permits(), 2);
    assert_eq!((semaphore.forget_permits(1), semaphore.forget_permits(5), semaphore.forget_permits(5)), (1, 1, 0));
    semaphore.add_permits(2);
    let mut owned = semaphore.clone().try_acquire_many_owned(2).unwrap();
    assert!(semaphore.clone().try_acquire_owned().is_none());
    assert!(Arc::ptr_eq(owned.semaphore(), &semaphore));
    let apart = owned.split(1).unwrap();
    owned.merge(apart);
    assert_eq!(format!("{owned:?}"), "OwnedSemaphorePermit { permits: 2, .. }");
    drop(owned);
    assert_eq!(format!("{semaphore:?}"), "Semaphore { available_permits: 2, .. }");
}

#[test]
fn misuse_panics() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS);
    let panics = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
    assert!(panics(&|| semaphore.add_permits(1)));
    assert!(panics(&|| semaphore.add_permits(usize::MAX)));
    assert!(panics(&|| drop(Semaphore::new(Semaphore::MAX_PERMITS + 1))));
    assert!(panics(&|| drop(semaphore.acquire_many(Semaphore::MAX_PERMITS + 1))));
    let other = Semaphore::new(1);
    assert!(panics(&|| semaphore.acquire().merge(other.acquire())));
    assert_eq!((semaphore.available_permits(), other.available_permits()), (Semaphore::MAX_PERMITS, 1));
}

#[test]
fn waiters_are_served_in_the_order_they_came() {
    runtime(1).run(|| {
        let (semaphore, order) = (Arc::new(Semaphore::new(1)), Arc::new(Mutex::new(Vec::new())));
        let permit = semaphore.acquire();
        let waiters: Vec<_> = (0..10)
            .map(|n| {
                let (semaphore, order) = (semaphore.clone(), order.clone());
                let waiter = fiber::spawn(move || {
                    let _permit = semaphore.acquire();
                    order.lock().unwrap().push(n);
                });
                until_waiting(&here(), &waiter.fiber(), Reason::Acquire);
                waiter
            })
            .collect();
        drop(permit);
        // It comes after them.
        let own = semaphore.acquire();
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
        drop(own);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn one_that_asks_for_much_is_not_overtaken_by_those_that_ask_for_little() {
    runtime(1).run(|| {
        let semaphore = Arc::new(Semaphore::new(3));
        let mut held = semaphore.acquire_many(3);
        let much = waiting(&semaphore, 3);
        let little = waiting(&semaphore, 1);
        drop(held.split(2));
        assert!(semaphore.try_acquire().is_none(), "two are there, for the first in line");
        fiber::yield_now();
        assert_eq!(semaphore.available_permits(), 2);
        until_waiting(&here(), &little.fiber(), Reason::Acquire);
        drop(held);
        much.join().unwrap();
        little.join().unwrap();
        assert_eq!(semaphore.available_permits(), 3);
    });
}

/// The others wait only for the one in front; when that is gone, nobody gives anything back.
#[test]
fn one_that_gives_up_lets_those_behind_it_pass() {
    runtime(1).run(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let held = semaphore.acquire();
        // Whether the second waited behind the first. If the machine pauses, the first one's time may pass before.
        let gives_up = |limit: Option<Duration>| {
            let much = fiber::spawn({
                let semaphore = semaphore.clone();
                move || match limit {
                    None => drop(semaphore.acquire_many(2)),
                    Some(limit) => assert!(semaphore.acquire_many_timeout(2, limit).is_none()),
                }
            });
            let waits = |fiber: &fiber::Fiber| state(&here(), fiber) == Some(State::Waiting(Reason::Acquire));
            eventually("the first waits, or has given up", || much.is_finished() || waits(&much.fiber()));
            let little = fiber::spawn({
                let semaphore = semaphore.clone();
                move || drop(semaphore.acquire())
            });
            let mut waited = false;
            eventually("the second waits, or has had its permit", || {
                waited = waits(&little.fiber());
                waited || little.is_finished()
            });
            if limit.is_none() {
                much.cancel();
                assert!(much.join().unwrap_err().is_cancelled());
            } else {
                much.join().unwrap();
            }
            little.join().unwrap();
            waited
        };
        assert!(gives_up(None));
        assert!([20, 200, 2000, 20_000].map(Duration::from_millis).into_iter().any(|limit| gives_up(Some(limit))));
        drop(held);
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn permits_are_added_for_those_that_wait() {
    runtime(1).run(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        // More than are woken at a time.
        let waiters: Vec<_> = (0..50).map(|n| waiting(&semaphore, 1 + n % 2)).collect();
        semaphore.add_permits(2);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(semaphore.available_permits(), 2);
        let waiters: Vec<_> = (0..50)
            .map(|_| {
                let semaphore = semaphore.clone();
                fiber::spawn(move || semaphore.acquire_many(2).forget())
            })
            .collect();
        semaphore.add_permits(98);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(semaphore.available_permits(), 0);
    });
}

/// Fibers of two runtimes and threads, of which some give up, at random.
#[test]
fn no_more_are_inside_than_there_are_permits_and_none_is_lost() {
    const PERMITS: usize = 4;
    let (one, two) = (runtime(1), runtime(2));
    let shared = Arc::new((Semaphore::new(PERMITS), AtomicUsize::new(0)));
    let work = |seed: u64, on_fiber: bool| {
        let shared = shared.clone();
        move || {
            let (semaphore, inside) = &*shared;
            let mut random = Random::seeded(seed);
            for _ in 0..300 {
                let permits = 1 + random.below(3) as usize;
                let hold = |random: &mut Random| {
                    assert!(inside.fetch_add(permits, SeqCst) + permits <= PERMITS);
                    match random.below(8) {
                        0..4 => fiber::yield_now(),
                        4 if on_fiber => sleep(Duration::from_micros(20)),
                        _ => std::thread::yield_now(),
                    }
                    inside.fetch_sub(permits, SeqCst);
                };
                let limit = Duration::from_micros(random.below(200));
                match random.below(3) {
                    0 => {
                        let _permit = semaphore.acquire_many(permits);
                        hold(&mut random);
                    }
                    1 if on_fiber => {
                        // The permit goes back also if it came when the time had passed.
                        let permit = timeout(limit, || semaphore.acquire_many(permits));
                        if permit.is_ok() {
                            hold(&mut random);
                        }
                    }
                    _ => {
                        if let Some(_permit) = semaphore.acquire_many_timeout(permits, limit) {
                            hold(&mut random);
                        }
                    }
                }
            }
        }
    };
    let fibers: Vec<_> = (0..10).flat_map(|n| [one.spawn(work(n, true)), two.spawn(work(100 + n, true))]).collect();
    let threads: Vec<_> = (0..3).map(|n| std::thread::spawn(work(200 + n, false))).collect();
    fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(shared.0.available_permits(), PERMITS);
}
