#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Sleeping and time limits: never early, in order, nested, at the extremes. Nothing here asks how late.

mod common;

use common::{Count, LONG, Random, eventually, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::time::{Elapsed, sleep, sleep_until, timeout, timeout_at};
use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn nothing_is_early() {
    runtime(2).run(|| {
        let mut random = Random::seeded(3);
        let sleepers: Vec<_> = (0..500)
            .map(|n| {
                let duration = Duration::from_nanos(random.below(5_000_000));
                fiber::spawn(move || {
                    let begin = Instant::now();
                    match n % 5 {
                        0 => sleep(duration),
                        1 => sleep_until(begin + duration),
                        2 => fiber::park_timeout(duration),
                        3 => assert_eq!(timeout(duration, fiber::park), Err(Elapsed)),
                        _ => assert_eq!(timeout_at(begin + duration, || sleep(LONG)), Err(Elapsed)),
                    }
                    assert!(begin.elapsed() >= duration, "{:?} of {duration:?}", begin.elapsed());
                })
            })
            .collect();
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    });
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    runtime(1).run(|| {
        let round = |seed: u64| {
            let woken = Rc::new(RefCell::new(Vec::new()));
            let base = Instant::now() + 50 * MILLISECOND;
            let mut order: Vec<u32> = (0..100).collect();
            let mut random = Random::seeded(seed);
            (1..order.len()).rev().for_each(|n| order.swap(n, random.below(n as u64 + 1) as usize));
            let sleepers: Vec<_> = order
                .into_iter()
                .map(|n| {
                    let woken = woken.clone();
                    fiber::spawn_local(move || {
                        sleep_until(base + Duration::from_micros(n.into()) * 50);
                        woken.borrow_mut().push(n);
                    })
                })
                .collect();
            sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
            woken.take()
        };
        // One that was kept from setting its timer by the machine, until after a deadline, comes late. Not every time.
        let sorted = (0..20).any(|seed| round(seed).is_sorted());
        assert!(sorted, "{:?}", round(20));
    });
}

#[test]
fn a_zero_sleep_lets_others_run() {
    runtime(1).run(|| {
        let count = Count::new();
        let fiber = fiber::spawn_local({
            let count = count.clone();
            move || {
                for _ in 0..100 {
                    count.add();
                    fiber::yield_now();
                }
            }
        });
        for _ in 0..100 {
            sleep(Duration::ZERO);
            sleep_until(Instant::now() - MILLISECOND);
            fiber::park_timeout(Duration::ZERO);
        }
        assert!(count.get() > 50, "{}", count.get());
        fiber.join().unwrap();
    });
}

#[test]
fn a_sleep_without_an_end_does_not_end() {
    runtime(1).run(|| {
        for duration in [Duration::MAX, Duration::from_secs(u64::MAX / 4), Duration::from_secs(600 * 365 * 86400)] {
            let sleeper = fiber::spawn(move || sleep(duration));
            until_waiting(&here(), &sleeper.fiber(), Reason::Sleep);
            sleep(MILLISECOND);
            assert!(!sleeper.is_finished());
            sleeper.cancel();
            assert!(sleeper.join().unwrap_err().is_cancelled());
            assert_eq!(timeout(duration, || 1), Ok(1));
            fiber::current().unpark();
            fiber::park_timeout(duration);
        }
    });
}

#[test]
fn threads_sleep_as_threads_do() {
    let begin = Instant::now();
    sleep(MILLISECOND);
    sleep_until(begin + 2 * MILLISECOND);
    assert!(begin.elapsed() >= 2 * MILLISECOND);
    sleep_until(begin);
    fiber::yield_now();
}

#[test]
fn what_needs_no_wait_is_not_cut_short() {
    runtime(1).run(|| {
        assert_eq!(timeout(Duration::ZERO, || 5), Ok(5));
        assert_eq!(timeout_at(Instant::now() - MILLISECOND, || 5), Ok(5));
        // Long past its limit, and never waiting.
        let late = timeout(Duration::from_micros(1), || {
            let begin = Instant::now();
            while begin.elapsed() < MILLISECOND {
                fiber::yield_now();
            }
            "in the end"
        });
        assert_eq!(late, Ok("in the end"));
    });
}

#[test]
fn a_limit_that_has_passed_ends_the_first_wait() {
    runtime(1).run(|| {
        let begin = Instant::now();
        assert_eq!(timeout(Duration::ZERO, || sleep(LONG)), Err(Elapsed));
        assert_eq!(timeout_at(begin - MILLISECOND, || sleep(LONG)), Err(Elapsed));
        let mut waits = 0;
        let outcome = timeout(MILLISECOND, || {
            while begin.elapsed() < 3 * MILLISECOND {
                fiber::yield_now();
            }
            waits += 1;
            fiber::park();
            waits += 1;
        });
        assert_eq!((outcome, waits), (Err(Elapsed), 1));
    });
}

#[test]
fn the_limit_that_passes_first_ends_what_is_inside() {
    runtime(1).run(|| {
        // The inner one.
        assert_eq!(timeout(LONG, || timeout(MILLISECOND, fiber::park)), Ok(Err(Elapsed)));
        // The outer one.
        assert_eq!(timeout(MILLISECOND, || timeout(LONG, fiber::park)), Err(Elapsed));
        // The one in the middle, of many.
        let outcome =
            timeout(LONG, || timeout(LONG, || timeout(MILLISECOND, || timeout(LONG, || timeout(LONG, fiber::park)))));
        assert_eq!(outcome, Ok(Ok(Err(Elapsed))));
        // All at once: the outermost.
        let same = Instant::now() + MILLISECOND;
        let begin = Instant::now();
        let all = timeout_at(same, || {
            timeout_at(same, || {
                while begin.elapsed() < 2 * MILLISECOND {
                    fiber::yield_now();
                }
                fiber::park();
            })
        });
        assert_eq!(all, Err(Elapsed));
    });
}

#[test]
fn a_limit_is_over_when_its_closure_is() {
    runtime(1).run(|| {
        for _ in 0..100 {
            assert_eq!(timeout(Duration::from_micros(200), || 1), Ok(1));
        }
        // None of them strikes now.
        let begin = Instant::now();
        sleep(MILLISECOND);
        assert!(begin.elapsed() >= MILLISECOND);
        // Nor when its closure was unwound by another cause.
        let caught = catch_unwind(AssertUnwindSafe(|| timeout(Duration::from_micros(200), || panic!("past it"))));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"past it"));
        sleep(MILLISECOND);
    });
}

#[test]
fn a_wait_after_an_inner_limit_goes_on_under_the_outer_one() {
    runtime(1).run(|| {
        // On a machine that is late, both limits have struck at the first wait, and the outer one counts.
        for limit in [10, 100, 1_000, 10_000] {
            let mut rounds = 0;
            let outcome = timeout(limit * MILLISECOND, || {
                loop {
                    assert_eq!(timeout(MILLISECOND, || sleep(LONG)), Err(Elapsed));
                    rounds += 1;
                }
            });
            assert_eq!(outcome, Err::<(), _>(Elapsed));
            assert!(rounds <= limit, "{rounds} in {limit}");
            if rounds > 0 {
                return;
            }
        }
        panic!("the outer limit always strikes first");
    });
}

#[test]
fn a_caught_limit_strikes_again() {
    runtime(1).run(|| {
        let mut caught = 0;
        let outcome = timeout(MILLISECOND, || {
            for _ in 0..10 {
                caught += usize::from(catch_unwind(|| sleep(LONG)).is_err());
            }
            "went its own way"
        });
        assert_eq!((outcome, caught), (Ok("went its own way"), 10));
        // And is gone with its closure.
        sleep(Duration::from_micros(1));
    });
}

#[test]
fn a_panic_goes_through_a_limit_unchanged() {
    runtime(1).run(|| {
        let outcome =
            catch_unwind(AssertUnwindSafe(|| timeout(LONG, || timeout(Duration::ZERO, || std::panic::panic_any(7)))));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&7));
    });
}

#[test]
fn destructors_run_when_a_limit_unwinds() {
    runtime(1).run(|| {
        let count = Count::new();
        let outcome = timeout(MILLISECOND, || {
            let _outer = count.on_drop();
            let _inner = timeout(LONG, || {
                let _inner = (count.on_drop(), count.on_drop());
                sleep(LONG);
            });
            unreachable!();
        });
        assert_eq!((outcome, count.get()), (Err::<(), _>(Elapsed), 3));
    });
}

#[test]
fn an_unpark_in_time_is_no_timeout() {
    runtime(2).run(|| {
        for n in 0..200 {
            let this = fiber::current();
            let waker = fiber::spawn(move || {
                sleep(Duration::from_micros(n));
                this.unpark();
            });
            match timeout(Duration::from_micros(100), fiber::park) {
                Ok(()) => (),
                // The permit comes later, and once.
                Err(Elapsed) => fiber::park(),
            }
            waker.join().unwrap();
        }
        let begin = Instant::now();
        fiber::park_timeout(MILLISECOND);
        assert!(begin.elapsed() >= MILLISECOND, "no permit was left over");
    });
}

#[test]
fn a_permit_ends_a_park_with_a_limit() {
    runtime(2).run(|| {
        for _ in 0..100 {
            let parked = fiber::spawn(|| fiber::park_timeout(LONG));
            parked.fiber().unpark();
            parked.join().unwrap();
        }
    });
}

#[test]
fn thousands_of_timers_are_set_and_taken_back() {
    runtime(2).run(|| {
        let fibers: Vec<_> = (0..2000u64)
            .map(|n| {
                fiber::spawn(move || {
                    for round in 0..5 {
                        assert_eq!(timeout(LONG, || (n, round)), Ok((n, round)));
                        sleep(Duration::from_micros(n * 7 % 500));
                        assert_eq!(timeout(Duration::from_micros(n * 3 % 300), fiber::park), Err(Elapsed));
                    }
                })
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn an_elapsed_limit_is_an_io_error() {
    let error = io::Error::from(Elapsed);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the time limit has passed");
}

#[test]
fn a_sleeping_worker_is_woken_for_an_earlier_timer() {
    let runtime = runtime(1);
    let late = runtime.spawn(|| sleep(LONG));
    until_waiting(&runtime.handle(), &late.fiber(), Reason::Sleep);
    // The worker sleeps until far in the future by now.
    std::thread::sleep(2 * MILLISECOND);
    runtime.run(|| sleep(MILLISECOND));
    late.cancel();
    eventually("it has ended", || late.is_finished());
}

#[test]
fn a_worker_wakes_for_many_timers_together() {
    const SLEEPERS: u32 = 200;
    // A worker that the machine keeps from running wakes less often. That would hide what is looked for, but not in each round.
    for _ in 0..20 {
        let woke = runtime(1).run(|| {
            let sleeps = || here().worker_metrics()[0].sleeps;
            let base = Instant::now() + 10 * MILLISECOND;
            let sleepers: Vec<_> = (0..SLEEPERS)
                .map(|n| fiber::spawn_local(move || sleep_until(base + Duration::from_micros(50) * n)))
                .collect();
            let before = sleeps();
            sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
            sleeps() - before
        });
        // In 10 ms, each 200 us; for the first ones, for what is left at the end, and to give memory back.
        assert!(woke < u64::from(SLEEPERS) / 2, "woke {woke} times for {SLEEPERS} timers");
    }
}
