#![cfg(not(loom))]
//! `blocking`: what it runs, where, and what cancellation, time limits, panics and the end of the runtime do to it.

mod common;

use common::{Count, LONG, OnDrop, Random, eventually, here, runtime, until_waiting, watched};
use fiber::runtime::{Builder, Reason, Runtime, State};
use fiber::{JoinHandle, blocking, spawn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A call that says when it runs, and then waits until it is let go.
fn gate() -> (Gate, impl FnOnce() + Send + 'static) {
    let (began, begun) = channel();
    let (open, opened) = channel::<()>();
    let gate = Gate { begun, open };
    (gate, move || {
        let _ = began.send(());
        let _ = opened.recv();
    })
}

struct Gate {
    begun: Receiver<()>,
    open: Sender<()>,
}

impl Gate {
    /// Waits, on a fiber or a thread, until the call runs.
    fn until_running(&self) {
        eventually("the call runs", || self.begun.try_recv().is_ok());
    }

    fn open(self) {
        drop(self.open);
    }
}

fn small(threads: usize) -> common::TestRuntime {
    watched(Builder::new().workers(1).blocking_threads(threads))
}

#[test]
fn off_a_fiber_it_is_a_call() {
    let here = thread::current().id();
    assert_eq!(blocking(|| thread::current().id()), here);
}

#[test]
fn it_runs_on_a_thread_named_after_the_runtime() {
    let runtime = watched(Builder::new().workers(1).name("web"));
    let name = runtime.run(|| blocking(|| thread::current().name().map(str::to_owned)));
    assert_eq!(name.as_deref(), Some("web-blocking-0"));
}

#[test]
fn it_borrows_what_stands_on_the_fiber() {
    runtime(1).run(|| {
        let text = String::from("lent");
        let mut seen = [0u8; 64];
        let length = blocking(|| {
            seen[..4].copy_from_slice(text.as_bytes());
            text.len()
        });
        assert_eq!((length, &seen[..5]), (4, &b"lent\0"[..]));
    });
}

#[test]
fn the_worker_runs_others_meanwhile() {
    runtime(1).run(|| {
        let (gate, call) = gate();
        let caller = spawn(|| blocking(call));
        gate.until_running();
        assert!(!caller.is_finished());
        gate.open();
        caller.join().unwrap();
    });
}

#[test]
fn a_panic_is_the_callers() {
    runtime(1).run(|| {
        let panic = catch_unwind(|| blocking(|| resume_unwind(Box::new(41)))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&41));
        // And the thread goes on.
        eventually("the thread is idle", || here().blocking_metrics().idle == 1);
        assert_eq!(blocking(|| 42), 42);
        assert_eq!(here().blocking_metrics().peak, 1);
    });
}

#[test]
fn no_more_threads_than_allowed() {
    let running = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let runtime = small(3);
    runtime.run(|| {
        fiber::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    blocking(|| {
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        thread::sleep(Duration::from_micros(200));
                        running.fetch_sub(1, SeqCst);
                    })
                });
            }
        });
    });
    assert!((1..=3).contains(&most.load(SeqCst)));
    let metrics = runtime.handle().blocking_metrics();
    assert!(metrics.threads <= 3 && metrics.peak <= 3 && metrics.queued == 0, "{metrics:?}");
}

#[test]
fn what_is_queued_is_counted_and_served_in_order() {
    let runtime = small(1);
    runtime.run(|| {
        let (gate, call) = gate();
        let first = spawn(|| blocking(call));
        gate.until_running();
        let order = Arc::new(Mutex::new(Vec::new()));
        let others: Vec<_> = (0..5)
            .map(|number| {
                let order = order.clone();
                let other = spawn(move || blocking(move || order.lock().unwrap().push(number)));
                until_waiting(&here(), &other.fiber(), Reason::Blocking);
                other
            })
            .collect();
        let metrics = here().blocking_metrics();
        assert_eq!((metrics.threads, metrics.idle, metrics.queued, metrics.peak), (1, 0, 5, 1));
        gate.open();
        first.join().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
        eventually("the thread is idle", || here().blocking_metrics().idle == 1);
    });
}

#[test]
fn a_queued_call_is_withdrawn_by_a_cancellation() {
    small(1).run(|| {
        let (gate, call) = gate();
        let first = spawn(|| blocking(call));
        gate.until_running();
        let (dropped, ran) = (Count::new(), Count::new());
        let queued: JoinHandle<()> = spawn({
            let (guard, ran) = (dropped.on_drop(), ran.clone());
            move || {
                blocking(move || {
                    let _guard = guard;
                    ran.add();
                })
            }
        });
        until_waiting(&here(), &queued.fiber(), Reason::Blocking);
        queued.cancel();
        assert!(queued.join().unwrap_err().is_cancelled());
        assert_eq!((dropped.get(), ran.get(), here().blocking_metrics().queued), (1, 0, 0));
        gate.open();
        first.join().unwrap();
        assert_eq!(ran.get(), 0);
    });
}

#[test]
fn a_cancelled_fiber_does_not_begin_a_call() {
    runtime(1).run(|| {
        let ran = Count::new();
        let fiber: JoinHandle<()> = spawn({
            let ran = ran.clone();
            move || {
                loop {
                    blocking(|| ran.add());
                }
            }
        });
        eventually("it called", || ran.get() > 0);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_running_call_is_waited_for() {
    runtime(1).run(|| {
        let (gate, call) = gate();
        let after = Count::new();
        let fiber = spawn({
            let after = after.clone();
            move || {
                let mut lent = [0u8; 100];
                let value = blocking(|| {
                    call();
                    lent.fill(7);
                    lent.len()
                });
                // It returns as if nothing had happened, and the next wait ends.
                assert!(lent == [7; 100] && value == 100);
                after.add();
                fiber::park();
                after.add();
            }
        });
        gate.until_running();
        fiber.cancel();
        fiber.cancel();
        fiber.fiber().unpark();
        (0..100).for_each(|_| fiber::yield_now());
        assert!(!fiber.is_finished() && after.get() == 0, "the call still runs");
        gate.open();
        // The permit is there, so `park` is no wait.
        fiber.join().unwrap();
        assert_eq!(after.get(), 2);
    });
}

#[test]
fn a_time_limit_withdraws_what_has_not_begun() {
    small(1).run(|| {
        let (gate, call) = gate();
        let first = spawn(|| blocking(call));
        gate.until_running();
        let late = fiber::time::timeout(Duration::from_millis(1), || blocking(|| 1));
        assert!(late.is_err());
        gate.open();
        first.join().unwrap();
        // And has no effect on what runs.
        let value = fiber::time::timeout(Duration::from_millis(1), || {
            blocking(|| {
                thread::sleep(Duration::from_millis(5));
                2
            })
        });
        // Unless the thread took it too late.
        assert!(matches!(value, Ok(2) | Err(_)));
    });
}

#[test]
fn the_end_of_the_runtime_waits_for_it() {
    let runtime = runtime(2);
    let (gate, call) = gate();
    let ended = Arc::new(AtomicBool::new(false));
    drop(runtime.spawn({
        let ended = ended.clone();
        move || {
            let frame = [3u8; 256];
            blocking(|| {
                call();
                assert!(frame == [3; 256]);
                ended.store(true, SeqCst);
            });
        }
    }));
    gate.until_running();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(10));
        gate.open();
    });
    runtime.shut_down();
    assert!(ended.load(SeqCst));
}

#[test]
fn a_call_that_outlasts_the_end_is_reported_and_left_in_peace() {
    let runtime = runtime(1);
    let handle = runtime.handle();
    let (gate, call) = gate();
    let kept = Arc::new(AtomicBool::new(false));
    drop(runtime.spawn({
        let kept = kept.clone();
        move || {
            let mut frame = [3u8; 256];
            blocking(|| {
                call();
                frame.fill(4);
            });
            kept.store(frame == [4; 256], SeqCst);
        }
    }));
    gate.until_running();
    let error = runtime.shut_down_within(Duration::from_millis(5)).unwrap_err();
    let states: Vec<_> = error.dump().fibers().iter().map(|fiber| fiber.state()).collect();
    assert_eq!(states, [State::Waiting(Reason::Blocking)]);
    gate.open();
    eventually("the call has ended in a frame that was kept", || kept.load(SeqCst));
    eventually("its fiber has ended", || handle.dump().fibers().is_empty());
}

#[test]
fn queued_calls_do_not_run_at_the_end() {
    let runtime = small(1);
    let (gate, call) = gate();
    drop(runtime.spawn(|| blocking(call)));
    gate.until_running();
    let ran = Count::new();
    for _ in 0..20 {
        let ran = ran.clone();
        let queued = runtime.spawn(move || blocking(|| ran.add()));
        until_waiting(&runtime.handle(), &queued.fiber(), Reason::Blocking);
    }
    let handle = runtime.handle();
    thread::spawn(move || {
        eventually("all are withdrawn", || handle.blocking_metrics().queued == 0);
        gate.open();
    });
    runtime.shut_down();
    assert_eq!(ran.get(), 0);
}

#[test]
fn threads_end_with_the_runtime() {
    struct Local(Option<Count>);
    impl Drop for Local {
        fn drop(&mut self) {
            self.0.as_ref().inspect(|count| count.add());
        }
    }
    thread_local!(static LOCAL: std::cell::RefCell<Local> = const { std::cell::RefCell::new(Local(None)) });
    let destroyed = Count::new();
    let runtime = small(2);
    runtime.run(|| blocking(|| LOCAL.with_borrow_mut(|local| local.0 = Some(destroyed.clone()))));
    let handle = runtime.handle();
    runtime.shut_down();
    assert_eq!((handle.blocking_metrics().threads, destroyed.get()), (0, 1));
}

#[test]
fn a_destructor_may_call_while_its_fiber_unwinds() {
    runtime(1).run(|| {
        let ran = Count::new();
        let fiber = spawn({
            let ran = ran.clone();
            move || {
                let _guard = OnDrop(|| blocking(|| ran.add()));
                fiber::park();
            }
        });
        until_waiting(&here(), &fiber.fiber(), Reason::Park);
        fiber.cancel();
        assert!(fiber.join().unwrap_err().is_cancelled());
        assert_eq!(ran.get(), 1, "nothing is raised in a destructor that runs because of a cancellation");
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _guard = OnDrop(|| blocking(|| ran.add()));
            resume_unwind(Box::new(()));
        }));
        assert!(panic.is_err() && ran.get() == 2);
    });
}

#[test]
fn a_call_spawns_on_its_own_runtime() {
    let _first = runtime(1);
    let second = watched(Builder::new().workers(1).name("second"));
    let name = second.run(|| {
        blocking(|| {
            let fiber = spawn(|| thread::current().name().map(str::to_owned));
            assert_eq!(format!("{:?}", here()), format!("{:?}", second.handle()));
            fiber.join().unwrap()
        })
    });
    assert_eq!(name.as_deref(), Some("second-worker-0"));
}

#[test]
fn a_runtime_is_not_ended_in_a_call_of_its_own() {
    let outer = Arc::new(Mutex::new(Some(Runtime::builder().workers(1).build().unwrap())));
    let fiber = {
        let inner = outer.clone();
        let runtime = outer.lock().unwrap();
        runtime.as_ref().unwrap().spawn(move || {
            let runtime = loop {
                match inner.lock().unwrap().take() {
                    Some(runtime) => break runtime,
                    None => fiber::yield_now(),
                }
            };
            blocking(move || runtime.shutdown(LONG))
        })
    };
    let error = fiber.join().unwrap_err().try_into_panic().unwrap();
    assert!(error.downcast_ref::<&str>().unwrap().contains("on one of its own fibers"));
}

#[test]
fn zero_threads_are_refused() {
    let error = Builder::new().blocking_threads(0).build().unwrap_err();
    assert_eq!(error.to_string(), "the pool for blocking calls needs at least one thread, and 0 were asked for");
}

#[test]
fn calls_within_calls() {
    small(1).run(|| {
        // On a thread of the pool it is a plain call, and needs no second thread.
        assert_eq!(blocking(|| blocking(|| blocking(|| 3))), 3);
    });
}

/// Calls and cancellations at random moments: what is lent is whole whenever the caller sees it.
#[test]
fn lent_frames_survive_cancellations_at_any_moment() {
    let runtime = watched(Builder::new().workers(2).blocking_threads(3));
    let (finished, cancelled) = (Count::new(), Count::new());
    runtime.run(|| {
        let mut random = Random::seeded(7);
        for _ in 0..60 {
            let fibers: Vec<_> = (0..20)
                .map(|_| {
                    let turns = random.below(40);
                    let (finished, cancelled) = (finished.clone(), cancelled.clone());
                    spawn(move || {
                        let mut frame = [0u64; 64];
                        let written = AtomicUsize::new(0);
                        let outcome = catch_unwind(AssertUnwindSafe(|| {
                            blocking(|| {
                                for _ in 0..turns {
                                    frame.iter_mut().for_each(|word| *word += 1);
                                    thread::yield_now();
                                }
                                written.store(1, SeqCst);
                            });
                        }));
                        match outcome {
                            Ok(()) => {
                                assert!(frame == [turns; 64] && written.load(SeqCst) == 1);
                                finished.add();
                            }
                            Err(payload) => {
                                assert!(frame == [0; 64] && written.load(SeqCst) == 0, "it never began");
                                cancelled.add();
                                resume_unwind(payload);
                            }
                        }
                    })
                })
                .collect();
            // Until some run, some wait for a thread, and some have not started.
            fiber::time::sleep(Duration::from_micros(random.below(100)));
            for fiber in &fibers {
                match random.below(3) {
                    0 => fiber.cancel(),
                    1 => fiber::yield_now(),
                    _ => (),
                }
            }
            fibers.into_iter().for_each(|fiber| drop(fiber.join()));
        }
    });
    assert!(finished.get() > 0 && cancelled.get() > 0, "{finished:?} {cancelled:?}");
    assert_eq!(runtime.handle().blocking_metrics().queued, 0);
}

#[test]
fn many_fibers_call_few_threads() {
    let runtime = watched(Builder::new().workers(2).blocking_threads(4));
    let sum = AtomicUsize::new(0);
    runtime.run(|| {
        fiber::scope(|scope| {
            for number in 0..3000 {
                let sum = &sum;
                scope.spawn(move || sum.fetch_add(blocking(|| number), SeqCst));
            }
        });
    });
    assert_eq!(sum.load(SeqCst), 3000 * 2999 / 2);
    assert!(runtime.handle().blocking_metrics().peak <= 4);
}
