//! Fibers and threads, on everything at once, with cancellations and time limits at random: counts are exact in the end.

use crate::common::{Count, OnDrop, Random, eventually, runtime};
use fiber::sync::{Condvar, Mutex, Notify, OnceLock, RwLock, Semaphore};
use fiber::time::{sleep, timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// What all share.
#[derive(Default)]
struct World {
    /// Each written under its lock together with the count beside it.
    mutex: Mutex<u64>,
    lock: RwLock<(u64, u64)>,
    mutex_adds: AtomicU64,
    lock_adds: AtomicU64,
    /// Tokens and the condition that there are some.
    tokens: Mutex<u64>,
    some: Condvar,
    semaphore: OnceLock<Semaphore>,
    turn: Notify,
    stop: AtomicBool,
}

const PERMITS: usize = 3;

impl World {
    fn semaphore(&self) -> &Semaphore {
        self.semaphore.get_or_init(|| {
            fiber::yield_now();
            Semaphore::new(PERMITS)
        })
    }

    /// One thing at random. May be unwound by a cancellation at any wait.
    fn step(&self, random: &mut Random, on_fiber: bool) {
        let limit = Duration::from_micros(random.below(300));
        match random.below(9) {
            0 => {
                let mut count = self.mutex.lock().unwrap();
                let seen = *count;
                pause(random, on_fiber);
                *count = seen + 1;
                self.mutex_adds.fetch_add(1, SeqCst);
            }
            1 => {
                if let Ok(mut count) = self.mutex.lock_timeout(limit) {
                    *count += 1;
                    self.mutex_adds.fetch_add(1, SeqCst);
                }
            }
            2 => {
                let mut pair = self.lock.write().unwrap();
                pair.0 += 1;
                // A cancellation here would leave the two unequal, so there is no wait between.
                pair.1 += 1;
                self.lock_adds.fetch_add(1, SeqCst);
                pause(random, on_fiber);
            }
            3 => {
                let pair = self.lock.read().unwrap();
                let seen = *pair;
                pause(random, on_fiber);
                assert_eq!((seen.0, seen), (seen.1, *pair));
            }
            4 => {
                if let Ok(pair) = self.lock.read_timeout(limit) {
                    assert_eq!(pair.0, pair.1);
                }
                if let Ok(mut pair) = self.lock.write_timeout(limit / 2) {
                    *pair = (pair.0 + 1, pair.1 + 1);
                    self.lock_adds.fetch_add(1, SeqCst);
                }
            }
            5 => {
                let _permit = self.semaphore().acquire_many(1 + random.below(PERMITS as u64) as usize);
                pause(random, on_fiber);
            }
            6 => drop(self.semaphore().acquire_timeout(limit)),
            7 => {
                let tokens = self.tokens.lock().unwrap();
                let mut tokens = self.some.wait_timeout_while(tokens, limit, |tokens| *tokens == 0).unwrap().0;
                if *tokens > 0 {
                    *tokens -= 1;
                    drop(tokens);
                    // It is put back in an unwinding too, and by whoever is cancelled only now.
                    let _back = OnDrop(|| {
                        fiber::shield(|| *self.tokens.lock().unwrap() += 1);
                        self.some.notify_one();
                    });
                    pause(random, on_fiber);
                } else {
                    self.some.notify_all();
                }
            }
            _ => {
                if self.turn.notified_timeout(limit) {
                    self.turn.notify_one();
                }
            }
        }
    }
}

fn pause(random: &mut Random, on_fiber: bool) {
    match random.below(8) {
        0..3 => fiber::yield_now(),
        3 if on_fiber => sleep(Duration::from_micros(random.below(50))),
        4 => std::thread::yield_now(),
        _ => (),
    }
}

#[test]
fn nothing_is_lost_whoever_gives_up() {
    let (one, two) = (runtime(1), runtime(2));
    let world = Arc::new(World::default());
    *world.tokens.lock().unwrap() = 2;
    world.turn.notify_one();
    let steps = Count::new();
    let work = |seed: u64, on_fiber: bool, times: usize| {
        let (world, steps) = (world.clone(), steps.clone());
        move || {
            let mut random = Random::seeded(seed);
            for _ in 0..times {
                if world.stop.load(SeqCst) {
                    break;
                }
                if on_fiber && random.below(4) == 0 {
                    let limit = Duration::from_micros(random.below(200));
                    let _ = timeout(limit, || world.step(&mut random, true));
                } else {
                    world.step(&mut random, on_fiber);
                }
                steps.add();
            }
        }
    };
    let fibers: Vec<_> = (0..40).map(|n| if n % 2 == 0 { &one } else { &two }.spawn(work(n, true, 150))).collect();
    let threads: Vec<_> = (0..3).map(|n| std::thread::spawn(work(100 + n, false, 300))).collect();
    // Some are cancelled when everything is under way.
    eventually("it is under way", || steps.get() > 100);
    let mut cancelled = 0;
    for (n, fiber) in fibers.into_iter().enumerate() {
        if n % 5 == 0 {
            fiber.cancel();
        }
        match fiber.join() {
            Ok(()) => (),
            Err(error) => {
                assert!(error.is_cancelled(), "{error:?}");
                cancelled += 1;
            }
        }
    }
    assert!(cancelled <= 8);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let adds = [&world.mutex_adds, &world.lock_adds].map(|adds| adds.load(SeqCst));
    assert_eq!(*world.lock.try_read().unwrap(), (adds[1], adds[1]));
    assert_eq!(world.semaphore().available_permits(), PERMITS);
    assert!(world.turn.notified_timeout(Duration::ZERO), "the turn is nobody's");
    assert_eq!(*world.tokens.try_lock().unwrap(), 2);
    // One that was interrupted between reading and writing has not counted.
    assert_eq!(*world.mutex.try_lock().unwrap(), adds[0]);
}
