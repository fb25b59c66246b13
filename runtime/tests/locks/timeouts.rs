//! Waits with a time limit of their own, on fibers and on threads.

use crate::common::{LONG, OnDrop, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::{Barrier, Mutex, Notify, RwLock, Semaphore, TryLockError};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Every wait that has a limit, where it waits in vain, gives up when the time has passed, and not before.
fn give_up_in_time() {
    let mutex = Mutex::new(());
    let lock = RwLock::new(());
    let semaphore = Semaphore::new(0);
    let _held = (mutex.lock().unwrap(), lock.write().unwrap());
    for limit in [0, 1, 1500].map(Duration::from_micros) {
        let begin = Instant::now();
        assert!(matches!(mutex.lock_timeout(limit), Err(TryLockError::WouldBlock)));
        assert!(begin.elapsed() >= limit);
        let begin = Instant::now();
        assert!(matches!(lock.read_timeout(limit), Err(TryLockError::WouldBlock)));
        assert!(begin.elapsed() >= limit);
        let begin = Instant::now();
        assert!(matches!(lock.write_timeout(limit), Err(TryLockError::WouldBlock)));
        assert!(begin.elapsed() >= limit);
        let begin = Instant::now();
        assert!(semaphore.acquire_timeout(limit).is_none());
        assert!(begin.elapsed() >= limit);
        let begin = Instant::now();
        assert!(!Notify::new().notified_timeout(limit));
        assert!(begin.elapsed() >= limit);
        let begin = Instant::now();
        assert!(Barrier::new(2).wait_timeout(limit).is_none());
        assert!(begin.elapsed() >= limit);
    }
}

#[test]
fn a_wait_in_vain_gives_up_in_time() {
    give_up_in_time();
    runtime(1).run(give_up_in_time);
    runtime(2).run(give_up_in_time);
}

#[test]
fn what_is_free_needs_no_time() {
    let all = || {
        for limit in [Duration::ZERO, LONG, Duration::MAX] {
            drop(Mutex::new(()).lock_timeout(limit).unwrap());
            drop(RwLock::new(()).read_timeout(limit).unwrap());
            drop(RwLock::new(()).write_timeout(limit).unwrap());
            assert!(Semaphore::new(1).acquire_timeout(limit).is_some());
            assert!(Barrier::new(1).wait_timeout(limit).is_some());
        }
    };
    all();
    runtime(1).run(all);
}

#[test]
fn what_becomes_free_in_time_is_taken() {
    runtime(1).run(|| {
        let all = Arc::new((Mutex::new(0), RwLock::new(0), Semaphore::new(1)));
        let held = (all.0.lock().unwrap(), all.1.write().unwrap(), all.2.acquire());
        let waiters = [
            (
                Reason::Lock,
                fiber::spawn({
                    let all = all.clone();
                    move || *all.0.lock_timeout(LONG).unwrap() += 1
                }),
            ),
            (
                Reason::ReadLock,
                fiber::spawn({
                    let all = all.clone();
                    move || drop(all.1.read_timeout(LONG).unwrap())
                }),
            ),
            (
                Reason::WriteLock,
                fiber::spawn({
                    let all = all.clone();
                    move || *all.1.write_timeout(Duration::MAX).unwrap() += 1
                }),
            ),
            (
                Reason::Acquire,
                fiber::spawn({
                    let all = all.clone();
                    move || drop(all.2.acquire_timeout(LONG).unwrap())
                }),
            ),
        ];
        waiters.iter().for_each(|(reason, waiter)| until_waiting(&here(), &waiter.fiber(), *reason));
        drop(held);
        waiters.into_iter().for_each(|(_, waiter)| waiter.join().unwrap());
        assert_eq!((*all.0.lock().unwrap(), *all.1.read().unwrap(), all.2.available_permits()), (1, 1, 1));
    });
}

#[test]
fn a_poisoned_mutex_is_locked_and_reported() {
    let mutex = Mutex::new(1);
    let caught = std::panic::catch_unwind(|| {
        let _guard = mutex.lock();
        panic!("with the guard");
    });
    assert!(caught.is_err());
    match mutex.lock_timeout(LONG) {
        Err(TryLockError::Poisoned(error)) => assert_eq!(*error.into_inner(), 1),
        _ => panic!("it is free, and poisoned"),
    }
    let _unlocked = OnDrop(|| drop(mutex.try_lock().unwrap_err()));
}
