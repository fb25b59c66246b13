#![cfg(not(loom))]
//! Watched values: the latest is seen, changes are noticed, nobody sees half of one.

mod common;
#[macro_use]
#[path = "common/everywhere.rs"]
mod everywhere;

use common::{Count, LONG, here, runtime, until_waiting};
use everywhere::Place;
use fiber::runtime::Reason;
use fiber::sync::watch::{RecvError, RecvTimeoutError, SendError, channel};
use fiber::time::timeout;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

everywhere! {
    the_latest_value_is_seen
    a_change_wakes_all
    the_last_value_is_seen_after_the_close
    a_value_without_receivers_stays
    deadlines_are_not_early
    changes_by_closures_are_not_lost
    waiting_for_a_certain_value
    a_sender_is_told_when_nobody_watches
    versions_only_grow
    each_value_is_dropped_once
    marks_are_the_receivers_own
}

fn the_latest_value_is_seen<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel(0);
        assert_eq!((*receiver.borrow(), receiver.has_changed()), (0, Ok(false)));
        (1..=5).for_each(|n| sender.send(n).unwrap());
        assert_eq!(receiver.has_changed(), Ok(true));
        assert_eq!(*receiver.borrow(), 5);
        assert_eq!(receiver.has_changed(), Ok(true), "to look is not to have seen");
        receiver.changed().unwrap();
        assert_eq!((*receiver.borrow_and_update(), receiver.has_changed()), (5, Ok(false)));
        assert_eq!(*sender.send_replace(6), 5);
        assert_eq!(*sender.borrow(), 6);
        let snapshot = receiver.borrow();
        sender.send(7).unwrap();
        assert_eq!((*snapshot, *receiver.borrow()), (6, 7), "a snapshot stays and holds nobody up");
    });
}

fn a_change_wakes_all<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel("before");
        let joins: Vec<_> = (0..5)
            .map(|_| {
                let mut receiver = receiver.clone();
                P::spawn(move || {
                    receiver.changed().unwrap();
                    *receiver.borrow_and_update()
                })
            })
            .collect();
        assert_eq!(sender.receiver_count(), 6);
        P::pause();
        sender.send("after").unwrap();
        joins.into_iter().for_each(|join| assert_eq!(join(), "after"));
    });
}

fn the_last_value_is_seen_after_the_close<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel(0);
        let mut waits = receiver.clone();
        let join = P::spawn(move || waits.iter().map(|n| *n).last());
        let second = sender.clone();
        assert!(sender.same_channel(&second));
        sender.send(1).unwrap();
        drop(sender);
        second.send(2).unwrap();
        drop(second);
        assert_eq!(join(), Some(2));
        assert_eq!(receiver.has_changed(), Ok(true));
        assert_eq!(receiver.changed(), Ok(()));
        assert_eq!(receiver.has_changed(), Err(RecvError));
        assert_eq!(receiver.changed(), Err(RecvError));
        assert_eq!(receiver.changed_timeout(LONG), Err(RecvTimeoutError::Disconnected));
        assert_eq!(*receiver.borrow(), 2);
        assert_eq!(receiver.wait_for(|&n| n == 2).map(|n| *n), Ok(2), "a value that was seen may be the one");
        assert_eq!(receiver.wait_for(|&n| n == 3), Err(RecvError));
    });
}

fn a_value_without_receivers_stays<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel(1);
        assert!(!sender.is_closed());
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(2), Err(SendError(2)));
        assert_eq!(*sender.send_replace(3), 1);
        let mut receiver = sender.subscribe();
        assert_eq!((receiver.has_changed(), *receiver.borrow()), (Ok(false), 3));
        sender.send(4).unwrap();
        assert_eq!(*receiver.borrow_and_update(), 4);
    });
}

fn deadlines_are_not_early<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel(1);
        for micros in [0, 1, 500, 3000] {
            let deadline = Instant::now() + Duration::from_micros(micros);
            assert_eq!(receiver.changed_deadline(deadline), Err(RecvTimeoutError::Timeout));
            assert!(Instant::now() >= deadline);
        }
        sender.send(2).unwrap();
        assert_eq!(receiver.changed_deadline(Instant::now()), Ok(()), "what has changed is seen at any time");
        let join = P::spawn(move || {
            P::pause();
            sender.send(3).unwrap();
            sender
        });
        assert_eq!(receiver.changed_timeout(Duration::MAX), Ok(()));
        join();
    });
}

fn changes_by_closures_are_not_lost<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel(0);
        let joins: Vec<_> = (0..4)
            .map(|_| {
                let sender = sender.clone();
                P::spawn(move || {
                    for n in 0..100 {
                        sender.send_modify(|value| {
                            *value += 1;
                            if n % 10 == 0 {
                                fiber::yield_now();
                            }
                        });
                        assert!(!sender.send_if_modified(|value| {
                            *value = -1;
                            false
                        }));
                    }
                })
            })
            .collect();
        joins.into_iter().for_each(|join| join());
        assert_eq!(*receiver.borrow(), 400);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            sender.send_modify(|value| {
                *value = -1;
                panic!("on purpose");
            });
        }));
        assert!(panicked.is_err());
        assert_eq!(*receiver.borrow(), 400, "a closure that panics has changed nothing");
        sender.send(1).unwrap();
    });
}

fn waiting_for_a_certain_value<P: Place>() {
    P::run(|| {
        let (sender, mut receiver) = channel(0);
        let join = P::spawn(move || *receiver.wait_for(|&n| n >= 30).unwrap());
        let mut n = 0;
        while sender.send(n).is_ok() {
            n += 10;
            P::pause();
        }
        assert!(join() >= 30);
    });
}

fn a_sender_is_told_when_nobody_watches<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel(());
        let second = receiver.clone();
        let join = P::spawn(move || {
            sender.closed();
            sender.is_closed()
        });
        drop(receiver);
        P::pause();
        drop(second);
        assert!(join());
    });
}

fn versions_only_grow<P: Place>() {
    P::run(|| {
        let (sender, receiver) = channel((0_u64, 0_u64));
        let joins: Vec<_> = (0..3)
            .map(|_| {
                let mut receiver = receiver.clone();
                P::spawn(move || {
                    let mut last = 0;
                    for value in receiver.iter() {
                        assert!(value.0 > last);
                        assert_eq!(value.1, value.0 * 2, "nobody sees half a change");
                        last = value.0;
                    }
                    last
                })
            })
            .collect();
        (1..=500).for_each(|n| sender.send((n, n * 2)).unwrap());
        drop(sender);
        joins.into_iter().for_each(|join| assert_eq!(join(), 500, "the last value is always seen"));
    });
}

fn each_value_is_dropped_once<P: Place>() {
    P::run(|| {
        let dropped = Count::new();
        let (sender, receiver) = channel(dropped.on_drop());
        sender.send(dropped.on_drop()).unwrap();
        assert_eq!(dropped.get(), 1);
        let snapshot = receiver.borrow();
        sender.send(dropped.on_drop()).unwrap();
        assert_eq!(dropped.get(), 1);
        drop(snapshot);
        assert_eq!(dropped.get(), 2);
        drop(receiver);
        drop(sender.send(dropped.on_drop()));
        assert_eq!(dropped.get(), 3);
        drop(sender);
        assert_eq!(dropped.get(), 4);
    });
}

fn marks_are_the_receivers_own<P: Place>() {
    P::run(|| {
        let (sender, mut first) = channel(0);
        first.mark_changed();
        let mut second = first.clone();
        assert!(first.same_channel(&second));
        assert_eq!((first.has_changed(), second.has_changed()), (Ok(true), Ok(true)));
        first.changed().unwrap();
        assert_eq!((first.has_changed(), second.has_changed()), (Ok(false), Ok(true)));
        second.mark_unchanged();
        assert_eq!(second.has_changed(), Ok(false));
        sender.send(1).unwrap();
        assert_eq!(second.has_changed(), Ok(true));
    });
}

#[test]
fn a_closure_that_is_cancelled_has_changed_nothing() {
    runtime(1).run(|| {
        let (sender, receiver) = channel(1);
        let sender = Arc::new(sender);
        let fiber = fiber::spawn({
            let sender = sender.clone();
            move || {
                sender.send_modify(|value| {
                    *value = 2;
                    fiber::park();
                });
            }
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Park);
        let other = fiber::spawn({
            let sender = sender.clone();
            move || sender.send(3).unwrap()
        });
        until_waiting(&here(), &other.fiber(), Reason::Lock);
        assert_eq!(*receiver.borrow(), 1, "receivers are not held up");
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        other.join().unwrap();
        assert_eq!(*receiver.borrow(), 3);
    });
}

#[test]
fn a_cancelled_receiver_can_be_used_again() {
    runtime(1).run(|| {
        let (sender, mut receiver) = channel(0);
        for n in 1..=100 {
            assert!(timeout(Duration::from_micros(20), || receiver.changed()).is_err());
            sender.send(n).unwrap();
            assert_eq!(receiver.changed(), Ok(()));
        }
        let fiber = fiber::spawn(move || receiver.changed());
        until_waiting(&here(), &fiber.fiber(), Reason::Watch);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert!(sender.is_closed());
    });
}

#[test]
fn a_destructor_of_a_value_may_use_the_channel() {
    #[derive(Clone)]
    struct Reports(Option<fiber::sync::watch::Sender<Reports>>);
    impl Drop for Reports {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                assert_eq!(sender.receiver_count(), 1);
                let _ = sender.send(Reports(None));
            }
        }
    }
    let (sender, receiver) = channel(Reports(None));
    sender.send(Reports(Some(sender.clone()))).unwrap();
    sender.send_if_modified(|value| {
        value.0 = Some(sender.clone());
        false
    });
    sender.send_modify(|_| ());
    assert!(receiver.borrow().0.is_none());
}
