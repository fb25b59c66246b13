//! What is done by many fibers at once: trees of them, waiting, sleeping.

use crate::fail;
use crate::report::{Measured, Random, compute, processor_seconds, resident_bytes};
use fiber::JoinHandle;
use fiber::sync::Barrier;
use fiber::time::sleep;
use hdrhistogram::Histogram;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Outcome = Result<Measured, Box<dyn Error + Send + Sync>>;

/// The result of a fiber. None of them panics, but one may not have been able to start.
pub(crate) fn join<T>(fiber: JoinHandle<T>) -> T {
    fiber.join().unwrap_or_else(|error| fail(error))
}

/// Waits at the barrier, where the fibers are awaited too. If one of them could not start, that is the end: the others would wait for it
/// for ever.
pub(crate) fn meet(start: &Barrier, fibers: &mut Vec<JoinHandle<()>>) {
    while start.wait_timeout(Duration::from_millis(100)).is_none() {
        join_ended(fibers);
    }
}

/// Joins one that has ended, if there is one.
fn join_ended(fibers: &mut Vec<JoinHandle<()>>) {
    if let Some(ended) = fibers.iter().position(JoinHandle::is_finished) {
        join(fibers.swap_remove(ended));
    }
}

/// The sum of the leaves from `first` on.
fn leaves(first: u64, count: u64) -> u64 {
    if count == 1 {
        return first;
    }
    let each = count / 10;
    let children: [_; 10] = std::array::from_fn(|child| {
        let first = first + each * child as u64;
        fiber::spawn(move || leaves(first, each))
    });
    children.into_iter().fold(0, |sum, child| sum.wrapping_add(join(child)))
}

pub(crate) fn skynet(count: u64) -> Measured {
    let (begin, busy) = (Instant::now(), processor_seconds());
    let sum = leaves(0, count);
    let (time, busy) = (begin.elapsed(), processor_seconds() - busy);
    let expected = u128::from(count) * u128::from(count - 1) / 2;
    assert_eq!(sum, expected as u64, "every leaf was added once, modulo 2^64");
    Measured::new("skynet", time.as_secs_f64() * 1e3, "ms").with("leaves", count).and("cpu_s", busy)
}

pub(crate) fn idle(n: usize, settle: u64) -> Outcome {
    let parked = Arc::new(AtomicUsize::new(0));
    let released = Arc::new(AtomicBool::new(false));
    let mut fibers: Vec<JoinHandle<()>> = Vec::with_capacity(n);
    let before = resident_bytes()?;
    fibers.extend((0..n).map(|_| {
        let (parked, released) = (Arc::clone(&parked), Arc::clone(&released));
        // A million take longer than a fiber should hold its worker.
        fiber::checkpoint();
        fiber::spawn(move || {
            parked.fetch_add(1, Ordering::Relaxed);
            // Whoever unparks may do so before everybody is released.
            while !released.load(Ordering::Acquire) {
                fiber::park();
            }
        })
    }));
    let mut there = 0;
    while there < n {
        sleep(Duration::from_millis(10));
        let before = std::mem::replace(&mut there, parked.load(Ordering::Relaxed));
        // No more come: does one of them never?
        if there == before {
            join_ended(&mut fibers);
        }
    }
    let resident = resident_bytes()?.saturating_sub(before);
    // What nobody wakes costs no time.
    let busy = processor_seconds();
    sleep(Duration::from_secs(1));
    let busy = processor_seconds() - busy;
    released.store(true, Ordering::Release);
    fibers.iter().for_each(|fiber| fiber.fiber().unpark());
    fibers.into_iter().for_each(join);
    let each = |bytes: u64| bytes as f64 / n as f64;
    let measured = Measured::new("idle", each(resident), "bytes").with("n", n).and("cpu_s_per_second", busy);
    if settle == 0 {
        return Ok(measured);
    }
    sleep(Duration::from_secs(settle));
    let left = resident_bytes()?.saturating_sub(before);
    Ok(measured.with("settle", settle).and("bytes_left", each(left)))
}

pub(crate) fn timers(n: usize) -> Outcome {
    let busy = processor_seconds();
    let mut random = Random::new(1);
    let fibers: Vec<JoinHandle<Duration>> = (0..n)
        .map(|_| {
            let time = Duration::from_nanos(random.below(1_000_000_000));
            fiber::spawn(move || {
                let due = Instant::now() + time;
                sleep(time);
                due.elapsed()
            })
        })
        .collect();
    let mut late = Histogram::<u64>::new(3)?;
    for fiber in fibers {
        late.record(u64::try_from(join(fiber).as_nanos())?)?;
    }
    let busy = processor_seconds() - busy;
    let microseconds = |quantile| late.value_at_quantile(quantile) as f64 / 1e3;
    let measured = Measured::new("timers", microseconds(0.99), "us").with("n", n);
    Ok(measured.and("p50_us", microseconds(0.5)).and("max_us", late.max() as f64 / 1e3).and("cpu_s", busy))
}

pub(crate) fn fanout(children: usize, repeat: usize) -> Measured {
    let busy = processor_seconds();
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..repeat.max(1) {
        let start = Arc::new(Barrier::new(children + 1));
        let mut fibers: Vec<JoinHandle<()>> = (0..children)
            .map(|_| {
                let start = Arc::clone(&start);
                fiber::spawn(move || {
                    start.wait();
                    for _ in 0..10 {
                        sleep(Duration::from_millis(1));
                        compute(5_000);
                    }
                })
            })
            .collect();
        meet(&start, &mut fibers);
        let begin = Instant::now();
        fibers.into_iter().for_each(join);
        times.push(begin.elapsed());
    }
    let busy = processor_seconds() - busy;
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e3;
    Measured::new("fanout", median, "ms").with("children", children).with("repeat", repeat).and("cpu_s", busy)
}
