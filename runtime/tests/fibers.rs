#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Fibers through the public interface: spawning, joining, parking, and staying on their thread.

mod common;

use common::{Count, LONG, OnDrop, Random, eventually, runtime, watched};
use fiber::runtime::Builder;
use fiber::time::{Elapsed, sleep, timeout};
use fiber::{Fiber, JoinHandle};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

#[test]
fn spawn_and_join() {
    let runtime = runtime(2);
    let sum: u64 = runtime.run(|| {
        let children: Vec<_> = (0..1000u64).map(|n| fiber::spawn(move || n)).collect();
        children.into_iter().map(|child| child.join().unwrap()).sum()
    });
    assert_eq!(sum, 499_500);
}

#[test]
fn yielding_interleaves() {
    runtime(1).run(|| {
        let turns = Arc::new(std::sync::Mutex::new(Vec::new()));
        let started = Arc::new(AtomicUsize::new(0));
        let children: Vec<_> = (0..3)
            .map(|_| {
                let (turns, started) = (turns.clone(), started.clone());
                fiber::spawn_local(move || {
                    started.fetch_add(1, SeqCst);
                    while started.load(SeqCst) < 3 {
                        fiber::yield_now();
                    }
                    for round in 0..3 {
                        turns.lock().unwrap().push(round);
                        fiber::yield_now();
                    }
                })
            })
            .collect();
        children.into_iter().for_each(|child| child.join().unwrap());
        let turns = turns.lock().unwrap();
        assert!(turns.is_sorted(), "{turns:?}");
        assert_eq!(turns.len(), 9);
    });
}

#[test]
fn a_panic_reaches_the_joiner() {
    runtime(1).run(|| {
        let error = fiber::spawn(|| panic!("with {}", "text")).join().unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.to_string(), "the fiber panicked: with text");
    });
}

#[test]
#[should_panic(expected = "from the first fiber")]
fn a_panic_reaches_the_runner() {
    runtime(1).run(|| panic!("from the first fiber"));
}

#[test]
fn sleeping_takes_at_least_as_long() {
    runtime(2).run(|| {
        let begin = Instant::now();
        sleep(Duration::from_micros(300));
        assert!(begin.elapsed() >= Duration::from_micros(300));
    });
}

#[test]
fn timeouts_nest_and_unwind() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    runtime(1).run(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let outcome = timeout(Duration::from_millis(1), || {
            let _count = Count(dropped.clone());
            timeout(Duration::from_secs(60), || {
                let _count = Count(dropped.clone());
                fiber::park();
            })
        });
        assert_eq!(outcome, Err(Elapsed));
        assert_eq!(dropped.load(SeqCst), 2);
        assert_eq!(
            timeout(Duration::from_secs(60), || timeout(Duration::from_millis(1), fiber::park)),
            Ok(Err(Elapsed))
        );
        // The fiber is as good as new.
        sleep(Duration::from_millis(1));
    });
}

#[test]
fn threads_and_fibers_unpark_each_other() {
    let runtime = runtime(2);
    runtime.run(|| {
        let this = fiber::current();
        let thread = std::thread::spawn(move || this.unpark());
        fiber::park();
        thread.join().unwrap();
    });
}

#[test]
fn a_scope_waits_for_its_children() {
    runtime(2).run(|| {
        let count = AtomicUsize::new(0);
        fiber::scope(|s| {
            for _ in 0..100 {
                s.spawn(|| {
                    fiber::yield_now();
                    count.fetch_add(1, SeqCst);
                });
            }
        });
        assert_eq!(count.load(SeqCst), 100);
    });
}

#[test]
fn shutdown_cancels_what_waits() {
    let runtime = runtime(2);
    let parked: Vec<_> = (0..100).map(|_| runtime.spawn(fiber::park)).collect();
    runtime.shut_down();
    for parked in parked {
        assert!(parked.join().unwrap_err().is_cancelled());
    }
}

/// AddressSanitizer takes some 80 KiB for each stack that was used.
const MANY: u64 = if cfg!(feature = "sanitizer") { 10_000 } else { 100_000 };

#[test]
fn a_hundred_thousand_live_fibers() {
    let runtime = watched(Builder::new().workers(2).stack_size(64 * 1024));
    runtime.run(|| {
        let children: Vec<_> = (0..MANY).map(|n| fiber::spawn(move || (fiber::park(), n).1)).collect();
        let handle = fiber::runtime::Handle::try_current().unwrap();
        while (handle.dump().fibers().len() as u64) <= MANY {
            sleep(Duration::from_millis(5));
        }
        children.iter().for_each(|child| child.fiber().unpark());
        let sum: u64 = children.into_iter().map(|child| child.join().unwrap()).sum();
        assert_eq!(sum, MANY * (MANY - 1) / 2);
    });
}

#[test]
fn threads_spawn_and_join() {
    let runtime = runtime(2);
    let threads: Vec<_> = (0..4u64)
        .map(|thread| {
            let handle = runtime.handle();
            std::thread::spawn(move || {
                let fibers: Vec<_> = (0..500).map(|n| handle.spawn(move || thread * 1000 + n)).collect();
                fibers.into_iter().map(|fiber| fiber.join().unwrap()).sum::<u64>()
            })
        })
        .collect();
    let sum: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(sum, 500 * 6000 + 4 * 499 * 250);
}

#[test]
fn a_handle_travels_between_threads_and_fibers() {
    let runtime = runtime(2);
    let fiber = runtime.spawn(|| {
        sleep(Duration::from_millis(2));
        vec![1, 2, 3]
    });
    let thread = std::thread::spawn(move || fiber.join().unwrap());
    assert_eq!(thread.join().unwrap(), [1, 2, 3]);
    let fiber = runtime.spawn(|| sleep(Duration::from_millis(2)));
    runtime.run(move || runtime_join(fiber));
}

fn runtime_join(fiber: JoinHandle<()>) {
    fiber::spawn(move || fiber.join().unwrap()).join().unwrap();
}

#[test]
fn a_chain_of_joins() {
    runtime(2).run(|| {
        fn chain(length: u32) -> u32 {
            if length == 0 { 0 } else { fiber::spawn(move || chain(length - 1)).join().unwrap() + 1 }
        }
        assert_eq!(chain(2000), 2000);
    });
}

/// The "skynet" tree: ten children each, down to a hundred thousand leaves.
#[test]
fn a_tree_of_a_hundred_thousand() {
    fn skynet(number: u64, size: u64) -> u64 {
        if size == 1 {
            return number;
        }
        let part = size / 10;
        let children: Vec<_> = (0..10).map(|n| fiber::spawn(move || skynet(number + n * part, part))).collect();
        children.into_iter().map(|child| child.join().unwrap()).sum()
    }
    assert_eq!(runtime(2).run(|| skynet(0, MANY)), MANY * (MANY - 1) / 2);
}

#[test]
fn results_are_dropped_by_whoever_has_them() {
    runtime(2).run(|| {
        for round in 0..300 {
            let dropped = Count::new();
            let guard = dropped.on_drop();
            let fiber = fiber::spawn(move || guard);
            match round % 4 {
                // Before the end, or about then.
                0 => drop(fiber),
                1 => {
                    fiber::yield_now();
                    drop(fiber);
                }
                2 => {
                    eventually("it has ended", || fiber.is_finished());
                    assert_eq!(dropped.get(), 0, "the handle still has it");
                    drop(fiber);
                    assert_eq!(dropped.get(), 1);
                }
                _ => {
                    let guard = fiber.join().unwrap();
                    assert_eq!(dropped.get(), 0);
                    drop(guard);
                }
            }
            eventually("it is dropped", || dropped.get() == 1);
        }
    });
}

/// A value that must be dropped on the thread it was made on.
struct Stays(ThreadId, Rc<Cell<usize>>);

impl Stays {
    fn here(dropped: &Rc<Cell<usize>>) -> Stays {
        Stays(std::thread::current().id(), dropped.clone())
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        assert_eq!(std::thread::current().id(), self.0);
        self.1.set(self.1.get() + 1);
    }
}

#[test]
fn what_is_not_send_stays_on_its_thread() {
    let runtime = runtime(3);
    // Others are about, which would steal if they could.
    let busy: Vec<_> = (0..3).map(|_| runtime.spawn(|| (0..2000).for_each(|_| fiber::yield_now()))).collect();
    runtime.run(|| {
        let dropped = Rc::new(Cell::new(0));
        for round in 0..300 {
            let captured = Stays::here(&dropped);
            let thread = std::thread::current().id();
            let fiber = fiber::spawn_local({
                let dropped = dropped.clone();
                move || {
                    assert_eq!(std::thread::current().id(), thread);
                    fiber::yield_now();
                    assert_eq!(std::thread::current().id(), thread);
                    drop(captured);
                    Stays::here(&dropped)
                }
            });
            match round % 4 {
                0 => drop(fiber),
                1 => {
                    while !fiber.is_finished() {
                        fiber::yield_now();
                    }
                    drop(fiber);
                }
                2 => {
                    fiber.cancel();
                    let _ = fiber.join();
                }
                _ => drop(fiber.join().unwrap()),
            }
        }
        let expected = |round: i32| if round % 4 == 2 { 1 } else { 2 };
        let all: usize = (0..300).map(expected).sum();
        while dropped.get() < all {
            fiber::yield_now();
        }
        assert_eq!(dropped.get(), all);
    });
    busy.into_iter().for_each(|fiber| fiber.join().unwrap());
}

thread_local! {
    static ON_THIS_THREAD: Cell<u64> = const { Cell::new(0) };
}

/// Looks at its thread before and after every kind of suspension.
#[test]
fn a_started_fiber_never_changes_its_thread() {
    let runtime = runtime(3);
    let walk = |seed: u64| {
        move || {
            let mut random = Random::seeded(seed);
            let thread = std::thread::current().id();
            let address = ON_THIS_THREAD.with(|cell| std::ptr::from_ref(cell).addr());
            let on_the_stack = Rc::new(RefCell::new(0));
            for round in 0..100 {
                let shared = on_the_stack.clone();
                let mut borrowed = shared.borrow_mut();
                match random.below(8) {
                    0 => fiber::yield_now(),
                    1 => sleep(Duration::from_micros(random.below(100))),
                    2 => drop(timeout(Duration::from_micros(random.below(50)), fiber::park)),
                    3 => fiber::spawn(|| ()).join().unwrap(),
                    4 => fiber::spawn_local(|| ()).join().unwrap(),
                    5 => fiber::scope(|s| drop(s.spawn(fiber::yield_now))),
                    6 => fiber::park_timeout(Duration::from_micros(random.below(50))),
                    _ => {
                        let this = fiber::current();
                        fiber::spawn(move || this.unpark());
                        fiber::park();
                    }
                }
                *borrowed += 1;
                assert_eq!(*borrowed, round + 1);
                assert_eq!(std::thread::current().id(), thread);
                assert_eq!(ON_THIS_THREAD.with(|cell| std::ptr::from_ref(cell).addr()), address);
            }
            thread
        }
    };
    let fibers: Vec<_> = (0..60).map(|seed| runtime.spawn(walk(seed))).collect();
    let threads: HashSet<_> = fibers.into_iter().map(|fiber| fiber.join().unwrap()).collect();
    assert!(!threads.contains(&std::thread::current().id()));
}

/// A fiber holds its worker until what it has spawned has run: somebody else must have taken it.
#[test]
fn idle_workers_steal() {
    for workers in [2, 3] {
        runtime(workers).run(|| {
            for _ in 0..20 {
                let done = Count::new();
                let here = std::thread::current().id();
                for _ in 0..50 {
                    let done = done.clone();
                    fiber::spawn(move || {
                        assert_ne!(std::thread::current().id(), here);
                        done.add();
                    });
                }
                let begin = Instant::now();
                while done.get() < 50 {
                    assert!(begin.elapsed() < Duration::from_secs(60), "nobody steals: {} of 50", done.get());
                    std::thread::yield_now();
                }
            }
        });
    }
}

#[test]
fn a_permit_is_one_and_is_kept() {
    runtime(1).run(|| {
        let this = fiber::current();
        this.unpark();
        this.unpark();
        fiber::park();
        assert_eq!(timeout(Duration::from_micros(200), fiber::park), Err(Elapsed), "two are one");
        // Given before the fiber has started.
        let fiber = fiber::spawn(fiber::park);
        fiber.fiber().unpark();
        fiber.join().unwrap();
        // Given after it has ended.
        let fiber = fiber::spawn(|| ());
        let name = fiber.fiber();
        fiber.join().unwrap();
        name.unpark();
    });
}

#[test]
fn park_returns_with_a_permit_only() {
    runtime(2).run(|| {
        let (permits, taken) = (Arc::new(AtomicUsize::new(0)), Count::new());
        let fiber = fiber::spawn({
            let (permits, taken) = (permits.clone(), taken.clone());
            move || {
                for n in 1..=300 {
                    fiber::park();
                    assert!(permits.load(SeqCst) >= n, "woken without a permit");
                    taken.add();
                }
            }
        });
        for n in 1..=300 {
            permits.store(n, SeqCst);
            fiber.fiber().unpark();
            // A permit that is given while there is one would be none.
            eventually("it has taken the permit", || taken.get() == n);
        }
        fiber.join().unwrap();
    });
}

#[test]
fn no_unpark_of_a_thread_is_lost() {
    let runtime = runtime(2);
    for round in 0..2000 {
        let flag = Arc::new(AtomicBool::new(false));
        let fiber = runtime.spawn({
            let flag = flag.clone();
            move || {
                while !flag.load(SeqCst) {
                    fiber::park();
                }
            }
        });
        for _ in 0..round % 150 {
            std::hint::spin_loop();
        }
        flag.store(true, SeqCst);
        fiber.fiber().unpark();
        fiber.join().unwrap();
    }
}

#[test]
fn two_fibers_unpark_each_other() {
    for workers in [1, 2] {
        runtime(workers).run(|| {
            let ball = Arc::new(AtomicUsize::new(0));
            let players: Arc<Mutex<Vec<Fiber>>> = Arc::default();
            let play = |own: usize| {
                let (ball, players) = (ball.clone(), players.clone());
                move || {
                    fiber::park();
                    let other = players.lock().unwrap()[1 - own].clone();
                    for _ in 0..2000 {
                        while ball.load(SeqCst) % 2 != own {
                            fiber::park();
                        }
                        ball.fetch_add(1, SeqCst);
                        other.unpark();
                    }
                }
            };
            let fibers: Vec<_> = (0..2).map(|own| fiber::spawn(play(own))).collect();
            players.lock().unwrap().extend(fibers.iter().map(JoinHandle::fiber));
            players.lock().unwrap().iter().for_each(Fiber::unpark);
            fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
            assert_eq!(ball.load(SeqCst), 4000);
        });
    }
}

/// Thousands are woken at once, by threads and fibers, again and again.
#[test]
fn a_storm_of_wakes() {
    let runtime = runtime(2);
    let rounds = 20;
    let woken = Count::new();
    let fibers: Vec<_> = (0..2000)
        .map(|_| {
            let woken = woken.clone();
            runtime.spawn(move || {
                for _ in 0..rounds {
                    fiber::park();
                    woken.add();
                }
            })
        })
        .collect();
    let names: Arc<[Fiber]> = fibers.iter().map(JoinHandle::fiber).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let storm = |seed: u64| {
        let (names, stop) = (names.clone(), stop.clone());
        move || {
            let mut random = Random::seeded(seed);
            while !stop.load(SeqCst) {
                let from = random.below(names.len() as u64) as usize;
                names[from..].iter().chain(&names[..from]).for_each(Fiber::unpark);
                fiber::yield_now();
            }
        }
    };
    let threads: Vec<_> = (0..2).map(|seed| std::thread::spawn(storm(seed))).collect();
    let stormy = runtime.spawn(storm(9));
    fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    stop.store(true, SeqCst);
    stormy.join().unwrap();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(woken.get(), 2000 * rounds);
}

#[test]
fn every_fiber_has_a_number_and_perhaps_a_name() {
    let (one, two) = (runtime(1), runtime(1));
    let numbers = |runtime: &common::TestRuntime| {
        runtime.run(|| (0..100).map(|_| fiber::spawn(|| fiber::current().id()).join().unwrap()).collect::<Vec<_>>())
    };
    let all: HashSet<_> = numbers(&one).into_iter().chain(numbers(&two)).collect();
    assert_eq!(all.len(), 200);
    one.run(|| {
        let named = fiber::Builder::new().name("parser").spawn(fiber::current);
        let id = named.fiber().id();
        let this = named.join().unwrap();
        assert_eq!((this.id(), this.name()), (id, Some("parser")));
        assert!(this.task().is_none());
        assert_eq!(this.to_string(), format!("fiber {id} 'parser'"));
        assert!(fiber::spawn(fiber::current).join().unwrap().name().is_none());
    });
    assert!(fiber::try_current().is_none());
}

#[test]
fn large_closures_and_results_travel_whole() {
    runtime(2).run(|| {
        // Unoptimized code copies it a dozen times on its way.
        let input = [7u8; 4000];
        let output = fiber::Builder::new().stack_size(1 << 20).spawn(move || input.map(|n| n + 1)).join().unwrap();
        assert!(output.iter().all(|&n| n == 8));
        let aligned = fiber::spawn(|| {
            #[repr(align(64))]
            struct Aligned(u8);
            let here = Aligned(1);
            (std::ptr::from_ref(&here).addr() % 64, Box::new(here))
        });
        let (offset, value) = aligned.join().map(|(offset, value)| (offset, value.0)).unwrap();
        assert_eq!((offset, value), (0, 1));
    });
}

#[test]
fn floating_point_state_survives_a_switch() {
    runtime(1).run(|| {
        let fibers: Vec<_> = (0..10)
            .map(|n| {
                fiber::spawn(move || {
                    let mut sum = f64::from(n);
                    for _ in 0..100 {
                        let before = sum * 1.5;
                        fiber::yield_now();
                        sum = before / 1.5;
                    }
                    (sum - f64::from(n)).abs() < 1e-9
                })
            })
            .collect();
        assert!(fibers.into_iter().all(|fiber| fiber.join().unwrap()));
    });
}

#[test]
fn a_fiber_uses_its_stack_to_the_depth_it_asked_for() {
    #[inline(never)]
    fn deep(bytes: usize) -> usize {
        let frame = std::hint::black_box([1u8; 1024]);
        if bytes < frame.len() { 0 } else { deep(bytes - frame.len()) + usize::from(frame[bytes % 1024]) }
    }
    runtime(1).run(|| {
        for size in [64 << 10, 256 << 10, 8 << 20] {
            // A frame of the dev profile is twice what it holds and more.
            let reached = fiber::Builder::new().stack_size(size).spawn(move || deep(size / 5)).join().unwrap();
            assert_eq!(reached, size / 5 / 1024);
        }
    });
}

#[test]
fn waves_of_fibers_reuse_their_stacks() {
    runtime(2).run(|| {
        for wave in 0..10 {
            let fibers: Vec<_> = (0..2000).map(|n| fiber::spawn(move || (fiber::yield_now(), n + wave).1)).collect();
            assert!(fibers.into_iter().enumerate().all(|(n, fiber)| fiber.join().unwrap() == n + wave));
        }
    });
}

#[test]
fn a_detached_fiber_runs_to_its_end() {
    runtime(2).run(|| {
        let count = Count::new();
        for _ in 0..100 {
            let count = count.clone();
            drop(fiber::spawn(move || {
                let _last = OnDrop(|| count.add());
                sleep(Duration::from_micros(100));
            }));
        }
        eventually("all have ended", || count.get() == 100);
        assert_eq!(timeout(LONG, || 1), Ok(1));
    });
}
