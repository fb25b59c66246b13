#![cfg(not(loom))]
//! 64 threads and 10,000 fibers on the same locks and channels, for a while; all counts are exact in the end.
//!
//! Short by default. `FIBER_SOAK_SECONDS=300 cargo test --release -p fiber --test soak` goes on for so long.

mod common;

use common::Random;
use fiber::runtime::{Builder, Handle};
use fiber::select;
use fiber::sync::{Condvar, Mutex, Notify, RwLock, Semaphore, broadcast, mpmc, mpsc, oneshot, watch};
use fiber::time::after;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const THREADS: u64 = 64;
const FIBERS: u64 = 10_000;
const PERMITS: usize = 50;

/// What one has done.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Tally {
    locked: u64,
    written: u64,
    put: u64,
    taken: u64,
    sent: u64,
    sent_sum: u64,
    received: u64,
    received_sum: u64,
    posted: u64,
    changed: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.locked += other.locked;
        self.written += other.written;
        self.put += other.put;
        self.taken += other.taken;
        self.sent += other.sent;
        self.sent_sum += other.sent_sum;
        self.received += other.received;
        self.received_sum += other.received_sum;
        self.posted += other.posted;
        self.changed += other.changed;
    }

    fn send(&mut self, message: u64) {
        self.sent += 1;
        self.sent_sum += message;
    }

    fn receive(&mut self, message: u64) {
        self.received += 1;
        self.received_sum += message;
    }
}

type Ends = (mpmc::Sender<u64>, mpmc::Receiver<u64>);

/// What all of them use.
struct World {
    mutex: Mutex<u64>,
    lock: RwLock<(u64, u64)>,
    semaphore: Arc<Semaphore>,
    inside: AtomicUsize,
    tokens: (Mutex<u64>, Condvar),
    notify: Notify,
    channels: [Ends; 3],
    /// All of it comes to one collector.
    posts: mpsc::SyncSender<u64>,
    news: broadcast::Sender<u64>,
    latest: watch::Sender<u64>,
    /// Whether it is time to end.
    stop: AtomicBool,
    /// Moves as long as anybody does.
    steps: AtomicU64,
}

/// Something of everything, at random.
fn step(world: &World, random: &mut Random, tally: &mut Tally) {
    let limit = Duration::from_micros(random.below(300));
    let message = random.below(1 << 20);
    let (sender, receiver) = &world.channels[random.below(3) as usize];
    match random.below(12) {
        0 => {
            let mut count = world.mutex.lock().unwrap();
            let before = *count;
            if random.below(16) == 0 {
                fiber::yield_now();
            }
            *count = before + 1;
            tally.locked += 1;
        }
        1 => {
            if let Ok(mut count) = world.mutex.lock_timeout(limit) {
                *count += 1;
                tally.locked += 1;
            }
        }
        2 => {
            let (one, other) = *world.lock.read().unwrap();
            assert_eq!(one, other, "a writer was seen in the middle of its work");
        }
        3 => {
            let mut both = world.lock.write().unwrap();
            both.0 += 1;
            if random.below(16) == 0 {
                fiber::yield_now();
            }
            both.1 += 1;
            tally.written += 1;
        }
        4 => {
            let permits = 1 + random.below(3) as usize;
            let permit = world.semaphore.acquire_many(permits);
            let inside = world.inside.fetch_add(permits, SeqCst) + permits;
            assert!(inside <= PERMITS, "{inside} are in");
            fiber::yield_now();
            world.inside.fetch_sub(permits, SeqCst);
            drop(permit);
        }
        5 => {
            *world.tokens.0.lock().unwrap() += 1;
            world.tokens.1.notify_one();
            tally.put += 1;
        }
        6 => {
            let tokens = world.tokens.0.lock().unwrap();
            let (mut tokens, result) = world.tokens.1.wait_timeout_while(tokens, limit, |tokens| *tokens == 0).unwrap();
            if !result.timed_out() {
                *tokens -= 1;
                tally.taken += 1;
            }
        }
        7 => match sender.send_timeout(message, limit) {
            Ok(()) => tally.send(message),
            Err(error) => assert!(matches!(error, mpmc::SendTimeoutError::Timeout(_))),
        },
        8 => {
            if let Ok(message) = receiver.recv_timeout(limit) {
                tally.receive(message);
            }
        }
        9 => {
            let other = &world.channels[random.below(3) as usize].1;
            select! {
                message = receiver.recv() => tally.receive(message.unwrap()),
                message = other.recv() => tally.receive(message.unwrap()),
                result = sender.send(message) => {
                    result.unwrap();
                    tally.send(message);
                }
                () = world.notify.notified() => {}
                _ = world.semaphore.acquire_many(PERMITS / 2) => {}
                () = after(limit) => {}
            }
        }
        10 => {
            world.posts.send(message).unwrap();
            tally.posted += 1;
            world.notify.notify_one();
        }
        _ => {
            let (answer, question) = oneshot::channel();
            // Whoever is asked is asked through a channel that somebody may give up at.
            world.latest.send_modify(|latest| *latest += 1);
            tally.changed += 1;
            answer.send(message).unwrap();
            assert_eq!(question.recv(), Ok(message));
            let _ = world.news.send(message);
        }
    }
    world.steps.fetch_add(1, SeqCst);
}

/// Does so many steps, or goes on until it is time to end.
fn live(world: &World, seed: u64, steps: Option<u64>) -> Tally {
    let (mut random, mut tally) = (Random::seeded(seed), Tally::default());
    let mut done = 0;
    while steps.map_or_else(|| !world.stop.load(SeqCst), |steps| done < steps) {
        step(world, &mut random, &mut tally);
        done += 1;
    }
    tally
}

/// Aborts with a dump when nobody has moved for long.
fn watch_over(world: &Arc<World>, runtime: Handle) {
    let world = Arc::downgrade(world);
    std::thread::spawn(move || {
        let mut before = 0;
        while let Some(now) = {
            std::thread::sleep(Duration::from_secs(60));
            world.upgrade().map(|world| world.steps.load(SeqCst))
        } {
            if now == before {
                eprintln!(
                    "nobody moves: {}",
                    runtime.dump().to_string().lines().take(200).collect::<Vec<_>>().join("\n")
                );
                std::process::abort();
            }
            before = now;
        }
    });
}

#[test]
fn threads_and_fibers_count_exactly() {
    let seconds: Option<u64> = std::env::var("FIBER_SOAK_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let runtime = Builder::new().workers(2).build().unwrap();
    let (posts, posted) = mpsc::sync_channel(16);
    let (news, mut heard) = broadcast::channel(1000);
    let (latest, mut watched) = watch::channel(0);
    let world = Arc::new(World {
        mutex: Mutex::new(0),
        lock: RwLock::new((0, 0)),
        semaphore: Arc::new(Semaphore::new(PERMITS)),
        inside: AtomicUsize::new(0),
        tokens: (Mutex::new(0), Condvar::new()),
        notify: Notify::new(),
        channels: [mpmc::channel(), mpmc::sync_channel(5), mpmc::sync_channel(0)],
        posts,
        news,
        latest,
        stop: AtomicBool::new(false),
        steps: AtomicU64::new(0),
    });
    watch_over(&world, runtime.handle());
    let collects = runtime.spawn(move || posted.iter().count() as u64);
    let listens = runtime.spawn(move || {
        let (mut heard_of, mut lost) = (0, 0);
        for message in heard.iter() {
            match message {
                Ok(_) => heard_of += 1,
                Err(lagged) => lost += lagged.0,
            }
        }
        heard_of + lost
    });
    let watches = std::thread::spawn(move || {
        let mut seen = 0;
        while watched.changed().is_ok() {
            let latest = *watched.borrow_and_update();
            assert!(latest >= seen, "it goes back");
            seen = latest;
        }
        seen
    });

    let steps = move |usual| if seconds.is_some() { None } else { Some(usual) };
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| {
            let world = world.clone();
            std::thread::spawn(move || live(&world, seed, steps(200)))
        })
        .collect();
    let fibers: Vec<_> = (THREADS..THREADS + FIBERS)
        .map(|seed| {
            let world = world.clone();
            runtime.spawn(move || live(&world, seed, steps(6)))
        })
        .collect();
    if let Some(seconds) = seconds {
        let end = Instant::now() + Duration::from_secs(seconds);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            std::thread::sleep(left.min(Duration::from_secs(10)));
        }
        world.stop.store(true, SeqCst);
    }
    let mut tally = Tally::default();
    threads.into_iter().for_each(|thread| tally.add(thread.join().unwrap()));
    fibers.into_iter().for_each(|fiber| tally.add(fiber.join().unwrap()));

    let world = Arc::into_inner(world).expect("all have ended");
    for (sender, receiver) in world.channels {
        drop(sender);
        receiver.iter().for_each(|message| tally.receive(message));
    }
    assert_eq!((tally.sent, tally.sent_sum), (tally.received, tally.received_sum));
    assert_eq!(world.mutex.into_inner().unwrap(), tally.locked);
    assert_eq!(world.lock.into_inner().unwrap(), (tally.written, tally.written));
    assert_eq!(world.tokens.0.into_inner().unwrap(), tally.put - tally.taken);
    assert_eq!((world.semaphore.available_permits(), world.inside.into_inner()), (PERMITS, 0));
    drop((world.posts, world.news, world.latest));
    assert_eq!(collects.join().unwrap(), tally.posted);
    assert_eq!(listens.join().unwrap(), tally.changed, "each is received, or reported as lost");
    assert_eq!(watches.join().unwrap(), tally.changed);
    println!("{} steps by {THREADS} threads and {FIBERS} fibers: {tally:?}", world.steps.into_inner());
}
