//! What is done once: `Once`, `OnceLock`, `LazyLock`.

use crate::common::{Count, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::{LazyLock, Once, OnceLock};
use fiber::time::{Elapsed, sleep, timeout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

macro_rules! behaviour {
    () => {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        use sync::{LazyLock, Once, OnceLock};

        #[test]
        fn it_is_done_once() {
            static ONCE: Once = Once::new();
            run(|| {
                let mut times = 0;
                for _ in 0..3 {
                    ONCE.call_once(|| times += 1);
                    assert!(ONCE.is_completed());
                }
                ONCE.call_once_force(|_| times += 1);
                ONCE.wait();
                assert_eq!(times, 1);
                assert_eq!(format!("{ONCE:?}"), "Once { .. }");
            });
        }

        #[test]
        fn everybody_waits_until_it_is_done() {
            run(|| {
                let shared = Arc::new((Once::new(), AtomicUsize::new(0)));
                let ends: Vec<_> = (0..20)
                    .map(|n| {
                        let shared = Arc::clone(&shared);
                        spawn(move || {
                            let (once, done) = &*shared;
                            if n % 4 == 0 {
                                once.wait();
                            } else {
                                once.call_once(|| {
                                    (0..10).for_each(|_| give_way());
                                    done.fetch_add(1, SeqCst);
                                });
                            }
                            assert_eq!(done.load(SeqCst), 1);
                        })
                    })
                    .collect();
                assert!(!ends.into_iter().map(|panicked| panicked()).fold(false, |any, one| any | one));
            });
        }

        #[test]
        fn a_panic_poisons_until_it_is_forced() {
            run(|| {
                let once = Once::new();
                let attempt = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(|| once.call_once(f)));
                assert!(attempt(&|| panic!("in vain")).is_err());
                assert!(attempt(&|| unreachable!("it is poisoned")).is_err());
                assert!(catch_unwind(AssertUnwindSafe(|| once.wait())).is_err());
                assert!(!once.is_completed());
                let mut ran = false;
                once.call_once_force(|state| {
                    ran = true;
                    assert!(state.is_poisoned());
                });
                assert!(ran && once.is_completed());
                assert!(attempt(&|| unreachable!("it is done")).is_ok());
            });
        }

        #[test]
        fn waiters_see_a_panic_or_the_forced_completion() {
            run(|| {
                let once = Arc::new(Once::new());
                let waits = spawn({
                    let once = Arc::clone(&once);
                    move || once.wait_force()
                });
                let fails = spawn({
                    let once = Arc::clone(&once);
                    move || {
                        once.call_once(|| {
                            (0..10).for_each(|_| give_way());
                            panic!("in vain");
                        })
                    }
                });
                assert!(fails());
                once.call_once_force(|state| assert!(state.is_poisoned()));
                assert!(!waits());
            });
        }

        #[test]
        fn a_cell_is_written_once() {
            run(|| {
                let mut cell = OnceLock::new();
                assert!(cell.get().is_none() && cell.get_mut().is_none());
                assert_eq!(format!("{cell:?}"), "OnceLock(<uninit>)");
                assert_eq!(cell.set(1), Ok(()));
                assert_eq!(cell.set(2), Err(2));
                assert_eq!(cell.get_or_init(|| unreachable!("there is one")), &1);
                *cell.get_mut().unwrap() += 2;
                assert_eq!((cell.get(), cell.wait()), (Some(&3), &3));
                assert_eq!(format!("{cell:?}"), "OnceLock(3)");
                assert_eq!(cell.clone(), OnceLock::from(3));
                assert_eq!(cell.take(), Some(3));
                assert_eq!((cell.take(), cell.get()), (None, None));
                assert_eq!(cell, OnceLock::default());
                assert_eq!(cell.get_or_init(|| 4), &4);
                assert_eq!(cell.into_inner(), Some(4));
            });
        }

        #[test]
        fn one_of_many_writes_the_cell() {
            run(|| {
                let shared = Arc::new((OnceLock::new(), AtomicUsize::new(0)));
                let ends: Vec<_> = (0..20)
                    .map(|n| {
                        let shared = Arc::clone(&shared);
                        spawn(move || {
                            let (cell, made) = &*shared;
                            let value = match n % 3 {
                                0 => *cell.wait(),
                                1 => *cell.get_or_init(|| {
                                    (0..5).for_each(|_| give_way());
                                    made.fetch_add(1, SeqCst);
                                    7
                                }),
                                _ => {
                                    made.fetch_add(usize::from(cell.set(7).is_ok()), SeqCst);
                                    7
                                }
                            };
                            assert_eq!(value, 7);
                        })
                    })
                    .collect();
                assert!(!ends.into_iter().map(|panicked| panicked()).fold(false, |any, one| any | one));
                assert_eq!(shared.1.load(SeqCst), 1);
            });
        }

        #[test]
        fn a_panic_leaves_the_cell_empty() {
            run(|| {
                let cell = OnceLock::<i32>::new();
                let attempt = catch_unwind(AssertUnwindSafe(|| cell.get_or_init(|| panic!("in vain"))));
                assert!(attempt.is_err());
                assert!(cell.get().is_none());
                assert_eq!(cell.set(5), Ok(()));
                assert_eq!(cell.get(), Some(&5));
            });
        }

        #[test]
        fn a_cell_drops_its_value_once() {
            run(|| {
                let dropped = crate::common::Count::new();
                let cell = OnceLock::new();
                assert!(cell.set(dropped.on_drop()).is_ok());
                assert!(cell.set(dropped.on_drop()).is_err());
                assert_eq!(dropped.get(), 1);
                drop(cell);
                assert_eq!(dropped.get(), 2);
                drop(OnceLock::<String>::new());
            });
        }

        #[test]
        fn a_lazy_value_is_made_once_when_it_is_used() {
            static MADE: AtomicUsize = AtomicUsize::new(0);
            static LAZY: LazyLock<String> = LazyLock::new(|| {
                (0..10).for_each(|_| give_way());
                MADE.fetch_add(1, SeqCst);
                "value".to_owned()
            });
            run(|| {
                assert_eq!(MADE.load(SeqCst), 0);
                let ends: Vec<_> = (0..10).map(|_| spawn(|| assert_eq!(*LAZY, "value"))).collect();
                assert!(!ends.into_iter().map(|panicked| panicked()).fold(false, |any, one| any | one));
                assert_eq!((LazyLock::force(&LAZY).len(), MADE.load(SeqCst)), (5, 1));
            });
        }

        #[test]
        fn a_lazy_value_that_cannot_be_made_is_poisoned() {
            run(|| {
                let lazy = LazyLock::<i32>::new(|| panic!("in vain"));
                for _ in 0..3 {
                    assert!(catch_unwind(AssertUnwindSafe(|| *lazy)).is_err());
                }
            });
        }

        #[test]
        fn a_lazy_value_drops_what_it_has() {
            run(|| {
                let (unused, used) = (crate::common::Count::new(), crate::common::Count::new());
                let closure = |value: crate::common::CountDrop| move || value;
                let lazy = LazyLock::new(closure(used.on_drop()));
                assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
                let _: &crate::common::CountDrop = &lazy;
                assert!(format!("{lazy:?}").starts_with("LazyLock(CountDrop("));
                drop((lazy, LazyLock::new(closure(unused.on_drop()))));
                assert_eq!((unused.get(), used.get()), (1, 1));
                assert_eq!(*LazyLock::<u8>::default(), 0);
            });
        }
    };
}

everywhere!(behaviour);

/// Nothing was done, so the next one does it; what std's would call poisoned, because something unwound.
#[test]
fn a_cancelled_initialisation_is_as_if_it_had_not_begun() {
    runtime(1).run(|| {
        let once = Arc::new(Once::new());
        let cell = Arc::new(OnceLock::new());
        let first = fiber::spawn({
            let (once, cell) = (once.clone(), cell.clone());
            move || {
                once.call_once(|| {
                    cell.get_or_init(fiber::park);
                })
            }
        });
        until_waiting(&here(), &first.fiber(), Reason::Park);
        let ran = Count::new();
        let others: Vec<_> = (0..3)
            .map(|_| {
                let (once, ran) = (once.clone(), ran.clone());
                let other = fiber::spawn(move || once.call_once(|| ran.add()));
                until_waiting(&here(), &other.fiber(), Reason::Once);
                other
            })
            .collect();
        let waits = fiber::spawn({
            let (once, cell) = (once.clone(), cell.clone());
            move || {
                once.wait();
                *cell.wait()
            }
        });
        until_waiting(&here(), &waits.fiber(), Reason::Once);
        first.cancel();
        assert!(first.join().unwrap_err().is_cancelled());
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(ran.get(), 1);
        cell.set(()).unwrap();
        waits.join().unwrap();
    });
}

#[test]
fn a_time_limit_within_an_initialisation_is_its_own_business() {
    runtime(1).run(|| {
        let once = Once::new();
        assert_eq!(timeout(Duration::from_millis(1), || once.call_once(fiber::park)), Err(Elapsed));
        assert!(!once.is_completed());
        once.call_once(|| assert!(timeout(Duration::from_millis(1), fiber::park).is_err()));
        assert!(once.is_completed());
    });
}

/// Its closure is used up by the attempt: there could be no second.
#[test]
fn a_lazy_value_is_made_by_a_cancelled_fiber_too() {
    runtime(1).run(|| {
        let lazy = Arc::new(LazyLock::new(|| {
            fiber::park();
            5
        }));
        let first = fiber::spawn({
            let lazy = lazy.clone();
            move || {
                let value = **lazy;
                fiber::park();
                value
            }
        });
        until_waiting(&here(), &first.fiber(), Reason::Park);
        first.cancel();
        let second = fiber::spawn({
            let lazy = lazy.clone();
            move || **lazy
        });
        until_waiting(&here(), &second.fiber(), Reason::Once);
        assert_eq!(LazyLock::get(&lazy), None, "it is cancelled, and waits on");
        first.fiber().unpark();
        assert_eq!(second.join().unwrap(), 5);
        assert!(first.join().unwrap_err().is_cancelled(), "at the next wait");
    });
}

/// After a swallowed cancellation the fiber is a bad judge of what unwinds it.
#[test]
fn a_lazy_value_is_attempted_once_whatever_is_thrown() {
    runtime(1).run(|| {
        fiber::spawn(|| {
            let attempts = Count::new();
            let lazy = LazyLock::new({
                let attempts = attempts.clone();
                move || {
                    attempts.add();
                    std::panic::resume_unwind(Box::new("thrown"));
                }
            });
            fiber::current().cancel();
            assert!(catch_unwind(fiber::park).is_err());
            for _ in 0..3 {
                let _: Result<&(), _> = catch_unwind(AssertUnwindSafe(|| LazyLock::force(&lazy)));
            }
            assert_eq!(attempts.get(), 1);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn an_initialisation_on_a_fiber_is_awaited_by_threads() {
    let runtime = runtime(1);
    static CELL: OnceLock<u32> = OnceLock::new();
    let fiber = runtime.spawn(|| {
        *CELL.get_or_init(|| {
            sleep(Duration::from_millis(5));
            1
        })
    });
    let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(|| *CELL.wait())).collect();
    assert_eq!(fiber.join().unwrap(), 1);
    threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 1));
}
