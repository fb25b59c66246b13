//! What becomes of every kind of wait.

use crate::common::{Count, LONG, Random, here, runtime, until_waiting};
use crate::waits::{all_waits, check_cancelled, is_cancelled};
use fiber::time::{Elapsed, sleep, timeout};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn every_wait_ends_when_its_fiber_is_cancelled() {
    for workers in [1, 2] {
        runtime(workers).run(|| {
            for wait in all_waits() {
                let dropped = Count::new();
                let (call, guard) = (wait.call.clone(), dropped.on_drop());
                let fiber = fiber::spawn(move || {
                    let _guard = guard;
                    call()
                });
                until_waiting(&here(), &fiber.fiber(), wait.reason);
                fiber.cancel();
                check_cancelled(&wait, fiber);
                assert_eq!(dropped.get(), 1, "{}", wait.name);
            }
        });
    }
}

#[test]
fn every_wait_ends_when_a_thread_cancels_its_fiber() {
    let runtime = runtime(2);
    let waits = runtime.run(all_waits);
    for wait in &waits {
        let call = wait.call.clone();
        let fiber = runtime.spawn(move || call());
        until_waiting(&runtime.handle(), &fiber.fiber(), wait.reason);
        fiber.cancel();
        check_cancelled(wait, fiber);
    }
}

#[test]
fn a_cancelled_fiber_begins_no_wait() {
    runtime(2).run(|| {
        for wait in all_waits() {
            let call = wait.call.clone();
            let fiber = fiber::spawn(move || {
                fiber::current().cancel();
                // No wait, so no cancellation point.
                fiber::yield_now();
                call()
            });
            check_cancelled(&wait, fiber);
        }
    });
}

#[test]
fn every_wait_ends_at_a_time_limit() {
    runtime(2).run(|| {
        for wait in all_waits() {
            for micros in [0, 1, 300, 2000] {
                match timeout(Duration::from_micros(micros), || (wait.call)()) {
                    Err(Elapsed) if !wait.fails => (),
                    Ok(Err(error)) if wait.fails => {
                        assert_eq!(error.kind(), ErrorKind::TimedOut, "{}: {error:?}", wait.name);
                        assert!(error.get_ref().is_some_and(|source| source.is::<Elapsed>()), "{}", wait.name);
                    }
                    other => panic!("{} within {micros} us has ended with {other:?}", wait.name),
                }
            }
        }
    });
}

#[test]
fn an_error_comes_once_and_then_unwinding() {
    runtime(2).run(|| {
        for wait in all_waits().into_iter().filter(|wait| wait.fails) {
            let (call, second) = (wait.call.clone(), Arc::new(AtomicBool::new(false)));
            let fiber = fiber::spawn({
                let second = second.clone();
                move || {
                    assert!(is_cancelled(&call().unwrap_err()));
                    second.store(true, SeqCst);
                    let _ = call();
                    unreachable!("the second wait of a cancelled fiber unwinds");
                }
            });
            until_waiting(&here(), &fiber.fiber(), wait.reason);
            fiber.cancel();
            // Twice is once.
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled(), "{}", wait.name);
            assert!(second.load(SeqCst));
        }
    });
}

#[test]
fn a_time_limit_gives_an_error_once_and_then_unwinds() {
    runtime(1).run(|| {
        for wait in all_waits().into_iter().filter(|wait| wait.fails) {
            let mut errors = 0;
            let outcome = timeout(Duration::from_millis(1), || {
                loop {
                    let error = (wait.call)().expect_err(wait.name);
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{}: {error:?}", wait.name);
                    errors += 1;
                }
            });
            assert_eq!((outcome, errors), (Err::<(), _>(Elapsed), 1), "{}", wait.name);
        }
    });
}

#[test]
fn catching_the_unwinding_does_not_end_the_cancellation() {
    runtime(2).run(|| {
        for wait in all_waits() {
            let call = wait.call.clone();
            let fiber = fiber::spawn(move || {
                fiber::current().cancel();
                if wait.fails {
                    assert!(call().is_err());
                }
                (0..50).filter(|_| catch_unwind(AssertUnwindSafe(|| call())).is_err()).count()
            });
            // It returned in the end, so it has a result.
            assert_eq!(fiber.join().unwrap(), 50, "{}", wait.name);
        }
    });
}

#[test]
fn a_cancellation_at_any_moment_is_seen() {
    let runtime = runtime(2);
    let waits = runtime.run(all_waits);
    let mut random = Random::seeded(1);
    for _ in 0..40 {
        for wait in &waits {
            let call = wait.call.clone();
            let fiber = runtime.spawn(move || call());
            for _ in 0..random.below(400) {
                std::hint::spin_loop();
            }
            fiber.cancel();
            match fiber.join() {
                Ok(Err(error)) if wait.fails => assert!(is_cancelled(&error), "{}: {error:?}", wait.name),
                // Before its start, if it is an operation.
                Err(error) => assert!(error.is_cancelled(), "{}: {error:?}", wait.name),
                other => panic!("{} has ended with {other:?}", wait.name),
            }
        }
    }
}

#[test]
fn waits_that_were_taken_back_leave_nothing_behind() {
    runtime(1).run(|| {
        for wait in all_waits() {
            for round in 0..30 {
                let outcome = timeout(Duration::from_micros(round * 7), || (wait.call)());
                assert!(matches!(outcome, Err(_) | Ok(Err(_))), "{}", wait.name);
            }
        }
        // The fiber is as good as new.
        assert_eq!(timeout(LONG, || 5), Ok(5));
        sleep(Duration::from_micros(10));
    });
}
