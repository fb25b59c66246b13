//! What keeps a fiber where it is, for a time or for good.

use super::{here, migratable, restless};
use crate::common::watched;
use fiber::coroutine::Generator;
use fiber::runtime::{Builder, FiberState, Handle, Reason, State};
use fiber::time::sleep;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Yields often; whether the fiber was on one worker all the time.
fn stays() -> bool {
    let before = here();
    (0..20).all(|_| {
        fiber::yield_now();
        here() == before
    })
}

#[test]
fn a_fiber_with_a_coroutine_stays() {
    watched(restless(2)).run(|| {
        let fiber = migratable().spawn(|| {
            assert!(!stays());
            let before = here();
            let mut numbers = Generator::new(|yielder| {
                for number in 0..10 {
                    fiber::yield_now();
                    yielder.suspend(number);
                }
            });
            let mut sum = 0;
            for number in numbers.by_ref() {
                fiber::yield_now();
                assert_eq!(here(), before);
                sum += number;
            }
            drop(numbers);
            (sum, stays())
        });
        assert_eq!(fiber.join().unwrap(), (45, true));
    });
}

/// One that stays is resumed by whoever hands its worker over, and waits then like any other: nobody resumes it but who wakes it.
#[test]
fn a_fiber_that_stays_waits_while_others_yield() {
    watched(Builder::new().workers(1)).run(|| {
        let parks = Arc::new(AtomicBool::new(false));
        let parking = parks.clone();
        let fiber = migratable().spawn(move || {
            // Ties it.
            assert_eq!(Generator::new(|yielder| yielder.suspend(7)).next(), Some(7));
            (0..10).for_each(|_| fiber::yield_now());
            parking.store(true, Relaxed);
            fiber::park();
        });
        let id = fiber.fiber().id();
        let state = || {
            let dump = Handle::try_current().unwrap().dump();
            dump.fibers().iter().find(|fiber| fiber.id() == id).map(FiberState::state)
        };
        while !parks.load(Relaxed) {
            fiber::yield_now();
        }
        for _ in 0..100 {
            fiber::yield_now();
            assert_eq!(state(), Some(State::Waiting(Reason::Park)));
        }
        fiber.fiber().unpark();
        fiber.join().unwrap();
    });
}

#[test]
fn the_parent_of_local_fibers_stays() {
    watched(restless(2)).run(|| {
        let fiber = migratable().spawn(|| {
            assert!(!stays());
            let home = here();
            let shared = std::rc::Rc::new(std::cell::Cell::new(0));
            let children: Vec<_> = (0..5)
                .map(|_| {
                    let shared = shared.clone();
                    migratable().spawn_local(move || {
                        assert!(stays());
                        shared.set(shared.get() + 1);
                    })
                })
                .collect();
            children.into_iter().for_each(|child| child.join().unwrap());
            assert_eq!(here(), home);
            (shared.get(), stays())
        });
        assert_eq!(fiber.join().unwrap(), (5, true));
    });
}

#[test]
fn a_fiber_that_is_unwound_stays_until_that_is_over() {
    struct Waits(usize);
    impl Drop for Waits {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            for _ in 0..5 {
                sleep(Duration::from_micros(100));
                fiber::yield_now();
                if here() != self.0 {
                    std::process::abort();
                }
            }
        }
    }
    watched(restless(2)).run(|| {
        let fibers: Vec<_> = (0..20)
            .map(|_| {
                migratable().spawn(|| {
                    for _ in 0..3 {
                        let caught = catch_unwind(AssertUnwindSafe(|| {
                            let _waits = Waits(here());
                            panic!("on purpose");
                        }));
                        assert!(caught.is_err());
                        fiber::yield_now();
                    }
                })
            })
            .collect();
        fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn a_blocking_call_keeps_its_fiber_until_it_is_over() {
    watched(restless(2)).run(|| {
        let fiber = migratable().spawn(|| {
            for number in 0..20 {
                let before = here();
                assert_eq!(fiber::blocking(move || number), number);
                assert_eq!(here(), before);
                fiber::yield_now();
            }
        });
        fiber.join().unwrap();
    });
}

/// The tests that follow start themselves again in another process, with what they do there in this variable.
const IN_CHILD: &str = "FIBER_MIGRATE_CHILD";

/// Runs the test of this name in a process of its own; what that wrote on standard error, and whether it ended well.
fn in_child(test: &str) -> (String, bool) {
    let program = std::env::current_exe().unwrap();
    let mut child = std::process::Command::new(program);
    let output = child.args([test, "--exact", "--nocapture"]).env(IN_CHILD, "1").output().unwrap();
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.success())
}

#[test]
#[cfg(debug_assertions)]
fn a_marked_value_is_found_where_its_fiber_may_leave() {
    if std::env::var_os(IN_CHILD).is_none() {
        let (said, ended_well) = in_child("kept::a_marked_value_is_found_where_its_fiber_may_leave");
        assert!(
            !ended_well && said.contains("'careless' may change its thread, and was suspended while it has a handle"),
            "{said}"
        );
        assert!(said.contains("migrate/kept.rs"), "{said}");
        return;
    }
    watched(restless(2)).run(|| {
        let careless = migratable().name("careless").spawn(|| {
            let _handle = fiber::OnThread::new("a handle");
            fiber::yield_now();
        });
        careless.join().unwrap();
    });
}

#[test]
fn marked_values_are_fine_elsewhere() {
    watched(restless(2)).run(|| {
        let fiber = fiber::spawn(|| {
            let _handle = fiber::OnThread::new("a handle");
            fiber::yield_now();
        });
        fiber.join().unwrap();
        let fiber = migratable().spawn(|| {
            for _ in 0..3 {
                drop(fiber::OnThread::new("a handle, gone before the wait"));
                fiber::yield_now();
            }
            fiber::time::timeout(Duration::from_secs(3600), || {
                let _handle = fiber::OnThread::new("a handle of a fiber that stays");
                fiber::yield_now();
            })
        });
        assert_eq!(fiber.join().unwrap(), Ok(()));
    });
}
