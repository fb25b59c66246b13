//! Notifications.

use crate::common::{Count, LONG, here, runtime, until_waiting};
use fiber::JoinHandle;
use fiber::runtime::Reason;
use fiber::sync::Notify;
use fiber::time::timeout;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

fn waiting(notify: &Arc<Notify>, done: &Count) -> JoinHandle<()> {
    let (notify, done) = (notify.clone(), done.clone());
    let fiber = fiber::spawn(move || {
        notify.notified();
        done.add();
    });
    until_waiting(&here(), &fiber.fiber(), Reason::Notify);
    fiber
}

#[test]
fn a_notification_lies_there_for_the_next_and_two_are_one() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    notify.notified();
    assert!(!notify.notified_timeout(Duration::from_millis(1)));
    notify.notify_waiters();
    assert!(!notify.notified_timeout(Duration::ZERO), "for those that wait only");
    notify.notify_one();
    assert!(notify.notified_timeout(LONG));
    assert_eq!(format!("{notify:?}"), "Notify { .. }");
}

#[test]
fn each_notification_is_for_one_in_the_order_they_came() {
    runtime(1).run(|| {
        let (notify, done) = (Arc::new(Notify::new()), Count::new());
        let waiters: Vec<_> = (0..5).map(|_| waiting(&notify, &done)).collect();
        for (n, waiter) in waiters.into_iter().enumerate() {
            assert_eq!(done.get(), n);
            notify.notify_one();
            waiter.join().unwrap();
        }
        assert!(!notify.notified_timeout(Duration::ZERO), "all were used");
    });
}

#[test]
fn all_that_wait_are_notified() {
    runtime(2).run(|| {
        let (notify, done) = (Arc::new(Notify::default()), Count::new());
        // More than are woken at a time.
        let waiters: Vec<_> = (0..50).map(|_| waiting(&notify, &done)).collect();
        notify.notify_waiters();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert!(!notify.notified_timeout(Duration::ZERO));
    });
}

#[test]
fn one_that_gave_up_takes_no_notification() {
    runtime(1).run(|| {
        let (notify, done) = (Arc::new(Notify::new()), Count::new());
        let cancelled = waiting(&notify, &done);
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        assert!(timeout(Duration::from_millis(1), || notify.notified()).is_err());
        assert!(!notify.notified_timeout(Duration::from_millis(1)));
        notify.notify_one();
        assert!(notify.notified_timeout(Duration::ZERO), "nobody waited, so it lay there");
        let waiter = waiting(&notify, &done);
        notify.notify_one();
        waiter.join().unwrap();
        assert_eq!(done.get(), 1);
    });
}

/// Fibers and threads pass one notification around; if it were lost, all would wait.
#[test]
fn a_notification_goes_round_fibers_and_threads() {
    let (one, two) = (runtime(1), runtime(1));
    let shared = Arc::new((Notify::new(), AtomicU64::new(0)));
    let work = |hasty: bool| {
        let shared = shared.clone();
        move || {
            let (notify, count) = &*shared;
            for _ in 0..200 {
                if hasty {
                    while !notify.notified_timeout(Duration::from_micros(30)) {}
                } else {
                    notify.notified();
                }
                // Not atomic: the notification orders it.
                count.store(count.load(Relaxed) + 1, Relaxed);
                notify.notify_one();
            }
        }
    };
    let fibers: Vec<_> = (0..4).flat_map(|n| [one.spawn(work(n == 0)), two.spawn(work(n == 1))]).collect();
    let threads: Vec<_> = (0..2).map(|n| std::thread::spawn(work(n == 0))).collect();
    shared.0.notify_one();
    fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(shared.1.load(Relaxed), 10 * 200);
    assert!(shared.0.notified_timeout(Duration::ZERO));
}
