#![cfg(not(loom))]
#![allow(dropping_copy_types, reason = "tests drop results of every kind")]
//! Coroutines and generators: transfer of values and control, panics, the end of unfinished ones, and what they do on fibers.

mod common;

use common::{Count, LONG, OnDrop, here, runtime, until_waiting};
use fiber::coroutine::{Builder, Coroutine, CoroutineState, Generator, Yielder};
use fiber::no_suspend;
use fiber::runtime::Reason;
use fiber::sync::Mutex;
use fiber::time::{Elapsed, sleep, timeout};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

/// The message of a panic.
fn panic_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

/// A coroutine that is suspended within a value which adds to the count when it is dropped.
fn suspended(drops: &Count) -> Coroutine<(), (), ()> {
    let drops = drops.clone();
    let mut coroutine = Coroutine::new(move |yielder: &Yielder<(), ()>, ()| {
        let _on_stack = OnDrop(|| drops.add());
        yielder.suspend(());
    });
    coroutine.resume(());
    coroutine
}

/// Runs a test on a thread and on a fiber: coroutines are the same on both.
fn on_both(test: fn()) {
    test();
    runtime(1).run(test);
}

#[test]
fn values_go_both_ways() {
    on_both(|| {
        let mut coroutine = Coroutine::new(|yielder, first: String| {
            let second: String = yielder.suspend(first.len());
            let third = yielder.suspend(second.len());
            third.repeat(2)
        });
        assert_eq!(coroutine.resume("a".into()), CoroutineState::Yielded(1));
        assert_eq!(coroutine.resume("bb".into()), CoroutineState::Yielded(2));
        assert!(!coroutine.is_done());
        assert_eq!(coroutine.resume("c".into()), CoroutineState::Complete("cc".to_owned()));
        assert!(coroutine.is_done());
        let again = panic_of(|| drop(coroutine.resume("d".into())));
        assert_eq!(again, "a coroutine was resumed after it had ended");
    });
}

#[test]
fn values_of_every_size_arrive() {
    on_both(|| {
        let mut coroutine = Coroutine::new(|yielder, mut large: [u64; 100]| {
            loop {
                large[99] += 1;
                large = yielder.suspend(large);
                if large[0] == 0 {
                    return Box::new(large);
                }
            }
        });
        let mut large = [7; 100];
        for turn in 1..100 {
            let CoroutineState::Yielded(back) = coroutine.resume(large) else { panic!("not at its end") };
            assert_eq!((back[0], back[98], back[99]), (7, 7, 7 + turn));
            large = back;
        }
        assert_eq!(coroutine.resume([0; 100]), CoroutineState::Complete(Box::new([0; 100])));
    });
}

#[test]
fn a_generator_is_an_iterator() {
    on_both(|| {
        let mut few = Generator::new(|yielder| (0..3).for_each(|n| yielder.suspend(n)));
        assert_eq!(few.by_ref().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((few.next(), few.next()), (None, None));
        let endless = Generator::new(|yielder| (0..=u64::MAX).for_each(|n| yielder.suspend(n)));
        assert_eq!(endless.filter(|n| n % 7 == 3).take(4).sum::<u64>(), 3 + 10 + 17 + 24);
    });
}

#[test]
fn suspension_works_however_deep() {
    fn dive(depth: u32, yielder: &Yielder<u32, u32>) -> u32 {
        let _guard = OnDrop(|| ());
        if depth == 0 { yielder.suspend(1) } else { dive(depth - 1, yielder) + 1 }
    }
    on_both(|| {
        let mut coroutine = Coroutine::new(|yielder, depth| dive(depth, yielder));
        assert_eq!(coroutine.resume(100), CoroutineState::Yielded(1));
        assert_eq!(coroutine.resume(5), CoroutineState::Complete(105));
    });
}

#[test]
fn one_runs_on_top_of_another() {
    on_both(|| {
        let squares = Generator::new(|outer| {
            let numbers = Generator::new(|inner| (1..=3).for_each(|n| inner.suspend(n)));
            numbers.for_each(|n| outer.suspend(n * n));
        });
        assert_eq!(squares.collect::<Vec<_>>(), [1, 4, 9]);
    });
}

#[test]
fn an_upper_coroutine_may_suspend_the_one_below() {
    on_both(|| {
        let mut outer = Generator::new(|outer| {
            outer.suspend("outer");
            Generator::scope(
                |inner| {
                    outer.suspend("outer, from the inner one");
                    inner.suspend(1);
                    outer.suspend("and again");
                    inner.suspend(2);
                },
                |inner| assert_eq!(inner.sum::<i32>(), 3),
            );
        });
        assert_eq!(outer.by_ref().take(2).collect::<Vec<_>>(), ["outer", "outer, from the inner one"]);
        assert_eq!(outer.next(), Some("and again"));
        assert_eq!(outer.next(), None);
        // Unwinding from there goes through both.
        let drops = Count::new();
        let counted = drops.clone();
        let mut outer = Generator::new(move |outer| {
            let _below = OnDrop(|| counted.add());
            Generator::<()>::scope(
                |_| {
                    let _above = OnDrop(|| counted.add());
                    outer.suspend(());
                },
                |inner| inner.next(),
            );
        });
        outer.next();
        drop(outer);
        assert_eq!(drops.get(), 2);
    });
}

#[test]
fn a_panic_goes_to_the_caller_and_ends_the_coroutine() {
    on_both(|| {
        let drops = Count::new();
        let counted = drops.clone();
        let mut coroutine = Coroutine::new(move |yielder, ()| {
            let _on_stack = OnDrop(|| counted.add());
            yielder.suspend(());
            panic!("in the coroutine");
        });
        coroutine.resume(());
        assert_eq!(panic_of(|| drop(coroutine.resume(()))), "in the coroutine");
        assert!(coroutine.is_done() && drops.get() == 1 && !std::thread::panicking());
        let mut generator = Generator::new(|yielder| {
            yielder.suspend(1);
            panic!("in the generator");
        });
        assert_eq!(generator.next(), Some(1));
        assert_eq!(panic_of(|| drop(generator.next())), "in the generator");
        assert_eq!(generator.next(), None);
    });
}

#[test]
fn an_unfinished_one_is_unwound_when_it_is_dropped() {
    on_both(|| {
        let drops = Count::new();
        drop(suspended(&drops));
        assert_eq!(drops.get(), 1);
        // One that has not started only loses its captures.
        let in_captures = OnDrop({
            let drops = drops.clone();
            move || drops.add()
        });
        drop(Coroutine::<(), (), ()>::new(move |_, ()| drop(in_captures)));
        assert_eq!(drops.get(), 2);
        // While the one who drops it is unwound by a panic.
        let coroutine = suspended(&drops);
        let message = panic_of(move || {
            let _dropped = coroutine;
            panic!("of the owner");
        });
        assert_eq!((&*message, drops.get()), ("of the owner", 3));
        assert!(!std::thread::panicking());
    });
}

#[test]
fn unwinding_calls_no_hook_and_poisons_nothing() {
    on_both(|| {
        let mutex = Rc::new(Mutex::new(0));
        let mut holds = Generator::new({
            let mutex = Rc::clone(&mutex);
            move |yielder| {
                let _guard = mutex.lock().unwrap();
                yielder.suspend(());
            }
        });
        holds.next();
        assert!(mutex.try_lock().is_err());
        drop(holds);
        assert!(!mutex.is_poisoned() && mutex.try_lock().is_ok());
        // Whereas a panic poisons, also after an unwinding.
        let poisons = Rc::clone(&mutex);
        let mut panics = Generator::<()>::new(move |_| {
            let _guard = poisons.lock().unwrap();
            panic!("holds a lock");
        });
        panic_of(|| drop(panics.next()));
        assert!(mutex.is_poisoned());
    });
}

#[test]
fn a_body_that_catches_its_unwinding_is_unwound_again() {
    on_both(|| {
        let (drops, caught) = (Count::new(), Count::new());
        let (counted, catches) = (drops.clone(), caught.clone());
        let mut stubborn = Generator::new(move |yielder| {
            let _on_stack = OnDrop(|| counted.add());
            for _ in 0..3 {
                let _ = catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
                catches.add();
            }
            yielder.suspend(());
        });
        stubborn.next();
        drop(stubborn);
        assert_eq!((drops.get(), caught.get()), (1, 3));
        // One that never gives in is given up, and what it holds stays.
        let (drops, counted) = (Count::new(), Count::new());
        let held = drops.clone();
        let mut endless = Generator::new({
            let counted = counted.clone();
            move |yielder| {
                let _on_stack = OnDrop(|| held.add());
                loop {
                    let _ = catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
                    counted.add();
                }
            }
        });
        endless.next();
        drop(endless);
        assert_eq!((drops.get(), counted.get()), (0, 100));
    });
}

#[test]
fn a_panic_instead_of_an_end_goes_to_whoever_drops() {
    on_both(|| {
        let mut coroutine = Coroutine::new(|yielder: &Yielder<(), ()>, ()| {
            let _ = catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
            panic!("after all");
        });
        coroutine.resume(());
        assert_eq!(panic_of(|| drop(coroutine)), "after all");
        // Captures of one that never ran may panic, and nobody is harmed.
        let captured = OnDrop(|| panic!("in a capture"));
        drop(Coroutine::<(), (), ()>::new(move |_, ()| drop(captured)));
    });
}

#[test]
fn one_that_is_suspended_in_a_destructor_during_a_panic_is_leaked() {
    let outcome = std::thread::spawn(|| {
        let mut coroutine = Coroutine::new(|yielder: &Yielder<(), ()>, ()| {
            let _suspends = OnDrop(|| yielder.suspend(()));
            panic!("on its way");
        });
        coroutine.resume(());
        drop(coroutine);
        // The thread's count of panics went with the coroutine.
        std::thread::panicking()
    });
    assert!(outcome.join().unwrap());
}

#[test]
fn a_panic_goes_on_where_it_was_suspended() {
    on_both(|| {
        let mut coroutine = Coroutine::new(|yielder: &Yielder<(), ()>, ()| {
            let _suspends = OnDrop(|| yielder.suspend(()));
            panic!("on its way");
        });
        coroutine.resume(());
        assert_eq!(panic_of(|| drop(coroutine.resume(()))), "on its way");
        assert!(!std::thread::panicking());
    });
}

#[test]
fn scoped_ones_borrow_and_end_with_the_scope() {
    on_both(|| {
        let (text, dropped) = (String::from("borrowed"), Cell::new(false));
        let mut seen = Vec::new();
        Coroutine::scope(
            |yielder: &Yielder<&str, &str>, first: &str| {
                let _on_stack = OnDrop(|| dropped.set(true));
                seen.push(first.to_owned());
                seen.push(yielder.suspend(&text[..3]).to_owned());
                yielder.suspend(&text);
                unreachable!("it is not resumed a third time")
            },
            |coroutine| {
                assert_eq!(coroutine.resume("one"), CoroutineState::Yielded("bor"));
                assert_eq!(coroutine.resume("two"), CoroutineState::Yielded("borrowed"));
                assert!(!dropped.get());
            },
        );
        assert!(dropped.get());
        assert_eq!(seen, ["one", "two"]);
    });
}

#[test]
fn a_scope_that_panics_ends_its_coroutine_first() {
    on_both(|| {
        let dropped = Cell::new(false);
        let message = panic_of(|| {
            Generator::scope(
                |yielder| {
                    let _on_stack = OnDrop(|| dropped.set(true));
                    yielder.suspend(());
                },
                |generator| {
                    generator.next();
                    panic!("in the scope");
                },
            )
        });
        assert!(dropped.get());
        assert_eq!(message, "in the scope");
    });
}

#[test]
fn sizes_of_stacks_are_as_asked() {
    on_both(|| {
        fn deep(depth: usize) -> usize {
            let frame = std::hint::black_box([depth; 128]);
            if depth == 0 { 0 } else { deep(depth - 1) + usize::from(frame[127] == depth) }
        }
        // Some three megabytes of frames.
        let mut large = Builder::new().stack_size(16 << 20).coroutine(|_: &Yielder<usize, ()>, n| deep(n)).unwrap();
        assert_eq!(large.resume(3000), CoroutineState::Complete(3000));
        let mut small = Builder::new().stack_size(1).generator(|yielder| yielder.suspend(1)).unwrap();
        assert_eq!(small.next(), Some(1));
        for size in [0, (1 << 30) + 1] {
            let error = Builder::new().stack_size(size).generator(|yielder| yielder.suspend(1)).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn stacks_are_used_again() {
    on_both(|| {
        let mut generators: Vec<_> =
            (0..500).map(|n| Generator::new(move |yielder| (n..n + 3).for_each(|n| yielder.suspend(n)))).collect();
        for turn in 0..3 {
            for (n, generator) in generators.iter_mut().enumerate() {
                assert_eq!(generator.next(), Some(n + turn));
            }
        }
        generators.truncate(100);
        let again = (0..500).map(|n| Generator::new(move |yielder| yielder.suspend(n)));
        assert_eq!(again.map(|mut generator| generator.next().unwrap()).sum::<usize>(), 499 * 250);
        assert!(generators.into_iter().all(|mut generator| generator.next().is_none()));
    });
}

#[test]
fn a_fiber_waits_with_a_coroutine_on_top() {
    runtime(1).run(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let log = |name: &'static str, n: i32| {
            let order = Rc::clone(&order);
            fiber::spawn_local(move || {
                let numbers = Generator::new(move |yielder| {
                    for n in 0..n {
                        fiber::yield_now();
                        yielder.suspend(n);
                        sleep(Duration::from_micros(10));
                    }
                });
                for n in numbers {
                    order.borrow_mut().push((name, n));
                    fiber::yield_now();
                }
            })
        };
        let fibers = [log("a", 3), log("b", 3)];
        for fiber in fibers {
            fiber.join().unwrap();
        }
        let mut order = order.borrow().clone();
        // They took turns: neither went through at once.
        assert_ne!(order, [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]);
        order.sort_unstable();
        assert_eq!(order, [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]);
    });
}

#[test]
fn cancellation_goes_through_a_coroutine() {
    runtime(1).run(|| {
        let drops = Count::new();
        let counted = drops.clone();
        let waiting = fiber::spawn(move || {
            let mut generator = Generator::<()>::new({
                let counted = counted.clone();
                move |_| {
                    let _on_stack = OnDrop(|| counted.add());
                    fiber::park();
                }
            });
            let _below = OnDrop(|| counted.add());
            generator.next();
        });
        until_waiting(&here(), &waiting.fiber(), Reason::Park);
        waiting.cancel();
        assert!(waiting.join().unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 2);
    });
}

#[test]
fn time_limits_of_the_caller_are_in_force() {
    runtime(1).run(|| {
        let mut waits = Generator::<()>::new(|_| sleep(LONG));
        assert_eq!(timeout(SHORT, || waits.next()), Err(Elapsed));
        assert_eq!(waits.next(), None);
        // One that was started without a limit.
        let mut waits = Generator::new(|yielder| {
            yielder.suspend(1);
            sleep(LONG);
        });
        assert_eq!(timeout(LONG, || waits.next()), Ok(Some(1)));
        assert_eq!(timeout(SHORT, || waits.next()), Err(Elapsed));
    });
}

#[test]
fn time_limits_of_a_body_are_its_own() {
    runtime(1).run(|| {
        let mut limited = Generator::new(|yielder| {
            let inner = timeout(SHORT, || {
                yielder.suspend(Ok(()));
                sleep(LONG);
            });
            yielder.suspend(inner);
        });
        assert_eq!(limited.next(), Some(Ok(())));
        // The body's limit passes, and is not the caller's.
        sleep(SHORT * 3);
        assert_eq!(limited.next(), Some(Err(Elapsed)));
        assert_eq!(limited.next(), None);
    });
}

#[test]
fn limits_that_are_not_nested_do_no_harm() {
    runtime(1).run(|| {
        let mut limited = Generator::new(|yielder| {
            let _ = timeout(LONG, || yielder.suspend(1));
            // The limit of the first resumption has gone, that of the second is in force.
            sleep(LONG);
        });
        assert_eq!(timeout(LONG, || limited.next()), Ok(Some(1)));
        assert_eq!(timeout(SHORT, || limited.next()), Err(Elapsed));
        sleep(Duration::from_micros(1));
        // Dropped within another limit than it was suspended in.
        let mut limited = Generator::new(|yielder| drop(timeout(SHORT, || yielder.suspend(1))));
        assert_eq!(timeout(LONG, || limited.next()), Ok(Some(1)));
        let outcome = timeout(SHORT * 2, || {
            drop(limited);
            sleep(LONG);
        });
        assert_eq!(outcome, Err(Elapsed));
        sleep(Duration::from_micros(1));
    });
}

#[test]
fn limits_find_their_way_from_an_upper_coroutine() {
    runtime(1).run(|| {
        let mut outer = Generator::new(|outer| {
            let inner = timeout(LONG, || {
                Generator::<()>::scope(
                    |_| {
                        let limited = timeout(SHORT, || {
                            outer.suspend(Ok(()));
                            sleep(LONG);
                        });
                        outer.suspend(limited);
                    },
                    |inner| inner.next(),
                )
            });
            assert_eq!(inner, Ok(None));
        });
        assert_eq!(outer.next(), Some(Ok(())));
        sleep(Duration::from_micros(1));
        assert_eq!(timeout(LONG, || outer.next()), Ok(Some(Err(Elapsed))));
        assert_eq!(outer.next(), None);
    });
}

#[test]
fn no_suspend_is_in_force_where_it_was_asked_for() {
    runtime(1).run(|| {
        // The caller's, in the body.
        let mut waits = Generator::<()>::new(|_| fiber::park());
        assert!(panic_of(|| drop(no_suspend(|| waits.next()))).contains("must not suspend"));
        // The body's, in the body alone, also when it goes on.
        let mut stays = Generator::new(|yielder| {
            no_suspend(|| {
                yielder.suspend(());
                sleep(SHORT);
            });
        });
        stays.next();
        sleep(Duration::from_micros(1));
        fiber::yield_now();
        assert!(panic_of(|| drop(stays.next())).contains("must not suspend"));
        // Left for good.
        let mut left = Generator::new(|yielder| no_suspend(|| yielder.suspend(())));
        left.next();
        std::mem::forget(left);
        sleep(Duration::from_micros(1));
    });
}

#[test]
fn shields_are_in_force_where_they_were_asked_for() {
    runtime(1).run(|| {
        let (go, wait) = fiber::sync::mpsc::channel::<()>();
        let cancelled = fiber::spawn_local(move || {
            // The body's shield is not the caller's.
            let mut shielded = Generator::new(|yielder| fiber::shield(|| yielder.suspend(())));
            shielded.next();
            // The caller's is the body's.
            let mut waits = Generator::new(move |yielder| yielder.suspend(wait.recv()));
            assert_eq!(fiber::shield(|| waits.next()), Some(Ok(())));
            fiber::park();
        });
        until_waiting(&here(), &cancelled.fiber(), Reason::Receive);
        cancelled.cancel();
        fiber::yield_now();
        go.send(()).unwrap();
        assert!(cancelled.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_started_one_belongs_to_its_fiber() {
    runtime(1).run(|| {
        // Before it starts it may go anywhere on its worker.
        let mut moved = Generator::new(|yielder| yielder.suspend(1));
        let mut moved = fiber::spawn_local(move || (moved.next(), moved)).join().unwrap();
        assert_eq!(moved.0, Some(1));
        let message = panic_of(|| drop(moved.1.next()));
        assert!(message.contains("elsewhere than on fiber") && message.contains("started it"), "{message}");
        // There it is not unwound either.
        let drops = Count::new();
        let counted = drops.clone();
        let foreign = fiber::spawn_local(move || suspended(&counted)).join().unwrap();
        drop(foreign);
        assert_eq!(drops.get(), 0);
    });
}

#[test]
fn the_coroutines_of_ten_fibers_do_not_meet() {
    runtime(2).run(|| {
        let fibers: Vec<_> = (0..10)
            .map(|seed| {
                fiber::spawn(move || {
                    let outer = Generator::new(move |outer| {
                        let inner = Generator::new(move |inner| {
                            for n in seed..seed + 50 {
                                fiber::yield_now();
                                inner.suspend(n);
                            }
                        });
                        for n in inner {
                            let _ = timeout(LONG, || {
                                fiber::yield_now();
                                outer.suspend(n);
                            });
                        }
                    });
                    outer.inspect(|_| fiber::yield_now()).sum::<u64>()
                })
            })
            .collect();
        for (seed, fiber) in (0..10).zip(fibers) {
            assert_eq!(fiber.join().unwrap(), (seed..seed + 50).sum::<u64>());
        }
    });
}

#[test]
fn destructors_may_wait_while_a_coroutine_is_unwound() {
    runtime(1).run(|| {
        let slept = Count::new();
        let counted = slept.clone();
        let mut generator = Generator::new(move |yielder| {
            let _waits = OnDrop(|| {
                sleep(SHORT);
                counted.add();
            });
            yielder.suspend(());
        });
        generator.next();
        let sibling = fiber::spawn(fiber::yield_now);
        drop(generator);
        assert_eq!(slept.get(), 1);
        sibling.join().unwrap();
        sleep(Duration::from_micros(1));
    });
}

#[test]
fn one_in_a_thread_local_is_not_unwound_when_the_thread_ends() {
    thread_local! {
        static KEPT: RefCell<Option<Generator<()>>> = const { RefCell::new(None) };
        static BORROWED: String = "of the thread".to_owned();
    }
    let drops = Count::new();
    let counted = drops.clone();
    let thread = std::thread::spawn(move || {
        KEPT.set(None);
        let mut generator = Generator::new(move |yielder| {
            BORROWED.with(|text| {
                let _reads = OnDrop(|| {
                    assert_eq!(text, "of the thread");
                    counted.add();
                });
                yielder.suspend(());
            });
        });
        generator.next();
        KEPT.set(Some(generator));
    });
    thread.join().unwrap();
    assert_eq!(drops.get(), 0);
}
