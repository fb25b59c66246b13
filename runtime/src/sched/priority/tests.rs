//! Order and bounds, on one worker, counted in resumptions. Time passes when a test says so.

use super::{HIGH, IDLE, LOW, MOST_CONTINUATIONS, NORMAL};
use crate::fiber::identity::{Custom, Identity};
use crate::runtime::{self, Runtime};
use crate::sched::worker::Worker;
use crate::sched::{Current, clock};
use crate::sync::{Mutex, RwLock};
use crate::{Builder, JoinHandle, Numa, Priority};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const PRIORITIES: [Priority; 4] = [Priority::Idle, Priority::Low, Priority::Normal, Priority::High];
const MOST_URGENT_FIRST: [Priority; 4] = [Priority::High, Priority::Normal, Priority::Low, Priority::Idle];

fn runtime() -> Runtime {
    runtime::Builder::new().workers(1).held_limit(None).timeslice(Duration::from_secs(3600)).build().unwrap()
}

fn allowance(priority: Priority) -> Duration {
    match priority {
        Priority::High => HIGH,
        Priority::Normal => NORMAL,
        Priority::Low => LOW,
        Priority::Idle => IDLE,
    }
}

/// Writes down who comes when.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Priority>>>);

impl Log {
    fn add(&self, priority: Priority) {
        self.0.lock().unwrap().push(priority);
    }

    fn has(&self, count: usize) -> bool {
        self.0.lock().unwrap().len() >= count
    }

    fn take(&self) -> Vec<Priority> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The clock of the worker's turn.
fn turn_clock() -> u64 {
    Worker::current().unwrap().now.get()
}

/// Yields until the worker has read its clock again. What is due later than the caller does not run.
fn next_turn() {
    let before = turn_clock();
    while turn_clock() == before {
        crate::yield_now();
    }
}

fn wait_for(log: &Log, count: usize) {
    while !log.has(count) {
        crate::yield_now();
    }
}

#[test]
fn fresh_fibers_start_by_priority() {
    runtime().run(|| {
        let log = Log::default();
        let adder = |priority| {
            let log = log.clone();
            move || log.add(priority)
        };
        for numa in [Numa::Any, Numa::Local] {
            for priority in PRIORITIES {
                Builder::new().priority(priority).numa(numa).spawn(adder(priority));
            }
            wait_for(&log, 4);
            assert_eq!(log.take(), MOST_URGENT_FIRST, "{numa}");
        }
        for priority in PRIORITIES {
            Builder::new().priority(priority).spawn_local(adder(priority));
        }
        wait_for(&log, 4);
        assert_eq!(log.take(), MOST_URGENT_FIRST, "local");
    });
}

#[test]
fn fresh_fibers_of_threads_start_by_priority() {
    let runtime = runtime();
    let scheduler = runtime.run(|| Worker::current().unwrap().scheduler().clone());
    runtime.run(|| {
        let log = Log::default();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for priority in PRIORITIES {
                    let log = log.clone();
                    let custom = Some(Box::new(Custom { priority: Some(priority), ..Custom::default() }));
                    drop(scheduler.spawn(move || log.add(priority), Identity { custom, ..Identity::default() }, None));
                }
            });
            // Until all are spawned, which holds the worker.
        });
        wait_for(&log, 4);
        assert_eq!(log.take()[0], Priority::High);
    });
}

#[test]
fn ready_fibers_go_on_by_priority() {
    runtime().run(|| {
        let log = Log::default();
        let parked = PRIORITIES.map(|priority| {
            let log = log.clone();
            Builder::new().priority(priority).spawn(move || {
                log.add(priority);
                crate::park();
                log.add(priority);
            })
        });
        wait_for(&log, 4);
        next_turn();
        log.take();
        parked.iter().for_each(|fiber| fiber.fiber().unpark());
        wait_for(&log, 4);
        assert_eq!(log.take(), MOST_URGENT_FIRST);
        parked.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

/// Fibers that are ready all the time.
struct Flood {
    stop: Arc<AtomicBool>,
    fibers: Vec<crate::LocalJoinHandle<()>>,
    resumed: Rc<Cell<u64>>,
}

impl Flood {
    fn of(priority: Priority, count: usize) -> Flood {
        let (stop, resumed) = (Arc::new(AtomicBool::new(false)), Rc::new(Cell::new(0)));
        let spawn = |_| {
            let (stop, resumed) = (stop.clone(), resumed.clone());
            Builder::new().priority(priority).spawn_local(move || {
                while !stop.load(SeqCst) {
                    resumed.set(resumed.get() + 1);
                    crate::yield_now();
                }
            })
        };
        let fibers = (0..count).map(spawn).collect();
        Flood { stop, fibers, resumed }
    }

    fn end(self) {
        self.stop.store(true, SeqCst);
        self.fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
    }
}

/// Twice what is resumed in a turn, ready and fresh.
const TURNS: u64 = 2 * (256 + 64);

#[test]
fn a_flood_of_urgent_fibers_does_not_starve_ready_ones() {
    runtime().run(|| {
        let flood = Flood::of(Priority::High, 5);
        for priority in [Priority::Normal, Priority::Low, Priority::Idle] {
            let resumed = flood.resumed.clone();
            let fiber = Builder::new().priority(priority).spawn_local(move || {
                for _ in 0..3 {
                    clock::skip(allowance(priority));
                    let before = resumed.get();
                    crate::yield_now();
                    // It is due once the worker has read the clock, at the end of its turn; then each of the flood may go once more.
                    let waited = resumed.get() - before;
                    assert!(waited <= TURNS + 5, "{priority}: {waited}");
                }
            });
            clock::skip(allowance(priority));
            fiber.join().unwrap();
        }
        flood.end();
    });
}

#[test]
fn a_flood_of_urgent_fibers_does_not_starve_fresh_ones() {
    runtime().run(|| {
        let flood = Flood::of(Priority::High, 5);
        for priority in [Priority::Normal, Priority::Low, Priority::Idle] {
            for local in [false, true] {
                let log = Log::default();
                for _ in 0..100 {
                    let log = log.clone();
                    let builder = Builder::new().priority(priority);
                    if local {
                        builder.spawn_local(move || log.add(priority));
                    } else {
                        builder.spawn(move || log.add(priority));
                    }
                }
                let before = flood.resumed.get();
                let mut turns = 0;
                while !log.has(100) {
                    // The caller is normal itself, and due after its allowance.
                    clock::skip(allowance(priority).max(NORMAL));
                    crate::yield_now();
                    turns += 1;
                    assert!(turns < 20, "{priority}, local: {local}");
                }
                let waited = flood.resumed.get() - before;
                assert!(waited <= turns * (TURNS + 5), "{priority}, local: {local}: {waited} in {turns}");
            }
        }
        flood.end();
    });
}

#[test]
fn a_flood_of_fresh_urgent_fibers_does_not_starve_others() {
    fn breed(stop: Arc<AtomicBool>) {
        if !stop.load(SeqCst) {
            Builder::new().priority(Priority::High).spawn(move || breed(stop));
        }
    }
    runtime().run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        (0..10).for_each(|_| breed(stop.clone()));
        let log = Log::default();
        for priority in [Priority::Normal, Priority::Low, Priority::Idle] {
            let log = log.clone();
            Builder::new().priority(priority).spawn(move || log.add(priority));
        }
        for turn in 0.. {
            if log.has(3) {
                break;
            }
            clock::skip(IDLE);
            crate::yield_now();
            assert!(turn < 20, "{:?}", log.take());
        }
        stop.store(true, SeqCst);
    });
}

/// In which order a low fiber that became ready and a high one that did so `later` go on; and whether the low one was overdue then,
/// which it may come to be on a busy machine.
fn low_and_later_high(later: Duration) -> (Vec<Priority>, bool) {
    let log = Log::default();
    let [low, high] = [Priority::Low, Priority::High].map(|priority| {
        let log = log.clone();
        Builder::new().priority(priority).spawn(move || {
            log.add(priority);
            crate::park();
            log.add(priority);
        })
    });
    wait_for(&log, 2);
    next_turn();
    log.take();
    low.fiber().unpark();
    let since = turn_clock();
    clock::skip(later);
    next_turn();
    let is_overdue = turn_clock() - since >= clock::nanoseconds(LOW);
    high.fiber().unpark();
    wait_for(&log, 2);
    (log.take(), is_overdue)
}

#[test]
fn who_is_overdue_goes_before_what_is_more_urgent_and_newer() {
    runtime().run(|| {
        let (order, is_overdue) = low_and_later_high(LOW);
        assert!(is_overdue);
        assert_eq!(order, [Priority::Low, Priority::High]);
        let (order, is_overdue) = low_and_later_high(LOW / 10);
        assert_eq!(order[0], if is_overdue { Priority::Low } else { Priority::High });
    });
}

#[test]
fn should_yield_knows_of_what_is_more_urgent() {
    runtime().run(|| {
        assert!(!crate::should_yield());
        Builder::new().priority(Priority::Low).spawn(|| ());
        assert!(!crate::should_yield(), "that can wait");
        let urgent = Builder::new().priority(Priority::High).spawn(|| ());
        assert!(crate::should_yield());
        crate::yield_now();
        assert!(urgent.is_finished() && !crate::should_yield());
        let woken = Builder::new().priority(Priority::High).spawn(crate::park);
        crate::yield_now();
        assert!(!crate::should_yield());
        woken.fiber().unpark();
        assert!(crate::should_yield());
        woken.join().unwrap();
    });
}

#[test]
fn a_fiber_whose_slice_is_used_up_keeps_its_place_a_few_times() {
    runtime().run(|| {
        // Two of a kind, and one more so that there is a choice to make.
        let patient = Builder::new().priority(Priority::Idle).spawn(|| ());
        let log = Log::default();
        let slices = |priority: Priority, count: u32| {
            let log = log.clone();
            Builder::new().priority(priority).spawn_local(move || {
                crate::yield_now();
                for _ in 0..count {
                    log.add(priority);
                    Current::get().unwrap().yield_used_up();
                }
            })
        };
        let (one, other) = (slices(Priority::Low, MOST_CONTINUATIONS + 2), slices(Priority::High, 1));
        let mut third = Some(slices(Priority::Low, 1));
        while !log.has(MOST_CONTINUATIONS as usize + 4) {
            crate::park_timeout(Duration::from_micros(100));
        }
        let order = log.take();
        assert_eq!(order[0], Priority::High);
        for fiber in [one, other].into_iter().chain(third.take()) {
            fiber.join().unwrap();
        }
        patient.join().unwrap();
    });
}

#[test]
fn the_owner_of_a_lock_has_the_priority_of_who_waits() {
    for writes in [false, true] {
        runtime().run(|| {
            for priority in [Priority::Normal, Priority::Low, Priority::Idle] {
                let (mutex, rw_lock) = (Arc::new(Mutex::new(())), Arc::new(RwLock::new(())));
                let hold = {
                    let (mutex, rw_lock) = (mutex.clone(), rw_lock.clone());
                    move || {
                        if writes {
                            let _guard = rw_lock.write().unwrap();
                            crate::yield_now();
                            crate::yield_now();
                        } else {
                            let _guard = mutex.lock().unwrap();
                            crate::yield_now();
                            crate::yield_now();
                        }
                        // Its own again, once the other has the lock.
                        crate::yield_now();
                        Current::get().unwrap().slot.priority()
                    }
                };
                let is_held = {
                    let (mutex, rw_lock) = (mutex.clone(), rw_lock.clone());
                    move || mutex.try_lock().is_err() || rw_lock.try_read().is_err()
                };
                let owner = Builder::new().priority(priority).spawn_local(hold);
                while !is_held() {
                    crate::yield_now();
                }
                // From here on the owner is ready, and has no chance for its allowance.
                let flood = Flood::of(Priority::Normal, 5);
                let resumed = flood.resumed.clone();
                let urgent = Builder::new().priority(Priority::High).spawn_local(move || {
                    let before = resumed.get();
                    if writes {
                        drop(rw_lock.read().unwrap());
                    } else {
                        drop(mutex.lock().unwrap());
                    }
                    resumed.get() - before
                });
                assert_eq!(urgent.join().unwrap(), 0, "{priority}, writes: {writes}");
                flood.end();
                assert_eq!(owner.join().unwrap(), priority);
            }
        });
    }
}

#[test]
fn a_priority_is_lent_to_another_worker() {
    let runtime = runtime::Builder::new().workers(2).build().unwrap();
    runtime.run(|| {
        let worker = Worker::current().unwrap();
        let handle = runtime::Handle::try_current().unwrap();
        let (mutex, is_held) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let hold = {
            let (mutex, is_held) = (mutex.clone(), is_held.clone());
            move || {
                let guard = mutex.lock().unwrap();
                is_held.store(true, SeqCst);
                crate::park();
                drop(guard);
                crate::park();
            }
        };
        let custom = Some(Box::new(Custom { priority: Some(Priority::Low), ..Custom::default() }));
        let identity = Identity { custom, ..Identity::default() };
        let owner = JoinHandle::new(worker.spawn_on(1 - worker.index(), hold, identity));
        while !is_held.load(SeqCst) {
            crate::yield_now();
        }
        let has = |priority: Priority| {
            let dump = handle.dump();
            let owner = dump.fibers().iter().find(|fiber| fiber.id() == owner.fiber().id()).unwrap();
            owner.priority() == priority
        };
        assert!(has(Priority::Low));
        let urgent = Builder::new().priority(Priority::High).spawn_local(move || drop(mutex.lock().unwrap()));
        while !has(Priority::High) {
            crate::yield_now();
        }
        owner.fiber().unpark();
        urgent.join().unwrap();
        while !has(Priority::Low) {
            crate::yield_now();
        }
        owner.fiber().unpark();
        owner.join().unwrap();
    });
}
