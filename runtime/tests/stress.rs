#![cfg(not(loom))]
#![allow(
    dropping_copy_types,
    clippy::type_complexity,
    reason = "tests drop results of every kind, and spell types out"
)]
//! Everything at once, at random, with many seeds; what must be conserved is counted.

mod common;

use common::{Count, OnDrop, Random, runtime, watched};
use fiber::runtime::Builder;
use fiber::sync::Mutex;
use fiber::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use fiber::time::{sleep, timeout};
use fiber::{Fiber, JoinHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// What the fibers of one run share, and what must come out even in the end.
struct World {
    counters: Vec<Mutex<u64>>,
    /// Increments that were begun under a lock; each was also made.
    increments: AtomicU64,
    inside: Vec<AtomicBool>,
    sender: SyncSender<CountedMessage>,
    rendezvous: SyncSender<CountedMessage>,
    made: Count,
    dropped: Count,
    fibers: std::sync::Mutex<Vec<Fiber>>,
    spawned: Count,
    ended: Count,
}

/// A message that counts when it is made and when it is dropped.
struct CountedMessage {
    _dropped: common::CountDrop,
}

impl World {
    fn message(&self) -> CountedMessage {
        self.made.add();
        CountedMessage { _dropped: self.dropped.on_drop() }
    }
}

fn spawn(world: &Arc<World>, seed: u64, depth: u32) -> JoinHandle<u64> {
    world.spawned.add();
    let child = world.clone();
    let ended = Ended(world.clone());
    let handle = fiber::spawn(move || {
        let _ended = ended;
        live(&child, seed, depth)
    });
    let mut fibers = world.fibers.lock().unwrap();
    if fibers.len() < 64 {
        fibers.push(handle.fiber());
    } else {
        let place = seed as usize % 64;
        fibers[place] = handle.fiber();
    }
    handle
}

/// Counts a fiber out, however it ended, or if it never ran.
struct Ended(Arc<World>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended.add();
    }
}

/// One fiber's life. It may be cancelled or reach a limit anywhere.
fn live(world: &Arc<World>, seed: u64, depth: u32) -> u64 {
    let mut random = Random::seeded(seed);
    for _ in 0..12 {
        step(world, &mut random, depth);
    }
    seed
}

fn step(world: &Arc<World>, random: &mut Random, depth: u32) {
    let micros = |random: &mut Random| Duration::from_micros(random.below(60));
    match random.below(16) {
        0 => fiber::yield_now(),
        1 => sleep(micros(random)),
        2 => fiber::park_timeout(micros(random)),
        3 | 4 => increment(world, random),
        5 => {
            let message = world.message();
            let _ = world.sender.send(message);
        }
        6 => {
            let message = world.message();
            let _ = world.sender.try_send(message);
        }
        7 => drop(timeout(micros(random), || {
            let message = world.message();
            let _ = world.rendezvous.send(message);
        })),
        8 if depth > 0 => {
            let seed = random.next();
            let child = spawn(world, seed, depth - 1);
            match child.join() {
                Ok(value) => assert_eq!(value, seed),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        9 if depth > 0 => drop(spawn(world, random.next(), depth - 1)),
        10 if depth > 0 => {
            let child = spawn(world, random.next(), depth - 1);
            (0..random.below(3)).for_each(|_| fiber::yield_now());
            child.cancel();
            if random.below(2) == 0 {
                let _ = child.join();
            }
        }
        11 => {
            let fibers = world.fibers.lock().unwrap();
            if let Some(fiber) = fibers.get(random.below(64) as usize) {
                fiber.unpark();
            }
        }
        12 => {
            // A limit around any of these.
            let limit = micros(random);
            let _ = timeout(limit, || step(world, random, depth));
        }
        13 => {
            let _cleanup = OnDrop(|| {
                let _inside = world.counters[0].lock();
                fiber::yield_now();
            });
            sleep(micros(random));
        }
        14 => {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _slow = OnDrop(fiber::yield_now);
                std::panic::resume_unwind(Box::new(7u8));
            }));
            assert_eq!(caught.map(|()| unreachable!()).unwrap_err().downcast_ref(), Some(&7u8));
        }
        _ => {
            let local = std::rc::Rc::new(random.next());
            let child = fiber::spawn_local({
                let local = local.clone();
                move || {
                    fiber::yield_now();
                    *local
                }
            });
            if let Ok(value) = child.join() {
                assert_eq!(value, *local);
            }
        }
    }
}

fn increment(world: &World, random: &mut Random) {
    let place = random.below(world.counters.len() as u64) as usize;
    // A panic that was let through an unwinding poisons; the count holds all the same.
    let mut counter = world.counters[place].lock().unwrap_or_else(|error| error.into_inner());
    assert!(!world.inside[place].swap(true, SeqCst), "two at once");
    world.increments.fetch_add(1, SeqCst);
    *counter += 1;
    // Left on every way out.
    let _left = OnDrop(|| world.inside[place].store(false, SeqCst));
    match random.below(4) {
        0 => fiber::yield_now(),
        1 => sleep(Duration::from_micros(random.below(20))),
        _ => (),
    }
}

fn receive(receiver: Receiver<CountedMessage>, seed: u64) -> impl FnOnce() {
    move || {
        let mut random = Random::seeded(seed);
        loop {
            match random.below(4) {
                0 => {
                    if receiver.recv_timeout(Duration::from_micros(random.below(50))) == Err(END) {
                        break;
                    }
                }
                1 => {
                    if receiver.try_recv().is_err_and(|error| error == TryRecvError::Disconnected) {
                        break;
                    }
                    fiber::yield_now();
                }
                2 => drop(timeout(Duration::from_micros(random.below(50)), || receiver.recv().is_ok())),
                _ => {
                    if receiver.recv().is_err() {
                        break;
                    }
                }
            }
        }
    }
}

const END: fiber::sync::mpsc::RecvTimeoutError = fiber::sync::mpsc::RecvTimeoutError::Disconnected;

impl PartialEq for CountedMessage {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

fn run(workers: usize, seed: u64) {
    let runtime = runtime(workers);
    let mut random = Random::seeded(seed);
    let (sender, receiver) = sync_channel(1 + random.below(4) as usize);
    let (rendezvous, meets) = sync_channel(0);
    let world = Arc::new(World {
        counters: (0..3).map(|_| Mutex::new(0)).collect(),
        increments: AtomicU64::new(0),
        inside: (0..3).map(|_| AtomicBool::new(false)).collect(),
        sender,
        rendezvous,
        made: Count::new(),
        dropped: Count::new(),
        fibers: std::sync::Mutex::default(),
        spawned: Count::new(),
        ended: Count::new(),
    });
    let (made, dropped) = (world.made.clone(), world.dropped.clone());
    let (spawned, ended) = (world.spawned.clone(), world.ended.clone());
    let receivers = [runtime.spawn(receive(receiver, seed)), runtime.spawn(receive(meets, seed + 1))];
    let shut_down_early = random.below(3) == 0;
    // A thread that meddles.
    let stop = Arc::new(AtomicBool::new(false));
    let meddler = std::thread::spawn({
        let (world, stop, mut random) = (world.clone(), stop.clone(), Random::seeded(seed + 2));
        move || {
            while !stop.load(SeqCst) {
                let fiber = world.fibers.lock().unwrap().get(random.below(64) as usize).cloned();
                if let Some(fiber) = fiber {
                    fiber.unpark();
                    if random.below(8) == 0 {
                        fiber.cancel();
                    }
                }
                if random.below(4) == 0 {
                    increment_on_a_thread(&world);
                }
                std::thread::yield_now();
            }
        }
    });
    let body = {
        let world = world.clone();
        runtime.spawn(move || {
            let children: Vec<_> = (0..20).map(|n| spawn(&world, seed * 1000 + n, 3)).collect();
            children.into_iter().map(JoinHandle::join).filter(Result::is_ok).count()
        })
    };
    if shut_down_early {
        std::thread::sleep(Duration::from_micros(random.below(1500)));
        runtime.shut_down();
        let _ = body.join();
    } else {
        body.join().unwrap();
        // Detached ones are left.
        common::eventually("all have ended", || spawned.get() == ended.get());
    }
    stop.store(true, SeqCst);
    meddler.join().unwrap();
    assert_eq!(spawned.get(), ended.get(), "seed {seed}");
    let counted: u64 =
        world.counters.iter().map(|counter| *counter.lock().unwrap_or_else(|error| error.into_inner())).sum();
    assert_eq!(counted, world.increments.load(SeqCst), "seed {seed}");
    drop(world);
    for receiver in receivers {
        match receiver.join() {
            Ok(()) => assert!(!shut_down_early || made.get() >= dropped.get()),
            Err(error) => assert!(shut_down_early && error.is_cancelled(), "seed {seed}: {error}"),
        }
    }
    assert_eq!(made.get(), dropped.get(), "seed {seed}: every message was dropped once");
}

fn increment_on_a_thread(world: &World) {
    let mut counter = world.counters[0].lock().unwrap_or_else(|error| error.into_inner());
    assert!(!world.inside[0].swap(true, SeqCst), "two at once");
    world.increments.fetch_add(1, SeqCst);
    *counter += 1;
    world.inside[0].store(false, SeqCst);
}

#[test]
fn a_random_life_on_one_worker() {
    (0..60).for_each(|seed| run(1, seed));
}

#[test]
fn a_random_life_on_two_workers() {
    (0..60).for_each(|seed| run(2, 1000 + seed));
}

#[test]
fn a_random_life_on_three_workers() {
    (0..40).for_each(|seed| run(3, 2000 + seed));
}

/// Joins, cancellations and drops of handles meet ends at every distance.
#[test]
fn every_end_meets_every_handle() {
    let runtime = runtime(2);
    let dropped = Count::new();
    runtime.run(|| {
        let mut random = Random::seeded(5);
        for _ in 0..3000 {
            let (guard, yields) = (dropped.on_drop(), random.below(4));
            let fiber = fiber::spawn(move || {
                (0..yields).for_each(|_| fiber::yield_now());
                guard
            });
            (0..random.below(4)).for_each(|_| fiber::yield_now());
            match random.below(5) {
                0 => drop(fiber),
                1 => drop(fiber.join()),
                2 => {
                    fiber.cancel();
                    drop(fiber.join());
                }
                3 => {
                    let _ = timeout(Duration::from_micros(random.below(5)), || fiber.join());
                }
                _ => {
                    let thread = random.below(2) == 0;
                    if thread && random.below(20) == 0 {
                        drop(std::thread::spawn(move || fiber.join()));
                    } else {
                        drop(fiber::spawn(move || fiber.join()));
                    }
                }
            }
        }
    });
    common::eventually("all are dropped", || dropped.get() == 3000);
}

/// Fibers pass a token round a ring by permits, while threads give permits that mean nothing.
#[test]
fn a_token_goes_round() {
    let runtime = runtime(3);
    let ring: Arc<std::sync::Mutex<Vec<Fiber>>> = Arc::default();
    let token = Arc::new(AtomicU64::new(0));
    const MEMBERS: u64 = 10;
    const ROUNDS: u64 = 200;
    let members: Vec<_> = (0..MEMBERS)
        .map(|own| {
            let (ring, token) = (ring.clone(), token.clone());
            runtime.spawn(move || {
                fiber::park();
                let next = ring.lock().unwrap()[((own + 1) % MEMBERS) as usize].clone();
                for round in 0..ROUNDS {
                    while token.load(SeqCst) != round * MEMBERS + own {
                        fiber::park();
                    }
                    token.fetch_add(1, SeqCst);
                    next.unpark();
                }
            })
        })
        .collect();
    ring.lock().unwrap().extend(members.iter().map(JoinHandle::fiber));
    let stop = Arc::new(AtomicBool::new(false));
    let noise = std::thread::spawn({
        let (ring, stop, mut random) = (ring.lock().unwrap().clone(), stop.clone(), Random::seeded(1));
        move || {
            while !stop.load(SeqCst) {
                ring[random.below(MEMBERS) as usize].unpark();
                std::thread::yield_now();
            }
        }
    });
    ring.lock().unwrap().iter().for_each(Fiber::unpark);
    members.into_iter().for_each(|member| member.join().unwrap());
    stop.store(true, SeqCst);
    noise.join().unwrap();
    assert_eq!(token.load(SeqCst), MEMBERS * ROUNDS);
}

/// Spawns from threads while workers fall asleep and wake: no spawn and no wake is overlooked.
#[test]
fn sleeping_workers_overlook_nothing() {
    let runtime = runtime(3);
    let (sender, receiver) = channel();
    let mut random = Random::seeded(8);
    for n in 0..3000u64 {
        let sender = sender.clone();
        match n % 3 {
            0 => drop(runtime.spawn(move || sender.send(n))),
            1 => drop(runtime.spawn(move || fiber::spawn(move || sender.send(n)))),
            _ => {
                let parked = runtime.spawn(move || {
                    fiber::park();
                    sender.send(n)
                });
                parked.fiber().unpark();
            }
        }
        // Long enough, now and then, for a worker to sleep.
        (0..random.below(2000)).for_each(|_| std::hint::spin_loop());
        assert_eq!(receiver.recv(), Ok(n));
    }
}

#[test]
fn small_stacks_are_enough_for_all_of_this() {
    let runtime = watched(Builder::new().workers(2).stack_size(64 << 10));
    runtime.run(|| {
        let fibers: Vec<_> = (0..500u64)
            .map(|n| {
                fiber::spawn(move || {
                    let _ = timeout(Duration::from_micros(n), || fiber::scope(|s| drop(s.spawn(fiber::park))));
                    let mutex = Mutex::new(n);
                    *mutex.lock().unwrap()
                })
            })
            .collect();
        assert!(fibers.into_iter().enumerate().all(|(n, fiber)| fiber.join().unwrap() == n as u64));
    });
}
