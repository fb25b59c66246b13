#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Panics: to the joiner, out of destructors, in the middle of waits, and what they leave of the siblings.

mod common;

use common::{Count, LONG, OnDrop, eventually, here, runtime, until_waiting};
use fiber::JoinError;
use fiber::runtime::Reason;
use fiber::sync::Mutex;
use fiber::sync::mpsc::channel;
use fiber::time::{sleep, timeout};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn payloads_of_every_type_reach_the_joiner() {
    #[derive(Debug, PartialEq)]
    struct Own(Vec<u8>);
    runtime(2).run(|| {
        let text = fiber::spawn(|| panic!("text")).join().unwrap_err();
        assert_eq!(text.to_string(), "the fiber panicked: text");
        assert_eq!(format!("{text:?}"), "Panicked(\"text\")");
        let formatted = fiber::spawn(|| panic!("number {}", std::hint::black_box(7))).join().unwrap_err();
        assert_eq!(formatted.try_into_panic().unwrap().downcast_ref(), Some(&"number 7".to_owned()));
        let number = fiber::spawn(|| panic_any(7u8)).join().unwrap_err();
        assert_eq!(number.to_string(), "the fiber panicked: (no message)");
        assert_eq!(number.try_into_panic().unwrap().downcast_ref(), Some(&7u8));
        let own = fiber::spawn(|| panic_any(Own(vec![1, 2]))).join().unwrap_err();
        assert_eq!(own.try_into_panic().unwrap().downcast_ref(), Some(&Own(vec![1, 2])));
        let resumed = fiber::spawn(|| resume_unwind(Box::new(1i64))).join().unwrap_err();
        assert_eq!(resumed.try_into_panic().unwrap().downcast_ref(), Some(&1i64));
        let boxed: Box<dyn Error> = Box::new(fiber::spawn(|| panic!("as an error")).join().unwrap_err());
        assert_eq!(boxed.to_string(), "the fiber panicked: as an error");
    });
}

#[test]
fn the_kinds_of_errors_exclude_each_other() {
    runtime(1).run(|| {
        let kinds = |error: &JoinError| [error.is_panic(), error.is_cancelled(), error.is_not_started()];
        let panicked = fiber::spawn(|| panic!("p")).join().unwrap_err();
        assert_eq!(kinds(&panicked), [true, false, false]);
        let parked = fiber::spawn(fiber::park);
        parked.cancel();
        let cancelled = parked.join().unwrap_err();
        assert_eq!(kinds(&cancelled), [false, true, false]);
        assert_eq!(cancelled.to_string(), "the fiber was cancelled: it was asked to end");
        assert!(cancelled.try_into_panic().unwrap_err().is_cancelled());
        for size in [0, (1 << 30) + 1, usize::MAX] {
            let refused = fiber::Builder::new().stack_size(size).spawn(|| ()).join().unwrap_err();
            assert_eq!(kinds(&refused), [false, false, true]);
            assert!(refused.to_string().contains("could not start"), "{refused}");
            assert!(refused.try_into_panic().unwrap_err().is_not_started());
        }
    });
}

#[test]
fn a_fiber_that_cannot_start_drops_what_it_owns() {
    runtime(1).run(|| {
        let dropped = Count::new();
        let guard = dropped.on_drop();
        let refused = fiber::Builder::new().stack_size(usize::MAX).spawn(move || drop(guard));
        assert!(refused.join().unwrap_err().is_not_started());
        assert_eq!(dropped.get(), 1);
        // In a destructor that waits.
        let slow = OnDrop({
            let dropped = dropped.clone();
            move || {
                sleep(Duration::from_micros(100));
                fiber::spawn(|| ()).join().unwrap();
                dropped.add();
            }
        });
        let refused = fiber::Builder::new().stack_size(usize::MAX).spawn(move || drop(slow));
        assert!(refused.join().unwrap_err().is_not_started());
        assert_eq!(dropped.get(), 2);
    });
}

#[test]
fn small_and_large_stacks_work() {
    runtime(1).run(|| {
        for size in [1, 16 << 10, (16 << 10) + 1, 100_000, 1 << 20, 64 << 20] {
            assert_eq!(fiber::Builder::new().stack_size(size).spawn(move || size).join().unwrap(), size);
        }
    });
}

#[test]
fn a_panic_ends_its_fiber_and_nothing_else() {
    runtime(2).run(|| {
        let fibers: Vec<_> = (0..300)
            .map(|n| {
                fiber::spawn(move || {
                    (0..n % 10).for_each(|_| fiber::yield_now());
                    assert_ne!(n % 3, 0, "every third");
                    n
                })
            })
            .collect();
        for (n, fiber) in fibers.into_iter().enumerate() {
            match fiber.join() {
                Ok(value) => assert_eq!(value, n),
                Err(error) => assert!(error.is_panic() && n % 3 == 0),
            }
        }
        assert!(!std::thread::panicking());
    });
}

#[test]
fn destructors_may_wait_while_a_panic_unwinds() {
    runtime(1).run(|| {
        let steps = Count::new();
        let fiber = fiber::spawn({
            let steps = steps.clone();
            move || {
                let _slow = OnDrop(|| {
                    assert!(std::thread::panicking());
                    sleep(Duration::from_millis(1));
                    fiber::yield_now();
                    assert!(std::thread::panicking());
                    steps.add();
                    assert_eq!(fiber::spawn(|| 3).join().unwrap(), 3);
                    steps.add();
                    let (sender, receiver) = channel();
                    fiber::spawn(move || sender.send(7));
                    assert_eq!(receiver.recv(), Ok(7));
                    steps.add();
                    assert_eq!(fiber::scope(|s| s.spawn(|| 5).join().unwrap()), 5);
                    steps.add();
                });
                panic!("and the destructor waits");
            }
        });
        assert_eq!(fiber.join().unwrap_err().to_string(), "the fiber panicked: and the destructor waits");
        assert_eq!(steps.get(), 4);
        assert!(!std::thread::panicking());
    });
}

#[test]
fn many_unwindings_interleave() {
    runtime(2).run(|| {
        let count = Count::new();
        let fibers: Vec<_> = (0..200u64)
            .map(|n| {
                let count = count.clone();
                fiber::spawn(move || {
                    let _first = OnDrop(|| {
                        sleep(Duration::from_micros(n * 13 % 300));
                        count.add();
                    });
                    let _second = OnDrop(|| {
                        // A panic within the unwinding, caught within it.
                        let inner = catch_unwind(|| {
                            fiber::yield_now();
                            panic!("inner")
                        });
                        assert!(inner.is_err());
                        count.add();
                    });
                    (0..n % 7).for_each(|_| fiber::yield_now());
                    panic_any(n)
                })
            })
            .collect();
        for (n, fiber) in fibers.into_iter().enumerate() {
            let payload = fiber.join().map(|()| unreachable!()).unwrap_err().try_into_panic().unwrap();
            assert_eq!(payload.downcast_ref(), Some(&(n as u64)));
        }
        assert_eq!(count.get(), 400);
    });
}

#[test]
fn a_sibling_panics_while_another_waits_in_its_unwinding() {
    runtime(1).run(|| {
        let slow = fiber::spawn(|| {
            let _slow = OnDrop(fiber::park);
            panic!("the slow one");
        });
        until_waiting(&here(), &slow.fiber(), Reason::Park);
        for n in 0..20 {
            let error = fiber::spawn(move || panic_any(n)).join().map(|()| unreachable!()).unwrap_err();
            assert_eq!(error.try_into_panic().unwrap().downcast_ref(), Some(&n));
            assert!(catch_unwind(|| panic!("here")).is_err());
        }
        slow.fiber().unpark();
        assert_eq!(slow.join().unwrap_err().to_string(), "the fiber panicked: the slow one");
        assert!(!std::thread::panicking());
    });
}

#[test]
fn what_is_caught_is_over() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            for n in 0..100 {
                let caught = catch_unwind(|| {
                    fiber::yield_now();
                    panic_any(n)
                });
                assert_eq!(caught.map(|()| unreachable!()).unwrap_err().downcast_ref(), Some(&n));
                sleep(Duration::from_micros(1));
            }
            "went on"
        });
        assert_eq!(fiber.join().unwrap(), "went on");
    });
}

#[test]
fn a_result_that_panics_when_dropped_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the destructor of a result");
        }
    }
    runtime(1).run(|| {
        for _ in 0..10 {
            drop(fiber::spawn(|| Bomb));
            let ended = fiber::spawn(|| Bomb);
            eventually("it has ended", || ended.is_finished());
            let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
            // As a captured value of a fiber that never runs.
            let bomb = Bomb;
            let cancelled = fiber::spawn(move || {
                let _bomb = bomb;
                fiber::park();
            });
            cancelled.cancel();
            assert!(cancelled.join().unwrap_err().is_cancelled());
        }
        assert_eq!(fiber::spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn a_panic_on_a_cancelled_fiber_is_a_panic() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            fiber::current().cancel();
            panic!("on the way out");
        });
        assert!(fiber.join().unwrap_err().is_panic());
        let fiber = fiber::spawn(|| {
            let _on_the_way = OnDrop(|| {
                let inner = catch_unwind(|| panic!("caught in a destructor"));
                assert!(inner.is_err());
            });
            fiber::current().cancel();
            fiber::park();
        });
        assert!(fiber.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_panic_inside_a_time_limit_keeps_its_payload() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            let _ = timeout(LONG, || {
                let _slow = OnDrop(|| sleep(Duration::from_millis(1)));
                panic_any(3)
            });
        });
        assert_eq!(fiber.join().unwrap_err().try_into_panic().unwrap().downcast_ref(), Some(&3));
    });
}

#[test]
fn a_limit_that_passes_while_a_destructor_waits_does_not_abort() {
    runtime(1).run(|| {
        let outcome = catch_unwind(|| {
            timeout(Duration::from_millis(1), || {
                let _slow = OnDrop(|| sleep(Duration::from_millis(3)));
                panic_any(5)
            })
        });
        assert_eq!(outcome.map(|_: Result<(), _>| ()).unwrap_err().downcast_ref(), Some(&5));
        sleep(Duration::from_micros(10));
    });
}

#[test]
fn a_panic_with_a_lock_is_seen_by_those_who_wait_for_it() {
    runtime(2).run(|| {
        let mutex = Arc::new(Mutex::new(0));
        let holder = fiber::spawn({
            let mutex = mutex.clone();
            move || {
                let _guard = mutex.lock().unwrap();
                fiber::park();
                panic!("with the lock");
            }
        });
        until_waiting(&here(), &holder.fiber(), Reason::Park);
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                let mutex = mutex.clone();
                fiber::spawn(move || mutex.lock().is_err())
            })
            .collect();
        waiters.iter().for_each(|waiter| until_waiting(&here(), &waiter.fiber(), Reason::Lock));
        holder.fiber().unpark();
        assert!(holder.join().unwrap_err().is_panic());
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
    });
}
