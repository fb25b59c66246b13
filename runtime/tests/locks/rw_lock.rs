//! The reader-writer lock.

use crate::common::{eventually, here, runtime, state, until_waiting};
use fiber::runtime::{Reason, State};
use fiber::sync::RwLock;
use fiber::time::{sleep, timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

macro_rules! behaviour {
    () => {
        use std::sync::TryLockError;
        use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering::SeqCst};
        use sync::{RwLock, RwLockWriteGuard};

        #[test]
        fn it_is_locked_and_unlocked() {
            run(|| {
                let lock = RwLock::new(());
                drop(lock.read().unwrap());
                drop(lock.write().unwrap());
                drop((lock.read().unwrap(), lock.read().unwrap()));
                drop(lock.write().unwrap());
            });
        }

        #[test]
        fn try_takes_what_is_free() {
            run(|| {
                let lock = RwLock::new(1);
                let reader = lock.try_read().unwrap();
                assert_eq!(*lock.try_read().unwrap(), 1);
                assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
                drop(reader);
                let mut writer = lock.try_write().unwrap();
                *writer += 1;
                assert!(matches!(lock.try_read(), Err(TryLockError::WouldBlock)));
                assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
                drop(writer);
                assert_eq!(*lock.try_read().unwrap(), 2);
            });
        }

        #[test]
        fn a_writer_is_alone_and_readers_are_not() {
            run(|| {
                let shared = Arc::new((RwLock::new(0), AtomicUsize::new(0), AtomicUsize::new(0)));
                let ends: Vec<_> = (0..12)
                    .map(|n| {
                        let shared = Arc::clone(&shared);
                        spawn(move || {
                            let (lock, readers, writers) = &*shared;
                            for round in 0..200 {
                                if (n + round) % 4 == 0 {
                                    let mut value = lock.write().unwrap();
                                    assert_eq!((writers.fetch_add(1, SeqCst), readers.load(SeqCst)), (0, 0));
                                    let seen = *value;
                                    give_way();
                                    *value = seen + 1;
                                    writers.fetch_sub(1, SeqCst);
                                } else {
                                    let value = lock.read().unwrap();
                                    readers.fetch_add(1, SeqCst);
                                    assert_eq!(writers.load(SeqCst), 0);
                                    let seen = *value;
                                    give_way();
                                    assert_eq!(*value, seen);
                                    readers.fetch_sub(1, SeqCst);
                                }
                            }
                        })
                    })
                    .collect();
                assert!(!ends.into_iter().map(|panicked| panicked()).fold(false, |any, one| any | one));
                assert_eq!(*shared.0.read().unwrap(), 12 * 50);
            });
        }

        #[test]
        fn a_panic_of_a_writer_poisons() {
            run(|| {
                let lock = Arc::new(RwLock::new(1));
                let panicked = spawn({
                    let lock = Arc::clone(&lock);
                    move || {
                        let mut guard = lock.write().unwrap();
                        *guard = 2;
                        panic!("with the guard");
                    }
                });
                assert!(panicked());
                assert!(lock.is_poisoned());
                assert_eq!(**lock.read().unwrap_err().get_ref(), 2);
                assert_eq!(*lock.write().unwrap_err().into_inner(), 2);
                assert!(matches!(lock.try_read(), Err(TryLockError::Poisoned(_))));
                assert!(matches!(lock.try_write(), Err(TryLockError::Poisoned(_))));
                lock.clear_poison();
                assert!(!lock.is_poisoned());
                assert_eq!(*lock.read().unwrap(), 2);
            });
        }

        #[test]
        fn a_panic_of_a_reader_does_not_poison() {
            run(|| {
                let lock = Arc::new(RwLock::new(1));
                let panicked = spawn({
                    let lock = Arc::clone(&lock);
                    move || {
                        let _guard = lock.read().unwrap();
                        panic!("with the guard");
                    }
                });
                assert!(panicked());
                assert!(!lock.is_poisoned());
                *lock.write().unwrap() += 1;
            });
        }

        #[test]
        fn a_guard_taken_while_unwinding_does_not_poison() {
            run(|| {
                let lock = Arc::new(RwLock::new(1));
                let panicked = spawn({
                    let lock = Arc::clone(&lock);
                    move || {
                        let _cleanup = crate::common::OnDrop(|| *lock.write().unwrap() += 1);
                        panic!("and the destructor locks");
                    }
                });
                assert!(panicked());
                assert_eq!(*lock.read().unwrap(), 2);
            });
        }

        #[test]
        fn the_value_comes_out_also_of_a_poisoned_lock() {
            run(|| {
                let mut lock = RwLock::new(String::from("a"));
                lock.get_mut().unwrap().push('b');
                assert_eq!(lock.into_inner().unwrap(), "ab");
                let mut lock = RwLock::new(String::from("c"));
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _guard = lock.write();
                    panic!("caught");
                }));
                assert!(caught.is_err());
                assert_eq!(*lock.get_mut().unwrap_err().into_inner(), "c");
                assert_eq!(lock.into_inner().unwrap_err().into_inner(), "c");
            });
        }

        #[test]
        fn downgrading_lets_readers_in_and_no_writer() {
            run(|| {
                let lock = Arc::new(RwLock::new(0));
                let mut writer = lock.write().unwrap();
                *writer = 1;
                let others: Vec<_> = (0..3)
                    .map(|n| {
                        let lock = Arc::clone(&lock);
                        spawn(move || match n {
                            0 => *lock.write().unwrap() += 1,
                            _ => drop(lock.read().unwrap()),
                        })
                    })
                    .collect();
                (0..5).for_each(|_| give_way());
                let reader = RwLockWriteGuard::downgrade(writer);
                assert!(lock.try_write().is_err());
                (0..5).for_each(|_| give_way());
                assert_eq!(*reader, 1);
                drop(reader);
                assert!(others.into_iter().all(|panicked| !panicked()));
                assert_eq!(*lock.read().unwrap(), 2);
            });
        }

        #[test]
        fn it_holds_what_has_no_size() {
            run(|| {
                let lock: Box<RwLock<[i32]>> = Box::new(RwLock::new([1, 2, 3]));
                lock.write().unwrap()[1] = 5;
                assert_eq!(*lock.read().unwrap(), [1, 5, 3]);
            });
        }

        #[test]
        fn it_prints_as_it_is() {
            run(|| {
                let lock = RwLock::new(7);
                assert_eq!(format!("{lock:?}"), "RwLock { data: 7, poisoned: false, .. }");
                let reader = lock.read().unwrap();
                assert_eq!(format!("{reader:?} {reader}"), "7 7");
                drop(reader);
                let writer = lock.write().unwrap();
                assert_eq!(format!("{writer:?} {writer}"), "7 7");
                assert!(format!("{lock:?}").contains("<locked>"));
            });
        }

        #[test]
        fn from_and_default() {
            static LOCK: RwLock<u8> = RwLock::new(1);
            run(|| {
                assert_eq!(*RwLock::from(3).read().unwrap(), 3);
                assert_eq!(*RwLock::<u8>::default().read().unwrap(), 0);
                assert_eq!(*LOCK.read().unwrap(), 1);
            });
        }

        #[test]
        fn a_reference_passes_through_an_unwinding() {
            run(|| {
                let lock = RwLock::new(1);
                assert!(std::panic::catch_unwind(|| drop(lock.read())).is_ok());
            });
        }
    };
}

everywhere!(behaviour);

type Shared = Arc<RwLock<u32>>;

/// A fiber that reads, and holds the guard until it is unparked.
fn parked_reader(lock: &Shared) -> fiber::JoinHandle<u32> {
    let lock = lock.clone();
    fiber::spawn(move || {
        let guard = lock.read().unwrap();
        fiber::park();
        *guard
    })
}

fn writer(lock: &Shared) -> fiber::JoinHandle<()> {
    let lock = lock.clone();
    fiber::spawn(move || *lock.write().unwrap() += 1)
}

#[test]
fn readers_behind_a_waiting_writer_wait_too_and_get_in_together() {
    runtime(1).run(|| {
        let lock = Shared::default();
        let first = parked_reader(&lock);
        until_waiting(&here(), &first.fiber(), Reason::Park);
        let second = parked_reader(&lock);
        until_waiting(&here(), &second.fiber(), Reason::Park);
        let writer = writer(&lock);
        until_waiting(&here(), &writer.fiber(), Reason::WriteLock);
        assert!(lock.try_read().is_err(), "a writer is first in line");
        let behind = [parked_reader(&lock), parked_reader(&lock)];
        behind.iter().for_each(|reader| until_waiting(&here(), &reader.fiber(), Reason::ReadLock));
        first.fiber().unpark();
        assert_eq!(first.join().unwrap(), 0);
        assert!(lock.try_read().is_err(), "and still is");
        second.fiber().unpark();
        assert_eq!(second.join().unwrap(), 0);
        writer.join().unwrap();
        // Both are in at once, and park there.
        behind.iter().for_each(|reader| until_waiting(&here(), &reader.fiber(), Reason::Park));
        for reader in behind {
            reader.fiber().unpark();
            assert_eq!(reader.join().unwrap(), 1);
        }
        assert_eq!(*lock.try_write().unwrap(), 1);
    });
}

/// Readers that take turns so that always one is in would keep a writer out for ever, if they were let in past it.
#[test]
fn readers_do_not_starve_a_writer() {
    runtime(1).run(|| {
        let (lock, stop) = (Shared::default(), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (lock, stop) = (lock.clone(), stop.clone());
                fiber::spawn(move || {
                    while !stop.load(SeqCst) {
                        let _guard = lock.read().unwrap();
                        fiber::yield_now();
                    }
                })
            })
            .collect();
        eventually("somebody reads", || lock.try_write().is_err());
        for _ in 0..100 {
            *lock.write().unwrap() += 1;
            fiber::yield_now();
        }
        stop.store(true, SeqCst);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert_eq!(*lock.read().unwrap(), 100);
    });
}

/// A writer that locks again at once, and is suspended only while it holds the lock, lets a waiter in after two holds.
#[test]
fn a_greedy_writer_starves_neither_a_reader_nor_a_writer() {
    runtime(1).run(|| {
        let (lock, stop) = (Shared::default(), Arc::new(AtomicBool::new(false)));
        let greedy = fiber::spawn({
            let (lock, stop) = (lock.clone(), stop.clone());
            move || {
                while !stop.load(SeqCst) {
                    let mut guard = lock.write().unwrap();
                    *guard += 1;
                    fiber::yield_now();
                }
            }
        });
        eventually("the other one has the lock", || lock.try_read().is_err());
        let mut last = *lock.read().unwrap();
        let begin = last;
        for round in 0..200 {
            let holds = if round % 2 == 0 { *lock.read().unwrap() } else { *lock.write().unwrap() };
            assert!(holds - last <= 3, "{} holds of the other while this one waited", holds - last);
            last = holds;
            fiber::yield_now();
        }
        stop.store(true, SeqCst);
        greedy.join().unwrap();
        assert!(last - begin > 100, "the other one had its turns");
    });
}

/// The reader waits only for the writer; when that one is gone, nobody unlocks anything.
#[test]
fn a_writer_that_gives_up_lets_the_readers_behind_it_pass() {
    runtime(1).run(|| {
        // Whether the reader waited behind the writer. If the machine pauses, the writer's time may pass before.
        let gives_up = |limit: Option<Duration>| {
            let lock = Shared::default();
            let guard = lock.read().unwrap();
            let writer = fiber::spawn({
                let lock = lock.clone();
                move || match limit {
                    None => drop(lock.write()),
                    Some(limit) => drop(timeout(limit, || drop(lock.write()))),
                }
            });
            let waits = |fiber: &fiber::Fiber, reason| state(&here(), fiber) == Some(State::Waiting(reason));
            eventually("the writer waits, or has given up", || {
                writer.is_finished() || waits(&writer.fiber(), Reason::WriteLock)
            });
            let reader = fiber::spawn({
                let lock = lock.clone();
                move || *lock.read().unwrap()
            });
            let mut waited = false;
            eventually("the reader waits, or has read", || {
                waited = waits(&reader.fiber(), Reason::ReadLock);
                waited || reader.is_finished()
            });
            if limit.is_none() {
                writer.cancel();
                assert!(writer.join().unwrap_err().is_cancelled());
            } else {
                writer.join().unwrap();
            }
            assert_eq!(reader.join().unwrap(), 0);
            drop(guard);
            assert!(!lock.is_poisoned());
            drop(lock.try_write().unwrap());
            waited
        };
        assert!(gives_up(None));
        assert!([20, 200, 2000, 20_000].map(Duration::from_millis).into_iter().any(|limit| gives_up(Some(limit))));
    });
}

#[test]
fn a_reader_that_gives_up_leaves_nothing_behind() {
    runtime(1).run(|| {
        let lock = Shared::default();
        let guard = lock.write().unwrap();
        let reader = parked_reader(&lock);
        until_waiting(&here(), &reader.fiber(), Reason::ReadLock);
        reader.cancel();
        assert!(reader.join().unwrap_err().is_cancelled());
        drop(guard);
        drop(lock.try_write().unwrap());
        drop(lock.try_read().unwrap());
    });
}

#[test]
fn a_cancellation_does_not_poison() {
    runtime(1).run(|| {
        let lock = Shared::default();
        let holder = fiber::spawn({
            let lock = lock.clone();
            move || {
                let _guard = lock.write().unwrap();
                fiber::park();
            }
        });
        until_waiting(&here(), &holder.fiber(), Reason::Park);
        holder.cancel();
        assert!(holder.join().unwrap_err().is_cancelled());
        assert!(!lock.is_poisoned());
        drop(lock.write().unwrap());
    });
}

#[test]
fn guards_live_across_waits_and_runtimes() {
    let (one, two) = (runtime(1), runtime(1));
    let lock = Shared::default();
    let work = |lock: Shared, n: u32| {
        move || {
            for round in 0..150 {
                if (round + n).is_multiple_of(3) {
                    let mut guard = lock.write().unwrap();
                    let seen = *guard;
                    sleep(Duration::from_micros(1));
                    *guard = seen + 1;
                } else {
                    let guard = lock.read().unwrap();
                    let seen = *guard;
                    fiber::yield_now();
                    assert_eq!(*guard, seen);
                }
            }
        }
    };
    let fibers: Vec<_> =
        (0..3).flat_map(|n| [one.spawn(work(lock.clone(), n)), two.spawn(work(lock.clone(), n))]).collect();
    fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    assert_eq!(*lock.read().unwrap(), 6 * 50);
}
