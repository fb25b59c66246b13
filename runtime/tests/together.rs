#![cfg(not(loom))]
//! Several things at once: `JoinSet`, `race`, `join!`, `try_join!`; who is cancelled when something fails, and where panics go.

mod common;

use common::{Count, LONG, eventually, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::mpmc::channel;
use fiber::time::{Duration, after, sleep, timeout};
use fiber::{Builder, CancelReason, JoinSet, cancel_reason, join, race, select, try_join};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

fn payload<T>(f: impl FnOnce() -> T) -> &'static str {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    payload.downcast_ref::<&'static str>().expect("with a text")
}

fn panics(text: &'static str) -> u8 {
    resume_unwind(Box::new(text))
}

/// Waits for ever, and notes why it was ended.
/// Notes why it ends, from when it has called `begun` on.
fn ends_with(reason: &Mutex<Option<CancelReason>>, begun: impl FnOnce()) -> u8 {
    struct Note<'a>(&'a Mutex<Option<CancelReason>>);
    impl Drop for Note<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = cancel_reason();
        }
    }
    let _note = Note(reason);
    begun();
    fiber::park();
    0
}

#[test]
fn a_join_gives_every_value() {
    runtime(2).run(|| {
        let text = String::from("borrowed");
        let mut counted = 0;
        let (a, b, c) = join!(
            text.len(),
            {
                sleep(Duration::from_millis(1));
                &text[..3]
            },
            counted += 1
        );
        assert_eq!((a, b, c, counted), (8, "bor", (), 1));
        assert_eq!(join!(1), (1,));
        assert_eq!(join!(1, 2, 3, 4, 5, 6, 7, 8,), (1, 2, 3, 4, 5, 6, 7, 8));
        // At once: each needs the other.
        let ((one, first), (other, second)) = (channel(), channel());
        join!(
            {
                one.send(1).unwrap();
                second.recv().unwrap()
            },
            {
                other.send(2).unwrap();
                first.recv().unwrap()
            },
        );
    });
}

#[test]
fn a_panic_of_a_part_ends_the_others_and_goes_on_once() {
    runtime(2).run(|| {
        for _ in 0..20 {
            let reason = Mutex::new(None);
            let (begin, begun) = channel();
            let text = payload(|| {
                join!(
                    ends_with(&reason, || begin.send(()).unwrap()),
                    {
                        begun.recv().unwrap();
                        panics("first")
                    },
                    fiber::park(),
                )
            });
            assert_eq!(text, "first");
            assert_eq!(reason.into_inner().unwrap(), Some(CancelReason::SiblingFailed));
            assert!(cancel_reason().is_none(), "the caller is not cancelled");
        }
        let text = payload(|| {
            try_join!(Ok::<_, ()>(panics("failed")), {
                fiber::park();
                Err::<u8, _>(())
            })
        });
        assert_eq!(text, "failed");
        let text = payload(|| race([|| panics("lost")]));
        assert_eq!(text, "lost");
    });
}

#[test]
fn the_first_error_ends_the_others() {
    runtime(2).run(|| {
        assert_eq!(try_join!(Ok::<_, ()>(1), Ok("two")), Ok((1, "two")));
        for _ in 0..20 {
            let reason = Mutex::new(None);
            let (begin, begun) = channel();
            let outcome = try_join!(
                Ok(ends_with(&reason, || (0..2).for_each(|_| begin.send(()).unwrap()))),
                {
                    begun.recv().unwrap();
                    Err::<u8, _>("failed")
                },
                {
                    // It is heard although the other error is there.
                    fiber::shield(|| {
                        begun.recv().unwrap();
                        sleep(Duration::from_micros(100));
                    });
                    Err::<u8, _>("because of the other")
                },
            );
            assert_eq!(outcome.map_err(|error| !error.is_empty()), Err(true));
            assert_eq!(reason.into_inner().unwrap(), Some(CancelReason::SiblingFailed));
        }
    });
}

#[test]
fn whoever_is_cancelled_cancels_the_parts() {
    runtime(2).run(|| {
        let ended = Count::new();
        let (begin, begun) = channel();
        let fiber = fiber::spawn({
            let ended = ended.clone();
            move || {
                let begin = &begin;
                join!(
                    {
                        let _ended = ended.on_drop();
                        begin.send(()).unwrap();
                        fiber::park()
                    },
                    {
                        let _ended = ended.on_drop();
                        begin.send(()).unwrap();
                        fiber::park()
                    },
                )
            }
        });
        (0..2).for_each(|_| begun.recv().unwrap());
        fiber.cancel();
        assert_eq!(fiber.join().unwrap_err().cancel_reason(), Some(CancelReason::User));
        assert_eq!(ended.get(), 2);
        assert!(timeout(Duration::from_millis(1), || join!(fiber::park(), fiber::park())).is_err());
        assert!(timeout(Duration::from_millis(1), || race([fiber::park, fiber::park])).is_err());
        // A part that somebody else cancels cancels the whole.
        let cut = fiber::spawn(|| {
            join!(
                {
                    fiber::current().cancel();
                    fiber::park()
                },
                fiber::park()
            )
        });
        assert!(cut.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_race_has_one_winner_and_waits_for_the_losers() {
    runtime(2).run(|| {
        let dropped = Count::new();
        for _ in 0..20 {
            let begun = dropped.get();
            let winner = race((0..10).map(|n| {
                let dropped = &dropped;
                move || {
                    let _dropped = dropped.on_drop();
                    if n != 7 {
                        fiber::park();
                    }
                    n
                }
            }));
            assert_eq!(winner, 7);
            assert!(dropped.get() > begun);
        }
        assert!(catch_unwind(|| race::<[fn(); 0], _, _>([])).is_err());
    });
}

#[test]
fn a_set_gives_each_result_once() {
    runtime(2).run(|| {
        let mut set = JoinSet::new();
        assert!(set.join_next().is_none() && set.try_join_next().is_none());
        (0..100).for_each(|n| set.spawn(move || n));
        set.spawn_with(Builder::new().name("unlucky"), || panic!("on purpose"));
        set.spawn(|| {
            fiber::park();
            0
        });
        assert_eq!(set.len(), 102);
        let (mut sum, mut panicked) = (0, 0);
        for _ in 0..101 {
            match set.join_next().unwrap() {
                Ok(n) => sum += n,
                Err(error) => panicked += i32::from(error.is_panic()),
            }
        }
        assert_eq!((sum, panicked, set.len()), (4950, 1, 1));
        assert!(set.try_join_next().is_none());
        set.cancel_all();
        assert!(set.join_next().unwrap().unwrap_err().is_cancelled());
        assert!(set.is_empty());
    });
}

#[test]
fn sets_can_be_selected_shut_down_detached_and_dropped() {
    runtime(2).run(|| {
        let mut set = JoinSet::new();
        let nothing = select! { _ = set.join_next() => false, default => true };
        assert!(nothing, "an empty set");
        let ended = Count::new();
        let waits = |ended: &Count| {
            let guard = ended.on_drop();
            move || {
                let _guard = guard;
                fiber::park();
            }
        };
        (0..3).for_each(|_| set.spawn(waits(&ended)));
        select! {
            _ = set.join_next() => unreachable!(),
            () = after(Duration::from_millis(1)) => {}
        }
        set.spawn(|| ());
        select! {
            result = set.join_next() => result.unwrap(),
            () = after(LONG) => unreachable!(),
        }
        set.shutdown();
        assert_eq!((ended.get(), set.len()), (3, 0));
        (0..3).for_each(|_| set.spawn(waits(&ended)));
        drop(set);
        eventually("the fibers of the dropped set have ended", || ended.get() == 6);
        let mut set = JoinSet::new();
        let (sender, receiver) = channel();
        set.spawn(move || receiver.recv().unwrap());
        set.detach_all();
        set.spawn(|| ());
        assert!(set.join_next().unwrap().is_ok() && set.is_empty());
        sender.send(()).unwrap();
        let mut set = JoinSet::new();
        (1..=4).for_each(|n| set.spawn(move || n));
        assert_eq!(set.join_all().into_iter().sum::<i32>(), 10);
    });
}

#[test]
fn a_set_loses_no_result_when_its_wait_is_cut_short() {
    runtime(2).run(|| {
        let mut set = JoinSet::new();
        let (mut got, mut turn) = (0, 0u64);
        (0..200).for_each(|n| {
            set.spawn(move || {
                sleep(Duration::from_micros(n * 7));
                1
            });
        });
        while got < 200 {
            turn += 1;
            if let Ok(Some(result)) = timeout(Duration::from_micros(turn % 40), || set.join_next()) {
                got += result.unwrap();
            }
        }
        assert!(set.join_next().is_none());
    });
}

#[test]
fn a_set_on_a_thread() {
    let runtime = runtime(1);
    let mut set = JoinSet::new();
    let handle = runtime.handle();
    runtime.run(|| {
        set.spawn(|| 1);
        set.spawn(|| 2);
        let waiting = fiber::spawn(fiber::park);
        until_waiting(&here(), &waiting.fiber(), Reason::Park);
        waiting.cancel();
    });
    let _ = handle;
    assert_eq!(set.join_all().into_iter().sum::<i32>(), 3);
}
