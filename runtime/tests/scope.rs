#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Scopes: what children may borrow, who waits for whom, and where panics go.

mod common;

use common::{Count, LONG, OnDrop, eventually, here, runtime, until_waiting};
use fiber::runtime::Reason;
use fiber::sync::Mutex;
use fiber::time::{Elapsed, sleep, timeout};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn children_borrow_shared_and_exclusive() {
    runtime(2).run(|| {
        let mut numbers: Vec<u64> = (0..1000).collect();
        let text = String::from("shared");
        fiber::scope(|s| {
            for chunk in numbers.chunks_mut(100) {
                s.spawn(|| {
                    fiber::yield_now();
                    chunk.iter_mut().for_each(|number| *number += text.len() as u64);
                });
            }
        });
        assert_eq!(numbers.iter().sum::<u64>(), 999 * 500 + 6000);
    });
}

#[test]
fn a_scope_returns_what_its_body_returns() {
    runtime(1).run(|| {
        let text = String::from("ab");
        let lengths = fiber::scope(|s| {
            let one = s.spawn(|| text.len());
            let two = s.spawn(|| text.as_str());
            (one.join().unwrap(), two.join().unwrap())
        });
        assert_eq!(lengths, (2, "ab"));
        fiber::scope(|_| ());
    });
}

#[test]
fn children_spawn_children() {
    fn tree<'scope>(s: &'scope fiber::Scope<'scope, '_>, count: &'scope AtomicUsize, depth: u32) {
        count.fetch_add(1, SeqCst);
        if depth > 0 {
            for _ in 0..2 {
                s.spawn(move || tree(s, count, depth - 1));
            }
        }
    }
    runtime(2).run(|| {
        let count = AtomicUsize::new(0);
        fiber::scope(|s| tree(s, &count, 9));
        assert_eq!(count.load(SeqCst), 1023);
    });
}

#[test]
fn scopes_nest() {
    runtime(2).run(|| {
        let outer = AtomicUsize::new(0);
        fiber::scope(|s| {
            for _ in 0..10 {
                s.spawn(|| {
                    let inner = AtomicUsize::new(0);
                    fiber::scope(|s| {
                        for _ in 0..10 {
                            s.spawn(|| {
                                sleep(Duration::from_micros(50));
                                inner.fetch_add(1, SeqCst);
                            });
                        }
                    });
                    outer.fetch_add(inner.into_inner(), SeqCst);
                });
            }
        });
        assert_eq!(outer.load(SeqCst), 100);
    });
}

#[test]
fn the_first_panic_of_a_child_is_raised_again() {
    runtime(1).run(|| {
        let ended = Count::new();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            fiber::scope(|s| {
                let first = s.spawn(|| panic_any(1));
                eventually("it has panicked", || first.is_finished());
                drop(first);
                s.spawn(|| panic_any(2));
                s.spawn(|| {
                    sleep(Duration::from_millis(1));
                    ended.add();
                });
            })
        }));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&1));
        assert_eq!(ended.get(), 1, "the others were awaited");
    });
}

#[test]
fn a_panic_that_was_joined_is_not_raised_again() {
    runtime(2).run(|| {
        fiber::scope(|s| {
            let child = s.spawn(|| panic!("to the joiner"));
            assert!(child.join().unwrap_err().is_panic());
        });
    });
}

#[test]
fn the_panic_of_the_body_comes_first_and_waits_for_the_children() {
    runtime(2).run(|| {
        let ended = Count::new();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            fiber::scope(|s| {
                s.spawn(|| {
                    sleep(Duration::from_millis(2));
                    ended.add();
                    panic_any("of the child");
                });
                panic_any("of the body");
            })
        }));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"of the body"));
        assert_eq!(ended.get(), 1);
    });
}

#[test]
fn children_that_are_cancelled_are_no_panic() {
    runtime(2).run(|| {
        let (begun, count) = (Count::new(), Count::new());
        fiber::scope(|s| {
            let one = s.spawn(fiber::park);
            for _ in 0..10 {
                s.spawn(|| {
                    let _guard = count.on_drop();
                    begun.add();
                    fiber::park();
                });
            }
            eventually("all of them run", || begun.get() == 10);
            one.cancel();
            assert!(one.join().unwrap_err().is_cancelled());
            s.cancel();
        });
        assert_eq!(count.get(), 10);
    });
}

#[test]
fn what_children_drop_is_dropped_before_the_scope_ends() {
    runtime(2).run(|| {
        for _ in 0..50 {
            let count = Cell::new(0);
            /// Borrows from the frame below the scope, which ends right after it.
            struct Tells<'a>(&'a AtomicUsize);
            impl Drop for Tells<'_> {
                fn drop(&mut self) {
                    fiber::yield_now();
                    self.0.fetch_add(1, SeqCst);
                }
            }
            let dropped = AtomicUsize::new(0);
            fiber::scope(|s| {
                // Dropped as a captured value, as a result that is joined, and as one that is not.
                let captured = Tells(&dropped);
                s.spawn(move || drop(captured));
                drop(s.spawn(|| Tells(&dropped)));
                count.set(count.get() + s.spawn(|| Tells(&dropped)).join().map(|_| 1).unwrap());
                let never = Tells(&dropped);
                let cancelled = s.spawn(move || {
                    let _never = never;
                    fiber::park();
                });
                cancelled.cancel();
            });
            assert_eq!((dropped.load(SeqCst), count.get()), (4, 1));
        }
    });
}

#[test]
fn a_scope_in_the_middle_of_an_unwinding_waits_too() {
    runtime(2).run(|| {
        let count = AtomicUsize::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _scoped = OnDrop(|| {
                fiber::scope(|s| {
                    for _ in 0..10 {
                        s.spawn(|| {
                            sleep(Duration::from_micros(100));
                            count.fetch_add(1, SeqCst);
                        });
                    }
                });
            });
            panic!("and a destructor has a scope");
        }));
        assert!(outcome.is_err());
        assert_eq!(count.load(SeqCst), 10);
    });
}

#[test]
fn a_cancelled_body_cancels_the_children() {
    runtime(2).run(|| {
        let (begun, count) = (Count::new(), Count::new());
        let parent = fiber::spawn({
            let (begun, count) = (begun.clone(), count.clone());
            move || {
                fiber::scope(|s| {
                    for _ in 0..5 {
                        s.spawn(|| {
                            let _guard = count.on_drop();
                            begun.add();
                            sleep(LONG);
                        });
                    }
                    sleep(LONG);
                })
            }
        });
        until_waiting(&here(), &parent.fiber(), Reason::Sleep);
        eventually("all of them run", || begun.get() == 5);
        parent.cancel();
        assert!(parent.join().unwrap_err().is_cancelled());
        assert_eq!(count.get(), 5);
    });
}

#[test]
fn a_time_limit_reaches_through_nested_scopes() {
    runtime(2).run(|| {
        let ended = Count::new();
        let outcome = timeout(Duration::from_millis(3), || {
            fiber::scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        fiber::scope(|s| {
                            for _ in 0..3 {
                                s.spawn(|| {
                                    let _guard = ended.on_drop();
                                    sleep(LONG);
                                });
                            }
                            // Started, so that the guards are there.
                            sleep(LONG);
                        });
                    });
                }
            });
        });
        assert_eq!(outcome, Err(Elapsed));
        assert!(ended.get() <= 9);
    });
}

#[test]
fn children_share_locks_of_the_frame_below() {
    runtime(2).run(|| {
        let total = Mutex::new(0);
        fiber::scope(|s| {
            for n in 0..200 {
                let total = &total;
                s.spawn(move || {
                    let mut guard = total.lock().unwrap();
                    fiber::yield_now();
                    *guard += n;
                });
            }
        });
        assert_eq!(total.into_inner().unwrap(), 19_900);
    });
}

#[test]
fn a_scope_of_very_many_children() {
    runtime(2).run(|| {
        let count = AtomicUsize::new(0);
        fiber::scope(|s| {
            for n in 0..20_000 {
                s.spawn(|| count.fetch_add(1, SeqCst));
                if n % 64 == 0 {
                    fiber::yield_now();
                }
            }
        });
        assert_eq!(count.load(SeqCst), 20_000);
    });
}

#[test]
fn children_are_named() {
    runtime(1).run(|| {
        fiber::scope(|s| {
            let child = fiber::Builder::new().name("child").stack_size(32 << 10).spawn_scoped(s, || {
                assert_eq!(fiber::current().name(), Some("child"));
                fiber::current().id()
            });
            assert_eq!(child.fiber().name(), Some("child"));
            let id = child.fiber().id();
            assert_eq!(child.join().unwrap(), id);
            let refused = fiber::Builder::new().stack_size(usize::MAX).spawn_scoped(s, || ());
            assert!(refused.join().unwrap_err().is_not_started());
        });
    });
}
