#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! The mutex: exclusion between fibers and threads, fairness, and std's interface and poisoning.

mod common;

use common::{OnDrop, eventually, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::Mutex;
use fiber::time::sleep;
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// The tests of std's interface, for a `sync` module, and a `run` and a `spawn` that are in scope. `spawn` returns a closure
/// that says whether there was a panic.
macro_rules! behaviour {
    () => {
        use std::sync::Arc;
        use std::sync::TryLockError;

        #[test]
        fn a_guard_reads_and_writes() {
            run(|| {
                let mutex = sync::Mutex::new(String::from("a"));
                mutex.lock().unwrap().push('b');
                assert_eq!(*mutex.lock().unwrap(), "ab");
                assert_eq!(mutex.lock().unwrap().len(), 2);
                assert_eq!(mutex.into_inner().unwrap(), "ab");
            });
        }

        #[test]
        fn try_lock_takes_what_is_free() {
            run(|| {
                let mutex = sync::Mutex::new(1);
                let guard = mutex.try_lock().unwrap();
                assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
                drop(guard);
                *mutex.try_lock().unwrap() += 1;
                assert_eq!(*mutex.lock().unwrap(), 2);
            });
        }

        #[test]
        fn an_exclusive_reference_needs_no_lock() {
            run(|| {
                let mut mutex = sync::Mutex::new(1);
                *mutex.get_mut().unwrap() = 5;
                assert_eq!(mutex.into_inner().unwrap(), 5);
            });
        }

        #[test]
        fn a_panic_with_the_guard_poisons() {
            run(|| {
                let mutex = Arc::new(sync::Mutex::new(1));
                let panicked = spawn({
                    let mutex = Arc::clone(&mutex);
                    move || {
                        *mutex.lock().unwrap() = 2;
                        let _guard = mutex.lock().unwrap();
                        panic!("with the guard");
                    }
                });
                assert!(panicked());
                assert!(mutex.is_poisoned());
                assert_eq!(*mutex.lock().unwrap_err().into_inner(), 2);
                assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
                mutex.clear_poison();
                assert!(!mutex.is_poisoned());
                assert_eq!(*mutex.lock().unwrap(), 2);
            });
        }

        #[test]
        fn the_poison_shows_wherever_the_value_is_taken() {
            run(|| {
                let mutex = Arc::new(sync::Mutex::new(1));
                let panicked = spawn({
                    let mutex = Arc::clone(&mutex);
                    move || {
                        let _guard = mutex.lock();
                        panic!("with the guard");
                    }
                });
                assert!(panicked());
                let mut mutex = wait_for_last(mutex);
                assert_eq!(**mutex.get_mut().unwrap_err().get_ref(), 1);
                assert_eq!(mutex.into_inner().unwrap_err().into_inner(), 1);
            });
        }

        #[test]
        fn a_panic_without_the_guard_does_not_poison() {
            run(|| {
                let mutex = Arc::new(sync::Mutex::new(1));
                let panicked = spawn({
                    let mutex = Arc::clone(&mutex);
                    move || {
                        drop(mutex.lock());
                        panic!("without the guard");
                    }
                });
                assert!(panicked());
                assert!(!mutex.is_poisoned());
            });
        }

        #[test]
        fn a_guard_taken_while_unwinding_does_not_poison() {
            run(|| {
                let mutex = Arc::new(sync::Mutex::new(1));
                let panicked = spawn({
                    let mutex = Arc::clone(&mutex);
                    move || {
                        let _cleanup = super::OnDrop(|| *mutex.lock().unwrap() += 1);
                        panic!("and the destructor locks");
                    }
                });
                assert!(panicked());
                assert_eq!(*mutex.lock().unwrap(), 2);
            });
        }

        #[test]
        fn a_caught_panic_poisons_too() {
            run(|| {
                let mutex = sync::Mutex::new(1);
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _guard = mutex.lock();
                    panic!("caught");
                }));
                assert!(caught.is_err());
                assert!(mutex.is_poisoned());
            });
        }

        #[test]
        fn it_prints_as_it_is() {
            run(|| {
                let mutex = sync::Mutex::new(7);
                assert_eq!(format!("{mutex:?}"), "Mutex { data: 7, poisoned: false, .. }");
                let guard = mutex.lock().unwrap();
                assert!(format!("{mutex:?}").contains("<locked>"));
                assert_eq!(format!("{guard:?} {guard}"), "7 7");
            });
        }

        #[test]
        fn it_holds_what_has_no_size() {
            run(|| {
                let mutex: Box<sync::Mutex<[i32]>> = Box::new(sync::Mutex::new([1, 2, 3]));
                mutex.lock().unwrap()[1] = 5;
                assert_eq!(*mutex.lock().unwrap(), [1, 5, 3]);
                let mutex: Arc<sync::Mutex<dyn FnMut() -> i32>> = Arc::new(sync::Mutex::new(|| 4));
                assert_eq!((mutex.lock().unwrap())(), 4);
            });
        }

        #[test]
        fn a_static_needs_no_start() {
            static MUTEX: sync::Mutex<Vec<i32>> = sync::Mutex::new(Vec::new());
            run(|| {
                MUTEX.lock().unwrap().push(1);
                let panicked = spawn(|| MUTEX.lock().unwrap().push(2));
                assert!(!panicked());
                assert_eq!(*MUTEX.lock().unwrap(), [1, 2]);
            });
        }

        #[test]
        fn from_and_default() {
            run(|| {
                assert_eq!(*sync::Mutex::from(3).lock().unwrap(), 3);
                assert_eq!(*sync::Mutex::<u8>::default().lock().unwrap(), 0);
            });
        }

        #[test]
        fn one_at_a_time() {
            run(|| {
                let mutex = Arc::new(sync::Mutex::new(0u32));
                let ends: Vec<_> = (0..20)
                    .map(|_| {
                        let mutex = Arc::clone(&mutex);
                        spawn(move || {
                            for _ in 0..100 {
                                let mut guard = mutex.lock().unwrap();
                                let seen = *guard;
                                give_way();
                                *guard = seen + 1;
                            }
                        })
                    })
                    .collect();
                assert!(ends.into_iter().all(|panicked| !panicked()));
                assert_eq!(*mutex.lock().unwrap(), 2000);
            });
        }

        /// Whoever was joined may still be about to drop its reference.
        fn wait_for_last<T>(mut shared: Arc<T>) -> T {
            loop {
                match Arc::try_unwrap(shared) {
                    Ok(value) => return value,
                    Err(back) => shared = back,
                }
                give_way();
            }
        }
    };
}

mod std_on_threads {
    use std::sync;

    fn run(body: impl FnOnce() + Send) {
        body();
    }

    fn spawn(f: impl FnOnce() + Send + 'static) -> impl FnOnce() -> bool {
        let thread = std::thread::spawn(f);
        || thread.join().is_err()
    }

    fn give_way() {
        std::thread::yield_now();
    }

    behaviour!();
}

mod on_threads {
    use fiber::sync;

    fn run(body: impl FnOnce() + Send) {
        body();
    }

    fn spawn(f: impl FnOnce() + Send + 'static) -> impl FnOnce() -> bool {
        let thread = std::thread::spawn(f);
        || thread.join().is_err()
    }

    fn give_way() {
        std::thread::yield_now();
    }

    behaviour!();
}

mod on_fibers_of_one_worker {
    use fiber::sync;

    fn run(body: impl FnOnce() + Send) {
        super::runtime(1).run(body);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) -> impl FnOnce() -> bool {
        let fiber = fiber::spawn(f);
        || fiber.join().is_err()
    }

    fn give_way() {
        fiber::yield_now();
    }

    behaviour!();
}

mod on_fibers_of_two_workers {
    use fiber::sync;

    fn run(body: impl FnOnce() + Send) {
        super::runtime(2).run(body);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) -> impl FnOnce() -> bool {
        let fiber = fiber::spawn(f);
        || fiber.join().is_err()
    }

    fn give_way() {
        fiber::yield_now();
    }

    behaviour!();
}

/// Fibers hold the guard across waits, threads across nothing; neither sees the other inside.
#[test]
fn fibers_and_threads_exclude_each_other() {
    /// A counter that a second one inside would miscount.
    struct Racy(UnsafeCell<u64>);
    // SAFETY: used under the lock that is tested; if that fails so does the test.
    unsafe impl Sync for Racy {}
    // SAFETY: as above.
    unsafe impl Send for Racy {}
    let runtime = runtime(2);
    let (mutex, racy, inside) =
        (Arc::new(Mutex::new(())), Arc::new(Racy(UnsafeCell::new(0))), Arc::new(AtomicUsize::new(0)));
    let work = |rounds: u64, on_fiber: bool| {
        let (mutex, racy, inside) = (mutex.clone(), racy.clone(), inside.clone());
        move || {
            let racy = &*racy;
            for round in 0..rounds {
                let guard = mutex.lock().unwrap();
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "somebody else is inside");
                // SAFETY: under the lock.
                let seen = unsafe { *racy.0.get() };
                match round % 16 {
                    0 if on_fiber => fiber::yield_now(),
                    1 if on_fiber && round % 128 == 1 => sleep(Duration::from_micros(20)),
                    2 => std::thread::yield_now(),
                    _ => (),
                }
                // SAFETY: under the lock.
                unsafe { *racy.0.get() = seen + 1 };
                inside.fetch_sub(1, SeqCst);
                drop(guard);
                if round % 8 == 7 {
                    fiber::yield_now();
                }
            }
        }
    };
    let fibers: Vec<_> = (0..20).map(|_| runtime.spawn(work(300, true))).collect();
    let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(work(2000, false))).collect();
    fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // SAFETY: everybody has ended.
    assert_eq!(unsafe { *racy.0.get() }, 20 * 300 + 3 * 2000);
}

/// A fiber that locks again at once, and is suspended only while it holds the lock, lets a waiter in after two holds at most.
#[test]
fn a_waiter_is_not_starved_by_one_that_locks_again_at_once() {
    runtime(1).run(|| {
        let mutex = Arc::new(Mutex::new(0u64));
        let stop = Arc::new(AtomicBool::new(false));
        let greedy = fiber::spawn({
            let (mutex, stop) = (mutex.clone(), stop.clone());
            move || {
                while !stop.load(SeqCst) {
                    let mut guard = mutex.lock().unwrap();
                    *guard += 1;
                    fiber::yield_now();
                }
            }
        });
        eventually("the other one has the lock", || mutex.try_lock().is_err());
        let mut last = *mutex.lock().unwrap();
        let begin = last;
        for _ in 0..200 {
            let holds = *mutex.lock().unwrap();
            assert!(holds - last <= 3, "{} holds of the other while this one waited", holds - last);
            last = holds;
            fiber::yield_now();
        }
        stop.store(true, SeqCst);
        greedy.join().unwrap();
        assert!(last - begin > 100, "the other one had its turns");
    });
}

/// Without contention locking is free of switches, but not for ever.
#[test]
fn a_tight_loop_over_a_lock_lets_a_waiter_in() {
    runtime(1).run(|| {
        let mutex = Arc::new(Mutex::new(0u64));
        let guard = mutex.lock().unwrap();
        let waiter = fiber::spawn({
            let mutex = mutex.clone();
            move || *mutex.lock().unwrap()
        });
        until_waiting(&here(), &waiter.fiber(), Reason::Lock);
        drop(guard);
        for _ in 0..100_000 {
            *mutex.lock().unwrap() += 1;
        }
        assert!(waiter.join().unwrap() < 1000, "acquisitions before the waiter's");
    });
}

#[test]
fn waiters_are_served_in_the_order_they_came() {
    runtime(1).run(|| {
        let mutex = Arc::new(Mutex::new(Vec::new()));
        let guard = mutex.lock().unwrap();
        let waiters: Vec<_> = (0..10)
            .map(|n| {
                let mutex = mutex.clone();
                let waiter = fiber::spawn(move || mutex.lock().unwrap().push(n));
                until_waiting(&here(), &waiter.fiber(), Reason::Lock);
                waiter
            })
            .collect();
        drop(guard);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*mutex.lock().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_guard_lives_across_every_kind_of_wait() {
    runtime(2).run(|| {
        let mutex = Arc::new(Mutex::new(0));
        let mut guard = mutex.lock().unwrap();
        sleep(Duration::from_micros(100));
        *guard += fiber::spawn(|| 1).join().unwrap();
        fiber::current().unpark();
        fiber::park();
        fiber::yield_now();
        let waiter = fiber::spawn({
            let mutex = mutex.clone();
            move || *mutex.lock().unwrap()
        });
        until_waiting(&here(), &waiter.fiber(), Reason::Lock);
        *guard += 1;
        drop(guard);
        assert_eq!(waiter.join().unwrap(), 2);
    });
}

/// A sibling's unwinding, in the middle of which this thread is, poisons nothing of ours.
#[test]
fn a_sibling_that_waits_in_its_unwinding_does_not_poison_our_lock() {
    runtime(1).run(|| {
        let (ours, theirs) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let unwinding = fiber::spawn({
            let theirs = theirs.clone();
            move || {
                let _held = theirs.lock().unwrap();
                let _slow = OnDrop(fiber::park);
                panic!("and a destructor waits");
            }
        });
        until_waiting(&here(), &unwinding.fiber(), Reason::Park);
        assert!(std::thread::panicking(), "the sibling's");
        for _ in 0..10 {
            let _guard = ours.lock().unwrap();
            fiber::yield_now();
        }
        assert!(!ours.is_poisoned());
        unwinding.fiber().unpark();
        assert!(unwinding.join().unwrap_err().is_panic());
        assert!(!std::thread::panicking());
        assert!(theirs.is_poisoned(), "it was held by the fiber that panicked");
        drop(ours.lock().unwrap());
    });
}

#[test]
fn a_lock_outlives_its_runtime() {
    let mutex = Arc::new(Mutex::new(0));
    for _ in 0..10 {
        let runtime = runtime(2);
        let fibers: Vec<_> = (0..10)
            .map(|_| {
                let mutex = mutex.clone();
                runtime.spawn(move || {
                    let mut guard = mutex.lock().unwrap();
                    *guard += 1;
                    // Some are shut down while they hold it, the others while they wait for it.
                    fiber::park();
                })
            })
            .collect();
        eventually("one of them has it", || mutex.try_lock().is_err());
        runtime.shut_down();
        assert!(fibers.into_iter().all(|fiber| fiber.join().unwrap_err().is_cancelled()));
        assert!(!mutex.is_poisoned());
        drop(mutex.try_lock().unwrap());
    }
    assert!(*mutex.lock().unwrap() >= 10);
}

#[test]
fn an_unlock_wakes_across_runtimes() {
    let (one, two) = (runtime(1), runtime(1));
    let mutex = Arc::new(Mutex::new(0u32));
    let add = |mutex: Arc<Mutex<u32>>| {
        move || {
            for _ in 0..200 {
                let mut guard = mutex.lock().unwrap();
                *guard += 1;
                fiber::yield_now();
            }
        }
    };
    let fibers: Vec<_> = (0..3).flat_map(|_| [one.spawn(add(mutex.clone())), two.spawn(add(mutex.clone()))]).collect();
    fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    assert_eq!(*mutex.lock().unwrap(), 1200);
}
