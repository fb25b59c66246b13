//! What a long computation does to the fibers beside it, and the remedies.
//!
//! ```sh
//! cargo run --release --bin stall
//! ```
//!
//! On one worker, a fiber ticks every millisecond and notes how late each tick comes, while another computes for some time: first
//! as it is, then with a checkpoint in its loop, then in `fiber::blocking`. The first one holds the worker, and the runtime says so, with
//! the place.

use clap::Parser;
use fiber::runtime::Handle;
use fiber::time::sleep;
use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Lets a computation run beside a fiber that ticks.
#[derive(Clone, Copy, Parser)]
struct Arguments {
    /// Milliseconds for which is computed
    #[arg(long, default_value_t = 200)]
    compute: u64,
}

/// Adds numbers up for so long. Nothing in it waits.
fn plain(time: Duration) -> u64 {
    let (begin, mut sum) = (Instant::now(), 0_u64);
    while begin.elapsed() < time {
        sum = black_box(sum.wrapping_add(1));
    }
    sum
}

/// The same, and the attribute puts a checkpoint into the loop.
#[fiber::task]
fn with_checkpoints(time: Duration) -> u64 {
    let (begin, mut sum) = (Instant::now(), 0_u64);
    while begin.elapsed() < time {
        sum = black_box(sum.wrapping_add(1));
    }
    sum
}

/// Ticks every millisecond until told to stop; how many ticks there were, and how late the latest was.
fn tick(stop: &AtomicBool) -> (usize, Duration) {
    let (mut ticks, mut latest) = (0, Duration::ZERO);
    let millisecond = Duration::from_millis(1);
    while !stop.load(Ordering::Relaxed) {
        let due = Instant::now() + millisecond;
        sleep(millisecond);
        ticks += 1;
        latest = latest.max(due.elapsed());
    }
    (ticks, latest)
}

/// Lets `compute` run beside a fiber that ticks, and prints how that got on.
fn beside(what: &str, compute: impl FnOnce() -> u64) {
    let stop = AtomicBool::new(false);
    let (ticks, latest) = fiber::scope(|scope| {
        let ticking = scope.spawn(|| tick(&stop));
        // It ticks before the computation begins.
        sleep(Duration::from_millis(5));
        black_box(compute());
        stop.store(true, Ordering::Relaxed);
        ticking.join().expect("ticking does not panic")
    });
    println!("{what:<17} {ticks:>4} ticks, the latest {:>7.2} ms late", latest.as_secs_f64() * 1000.0);
}

#[fiber::main(workers = 1)]
fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { compute } = Arguments::try_parse().unwrap_or_else(|error| error.exit());
    let time = Duration::from_millis(compute);
    beside("as it is", || plain(time));
    beside("with checkpoints", || with_checkpoints(time));
    beside("fiber::blocking", || fiber::blocking(|| plain(time)));
    let metrics = Handle::try_current().expect("this is a fiber").metrics();
    println!("time slices that expired: {}; workers held: {}", metrics.slices_expired, metrics.workers_held);
    Ok(())
}
