//! Random operations on files, pipes, sockets and children, with random time limits and cancellations, and every byte verified: for as long
//! as one likes.
//!
//! Each actor is a fiber that plays one scene after the other, now and then under a time limit or on a fiber that is cancelled, whatever it is
//! doing at that moment. What a call reported as done must be done, what it did not must not be; a scene that finds it otherwise
//! panics. At the end nothing may be left: no fiber, hence no operation in flight (it would be on the stack of one), no call on the pool, no
//! descriptor, no child, no file; and no more memory than after the first tenth of the time.
//!
//! ```sh
//! cargo run --release -p fiber-tests --bin soak -- --seconds 600
//! ```
//!
//! The seed that it prints, given as `--seed`, makes the same choices again; what they meet depends on the machine.

mod children;
mod files;
mod random;
mod streams;

use clap::Parser;
use fiber::runtime::Builder;
use fiber_tests::usage::Usage;
use random::Random;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Random operations, verified.
#[derive(Parser)]
struct Arguments {
    /// How long
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The choices to make; those of the moment if none is given
    #[arg(long)]
    seed: Option<u64>,
    /// How many act at the same time
    #[arg(long, default_value_t = 48)]
    actors: u64,
    /// Worker threads
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

/// What has happened.
#[derive(Default)]
struct Counts {
    scenes: AtomicU64,
    limited: AtomicU64,
    cancelled: AtomicU64,
    bytes: AtomicU64,
}

static COUNTS: Counts = Counts {
    scenes: AtomicU64::new(0),
    limited: AtomicU64::new(0),
    cancelled: AtomicU64::new(0),
    bytes: AtomicU64::new(0),
};

/// Counts bytes that were found to be as they must be.
fn verified(bytes: usize) {
    COUNTS.bytes.fetch_add(bytes as u64, Relaxed);
}

/// A folder that is removed with this.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn main() {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64)
    });
    println!("seed {seed}");
    // An actor that fails leaves others waiting for it.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        eprintln!("seed {seed}, after {} scenes", COUNTS.scenes.load(Relaxed));
        std::process::exit(101);
    }));
    let folder = Scratch(std::env::temp_dir().join(format!("fiber-soak-{}", std::process::id())));
    std::fs::create_dir(&folder.0).expect("a temporary folder");
    // What a process makes once is made.
    soak(&arguments, seed, &folder.0, Duration::from_millis(500));
    let before = usage();
    let first = Duration::from_secs(arguments.seconds) / 10;
    let driver = soak(&arguments, seed, &folder.0, first);
    let early = usage();
    soak(&arguments, seed ^ 1, &folder.0, Duration::from_secs(arguments.seconds) - first);
    let after = usage();

    assert_eq!(after.descriptors, before.descriptors, "descriptors are left");
    // Buffers of the allocator, stacks that are kept for the next fiber: some MiB come and go.
    let room = 32 << 10;
    assert!(after.resident < early.resident + room, "memory is left: {before}, then {early}, at last {after}");
    assert_eq!(std::fs::read_dir(&folder.0).expect("the folder").count(), 0, "files are left");
    let children = children::of_this_process();
    assert!(children.is_empty(), "children are left: {children:?}");
    let Counts { scenes, limited, cancelled, bytes } = &COUNTS;
    println!(
        "{} s on {driver}: {} scenes, {} of them under a time limit and {} cancelled; {} bytes verified",
        arguments.seconds,
        scenes.load(Relaxed),
        limited.load(Relaxed),
        cancelled.load(Relaxed),
        bytes.load(Relaxed)
    );
    println!("nothing is left: {before} before, {after} after");
}

/// What this process has, once the threads that are about to end have ended.
fn usage() -> Usage {
    let now = || Usage::of(std::process::id()).expect("this process has usage");
    let begin = Instant::now();
    while now().threads > 1 && begin.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(1));
    }
    now()
}

/// Lets all actors act in a runtime of their own, and returns its driver.
fn soak(arguments: &Arguments, seed: u64, folder: &Path, duration: Duration) -> String {
    let builder = Builder::new().workers(arguments.workers).shutdown_timeout(Duration::from_secs(60));
    let runtime = builder.build().expect("a runtime");
    runtime.run(|| {
        let end = Instant::now() + duration;
        fiber::scope(|scope| {
            for actor in 0..arguments.actors {
                scope.spawn(move || {
                    let mut random = Random::seeded(seed.wrapping_add(actor.wrapping_mul(0x1234_5678_9abc_def1)));
                    while Instant::now() < end {
                        act(&mut random, folder);
                    }
                });
            }
        });
    });
    let handle = runtime.handle();
    let left = || {
        let (dump, pool) = (runtime.dump(), handle.blocking_metrics());
        let fine = dump.fibers().is_empty() && dump.queued() == 0 && pool.queued == 0 && pool.threads == pool.idle;
        (!fine).then(|| format!("{dump}\n{pool:?}"))
    };
    // A fiber and a thread tell that they are done, and are a moment later.
    let begin = Instant::now();
    while let Some(left) = left() {
        assert!(begin.elapsed() < Duration::from_secs(30), "fibers or calls are left: {left}");
        std::thread::sleep(Duration::from_millis(1));
    }
    let driver = runtime.dump().driver().to_owned();
    runtime.shutdown(Duration::from_secs(60)).expect("nothing holds it");
    driver
}

/// Plays a scene, perhaps not to its end.
fn act(random: &mut Random, folder: &Path) {
    let mut own = random.split();
    let mut scene = move || match own.below(16) {
        0..5 => files::contents(&mut own, folder),
        5..7 => files::paths(&mut own, folder),
        7 => files::copies(&mut own, folder),
        8..10 => streams::pipe(&mut own),
        10..12 => streams::tcp(&mut own),
        12..14 => streams::local(&mut own, folder),
        14 => streams::datagrams(&mut own),
        _ => children::one(&mut own),
    };
    COUNTS.scenes.fetch_add(1, Relaxed);
    match random.below(4) {
        0 => {
            if fiber::time::timeout(random.moment(), scene).is_err() {
                COUNTS.limited.fetch_add(1, Relaxed);
            }
        }
        1 => fiber::scope(|scope| {
            let fiber = scope.spawn(scene);
            fiber::time::sleep(random.moment());
            fiber.cancel();
            match fiber.join() {
                Ok(()) => (),
                Err(error) if error.is_panic() => panic!("{error}"),
                Err(_) => drop(COUNTS.cancelled.fetch_add(1, Relaxed)),
            }
        }),
        _ => scene(),
    }
}
