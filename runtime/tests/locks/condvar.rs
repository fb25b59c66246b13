//! The condition variable.

use crate::common::{eventually, here, runtime, state, until_waiting};
use fiber::JoinHandle;
use fiber::runtime::{Reason, State};
use fiber::sync::{Condvar, Mutex};
use fiber::time::timeout;
use std::sync::Arc;
use std::time::Duration;

macro_rules! behaviour {
    () => {
        use std::sync::Arc;
        use std::time::Duration;
        use sync::{Condvar, Mutex};

        type Shared = Arc<(Mutex<i32>, Condvar)>;

        #[test]
        fn nobody_needs_to_wait() {
            run(|| {
                let condvar = Condvar::new();
                condvar.notify_one();
                condvar.notify_all();
                assert_eq!(format!("{condvar:?}"), "Condvar { .. }");
            });
        }

        #[test]
        fn one_is_notified() {
            run(|| {
                let shared = Shared::default();
                let guard = shared.0.lock().unwrap();
                let panicked = spawn({
                    let shared = Arc::clone(&shared);
                    move || {
                        *shared.0.lock().unwrap() = 1;
                        shared.1.notify_one();
                    }
                });
                // Locked from before the change until the wait: the change comes during the wait.
                let mut guard = guard;
                while *guard == 0 {
                    guard = shared.1.wait(guard).unwrap();
                }
                drop(guard);
                assert!(!panicked());
            });
        }

        #[test]
        fn all_are_notified() {
            run(|| {
                let shared = Shared::default();
                let waiters: Vec<_> = (0..20)
                    .map(|_| {
                        let shared = Arc::clone(&shared);
                        spawn(move || {
                            let mut guard = shared.0.lock().unwrap();
                            *guard += 1;
                            if *guard == 20 {
                                shared.1.notify_all();
                            }
                            let guard = shared.1.wait_while(guard, |waiting| *waiting < 20).unwrap();
                            give_way();
                            drop(guard);
                        })
                    })
                    .collect();
                assert!(!waiters.into_iter().map(|panicked| panicked()).fold(false, |any, one| any | one));
            });
        }

        #[test]
        fn two_take_turns() {
            run(|| {
                let shared = Shared::default();
                let player = |own: i32| {
                    let shared = Arc::clone(&shared);
                    move || {
                        for _ in 0..300 {
                            let mut guard = shared.1.wait_while(shared.0.lock().unwrap(), |n| *n % 2 != own).unwrap();
                            *guard += 1;
                            shared.1.notify_one();
                        }
                    }
                };
                let panicked = spawn(player(1));
                player(0)();
                assert!(!panicked());
                assert_eq!(*shared.0.lock().unwrap(), 600);
            });
        }

        #[test]
        fn a_wait_times_out() {
            run(|| {
                let shared = Shared::default();
                let mut guard = shared.0.lock().unwrap();
                // Until it is no spurious wake-up.
                loop {
                    let (back, result) = shared.1.wait_timeout(guard, Duration::from_millis(1)).unwrap();
                    guard = back;
                    if result.timed_out() {
                        break;
                    }
                }
                assert!(shared.0.try_lock().is_err(), "it is locked again");
            });
        }

        #[test]
        fn a_conditional_wait_says_whether_it_timed_out() {
            run(|| {
                let shared = Shared::default();
                let begin = std::time::Instant::now();
                let guard = shared.0.lock().unwrap();
                let (guard, result) = shared.1.wait_timeout_while(guard, Duration::from_millis(2), |_| true).unwrap();
                assert!(result.timed_out() && begin.elapsed() >= Duration::from_millis(2));
                let long = Duration::from_secs(1000);
                let (guard, result) = shared.1.wait_timeout_while(guard, long, |_| false).unwrap();
                assert!(!result.timed_out());
                let panicked = spawn({
                    let shared = Arc::clone(&shared);
                    move || {
                        *shared.0.lock().unwrap() = 1;
                        shared.1.notify_one();
                    }
                });
                let (guard, result) = shared.1.wait_timeout_while(guard, Duration::MAX, |n| *n == 0).unwrap();
                assert!(!result.timed_out() && *guard == 1);
                drop(guard);
                assert!(!panicked());
            });
        }

        #[test]
        fn a_poisoned_mutex_is_reported_and_locked() {
            run(|| {
                let shared = Shared::default();
                let guard = shared.0.lock().unwrap();
                let panicked = spawn({
                    let shared = Arc::clone(&shared);
                    move || {
                        let mut guard = shared.0.lock().unwrap();
                        *guard = 1;
                        shared.1.notify_one();
                        panic!("with the guard");
                    }
                });
                let error = shared.1.wait_while(guard, |n| *n == 0).unwrap_err();
                assert_eq!(**error.get_ref(), 1);
                let (guard, _) = shared.1.wait_timeout(error.into_inner(), Duration::ZERO).unwrap_err().into_inner();
                assert!(shared.0.try_lock().is_err());
                drop(guard);
                assert!(panicked());
            });
        }
    };
}

everywhere!(behaviour);

type Tokens = Arc<(Mutex<u32>, Condvar)>;

/// A fiber that waits for a token and takes it.
fn taker(tokens: &Tokens) -> JoinHandle<()> {
    let tokens = tokens.clone();
    fiber::spawn(move || {
        let mut count = tokens.1.wait_while(tokens.0.lock().unwrap(), |count| *count == 0).unwrap();
        *count -= 1;
    })
}

fn waiting_taker(tokens: &Tokens) -> JoinHandle<()> {
    let taker = taker(tokens);
    until_waiting(&here(), &taker.fiber(), Reason::Condition);
    taker
}

#[test]
fn waiters_are_notified_in_the_order_they_came() {
    runtime(1).run(|| {
        let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let waiters: Vec<_> = (0..10)
            .map(|n| {
                let shared = shared.clone();
                let waiter = fiber::spawn(move || shared.1.wait(shared.0.lock().unwrap()).unwrap().push(n));
                until_waiting(&here(), &waiter.fiber(), Reason::Condition);
                waiter
            })
            .collect();
        shared.1.notify_one();
        eventually("the first one ran", || *shared.0.lock().unwrap() == [0]);
        shared.1.notify_one();
        shared.1.notify_one();
        shared.1.notify_all();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*shared.0.lock().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

/// Nobody is woken to find the mutex taken by another that was woken with it.
#[test]
fn notifying_all_is_no_stampede() {
    runtime(2).run(|| {
        let tokens = Tokens::default();
        let takers: Vec<_> = (0..50).map(|_| waiting_taker(&tokens)).collect();
        let mut count = tokens.0.lock().unwrap();
        *count = 50;
        tokens.1.notify_all();
        until_waiting(&here(), &takers[0].fiber(), Reason::Lock);
        fiber::time::sleep(Duration::from_millis(1));
        for taker in &takers[1..] {
            assert_eq!(state(&here(), &taker.fiber()), Some(State::Waiting(Reason::Condition)));
        }
        drop(count);
        takers.into_iter().for_each(|taker| taker.join().unwrap());
        assert_eq!(*tokens.0.lock().unwrap(), 0);
    });
}

#[test]
fn one_more_notification_is_for_one_that_came_after_all_were_notified() {
    runtime(1).run(|| {
        let tokens = Tokens::default();
        let early: Vec<_> = (0..3).map(|_| waiting_taker(&tokens)).collect();
        let mut count = tokens.0.lock().unwrap();
        *count = 3;
        tokens.1.notify_all();
        // The first is on its way, the others are about to be woken.
        until_waiting(&here(), &early[0].fiber(), Reason::Lock);
        drop(count);
        let late = waiting_taker_beside(&tokens);
        *tokens.0.lock().unwrap() += 1;
        tokens.1.notify_one();
        early.into_iter().for_each(|taker| taker.join().unwrap());
        late.join().unwrap();
    });
}

/// One that waits without looking first.
fn waiting_taker_beside(tokens: &Tokens) -> JoinHandle<()> {
    let tokens = tokens.clone();
    let taker = fiber::spawn(move || {
        let mut count = tokens.1.wait(tokens.0.lock().unwrap()).unwrap();
        while *count == 0 {
            count = tokens.1.wait(count).unwrap();
        }
        *count -= 1;
    });
    until_waiting(&here(), &taker.fiber(), Reason::Condition);
    taker
}

/// It was notified, and is cancelled while it waits for the mutex: another gets the notification.
#[test]
fn a_cancelled_waiter_hands_on_its_notification() {
    runtime(1).run(|| {
        let tokens = Tokens::default();
        let (first, second) = (waiting_taker(&tokens), waiting_taker(&tokens));
        let mut count = tokens.0.lock().unwrap();
        *count = 1;
        tokens.1.notify_one();
        until_waiting(&here(), &first.fiber(), Reason::Lock);
        first.cancel();
        assert!(first.join().unwrap_err().is_cancelled());
        drop(count);
        second.join().unwrap();
        assert!(!tokens.0.is_poisoned());
        assert_eq!(*tokens.0.lock().unwrap(), 0);
    });
}

/// The one whose turn it is to wake the next is cancelled, and so is one that was not woken yet.
#[test]
fn a_cancelled_waiter_does_not_end_the_turns() {
    runtime(1).run(|| {
        let tokens = Tokens::default();
        let mut takers: Vec<_> = (0..6).map(|_| waiting_taker(&tokens)).collect();
        let mut count = tokens.0.lock().unwrap();
        *count = 10;
        tokens.1.notify_all();
        until_waiting(&here(), &takers[0].fiber(), Reason::Lock);
        for number in [2, 0] {
            let cancelled = takers.remove(number);
            cancelled.cancel();
            let ended = cancelled.join();
            assert!(ended.unwrap_err().is_cancelled());
        }
        drop(count);
        takers.into_iter().for_each(|taker| taker.join().unwrap());
        assert_eq!(*tokens.0.lock().unwrap(), 6);
    });
}

#[test]
fn a_wait_ends_at_a_time_limit_without_the_mutex() {
    runtime(1).run(|| {
        let tokens = Tokens::default();
        for micros in [0, 1, 50, 1000] {
            let waited = timeout(Duration::from_micros(micros), || {
                drop(tokens.1.wait_while(tokens.0.lock().unwrap(), |_| true));
            });
            assert!(waited.is_err());
            assert!(tokens.0.try_lock().is_ok(), "neither locked nor poisoned");
        }
    });
}
