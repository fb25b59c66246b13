//! Unwinding: destructors, siblings, poison, what is raised.

use crate::common::{Count, LONG, OnDrop, here, runtime, until_waiting};
use crate::waits::is_cancelled;
use fiber::runtime::Reason;
use fiber::sync::Mutex;
use fiber::sync::mpsc::channel;
use fiber::time::{Elapsed, sleep, timeout};
use std::any::Any;
use std::io::{self};
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn cancellation_does_not_poison() {
    runtime(2).run(|| {
        let mutex = Arc::new(Mutex::new(0));
        for _ in 0..20 {
            let fiber = fiber::spawn({
                let mutex = mutex.clone();
                move || {
                    let mut guard = mutex.lock().unwrap();
                    *guard += 1;
                    fiber::park();
                }
            });
            until_waiting(&here(), &fiber.fiber(), Reason::Park);
            fiber.cancel();
            assert!(fiber.join().unwrap_err().is_cancelled());
            assert!(!mutex.is_poisoned());
            // It was unlocked.
            drop(mutex.try_lock().unwrap());
        }
        assert!(timeout(Duration::from_micros(100), || (mutex.lock().unwrap(), fiber::park()).1).is_err());
        assert_eq!(*mutex.lock().unwrap(), 20);
    });
}

#[test]
fn a_panic_after_a_caught_cancellation_poisons() {
    runtime(1).run(|| {
        let mutex = Arc::new(Mutex::new(()));
        let fiber = fiber::spawn({
            let mutex = mutex.clone();
            move || {
                fiber::current().cancel();
                assert!(catch_unwind(fiber::park).is_err());
                let _guard = mutex.lock().unwrap();
                panic!("while it holds the lock");
            }
        });
        assert!(fiber.join().unwrap_err().is_panic());
        assert!(mutex.is_poisoned());
    });
}

#[test]
fn destructors_may_wait_while_a_cancelled_fiber_unwinds() {
    runtime(1).run(|| {
        let steps = Count::new();
        let fiber = fiber::spawn({
            let steps = steps.clone();
            move || {
                let mutex = Mutex::new(());
                let _slow = OnDrop(|| {
                    sleep(Duration::from_millis(1));
                    steps.add();
                    drop(mutex.lock());
                    steps.add();
                    assert_eq!(fiber::spawn(|| 3).join().unwrap(), 3);
                    steps.add();
                    let (sender, receiver) = channel();
                    fiber::spawn(move || sender.send(()));
                    receiver.recv().unwrap();
                    steps.add();
                    let wakes = fiber::current();
                    fiber::spawn(move || wakes.unpark());
                    fiber::park();
                    steps.add();
                });
                fiber::park();
            }
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Park);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(steps.get(), 5);
    });
}

#[test]
fn a_cancellation_during_the_unwinding_of_a_sibling_is_not_lost() {
    runtime(1).run(|| {
        let parked = fiber::spawn_local(fiber::park);
        until_waiting(&here(), &parked.fiber(), Reason::Park);
        let unwinding = fiber::spawn_local(|| {
            let _slow = OnDrop(fiber::park);
            panic!("and its destructor waits");
        });
        until_waiting(&here(), &unwinding.fiber(), Reason::Park);
        // The thread is in the middle of a panic, this fiber and the parked one are not.
        parked.cancel();
        sleep(Duration::from_millis(1));
        unwinding.fiber().unpark();
        assert!(unwinding.join().unwrap_err().is_panic());
        assert!(parked.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_time_limit_that_passes_during_the_unwinding_of_a_sibling_is_not_lost() {
    runtime(1).run(|| {
        let unwinding = fiber::spawn_local(|| {
            let _slow = OnDrop(fiber::park);
            panic!("and its destructor waits");
        });
        until_waiting(&here(), &unwinding.fiber(), Reason::Park);
        // The limit passes first, and strikes when the unwinding is over.
        let sibling = unwinding.fiber();
        let ends = fiber::spawn_local(move || {
            sleep(Duration::from_millis(5));
            sibling.unpark();
        });
        assert_eq!(timeout(Duration::from_millis(1), fiber::park), Err(Elapsed));
        ends.join().unwrap();
        assert!(unwinding.join().unwrap_err().is_panic());
    });
}

#[test]
fn a_time_limit_does_not_swallow_a_cancellation() {
    runtime(1).run(|| {
        let fiber = fiber::spawn(|| {
            let _ = timeout(LONG, || timeout(LONG, fiber::park));
            unreachable!("the cancellation is the fiber's, not the limit's");
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Park);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn what_a_cancelled_fiber_raises_is_no_ordinary_panic() {
    runtime(1).run(|| {
        fiber::spawn(|| {
            fiber::current().cancel();
            let payload: Box<dyn Any + Send> = catch_unwind(fiber::park).unwrap_err();
            assert!(!payload.is::<&'static str>() && !payload.is::<String>());
            // Caught and let go on, it is still the cancellation.
            let again = fiber::spawn(|| {
                fiber::current().cancel();
                let payload = catch_unwind(fiber::park).unwrap_err();
                std::panic::resume_unwind(payload)
            });
            fiber::current().unpark();
            fiber::park();
            drop(again);
        })
        .join()
        .unwrap();
        let again = fiber::spawn(|| {
            fiber::current().cancel();
            let payload = catch_unwind(fiber::park).unwrap_err();
            std::panic::resume_unwind(payload)
        });
        let error: fiber::JoinError = match again.join() {
            Ok(()) => unreachable!(),
            Err(error) => error,
        };
        assert!(error.is_cancelled());
        assert!(is_cancelled(&io::Error::from(error)));
    });
}
