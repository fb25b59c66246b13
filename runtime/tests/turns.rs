#![cfg(not(loom))]
//! How long a fiber that can go on waits beside every kind of flood: counted in resumptions of others, against the bound that the guide
//! states ("How fibers are scheduled"). What is counted is the work of one worker, so the counts do not depend on how fast it is.

mod common;

use common::{Count, eventually, here, runtime};
use fiber::net::{TcpListener, TcpStream};
use fiber::time::sleep;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Ready fibers that are resumed in a turn at least, if there are so many; it is 256 while turns are short.
const READY: u64 = 16;
const MOST_READY: u64 = 256;
/// Fresh fibers that are started in a turn at most, one of an injector's among them.
const FRESH: u64 = 65;
/// Operations that a fiber completes without a wait before it yields.
const OPERATIONS: u64 = 128;
/// Every so many fresh fibers the oldest is started.
const OLDEST: u64 = 64;
/// Every so many turns a fiber of the injector is started.
const INJECTOR: u64 = 61;

/// How many resumptions a ready fiber waits at most beside so many others of its worker.
fn bound(others: u64) -> u64 {
    others + (others / READY + 1) * FRESH
}

/// What the busy ones share: they count their resumptions, and end when told.
#[derive(Clone, Default)]
struct Flood(Arc<(AtomicU64, AtomicBool)>);

impl Flood {
    fn count(&self) {
        self.0.0.fetch_add(1, Relaxed);
    }

    fn counted(&self) -> u64 {
        self.0.0.load(Relaxed)
    }

    fn goes_on(&self) -> bool {
        !self.0.1.load(Relaxed)
    }

    fn stop(&self) {
        self.0.1.store(true, Relaxed);
    }

    /// Yields while the flood counts up to so many; the most that was counted between a yield and its return.
    fn longest_wait(&self, amount: u64) -> u64 {
        let begin = self.counted();
        // Until all of it has begun.
        eventually("the flood is under way", || self.counted() > begin + amount / 10);
        let (begin, mut longest) = (self.counted(), 0);
        while self.counted() < begin + amount {
            let before = self.counted();
            fiber::yield_now();
            longest = longest.max(self.counted() - before);
        }
        longest
    }
}

/// Runs on one worker and ends the flood, whatever becomes of it.
fn on_one_worker(body: impl FnOnce(&Flood) + Send) {
    struct Stop(Flood);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    runtime(1).run(|| {
        // Before the runtime ends: those who only yield would not.
        let flood = Stop(Flood::default());
        body(&flood.0);
    });
}

#[test]
fn beside_fibers_that_yield() {
    on_one_worker(|flood| {
        for _ in 0..200 {
            let flood = flood.clone();
            fiber::spawn(move || {
                while flood.goes_on() {
                    flood.count();
                    fiber::yield_now();
                }
            });
        }
        let longest = flood.longest_wait(20_000);
        assert!(longest <= bound(200), "{longest}");
    });
}

#[test]
fn beside_a_flood_of_wakes_from_threads() {
    on_one_worker(|flood| {
        let parked: Vec<_> = (0..200)
            .map(|_| {
                let flood = flood.clone();
                fiber::spawn(move || {
                    while flood.goes_on() {
                        flood.count();
                        fiber::park();
                    }
                })
            })
            .collect();
        let names: Vec<_> = parked.iter().map(|fiber| fiber.fiber()).collect();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (flood, names) = (flood.clone(), names.clone());
                std::thread::spawn(move || {
                    while flood.goes_on() {
                        names.iter().for_each(fiber::Fiber::unpark);
                    }
                })
            })
            .collect();
        let longest = flood.longest_wait(10_000);
        flood.stop();
        assert!(longest <= bound(200), "{longest}");
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        names.iter().for_each(fiber::Fiber::unpark);
        parked.into_iter().for_each(|fiber| fiber.join().unwrap());
    });
}

#[test]
fn beside_a_flood_of_operations() {
    const PAIRS: u64 = 4;
    on_one_worker(|flood| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for _ in 0..PAIRS {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            let flood = flood.clone();
            fiber::spawn(move || {
                // There is always something to read.
                while flood.goes_on() {
                    client.write_all(&[1]).unwrap();
                    flood.count();
                    server.read_exact(&mut [0]).unwrap();
                    flood.count();
                }
            });
        }
        let longest = flood.longest_wait(20 * PAIRS * OPERATIONS);
        // The one with which a fiber uses up its share yields before it is counted.
        assert!(longest <= PAIRS * (OPERATIONS + 1) + bound(PAIRS), "{longest}");
    });
}

/// Spawns its successor, while it goes on.
fn breed(flood: Flood, local: bool) {
    if flood.goes_on() {
        flood.count();
        let next = flood.clone();
        if local {
            fiber::spawn_local(move || breed(next, local));
        } else {
            fiber::spawn(move || breed(next, local));
        }
    }
}

#[test]
fn beside_a_flood_of_spawns() {
    for local in [false, true] {
        on_one_worker(|flood| {
            (0..200).for_each(|_| breed(flood.clone(), local));
            let longest = flood.longest_wait(20_000);
            assert!(longest <= bound(0), "{longest}, local: {local}");
        });
    }
}

#[test]
fn beside_a_flood_of_spawns_from_a_thread() {
    on_one_worker(|flood| {
        let (handle, spawner) = (here(), flood.clone());
        let thread = std::thread::spawn(move || {
            while spawner.goes_on() {
                let counted = || {
                    let flood = spawner.clone();
                    move || flood.count()
                };
                let fibers: Vec<_> = (0..100).map(|_| handle.spawn(counted())).collect();
                fibers.into_iter().for_each(|fiber| fiber.join().unwrap());
            }
        });
        let longest = flood.longest_wait(20);
        flood.stop();
        assert!(longest <= bound(0), "{longest}");
        // The injector is looked at once in a while.
        while !thread.is_finished() {
            fiber::yield_now();
        }
        thread.join().unwrap();
    });
}

#[test]
fn beside_a_flood_of_timers() {
    on_one_worker(|flood| {
        for _ in 0..300 {
            let flood = flood.clone();
            fiber::spawn(move || {
                while flood.goes_on() {
                    flood.count();
                    sleep(Duration::from_nanos(1));
                }
            });
        }
        let longest = flood.longest_wait(10_000);
        assert!(longest <= bound(300), "{longest}");
    });
}

#[test]
fn what_is_due_is_seen_in_the_next_turn() {
    runtime(1).run(|| {
        let woken = Count::new();
        let deadline = Instant::now() + Duration::from_millis(2);
        let sleeper = fiber::spawn({
            let woken = woken.clone();
            move || {
                fiber::time::sleep_until(deadline);
                woken.add();
            }
        });
        while Instant::now() < deadline {
            fiber::yield_now();
        }
        let mut yields = 0;
        while woken.get() == 0 {
            fiber::yield_now();
            yields += 1;
        }
        // A turn that had read the clock before, and one that reads it after.
        assert!(yields <= 2 * (MOST_READY + FRESH), "{yields}");
        sleeper.join().unwrap();
    });
}

#[test]
fn the_oldest_fresh_fiber_has_its_turn() {
    on_one_worker(|flood| {
        let before = Arc::new(AtomicU64::new(u64::MAX));
        fiber::spawn({
            let (flood, before) = (flood.clone(), before.clone());
            move || before.store(flood.counted(), SeqCst)
        });
        // All of them younger, and taken first.
        (0..100).for_each(|_| breed(flood.clone(), false));
        eventually("the oldest has started", || before.load(SeqCst) != u64::MAX);
        let before = before.load(SeqCst);
        // The first hundred counted themselves when they were spawned.
        assert!(before <= 100 + OLDEST, "{before} others were started before it");
    });
}

#[test]
fn spawns_from_threads_have_their_turn() {
    on_one_worker(|_| {
        let (spawned, ran) = (Count::new(), Count::new());
        let thread = std::thread::spawn({
            let (handle, spawned, ran) = (here(), spawned.clone(), ran.clone());
            move || {
                handle.spawn(move || ran.add());
                spawned.add();
            }
        });
        let mut yields = 0;
        while ran.get() == 0 {
            fiber::yield_now();
            yields += spawned.get() as u64;
        }
        assert!(yields <= INJECTOR * MOST_READY, "{yields}");
        thread.join().unwrap();
    });
}
