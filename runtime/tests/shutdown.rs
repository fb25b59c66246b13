#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! The end of a runtime: everything pending is cancelled, awaited and dropped, wherever it was.

mod common;

use common::{Count, LONG, OnDrop, eventually, runtime, until_waiting, watched};
use fiber::net::{TcpListener, TcpStream};
use fiber::runtime::{Builder, Handle, Reason, State};
use fiber::sync::Mutex;
use fiber::sync::mpsc::{channel, sync_channel};
use fiber::time::sleep;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Everything that a fiber can wait for, many times, with a value on each stack.
fn populate(dropped: &Count) -> usize {
    let before = dropped.get();
    assert_eq!(before, 0);
    let mutex = Arc::new(Mutex::new(()));
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let mut fibers = 0;
    let mut spawn = |body: Box<dyn FnOnce() + Send>| {
        let guard = dropped.on_drop();
        fiber::spawn(move || {
            let _guard = guard;
            body();
        });
        fibers += 1;
    };
    for n in 0..20u64 {
        let (mutex, listener) = (mutex.clone(), listener.clone());
        spawn(Box::new(fiber::park));
        spawn(Box::new(move || sleep(LONG + Duration::from_secs(n))));
        spawn(Box::new(move || {
            let _guard = mutex.lock().unwrap();
            fiber::park();
        }));
        spawn(Box::new(|| drop(fiber::spawn(fiber::park).join())));
        spawn(Box::new(|| {
            fiber::scope(|s| {
                s.spawn(fiber::park);
                s.spawn(|| sleep(LONG));
            })
        }));
        spawn(Box::new(|| {
            let (sender, receiver) = channel::<()>();
            fiber::spawn(move || {
                fiber::park();
                drop(sender);
            });
            drop(receiver.recv());
        }));
        spawn(Box::new(|| {
            let (sender, receiver) = sync_channel(0);
            fiber::spawn(move || {
                let _receiver = receiver;
                fiber::park();
            });
            drop(sender.send(()));
        }));
        spawn(Box::new(move || while listener.accept().is_ok() {}));
        spawn(Box::new(move || {
            if let Ok(mut stream) = TcpStream::connect(address) {
                while stream.read(&mut [0; 100]).is_ok_and(|n| n > 0) {}
            }
        }));
        spawn(Box::new(|| drop(fiber::time::timeout(LONG, || fiber::time::timeout(LONG, fiber::park)))));
        spawn(Box::new(|| {
            loop {
                fiber::yield_now();
                fiber::park_timeout(Duration::from_micros(50));
            }
        }));
    }
    fibers
}

#[test]
fn everything_that_waits_ends() {
    for workers in [1, 2, 3] {
        let runtime = runtime(workers);
        let dropped = Count::new();
        let fibers = runtime.run(|| {
            let fibers = populate(&dropped);
            // Some of them wait by now.
            sleep(Duration::from_millis(5));
            fibers
        });
        runtime.shut_down();
        assert_eq!(dropped.get(), fibers);
    }
}

#[test]
fn everything_ends_at_whatever_moment() {
    for micros in 0..30 {
        let runtime = runtime(2);
        let dropped = Count::new();
        let fibers = runtime.run(|| {
            let fibers = populate(&dropped);
            if micros > 0 {
                sleep(Duration::from_micros(micros * 20));
            }
            fibers
        });
        runtime.shut_down();
        assert_eq!(dropped.get(), fibers);
    }
}

#[test]
fn dropping_a_runtime_is_a_shutdown() {
    let dropped = Count::new();
    let runtime = runtime(2);
    let fibers = runtime.run(|| populate(&dropped));
    drop(runtime);
    assert_eq!(dropped.get(), fibers);
}

#[test]
fn what_has_not_started_does_not_run() {
    let runtime = runtime(1);
    let (ran, dropped) = (Count::new(), Count::new());
    let (started, go) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    // Holds the only worker.
    let holder = runtime.spawn({
        let (started, go) = (started.clone(), go.clone());
        move || {
            started.store(true, SeqCst);
            while !go.load(SeqCst) {
                std::hint::spin_loop();
            }
        }
    });
    eventually("the worker is held", || started.load(SeqCst));
    let queued: Vec<_> = (0..5000)
        .map(|_| {
            let (ran, guard) = (ran.clone(), dropped.on_drop());
            runtime.spawn(move || {
                let _guard = guard;
                ran.add();
            })
        })
        .collect();
    let end = std::thread::spawn({
        let handle = runtime.handle();
        move || {
            runtime.shut_down();
            handle
        }
    });
    // The shutdown has begun when a new fiber is refused or cancelled; there is no other sign of it.
    std::thread::sleep(Duration::from_millis(5));
    go.store(true, SeqCst);
    let handle = end.join().unwrap();
    holder.join().unwrap();
    let cancelled = queued.into_iter().filter(|_| true).map(fiber::JoinHandle::join).filter(Result::is_err).count();
    assert_eq!(ran.get() + cancelled, 5000);
    assert_eq!(dropped.get(), 5000);
    // After the end.
    let guard = dropped.on_drop();
    assert!(handle.spawn(move || drop(guard)).join().unwrap_err().is_cancelled());
    assert_eq!(dropped.get(), 5001);
}

#[test]
fn local_fibers_that_have_not_started_are_dropped_on_their_worker() {
    let runtime = runtime(1);
    let dropped = Count::new();
    runtime.run(|| {
        let worker = std::thread::current().id();
        for _ in 0..1000 {
            let dropped = dropped.clone();
            let local = OnDrop(move || {
                assert_eq!(std::thread::current().id(), worker);
                dropped.add();
            });
            drop(fiber::spawn_local(move || {
                let _local = local;
                fiber::park();
            }));
        }
    });
    runtime.shut_down();
    assert_eq!(dropped.get(), 1000);
}

#[test]
fn fibers_spawned_on_the_way_out_are_cancelled_too() {
    let runtime = runtime(2);
    let (spawned, ran) = (Count::new(), Count::new());
    runtime.run(|| {
        for _ in 0..50 {
            let (spawned, ran) = (spawned.clone(), ran.clone());
            fiber::spawn(move || {
                let _last_words = OnDrop(|| {
                    let ran = ran.clone();
                    let child = fiber::spawn(move || {
                        fiber::park();
                        ran.add();
                    });
                    assert!(child.join().unwrap_err().is_cancelled());
                    spawned.add();
                });
                fiber::park();
            });
        }
        sleep(Duration::from_millis(3));
    });
    runtime.shut_down();
    // Those that had started had their last words.
    assert!(spawned.get() <= 50);
    assert_eq!(ran.get(), 0);
}

#[test]
fn threads_that_spawn_meanwhile_get_their_fibers_back() {
    for _ in 0..20 {
        let runtime = runtime(2);
        let stop = Arc::new(AtomicBool::new(false));
        let (dropped, spawned) = (Count::new(), Arc::new(AtomicU64::new(0)));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (handle, stop, dropped, spawned) =
                    (runtime.handle(), stop.clone(), dropped.clone(), spawned.clone());
                std::thread::spawn(move || {
                    while !stop.load(SeqCst) {
                        let guard = dropped.on_drop();
                        spawned.fetch_add(1, SeqCst);
                        let fiber = handle.spawn(move || {
                            let _guard = guard;
                            fiber::yield_now();
                        });
                        match fiber.join() {
                            Ok(()) => (),
                            Err(error) => assert!(error.is_cancelled()),
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(2));
        runtime.shut_down();
        std::thread::sleep(Duration::from_millis(1));
        stop.store(true, SeqCst);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(dropped.get() as u64, spawned.load(SeqCst));
    }
}

#[test]
fn a_fiber_of_another_runtime_may_shut_it_down() {
    let outer = runtime(1);
    let inner = runtime(2);
    let dropped = Count::new();
    let (others, fibers) = outer.run({
        let dropped = dropped.clone();
        move || {
            let fibers = inner.run(|| populate(&dropped));
            let others = Count::new();
            let ticking = fiber::spawn_local({
                let others = others.clone();
                move || {
                    loop {
                        sleep(Duration::from_micros(50));
                        others.add();
                    }
                }
            });
            inner.shut_down();
            ticking.cancel();
            (others.get(), fibers)
        }
    });
    assert_eq!(dropped.get(), fibers);
    // The outer worker was not held.
    let _ = others;
}

#[test]
fn a_shutdown_on_its_own_fiber_is_a_clear_panic() {
    for drops in [true, false] {
        let runtime = Builder::new().workers(1).build().unwrap();
        let handle = runtime.handle();
        let fiber = handle.spawn(move || {
            if drops {
                drop(runtime);
            } else {
                runtime.shutdown(LONG).unwrap();
            }
        });
        let error = fiber.join().unwrap_err();
        assert!(error.to_string().contains("on one of its own fibers, which would wait for itself"), "{error}");
        // It is shut down all the same.
        eventually("it takes no more", || handle.spawn(|| ()).join().is_err());
    }
}

#[test]
fn running_on_its_own_fiber_is_a_clear_panic() {
    let runtime = runtime(1);
    let error = runtime.run(|| catch_unwind(AssertUnwindSafe(|| runtime.run(|| ()))).unwrap_err());
    let text =
        error.downcast_ref::<&str>().copied().map(str::to_owned).or(error.downcast_ref::<String>().cloned()).unwrap();
    assert!(text.contains("fiber::spawn(..).join()"), "{text}");
}

#[test]
fn a_fiber_that_does_not_end_is_reported() {
    // On a busy machine 20 ms may not be enough for the one that could end. Then it gets more.
    for limit in [20, 200, 2000, 20_000].map(Duration::from_millis) {
        if reports_a_fiber_that_does_not_end(limit) {
            return;
        }
    }
    panic!("the other fiber did not end in time, either");
}

/// Whether it was the only one.
fn reports_a_fiber_that_does_not_end(limit: Duration) -> bool {
    let runtime = watched(Builder::new().workers(2).name("stubborn"));
    let release = Arc::new(AtomicBool::new(false));
    let dropped = Count::new();
    let stuck = fiber_that_spins(&runtime.handle(), release.clone(), dropped.on_drop());
    let parked = runtime.spawn(fiber::park);
    let error = runtime.shut_down_within(limit).unwrap_err();
    assert!(error.to_string().contains(" did not end in time"), "{error}");
    if !error.to_string().contains("1 fiber did") || error.dump().fibers().len() > 1 {
        release.store(true, SeqCst);
        return false;
    }
    let [seen] = error.dump().fibers() else { panic!("{}", error.dump()) };
    assert_eq!((seen.name(), seen.state()), (Some("spinner"), State::Running));
    assert!(error.dump().to_string().contains("'stubborn'"));
    assert!(parked.join().unwrap_err().is_cancelled(), "the others have ended");
    // What is left behind goes on, and ends when it can.
    assert_eq!(dropped.get(), 0);
    release.store(true, SeqCst);
    assert!(stuck.join().unwrap_err().is_cancelled());
    assert_eq!(dropped.get(), 1);
    true
}

fn fiber_that_spins(runtime: &Handle, release: Arc<AtomicBool>, guard: impl Send + 'static) -> fiber::JoinHandle<()> {
    let started = Arc::new(AtomicBool::new(false));
    let spinner = runtime.spawn({
        let started = started.clone();
        move || {
            fiber::Builder::new().name("spinner").spawn(move || {
                let _guard = guard;
                started.store(true, SeqCst);
                while !release.load(SeqCst) {
                    std::hint::spin_loop();
                }
                fiber::park();
            })
        }
    });
    let spinner = spinner.join().unwrap();
    eventually("it spins", || started.load(SeqCst));
    spinner
}

#[test]
fn a_fiber_that_catches_its_cancellation_is_awaited() {
    let runtime = runtime(1);
    let caught = Arc::new(AtomicU64::new(0));
    let stubborn = runtime.spawn({
        let caught = caught.clone();
        move || {
            for _ in 0..1000 {
                if catch_unwind(fiber::park).is_err() {
                    caught.fetch_add(1, SeqCst);
                }
                fiber::yield_now();
            }
            "in the end"
        }
    });
    until_waiting(&runtime.handle(), &stubborn.fiber(), Reason::Park);
    runtime.shut_down();
    assert_eq!(stubborn.join().unwrap(), "in the end");
    assert_eq!(caught.load(SeqCst), 1000);
}

#[test]
fn destructors_do_as_they_like_while_the_runtime_ends() {
    let runtime = runtime(2);
    let done = Count::new();
    let fibers: Vec<_> = (0..50)
        .map(|n| {
            let done = done.clone();
            runtime.spawn(move || {
                let mutex = Mutex::new(());
                let _cleanup = OnDrop(|| {
                    sleep(Duration::from_micros(n * 10));
                    fiber::yield_now();
                    drop(mutex.lock().unwrap());
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
                    done.add();
                });
                fiber::park();
            })
        })
        .collect();
    fibers.iter().for_each(|fiber| until_waiting(&runtime.handle(), &fiber.fiber(), Reason::Park));
    runtime.shut_down();
    assert_eq!(done.get(), 50);
}

#[test]
fn results_outlive_their_runtime() {
    let runtime = runtime(2);
    let fibers: Vec<_> = (0..100).map(|n| runtime.spawn(move || vec![n; 10])).collect();
    fibers.iter().for_each(|fiber| eventually("it has ended", || fiber.is_finished()));
    let (fiber, late) = (fibers[0].fiber(), runtime.handle());
    runtime.shut_down();
    for (n, fiber) in fibers.into_iter().enumerate() {
        assert_eq!(fiber.join().unwrap(), vec![n; 10]);
    }
    // Nothing that comes late does harm, even when others live in what is left.
    let next = common::runtime(2);
    fiber.unpark();
    fiber.cancel();
    assert!(late.dump().fibers().is_empty());
    assert_eq!(next.run(|| fiber::spawn(|| 4).join().unwrap()), 4);
}

#[test]
fn late_wakes_of_a_runtime_that_is_gone_harm_nobody() {
    for _ in 0..30 {
        let first = runtime(2);
        let fibers: Vec<_> = (0..20).map(|_| first.spawn(fiber::park)).collect();
        let names: Vec<_> = fibers.iter().map(|parked| parked.fiber()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let waker = std::thread::spawn({
            let (names, stop) = (names.clone(), stop.clone());
            move || {
                while !stop.load(SeqCst) {
                    names.iter().for_each(|name| {
                        name.unpark();
                        name.cancel();
                    });
                }
            }
        });
        first.shut_down();
        let second = runtime(2);
        second.run(|| {
            let children: Vec<_> =
                (0..50).map(|n| fiber::spawn(move || fiber::park_timeout(Duration::from_micros(n)))).collect();
            children.into_iter().for_each(|child| child.join().unwrap());
        });
        stop.store(true, SeqCst);
        waker.join().unwrap();
    }
}

thread_local! {
    static ON_THE_WORKER: std::cell::RefCell<Vec<OnDrop<Box<dyn FnMut()>>>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[test]
fn destructors_of_thread_locals_run_when_workers_end() {
    let dropped = Count::new();
    let runtime = runtime(2);
    let fibers: Vec<_> = (0..20)
        .map(|_| {
            let dropped = dropped.clone();
            runtime.spawn(move || {
                let last = OnDrop(Box::new(move || {
                    // Off any fiber by now: what needs none works.
                    assert!(fiber::try_current().is_none());
                    fiber::yield_now();
                    drop(Mutex::new(1).lock());
                    dropped.add();
                }) as Box<dyn FnMut()>);
                ON_THE_WORKER.with_borrow_mut(|all| all.push(last));
                fiber::park();
            })
        })
        .collect();
    fibers.iter().for_each(|fiber| until_waiting(&runtime.handle(), &fiber.fiber(), Reason::Park));
    assert_eq!(dropped.get(), 0);
    runtime.shut_down();
    assert_eq!(dropped.get(), 20);
}

#[test]
fn hundreds_of_runtimes_come_and_go() {
    for n in 0..200 {
        let runtime = runtime(1 + n % 3);
        assert_eq!(runtime.run(|| fiber::spawn(move || n).join().unwrap()), n);
        if n % 2 == 0 {
            runtime.spawn(fiber::park);
        }
    }
}
